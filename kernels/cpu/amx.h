/* amx.h: products of bfloat16 in the matrix unit of newer x86-64 processors.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "cpu.h"

#define AMX_BLOCK_KEYS 192 /* a multiple of 32 */

/* Whether a device uses it. */
static inline bool
mblm_cpu_has_amx (const MblmKernelDevice *device)
{
  return device->level >= MBLM_CPU_AMX;
}

/* Some keys, at most AMX_BLOCK_KEYS, against all rows of one head of a sequence;
 * rows are `..._stride` floats apart. */
typedef struct {
  size_t head_dim; /* a multiple of 32, at most 128 */
  float scale;     /* of scores */
  size_t keys;
  const float *key[AMX_BLOCK_KEYS],
      *value[AMX_BLOCK_KEYS]; /* [head_dim] each */
  /* Row i sees the first keys, i + `first` + 1 of them at most, or all. */
  bool causal;
  ptrdiff_t first;
  size_t rows;
  const float *query, *d_out; /* [rows, head_dim] */
  size_t query_stride, d_out_stride;
  const float *log_sum; /* [rows] */
  size_t log_sum_stride;
  const float *delta; /* [rows] */
  float *d_query;     /* +=, [rows, head_dim] or NULL */
  size_t d_query_stride;
  float *d_key, *d_value; /* [keys, head_dim] */
  size_t d_key_stride;    /* of both */
} AmxBackward;

#ifdef __x86_64__

/* Bytes of the memory that a block wants, aligned to MBLM_ALIGNMENT. */
size_t mblm_cpu_amx_backward_size (void);
void mblm_cpu_amx_backward (const AmxBackward *a, void *memory);

#else

static inline size_t
mblm_cpu_amx_backward_size (void)
{
  return 0;
}

static inline void
mblm_cpu_amx_backward (const AmxBackward *a, void *memory)
{
}

#endif
