/* session-ahead.h: what a device draws and goes on with before the host asks.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <mblm-kernels.h>

#include "mblm-session.h"

G_BEGIN_DECLS

/* A larger vocabulary stays with the host. */
#define MBLM_AHEAD_VOCABULARY 4096

/* How the next ids would be drawn. */
typedef struct {
  guint n; /* predictions that are wanted */
  float temperature, top_p, min_p;
  guint top_k;
  float uniform[MBLM_MOST_TOLD];
  gboolean is_bounded; /* by `allowed` */
  guint8 allowed[MBLM_AHEAD_VOCABULARY];
} MblmDraws;

/* How many predictions may be wanted at once when `id` is fed next; 0: the device
 * can't go ahead, or has done so with this id. */
guint mblm_session_get_ahead (MblmSession *self, gint32 id);
/* Feeds an id as mblm_session_feed does. The device draws the next ids by itself
 * and goes on with them; where these are fed afterwards, each by itself, what they
 * predict is on its way already. Anything else that is asked of the session finds it
 * as if the device had not gone ahead. */
gboolean mblm_session_feed_ahead (MblmSession *self, gint32 id,
    const MblmDraws *draws, GCancellable *cancellable, GError **error);

G_END_DECLS
