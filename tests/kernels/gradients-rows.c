/* gradients-rows.c: the gradients of embeddings, rows, loss and steps.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "gradients.h"

void
gradients_rows_add_tests (void)
{
}
