/* ref.h: what the files of the reference share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * `ref` is the specification of the table in mblm-kernels.h: one operation or
 * one close family a file, plain loops in the order of the formula, every sum
 * and every intermediate value in double, one rounding to float32 at the end
 * (where an operation says otherwise, it says why). It is never optimised.
 */

#pragma once

#include "mblm-kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct _MblmKernelDevice {
  char description[64];
};

struct _MblmQueue {
  MblmStatus status; /* sticks until `queue_wait` clears it */
};

/* Scratch memory for `count` doubles, not initialised, from free () on. Never
 * NULL unless it also makes MBLM_STATUS_NO_MEMORY stick to the queue. */
double *ref_scratch (MblmQueue *queue, size_t count);
/* The same for [rows, width] zeros: sums over the rows of a batch. */
double *ref_zeros (MblmQueue *queue, size_t rows, size_t width);

/* out [count] += sums [count]; a NULL `out` isn't wanted. */
static inline void
ref_add_to (float *out, const double *sums, size_t count)
{
  for (size_t i = 0; i < count && out; i++)
    out[i] = (float) (out[i] + sums[i]);
}

/* *out = value, or += with `add`. */
static inline void
ref_give (float *out, double value, bool add)
{
  *out = (float) (add ? *out + value : value);
}

/* The states of the sequences of a batch, one at a time, in double:
 *
 *   if (!ref_state_open (&state, queue, &a->carry, a->batch, size))
 *     return;
 *   for (size_t b = 0; b < a->batch; b++) {
 *     ref_state_load (&state, b);
 *     ... state.now[0 .. size - 1] ...
 *     ref_state_store (&state, b);
 *   }
 *   ref_state_close (&state);
 *
 * A shared start is read before anything is stored, so that it may be the
 * memory which one of the sequences leaves its own state in. */
typedef struct {
  const MblmCarry *carry;
  size_t size;
  double *now;   /* [size] */
  double *start; /* [size], where the start is shared */
} RefState;

bool ref_state_open (RefState *self, MblmQueue *queue, const MblmCarry *carry,
    size_t batch, size_t size);
void ref_state_load (RefState *self, size_t b);
void ref_state_store (RefState *self, size_t b);
void ref_state_close (RefState *self);

/* Entry i of memory of either type. A bfloat16 is the upper half of a float32. */
static inline double
ref_get (MblmType type, const void *data, size_t i)
{
  uint32_t bits;
  float value;

  if (type == MBLM_TYPE_F32)
    return ((const float *) data)[i];
  bits = (uint32_t) ((const uint16_t *) data)[i] << 16;
  memcpy (&value, &bits, sizeof (value));
  return value;
}

/* x as one of the type: as bfloat16 the nearest, of two the even one.
 * Not-a-numbers stay so. */
static inline float
ref_nearest (MblmType type, double x)
{
  float value = (float) x;
  uint32_t bits;

  if (type == MBLM_TYPE_F32)
    return value;
  memcpy (&bits, &value, sizeof (bits));
  bits = isnan (value) ? bits | 0x00400000 : bits + 0x7fff + (bits >> 16 & 1);
  bits &= 0xffff0000;
  memcpy (&value, &bits, sizeof (value));
  return value;
}

/* Entry i of memory of the type becomes x. */
static inline void
ref_set (MblmType type, void *data, size_t i, double x)
{
  float value = ref_nearest (type, x);
  uint32_t bits;

  memcpy (&bits, &value, sizeof (bits));
  if (type == MBLM_TYPE_F32)
    ((float *) data)[i] = value;
  else
    ((uint16_t *) data)[i] = (uint16_t) (bits >> 16);
}

/* An entry of a weight. */
static inline double
ref_matrix_at (const MblmMatrix *m, size_t row, size_t col)
{
  return ref_get (m->type, m->data, row * m->cols + col);
}

static inline double
ref_sigmoid (double x)
{
  return 1.0 / (1.0 + exp (-x));
}

static inline double
ref_silu (double x)
{
  return x * ref_sigmoid (x);
}

/* The derivative of ref_silu. */
static inline double
ref_silu_slope (double x)
{
  return ref_sigmoid (x) * (1.0 + x * ref_sigmoid (-x));
}

/* log (1 + exp (x)), which is x where exp (x) would soon overflow. */
static inline double
ref_softplus (double x)
{
  return x > 20.0 ? x : log1p (exp (x));
}

/* The derivative of ref_softplus. */
static inline double
ref_softplus_slope (double x)
{
  return x > 20.0 ? 1.0 : ref_sigmoid (x);
}

/* *to += x, rounded once. */
static inline void
ref_add_one (float *to, double x)
{
  *to = (float) (*to + x);
}

/* Every entry of the table; see mblm-kernels.h. */
MblmKernelDevice *ref_device_open (
    unsigned index, unsigned threads, char *message, size_t message_size);
void ref_device_close (MblmKernelDevice *device);
const char *ref_device_describe (MblmKernelDevice *device);
unsigned ref_device_threads (MblmKernelDevice *device);
void ref_device_traits (MblmKernelDevice *device, MblmTraits *traits);
void *ref_alloc (MblmKernelDevice *device, size_t bytes);
void ref_free (MblmKernelDevice *device, void *memory);
MblmQueue *ref_queue_new (MblmKernelDevice *device);
void ref_queue_free (MblmQueue *queue);
MblmStatus ref_queue_wait (MblmQueue *queue);
void ref_copy (MblmQueue *queue, void *to, const void *from, size_t bytes);
void ref_zero (MblmQueue *queue, void *to, size_t bytes);
void ref_embed (MblmQueue *queue, const MblmEmbed *a);
void ref_embed_backward (MblmQueue *queue, const MblmEmbedBackward *a);
void ref_add_position (MblmQueue *queue, const MblmAddPosition *a);
void ref_add_position_backward (
    MblmQueue *queue, const MblmAddPositionBackward *a);
void ref_add (MblmQueue *queue, const MblmAdd *a);
void ref_copy_rows (MblmQueue *queue, const MblmCopyRows *a);
void ref_scatter_rows (MblmQueue *queue, const MblmScatterRows *a);
void ref_sum_rows (MblmQueue *queue, const MblmSumRows *a);
void ref_dropout (MblmQueue *queue, const MblmDropout *a);
void ref_linear (MblmQueue *queue, const MblmLinear *a);
void ref_linear_backward (MblmQueue *queue, const MblmLinearBackward *a);
void ref_layer_norm (MblmQueue *queue, const MblmLayerNorm *a);
void ref_layer_norm_backward (MblmQueue *queue, const MblmLayerNormBackward *a);
void ref_rms_norm (MblmQueue *queue, const MblmRmsNorm *a);
void ref_rms_norm_backward (MblmQueue *queue, const MblmRmsNormBackward *a);
void ref_shift_norm (MblmQueue *queue, const MblmShiftNorm *a);
void ref_shift_norm_backward (MblmQueue *queue, const MblmShiftNormBackward *a);
void ref_gated_norm (MblmQueue *queue, const MblmGatedNorm *a);
void ref_gated_norm_backward (MblmQueue *queue, const MblmGatedNormBackward *a);
void ref_rope_angles (MblmQueue *queue, const MblmRopeAngles *a);
void ref_rope (MblmQueue *queue, const MblmRope *a);
void ref_rope_backward (MblmQueue *queue, const MblmRope *a);
bool ref_attention_turns (const MblmAttention *a);
void ref_attention (MblmQueue *queue, const MblmAttention *a);
void ref_attention_backward (MblmQueue *queue, const MblmAttentionBackward *g);
void ref_conv (MblmQueue *queue, const MblmConv *a);
void ref_conv_backward (MblmQueue *queue, const MblmConvBackward *a);
void ref_ssd_scan (MblmQueue *queue, const MblmSsdScan *a);
void ref_ssd_scan_backward (MblmQueue *queue, const MblmSsdScanBackward *a);
void ref_selective_scan (MblmQueue *queue, const MblmSelectiveScan *a);
void ref_selective_scan_backward (
    MblmQueue *queue, const MblmSelectiveScanBackward *a);
void ref_cross_entropy (MblmQueue *queue, const MblmCrossEntropy *a);
void ref_cross_entropy_backward (
    MblmQueue *queue, const MblmCrossEntropyBackward *a);
void ref_sample (MblmQueue *queue, const MblmSample *a);
void ref_sum_squares (MblmQueue *queue, const MblmSumSquares *a);
void ref_add_scaled (MblmQueue *queue, const MblmAddScaled *a);
void ref_convert (MblmQueue *queue, const MblmConvert *a);
void ref_adam (MblmQueue *queue, const MblmAdam *a);
