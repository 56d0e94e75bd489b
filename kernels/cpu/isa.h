/* isa.h: names of what is compiled once for each instruction set.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The build defines MBLM_ISA (generic, avx2, avx512, ...); FN (linear) is
 * then mblm_cpu_linear_avx2, and so on. Only functions which several files need
 * have such names, all others are static.
 */

#pragma once

#include "cpu.h"
#include "vec.h"

#define MBLM_FN_PASTE(name, isa) mblm_cpu_##name##_##isa
#define MBLM_FN_EXPAND(name, isa) MBLM_FN_PASTE (name, isa)
#define FN(name) MBLM_FN_EXPAND (name, MBLM_ISA)

#ifdef __clang__
#define UNROLL _Pragma ("unroll")
#else
#define UNROLL _Pragma ("GCC unroll 32")
#endif

#define ALWAYS_INLINE inline __attribute__ ((always_inline))

/* The operations; the arguments are described in mblm-kernels.h. */
void FN (embed) (MblmQueue *queue, const MblmEmbed *a);
void FN (embed_backward) (MblmQueue *queue, const MblmEmbedBackward *a);
void FN (add_position) (MblmQueue *queue, const MblmAddPosition *a);
void FN (add_position_backward) (
    MblmQueue *queue, const MblmAddPositionBackward *a);
void FN (add) (MblmQueue *queue, const MblmAdd *a);
void FN (copy_rows) (MblmQueue *queue, const MblmCopyRows *a);
void FN (scatter_rows) (MblmQueue *queue, const MblmScatterRows *a);
void FN (sum_rows) (MblmQueue *queue, const MblmSumRows *a);
void FN (dropout) (MblmQueue *queue, const MblmDropout *a);
void FN (linear) (MblmQueue *queue, const MblmLinear *a);
void FN (linear_backward) (MblmQueue *queue, const MblmLinearBackward *a);
void FN (layer_norm) (MblmQueue *queue, const MblmLayerNorm *a);
void FN (layer_norm_backward) (
    MblmQueue *queue, const MblmLayerNormBackward *a);
void FN (rms_norm) (MblmQueue *queue, const MblmRmsNorm *a);
void FN (rms_norm_backward) (MblmQueue *queue, const MblmRmsNormBackward *a);
void FN (shift_norm) (MblmQueue *queue, const MblmShiftNorm *a);
void FN (shift_norm_backward) (
    MblmQueue *queue, const MblmShiftNormBackward *a);
void FN (gated_norm) (MblmQueue *queue, const MblmGatedNorm *a);
void FN (gated_norm_backward) (
    MblmQueue *queue, const MblmGatedNormBackward *a);
void FN (rope) (MblmQueue *queue, const MblmRope *a);
void FN (rope_backward) (MblmQueue *queue, const MblmRope *a);
void FN (attention) (MblmQueue *queue, const MblmAttention *a);
void FN (attention_backward) (MblmQueue *queue, const MblmAttentionBackward *g);
void FN (conv) (MblmQueue *queue, const MblmConv *a);
void FN (conv_backward) (MblmQueue *queue, const MblmConvBackward *a);
void FN (ssd_scan) (MblmQueue *queue, const MblmSsdScan *a);
void FN (ssd_scan_backward) (MblmQueue *queue, const MblmSsdScanBackward *a);
void FN (selective_scan) (MblmQueue *queue, const MblmSelectiveScan *a);
void FN (selective_scan_backward) (
    MblmQueue *queue, const MblmSelectiveScanBackward *a);
void FN (cross_entropy) (MblmQueue *queue, const MblmCrossEntropy *a);
void FN (cross_entropy_backward) (
    MblmQueue *queue, const MblmCrossEntropyBackward *a);
void FN (sum_squares) (MblmQueue *queue, const MblmSumSquares *a);
void FN (add_scaled) (MblmQueue *queue, const MblmAddScaled *a);
void FN (convert) (MblmQueue *queue, const MblmConvert *a);
void FN (adam) (MblmQueue *queue, const MblmAdam *a);
