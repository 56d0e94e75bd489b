/* amx.h: products of bfloat16 in the matrix unit of newer x86-64 processors.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "cpu.h"

#define AMX_BLOCK_KEYS 192   /* a multiple of 32 */
#define AMX_FORWARD_ROWS 256 /* too */

/* Whether a device uses it. */
static inline bool
mblm_cpu_has_amx (const MblmKernelDevice *device)
{
  return device->level >= MBLM_CPU_AMX;
}

/* Whether it is for these products, forward and backward alike: log_sum must be
 * that of the scores which are computed again. */
static inline bool
mblm_cpu_use_amx (const MblmKernelDevice *device, const MblmAttention *a)
{
  return a->product == MBLM_TYPE_BF16 && !a->key_mask && a->rows > 8 &&
      a->head_dim % 32 == 0 && a->head_dim <= 128 && mblm_cpu_has_amx (device);
}

/* Some keys, at most AMX_BLOCK_KEYS, and some rows of a head of a sequence; rows
 * are `..._stride` entries apart, here and below. */
typedef struct {
  size_t head_dim;   /* a multiple of 32, at most 128 */
  MblmType type;     /* of rows but those of a past */
  float scale;       /* of scores */
  size_t keys, past; /* the first `past` of them are float32 */
  const void *key[AMX_BLOCK_KEYS], *value[AMX_BLOCK_KEYS]; /* [head_dim] each */
  /* Row i sees the first keys, i + `first` + 1 of them at most, or all. */
  bool causal;
  ptrdiff_t first;
  size_t rows;
  const void *query; /* [rows, head_dim] */
  size_t query_stride;
} AmxScores;

/* At most AMX_FORWARD_ROWS rows. Between `begin` and `end` come all keys, block
 * after block, with the same memory. */
typedef struct {
  AmxScores scores;
  void *out; /* [rows, head_dim] from entry `out_at` on */
  size_t out_at, out_stride;
  float *log_sum; /* [rows] or NULL */
  size_t log_sum_stride;
} AmxForward;

/* Any number of rows. */
typedef struct {
  AmxScores scores;
  const void *d_out; /* [rows, head_dim] */
  size_t d_out_stride;
  const float *log_sum; /* [rows] */
  size_t log_sum_stride;
  const float *delta; /* [rows] */
  float *d_query;     /* +=, [rows, head_dim] or NULL */
  size_t d_query_stride;
  float *d_key, *d_value; /* [keys, head_dim] */
  size_t d_key_stride;    /* of both */
} AmxBackward;

#ifdef __x86_64__

/* Bytes of the memory that these want, aligned to MBLM_ALIGNMENT. */
size_t mblm_cpu_amx_forward_size (void);
size_t mblm_cpu_amx_backward_size (void);

void mblm_cpu_amx_forward_begin (const AmxForward *a, void *memory);
void mblm_cpu_amx_forward (const AmxForward *a, void *memory);
void mblm_cpu_amx_forward_end (const AmxForward *a, void *memory);
void mblm_cpu_amx_backward (const AmxBackward *a, void *memory);

#else

#define mblm_cpu_amx_forward_size() 0
#define mblm_cpu_amx_backward_size() 0
#define mblm_cpu_amx_forward_begin(a, memory)
#define mblm_cpu_amx_forward(a, memory)
#define mblm_cpu_amx_forward_end(a, memory)
#define mblm_cpu_amx_backward(a, memory)

#endif
