/* gradients-attention.c: the gradients of attention and rotary embeddings.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "gradients.h"

void
gradients_attention_add_tests (void)
{
}
