/* runs.h: what training runs leave behind.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

/* A file in an output folder, which has to be there. */
char *runs_read (const char *output, const char *name);
/* loss.csv without its timestamps. */
char *runs_read_losses (const char *output);
/* Everything that two whole runs of the model `run` leave is equal, bit for bit;
 * two models are kept. */
void runs_assert_same (const char *a, const char *b);
