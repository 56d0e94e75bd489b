/* mblm-utf8.h: whole characters out of a stream of bytes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What is left of a character that has not ended yet: at most 3 bytes. */
typedef struct {
  guint8 tail[4];
  guint n_tail;
} MblmUtf8;

#define MBLM_UTF8_INIT                                                         \
  {                                                                            \
    {0}, 0                                                                     \
  }

/* Appends to `out` every character that `n` more bytes complete. What can't be
 * UTF-8 becomes U+FFFD, one for each maximal part as Unicode recommends; NUL
 * too, since text in GStreamer and JSON can't hold it. */
void mblm_utf8_push (
    MblmUtf8 *self, const guint8 *bytes, gsize n, GString *out);
/* The end of the stream: an unfinished character becomes U+FFFD. */
void mblm_utf8_finish (MblmUtf8 *self, GString *out);

G_END_DECLS
