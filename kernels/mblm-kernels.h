/* mblm-kernels.h: the table of operations that a device implements.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One MblmKernels per kind of device: `ref` (plain C, double accumulators: the
 * specification), `cpu` (OpenBLAS, AVX2, AVX-512) and, in a module of its own,
 * `cuda`. The engine is written once over this table; this header knows neither
 * GLib nor CUDA.
 *
 * Conventions
 *
 *  - All activations are float32, row-major; a row is a time step. Sizes and
 *    strides count elements, never bytes. Shapes are written [batch, rows, width].
 *  - Every operation takes a queue (a CUDA stream; on a CPU the work has been
 *    done when the call returns) and one struct of arguments, so that an
 *    operation can gain a field without changing its callers: a field that is
 *    left out of the designated initialiser is zero, and zero is the plain case.
 *  - Operations return nothing. An error (no memory for scratch space, a lost
 *    device) sticks to the queue: later operations on it do nothing and
 *    `queue_wait` returns and clears it.
 *  - Pointers named in a struct are device memory, except arrays of pointers
 *    and of counts, which are host memory and are read before the call returns.
 *  - Outputs never overlap inputs unless a field says that it works in place.
 *  - Results depend neither on the number of threads nor on what else runs.
 *  - An operation X with a gradient has a sibling X_backward, next to it in the
 *    table and in the same source file, whose struct holds the forward struct
 *    and the gradients.
 *  - Entries marked optional may be NULL; the engine then composes them.
 *
 * Formulas are those of the published implementation (arXiv 2502.14553); each
 * struct states its own.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MBLM_KERNELS_ABI 1

/* Devices align every allocation, and every row of a weight they pack, to this. */
#define MBLM_ALIGNMENT 64

typedef enum {
  MBLM_STATUS_OK,
  MBLM_STATUS_NO_MEMORY,
  MBLM_STATUS_DEVICE_LOST,
} MblmStatus;

typedef enum {
  MBLM_TYPE_F32,
  MBLM_TYPE_BF16,
} MblmType;

/* A weight: [rows, cols], contiguous. */
typedef struct {
  const void *data;
  MblmType type;
  size_t rows;
  size_t cols;
} MblmMatrix;

typedef enum {
  MBLM_ACTIVATION_NONE,
  MBLM_ACTIVATION_GELU, /* exact: x/2 (1 + erf (x / sqrt 2)) */
} MblmActivation;

typedef struct _MblmKernelDevice MblmKernelDevice;
typedef struct _MblmQueue MblmQueue;

/* What a sequence of a batch carries from one call to the next (the row before
 * the first for a token shift, the last inputs of a convolution, the state of a
 * scan). `from[b]` is read, `to[b]` is written; they may be the same memory.
 *
 *   from == NULL   every sequence starts from zeros
 *   shared         every sequence starts from from[0]
 *   to == NULL     what would be carried on is dropped */
typedef struct {
  const float *const *from;
  float *const *to;
  bool shared;
} MblmCarry;

/* ------------------------------------------------------------------------- */
/* Embedding and rows                                                        */
/* ------------------------------------------------------------------------- */

/* out[i, :] = table[ids[i], :]. Ids are valid: the engine has checked them. */
typedef struct {
  MblmMatrix table;   /* [vocabulary, width] */
  const int32_t *ids; /* [rows] */
  size_t rows;
  float *out; /* [rows, width], contiguous */
} MblmEmbed;

/* x[b, i, :] += table[(first + i) % table.rows, :] (fixed position embedding;
 * the engine has checked that first + rows <= table.rows where wrapping would
 * be wrong). */
typedef struct {
  MblmMatrix table; /* [period, width] */
  size_t first;
  size_t batch, rows;
  float *x; /* [batch, rows, width], in place */
} MblmAddPosition;

/* x[b, :] += y[b, :] (residuals; the slice of a parent stage's projection). */
typedef struct {
  size_t batch, width;
  float *x; /* in place */
  size_t x_stride;
  const float *y;
  size_t y_stride; /* 0: the same row for all */
} MblmAdd;

/* out[b, :] = x[b, :], any strides; x_stride 0 repeats one row. */
typedef struct {
  size_t batch, width;
  const float *x;
  size_t x_stride;
  float *out;
  size_t out_stride;
} MblmCopyRows;

/* ------------------------------------------------------------------------- */
/* Products                                                                  */
/* ------------------------------------------------------------------------- */

/* out = activation (x W^T + bias), or out += that with `accumulate`. A row of
 * the result is the same whatever number of rows up to 8 it is computed with. */
typedef struct {
  MblmMatrix weight; /* [n, k] as in PyTorch's Linear */
  const float *bias; /* [n] or NULL */
  MblmActivation activation;
  bool accumulate;
  size_t rows;
  const float *x;    /* [rows, k] */
  size_t x_stride;   /* >= k */
  float *out;        /* [rows, n] */
  size_t out_stride; /* >= n */
} MblmLinear;

/* ------------------------------------------------------------------------- */
/* Norms                                                                     */
/* ------------------------------------------------------------------------- */

/* out = (x - mean) / sqrt (variance + epsilon) * gain + bias, per row. */
typedef struct {
  size_t rows, width;
  const float *x;           /* contiguous */
  const float *gain, *bias; /* [width] */
  float epsilon;
  float *out; /* contiguous; may be x */
} MblmLayerNorm;

/* out = x / sqrt (mean (x^2) + epsilon) * gain, per row (Mamba). */
typedef struct {
  size_t rows, width;
  const float *x;    /* contiguous */
  const float *gain; /* [width] */
  float epsilon;
  float *out; /* contiguous; may be x */
} MblmRmsNorm;

/* MEGABYTE's norm, after its token shift:
 *   s[b, t, :] = (x[b, t, 0..a), x[b, t-1, a..width)),  a = ceil (width / 2)
 *   r = ||s|| / sqrt (width);  out = s / max (r, epsilon) * gain
 * Without `shift`, s = x. The carry is the second part of the row before the
 * first ([width - a] floats), zeros at the start of a sequence. */
typedef struct {
  size_t batch, rows, width;
  const float *x; /* [batch, rows, width] contiguous */
  bool shift;
  MblmCarry carry;
  const float *gain; /* [width] */
  float epsilon;
  float *out; /* contiguous, not x */
} MblmShiftNorm;

/* u = y * silu (z);  out = u / sqrt (mean (u^2) + epsilon) * gain (Mamba-2). */
typedef struct {
  size_t rows, width;
  const float *y;
  size_t y_stride;
  const float *z;
  size_t z_stride;
  const float *gain; /* [width] */
  float epsilon;
  float *out; /* contiguous; may be y where y_stride == width */
} MblmGatedNorm;

/* ------------------------------------------------------------------------- */
/* Rotary embedding                                                          */
/* ------------------------------------------------------------------------- */

/* cosine[i, j], sine[i, j] of the angle float32 (first + i) * frequency[j],
 * that product rounded to float32, with full range reduction. */
typedef struct {
  const float *frequency; /* [half] */
  size_t half;
  size_t first, rows;
  float *cosine, *sine; /* [rows, half] */
} MblmRopeAngles;

typedef enum {
  MBLM_ROPE_HALVES, /* pairs (x[j], x[j + half]): attention heads */
  MBLM_ROPE_PAIRS,  /* pairs (x[2j], x[2j + 1]): stage positions */
} MblmRopeForm;

/* (a, b) = (a cos - b sin, b cos + a sin) for each pair of each head of
 * 2 * half numbers. Row i of sequence b takes angle row b * angle_stride + i:
 * angle_stride 0 gives every sequence the same angles. */
typedef struct {
  MblmRopeForm form;
  size_t batch, rows, heads, half;
  float *x;                   /* [batch * rows, heads * 2 * half], in place */
  size_t x_stride;            /* from row to row */
  const float *cosine, *sine; /* [.., half] */
  size_t angle_stride;        /* in rows of the angle tables */
} MblmRope;

/* ------------------------------------------------------------------------- */
/* Attention                                                                 */
/* ------------------------------------------------------------------------- */

/* out = softmax (q k^T / sqrt (head_dim)) v for each head. The keys of sequence
 * b are its past, `past[b]` rows of `past_key[b]` (or of entry 0 for all with
 * `past_shared`: the constant start column of an inner stage), followed by its
 * own `rows`. Causal: query i sees the past and own keys 0..i. Otherwise every
 * key, but those whose key_mask is 0; a row with every key masked sees all of
 * them alike, or nothing with `masked_is_zero`. Masks exclude a past and
 * causality. */
typedef struct {
  size_t batch, rows, heads, head_dim; /* head_dim 1 .. 512 */
  const float *query;                  /* [batch * rows, heads * head_dim] */
  size_t query_stride;                 /* from row to row */
  const float *key, *value;            /* as query */
  size_t key_stride;                   /* of both */
  bool causal;
  const float *const *past_key; /* [past, heads * head_dim] contiguous rows */
  const float *const *past_value;
  const size_t *past; /* NULL: no past */
  bool past_shared;
  const uint8_t *key_mask; /* [batch, rows] or NULL */
  bool masked_is_zero;
  float *out; /* [batch * rows, heads * head_dim] contiguous */
} MblmAttention;

/* ------------------------------------------------------------------------- */
/* State-space models                                                        */
/* ------------------------------------------------------------------------- */

/* Causal depthwise convolution:
 *   out[b, t, c] = silu (bias[c] + sum_w weight[c, w] x[b, t - (taps - 1) + w, c])
 * The carry is the last taps - 1 rows of x, [taps - 1, width], oldest first. */
typedef struct {
  size_t batch, rows, width, taps; /* taps 1 .. 16 */
  const float *x;
  size_t x_stride;     /* from row to row, over batches too */
  const float *weight; /* [width, taps] */
  const float *bias;   /* [width] or NULL */
  MblmCarry carry;
  float *out; /* [batch * rows, width] */
  size_t out_stride;
} MblmConv;

/* Mamba-2's scan, head h of `heads`, state S [head_dim, state]:
 *   dt = softplus (delta[t, h] + delta_bias[h])   (identity above 20)
 *   S  = exp (-exp (a_log[h]) dt) S + dt x[t, h, :] (outer) B[t, :]
 *   y[t, h, :] = S C[t, :] + skip[h] x[t, h, :]
 * The carry is S, [heads, head_dim, state]. */
typedef struct {
  size_t batch, rows, heads, head_dim, state;
  const float *x;     /* [batch * rows, heads * head_dim] */
  const float *b, *c; /* [batch * rows, state] */
  size_t xbc_stride;  /* of x, b and c: they are parts of one row */
  const float *delta; /* [batch * rows, heads] */
  size_t delta_stride;
  const float *delta_bias, *a_log, *skip; /* [heads] */
  MblmCarry carry;
  float *y; /* [batch * rows, heads * head_dim] contiguous */
} MblmSsdScan;

/* Mamba-1's scan, channel e of `width`, state h [width, state]:
 *   dt = softplus (delta[t, e])
 *   h[e, :] = exp (-exp (a_log[e, :]) dt) h[e, :] + dt x[t, e] B[t, :]
 *   y[t, e] = (h[e, :] . C[t, :] + skip[e] x[t, e]) * silu (z[t, e])
 * The carry is h, [width, state]. */
typedef struct {
  size_t batch, rows, width, state;
  const float *x; /* [batch * rows, width] */
  size_t x_stride;
  const float *delta; /* as x; its bias is already added */
  size_t delta_stride;
  const float *b, *c; /* [batch * rows, state] */
  size_t bc_stride;
  const float *z; /* as x */
  size_t z_stride;
  const float *a_log; /* [width, state] */
  const float *skip;  /* [width] */
  MblmCarry carry;
  float *y; /* [batch * rows, width] contiguous */
} MblmSelectiveScan;

/* ------------------------------------------------------------------------- */
/* Loss and sampling                                                         */
/* ------------------------------------------------------------------------- */

/* loss[i] = log (sum exp (x - max)) - (x[target] - max) in float32, every step
 * rounded (the published loss is tested for exact zero), but for the additions
 * of the sum, which are in double; 0 where targets[i] is negative. Nats. */
typedef struct {
  size_t rows, vocabulary;
  const float *logits;    /* [rows, vocabulary] contiguous */
  const int32_t *targets; /* [rows] */
  float *loss;            /* [rows] */
} MblmCrossEntropy;

/* Draws ids[i] from the distribution of logits row i. In this order: ids not
 * allowed are out; temperature 0 takes the largest (the lowest id among
 * equals); else the top_k largest stay (0: all); softmax at the temperature;
 * ids below min_p times the largest probability are out; the smallest set of
 * the most probable ids that reaches top_p stays (1: all; ties by id); the
 * remainder, renormalised, is walked from the most probable down (ties by id)
 * until it exceeds uniform[i]. Probabilities are summed in double. min_p and
 * top_p look at the same distribution; the most probable id always stays. A
 * logit that is not a number counts as minus infinity; -1 where no id is
 * allowed. */
typedef struct {
  size_t rows, vocabulary;
  const float *logits;    /* [rows, vocabulary] contiguous */
  const uint8_t *allowed; /* [vocabulary] or NULL: all */
  float temperature, top_p, min_p;
  uint32_t top_k;
  const float *uniform; /* [rows], 0 <= u < 1 */
  int32_t *ids;         /* [rows] */
} MblmSample;

/* ------------------------------------------------------------------------- */
/* The table                                                                 */
/* ------------------------------------------------------------------------- */

typedef struct _MblmKernels MblmKernels;

struct _MblmKernels {
  uint32_t abi;     /* MBLM_KERNELS_ABI */
  const char *name; /* "ref", "cpu", "cuda" */

  /* Devices. `device_open` returns NULL and fills `message` (an English
   * sentence without a full stop) where device `index` can't be had. `threads`
   * 0 is the device's own choice. Any thread may call these. */
  MblmKernelDevice *(*device_open) (
      unsigned index, unsigned threads, char *message, size_t message_size);
  void (*device_close) (MblmKernelDevice *device);
  /* For people: "AVX-512, 2 threads". Belongs to the device. */
  const char *(*device_describe) (MblmKernelDevice *device);
  unsigned (*device_threads) (MblmKernelDevice *device);

  /* Memory of the device, aligned to MBLM_ALIGNMENT; NULL when there is none. */
  void *(*alloc) (MblmKernelDevice *device, size_t bytes);
  void (*free) (MblmKernelDevice *device, void *memory);

  /* Queues. One thread at a time uses a queue; different queues are used from
   * different threads at once. */
  MblmQueue *(*queue_new) (MblmKernelDevice *device);
  void (*queue_free) (MblmQueue *queue);
  MblmStatus (*queue_wait) (MblmQueue *queue);

  /* Transfers, bytes; download returns when the host memory is filled. */
  void (*upload) (MblmQueue *queue, void *to, const void *host, size_t bytes);
  void (*download) (
      MblmQueue *queue, void *host, const void *from, size_t bytes);
  void (*copy) (MblmQueue *queue, void *to, const void *from, size_t bytes);
  void (*zero) (MblmQueue *queue, void *to, size_t bytes);

  void (*embed) (MblmQueue *queue, const MblmEmbed *a);
  void (*add_position) (MblmQueue *queue, const MblmAddPosition *a);
  void (*add) (MblmQueue *queue, const MblmAdd *a);
  void (*copy_rows) (MblmQueue *queue, const MblmCopyRows *a);
  void (*linear) (MblmQueue *queue, const MblmLinear *a);
  void (*layer_norm) (MblmQueue *queue, const MblmLayerNorm *a);
  void (*rms_norm) (MblmQueue *queue, const MblmRmsNorm *a);
  void (*shift_norm) (MblmQueue *queue, const MblmShiftNorm *a);
  void (*gated_norm) (MblmQueue *queue, const MblmGatedNorm *a);
  void (*rope_angles) (MblmQueue *queue, const MblmRopeAngles *a);
  void (*rope) (MblmQueue *queue, const MblmRope *a);
  void (*attention) (MblmQueue *queue, const MblmAttention *a);
  void (*conv) (MblmQueue *queue, const MblmConv *a);
  void (*ssd_scan) (MblmQueue *queue, const MblmSsdScan *a);
  void (*selective_scan) (MblmQueue *queue, const MblmSelectiveScan *a);
  void (*cross_entropy) (MblmQueue *queue, const MblmCrossEntropy *a);
  void (*sample) (MblmQueue *queue, const MblmSample *a);
};

/* The tables that are always there. */
const MblmKernels *mblm_kernels_ref (void);
const MblmKernels *mblm_kernels_cpu (void);

#ifdef __cplusplus
}
#endif
