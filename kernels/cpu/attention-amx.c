/* attention-amx.c: the gradients of attention with products of bfloat16.
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
#include "isa.h"
#include "tile.h"
#include "vecmath.h"

#include <immintrin.h>

#define SIDE 16  /* rows and columns of a tile of sums */
#define DEPTH 32 /* of a product of two tiles */
#define KEYS AMX_BLOCK_KEYS
#define ROWS 128
#define MAX_DIM 128

/* Numbers in rows (left operands), pairs of numbers of two neighbouring rows or
 * columns (right operands). */
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

/* ------------------------------------------------------------------------- */
/* Tiles                                                                     */
/* ------------------------------------------------------------------------- */

/* All eight tiles have 16 rows of 64 bytes. */
static void
configure (void)
{
  struct {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  } config = {.palette = 1};

  for (int i = 0; i < 8; i++) {
    config.bytes[i] = 64;
    config.rows[i] = SIDE;
  }
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

/* Pairs of the numbers of two rows. */
static ALWAYS_INLINE __m512i
pair_rows (vf first, vf second)
{
  __m512i low = _mm512_cvtepu16_epi32 ((__m256i) _mm512_cvtneps_pbh (first));
  __m512i high = _mm512_cvtepu16_epi32 ((__m256i) _mm512_cvtneps_pbh (second));

  return _mm512_or_si512 (low, _mm512_slli_epi32 (high, 16));
}

/* 32 numbers of a row: 16 pairs of neighbours. */
static ALWAYS_INLINE __m512i
round_row (const float *from)
{
  return (__m512i) _mm512_cvtne2ps_pbh (
      _mm512_loadu_ps (from + SIDE), _mm512_loadu_ps (from));
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

/* rows[keys] to pairs along head_dim. */
static void
pack_pairs (
    const float *const *rows, size_t keys, size_t d, uint32_t (*to)[KEYS])
{
  for (size_t j = 0; j < divide_up (keys, DEPTH) * DEPTH; j += SIDE)
    for (size_t k = 0; k < d; k += DEPTH) {
      __m512i square[SIDE];

      for (size_t i = 0; i < SIDE; i++)
        square[i] = j + i < keys ? round_row (rows[j + i] + k)
                                 : _mm512_setzero_si512 ();
      store_across (square, &to[k / 2][j], sizeof (to[0]));
    }
}

static void
load_keys (const AmxBackward *a, Block *block)
{
  pack_pairs (a->key, a->keys, a->head_dim, block->key_pairs);
  pack_pairs (a->value, a->keys, a->head_dim, block->value_pairs);
  for (size_t j = 0; j < divide_up (a->keys, DEPTH) * DEPTH; j += 2)
    for (size_t k = 0; k < a->head_dim; k += SIDE) {
      vf first = j < a->keys ? v_load (a->key[j] + k) : v_zero ();
      vf second = j + 1 < a->keys ? v_load (a->key[j + 1] + k) : v_zero ();

      _mm512_storeu_si512 (
          &block->key_rows[j / 2][k], pair_rows (first, second));
    }
}

/* `count` rows x, as they are and across; zeros follow up to a multiple of
 * DEPTH. */
static void
load_rows (const float *x, size_t stride, size_t count, size_t d,
    uint16_t (*rows)[MAX_DIM], uint16_t (*across)[ROWS])
{
  static const float zeros[MAX_DIM];

  for (size_t i = 0; i < count; i += DEPTH) {
    const float *from[DEPTH];

    for (size_t r = 0; r < DEPTH; r++) {
      from[r] = i + r < count ? x + (i + r) * stride : zeros;
      for (size_t k = 0; k < d; k += DEPTH)
        _mm512_storeu_si512 (&rows[i + r][k], round_row (from[r] + k));
    }
    for (size_t k = 0; k < d; k += SIDE) {
      __m512i square[SIDE];

      for (size_t r = 0; r < SIDE; r++)
        square[r] = pair_rows (
            v_load (from[2 * r] + k), v_load (from[2 * r + 1] + k));
      store_across (square, &across[k][i], sizeof (across[0]));
    }
  }
}

/* ------------------------------------------------------------------------- */
/* Rows                                                                      */
/* ------------------------------------------------------------------------- */

/* How many keys row i sees. */
static size_t
sees_keys (const AmxBackward *a, size_t i)
{
  ptrdiff_t all = (ptrdiff_t) i + a->first + 1;

  if (i >= a->rows)
    return 0;
  if (!a->causal)
    return a->keys;
  return all > 0 ? min_size (a->keys, all) : 0;
}

/* Keys that are computed for the DEPTH rows from i on. */
static size_t
width_of (const AmxBackward *a, size_t i)
{
  size_t last = min_size (a->rows, i + DEPTH) - 1;

  return divide_up (sees_keys (a, last), DEPTH) * DEPTH;
}

/* The weight and the gradient of the score of keys [j, j + 16) for a row. */
static ALWAYS_INLINE void
weigh (const float *score, const float *d_weight, size_t j, size_t sees,
    vf scale, vf log_sum, vf delta, vf *weight, vf *d_score)
{
  vm m = sees <= j ? 0 : sees - j >= VW ? 0xffff : v_first (sees - j);
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
  vf scale = v_set1 (a->scale), log_sum[2], delta[2];
  size_t sees[2];

  for (size_t q = 0; q < 2; q++) {
    size_t row = min_size (i + q, a->rows - 1);

    sees[q] = sees_keys (a, i + q);
    log_sum[q] = v_set1 (a->log_sum[row * a->log_sum_stride]);
    delta[q] = v_set1 (a->delta[row]);
  }
  for (size_t j = 0; j < width; j += VW) {
    vf weight[2], d_score[2];

    for (size_t q = 0; q < 2; q++) {
      weigh (block->scores[r + q], block->d_weights[r + q], j, sees[q], scale,
          log_sum[q], delta[q], &weight[q], &d_score[q]);
      _mm256_storeu_si256 ((__m256i *) &block->d_scores[at + q][j],
          (__m256i) _mm512_cvtneps_pbh (d_score[q]));
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
  size_t width = width_of (a, i), d = a->head_dim;

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
  for (size_t r = 0; r < DEPTH && i + r < a->rows; r++)
    for (size_t k = 0; k < d; k += VW) {
      float *to = a->d_query + (i + r) * a->d_query_stride + k;

      v_store (to, v_load (to) + v_load (&block->d_query[r][k]));
    }
}

/* What `count` rows from row i on add to the gradients of keys and values. */
static void
walk_keys (const AmxBackward *a, Block *block, size_t i, size_t count)
{
  for (size_t j = 0; j < a->keys; j += 2 * SIDE) {
    size_t row = 0;

    while (row < count && width_of (a, i + row) <= j)
      row += DEPTH;
    if (row >= count)
      break;
    for (size_t k = 0; k < a->head_dim; k += 2 * SIDE) {
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
  for (size_t j = 0; j < a->keys; j += SIDE)
    for (size_t k = 0; k < a->head_dim; k += SIDE) {
      vf square[SIDE];

      for (size_t i = 0; i < SIDE; i++)
        square[i] = v_load (&from[k + i][j]);
      v_transpose (square);
      for (size_t i = 0; i < SIDE && j + i < a->keys; i++)
        v_store (to + (j + i) * a->d_key_stride + k, square[i]);
    }
}

void
mblm_cpu_amx_backward (const AmxBackward *a, void *memory)
{
  Block *block = memory;
  size_t first = 0;

  configure ();
  load_keys (a, block);
  memset (block->d_key, 0, sizeof (block->d_key[0]) * a->head_dim);
  memset (block->d_value, 0, sizeof (block->d_value[0]) * a->head_dim);
  if (a->causal && a->first < 0)
    first = (size_t) -a->first / ROWS * ROWS;
  for (; first < a->rows; first += ROWS) {
    size_t count = min_size (ROWS, a->rows - first);

    load_rows (a->query + first * a->query_stride, a->query_stride, count,
        a->head_dim, block->query, block->query_across);
    load_rows (a->d_out + first * a->d_out_stride, a->d_out_stride, count,
        a->head_dim, block->d_out, block->d_out_across);
    for (size_t i = 0; i < count; i += DEPTH)
      walk_rows (a, block, first + i, i);
    walk_keys (a, block, first, count);
  }
  store_keys (a, block->d_key, a->d_key);
  store_keys (a, block->d_value, a->d_value);
  _tile_release ();
}
