/* attention-step.c: attention of a few rows over a long past.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What decoding does: it reads every key and value once, and how fast they come
 * from memory is how fast it is. A tile therefore is a chunk of positions with
 * all their heads, which lie one after the other. Each has a softmax of its own;
 * they are merged in the order of the positions. A row's result does not depend
 * on how many rows there are. All memory is float32: nothing else decodes.
 */

#include "attention.h"

/* Floats of the keys of a tile: some microseconds from memory. */
#define TILE_FLOATS 32768

/* Keys that are looked at side by side. */
#define GROUP 8

/* Nanoseconds for a float of keys and values, from memory. */
#define READ_WORK 0.2

typedef struct {
  const MblmAttention *a;
  size_t chunk;        /* positions of a tile, a multiple of GROUP */
  size_t stride;       /* of scores of a head and row */
  const size_t *tiles; /* [batch + 1], the first tile of each sequence;
                                 * its last one are its own keys */
  float *parts;        /* [tiles, part_size] */
  size_t part_size;
  char *workers; /* scores, [rows, heads, stride] */
  size_t each;
} Step;

/* The keys of a tile. */
typedef struct {
  const float *key, *value; /* [count, stride] */
  size_t stride, count;
  bool own;
} Keys;

/* What a tile leaves for row r: the sum of exp (score - max) values, [rows,
 * heads, head_dim], then max and the sum of exp (score - max), [rows, heads]
 * each. */
static inline float *
part_max (const MblmAttention *a, float *part)
{
  return part + a->rows * a->heads * a->head_dim;
}

static inline float *
part_sum (const MblmAttention *a, float *part)
{
  return part_max (a, part) + a->rows * a->heads;
}

static Keys
tile_keys (const Step *self, size_t b, size_t chunk)
{
  const MblmAttention *a = self->a;
  size_t from = attention_from (a, b), past = attention_past (a, b);
  size_t first = chunk * self->chunk, width = a->heads * a->head_dim;

  if (chunk == divide_up (past, self->chunk)) {
    size_t own = b * a->rows * a->key_stride;

    return (Keys){(const float *) a->key + own, (const float *) a->value + own,
        a->key_stride, a->rows, true};
  }
  return (Keys){
      a->past_key[from] + first * width,
      a->past_value[from] + first * width,
      width,
      min_size (self->chunk, past - first),
      false,
  };
}

/* scores[r, h, j] of all keys, masked or not. */
static void
score_tile (const Step *self, size_t b, const Keys *keys, float *scores)
{
  const MblmAttention *a = self->a;
  const float *query = (const float *) a->query + b * a->rows * a->query_stride;
  size_t d = a->head_dim;

  for (size_t j = 0; j < keys->count; j += GROUP)
    for (size_t h = 0; h < a->heads; h++)
      for (size_t r = 0; r < a->rows; r++) {
        const float *q = query + r * a->query_stride + h * d;
        const float *key = keys->key + j * keys->stride + h * d;
        float *to = scores + (r * a->heads + h) * self->stride + j;

        if (keys->count - j >= GROUP)
          score_8 (q, key, keys->stride, d, to);
        else
          for (size_t i = 0; i < keys->count - j; i++)
            to[i] = score_1 (q, key + i * keys->stride, d);
      }
}

/* out[d] += sum of weights[j] * value[j, :] for j < count <= GROUP */
static ALWAYS_INLINE void
add_values (const float *weights, const float *value, size_t stride,
    const size_t count, size_t d, float *out)
{
  size_t i = 0;

  for (; i + VW <= d; i += VW) {
    vf o = v_load (out + i);

    UNROLL
    for (size_t j = 0; j < count; j++)
      o = v_fma (v_set1 (weights[j]), v_load (value + j * stride + i), o);
    v_store (out + i, o);
  }
  for (; i < d; i++)
    for (size_t j = 0; j < count; j++)
      out[i] += weights[j] * value[j * stride + i];
}

/* out[r, h, :] = sum over the keys of weights[r, h, j] * value[j, h, :] */
static void
mix_tile (const Step *self, const Keys *keys, const float *weights, float *out)
{
  const MblmAttention *a = self->a;
  size_t d = a->head_dim;

  memset (out, 0, a->rows * a->heads * d * sizeof (*out));
  for (size_t j = 0; j < keys->count; j += GROUP)
    for (size_t h = 0; h < a->heads; h++)
      for (size_t r = 0; r < a->rows; r++) {
        size_t at = r * a->heads + h;
        const float *w = weights + at * self->stride + j;
        const float *value = keys->value + j * keys->stride + h * d;

        if (keys->count - j >= GROUP)
          add_values (w, value, keys->stride, GROUP, d, out + at * d);
        else
          for (size_t i = 0; i < keys->count - j; i++)
            add_values (w + i, value + i * keys->stride, 0, 1, d, out + at * d);
      }
}

/* The sequence that a tile belongs to. */
static size_t
find_sequence (const Step *self, size_t tile)
{
  size_t low = 0, high = self->a->batch;

  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;

    if (self->tiles[middle] <= tile)
      low = middle;
    else
      high = middle;
  }
  return low;
}

static void
step_tile (const void *data, size_t tile, unsigned worker)
{
  const Step *self = data;
  const MblmAttention *a = self->a;
  size_t b = find_sequence (self, tile);
  Keys keys = tile_keys (self, b, tile - self->tiles[b]);
  float *scores = (float *) (self->workers + worker * self->each);
  float *part = self->parts + tile * self->part_size;
  float *max = part_max (a, part), *sum = part_sum (a, part);
  float scale = attention_scale (a);

  score_tile (self, b, &keys, scores);
  for (size_t r = 0; r < a->rows; r++)
    for (size_t h = 0; h < a->heads; h++) {
      size_t at = r * a->heads + h;
      size_t count = keys.own && a->causal ? r + 1 : keys.count;
      float *row = scores + at * self->stride;

      max[at] = soften (row, count, scale, -FLT_MAX, &sum[at]);
      for (size_t j = count; j < keys.count; j++)
        row[j] = 0.0f;
    }
  mix_tile (self, &keys, scores, part);
}

/* Row and head `at` of a sequence, from the tiles [first, end), to out
 * [head_dim]; returns log (sum exp (score)). */
static float
merge_row (const Step *self, size_t first, size_t end, size_t at, float *out)
{
  const MblmAttention *a = self->a;
  size_t d = a->head_dim;
  float max = -FLT_MAX, total = 0.0f;
  vf scale;

  for (size_t t = first; t < end; t++)
    max = fmaxf (max, part_max (a, self->parts + t * self->part_size)[at]);
  memset (out, 0, d * sizeof (*out));
  for (size_t t = first; t < end; t++) {
    float *part = self->parts + t * self->part_size;
    float weight = expf (part_max (a, part)[at] - max);

    total += weight * part_sum (a, part)[at];
    add_values (&weight, part + at * d, 0, 1, d, out);
  }
  scale = v_set1 (1.0f / total);
  for (size_t i = 0; i < d; i += VW)
    v_store_n (out + i, d - i, v_load_n (out + i, d - i) * scale);
  return max + logf (total);
}

static void
merge_tile (const void *data, size_t b, unsigned worker)
{
  const Step *self = data;
  const MblmAttention *a = self->a;
  size_t count = a->rows * a->heads;

  for (size_t at = 0; at < count; at++) {
    float log_sum = merge_row (self, self->tiles[b], self->tiles[b + 1], at,
        (float *) a->out + (b * count + at) * a->head_dim);

    if (a->log_sum)
      a->log_sum[b * count + at] = log_sum;
  }
}

void
FN (attention_step) (MblmQueue *queue, const MblmAttention *a)
{
  size_t width = a->heads * a->head_dim, count = 0, positions = 0;
  Step self = {.a = a};
  size_t *tiles, bytes;
  float *scratch;

  self.chunk = TILE_FLOATS / width / GROUP * GROUP + GROUP;
  self.stride = divide_up (max_size (self.chunk, a->rows), VW) * VW;
  self.each = mblm_cpu_bytes (a->rows * a->heads * self.stride, sizeof (float));
  self.part_size = divide_up (a->rows * (width + 2 * a->heads), 16) * 16;
  for (size_t b = 0; b < a->batch; b++) {
    positions += attention_past (a, b);
    count += divide_up (attention_past (a, b), self.chunk) + 1;
  }
  bytes = mblm_cpu_bytes (count, self.part_size * sizeof (float));
  if (__builtin_add_overflow (
          bytes, mblm_cpu_bytes (a->batch + 1, sizeof (*tiles)), &bytes))
    bytes = SIZE_MAX;
  scratch = mblm_cpu_scratch (queue, bytes, &self.each, &self.workers);
  if (!scratch)
    return;
  self.parts = scratch;
  tiles = (size_t *) (scratch + count * self.part_size);
  tiles[0] = 0;
  for (size_t b = 0; b < a->batch; b++)
    tiles[b + 1] = tiles[b] + divide_up (attention_past (a, b), self.chunk) + 1;
  self.tiles = tiles;

  mblm_cpu_run (queue, count,
      2 * READ_WORK * (double) positions * (double) width, step_tile, &self);
  mblm_cpu_run (queue, a->batch,
      READ_WORK * (double) count * (double) (a->rows * width), merge_tile,
      &self);
}
