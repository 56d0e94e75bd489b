/* operations.h: every entry of the table; see mblm-kernels.h.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "mblm-kernels.h"

extern "C" {

MblmKernelDevice *mblm_cuda_device_open (
    unsigned index, unsigned threads, char *message, size_t message_size);
void mblm_cuda_device_close (MblmKernelDevice *device);
const char *mblm_cuda_device_describe (MblmKernelDevice *device);
unsigned mblm_cuda_device_threads (MblmKernelDevice *device);
void mblm_cuda_device_traits (MblmKernelDevice *device, MblmTraits *traits);
void *mblm_cuda_alloc (MblmKernelDevice *device, size_t bytes);
void mblm_cuda_free (MblmKernelDevice *device, void *memory);
void *mblm_cuda_alloc_host (MblmKernelDevice *device, size_t bytes);
void mblm_cuda_free_host (MblmKernelDevice *device, void *memory);
MblmQueue *mblm_cuda_queue_new (MblmKernelDevice *device);
void mblm_cuda_queue_free (MblmQueue *queue);
MblmStatus mblm_cuda_queue_wait (MblmQueue *queue);
void mblm_cuda_queue_set_tf32 (MblmQueue *queue, bool tf32);
void mblm_cuda_upload (
    MblmQueue *queue, void *to, const void *host, size_t bytes);
void mblm_cuda_download (
    MblmQueue *queue, void *host, const void *from, size_t bytes);
void mblm_cuda_copy (
    MblmQueue *queue, void *to, const void *from, size_t bytes);
void mblm_cuda_zero (MblmQueue *queue, void *to, size_t bytes);

void mblm_cuda_embed (MblmQueue *queue, const MblmEmbed *a);
void mblm_cuda_embed_backward (MblmQueue *queue, const MblmEmbedBackward *a);
void mblm_cuda_add_position (MblmQueue *queue, const MblmAddPosition *a);
void mblm_cuda_add_position_backward (
    MblmQueue *queue, const MblmAddPositionBackward *a);
void mblm_cuda_add (MblmQueue *queue, const MblmAdd *a);
void mblm_cuda_copy_rows (MblmQueue *queue, const MblmCopyRows *a);
void mblm_cuda_scatter_rows (MblmQueue *queue, const MblmScatterRows *a);
void mblm_cuda_sum_rows (MblmQueue *queue, const MblmSumRows *a);
void mblm_cuda_dropout (MblmQueue *queue, const MblmDropout *a);
void mblm_cuda_linear (MblmQueue *queue, const MblmLinear *a);
void mblm_cuda_linear_backward (MblmQueue *queue, const MblmLinearBackward *a);
void mblm_cuda_layer_norm (MblmQueue *queue, const MblmLayerNorm *a);
void mblm_cuda_layer_norm_backward (
    MblmQueue *queue, const MblmLayerNormBackward *a);
void mblm_cuda_rms_norm (MblmQueue *queue, const MblmRmsNorm *a);
void mblm_cuda_rms_norm_backward (
    MblmQueue *queue, const MblmRmsNormBackward *a);
void mblm_cuda_shift_norm (MblmQueue *queue, const MblmShiftNorm *a);
void mblm_cuda_shift_norm_backward (
    MblmQueue *queue, const MblmShiftNormBackward *a);
void mblm_cuda_gated_norm (MblmQueue *queue, const MblmGatedNorm *a);
void mblm_cuda_gated_norm_backward (
    MblmQueue *queue, const MblmGatedNormBackward *a);
void mblm_cuda_rope_angles (MblmQueue *queue, const MblmRopeAngles *a);
void mblm_cuda_rope (MblmQueue *queue, const MblmRope *a);
void mblm_cuda_rope_backward (MblmQueue *queue, const MblmRope *a);
bool mblm_cuda_attention_turns (const MblmAttention *a);
void mblm_cuda_attention (MblmQueue *queue, const MblmAttention *a);
void mblm_cuda_attention_backward (
    MblmQueue *queue, const MblmAttentionBackward *g);
bool mblm_cuda_transformer_step (
    MblmQueue *queue, const MblmTransformerStep *a);
void mblm_cuda_conv (MblmQueue *queue, const MblmConv *a);
void mblm_cuda_conv_backward (MblmQueue *queue, const MblmConvBackward *a);
void mblm_cuda_ssd_scan (MblmQueue *queue, const MblmSsdScan *a);
void mblm_cuda_ssd_scan_backward (
    MblmQueue *queue, const MblmSsdScanBackward *a);
void mblm_cuda_selective_scan (MblmQueue *queue, const MblmSelectiveScan *a);
void mblm_cuda_selective_scan_backward (
    MblmQueue *queue, const MblmSelectiveScanBackward *a);
void mblm_cuda_cross_entropy (MblmQueue *queue, const MblmCrossEntropy *a);
void mblm_cuda_cross_entropy_backward (
    MblmQueue *queue, const MblmCrossEntropyBackward *a);
void mblm_cuda_sample (MblmQueue *queue, const MblmSample *a);
MblmStatus mblm_cuda_sample_told (
    MblmQueue *queue, float *logits, int32_t *ids);
void mblm_cuda_sum_squares (MblmQueue *queue, const MblmSumSquares *a);
void mblm_cuda_add_scaled (MblmQueue *queue, const MblmAddScaled *a);
void mblm_cuda_convert_all (MblmQueue *queue, const MblmConvert *a);
void mblm_cuda_adam (MblmQueue *queue, const MblmAdam *a);
}
