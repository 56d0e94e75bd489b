/* gradients-linear.c: the gradients of products.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "gradients.h"

void
gradients_linear_add_tests (void)
{
}
