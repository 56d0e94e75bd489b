/* transformer-step.h: the parts of a step of a Transformer.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "async.h"
#include "bf16.h"
#include "letters.h"
#include "typed.h"

/* Arguments of a kernel are at most 4096 bytes. More sequences than these are
 * composed of operations, some eleven launches a layer whatever their number:
 * products of tensor cores then read the weights once for all, which every further
 * group of eight here would read, and go through the whole chain, again. From where
 * on that is faster was estimated (two groups take about as long), not measured. */
#define STEP_MOST_BATCH 8
#define STEP_MOST_LAYERS 16
#define STEP_MOST_STATES 64 /* of all layers and sequences */
#define STEP_MOST_KEYS 2048
#define STEP_MOST_WIDTH 256 /* of a head */

#ifndef STEP_WARPS
#define STEP_WARPS 8
#endif
#define STEP_THREADS (STEP_WARPS * MBLM_CUDA_WARP)

/* Pieces of 16 bytes that a lane has of a row at once, four lanes to a row. */
#ifndef STEP_PIECES
#define STEP_PIECES 4
#endif

/* Units of a ring: pieces of eight rows for each warp. */
#ifndef STEP_MOST_UNITS
#define STEP_MOST_UNITS 12
#endif
#define STEP_UNIT_BYTES ((size_t) STEP_THREADS * STEP_PIECES * 16)

/* Units that are in registers before what they multiply is known. */
#ifndef STEP_EARLY
#define STEP_EARLY 3u
#endif

/* Values of a thread where keys are few: a head of 64 is 8 * 8. */
#define STEP_FEW_VALUES 8u

enum StepProduct {
  STEP_QKV,
  STEP_OUT,
  STEP_UP,
  STEP_DOWN,
  STEP_LOGITS,
  STEP_PRODUCTS,
};

struct StepLayer {
  const void *weight[STEP_LOGITS];
  const float *attention_gain, *ff_gain, *up_bias, *down_bias;
};

/* What blocks send each other in a layer, for all sequences; in letters. */
struct StepLetters {
  MblmCudaLetter *memory;
  unsigned attended, middle, wide, next, all; /* where parts begin; qkv at 0 */
  uint32_t stamp;
};

struct Step {
  StepLayer layer[STEP_MOST_LAYERS];
  MblmTransformerState state[STEP_MOST_STATES];
  const float *addend[STEP_MOST_BATCH];
  unsigned past[STEP_MOST_BATCH], position[STEP_MOST_BATCH];
  int32_t ids[STEP_MOST_BATCH];
  const int32_t *drawn;
  unsigned batch, layers, dim, heads, head_dim, inner, wide, vocabulary;
  const float *frequency, *gain, *input;
  const void *table, *positions;
  MblmType table_type, positions_type;
  float epsilon, part, score_scale; /* 1 / dim, 1 / sqrt (head_dim) */
  float *out;
  const void *to_logits;
  const float *logits_bias;
  float *logits;
  StepLetters letters;
  unsigned units;     /* of the ring */
  unsigned most_rows; /* of a block in any product, in whole groups */
  unsigned most_span; /* columns of a warp */
};

/* The rows of a product that a block computes. */
struct StepShare {
  unsigned first, rows;
  unsigned groups;  /* of eight rows */
  unsigned columns; /* of the weight */
  unsigned passes;  /* of all warps over the columns */
};

/* The parts of dynamic shared memory, in floats but for the ring, which is first. */
struct StepShared {
  size_t x, partial, squares, angles, attention, shares, bytes;
};

/* The rows of block `block` of `blocks`; rotated pairs stay together. */
__host__ __device__ static StepShare
step_share (const Step &a, unsigned kind, unsigned block, unsigned blocks,
    unsigned slice)
{
  unsigned unit = kind == STEP_QKV && a.frequency ? 2 : 1;
  unsigned rows = kind == STEP_QKV ? 3 * a.inner
      : kind == STEP_UP            ? a.wide
      : kind == STEP_LOGITS        ? a.vocabulary
                                   : a.dim;
  unsigned columns = kind == STEP_OUT ? a.inner
      : kind == STEP_DOWN             ? a.wide
                                      : a.dim;
  uint64_t all = rows / unit;
  unsigned first = (unsigned) (all * block / blocks) * unit;
  unsigned end = (unsigned) (all * (block + 1) / blocks) * unit;

  return {first, end - first, (end - first + 7) / 8, columns,
      (columns + STEP_WARPS * slice - 1) / (STEP_WARPS * slice)};
}

__host__ __device__ static StepShared
step_shared (const Step &a)
{
  StepShared s;

  s.x = a.units * STEP_UNIT_BYTES / sizeof (float);
  s.partial = s.x + (size_t) STEP_WARPS * a.batch * a.most_span;
  s.squares = s.partial + (size_t) 2 * a.batch * a.most_rows * STEP_WARPS;
  s.angles = s.squares + 2 * a.batch * STEP_WARPS;
  s.attention = s.angles + (size_t) a.batch * ((a.head_dim + 3) / 4 * 4);
  s.shares = s.attention + 3 * ((a.head_dim + 3) / 4 * 4) + STEP_THREADS +
      STEP_MOST_KEYS;
  s.bytes = s.shares * sizeof (float) + STEP_PRODUCTS * sizeof (StepShare);
  return s;
}

/* What blocks send each other in a layer. */
__device__ static inline MblmCudaLetter *
step_letters (const Step &a, unsigned layer, unsigned part)
{
  return a.letters.memory + (size_t) layer * a.letters.all + part;
}
