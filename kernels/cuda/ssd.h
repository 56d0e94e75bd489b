/* ssd.h: what the files of Mamba-2's scan share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Time is cut into chunks of SSD_CHUNK steps, in each of which nearly all is
 * products of matrices. A *unit* is a sequence; or, where sequences are short,
 * start alike and leave nothing, as many as fill a chunk. A *piece* is a chunk of
 * a unit, and a *tile* a head of a piece. Work is done in groups of pieces, so
 * that the states of a group stay in the cache of the device: some units with
 * all of their chunks, or some chunks of one.
 *
 * Of a tile, with dt and decay those of its steps:
 *
 *   pre[i]   the product of the decays from the chunk's first step to i, or from
 *            where i's sequence begins
 *   post[j]  that of the decays after j
 *   L[i, j]  that of those after j up to i; 0 from one sequence to another
 *
 * Decays are multiplied up step by step, never divided, and their logarithms are
 * never subtracted: so these are as exact as the recurrence. (A number that isn't
 * finite spreads within its chunk.)
 */

#pragma once

#include "reduce.h"
#include "sequences.h"

#include <float.h>
#include <math.h>

#define SSD_CHUNK 64
#define SSD_TILE 64       /* rows and columns of a block's part of a product */
#define SSD_THREADS 128   /* of a block that multiplies */
#define SSD_LINE (64 + 1) /* of a square in shared memory */

/* A product of decays, value * scale. What is left of a large state may be that
 * times less than the smallest float: so its powers of two are kept apart. */
struct SsdDecay {
  float value, scale;

  __device__ float
  times (float x) const
  {
    return x * value * scale;
  }
};

/* While it is multiplied up: mantissa * 2^exponent. */
struct SsdProduct {
  float mantissa = 1.0f;
  int exponent = 0;

  __device__ void
  multiply (float decay)
  {
    unsigned bits;

    mantissa *= decay;
    bits = __float_as_uint (mantissa);
    if (bits - 0x00800000u < 0x7f000000u) { /* a normal number */
      exponent += (int) (bits >> 23) - 127;
      mantissa = __uint_as_float ((bits & 0x007fffffu) | 0x3f800000u);
    }
  }

  __device__ SsdDecay
  decay (void) const
  {
    int first = exponent > -60 ? exponent : -60;
    int rest = exponent - first > -127 ? exponent - first : -127;

    return {mantissa * __uint_as_float ((unsigned) (first + 127) << 23),
        __uint_as_float ((unsigned) (rest + 127) << 23)};
  }
};

/* Zeros from `count` on. */
struct SsdSteps {
  float dt[SSD_CHUNK];
  float link[SSD_CHUNK]; /* the decay, or 0 where a sequence begins */
  SsdDecay pre[SSD_CHUNK];
  SsdDecay post[SSD_CHUNK];
  SsdDecay total; /* pre of the last step */
};

struct Ssd {
  const float *x, *b, *c;
  size_t xbc_stride;
  const float *delta;
  size_t delta_stride;
  const float *delta_bias, *a_log, *skip;
  size_t heads, head_dim, state;
  size_t sequence, rows, all_rows; /* rows of a sequence, a unit, the batch */
  size_t all_units, all_chunks;    /* the chunks of a unit */
  bool from_zeros;                 /* so do all sequences begin */
  size_t first_unit, units;        /* of the group */
  size_t first_chunk, chunks;
  bool is_aligned;    /* x, and what else has channels, to four of them */
  SsdSteps *steps;    /* [tiles] */
  float *products;    /* [pieces, SSD_CHUNK, SSD_CHUNK]: C_i . B_j */
  float *states;      /* [tiles, head_dim, state]: before the chunks */
  const float *start; /* [heads, head_dim, state]: before every chunk, where all
                       * begin with a sequence and these alike; else NULL */
  /* Where products may round: bfloat16, zeros where nothing is (ssd-mma.h) */
  size_t numbers; /* of a line, at least `state`; 0: products are of float32 */
  uint16_t *b_halves, *c_halves; /* [pieces, SSD_CHUNK, numbers] */
  uint16_t
      *state_halves; /* [tiles, SSD_TILE, numbers], in the place of `states`
                           * before the chunks; of `start`, where there is one,
                           * [heads, SSD_TILE, numbers] */
};

/* How a batch is cut. */
struct SsdPlan {
  size_t units, chunks; /* at most, of a group */
  size_t groups;        /* in time */
};

/* `packs`: sequences start alike and leave nothing. `keeps`: a state is kept for
 * each group in time, which should not be more than a group has. */
SsdPlan mblm_cuda_ssd_plan (
    const MblmSsdScan *a, bool packs, bool keeps, bool has_arrays, Ssd *ssd);

/* Whether no chunk sees a state that is only its own, or leaves one. */
static inline bool
mblm_cuda_ssd_is_alone (const MblmSsdScan *a, bool packs)
{
  return packs && a->rows <= SSD_CHUNK;
}

/* The gradients of the states after the chunks, like `states`: also rounded. */
struct SsdGradients {
  float *states;
  uint16_t *halves;
};

/* The sum over the steps of a tile of weight left (outer) right, `left` like x and
 * `right` like b. */
struct SsdOuter {
  const float *left, *right;
  const uint16_t *halves; /* of `right`, where products may round */
  size_t left_stride;
  bool is_gradient; /* weights are pre; otherwise dt post */
  size_t slab;      /* of so many units the sums are added up, where not 0 */
  float *out;       /* [tiles, head_dim, state]; or of slabs, not of pieces */
};

/* Of the scratch memory, what both passes have. */
struct SsdParts {
  size_t steps, products, states, halves, state_halves;
};

SsdParts mblm_cuda_ssd_parts (const Ssd *a, const SsdPlan *plan,
    bool has_chunks, bool is_alone, MblmCudaScratch *scratch);
void mblm_cuda_ssd_find_parts (const SsdParts *parts, const SsdPlan *plan,
    const MblmCudaScratch *scratch, Ssd *a);

/* Of the group: dt and the products of decays, and the halves of B and C; C B^T;
 * what each chunk adds to the state; its own part of the gradient of the state
 * before (`g` like y). */
void mblm_cuda_ssd_steps (MblmQueue *queue, const Ssd *a);
void mblm_cuda_ssd_products (MblmQueue *queue, const Ssd *a);
void mblm_cuda_ssd_states (MblmQueue *queue, const Ssd *a);
void mblm_cuda_ssd_gradients (MblmQueue *queue, const Ssd *a, const float *g,
    size_t slab, float *d_states);

/* From what the chunks add to the states before each, and from their own parts of
 * the gradients to the gradients of the states after each. `before` and `after`
 * are [units, heads, head_dim, state]; where one is NULL the carry has it. */
void mblm_cuda_ssd_pass (MblmQueue *queue, const Ssd *a,
    const MblmCudaCarry *carry, const float *before, float *after, bool adds);
void mblm_cuda_ssd_pass_back (MblmQueue *queue, const Ssd *a,
    const SsdGradients *d, const MblmCudaCarryGradient *gradient,
    const float *after, float *before, bool adds);

static inline size_t
mblm_cuda_ssd_pieces (const SsdPlan *plan)
{
  return mblm_cuda_count (plan->units, plan->chunks);
}

/* The group of `units` units from `first_unit` on, `index` in time. */
static inline void
mblm_cuda_ssd_group (const SsdPlan *plan, size_t first_unit, size_t units,
    size_t index, Ssd *ssd)
{
  ssd->first_unit = first_unit;
  ssd->units = units;
  ssd->first_chunk = index * plan->chunks;
  ssd->chunks = min_size (plan->chunks, ssd->all_chunks - ssd->first_chunk);
}

/* ------------------------------------------------------------------------- */
/* Places                                                                    */
/* ------------------------------------------------------------------------- */

struct SsdPiece {
  size_t row;     /* the first, of the batch */
  unsigned count; /* of rows */
};

__device__ static inline SsdPiece
ssd_piece (const Ssd &a, size_t piece)
{
  size_t unit = a.first_unit + piece / a.chunks;
  size_t row = unit * a.rows + (a.first_chunk + piece % a.chunks) * SSD_CHUNK;
  size_t end = min_size ((unit + 1) * a.rows, a.all_rows);

  return {row, (unsigned) min_size (SSD_CHUNK, end - row)};
}

/* That of a tile, of head h, if there is one. */
__device__ static inline const float *
ssd_state (const Ssd &a, size_t tile, size_t h)
{
  size_t matrix = a.head_dim * a.state;

  return a.start ? a.start + h * matrix : a.states + tile * matrix;
}

/* Whether there is a state before that isn't zero. */
__device__ static inline bool
ssd_has_state (const Ssd &a, size_t piece)
{
  return !a.from_zeros || a.first_chunk + piece % a.chunks > 0;
}

__device__ static inline float
ssd_softplus (float x)
{
  return x > 20.0f ? x : log1pf (expf (x));
}

/* What is left of a state after a step: finite, for dt may be 0. */
__device__ static inline float
ssd_decay (float a_log, float dt)
{
  return expf (-fminf (expf (a_log), FLT_MAX) * dt);
}

/* ------------------------------------------------------------------------- */
/* Products                                                                  */
/* ------------------------------------------------------------------------- */

#define SSD_DEPTH 16     /* of a product at once */
#define SSD_EACH 8       /* loads of a thread for that, of one factor */
#define SSD_TILE_LINE 68 /* keeps groups of four aligned */

/* Two of each: one is filled while the other is used. */
struct alignas (16) SsdTiles {
  float a[2][SSD_DEPTH][SSD_TILE_LINE];
  float b[2][SSD_DEPTH][SSD_TILE_LINE];
};

/* A thread's part of a product: rows ssd_row (0 .. 7), columns from ssd_column (),
 * four. */
typedef float SsdSum[8][4];

__device__ static inline unsigned
ssd_row (unsigned r)
{
  return r / 4 * 32 + threadIdx.x / 16 * 4 + r % 4;
}

__device__ static inline unsigned
ssd_column (void)
{
  return threadIdx.x % 16 * 4;
}

/* Element e of a thread is at this depth and place; DEEP: neighbours in memory are
 * neighbours in depth. */
template <bool DEEP>
__device__ static inline unsigned
ssd_depth_of (unsigned e)
{
  unsigned at = threadIdx.x + e * SSD_THREADS;

  return DEEP ? at % SSD_DEPTH : at / SSD_TILE;
}

template <bool DEEP>
__device__ static inline unsigned
ssd_place_of (unsigned e)
{
  unsigned at = threadIdx.x + e * SSD_THREADS;

  return DEEP ? at / SSD_DEPTH : at % SSD_TILE;
}

template <bool DEEP, typename F>
__device__ static inline void
ssd_load (float (&ahead)[SSD_EACH], unsigned from, unsigned depth, const F &f)
{
#pragma unroll
  for (unsigned e = 0; e < SSD_EACH; e++) {
    unsigned k = from + ssd_depth_of<DEEP> (e);

    ahead[e] = k < depth ? f (k, ssd_place_of<DEEP> (e)) : 0.0f;
  }
}

template <bool DEEP>
__device__ static inline void
ssd_fill (
    float (&tile)[SSD_DEPTH][SSD_TILE_LINE], const float (&ahead)[SSD_EACH])
{
#pragma unroll
  for (unsigned e = 0; e < SSD_EACH; e++)
    tile[ssd_depth_of<DEEP> (e)][ssd_place_of<DEEP> (e)] = ahead[e];
}

/* Added up by itself, so that no sum is long. */
__device__ static inline void
ssd_multiply_tile (const float (&a)[SSD_DEPTH][SSD_TILE_LINE],
    const float (&b)[SSD_DEPTH][SSD_TILE_LINE], SsdSum &sum)
{
  SsdSum part = {};

#pragma unroll
  for (unsigned k = 0; k < SSD_DEPTH; k++) {
    float4 low = *(const float4 *) &a[k][ssd_row (0)];
    float4 high = *(const float4 *) &a[k][ssd_row (4)];
    float4 right = *(const float4 *) &b[k][ssd_column ()];
    float left[8] = {
        low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};

#pragma unroll
    for (unsigned r = 0; r < 8; r++) {
      part[r][0] = fmaf (left[r], right.x, part[r][0]);
      part[r][1] = fmaf (left[r], right.y, part[r][1]);
      part[r][2] = fmaf (left[r], right.z, part[r][2]);
      part[r][3] = fmaf (left[r], right.w, part[r][3]);
    }
  }
#pragma unroll
  for (unsigned r = 0; r < 8; r++)
#pragma unroll
    for (unsigned j = 0; j < 4; j++)
      sum[r][j] += part[r][j];
}

/* sum[i, j] += the sum over k < depth of a (k, i) b (k, j); both are asked for
 * every place of a tile and are 0 where nothing is. All threads take part. */
template <bool DEEP_A, bool DEEP_B, typename A, typename B>
__device__ static inline void
ssd_multiply (SsdTiles &tiles, size_t all, const A &a, const B &b, SsdSum &sum)
{
  float ahead_a[SSD_EACH], ahead_b[SSD_EACH];
  unsigned depth = (unsigned) all, now = 0;

  __syncthreads ();
  ssd_load<DEEP_A> (ahead_a, 0, depth, a);
  ssd_load<DEEP_B> (ahead_b, 0, depth, b);
  for (unsigned k = 0; k < depth; k += SSD_DEPTH, now ^= 1) {
    ssd_fill<DEEP_A> (tiles.a[now], ahead_a);
    ssd_fill<DEEP_B> (tiles.b[now], ahead_b);
    __syncthreads ();
    ssd_load<DEEP_A> (ahead_a, k + SSD_DEPTH, depth, a);
    ssd_load<DEEP_B> (ahead_b, k + SSD_DEPTH, depth, b);
    ssd_multiply_tile (tiles.a[now], tiles.b[now], sum);
  }
}

/* Stores a row of a thread's part, the first `count` of four. */
__device__ static inline void
ssd_store (float *to, const float (&value)[4], size_t count)
{
  if (count >= 4 && ((uintptr_t) to & 15) == 0) {
    *(float4 *) to = make_float4 (value[0], value[1], value[2], value[3]);
    return;
  }
#pragma unroll
  for (unsigned j = 0; j < 4; j++)
    if (j < count)
      to[j] = value[j];
}

/* ------------------------------------------------------------------------- */
/* Decays inside a chunk                                                     */
/* ------------------------------------------------------------------------- */

/* Calls f (i, j, L[i, j]) for all i >= j: a thread has half of a column. */
template <typename F>
__device__ static inline void
ssd_decays (const float *link, const F &f)
{
  unsigned j = threadIdx.x % SSD_CHUNK;
  unsigned first = threadIdx.x / SSD_CHUNK * (SSD_CHUNK / 2);
  SsdProduct product;

  for (unsigned i = j + 1; i < first; i++)
    product.multiply (link[i]);
#pragma unroll 8
  for (unsigned i = first; i < first + SSD_CHUNK / 2; i++) {
    if (i > j)
      product.multiply (link[i]);
    if (i >= j)
      f (i, j, product.decay ());
  }
}

/* Copies them to shared memory, for a block of SSD_THREADS. */
__device__ static inline void
ssd_copy_steps (const SsdSteps *from, SsdSteps *to)
{
  for (unsigned i = threadIdx.x; i < sizeof (SsdSteps) / sizeof (float);
       i += SSD_THREADS)
    ((float *) to)[i] = ((const float *) from)[i];
  __syncthreads ();
}
