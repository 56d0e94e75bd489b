/* gradients-scans.c: the gradients of convolution and scans.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "gradients.h"

void
gradients_scans_add_tests (void)
{
}
