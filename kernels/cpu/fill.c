/* fill.c: the operations of one instruction set.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "isa.h"

void
FN (fill) (MblmCpuOps *ops)
{
  *ops = (MblmCpuOps){
      .embed = FN (embed),
      .add_position = FN (add_position),
      .add = FN (add),
      .copy_rows = FN (copy_rows),
      .linear = FN (linear),
      .layer_norm = FN (layer_norm),
      .rms_norm = FN (rms_norm),
      .shift_norm = FN (shift_norm),
      .gated_norm = FN (gated_norm),
      .rope = FN (rope),
      .attention = FN (attention),
      .conv = FN (conv),
      .conv_backward = FN (conv_backward),
      .ssd_scan = FN (ssd_scan),
      .ssd_scan_backward = FN (ssd_scan_backward),
      .selective_scan = FN (selective_scan),
      .selective_scan_backward = FN (selective_scan_backward),
      .cross_entropy = FN (cross_entropy),
  };
}
