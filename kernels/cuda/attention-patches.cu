/* attention-patches.cu: attention to few keys, of many sequences, in bfloat16.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What attention-short.cu does, where memory is bfloat16 and rows are up to 16: a
 * warp has one head of a sequence, in tiles in registers (attention-patches.h), the
 * keys of a past being the last tile. Own queries and keys are turned on their way
 * (MblmAttention.cosine), and the gradients turned back, so that nothing else passes
 * over them. Backward a warp goes on to the same head of further sequences where
 * they share a past. The floor is what is read and written once, 8 bytes forward and
 * 14 backward for each number of a row and head: the gradient needs no `out`, as
 * sums of weight * (d_out . value) are more exact than that is when rounded.
 */

#include "attention-patches.h"
#include "attention-short.h"

#include <cfloat>

#define WARPS 4
#define THREADS (WARPS * MBLM_CUDA_WARP)
#define MOST_ROWS 16
#define MOST_NUMBERS 1024 /* of the rows of a head: registers are few */
#define MOST_PAST 8
#define LOG2_E 1.44269504f
#define LN_2 0.693147181f

/* A head of a sequence. */
struct Place {
  const AttentionPiece *piece;
  size_t sequence, head; /* of the piece */
  unsigned past;

  __device__ size_t
  row (unsigned i) const
  {
    return (piece->first + sequence) * piece->a.rows + i;
  }

  /* Where row i of something begins; NULL behind the last row. */
  __device__ uint16_t *
  at (const void *data, size_t stride, unsigned i) const
  {
    const MblmAttention &a = piece->a;

    return i < a.rows ? (uint16_t *) data + row (i) * stride + head * a.head_dim
                      : NULL;
  }

  __device__ uint16_t *
  at (const void *data, unsigned i) const
  {
    return at (data, piece->a.heads * piece->a.head_dim, i);
  }
};

/* Row g of the past. */
template <typename F>
__device__ static inline F *
past_row (const Place &p, F *past)
{
  const MblmAttention &a = p.piece->a;
  unsigned g = patch_row ();

  return g < p.past ? past + (g * a.heads + p.head) * a.head_dim : NULL;
}

/* ------------------------------------------------------------------------- */
/* Rotation                                                                  */
/* ------------------------------------------------------------------------- */

/* Two numbers and the two that are paired with them. */
__device__ static inline void
turn (float2 &p, float2 &q, float2 cosine, float2 sine)
{
  float2 u = p;

  p.x = fmaf (u.x, cosine.x, -(q.x * sine.x));
  p.y = fmaf (u.y, cosine.y, -(q.y * sine.y));
  q.x = fmaf (q.x, cosine.x, u.x * sine.x);
  q.y = fmaf (q.y, cosine.y, u.y * sine.y);
}

/* The angles of R tiles of rows, the same in all sequences. */
template <int D, int R> struct Angles {
  static constexpr int half = patch_words<D> / 2;

  bool are_there; /* else nothing is turned */
  float2 cosine[R][half], sine[R][half];

  __device__ void
  load (const MblmAttention &a)
  {
    are_there = a.cosine != NULL;
#pragma unroll
    for (int r = 0; r < R; r++)
#pragma unroll
      for (int w = 0; w < half; w += 2) {
        unsigned i = 8 * r + patch_row ();
        size_t at = i * (a.head_dim / 2) + patch_column<D> (w);
        float4 c = {}, s = {};

        if (are_there && i < a.rows) {
          c = *(const float4 *) (a.cosine + at);
          s = *(const float4 *) (a.sine + at);
        }
        cosine[r][w] = make_float2 (c.x, c.y);
        cosine[r][w + 1] = make_float2 (c.z, c.w);
        sine[r][w] = make_float2 (s.x, s.y);
        sine[r][w + 1] = make_float2 (s.z, s.w);
      }
  }

  /* Queries or keys. */
  __device__ void
  turn_tile (int r, PatchTile<D> &tile) const
  {
    if (!are_there)
      return;
#pragma unroll
    for (int w = 0; w < half; w++) {
      float2 x = mblm_cuda_from_bf16x2 (tile.word[w]);
      float2 y = mblm_cuda_from_bf16x2 (tile.word[w + half]);

      turn (x, y, cosine[r][w], sine[r][w]);
      tile.word[w] = mblm_cuda_to_bf16x2 (x.x, x.y);
      tile.word[w + half] = mblm_cuda_to_bf16x2 (y.x, y.y);
    }
  }

  /* Their gradients. */
  __device__ void
  turn_back (int r, float2 (&x)[patch_words<D>]) const
  {
    if (!are_there)
      return;
#pragma unroll
    for (int w = 0; w < half; w++)
      turn (x[w], x[w + half], cosine[r][w],
          make_float2 (-sine[r][w].x, -sine[r][w].y));
  }
};

template <int D>
__device__ static inline void
store_row (uint16_t *row, const float2 (&x)[patch_words<D>])
{
  PatchTile<D> tile;

#pragma unroll
  for (int w = 0; w < patch_words<D>; w++)
    tile.word[w] = mblm_cuda_to_bf16x2 (x[w].x, x[w].y);
  if (row)
    patch_store<D> (tile, row);
}

/* ------------------------------------------------------------------------- */
/* Weights                                                                   */
/* ------------------------------------------------------------------------- */

/* R tiles of own rows, P of the past. */
template <int D, int R, int P> struct Head {
  PatchTile<D> query[R], key[R + P], value[R + P];

  __device__ void
  load (const Place &p, const Angles<D, R> &angles)
  {
    const AttentionPiece &piece = *p.piece;
    const MblmAttention &a = piece.a;
    unsigned g = patch_row ();

#pragma unroll
    for (int r = 0; r < R; r++) {
      patch_load<D> (query[r], p.at (a.query, a.query_stride, 8 * r + g));
      patch_load<D> (key[r], p.at (a.key, a.key_stride, 8 * r + g));
      patch_load<D> (value[r], p.at (a.value, a.key_stride, 8 * r + g));
    }
    if constexpr (P > 0) {
      size_t entry = piece.entry_of (p.sequence);

      patch_round<D> (key[R], past_row (p, piece.past_key.at[entry]));
      patch_round<D> (value[R], past_row (p, piece.past_value.at[entry]));
    }
#pragma unroll
    for (int r = 0; r < R; r++) {
      angles.turn_tile (r, query[r]);
      angles.turn_tile (r, key[r]);
    }
  }
};

/* Whether query i sees number e of the keys of this lane in tile j. */
template <int R>
__device__ static inline bool
sees (const Place &p, unsigned i, int j, int e)
{
  const MblmAttention &a = p.piece->a;
  unsigned key = threadIdx.x % 4 * 2 + e;

  if (j >= R)
    return key < p.past;
  key += 8 * j;
  return key < a.rows && (!a.causal || key <= i);
}

/* From products of queries and keys to weights; log_sum of row g of each tile. */
template <int R, int N>
__device__ static inline void
soften (const Place &p, float (&weights)[N][4], float (&log_sum)[R])
{
  float scale = p.piece->scale * LOG2_E;

#pragma unroll
  for (int r = 0; r < R; r++) {
    unsigned i = 8 * r + patch_row ();
    float most = -FLT_MAX, sum = 0.0f;

#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
      for (int e = 0; e < 2; e++) {
        float &x = weights[j][2 * r + e];

        x = sees<R> (p, i, j, e) ? x * scale : -INFINITY;
        most = fmaxf (most, x);
      }
    most = mblm_cuda_warp_most<4> (most);
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
      for (int e = 2 * r; e < 2 * r + 2; e++) {
        weights[j][e] = exp2f (weights[j][e] - most);
        sum += weights[j][e];
      }
    sum = mblm_cuda_warp_sum<4> (sum);
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
      for (int e = 2 * r; e < 2 * r + 2; e++)
        weights[j][e] *= 1.0f / sum;
    log_sum[r] = most * LN_2 + logf (sum);
  }
}

/* From d_out . value to the gradients of scores. */
template <int R, int N>
__device__ static inline void
soften_backward (const float (&weights)[N][4], float (&d_scores)[N][4])
{
#pragma unroll
  for (int r = 0; r < R; r++) {
    float delta = 0.0f;

#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
      for (int e = 2 * r; e < 2 * r + 2; e++)
        delta = fmaf (weights[j][e], d_scores[j][e], delta);
    delta = mblm_cuda_warp_sum<4> (delta);
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
      for (int e = 2 * r; e < 2 * r + 2; e++)
        d_scores[j][e] = weights[j][e] * (d_scores[j][e] - delta);
  }
}

/* ------------------------------------------------------------------------- */
/* Forward                                                                   */
/* ------------------------------------------------------------------------- */

template <int D, int R, int P>
__global__ static void
__launch_bounds__ (THREADS) patches_kernel (const AttentionPiece piece)
{
  constexpr int N = R + P;
  const MblmAttention &a = piece.a;
  size_t unit = (size_t) blockIdx.x * WARPS + threadIdx.x / MBLM_CUDA_WARP;
  Angles<D, R> angles;
  Head<D, R, P> head;
  PatchWeights<R, N> weights;
  PatchTile<D> out[R];
  float products[N][4], log_sum[R];

  if (unit >= piece.count * a.heads)
    return;
  Place p = {&piece, unit / a.heads, unit % a.heads};
  p.past = P > 0 ? (unsigned) piece.past_of (p.sequence) : 0;
  angles.load (a);
  head.load (p, angles);
  patch_multiply<D> (products, head.query, head.key);
  soften<R> (p, products, log_sum);
  weights.round (products);
#pragma unroll
  for (int i = 0; i < patch_words<D>; i++) {
    float sums[4];

    patch_mix<D> (sums, weights, head.value, i);
#pragma unroll
    for (int r = 0; r < R; r++)
      out[r].word[i] = mblm_cuda_to_bf16x2 (sums[2 * r], sums[2 * r + 1]);
  }
#pragma unroll
  for (int r = 0; r < R; r++) {
    unsigned i = 8 * r + patch_row ();

    if (i >= a.rows)
      continue;
    patch_store<D> (out[r], p.at (a.out, i));
    if (a.log_sum && threadIdx.x % 4 == 0)
      a.log_sum[p.row (i) * a.heads + p.head] = log_sum[r];
  }
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

/* Adds the gradients of the past's tile to float32. */
template <int D>
__device__ static inline void
add_past (float *row, const float2 (&x)[patch_words<D>])
{
  if (!row)
    return;
#pragma unroll
  for (int w = 0; w < patch_words<D>; w++) {
    float2 *to = (float2 *) (row + patch_column<D> (w));

    *to = make_float2 (to->x + x[w].x, to->y + x[w].y);
  }
}

/* The gradients of keys, or values: those of own rows go to `own`, those of the past
 * are added to `past`, whose row of this lane that is; either may be NULL. */
template <int D, int R, int P>
__device__ static inline void
give_keys (const Place &p, const Angles<D, R> *angles,
    const PatchWeights<R, R + P> &across, const PatchTile<D> (&rows)[R],
    float factor, void *own, float *past)
{
#pragma unroll
  for (int j = 0; j < R + P; j += 2) {
    float2 x[2][patch_words<D>];

#pragma unroll
    for (int w = 0; w < patch_words<D>; w++) {
      float sums[4];

      patch_gather<D> (sums, across, rows, j, w);
      x[0][w] = make_float2 (sums[0] * factor, sums[1] * factor);
      x[1][w] = make_float2 (sums[2] * factor, sums[3] * factor);
    }
#pragma unroll
    for (int k = 0; k < 2 && j + k < R + P; k++) {
      if (j + k >= R) {
        add_past<D> (past, x[k]);
        continue;
      }
      if (angles)
        angles->turn_back (j + k, x[k]);
      if (own)
        store_row<D> (
            p.at (own, p.piece->a.key_stride, 8 * (j + k) + patch_row ()),
            x[k]);
    }
  }
}

template <int D, int R, int P>
__device__ static inline void
give_queries (const Place &p, const Angles<D, R> &angles, void *d_query,
    const PatchWeights<R, R + P> &d_scores, const PatchTile<D> (&keys)[R + P])
{
  const MblmAttention &a = p.piece->a;
  float2 x[R][patch_words<D>];

#pragma unroll
  for (int w = 0; w < patch_words<D>; w++) {
    float sums[4];

    patch_mix<D> (sums, d_scores, keys, w);
#pragma unroll
    for (int r = 0; r < R; r++)
      x[r][w] = make_float2 (
          sums[2 * r] * p.piece->scale, sums[2 * r + 1] * p.piece->scale);
  }
#pragma unroll
  for (int r = 0; r < R; r++) {
    angles.turn_back (r, x[r]);
    store_row<D> (p.at (d_query, a.query_stride, 8 * r + patch_row ()), x[r]);
  }
}

template <int D, int R, int P>
__device__ static inline void
backward_of (const Place &p, const Angles<D, R> &angles,
    const AttentionGradients &g, float *past_key, float *past_value)
{
  constexpr int N = R + P;
  const Angles<D, R> *none = NULL;
  Head<D, R, P> head;
  PatchTile<D> d_out[R];
  PatchWeights<R, N> rounded;
  float weights[N][4], d_scores[N][4], log_sum[R];

#pragma unroll
  for (int r = 0; r < R; r++)
    patch_load<D> (d_out[r], p.at (g.d_out, 8 * r + patch_row ()));
  head.load (p, angles);
  patch_multiply<D> (weights, head.query, head.key);
  patch_multiply<D> (d_scores, d_out, head.value);
  soften<R> (p, weights, log_sum);
  soften_backward<R> (weights, d_scores);
  rounded.round (weights);
  rounded.turn ();
  give_keys<D, R, P> (p, none, rounded, d_out, 1.0f, g.d_value, past_value);
  rounded.round (d_scores);
  if (g.d_query)
    give_queries<D, R, P> (p, angles, g.d_query, rounded, head.key);
  rounded.turn ();
  give_keys<D, R, P> (
      p, &angles, rounded, head.query, p.piece->scale, g.d_key, past_key);
}

/* As short_backward_kernel (). */
template <int D, int R, int P>
__global__ static void
__launch_bounds__ (THREADS) patches_backward_kernel (const AttentionPiece piece,
    const AttentionGradients gradients, size_t each, float *past_key,
    float *past_value)
{
  MBLM_CUDA_DYNAMIC (float, shared);
  const MblmAttention &a = piece.a;
  unsigned warp = threadIdx.x / MBLM_CUDA_WARP;
  size_t unit = (size_t) blockIdx.x * WARPS + warp;
  size_t part = unit / a.heads, head = unit % a.heads;
  size_t end = min_size (piece.count, (part + 1) * each);
  bool has_sums = past_key || past_value;
  unsigned past = has_sums ? (unsigned) piece.past_of (0) : 0;
  float *keys = shared + warp * 2 * past * D, *values = keys + past * D;
  unsigned g = patch_row ();
  Angles<D, R> angles;

  if (part * each >= piece.count)
    return;
  for (unsigned i = threadIdx.x % MBLM_CUDA_WARP; i < 2 * past * D;
       i += MBLM_CUDA_WARP)
    keys[i] = 0.0f;
  __syncwarp ();
  angles.load (a);
  for (size_t i = part * each; i < end; i++) {
    Place p = {&piece, i, head, P > 0 ? (unsigned) piece.past_of (i) : 0};
    float *d_key = NULL, *d_value = NULL;

    if (has_sums) {
      d_key = g < past ? keys + g * D : NULL;
      d_value = g < past ? values + g * D : NULL;
    }
    if (gradients.has_past_key)
      d_key = past_row (p, gradients.past_key.at[i]);
    if (gradients.has_past_value)
      d_value = past_row (p, gradients.past_value.at[i]);
    backward_of<D, R, P> (p, angles, gradients, d_key, d_value);
  }
  __syncwarp ();
  for (unsigned i = threadIdx.x % MBLM_CUDA_WARP; i < past * D;
       i += MBLM_CUDA_WARP) {
    size_t at = ((part * past + i / D) * a.heads + head) * D + i % D;

    if (past_key)
      past_key[at] = keys[i];
    if (past_value)
      past_value[at] = values[i];
  }
}

/* ------------------------------------------------------------------------- */
/* Launches                                                                  */
/* ------------------------------------------------------------------------- */

/* Whether rows of this stride are whole loads of 16 bytes. */
template <typename... P>
static bool
is_whole (size_t stride, const P *...rows)
{
  return stride % 8 == 0 && ((((uintptr_t) rows | ...) & 15) == 0);
}

bool
attention_patches_takes (const AttentionPiece *piece, const MblmAttention *a)
{
  bool is_dim = a->head_dim == 32 || a->head_dim == 64 || a->head_dim == 128;

  return is_dim && a->type == MBLM_TYPE_BF16 && piece->is_aligned &&
      a->rows <= MOST_ROWS &&
      divide_up (a->rows, 8) * 8 * a->head_dim <= MOST_NUMBERS &&
      attention_longest_past (a) <= MOST_PAST && (a->causal || !a->key_mask) &&
      is_whole (a->query_stride, a->query) &&
      is_whole (a->key_stride, a->key, a->value, a->out) &&
      a->angle_stride == 0 && is_whole (0, a->cosine, a->sine);
}

/* Calls pick.run<D, R, P> () for the kernel of a shape. */
template <typename Pick>
static auto
kernel_for (const MblmAttention *a, Pick pick)
{
  bool two = a->rows > 8, past = attention_longest_past (a) > 0;

  if (a->head_dim == 128)
    return past ? pick.template run<128, 1, 1> ()
                : pick.template run<128, 1, 0> ();
  if (a->head_dim == 64)
    return two ? (past ? pick.template run<64, 2, 1> ()
                       : pick.template run<64, 2, 0> ())
               : (past ? pick.template run<64, 1, 1> ()
                       : pick.template run<64, 1, 0> ());
  return two
      ? (past ? pick.template run<32, 2, 1> () : pick.template run<32, 2, 0> ())
      : (past ? pick.template run<32, 1, 1> ()
              : pick.template run<32, 1, 0> ());
}

struct Forward {
  template <int D, int R, int P>
  auto
  run () const
  {
    return patches_kernel<D, R, P>;
  }
};

struct Backward {
  template <int D, int R, int P>
  auto
  run () const
  {
    return patches_backward_kernel<D, R, P>;
  }
};

void
attention_patches (
    MblmQueue *queue, AttentionPiece *piece, const MblmAttention *a)
{
  for (size_t b = 0; b < a->batch; b += piece->count) {
    attention_short_piece (piece, a, b);
    mblm_cuda_launch (queue, kernel_for (a, Forward ()),
        (unsigned) divide_up (piece->count * a->heads, WARPS), THREADS, 0,
        *piece);
  }
}

void
attention_patches_backward (
    MblmQueue *queue, AttentionPiece *piece, const MblmAttentionBackward *g)
{
  const MblmAttention *a = &g->forward;

  attention_short_gradients (queue, piece, g,
      [&] (const AttentionGradients &gradients, size_t each, float *past_key,
          float *past_value) {
        size_t units = divide_up (piece->count, each) * a->heads;
        size_t sums = past_key || past_value ? 2 * a->past[0] * a->head_dim : 0;

        mblm_cuda_launch (queue, kernel_for (a, Backward ()),
            (unsigned) divide_up (units, WARPS), THREADS,
            WARPS * sums * sizeof (float), *piece, gradients, each, past_key,
            past_value);
      });
}
