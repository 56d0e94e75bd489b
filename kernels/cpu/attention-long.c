/* attention-long.c: attention of many rows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Keys and values of some heads are packed first, as products want them; hidden
 * ones are left out. Then a tile is TILE_ROWS rows of one head, which walk over
 * the keys in blocks of BLOCK_KEYS: scores as one product, their softmax, the
 * weighted values as another. The largest score so far, the sum of weights and
 * the weighted sum of values are carried from block to block, so that no matrix
 * of scores ever exists.
 *
 * With products of bfloat16 and a processor that has a matrix unit for them, the
 * rows of a tile are the affair of attention-amx.c.
 */

#include "amx.h"
#include "attention.h"
#include "gemm.h"

#define TILE_ROWS (8 * GEMM_ROWS)
#define BLOCK_KEYS 256 /* <= GEMM_DEPTH, a multiple of GEMM_LANES */
#define MAX_DIM 512

/* Floats of the keys and values that are packed at a time: 32 MiB. */
#define GROUP_FLOATS ((size_t) 8 << 20)

/* Nanoseconds for a float that is packed. */
#define PACK_WORK 0.4

typedef struct {
  const MblmAttention *a;
  size_t first, end;  /* heads of sequences that are packed */
  size_t keys;        /* that there is room for, of each */
  size_t value_width; /* head_dim as whole panels */
  float *packed;      /* [end - first, packed_size] */
  size_t packed_size;
  size_t *counts;   /* [batch], keys of each sequence */
  size_t row_tiles; /* of a head */
  char *workers;    /* a Tile each */
  size_t each;
} Long;

/* The state of a tile. */
typedef struct {
  GemmRows queries, weights;
  float max[TILE_ROWS], sum[TILE_ROWS];
  float out[]; /* [TILE_ROWS, value_width] */
} Tile;

/* Packed keys: [keys / GEMM_LANES, head_dim, GEMM_LANES]. */
static float *
packed_keys (const Long *self, size_t head)
{
  return self->packed + (head - self->first) * self->packed_size;
}

/* Packed values: [value_width / GEMM_LANES, keys, GEMM_LANES]. */
static float *
packed_values (const Long *self, size_t head)
{
  return packed_keys (self, head) + self->keys * self->a->head_dim;
}

/* ------------------------------------------------------------------------- */
/* Packing                                                                   */
/* ------------------------------------------------------------------------- */

/* The rows of key or value [j, j + n) of the head at column `at` of sequence b
 * among the visible ones; own[i] is the row of the sequence that i is, if it is none
 * of the past. */
static void
find_rows (const MblmAttention *a, size_t b, size_t at, const size_t *own,
    size_t j, size_t n, bool value, const void **rows)
{
  size_t from = attention_from (a, b), past = attention_past (a, b);
  size_t width = a->heads * a->head_dim;
  const void *mine = value ? a->value : a->key;

  for (size_t i = 0; i < n; i++)
    if (j + i < past)
      rows[i] = (value ? a->past_value : a->past_key)[from] + (j + i) * width +
          at;
    else
      rows[i] = attention_at (
          a->type, mine, (b * a->rows + own[i]) * a->key_stride + at);
}

/* Copies of those that aren't float32, [n, MAX_DIM], take their places. */
static void
widen_rows (const MblmAttention *a, size_t past, size_t j, size_t n,
    const void **rows, float (*copies)[MAX_DIM])
{
  for (size_t i = 0; i < n && a->type != MBLM_TYPE_F32; i++)
    if (j + i >= past) {
      attention_widen (copies[i], a->type, rows[i], 0, a->head_dim,
          divide_up (a->head_dim, VW) * VW);
      rows[i] = copies[i];
    }
}

/* own[i] = the own row of visible key j + i (past keys have none). */
static void
find_own (const MblmAttention *a, size_t b, size_t j, size_t n, size_t *own)
{
  size_t past = attention_past (a, b), row = 0, seen = 0;
  const uint8_t *mask = attention_mask (a, b);

  if (!mask || attention_is_masked (mask, a->rows)) {
    for (size_t i = 0; i < n; i++)
      own[i] = j + i - past;
    return;
  }
  for (; row < a->rows && seen < j + n; row++)
    if (mask[row]) {
      if (seen >= j)
        own[seen - j] = row;
      seen++;
    }
}

/* Tile: GEMM_LANES keys and values of a head. */
static void
pack_tile (const void *data, size_t tile, unsigned worker)
{
  const Long *self = data;
  const MblmAttention *a = self->a;
  size_t panels = self->keys / GEMM_LANES, panel = tile % panels;
  size_t head = self->first + tile / panels, b = head / a->heads;
  size_t at = head % a->heads * a->head_dim, j = panel * GEMM_LANES;
  size_t past = attention_past (a, b), own[GEMM_LANES], n;
  const void *rows[GEMM_LANES];
  float copies[GEMM_LANES][MAX_DIM];
  float *values = packed_values (self, head) + j * GEMM_LANES;

  if (j >= self->counts[b])
    return;
  n = min_size (GEMM_LANES, self->counts[b] - j);
  find_own (a, b, j, n, own);
  find_rows (a, b, at, own, j, n, false, rows);
  widen_rows (a, past, j, n, rows, copies);
  FN (gemm_pack)
  (packed_keys (self, head) + j * a->head_dim, rows, MBLM_TYPE_F32, n, 0,
      a->head_dim);
  find_rows (a, b, at, own, j, n, true, rows);
  widen_rows (a, past, j, n, rows, copies);
  for (size_t p = 0; p < self->value_width; p += GEMM_LANES)
    for (size_t i = 0; i < n; i++)
      for (size_t v = 0; v < GEMM_LANES; v += VW) {
        float *to = values + p * self->keys + i * GEMM_LANES + v;
        const float *from = (const float *) rows[i] + p + v;

        if (p + v < a->head_dim)
          v_store (to, v_load_n (from, a->head_dim - p - v));
        else
          v_store (to, v_zero ());
      }
}

/* ------------------------------------------------------------------------- */
/* Rows                                                                      */
/* ------------------------------------------------------------------------- */

/* The softmax of the scores of rows [row, row + n) of a tile for the keys
 * [j, j + count); row i of the sequence sees `visible` + i keys, causal or all.
 * Rescales what has been summed up. */
static void
soften_rows (const Long *self, Tile *tile, size_t row, size_t n, size_t j,
    size_t count, size_t visible)
{
  float scale = attention_scale (self->a);

  for (size_t i = 0; i < n; i++) {
    float *weights = tile->weights.data + i * GEMM_ROW_STRIDE, sum, max, alpha;
    size_t sees = self->a->causal ? visible + i : visible;
    float *out = tile->out + (row + i) * self->value_width;

    sees = sees > j ? min_size (count, sees - j) : 0;
    max = soften (weights, sees, scale, tile->max[row + i], &sum);
    for (size_t k = sees; k < count; k++)
      weights[k] = 0.0f;
    if (max != tile->max[row + i] && j > 0) {
      alpha = expf (tile->max[row + i] - max);
      tile->sum[row + i] *= alpha;
      for (size_t k = 0; k < self->value_width; k += VW)
        v_store (out + k, v_load (out + k) * v_set1 (alpha));
    }
    tile->sum[row + i] += sum;
    tile->max[row + i] = max;
  }
}

/* Rows [row, row + n), n <= GEMM_ROWS, of a tile that begins with row `first` of
 * its sequence and the keys [j, j + count). */
static void
attend_block (const Long *self, Tile *tile, size_t head, size_t first,
    size_t row, size_t n, size_t j, size_t count, bool alike)
{
  const MblmAttention *a = self->a;
  size_t b = head / a->heads, visible = self->counts[b];

  if (a->causal)
    visible = attention_past (a, b) + first + row + 1;
  if (alike)
    memset (&tile->weights, 0, sizeof (tile->weights));
  else
    FN (gemm_rows)
  (&tile->queries, a->query, a->type, a->query_stride,
      b * a->rows + first + row, n, head % a->heads * a->head_dim, a->head_dim);
  for (size_t k = 0; !alike && k < count; k += GEMM_LANES)
    FN (gemm_block)
  (&tile->queries, n, packed_keys (self, head) + (j + k) * a->head_dim,
      min_size (GEMM_LANES, count - k), a->head_dim, false,
      tile->weights.data + k, GEMM_ROW_STRIDE);
  soften_rows (self, tile, row, n, j, count, visible);
  for (size_t p = 0; p < self->value_width; p += GEMM_LANES)
    FN (gemm_block)
  (&tile->weights, n,
      packed_values (self, head) + p * self->keys + j * GEMM_LANES, GEMM_LANES,
      count, j > 0, tile->out + row * self->value_width + p, self->value_width);
}

/* Keys that rows up to `end` of sequence b see. */
static size_t
visible_keys (const Long *self, size_t b, size_t end)
{
  if (self->a->causal)
    return attention_past (self->a, b) + end;
  return self->counts[b];
}

static void
store_rows (const Long *self, const Tile *tile, size_t head, size_t first,
    size_t count, bool alike)
{
  const MblmAttention *a = self->a;
  size_t width = a->heads * a->head_dim, b = head / a->heads;
  size_t out = (b * a->rows + first) * width + head % a->heads * a->head_dim;

  for (size_t i = 0; i < count; i++) {
    vf scale = v_set1 (1.0f / tile->sum[i]);

    for (size_t k = 0; k < a->head_dim; k += VW)
      v_store_as (a->type, a->out, out + i * width + k, a->head_dim - k,
          v_load (tile->out + i * self->value_width + k) * scale);
    if (a->log_sum)
      a->log_sum[(b * a->rows + first + i) * a->heads + head % a->heads] = alike
          ? 0.0f
          : tile->max[i] + logf (tile->sum[i]);
  }
}

static void
attend_tile (const void *data, size_t number, unsigned worker)
{
  const Long *self = data;
  const MblmAttention *a = self->a;
  /* the tiles that see most keys come first, so that none is left alone */
  size_t back = self->row_tiles - 1 - number % self->row_tiles;
  size_t head = self->first + number / self->row_tiles, b = head / a->heads;
  size_t first = back * TILE_ROWS, end = min_size (a->rows, first + TILE_ROWS);
  const uint8_t *mask = attention_mask (a, b);
  bool alike = mask && attention_is_masked (mask, a->rows);
  Tile *tile = (Tile *) (self->workers + worker * self->each);
  size_t keys = visible_keys (self, b, end);

  if (alike && a->masked_is_zero) {
    for (size_t i = first; i < end; i++) {
      size_t at = (b * a->rows + i) * a->heads + head % a->heads;

      attention_clear (a->type, a->out, at * a->head_dim, a->head_dim);
      if (a->log_sum)
        a->log_sum[at] = 0.0f;
    }
    return;
  }
  for (size_t i = 0; i < TILE_ROWS; i++) {
    tile->max[i] = -FLT_MAX;
    tile->sum[i] = 0.0f;
  }
  for (size_t j = 0; j < keys; j += BLOCK_KEYS)
    for (size_t row = first; row < end; row += GEMM_ROWS) {
      size_t n = min_size (GEMM_ROWS, end - row);
      size_t sees = visible_keys (self, b, row + n);

      if (sees > j)
        attend_block (self, tile, head, first, row - first, n, j,
            min_size (BLOCK_KEYS, sees - j), alike);
    }
  store_rows (self, tile, head, first, end - first, alike);
}

/* How many keys any row of sequence b can see. */
static size_t
count_keys (const MblmAttention *a, size_t b)
{
  const uint8_t *mask = attention_mask (a, b);
  size_t count = 0;

  if (!mask || attention_is_masked (mask, a->rows))
    return attention_past (a, b) + a->rows;
  for (size_t i = 0; i < a->rows; i++)
    count += mask[i] != 0;
  return count;
}

/* ------------------------------------------------------------------------- */
/* In the matrix unit                                                        */
/* ------------------------------------------------------------------------- */

typedef struct {
  const MblmAttention *a;
  const size_t *counts; /* [batch], keys of each sequence */
  size_t row_tiles;     /* of a head, AMX_FORWARD_ROWS rows each */
  char *workers;
  size_t each;
} Amx;

/* Rows [first, first + block->scores.rows) of head h of sequence b. */
static void
walk_keys (const Amx *self, AmxForward *block, size_t b, size_t h, size_t first,
    char *memory)
{
  const MblmAttention *a = self->a;
  AmxScores *s = &block->scores;
  size_t past = attention_past (a, b), keys = self->counts[b];

  if (a->causal)
    keys = min_size (keys, past + first + s->rows);
  mblm_cpu_amx_forward_begin (block, memory);
  for (size_t j = 0; j < keys; j += AMX_BLOCK_KEYS) {
    size_t own[AMX_BLOCK_KEYS], n = min_size (AMX_BLOCK_KEYS, keys - j);

    find_own (a, b, j, n, own);
    find_rows (a, b, h * a->head_dim, own, j, n, false, s->key);
    find_rows (a, b, h * a->head_dim, own, j, n, true, s->value);
    s->keys = n;
    s->past = past > j ? min_size (n, past - j) : 0;
    s->first = (ptrdiff_t) (past + first) - (ptrdiff_t) j;
    mblm_cpu_amx_forward (block, memory);
  }
  mblm_cpu_amx_forward_end (block, memory);
}

static void
amx_tile (const void *data, size_t number, unsigned worker)
{
  const Amx *self = data;
  const MblmAttention *a = self->a;
  size_t back = self->row_tiles - 1 - number % self->row_tiles;
  size_t head = number / self->row_tiles, b = head / a->heads;
  size_t h = head % a->heads, first = back * AMX_FORWARD_ROWS;
  size_t row = b * a->rows + first;
  AmxForward block = {
      .scores =
          {
              .head_dim = a->head_dim,
              .type = a->type,
              .scale = attention_scale (a),
              .causal = a->causal,
              .rows = min_size (AMX_FORWARD_ROWS, a->rows - first),
              .query = attention_at (
                  a->type, a->query, row * a->query_stride + h * a->head_dim),
              .query_stride = a->query_stride,
          },
      .out = a->out,
      .out_at = (row * a->heads + h) * a->head_dim,
      .out_stride = a->heads * a->head_dim,
      .log_sum = a->log_sum ? a->log_sum + row * a->heads + h : NULL,
      .log_sum_stride = a->heads,
  };

  walk_keys (self, &block, b, h, first, self->workers + worker * self->each);
}

/* `keys`: how many a row sees, on average. */
static void
attention_amx (MblmQueue *queue, const MblmAttention *a, double keys)
{
  Amx self = {.a = a,
      .row_tiles = divide_up (a->rows, AMX_FORWARD_ROWS),
      .each = mblm_cpu_amx_forward_size ()};
  size_t heads = a->batch * a->heads, *counts;

  counts = mblm_cpu_scratch (queue, mblm_cpu_bytes (a->batch, sizeof (*counts)),
      &self.each, &self.workers);
  if (!counts)
    return;
  for (size_t b = 0; b < a->batch; b++)
    counts[b] = count_keys (a, b);
  self.counts = counts;
  mblm_cpu_run (queue, heads * self.row_tiles,
      0.2 * ATTENTION_WORK * (double) heads * keys *
          (double) (a->rows * a->head_dim),
      amx_tile, &self);
}

/* ------------------------------------------------------------------------- */
/* The operation                                                             */
/* ------------------------------------------------------------------------- */

/* Scratch memory and sizes; `longest` the most keys of a sequence. Returns how
 * many heads are packed at a time, 0 where there is no memory. */
static size_t
prepare (MblmQueue *queue, Long *self, size_t longest)
{
  const MblmAttention *a = self->a;
  size_t group, bytes;

  self->keys = divide_up (longest, GEMM_LANES) * GEMM_LANES;
  self->value_width = divide_up (a->head_dim, GEMM_LANES) * GEMM_LANES;
  self->packed_size = self->keys * (a->head_dim + self->value_width);
  self->row_tiles = divide_up (a->rows, TILE_ROWS);
  self->each = sizeof (Tile) + TILE_ROWS * self->value_width * sizeof (float);
  group = min_size (
      a->batch * a->heads, max_size (1, GROUP_FLOATS / self->packed_size));
  bytes = mblm_cpu_bytes (group * self->packed_size, sizeof (float));
  if (__builtin_add_overflow (
          bytes, mblm_cpu_bytes (a->batch, sizeof (size_t)), &bytes))
    bytes = SIZE_MAX;
  self->packed = mblm_cpu_scratch (queue, bytes, &self->each, &self->workers);
  if (!self->packed)
    return 0;
  self->counts = (size_t *) (self->packed + group * self->packed_size);
  for (size_t b = 0; b < a->batch; b++)
    self->counts[b] = count_keys (a, b);
  return group;
}

void
FN (attention_long) (MblmQueue *queue, const MblmAttention *a)
{
  size_t heads = a->batch * a->heads, longest = 0, group;
  Long self = {.a = a};
  double keys = 0.0;

  for (size_t b = 0; b < a->batch; b++) {
    size_t count = count_keys (a, b);

    longest = max_size (longest, count);
    keys += (double) (a->causal ? count - a->rows / 2 : count);
  }
  keys /= (double) a->batch;
  if (mblm_cpu_use_amx (queue->device, a)) {
    attention_amx (queue, a, keys);
    return;
  }
  group = prepare (queue, &self, longest);
  if (group == 0)
    return;
  for (; self.first < heads; self.first = self.end) {
    double count;

    self.end = min_size (heads, self.first + group);
    count = (double) (self.end - self.first);
    mblm_cpu_run (queue, (self.end - self.first) * (self.keys / GEMM_LANES),
        PACK_WORK * count * (double) self.packed_size, pack_tile, &self);
    mblm_cpu_run (queue, (self.end - self.first) * self.row_tiles,
        ATTENTION_WORK * count * keys * (double) (a->rows * a->head_dim),
        attend_tile, &self);
  }
}
