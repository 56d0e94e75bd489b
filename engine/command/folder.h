/* folder.h: model folders that a subcommand writes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "command.h"

G_BEGIN_DECLS

/* Checks what was written and prints one line about it: path, stages,
 * context and bytes of the weights. */
gboolean folder_report (Command *command, const char *folder, GError **error);

G_END_DECLS
