/* fake-clock.h: what a test has told the fake models.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "run.h"

G_BEGIN_DECLS

typedef enum {
  FAKE_PROMPT,
  FAKE_BYTE,
  FAKE_LOAD,
  FAKE_N_TIMES,
} FakeTime;

/* Works for the time of this kind; `own` (ns) is that of the folder. FALSE: it
 * was cancelled, or is told to fail. */
gboolean fake_work (MblmRun *run, FakeTime kind, gint64 own, GError **error);
/* That so many ids were fed (fake_get_ids). */
void fake_count_ids (guint64 n);
/* The text that holds instead of this one; free with g_free. */
char *fake_choose_text (const char *own);

G_END_DECLS
