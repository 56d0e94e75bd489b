/* table.c: the table of the reference.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

static const MblmKernels table = {
    .abi = MBLM_KERNELS_ABI,
    .name = "ref",

    .device_open = ref_device_open,
    .device_close = ref_device_close,
    .device_describe = ref_device_describe,
    .device_threads = ref_device_threads,
    .device_traits = ref_device_traits,
    .alloc = ref_alloc,
    .free = ref_free,
    .alloc_host = ref_alloc,
    .free_host = ref_free,
    .queue_new = ref_queue_new,
    .queue_free = ref_queue_free,
    .queue_wait = ref_queue_wait,

    .upload = ref_copy,
    .download = ref_copy,
    .copy = ref_copy,
    .zero = ref_zero,

    .embed = ref_embed,
    .embed_backward = ref_embed_backward,
    .add_position = ref_add_position,
    .add_position_backward = ref_add_position_backward,
    .add = ref_add,
    .copy_rows = ref_copy_rows,
    .scatter_rows = ref_scatter_rows,
    .sum_rows = ref_sum_rows,
    .dropout = ref_dropout,
    .linear = ref_linear,
    .linear_backward = ref_linear_backward,
    .layer_norm = ref_layer_norm,
    .layer_norm_backward = ref_layer_norm_backward,
    .rms_norm = ref_rms_norm,
    .rms_norm_backward = ref_rms_norm_backward,
    .shift_norm = ref_shift_norm,
    .shift_norm_backward = ref_shift_norm_backward,
    .gated_norm = ref_gated_norm,
    .gated_norm_backward = ref_gated_norm_backward,
    .rope_angles = ref_rope_angles,
    .rope = ref_rope,
    .rope_backward = ref_rope_backward,
    .attention_turns = ref_attention_turns,
    .attention = ref_attention,
    .attention_backward = ref_attention_backward,
    .conv = ref_conv,
    .conv_backward = ref_conv_backward,
    .ssd_scan = ref_ssd_scan,
    .ssd_scan_backward = ref_ssd_scan_backward,
    .selective_scan = ref_selective_scan,
    .selective_scan_backward = ref_selective_scan_backward,
    .cross_entropy = ref_cross_entropy,
    .cross_entropy_backward = ref_cross_entropy_backward,
    .sample = ref_sample,
    .sum_squares = ref_sum_squares,
    .add_scaled = ref_add_scaled,
    .convert = ref_convert,
    .adam = ref_adam,
};

const MblmKernels *
mblm_kernels_ref (void)
{
  return &table;
}
