/* attention-long-backward.c: the gradients of attention of many rows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One sequence after the other. A task is a head and some of its blocks of
 * BLOCK_KEYS keys; each walks over the rows in blocks of BLOCK_ROWS. The weights
 * are computed again from log_sum, block by block, and so are the gradients of
 * the scores; three products follow. Those of the keys and values stay in the
 * task's memory until the block of keys is done. Those of the queries are added
 * to a copy that the task has of its own, and the copies are added up in order.
 *
 * With products of bfloat16 and a processor that has a matrix unit for them, a
 * block of keys is the affair of attention-amx.c.
 */

#include "amx.h"
#include "attention-products.h"
#include "attention.h"

#define BLOCK_ROWS (8 * GEMM_ROWS)

/* As many tasks as that, where there are enough blocks. */
#define TASKS 16

/* Nanoseconds for a float that is read. */
#define READ_WORK 0.2

typedef struct {
  const MblmAttentionBackward *g;
  size_t b;          /* the sequence */
  size_t past, keys; /* that it has: those of the past, all visible ones */
  size_t *own;       /* [rows], the own row of visible own key j, or NULL: j */
  size_t padded;     /* head_dim as whole panels */
  size_t blocks;     /* of keys */
  size_t groups;     /* of blocks of a head */
  float *delta;      /* [heads, rows]: out . d_out */
  float *d_query;    /* [heads, groups, rows, padded] or NULL: one group adds
                      * to the gradient itself, if that is of float32 */
  char *workers;     /* a Tile each */
  size_t each;
  bool amx;
} Long;

/* The memory of a task. */
typedef struct {
  GemmRows rows;
  float weights[BLOCK_ROWS * WEIGHTS_STRIDE];
  float d_scores[BLOCK_ROWS * WEIGHTS_STRIDE]; /* times scale */
  float blocks[]; /* of BLOCK_ROWS or BLOCK_KEYS rows, see block_at () */
} Tile;

typedef enum {
  KEYS,          /* [BLOCK_KEYS, padded] */
  PACKED_KEYS,   /* [BLOCK_KEYS / GEMM_LANES, padded, GEMM_LANES] */
  PACKED_VALUES, /* as PACKED_KEYS */
  D_KEYS,        /* as KEYS */
  D_VALUES,      /* as KEYS */
  QUERIES,       /* [BLOCK_ROWS, padded] */
  D_OUTS,        /* as QUERIES */
  BLOCK_KINDS
} BlockKind;

static float *
block_at (const Long *self, Tile *tile, BlockKind kind)
{
  return tile->blocks + kind * BLOCK_KEYS * self->padded;
}

/* ------------------------------------------------------------------------- */
/* Blocks                                                                    */
/* ------------------------------------------------------------------------- */

/* Row j of the keys (or values) that the sequence sees, at a head's column: of
 * float32 where it is one of the past. */
static const void *
key_row (const Long *self, size_t j, size_t at, bool value)
{
  const MblmAttention *a = &self->g->forward;
  size_t from = attention_from (a, self->b), own = j - self->past;

  if (j < self->past)
    return (value ? a->past_value : a->past_key)[from] +
        j * a->heads * a->head_dim + at;
  if (self->own)
    own = self->own[own];
  return attention_at (a->type, value ? a->value : a->key,
      (self->b * a->rows + own) * a->key_stride + at);
}

/* The same in float32; `copy` [padded] is for rows that aren't. */
static const float *
wide_row (const Long *self, size_t j, size_t at, bool value, float *copy)
{
  const MblmAttention *a = &self->g->forward;
  const void *row = key_row (self, j, at, value);

  if (a->type == MBLM_TYPE_F32 || j < self->past)
    return row;
  attention_widen (copy, a->type, row, 0, a->head_dim, self->padded);
  return copy;
}

/* Keys and values [j, j + n) of the head at column `at`. */
static void
load_keys (const Long *self, Tile *tile, size_t at, size_t j, size_t n)
{
  size_t d = self->g->forward.head_dim, panel = self->padded * GEMM_LANES;
  float *keys = block_at (self, tile, KEYS);
  float *values = block_at (self, tile, D_VALUES); /* not yet of use */

  for (size_t k = 0; k < n; k++)
    attention_widen (keys + k * self->padded,
        j + k < self->past ? MBLM_TYPE_F32 : self->g->forward.type,
        key_row (self, j + k, at, false), 0, d, self->padded);
  for (size_t k = 0; k < n; k += GEMM_LANES) {
    size_t count = min_size (GEMM_LANES, n - k), to = k / GEMM_LANES * panel;
    const void *key[GEMM_LANES], *value[GEMM_LANES];

    for (size_t i = 0; i < count; i++) {
      key[i] = keys + (k + i) * self->padded;
      value[i] = wide_row (
          self, j + k + i, at, true, values + (k + i) * self->padded);
    }
    FN (gemm_pack)
    (block_at (self, tile, PACKED_KEYS) + to, key, MBLM_TYPE_F32, count, 0, d);
    FN (gemm_pack)
    (block_at (self, tile, PACKED_VALUES) + to, value, MBLM_TYPE_F32, count, 0,
        d);
  }
}

/* Queries and d_outs [first, first + n) of the head at column `at`. */
static void
load_rows (const Long *self, Tile *tile, size_t at, size_t first, size_t n)
{
  const MblmAttention *a = &self->g->forward;
  size_t row = self->b * a->rows + first, width = a->heads * a->head_dim;

  for (size_t i = 0; i < n; i++, row++) {
    attention_widen (block_at (self, tile, QUERIES) + i * self->padded, a->type,
        a->query, row * a->query_stride + at, a->head_dim, self->padded);
    attention_widen (block_at (self, tile, D_OUTS) + i * self->padded, a->type,
        self->g->d_out, row * width + at, a->head_dim, self->padded);
  }
}

/* to [n, keys] = rows [n, padded] by the packed ones. */
static void
score_rows (const Long *self, Tile *tile, const float *rows, size_t n,
    const float *packed, size_t keys, float *to)
{
  size_t d = self->g->forward.head_dim;

  FN (gemm_rows) (&tile->rows, rows, MBLM_TYPE_F32, self->padded, 0, n, 0, d);
  for (size_t k = 0; k < keys; k += GEMM_LANES)
    FN (gemm_block)
  (&tile->rows, n, packed + k * self->padded, min_size (GEMM_LANES, keys - k),
      d, false, to + k, WEIGHTS_STRIDE);
}

/* From scores and d_out . value of row i of its sequence and `sees` keys to
 * weights and the gradients of scores; zeros for all other keys of a block. */
static void
weigh (const Long *self, size_t h, size_t i, size_t sees, float *weights,
    float *d_scores)
{
  const MblmAttention *a = &self->g->forward;
  size_t rest = (BLOCK_KEYS - sees) * sizeof (float);
  vf scale = v_set1 (attention_scale (a));
  vf log_sum = v_set1 (a->log_sum[(self->b * a->rows + i) * a->heads + h]);
  vf delta = v_set1 (self->delta[h * a->rows + i]);

  for (size_t j = 0; j < sees; j += VW) {
    vf p = v_exp (v_load (weights + j) * scale - log_sum);

    v_store (weights + j, p);
    v_store (d_scores + j, p * scale * (v_load (d_scores + j) - delta));
  }
  memset (weights + sees, 0, rest);
  memset (d_scores + sees, 0, rest);
}

/* Where the gradients of the queries of a head go for a group of blocks. */
static float *
query_gradients (const Long *self, size_t h, size_t group, size_t *stride)
{
  const MblmAttention *a = &self->g->forward;

  *stride = self->d_query ? self->padded : a->query_stride;
  if (self->d_query)
    return self->d_query + (h * self->groups + group) * a->rows * self->padded;
  if (!self->g->d_query)
    return NULL;
  return (float *) self->g->d_query + self->b * a->rows * a->query_stride +
      h * a->head_dim;
}

/* How many keys of [j, j + n) row i sees, which is n for all but causal ones. */
static size_t
sees_keys (const Long *self, size_t i, size_t j, size_t n)
{
  size_t all = self->past + i + 1;

  if (!self->g->forward.causal)
    return n;
  return all > j ? min_size (n, all - j) : 0;
}

/* Rows [first, first + n), n <= BLOCK_ROWS, and the keys [j, j + keys) of head h
 * that have been loaded: weights, gradients of scores and queries. */
static void
walk_rows (const Long *self, Tile *tile, size_t h, size_t group, size_t first,
    size_t n, size_t j, size_t keys)
{
  size_t d = self->g->forward.head_dim, padded = self->padded, stride;
  float *d_query = query_gradients (self, h, group, &stride);

  for (size_t i = 0; i < n; i += GEMM_ROWS) {
    size_t count = min_size (GEMM_ROWS, n - i);
    size_t most = sees_keys (self, first + i + count - 1, j, keys);
    float *weights = tile->weights + i * WEIGHTS_STRIDE;
    float *d_scores = tile->d_scores + i * WEIGHTS_STRIDE;

    if (most == 0)
      continue;
    score_rows (self, tile, block_at (self, tile, QUERIES) + i * padded, count,
        block_at (self, tile, PACKED_KEYS), most, weights);
    score_rows (self, tile, block_at (self, tile, D_OUTS) + i * padded, count,
        block_at (self, tile, PACKED_VALUES), most, d_scores);
    for (size_t r = 0; r < count; r++)
      weigh (self, h, first + i + r, sees_keys (self, first + i + r, j, keys),
          weights + r * WEIGHTS_STRIDE, d_scores + r * WEIGHTS_STRIDE);
    if (d_query)
      multiply (d_scores, count, block_at (self, tile, KEYS), padded, d, most,
          d_query + (first + i) * stride, stride);
  }
}

/* What these rows add to the gradients of these keys and values. */
static void
walk_keys (
    const Long *self, Tile *tile, size_t first, size_t n, size_t j, size_t keys)
{
  const MblmAttention *a = &self->g->forward;
  size_t d = a->head_dim, padded = self->padded;

  for (size_t k = 0; k < keys; k += GEMM_ROWS) {
    size_t count = min_size (GEMM_ROWS, keys - k), row = 0;

    /* the first row that sees key j + k */
    if (a->causal && j + k > self->past + first)
      row = j + k - self->past - first;
    if (row >= n)
      break;
    multiply_transposed (tile->d_scores + row * WEIGHTS_STRIDE + k, count,
        block_at (self, tile, QUERIES) + row * padded, padded, d, n - row,
        block_at (self, tile, D_KEYS) + k * padded, padded);
    multiply_transposed (tile->weights + row * WEIGHTS_STRIDE + k, count,
        block_at (self, tile, D_OUTS) + row * padded, padded, d, n - row,
        block_at (self, tile, D_VALUES) + k * padded, padded);
  }
}

/* Stores gradients [n, padded] of keys (or values) [j, j + n) of the head at
 * column `at`, adds those of the past. */
static void
store_keys (const Long *self, const float *sums, size_t at, size_t j, size_t n,
    void *own, float *const *past)
{
  const MblmAttention *a = &self->g->forward;
  size_t d = a->head_dim;

  for (size_t k = j; k < j + n; k++, sums += self->padded) {
    float *to;

    if (k >= self->past) {
      size_t row = self->own ? self->own[k - self->past] : k - self->past;

      for (size_t i = 0; own && i < d; i += VW)
        v_store_as (a->type, own,
            (self->b * a->rows + row) * a->key_stride + at + i, d - i,
            v_load (sums + i));
      continue;
    }
    if (!past)
      continue;
    to = past[attention_from (a, self->b)] + k * a->heads * d + at;
    for (size_t i = 0; i < d; i += VW)
      v_store_n (
          to + i, d - i, v_load_n (to + i, d - i) + v_load_n (sums + i, d - i));
  }
}

/* ------------------------------------------------------------------------- */
/* Tasks                                                                     */
/* ------------------------------------------------------------------------- */

/* A block of keys [j, j + n) in the matrix unit. */
static void
backward_block_amx (
    const Long *self, char *memory, size_t h, size_t group, size_t j, size_t n)
{
  const MblmAttentionBackward *g = self->g;
  const MblmAttention *a = &g->forward;
  size_t at = h * a->head_dim, row = self->b * a->rows;
  size_t width = a->heads * a->head_dim;
  AmxBackward block = {
      .scores =
          {
              .head_dim = a->head_dim,
              .type = a->type,
              .scale = attention_scale (a),
              .keys = n,
              .past = self->past > j ? min_size (n, self->past - j) : 0,
              .causal = a->causal,
              .first = (ptrdiff_t) self->past - (ptrdiff_t) j,
              .rows = a->rows,
              .query = attention_at (
                  a->type, a->query, row * a->query_stride + at),
              .query_stride = a->query_stride,
          },
      .d_out = attention_at (a->type, g->d_out, row * width + at),
      .d_out_stride = width,
      .log_sum = a->log_sum + row * a->heads + h,
      .log_sum_stride = a->heads,
      .delta = self->delta + h * a->rows,
      .d_key = (float *) memory,
      .d_value = (float *) memory + BLOCK_KEYS * self->padded,
      .d_key_stride = self->padded,
  };

  block.d_query = query_gradients (self, h, group, &block.d_query_stride);
  for (size_t k = 0; k < n; k++) {
    block.scores.key[k] = key_row (self, j + k, at, false);
    block.scores.value[k] = key_row (self, j + k, at, true);
  }
  mblm_cpu_amx_backward (
      &block, memory + 2 * BLOCK_KEYS * self->padded * sizeof (float));
  store_keys (self, block.d_key, at, j, n, g->d_key, g->d_past_key);
  store_keys (self, block.d_value, at, j, n, g->d_value, g->d_past_value);
}

static size_t
amx_size (const Long *self)
{
  return 2 * BLOCK_KEYS * self->padded * sizeof (float) +
      mblm_cpu_amx_backward_size ();
}

static void
backward_block (
    const Long *self, Tile *tile, size_t h, size_t group, size_t block)
{
  const MblmAttentionBackward *g = self->g;
  const MblmAttention *a = &g->forward;
  size_t j = block * BLOCK_KEYS, n = min_size (BLOCK_KEYS, self->keys - j);
  size_t at = h * a->head_dim, bytes = n * self->padded * sizeof (float);
  size_t first = 0;

  if (self->amx) {
    backward_block_amx (self, (char *) tile, h, group, j, n);
    return;
  }
  load_keys (self, tile, at, j, n);
  memset (block_at (self, tile, D_KEYS), 0, bytes);
  memset (block_at (self, tile, D_VALUES), 0, bytes);
  if (a->causal && j > self->past)
    first = (j - self->past) / BLOCK_ROWS * BLOCK_ROWS;
  for (; first < a->rows; first += BLOCK_ROWS) {
    size_t rows = min_size (BLOCK_ROWS, a->rows - first);

    load_rows (self, tile, at, first, rows);
    walk_rows (self, tile, h, group, first, rows, j, n);
    walk_keys (self, tile, first, rows, j, n);
  }
  store_keys (
      self, block_at (self, tile, D_KEYS), at, j, n, g->d_key, g->d_past_key);
  store_keys (self, block_at (self, tile, D_VALUES), at, j, n, g->d_value,
      g->d_past_value);
}

static void
backward_task (const void *data, size_t number, unsigned worker)
{
  const Long *self = data;
  const MblmAttention *a = &self->g->forward;
  size_t h = number / self->groups, group = number % self->groups, stride;
  float *d_query = query_gradients (self, h, group, &stride);

  for (size_t i = 0; d_query && i < a->rows; i++)
    memset (d_query + i * stride, 0, a->head_dim * sizeof (float));
  for (size_t block = group; block < self->blocks; block += self->groups)
    backward_block (
        self, (Tile *) (self->workers + worker * self->each), h, group, block);
}

static void
alike_task (const void *data, size_t h, unsigned worker)
{
  const Long *self = data;

  attention_backward_alike (self->g, self->b, h);
}

/* out . d_out of a head, whose numbers begin with entry `at` of both. */
static float
delta_of (const MblmAttentionBackward *g, size_t at)
{
  const MblmAttention *a = &g->forward;
  vf sum = v_zero ();

  for (size_t i = 0; i < a->head_dim; i += VW) {
    size_t n = a->head_dim - i;

    sum = v_fma (v_load_as (a->type, g->d_out, at + i, n),
        v_load_as (a->type, a->out, at + i, n), sum);
  }
  return v_sum (sum);
}

/* BLOCK_ROWS rows: delta, and zeros for the gradients of masked keys. */
static void
prepare_task (const void *data, size_t number, unsigned worker)
{
  const Long *self = data;
  const MblmAttentionBackward *g = self->g;
  const MblmAttention *a = &g->forward;
  size_t width = a->heads * a->head_dim;
  size_t end = min_size (a->rows, (number + 1) * BLOCK_ROWS);
  const uint8_t *mask = attention_mask (a, self->b);

  for (size_t i = number * BLOCK_ROWS; i < end; i++) {
    size_t row = self->b * a->rows + i;

    for (size_t h = 0; h < a->heads; h++)
      self->delta[h * a->rows + i] = delta_of (
          g, row * width + h * a->head_dim);
    if (!mask || mask[i])
      continue;
    attention_clear (a->type, g->d_key, row * a->key_stride, width);
    attention_clear (a->type, g->d_value, row * a->key_stride, width);
  }
}

/* BLOCK_ROWS rows of d_query are the sums of the copies of the groups. */
static void
sum_task (const void *data, size_t number, unsigned worker)
{
  const Long *self = data;
  const MblmAttention *a = &self->g->forward;
  size_t tiles = divide_up (a->rows, BLOCK_ROWS), h = number / tiles;
  size_t first = number % tiles * BLOCK_ROWS, d = a->head_dim;
  size_t end = min_size (a->rows, first + BLOCK_ROWS);

  for (size_t i = first; i < end; i++) {
    size_t to = (self->b * a->rows + i) * a->query_stride + h * d;

    for (size_t k = 0; k < d; k += VW) {
      vf sum = v_zero ();

      for (size_t group = 0; group < self->groups; group++) {
        size_t row = (h * self->groups + group) * a->rows + i;

        sum = sum + v_load_n (self->d_query + row * self->padded + k, d - k);
      }
      v_store_as (a->type, self->g->d_query, to + k, d - k, sum);
    }
  }
}

/* ------------------------------------------------------------------------- */
/* The operation                                                             */
/* ------------------------------------------------------------------------- */

static size_t
group_count (const MblmAttention *a, size_t keys)
{
  size_t wanted = divide_up (TASKS, a->heads);

  return min_size (wanted, divide_up (keys, BLOCK_KEYS));
}

/* Whether the gradients of the queries are first summed up in copies. */
static bool
has_copies (const Long *self, size_t groups)
{
  return self->g->d_query &&
      (groups > 1 || self->g->forward.type != MBLM_TYPE_F32);
}

/* Scratch memory for the sequence with the most keys. */
static bool
allocate (MblmQueue *queue, Long *self, float **d_query, size_t **own)
{
  const MblmAttention *a = &self->g->forward;
  size_t keys = 0, bytes[3], all = 0, groups;
  char *memory;

  for (size_t b = 0; b < a->batch; b++)
    keys = max_size (keys, attention_past (a, b) + a->rows);
  self->padded = divide_up (a->head_dim, GEMM_LANES) * GEMM_LANES;
  self->each = sizeof (Tile) +
      BLOCK_KINDS * BLOCK_KEYS * self->padded * sizeof (float);
  self->amx = mblm_cpu_use_amx (queue->device, a);
  if (self->amx)
    self->each = amx_size (self);
  groups = group_count (a, keys);
  bytes[0] = mblm_cpu_bytes (a->rows, a->heads * sizeof (float));
  bytes[1] = mblm_cpu_bytes (a->key_mask ? a->rows : 0, sizeof (size_t));
  bytes[2] = has_copies (self, groups)
      ? mblm_cpu_bytes (
            a->rows, a->heads * groups * self->padded * sizeof (float))
      : 0;
  for (int i = 0; i < 3; i++)
    if (__builtin_add_overflow (all, bytes[i], &all))
      all = SIZE_MAX;
  memory = mblm_cpu_scratch (queue, all, &self->each, &self->workers);
  if (!memory)
    return false;
  self->delta = (float *) memory;
  *own = bytes[1] > 0 ? (size_t *) (memory + bytes[0]) : NULL;
  *d_query = bytes[2] > 0 ? (float *) (memory + bytes[0] + bytes[1]) : NULL;
  return true;
}

static void
backward_sequence (
    MblmQueue *queue, Long *self, float *d_query, size_t *own, double work)
{
  const MblmAttention *a = &self->g->forward;
  const uint8_t *mask = attention_mask (a, self->b);
  size_t tiles = divide_up (a->rows, BLOCK_ROWS);
  double size = (double) a->rows * (double) (a->heads * a->head_dim);

  if (mask && attention_is_masked (mask, a->rows)) {
    mblm_cpu_run (queue, a->heads, READ_WORK * size, alike_task, self);
    return;
  }
  self->past = attention_past (a, self->b);
  self->keys = self->past + a->rows;
  self->own = mask ? own : NULL;
  if (mask) {
    self->keys = 0;
    for (size_t i = 0; i < a->rows; i++)
      if (mask[i])
        own[self->keys++] = i;
  }
  self->blocks = divide_up (self->keys, BLOCK_KEYS);
  self->groups = group_count (a, self->keys);
  self->d_query = has_copies (self, self->groups) ? d_query : NULL;
  work *= size * (double) (a->causal ? self->past + a->rows / 2 : self->keys);
  mblm_cpu_run (queue, tiles, READ_WORK * size, prepare_task, self);
  mblm_cpu_run (queue, a->heads * self->groups, work, backward_task, self);
  if (self->d_query)
    mblm_cpu_run (queue, a->heads * tiles,
        READ_WORK * size * (double) self->groups, sum_task, self);
}

void
FN (attention_long_backward) (MblmQueue *queue, const MblmAttentionBackward *g)
{
  Long self = {.g = g};
  float *d_query;
  size_t *own;

  if (!allocate (queue, &self, &d_query, &own))
    return;
  for (; self.b < g->forward.batch; self.b++)
    backward_sequence (queue, &self, d_query, own, 2.5 * ATTENTION_WORK);
}
