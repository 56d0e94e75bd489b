/* mblm-operations.h: what the operations of a device compute, and their
 * arguments.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of them, and the conventions that hold for all, are in
 * mblm-kernels.h, which includes this file; what state-space models compute is
 * in mblm-scans.h.
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

/* The gradients of a carry, for sequences as there. */
typedef struct {
  const float *const *to; /* of what was carried on; NULL: zeros */
  float *const *from;     /* += of what came in, if anything did; entry 0 is
                           * that of all sequences where the carry is shared */
} MblmCarryGradient;

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

typedef struct {
  MblmEmbed forward;
  const float *d_out; /* [rows, width], contiguous */
  bool has_padding;   /* the row of the id `padding` gets nothing */
  int32_t padding;
  float *d_table; /* +=, [vocabulary, width] */
} MblmEmbedBackward;

/* x[b, i, :] += table[(first[b] + i) % table.rows, :] (fixed position embedding;
 * the engine has checked that first[b] + rows <= table.rows where wrapping would
 * be wrong). */
typedef struct {
  MblmMatrix table; /* [period, width] */
  size_t batch, rows;
  const size_t *first; /* host [batch]; NULL: zeros */
  float *x;            /* [batch, rows, width], in place */
} MblmAddPosition;

typedef struct {
  MblmAddPosition forward; /* its x is the gradient, and only read; `first` is
                            * NULL */
  float *d_table;          /* +=, [period, width] */
} MblmAddPositionBackward;

/* x[b, :] += y[b, :] (residuals; the slice of a parent stage's projection). */
typedef struct {
  size_t batch, width;
  float *x; /* in place */
  size_t x_stride;
  const float *y;
  size_t y_stride; /* 0: the same row for all */
  const float *const
      *ys; /* host [batch] of [width], in the place of y; or NULL */
} MblmAdd;

/* out[b, :] = x[b, :], any strides; x_stride 0 repeats one row. */
typedef struct {
  size_t batch, width;
  const float *x;
  size_t x_stride;
  float *out;
  size_t out_stride;
} MblmCopyRows;

/* to[b, p][i, :] = x[b, i, p, :]: each part of a sequence's rows goes to memory of
 * its own (the keys and values of some streams; a start for all of them). */
typedef struct {
  size_t batch, rows, parts, width; /* [width] is one part of a row */
  const float *x;                   /* [batch * rows, parts * width] */
  size_t x_stride;                  /* from row to row; 0 repeats one row */
  float *const *to; /* host [batch, parts] of [rows, width] contiguous */
} MblmScatterRows;

/* out[:] += sum over b of x[b, :]: the gradient of a row that was repeated. */
typedef struct {
  size_t batch, width;
  const float *x;
  size_t x_stride;
  float *out; /* [width] */
} MblmSumRows;

/* x[i] = 0 with the given probability, else x[i] / (1 - probability); its own
 * gradient. Entry i is dropped where uniform number `first` + i of the stream
 * `seed`, (r + 0.5) / 2^32, is below the probability: r is word (first + i) % 4
 * of Philox4x32-10 with key `seed` (low word first) and counter (first + i) / 4
 * (low word first, the upper two words zero). */
typedef struct {
  size_t count;
  float *x; /* in place */
  float probability;
  uint64_t seed, first;
} MblmDropout;

/* ------------------------------------------------------------------------- */
/* Products                                                                  */
/* ------------------------------------------------------------------------- */

/* out = residual + activation (x W^T + bias). A row of the result is the same
 * whatever number of rows up to 8 it is computed with. With `product` BF16 a
 * device may round both operands of the product to bfloat16 (to nearest, ties to
 * even) and then adds up in float32; the reference does so. Only then may operands
 * and results lie in memory as bfloat16; a device may round the sum x W^T to it,
 * too, before it goes on to such a result. */
typedef struct {
  MblmMatrix weight; /* [n, k] as in PyTorch's Linear */
  const float *bias; /* [n] or NULL */
  MblmActivation activation;
  const float *residual; /* [rows, n], rows out_stride apart; NULL: nothing. It
                          * may be `out`, which then is float32 */
  size_t rows;
  const void *x; /* [rows, k] */
  MblmType x_type;
  size_t x_stride; /* >= k */
  void *out;       /* [rows, n] */
  MblmType out_type;
  size_t out_stride; /* >= n */
  MblmType product;
  void *
      before; /* [rows, n] contiguous of out_type, gets x W^T + bias; or NULL */
} MblmLinear;

/* The gradients of out = x W^T + bias: d_x = d_out W, d_weight += d_out^T x,
 * d_bias += column sums of d_out. `product` holds for both products. With
 * `before`, x is what an activation (and dropout) made of that, and d_x becomes the
 * gradient by that: d_out W times the slope of GELU there. */
typedef struct {
  MblmLinear forward; /* its weight, x, rows and product */
  const void *d_out;  /* [rows, n] */
  MblmType d_out_type;
  size_t d_out_stride;
  const void *before; /* [rows, k] contiguous or NULL; of x_type */
  bool accumulate;    /* d_x +=; float32 only */
  void *d_x;          /* [rows, k] */
  MblmType d_x_type;
  size_t d_x_stride;
  float *d_weight; /* +=, [n, k] */
  float *d_bias;   /* +=, [n] */
} MblmLinearBackward;

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

typedef struct {
  MblmLayerNorm forward;
  const float *d_out;     /* contiguous */
  bool accumulate;        /* d_x += */
  float *d_x;             /* contiguous; may be d_out */
  float *d_gain, *d_bias; /* +=, [width] */
} MblmLayerNormBackward;

/* out = x / sqrt (mean (x^2) + epsilon) * gain, per row (Mamba). */
typedef struct {
  size_t rows, width;
  const float *x;    /* contiguous */
  const float *gain; /* [width] */
  float epsilon;
  float *out; /* contiguous; may be x */
} MblmRmsNorm;

typedef struct {
  MblmRmsNorm forward;
  const float *d_out; /* contiguous */
  bool accumulate;    /* d_x += */
  float *d_x;         /* contiguous; may be d_out */
  float *d_gain;      /* +=, [width] */
} MblmRmsNormBackward;

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
  void *out; /* contiguous, not x */
  MblmType out_type;
} MblmShiftNorm;

typedef struct {
  MblmShiftNorm forward; /* its carry's `to` says whether there is one */
  const float *d_out;    /* contiguous */
  bool accumulate;       /* d_x += */
  float *d_x;            /* contiguous, not d_out */
  float *d_gain;         /* +=, [width] */
  MblmCarryGradient d_carry;
} MblmShiftNormBackward;

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

typedef struct {
  MblmGatedNorm forward;
  const float *d_out; /* contiguous */
  float *d_y;         /* may be d_out where d_y_stride == width */
  size_t d_y_stride;
  float *d_z;
  size_t d_z_stride;
  float *d_gain; /* +=, [width] */
} MblmGatedNormBackward;

/* ------------------------------------------------------------------------- */
/* Rotary embedding                                                          */
/* ------------------------------------------------------------------------- */

/* cosine[b, i, j], sine[b, i, j] of the angle float32 (first[b] + i) * frequency[j],
 * that product rounded to float32, with full range reduction. */
typedef struct {
  const float *frequency; /* [half] */
  size_t half;
  size_t batch, rows;
  const size_t *first;  /* host [batch]; NULL: zeros */
  float *cosine, *sine; /* [batch, rows, half] */
} MblmRopeAngles;

typedef enum {
  MBLM_ROPE_HALVES, /* pairs (x[j], x[j + half]): attention heads */
  MBLM_ROPE_PAIRS,  /* pairs (x[2j], x[2j + 1]): stage positions */
} MblmRopeForm;

/* (a, b) = (a cos - b sin, b cos + a sin) for each pair of each head of
 * 2 * half numbers. Row i of sequence b takes angle row b * angle_stride + i:
 * angle_stride 0 gives every sequence the same angles. Memory of bfloat16 is turned
 * in float32 and rounded once, to nearest, ties to even. */
typedef struct {
  MblmRopeForm form;
  size_t batch, rows, heads, half;
  void *x; /* [batch * rows, heads * 2 * half], in place */
  MblmType x_type;
  size_t x_stride;            /* from row to row */
  const float *cosine, *sine; /* [.., half] */
  size_t angle_stride;        /* in rows of the angle tables */
} MblmRope; /* backward: x is the gradient, and is turned back in place */

/* ------------------------------------------------------------------------- */
/* Attention                                                                 */
/* ------------------------------------------------------------------------- */

/* out = softmax (q k^T / sqrt (head_dim)) v for each head. The keys of sequence
 * b are its past, `past[b]` rows of `past_key[b]` (or of entry 0 for all with
 * `past_shared`: the constant start column of an inner stage), followed by its
 * own `rows`. Causal: query i sees the past and own keys 0..i. Otherwise every
 * key, but those whose key_mask is 0; a row with every key masked sees all of
 * them alike, or nothing with `masked_is_zero`. Masks exclude a past and
 * causality.
 *
 * With products of bfloat16 queries, keys, values and `out` may lie in memory as
 * such: results are rounded once, when they are stored, to nearest, ties to even.
 * A past, and log_sum, are float32. */
typedef struct {
  size_t batch, rows, heads, head_dim; /* head_dim 1 .. 512 */
  MblmType type;           /* of query, key, value and out; BF16 only with a
                             * product of that type */
  const void *query;       /* [batch * rows, heads * head_dim] */
  size_t query_stride;     /* from row to row */
  const void *key, *value; /* as query */
  size_t key_stride;       /* of both */
  bool causal;
  const float *const *past_key; /* [past, heads * head_dim] contiguous rows */
  const float *const *past_value;
  const size_t *past; /* NULL: no past */
  bool past_shared;
  const uint8_t *key_mask; /* [batch, rows] or NULL */
  bool masked_is_zero;
  void *out;        /* [batch * rows, heads * head_dim] contiguous */
  MblmType product; /* BF16: a device may round the operands of all products
                     * to bfloat16; the reference doesn't */
  float *log_sum;   /* [batch * rows, heads] or NULL: gets
                     * log (sum exp (score)) over the keys that are seen; any
                     * number where every key is masked */
  /* Where `attention_turns` says so: own queries and keys are turned first, in
   * halves as by MblmRope; gradients are those before. NULL: they aren't. */
  const float *cosine, *sine; /* [.., head_dim / 2] */
  size_t angle_stride;        /* in rows of the angle tables */
} MblmAttention;

/* A row with every key masked passes no gradient to queries and keys; to the
 * values it does where they were averaged. Nothing of the size rows * rows is
 * held. The gradients are of the forward struct's type, those of a past float32. */
typedef struct {
  MblmAttention forward; /* `out` and `log_sum` as they were left */
  const void *d_out;     /* [batch * rows, heads * head_dim] contiguous */
  void *d_query;         /* strides as in the forward struct */
  void *d_key, *d_value;
  float *const *d_past_key; /* +=, as past_key; NULL: not wanted */
  float *const *d_past_value;
} MblmAttentionBackward;

/* ------------------------------------------------------------------------- */
/* A step of a Transformer                                                   */
/* ------------------------------------------------------------------------- */

/* x += out attention (rope (qkv norm (shift (x))))
 * x += down gelu (up norm (shift (x)) + up_bias) + down_bias
 * with the norms, the rotation (halves) and the causal attention as above. */
typedef struct {
  const float *attention_gain; /* [dim] */
  MblmMatrix qkv;              /* [3 * heads * head_dim, dim] */
  MblmMatrix out;              /* [dim, heads * head_dim] */
  const float *ff_gain;        /* [dim] */
  MblmMatrix up;               /* [wide, dim] */
  const float *up_bias;        /* [wide] or NULL */
  MblmMatrix down;             /* [dim, wide] */
  const float *down_bias;      /* [dim] or NULL */
} MblmTransformerLayer;

/* What a sequence has of a layer: it is read, and that of the new row is added
 * behind `past` rows of keys and values, and replaces what is carried. */
typedef struct {
  float *key, *value;                /* [past + 1, heads * head_dim] */
  float *attention_shift, *ff_shift; /* [dim / 2] */
} MblmTransformerState;

/* One row of each sequence through all layers and the norm at the end, all products
 * in float32:
 *
 *   x[b] = input[b] + table[ids[b]] + positions[position[b]] + addend[b]
 *   out[b] = norm (layers (x[b]));  logits[b] = to_logits out[b] + logits_bias
 *
 * where what is NULL (of a matrix, its data) is left out. */
typedef struct {
  size_t batch;
  size_t layers, dim, heads, head_dim, wide;
  const MblmTransformerLayer *layer; /* host [layers] */
  const MblmTransformerState *state; /* host [batch, layers] */
  const size_t *past;                /* host [batch] */
  const float *frequency;            /* [head_dim / 2]; NULL: no rotation */
  const float *gain;                 /* [dim], of the norm at the end */
  float epsilon;                     /* of all norms */
  const float *input;                /* [batch, dim] or NULL */
  MblmMatrix table;                  /* [vocabulary, dim] */
  const int32_t *ids;                /* host [batch] */
  const int32_t *drawn;              /* [batch], in place of ids, valid as
                                      * they are; or NULL */
  MblmMatrix positions;              /* [period, dim] */
  const size_t *position;            /* host [batch], below the period */
  const float *const *addend;        /* host [batch] of [dim], or NULL */
  float *out;                        /* [batch, dim] */
  MblmMatrix to_logits;              /* [vocabulary, dim] */
  const float *logits_bias;          /* [vocabulary] or NULL */
  float *logits;                     /* [batch, vocabulary] */
} MblmTransformerStep;

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

/* The loss and its gradient in one: d_logits = weight[i] (softmax - one of the
 * target), zeros where targets[i] is negative or float32 loss[i] * weight[i] is
 * exactly zero. */
typedef struct {
  MblmCrossEntropy forward; /* `loss` is written */
  const float *weight;      /* [rows] or NULL: ones */
  float *d_logits;          /* [rows, vocabulary] contiguous; may be logits */
} MblmCrossEntropyBackward;

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
  /* The host is told, too, where the table has `sample_told`. Then ids may be NULL:
   * nothing is drawn, and the host gets the logits only. */
  bool tells;
} MblmSample;

/* Samples of one shape that the host has been told and hasn't asked for, at most. */
#define MBLM_MOST_TOLD 64

/* ------------------------------------------------------------------------- */
/* Steps                                                                     */
/* ------------------------------------------------------------------------- */

/* sum[0] += sum of x^2, in double. */
typedef struct {
  size_t count;
  const float *x;
  double *sum;
} MblmSumSquares;

/* x += scale * y; y may be x. */
typedef struct {
  size_t count;
  float *x;
  const float *y;
  float scale;
} MblmAddScaled;

/* out[i] = x[i], each of its type. What becomes bfloat16 is rounded: to the
 * nearest, of two the even one. */
typedef struct {
  size_t count;
  const void *x;
  MblmType x_type;
  void *out;
  MblmType out_type;
} MblmConvert;

/* Adam. With g = scale * gradient:
 *   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
 *   weight -= rate / correction1 * m / (sqrt (v) / sqrt (correction2) + epsilon)
 * where correctionN = 1 - betaN^t at step t = 1, 2, ... */
typedef struct {
  size_t count;
  float *weight, *m, *v;
  const float *gradient;
  float scale;
  double rate, beta1, beta2, correction1, correction2, epsilon;
} MblmAdam;

#ifdef __cplusplus
}
#endif
