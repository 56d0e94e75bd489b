/* fill.c: the operations of one instruction set.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "product.h"

/* MblmCpuOps.round_bf16 */
static void
round_row (uint16_t *to, const float *from, size_t n)
{
  for (size_t i = 0; i < n; i += VW)
    v_store_as (MBLM_TYPE_BF16, to, i, n - i, v_load_n (from + i, n - i));
}

void
FN (fill) (MblmCpuOps *ops)
{
  *ops = (MblmCpuOps){
      .blocks_bf16 = &FN (blocks_rounded),
      .round_bf16 = round_row,
      .embed = FN (embed),
      .embed_backward = FN (embed_backward),
      .add_position = FN (add_position),
      .add_position_backward = FN (add_position_backward),
      .add = FN (add),
      .copy_rows = FN (copy_rows),
      .scatter_rows = FN (scatter_rows),
      .sum_rows = FN (sum_rows),
      .dropout = FN (dropout),
      .linear = FN (linear),
      .linear_backward = FN (linear_backward),
      .layer_norm = FN (layer_norm),
      .layer_norm_backward = FN (layer_norm_backward),
      .rms_norm = FN (rms_norm),
      .rms_norm_backward = FN (rms_norm_backward),
      .shift_norm = FN (shift_norm),
      .shift_norm_backward = FN (shift_norm_backward),
      .gated_norm = FN (gated_norm),
      .gated_norm_backward = FN (gated_norm_backward),
      .rope = FN (rope),
      .rope_backward = FN (rope_backward),
      .attention = FN (attention),
      .attention_backward = FN (attention_backward),
      .conv = FN (conv),
      .conv_backward = FN (conv_backward),
      .ssd_scan = FN (ssd_scan),
      .ssd_scan_backward = FN (ssd_scan_backward),
      .selective_scan = FN (selective_scan),
      .selective_scan_backward = FN (selective_scan_backward),
      .cross_entropy = FN (cross_entropy),
      .cross_entropy_backward = FN (cross_entropy_backward),
      .sum_squares = FN (sum_squares),
      .add_scaled = FN (add_scaled),
      .convert = FN (convert),
      .adam = FN (adam),
  };
}
