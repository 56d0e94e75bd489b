/* table.cu: the table of the CUDA device, and the only symbol of its module.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "operations.h"

static const MblmKernels table = {
    .abi = MBLM_KERNELS_ABI,
    .name = "cuda",

    .device_open = mblm_cuda_device_open,
    .device_close = mblm_cuda_device_close,
    .device_describe = mblm_cuda_device_describe,
    .device_threads = mblm_cuda_device_threads,
    .device_traits = mblm_cuda_device_traits,
    .alloc = mblm_cuda_alloc,
    .free = mblm_cuda_free,
    .alloc_host = mblm_cuda_alloc_host,
    .free_host = mblm_cuda_free_host,
    .queue_new = mblm_cuda_queue_new,
    .queue_free = mblm_cuda_queue_free,
    .queue_wait = mblm_cuda_queue_wait,
    .queue_set_tf32 = mblm_cuda_queue_set_tf32,

    .upload = mblm_cuda_upload,
    .download = mblm_cuda_download,
    .copy = mblm_cuda_copy,
    .zero = mblm_cuda_zero,

    .embed = mblm_cuda_embed,
    .embed_backward = mblm_cuda_embed_backward,
    .add_position = mblm_cuda_add_position,
    .add_position_backward = mblm_cuda_add_position_backward,
    .add = mblm_cuda_add,
    .copy_rows = mblm_cuda_copy_rows,
    .scatter_rows = mblm_cuda_scatter_rows,
    .sum_rows = mblm_cuda_sum_rows,
    .dropout = mblm_cuda_dropout,
    .linear = mblm_cuda_linear,
    .linear_backward = mblm_cuda_linear_backward,
    .layer_norm = mblm_cuda_layer_norm,
    .layer_norm_backward = mblm_cuda_layer_norm_backward,
    .rms_norm = mblm_cuda_rms_norm,
    .rms_norm_backward = mblm_cuda_rms_norm_backward,
    .shift_norm = mblm_cuda_shift_norm,
    .shift_norm_backward = mblm_cuda_shift_norm_backward,
    .gated_norm = mblm_cuda_gated_norm,
    .gated_norm_backward = mblm_cuda_gated_norm_backward,
    .rope_angles = mblm_cuda_rope_angles,
    .rope = mblm_cuda_rope,
    .rope_backward = mblm_cuda_rope_backward,
    .attention_turns = mblm_cuda_attention_turns,
    .attention = mblm_cuda_attention,
    .attention_backward = mblm_cuda_attention_backward,
    .transformer_step = mblm_cuda_transformer_step,
    .conv = mblm_cuda_conv,
    .conv_backward = mblm_cuda_conv_backward,
    .ssd_scan = mblm_cuda_ssd_scan,
    .ssd_scan_backward = mblm_cuda_ssd_scan_backward,
    .selective_scan = mblm_cuda_selective_scan,
    .selective_scan_backward = mblm_cuda_selective_scan_backward,
    .cross_entropy = mblm_cuda_cross_entropy,
    .cross_entropy_backward = mblm_cuda_cross_entropy_backward,
    .sample = mblm_cuda_sample,
    .sample_told = mblm_cuda_sample_told,
    .sum_squares = mblm_cuda_sum_squares,
    .add_scaled = mblm_cuda_add_scaled,
    .convert = mblm_cuda_convert_all,
    .adam = mblm_cuda_adam,
};

extern "C" __attribute__ ((visibility ("default"))) const MblmKernels *
mblm_kernels_cuda (void)
{
  return &table;
}
