/* fill.c: the operations of one instruction set.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "product.h"

void
FN (fill) (MblmCpuOps *ops)
{
  *ops = (MblmCpuOps){
      .blocks_bf16 = &FN (blocks_rounded),
      .embed = FN (embed),
      .add_position = FN (add_position),
      .add = FN (add),
      .copy_rows = FN (copy_rows),
      .linear = FN (linear),
      .linear_backward = FN (linear_backward),
      .layer_norm = FN (layer_norm),
      .rms_norm = FN (rms_norm),
      .shift_norm = FN (shift_norm),
      .gated_norm = FN (gated_norm),
      .rope = FN (rope),
      .rope_backward = FN (rope_backward),
      .attention = FN (attention),
      .attention_backward = FN (attention_backward),
      .conv = FN (conv),
      .ssd_scan = FN (ssd_scan),
      .selective_scan = FN (selective_scan),
      .cross_entropy = FN (cross_entropy),
  };
}
