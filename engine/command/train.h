/* train.h: what the files of `mblm train` share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "command.h"

G_BEGIN_DECLS

/* --dry-run: what a run that is prepared will be, and about how long. */
gboolean train_print_plan (
    Command *command, MblmTrainer *trainer, GError **error);

/* "3 d 4 h", "2 h 5 min", "1 min 3 s", "0.5 s". Free with g_free. */
char *train_format_seconds (double seconds);

G_END_DECLS
