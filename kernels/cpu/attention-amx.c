/* attention-amx.c: attention and its gradients with products of bfloat16.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The matrix unit multiplies a tile of 16 rows of 32 numbers (`left`) by one of
 * 16 rows of 16 pairs (`right`): a pair holds two numbers that follow each other
 * along the depth. Sums are float32. Rows are walked over 32 at a time, the depth
 * of a tile, for the sums over rows; DEPTH rows and keys are computed even where
 * there are fewer, with zeros.
 */

#include "amx.h"
#include "bf16.h"
#include "isa.h"
#include "tile.h"
#include "vecmath.h"

#include <float.h>
#include <immintrin.h>

#define SIDE 16  /* rows and columns of a tile of sums */
#define DEPTH 32 /* of a product of two tiles */
#define KEYS AMX_BLOCK_KEYS
#define ROWS 128
#define MAX_DIM 128

/* Left operands are numbers in rows, right ones pairs of numbers of two
 * neighbouring rows or columns. */

/* ------------------------------------------------------------------------- */
/* Tiles                                                                     */
/* ------------------------------------------------------------------------- */

/* All eight tiles have 16 rows of 64 bytes. */
static void
configure (void)
{
  static const struct {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  } config = {.palette = 1,
      .bytes = {64, 64, 64, 64, 64, 64, 64, 64},
      .rows = {SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, SIDE}};

  _tile_loadconfig (&config);
}

/* The four tiles of sums [2 SIDE, 2 SIDE] at `out` = (or +=, with `add`) left
 * [2 SIDE, depth] right [depth / 2, 2 SIDE]. Strides are in elements. */
static ALWAYS_INLINE void
multiply (const uint16_t *left, size_t left_stride, const uint32_t *right,
    size_t right_stride, size_t depth, bool add, float *out, size_t stride)
{
  size_t bytes = stride * sizeof (float);

  if (add) {
    _tile_loadd (0, out, bytes);
    _tile_loadd (1, out + SIDE, bytes);
    _tile_loadd (2, out + SIDE * stride, bytes);
    _tile_loadd (3, out + SIDE * stride + SIDE, bytes);
  } else {
    _tile_zero (0);
    _tile_zero (1);
    _tile_zero (2);
    _tile_zero (3);
  }
  for (size_t k = 0; k < depth; k += DEPTH) {
    const uint32_t *r = right + k / 2 * right_stride;

    _tile_loadd (4, left + k, left_stride * sizeof (*left));
    _tile_loadd (6, r, right_stride * sizeof (*right));
    _tile_loadd (7, r + SIDE, right_stride * sizeof (*right));
    _tile_dpbf16ps (0, 4, 6);
    _tile_dpbf16ps (1, 4, 7);
    _tile_loadd (
        5, left + SIDE * left_stride + k, left_stride * sizeof (*left));
    _tile_dpbf16ps (2, 5, 6);
    _tile_dpbf16ps (3, 5, 7);
  }
  _tile_stored (0, out, bytes);
  _tile_stored (1, out + SIDE, bytes);
  _tile_stored (2, out + SIDE * stride, bytes);
  _tile_stored (3, out + SIDE * stride + SIDE, bytes);
}

/* The same for [SIDE, 2 SIDE] sums, always written. */
static ALWAYS_INLINE void
multiply_strip (const uint16_t *left, size_t left_stride, const uint32_t *right,
    size_t right_stride, size_t depth, float *out, size_t stride)
{
  _tile_zero (0);
  _tile_zero (1);
  for (size_t k = 0; k < depth; k += DEPTH) {
    const uint32_t *r = right + k / 2 * right_stride;

    _tile_loadd (4, left + k, left_stride * sizeof (*left));
    _tile_loadd (6, r, right_stride * sizeof (*right));
    _tile_loadd (7, r + SIDE, right_stride * sizeof (*right));
    _tile_dpbf16ps (0, 4, 6);
    _tile_dpbf16ps (1, 4, 7);
  }
  _tile_stored (0, out, stride * sizeof (float));
  _tile_stored (1, out + SIDE, stride * sizeof (float));
}

/* ------------------------------------------------------------------------- */
/* Rounding and packing                                                      */
/* ------------------------------------------------------------------------- */

/* A row of numbers; those of bfloat16 are taken as they are. */
typedef struct {
  MblmType type;
  const void *data;
} Row;

/* Row i of `count`, and zeros for those behind them. */
static ALWAYS_INLINE Row
row_of (MblmType type, const void *data, size_t stride, size_t i, size_t count)
{
  static const float zeros[MAX_DIM];
  size_t size = type == MBLM_TYPE_F32 ? sizeof (float) : sizeof (uint16_t);

  if (i >= count)
    return (Row){MBLM_TYPE_F32, zeros};
  return (Row){type, (const char *) data + i * stride * size};
}

/* 16 numbers, from k on. */
static ALWAYS_INLINE __m256i
round_half (Row row, size_t k)
{
  if (row.type == MBLM_TYPE_BF16)
    return _mm256_loadu_si256 (
        (const __m256i *) ((const uint16_t *) row.data + k));
  return (__m256i) _mm512_cvtneps_pbh (
      _mm512_loadu_ps ((const float *) row.data + k));
}

/* 32 numbers, from k on: 16 pairs of neighbours. */
static ALWAYS_INLINE __m512i
round_row (Row row, size_t k)
{
  const float *from = (const float *) row.data + k;

  if (row.type == MBLM_TYPE_BF16)
    return _mm512_loadu_si512 ((const uint16_t *) row.data + k);
  return (__m512i) _mm512_cvtne2ps_pbh (
      _mm512_loadu_ps (from + SIDE), _mm512_loadu_ps (from));
}

/* Pairs of the numbers of two rows. */
static ALWAYS_INLINE __m512i
pair_rows (__m256i first, __m256i second)
{
  __m512i low = _mm512_cvtepu16_epi32 (first);
  __m512i high = _mm512_cvtepu16_epi32 (second);

  return _mm512_or_si512 (low, _mm512_slli_epi32 (high, 16));
}

/* SIDE rows of 16 pairs become columns. */
static ALWAYS_INLINE void
store_across (__m512i rows[SIDE], void *to, size_t bytes)
{
  vf square[SIDE];

  for (int i = 0; i < SIDE; i++)
    square[i] = (vf) rows[i];
  v_transpose (square);
  for (int i = 0; i < SIDE; i++)
    _mm512_storeu_ps ((char *) to + i * bytes, square[i]);
}

/* Key (or value) j of a block, and zeros for those behind them. */
static ALWAYS_INLINE Row
key_of (const AmxScores *s, const void *const *rows, size_t j)
{
  MblmType type = j < s->past ? MBLM_TYPE_F32 : s->type;

  return row_of (type, j < s->keys ? rows[j] : NULL, 0, j, s->keys);
}

/* Keys (or values) to pairs along head_dim. */
static void
pack_pairs (const AmxScores *s, const void *const *rows, uint32_t (*to)[KEYS])
{
  for (size_t j = 0; j < divide_up (s->keys, DEPTH) * DEPTH; j += SIDE)
    for (size_t k = 0; k < s->head_dim; k += DEPTH) {
      __m512i square[SIDE];

      for (size_t i = 0; i < SIDE; i++)
        square[i] = round_row (key_of (s, rows, j + i), k);
      store_across (square, &to[k / 2][j], sizeof (to[0]));
    }
}

/* Keys (or values) to pairs of neighbouring rows. */
static void
pack_rows (const AmxScores *s, const void *const *rows, uint32_t (*to)[MAX_DIM])
{
  for (size_t j = 0; j < divide_up (s->keys, DEPTH) * DEPTH; j += 2) {
    Row first = key_of (s, rows, j), second = key_of (s, rows, j + 1);

    for (size_t k = 0; k < s->head_dim; k += SIDE)
      _mm512_storeu_si512 (&to[j / 2][k],
          pair_rows (round_half (first, k), round_half (second, k)));
  }
}

/* ------------------------------------------------------------------------- */
/* Scores                                                                    */
/* ------------------------------------------------------------------------- */

/* How many keys row i sees. */
static size_t
sees_keys (const AmxScores *s, size_t i)
{
  ptrdiff_t all = (ptrdiff_t) i + s->first + 1;

  if (i >= s->rows)
    return 0;
  if (!s->causal)
    return s->keys;
  return all > 0 ? min_size (s->keys, all) : 0;
}

/* Keys that are computed for the DEPTH rows from i on. */
static size_t
width_of (const AmxScores *s, size_t i)
{
  size_t last = min_size (s->rows, i + DEPTH) - 1;

  return divide_up (sees_keys (s, last), DEPTH) * DEPTH;
}

/* The lanes of keys [j, j + VW) that are among the first `sees`. */
static ALWAYS_INLINE vm
seen (size_t sees, size_t j)
{
  if (sees <= j)
    return 0;
  return sees - j >= VW ? 0xffff : v_first (sees - j);
}

/* ------------------------------------------------------------------------- */
/* Forward                                                                   */
/* ------------------------------------------------------------------------- */

typedef struct {
  uint32_t key_pairs[MAX_DIM / 2][KEYS];  /* two neighbours along head_dim */
  uint32_t value_rows[KEYS / 2][MAX_DIM]; /* two neighbouring values */
  uint16_t query[AMX_FORWARD_ROWS][MAX_DIM];
  float scores[SIDE][KEYS];
  uint16_t weights[DEPTH][KEYS]; /* exp (score - max) */
  float part[DEPTH][MAX_DIM];    /* weights . values */
  float scale[DEPTH];            /* of what has been summed up before */
  float max[AMX_FORWARD_ROWS], sum[AMX_FORWARD_ROWS];
  float out[AMX_FORWARD_ROWS][MAX_DIM];
} Forward;

size_t
mblm_cpu_amx_forward_size (void)
{
  return sizeof (Forward);
}

void
mblm_cpu_amx_forward_begin (const AmxForward *a, void *memory)
{
  const AmxScores *s = &a->scores;
  Forward *f = memory;

  for (size_t i = 0; i < divide_up (s->rows, DEPTH) * DEPTH; i++) {
    Row from = row_of (s->type, s->query, s->query_stride, i, s->rows);

    for (size_t k = 0; k < s->head_dim; k += DEPTH)
      _mm512_storeu_si512 (&f->query[i][k], round_row (from, k));
    f->max[i] = -FLT_MAX;
    f->sum[i] = 0.0f;
    memset (f->out[i], 0, s->head_dim * sizeof (float));
  }
}

/* The weights of row i, row r of DEPTH, for keys [0, width). */
static void
soften_row (const AmxScores *s, Forward *f, size_t i, size_t r, size_t width)
{
  float *scores = f->scores[r % SIDE];
  size_t sees = sees_keys (s, i);
  vf max = v_set1 (f->max[i]), total = v_zero (), low = v_set1 (-INFINITY);

  for (size_t j = 0; j < width; j += VW) {
    vf x = v_load (scores + j) * v_set1 (s->scale);

    x = _mm512_mask_mov_ps (low, seen (sees, j), x);
    v_store (scores + j, x);
    max = v_max (max, x);
  }
  max = v_set1 (v_max_lane (max));
  for (size_t j = 0; j < width; j += VW) {
    vf p = v_exp (v_load (scores + j) - max);

    _mm256_storeu_si256 (
        (__m256i *) &f->weights[r][j], (__m256i) _mm512_cvtneps_pbh (p));
    total = total + p;
  }
  f->scale[r] = expf (f->max[i] - max[0]);
  f->sum[i] = f->sum[i] * f->scale[r] + v_sum (total);
  f->max[i] = max[0];
}

void
mblm_cpu_amx_forward (const AmxForward *a, void *memory)
{
  const AmxScores *s = &a->scores;
  size_t d = s->head_dim;
  Forward *f = memory;

  configure ();
  pack_pairs (s, s->key, f->key_pairs);
  pack_rows (s, s->value, f->value_rows);
  for (size_t i = 0; i < s->rows; i += DEPTH) {
    size_t width = width_of (s, i), count = min_size (DEPTH, s->rows - i);

    for (size_t strip = 0; strip < DEPTH && width > 0; strip += SIDE) {
      for (size_t j = 0; j < width; j += 2 * SIDE)
        multiply_strip (f->query[i + strip], MAX_DIM, &f->key_pairs[0][j], KEYS,
            d, &f->scores[0][j], KEYS);
      for (size_t r = strip; r < strip + SIDE; r++)
        soften_row (s, f, i + r, r, width);
    }
    for (size_t k = 0; k < d && width > 0; k += 2 * SIDE)
      multiply (f->weights[0], KEYS, &f->value_rows[0][k], MAX_DIM, width,
          false, &f->part[0][k], MAX_DIM);
    for (size_t r = 0; r < count && width > 0; r++)
      for (size_t k = 0; k < d; k += VW) {
        float *out = f->out[i + r] + k;

        v_store (out,
            v_fma (
                v_load (out), v_set1 (f->scale[r]), v_load (&f->part[r][k])));
      }
  }
  _tile_release ();
}

void
mblm_cpu_amx_forward_end (const AmxForward *a, void *memory)
{
  const AmxScores *s = &a->scores;
  const Forward *f = memory;

  for (size_t i = 0; i < s->rows; i++) {
    vf scale = v_set1 (1.0f / f->sum[i]);

    for (size_t k = 0; k < s->head_dim; k += VW)
      v_store_as (s->type, a->out, a->out_at + i * a->out_stride + k, VW,
          v_load (f->out[i] + k) * scale);
    if (a->log_sum)
      a->log_sum[i * a->log_sum_stride] = f->max[i] + logf (f->sum[i]);
  }
}

/* ------------------------------------------------------------------------- */
/* Gradients                                                                 */
/* ------------------------------------------------------------------------- */

typedef struct {
  uint32_t key_pairs[MAX_DIM / 2][KEYS]; /* two neighbours along head_dim */
  uint32_t value_pairs[MAX_DIM / 2][KEYS];
  uint32_t key_rows[KEYS / 2][MAX_DIM]; /* two neighbouring keys */
  uint16_t query[ROWS][MAX_DIM], d_out[ROWS][MAX_DIM];
  uint16_t query_across[MAX_DIM][ROWS], d_out_across[MAX_DIM][ROWS];
  float scores[SIDE][KEYS], d_weights[SIDE][KEYS];
  uint16_t d_scores[ROWS][KEYS];
  uint32_t d_score_pairs[ROWS / 2][KEYS], weight_pairs[ROWS / 2][KEYS];
  float d_query[DEPTH][MAX_DIM];
  float d_key[MAX_DIM][KEYS], d_value[MAX_DIM][KEYS]; /* across */
} Block;

size_t
mblm_cpu_amx_backward_size (void)
{
  return sizeof (Block);
}

/* `count` rows x, as they are and across; zeros follow up to a multiple of
 * DEPTH. */
static void
load_rows (MblmType type, const void *x, size_t stride, size_t count, size_t d,
    uint16_t (*rows)[MAX_DIM], uint16_t (*across)[ROWS])
{
  for (size_t i = 0; i < count; i += DEPTH) {
    Row from[DEPTH];

    for (size_t r = 0; r < DEPTH; r++) {
      from[r] = row_of (type, x, stride, i + r, count);
      for (size_t k = 0; k < d; k += DEPTH)
        _mm512_storeu_si512 (&rows[i + r][k], round_row (from[r], k));
    }
    for (size_t k = 0; k < d; k += SIDE) {
      __m512i square[SIDE];

      for (size_t r = 0; r < SIDE; r++)
        square[r] = pair_rows (
            round_half (from[2 * r], k), round_half (from[2 * r + 1], k));
      store_across (square, &across[k][i], sizeof (across[0]));
    }
  }
}

/* The weight and the gradient of the score of keys [j, j + 16) for a row. */
static ALWAYS_INLINE void
weigh (const float *score, const float *d_weight, size_t j, size_t sees,
    vf scale, vf log_sum, vf delta, vf *weight, vf *d_score)
{
  vm m = seen (sees, j);
  vf p = v_exp (v_load (score + j) * scale - log_sum);
  vf d = p * scale * (v_load (d_weight + j) - delta);

  *weight = _mm512_maskz_mov_ps (m, p);
  *d_score = _mm512_maskz_mov_ps (m, d);
}

/* Rows r and r + 1 of the SIDE rows whose scores are there; row r is row i of the
 * sequence and row `at` of the block. */
static void
weigh_rows (const AmxBackward *a, Block *block, size_t r, size_t i, size_t at,
    size_t width)
{
  vf scale = v_set1 (a->scores.scale), log_sum[2], delta[2];
  size_t sees[2];

  for (size_t q = 0; q < 2; q++) {
    size_t row = min_size (i + q, a->scores.rows - 1);

    sees[q] = sees_keys (&a->scores, i + q);
    log_sum[q] = v_set1 (a->log_sum[row * a->log_sum_stride]);
    delta[q] = v_set1 (a->delta[row]);
  }
  for (size_t j = 0; j < width; j += VW) {
    __m256i weight[2], d_score[2];

    for (size_t q = 0; q < 2; q++) {
      vf p, d;

      weigh (block->scores[r + q], block->d_weights[r + q], j, sees[q], scale,
          log_sum[q], delta[q], &p, &d);
      weight[q] = (__m256i) _mm512_cvtneps_pbh (p);
      d_score[q] = (__m256i) _mm512_cvtneps_pbh (d);
      _mm256_storeu_si256 ((__m256i *) &block->d_scores[at + q][j], d_score[q]);
    }
    _mm512_storeu_si512 (
        &block->weight_pairs[at / 2][j], pair_rows (weight[0], weight[1]));
    _mm512_storeu_si512 (
        &block->d_score_pairs[at / 2][j], pair_rows (d_score[0], d_score[1]));
  }
}

/* The DEPTH rows from row i on, row `at` of the block. */
static void
walk_rows (const AmxBackward *a, Block *block, size_t i, size_t at)
{
  size_t width = width_of (&a->scores, i), d = a->scores.head_dim;

  for (size_t strip = at; strip < at + DEPTH; strip += SIDE) {
    for (size_t j = 0; j < width; j += 2 * SIDE) {
      multiply_strip (block->query[strip], MAX_DIM, &block->key_pairs[0][j],
          KEYS, d, &block->scores[0][j], KEYS);
      multiply_strip (block->d_out[strip], MAX_DIM, &block->value_pairs[0][j],
          KEYS, d, &block->d_weights[0][j], KEYS);
    }
    for (size_t r = 0; r < SIDE; r += 2)
      weigh_rows (a, block, r, i + strip - at + r, strip + r, width);
  }
  if (!a->d_query || width == 0)
    return;
  for (size_t k = 0; k < d; k += 2 * SIDE)
    multiply (block->d_scores[at], KEYS, &block->key_rows[0][k], MAX_DIM, width,
        false, &block->d_query[0][k], MAX_DIM);
  for (size_t r = 0; r < DEPTH && i + r < a->scores.rows; r++)
    for (size_t k = 0; k < d; k += VW) {
      float *to = a->d_query + (i + r) * a->d_query_stride + k;

      v_store (to, v_load (to) + v_load (&block->d_query[r][k]));
    }
}

/* What `count` rows from row i on add to the gradients of keys and values. */
static void
walk_keys (const AmxBackward *a, Block *block, size_t i, size_t count)
{
  for (size_t j = 0; j < a->scores.keys; j += 2 * SIDE) {
    size_t row = 0;

    while (row < count && width_of (&a->scores, i + row) <= j)
      row += DEPTH;
    if (row >= count)
      break;
    for (size_t k = 0; k < a->scores.head_dim; k += 2 * SIDE) {
      multiply (&block->query_across[k][row], ROWS,
          &block->d_score_pairs[row / 2][j], KEYS, count - row, true,
          &block->d_key[k][j], KEYS);
      multiply (&block->d_out_across[k][row], ROWS,
          &block->weight_pairs[row / 2][j], KEYS, count - row, true,
          &block->d_value[k][j], KEYS);
    }
  }
}

/* from [head_dim, KEYS] to rows [keys, head_dim] */
static void
store_keys (const AmxBackward *a, float (*from)[KEYS], float *to)
{
  for (size_t j = 0; j < a->scores.keys; j += SIDE)
    for (size_t k = 0; k < a->scores.head_dim; k += SIDE) {
      vf square[SIDE];

      for (size_t i = 0; i < SIDE; i++)
        square[i] = v_load (&from[k + i][j]);
      v_transpose (square);
      for (size_t i = 0; i < SIDE && j + i < a->scores.keys; i++)
        v_store (to + (j + i) * a->d_key_stride + k, square[i]);
    }
}

void
mblm_cpu_amx_backward (const AmxBackward *a, void *memory)
{
  const AmxScores *s = &a->scores;
  Block *block = memory;
  size_t first = 0;

  configure ();
  pack_pairs (s, s->key, block->key_pairs);
  pack_pairs (s, s->value, block->value_pairs);
  pack_rows (s, s->key, block->key_rows);
  memset (block->d_key, 0, sizeof (block->d_key[0]) * s->head_dim);
  memset (block->d_value, 0, sizeof (block->d_value[0]) * s->head_dim);
  if (s->causal && s->first < 0)
    first = (size_t) -s->first / ROWS * ROWS;
  for (; first < s->rows; first += ROWS) {
    size_t count = min_size (ROWS, s->rows - first);
    Row query = row_of (s->type, s->query, s->query_stride, first, s->rows);
    Row d_out = row_of (s->type, a->d_out, a->d_out_stride, first, s->rows);

    load_rows (s->type, query.data, s->query_stride, count, s->head_dim,
        block->query, block->query_across);
    load_rows (s->type, d_out.data, a->d_out_stride, count, s->head_dim,
        block->d_out, block->d_out_across);
    for (size_t i = 0; i < count; i += DEPTH)
      walk_rows (a, block, first + i, i);
    walk_keys (a, block, first, count);
  }
  store_keys (a, block->d_key, a->d_key);
  store_keys (a, block->d_value, a->d_value);
  _tile_release ();
}
