/* attention-short.cu: attention to few keys, of many sequences.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The inner stages have thousands of patches of a few rows behind one shared row of
 * their past. A warp has one head of a sequence: it loads queries, keys and values
 * into shared memory of its own, and lanes take pairs of a query and a key, then
 * rows, then groups of four columns. Neighbours among the warps have neighbours
 * among the heads, whose rows lie side by side. Backward a warp goes on to the same
 * head of further sequences where they share a past, whose gradients it sums up.
 * The floor is what is read and written once, 16 bytes forward and 32 backward for
 * each number of a row and head; at 8 rows of 64 the products take about a quarter
 * of that time.
 */

#include "attention-short.h"

#include <cfloat>

#define MOST_ROWS MBLM_CUDA_WARP
#define MOST_KEYS 64
#define LANES 8 /* for d_out . out of a row */
#define MOST_WARPS 8
#define THREADS (MOST_WARPS * MBLM_CUDA_WARP)
#define MOST_FLOATS 24576       /* of a warp: the least that a block may have */
#define PLAIN_FLOATS (48 * 256) /* of a block of several warps */

/* Rows in the shared memory of a warp. Those of heads are four floats longer than
 * they must be, so that eight of them lie in different banks. */
struct Layout {
  size_t rows, keys;   /* there is room for */
  size_t row_stride;   /* of queries, keys, values and gradients */
  size_t score_stride; /* odd, with an entry behind the keys */
  size_t sums;         /* floats of the gradients of a shared past, twice */

  __host__ __device__ size_t
  forward_floats (void) const
  {
    return divide_up (rows * score_stride, 4) * 4 +
        (rows + 2 * keys) * row_stride;
  }

  __host__ __device__ size_t
  backward_floats (void) const
  {
    return divide_up (2 * rows * score_stride, 4) * 4 +
        (2 * rows + 2 * keys) * row_stride + 2 * sums;
  }
};

/* One head of a sequence. */
struct Head {
  const AttentionPiece *piece;
  size_t sequence, head; /* of the piece */
  unsigned past, keys;   /* keys with the past */
  const uint8_t *mask;
  bool is_masked; /* every key is */

  /* Of row i of the sequence. */
  __device__ size_t
  row (unsigned i) const
  {
    return (piece->first + sequence) * piece->a.rows + i;
  }

  __device__ bool
  is_used (unsigned j) const
  {
    return is_masked || !mask || mask[j];
  }

  __device__ bool
  sees (unsigned i, unsigned j) const
  {
    return piece->a.causal ? j <= past + i : is_used (j);
  }
};

__device__ static Head
head_of (const AttentionPiece *piece, size_t sequence, size_t head)
{
  unsigned lane = threadIdx.x % MBLM_CUDA_WARP;
  unsigned past = (unsigned) piece->past_of (sequence);
  Head h = {piece, sequence, head, past, past + (unsigned) piece->a.rows,
      piece->mask_of (sequence)};
  bool is_seen = !h.mask || (lane < piece->a.rows && h.mask[lane]);

  h.is_masked = !__any_sync (MBLM_CUDA_EVERY_LANE, is_seen);
  return h;
}

/* Rows [0, count) of row_at (). */
template <typename At>
__device__ static inline void
load_rows (
    float *to, const Layout &layout, const Head &h, unsigned count, At row_at)
{
  unsigned quads = (unsigned) divide_up (h.piece->a.head_dim, 4);

  for (unsigned t = threadIdx.x % MBLM_CUDA_WARP; t < count * quads;
       t += MBLM_CUDA_WARP) {
    unsigned i = t / quads, c = t % quads;

    *(float4 *) (to + i * layout.row_stride + 4 * c) = attention_load4 (
        row_at (i), c, h.piece->a.head_dim, h.piece->is_aligned);
  }
}

__device__ static inline void
load_keys (float *to, const Layout &layout, const Head &h, bool value)
{
  AttentionRows rows = attention_rows (*h.piece, h.sequence, h.head, value);

  load_rows (to, layout, h, h.keys, [&] (unsigned j) {
    return h.is_used (j) ? rows.at (j) : AttentionRow ();
  });
}

__device__ static inline void
load_queries (float *to, const Layout &layout, const Head &h)
{
  const MblmAttention &a = h.piece->a;

  load_rows (to, layout, h, (unsigned) a.rows, [&] (unsigned i) {
    return attention_row (
        a.type, a.query, h.row (i) * a.query_stride + h.head * a.head_dim);
  });
}

/* products[i, j] = scale * rows[i] . keys[j] where query i sees key j. */
__device__ static inline void
multiply (float *products, const Layout &layout, const Head &h,
    const float *rows, const float *keys, float scale, float hidden)
{
  unsigned quads = (unsigned) divide_up (h.piece->a.head_dim, 4);

  for (unsigned t = threadIdx.x % MBLM_CUDA_WARP; t < h.piece->a.rows * h.keys;
       t += MBLM_CUDA_WARP) {
    unsigned i = t / h.keys, j = t % h.keys;
    const float4 *x = (const float4 *) (rows + i * layout.row_stride);
    const float4 *y = (const float4 *) (keys + j * layout.row_stride);
    float sum = hidden;

    if (h.sees (i, j)) {
      sum = 0.0f;
      for (unsigned c = 0; c < quads; c += 8) {
        float part = 0.0f;

        for (unsigned q = c; q < quads && q < c + 8; q++)
          part = attention_dot4 (x[q], y[q], part);
        sum += part;
      }
      sum *= scale;
    }
    products[i * layout.score_stride + j] = sum;
  }
}

/* From scores to weights; a lane has a row, and returns its log_sum. */
__device__ static inline float
soften (float *scores, const Layout &layout, const Head &h)
{
  unsigned i = threadIdx.x % MBLM_CUDA_WARP;
  float *row = scores + i * layout.score_stride;
  float most = -FLT_MAX, sum = 0.0f, factor;

  if (i >= h.piece->a.rows)
    return 0.0f;
  if (h.is_masked) {
    float alike = h.piece->a.masked_is_zero ? 0.0f : 1.0f / (float) h.keys;

    for (unsigned j = 0; j < h.keys; j++)
      row[j] = alike;
    return 0.0f;
  }
  for (unsigned j = 0; j < h.keys; j++)
    most = fmaxf (most, row[j]);
  for (unsigned j = 0; j < h.keys; j++) {
    row[j] = expf (row[j] - most);
    sum += row[j];
  }
  factor = 1.0f / sum;
  for (unsigned j = 0; j < h.keys; j++)
    row[j] *= factor;
  return most + logf (sum);
}

/* For each row of `count` and four of its columns, the sum of `terms` rows of
 * values, weighted with weights[row * row_step + term * term_step], goes to
 * give (row, quad, sum). */
template <typename Give>
__device__ static inline void
mix (const Layout &layout, const Head &h, unsigned count, const float *weights,
    size_t row_step, size_t term_step, const float *values, unsigned terms,
    Give give)
{
  unsigned quads = (unsigned) divide_up (h.piece->a.head_dim, 4);

  for (unsigned t = threadIdx.x % MBLM_CUDA_WARP; t < count * quads;
       t += MBLM_CUDA_WARP) {
    unsigned i = t / quads, c = t % quads;
    float4 sum = make_float4 (0.0f, 0.0f, 0.0f, 0.0f);

    for (unsigned j = 0; j < terms; j++) {
      float4 value = *(const float4 *) (values + j * layout.row_stride + 4 * c);

      sum = fmaf (value, weights[i * row_step + j * term_step], sum);
    }
    give (i, c, sum);
  }
}

/* ------------------------------------------------------------------------- */
/* Forward                                                                   */
/* ------------------------------------------------------------------------- */

__global__ static void
__launch_bounds__ (THREADS)
    short_kernel (const AttentionPiece piece, const Layout layout)
{
  MBLM_CUDA_DYNAMIC (float, shared);
  const MblmAttention &a = piece.a;
  unsigned warp = threadIdx.x / MBLM_CUDA_WARP;
  unsigned lane = threadIdx.x % MBLM_CUDA_WARP;
  size_t unit = (size_t) blockIdx.x * (blockDim.x / MBLM_CUDA_WARP) + warp;
  float *queries = shared + warp * layout.forward_floats ();
  float *keys = queries + layout.rows * layout.row_stride;
  float *values = keys + layout.keys * layout.row_stride;
  float *scores = values + layout.keys * layout.row_stride, log_sum;

  if (unit >= piece.count * a.heads)
    return;
  Head h = head_of (&piece, unit / a.heads, unit % a.heads);

  load_queries (queries, layout, h);
  load_keys (keys, layout, h, false);
  load_keys (values, layout, h, true);
  __syncwarp ();
  multiply (scores, layout, h, queries, keys, piece.scale, -INFINITY);
  __syncwarp ();
  log_sum = soften (scores, layout, h);
  if (a.log_sum && lane < a.rows)
    a.log_sum[h.row (lane) * a.heads + h.head] = log_sum;
  __syncwarp ();
  mix (layout, h, (unsigned) a.rows, scores, layout.score_stride, 1, values,
      h.keys, [&] (unsigned i, unsigned c, float4 sum) {
        attention_store4 (a.type, a.out,
            (h.row (i) * a.heads + h.head) * a.head_dim, c, a.head_dim,
            piece.is_aligned, sum);
      });
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

/* The arrays of a warp. */
struct Warp {
  float *query, *key, *value, *d_out;
  float *weight, *d_score;
  float *past_key, *past_value; /* sums, where the past is shared */
};

__device__ static Warp
warp_of (float *memory, const Layout &layout)
{
  Warp w;

  w.query = memory;
  w.d_out = w.query + layout.rows * layout.row_stride;
  w.key = w.d_out + layout.rows * layout.row_stride;
  w.value = w.key + layout.keys * layout.row_stride;
  w.past_key = w.value + layout.keys * layout.row_stride;
  w.past_value = w.past_key + layout.sums;
  w.weight = w.past_value + layout.sums;
  w.d_score = w.weight + layout.rows * layout.score_stride;
  return w;
}

/* d_out . out of piece `piece`, of eight times four columns, of row i, added up as
 * multiply () does it. */
__device__ static inline float
multiply_out (const Warp &w, const Layout &layout, const Head &h, unsigned i,
    unsigned piece)
{
  const MblmAttention &a = h.piece->a;
  AttentionRow out = attention_row (
      a.type, a.out, (h.row (i) * a.heads + h.head) * a.head_dim);
  const float4 *d_out = (const float4 *) (w.d_out + i * layout.row_stride);
  unsigned quads = (unsigned) divide_up (a.head_dim, 4);
  float part = 0.0f;

  for (unsigned q = 8 * piece; q < quads && q < 8 * piece + 8; q++)
    part = attention_dot4 (d_out[q],
        attention_load4 (out, q, a.head_dim, h.piece->is_aligned), part);
  return part;
}

/* The entry behind each row of d_score gets d_out . out; eight lanes have a row.
 * The sum of weight * (d_out . value) would be less exact than `out` is. Where a
 * query sees one key alone the two products cancel to the last bit. */
__device__ static inline void
find_deltas (const Warp &w, const Layout &layout, const Head &h)
{
  const MblmAttention &a = h.piece->a;
  unsigned lane = threadIdx.x % MBLM_CUDA_WARP, t = lane % LANES;
  unsigned pieces = (unsigned) divide_up (a.head_dim, 32);

  for (unsigned first = 0; first < a.rows; first += MBLM_CUDA_WARP / LANES) {
    unsigned i = first + lane / LANES;
    float sum = 0.0f;

    for (unsigned c = 0; c < pieces; c += LANES) {
      float part = 0.0f;

      if (i < a.rows && c + t < pieces)
        part = multiply_out (w, layout, h, i, c + t);
      for (unsigned k = 0; k < LANES && c + k < pieces; k++)
        sum += __shfl_sync (
            MBLM_CUDA_EVERY_LANE, part, (int) (lane - t + k), MBLM_CUDA_WARP);
    }
    if (i < a.rows && t == 0)
      w.d_score[i * layout.score_stride + h.keys] = sum;
  }
}

/* From d_out . value to d_score; a lane has a row. */
__device__ static inline void
soften_backward (const Warp &w, const Layout &layout, const Head &h)
{
  unsigned i = threadIdx.x % MBLM_CUDA_WARP;
  const float *weight = w.weight + i * layout.score_stride;
  float *row = w.d_score + i * layout.score_stride;

  if (i >= h.piece->a.rows)
    return;
  for (unsigned j = 0; j < h.keys; j++)
    row[j] = h.is_masked || !h.sees (i, j) ? 0.0f
                                           : weight[j] * (row[j] - row[h.keys]);
}

/* Gives four columns of the gradient of a key, or value. `sums` are those of a
 * shared past, or NULL; `past` that of the sequence's own, or NULL. */
__device__ static inline void
give_key (const Layout &layout, const Head &h, void *own, float *past,
    float *sums, unsigned j, unsigned c, float4 x)
{
  const MblmAttention &a = h.piece->a;
  size_t at = h.head * a.head_dim;

  if (j >= h.past) {
    if (own)
      attention_store4 (a.type, own, h.row (j - h.past) * a.key_stride + at, c,
          a.head_dim, h.piece->is_aligned, x);
  } else if (sums) {
    float4 *sum = (float4 *) (sums + j * layout.row_stride + 4 * c);

    *sum = *sum + x;
  } else if (past) {
    attention_give4 (MBLM_TYPE_F32, past, j * a.heads * a.head_dim + at, c,
        a.head_dim, h.piece->is_aligned, true, x);
  }
}

__device__ static void
give_gradients (const AttentionGradients &g, const Layout &layout,
    const Head &h, const Warp &w)
{
  const MblmAttention &a = h.piece->a;
  unsigned rows = (unsigned) a.rows;
  float *past_key = g.has_past_key ? g.past_key.at[h.sequence] : NULL;
  float *past_value = g.has_past_value ? g.past_value.at[h.sequence] : NULL;
  float scale = h.piece->scale;

  if (g.d_query)
    mix (layout, h, rows, w.d_score, layout.score_stride, 1, w.key, h.keys,
        [&] (unsigned i, unsigned c, float4 sum) {
          attention_store4 (a.type, g.d_query,
              h.row (i) * a.query_stride + h.head * a.head_dim, c, a.head_dim,
              h.piece->is_aligned, sum * scale);
        });
  mix (layout, h, h.keys, w.d_score, 1, layout.score_stride, w.query, rows,
      [&] (unsigned j, unsigned c, float4 sum) {
        give_key (layout, h, g.d_key, past_key, layout.sums ? w.past_key : NULL,
            j, c, sum * scale);
      });
  mix (layout, h, h.keys, w.weight, 1, layout.score_stride, w.d_out, rows,
      [&] (unsigned j, unsigned c, float4 sum) {
        give_key (layout, h, g.d_value, past_value,
            layout.sums ? w.past_value : NULL, j, c, sum);
      });
}

__device__ static void
backward_of (const AttentionGradients &g, const Layout &layout, const Head &h,
    const Warp &w)
{
  const MblmAttention &a = h.piece->a;

  __syncwarp ();
  load_queries (w.query, layout, h);
  load_rows (w.d_out, layout, h, (unsigned) a.rows, [&] (unsigned i) {
    return attention_row (
        a.type, g.d_out, (h.row (i) * a.heads + h.head) * a.head_dim);
  });
  load_keys (w.key, layout, h, false);
  load_keys (w.value, layout, h, true);
  __syncwarp ();
  multiply (w.weight, layout, h, w.query, w.key, h.piece->scale, -INFINITY);
  multiply (w.d_score, layout, h, w.d_out, w.value, 1.0f, 0.0f);
  find_deltas (w, layout, h);
  __syncwarp ();
  soften (w.weight, layout, h);
  soften_backward (w, layout, h);
  __syncwarp ();
  give_gradients (g, layout, h, w);
}

/* `each` sequences of a head are the affair of a warp, which leaves their sums of a
 * shared past in row `part` of past_key and past_value, [parts, sums]. */
__global__ static void
__launch_bounds__ (THREADS, 2) short_backward_kernel (
    const AttentionPiece piece, const AttentionGradients gradients,
    const Layout layout, size_t each, float *past_key, float *past_value)
{
  MBLM_CUDA_DYNAMIC (float, shared);
  const MblmAttention &a = piece.a;
  unsigned number = threadIdx.x / MBLM_CUDA_WARP;
  unsigned lane = threadIdx.x % MBLM_CUDA_WARP;
  size_t unit = (size_t) blockIdx.x * (blockDim.x / MBLM_CUDA_WARP) + number;
  size_t part = unit / a.heads, head = unit % a.heads;
  size_t end = min_size (piece.count, (part + 1) * each);
  Warp w = warp_of (shared + number * layout.backward_floats (), layout);

  if (part * each >= piece.count)
    return;
  for (size_t i = lane; i < 2 * layout.sums; i += MBLM_CUDA_WARP)
    w.past_key[i] = 0.0f;
  for (size_t i = part * each; i < end; i++)
    backward_of (gradients, layout, head_of (&piece, i, head), w);
  if (layout.sums == 0)
    return;
  __syncwarp ();
  for (size_t j = 0; j < piece.past_of (0); j++)
    for (size_t d = lane; d < a.head_dim; d += MBLM_CUDA_WARP) {
      size_t at = ((part * piece.past_of (0) + j) * a.heads + head) *
              a.head_dim +
          d;

      if (past_key)
        past_key[at] = w.past_key[j * layout.row_stride + d];
      if (past_value)
        past_value[at] = w.past_value[j * layout.row_stride + d];
    }
}

/* ------------------------------------------------------------------------- */
/* Launches                                                                  */
/* ------------------------------------------------------------------------- */

static Layout
layout_of (const MblmAttention *a, bool has_sums)
{
  size_t past = attention_longest_past (a), keys = past + a->rows;
  size_t row_stride = divide_up (a->head_dim, 4) * 4 + 4;

  return {a->rows, keys, row_stride, (keys + 1) | 1,
      has_sums ? past * row_stride : 0};
}

static unsigned
warps_of (size_t floats)
{
  return (unsigned) max_size (min_size (PLAIN_FLOATS / floats, MOST_WARPS), 1);
}

bool
attention_short_takes (const MblmAttention *a, bool backward)
{
  size_t past = attention_longest_past (a);
  Layout layout;

  if (a->rows > MOST_ROWS || past > MOST_KEYS - a->rows)
    return false;
  layout = layout_of (a, backward && a->past_shared);
  return (backward ? layout.backward_floats () : layout.forward_floats ()) <=
      MOST_FLOATS;
}

void
attention_short (
    MblmQueue *queue, AttentionPiece *piece, const MblmAttention *a)
{
  Layout layout = layout_of (a, false);
  size_t floats = layout.forward_floats ();
  unsigned warps = warps_of (floats);

  for (size_t b = 0; b < a->batch; b += piece->count) {
    attention_short_piece (piece, a, b);
    mblm_cuda_launch (queue, short_kernel,
        (unsigned) divide_up (piece->count * a->heads, warps),
        warps * MBLM_CUDA_WARP, warps * floats * sizeof (float), *piece,
        layout);
  }
}

void
attention_short_backward (
    MblmQueue *queue, AttentionPiece *piece, const MblmAttentionBackward *g)
{
  const MblmAttention *a = &g->forward;
  Layout layout = layout_of (a, attention_shared_size (g) > 0);
  size_t floats = layout.backward_floats ();
  unsigned warps = warps_of (floats);

  attention_short_gradients (queue, piece, g,
      [&] (const AttentionGradients &gradients, size_t each, float *past_key,
          float *past_value) {
        size_t units = divide_up (piece->count, each) * a->heads;

        mblm_cuda_launch (queue, short_backward_kernel,
            (unsigned) divide_up (units, warps), warps * MBLM_CUDA_WARP,
            warps * floats * sizeof (float), *piece, gradients, layout, each,
            past_key, past_value);
      });
}
