/* confine.h: a process that can do nothing but read, compute and write.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Takes from this process, for good, everything but reading descriptor 0, writing
 * descriptors 1 (at most `max_output` bytes a file) and 2, memory up to
 * `max_memory` bytes, `max_seconds` of processor time, and the end. NULL, or what
 * went wrong (a literal): then it must end. */
const char *mblm_confine (
    guint64 max_output, guint64 max_memory, guint64 max_seconds);

G_END_DECLS
