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
    .alloc = ref_alloc,
    .free = ref_free,
    .queue_new = ref_queue_new,
    .queue_free = ref_queue_free,
    .queue_wait = ref_queue_wait,

    .upload = ref_copy,
    .download = ref_copy,
    .copy = ref_copy,
    .zero = ref_zero,

    .embed = ref_embed,
    .add_position = ref_add_position,
    .add = ref_add,
    .copy_rows = ref_copy_rows,
    .linear = ref_linear,
    .layer_norm = ref_layer_norm,
    .rms_norm = ref_rms_norm,
    .shift_norm = ref_shift_norm,
    .gated_norm = ref_gated_norm,
    .rope_angles = ref_rope_angles,
    .rope = ref_rope,
    .rope_backward = ref_rope_backward,
    .attention = ref_attention,
    .attention_backward = ref_attention_backward,
    .conv = ref_conv,
    .ssd_scan = ref_ssd_scan,
    .selective_scan = ref_selective_scan,
    .cross_entropy = ref_cross_entropy,
    .sample = ref_sample,
};

const MblmKernels *
mblm_kernels_ref (void)
{
  return &table;
}
