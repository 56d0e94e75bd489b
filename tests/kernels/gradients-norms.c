/* gradients-norms.c: the gradients of norms.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "gradients.h"

void
gradients_norms_add_tests (void)
{
}
