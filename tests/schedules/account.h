/* account.h: nothing of a schedule may be left when it has ended.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gst/gst.h>

/* Counts it until it is freed. `what` is for the report, and is copied. */
void account_mini (gpointer mini, const char *what);
void account_object (gpointer object, const char *what);
/* Every element and pad in a bin, as it is now. */
void account_bin (GstBin *bin);
/* Fails if anything is still there. */
void account_close (void);
