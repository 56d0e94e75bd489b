/* attention.c: softmax attention over a past and a sequence's own keys, and its
 * gradients.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

#include <stdlib.h>

/* The numbers of a head in a row, which begin with entry `at`. */
typedef struct {
  MblmType type;
  const void *data;
  size_t at;
  const float *cosine, *sine; /* [half], by which it is turned; or NULL */
  size_t half;
} Row;

/* What one head of one sequence attends to: key or value j is row j of the past
 * for j < past, and own row j - past from there on. */
typedef struct {
  size_t past;
  Row past_rows; /* [past, past_stride] */
  size_t past_stride;
  Row own_rows; /* [rows, own_stride], turned by angles of each */
  size_t own_stride;
} Rows;

static Row
row_at (const Rows *rows, size_t j)
{
  bool is_past = j < rows->past;
  Row row = is_past ? rows->past_rows : rows->own_rows;

  row.at += is_past ? j * rows->past_stride
                    : (j - rows->past) * rows->own_stride;
  if (row.cosine) {
    row.cosine += (j - rows->past) * row.half;
    row.sine += (j - rows->past) * row.half;
  }
  return row;
}

static double
number (Row row, size_t d)
{
  double x = ref_get (row.type, row.data, row.at + d), y;
  size_t pair = d < row.half ? d : d - row.half;

  if (!row.cosine)
    return x;
  y = ref_get (
      row.type, row.data, d < row.half ? row.at + d + row.half : row.at + pair);
  return x * row.cosine[pair] + (d < row.half ? -y : y) * row.sine[pair];
}

/* Row `row` of a sequence, to be turned by the angles of row i of sequence b. */
static Row
turned (const MblmAttention *a, Row row, size_t b, size_t i)
{
  size_t half = a->head_dim / 2, at = (b * a->angle_stride + i) * half;

  if (!a->cosine)
    return row;
  row.cosine = a->cosine + at;
  row.sine = a->sine + at;
  row.half = half;
  return row;
}

/* The gradient of such a row, in place. */
static void
turn_back (const MblmAttention *a, size_t b, size_t i, double *x)
{
  size_t half = a->head_dim / 2, at = (b * a->angle_stride + i) * half;

  for (size_t j = 0; a->cosine && j < half; j++) {
    double u = x[j], v = x[j + half];

    x[j] = u * a->cosine[at + j] + v * a->sine[at + j];
    x[j + half] = v * a->cosine[at + j] - u * a->sine[at + j];
  }
}

static double
dot (Row p, Row q, size_t n)
{
  double sum = 0.0;

  for (size_t d = 0; d < n; d++)
    sum += number (p, d) * number (q, d);
  return sum;
}

/* Whether row i sees key j of its sequence. */
static bool
is_visible (const MblmAttention *a, const uint8_t *mask, size_t past, size_t i,
    size_t j)
{
  if (j < past)
    return true;
  if (a->causal)
    return j - past <= i;
  return !mask || mask[j - past];
}

/* The weights of the keys of row i, softmax (q k^T / sqrt (head_dim)) over the
 * visible ones; mask [rows] or NULL; weight [past + rows]. Returns log (sum exp
 * (score)), 0 where no key is visible. */
static double
weigh (const MblmAttention *a, size_t i, Row query, const Rows *keys,
    const uint8_t *mask, double *weight)
{
  size_t past = keys->past, count = past + a->rows, visible = 0;
  double scale = 1.0 / sqrt ((double) a->head_dim);
  double max = -INFINITY, sum = 0.0;

  for (size_t j = 0; j < count; j++)
    if (is_visible (a, mask, past, i, j)) {
      weight[j] = dot (query, row_at (keys, j), a->head_dim) * scale;
      max = fmax (max, weight[j]);
      visible++;
    }
  for (size_t j = 0; j < count; j++) {
    if (is_visible (a, mask, past, i, j))
      weight[j] = exp (weight[j] - max);
    else
      weight[j] = visible > 0 || a->masked_is_zero ? 0.0 : 1.0;
    sum += weight[j];
  }
  if (visible > 0 || !a->masked_is_zero)
    for (size_t j = 0; j < count; j++)
      weight[j] /= sum;
  return visible > 0 ? max + log (sum) : 0.0;
}

/* Entries [at, at + head_dim) of the output = weight [past + rows] . values. What
 * has no weight is not looked at: a row that nothing sees may hold anything. */
static void
mix (
    const MblmAttention *a, const double *weight, const Rows *values, size_t at)
{
  for (size_t d = 0; d < a->head_dim; d++) {
    double sum = 0.0;

    for (size_t j = 0; j < values->past + a->rows; j++)
      if (weight[j] != 0.0)
        sum += weight[j] * number (row_at (values, j), d);
    ref_set (a->type, a->out, at + d, sum);
  }
}

/* The keys (or values) of head h of sequence b. */
static Rows
rows_of (const MblmAttention *a, size_t b, size_t h, const void *own,
    const float *const *past)
{
  size_t from = a->past_shared ? 0 : b, at = h * a->head_dim;
  size_t count = a->past ? a->past[from] : 0;

  return (Rows){.past = count,
      .past_rows = {MBLM_TYPE_F32, count ? past[from] : NULL, at},
      .past_stride = a->heads * a->head_dim,
      .own_rows = {a->type, own, b * a->rows * a->key_stride + at},
      .own_stride = a->key_stride};
}

static Rows
keys_of (const MblmAttention *a, size_t b, size_t h)
{
  Rows rows = rows_of (a, b, h, a->key, a->past_key);

  rows.own_rows = turned (a, rows.own_rows, b, 0);
  return rows;
}

/* The query of row i. */
static Row
query_of (const MblmAttention *a, size_t b, size_t h, size_t i)
{
  size_t at = (b * a->rows + i) * a->query_stride + h * a->head_dim;

  return turned (a, (Row){a->type, a->query, at}, b, i);
}

static const uint8_t *
mask_of (const MblmAttention *a, size_t b)
{
  return a->key_mask ? a->key_mask + b * a->rows : NULL;
}

/* The most rows that a past has. */
static size_t
longest_past (const MblmAttention *a)
{
  size_t longest = 0;

  for (size_t b = 0; a->past && b < (a->past_shared ? 1 : a->batch); b++)
    if (a->past[b] > longest)
      longest = a->past[b];
  return longest;
}

static void
attend_sequence (const MblmAttention *a, size_t b, double *weight)
{
  for (size_t h = 0; h < a->heads; h++) {
    Rows keys = keys_of (a, b, h);
    Rows values = rows_of (a, b, h, a->value, a->past_value);

    for (size_t i = 0; i < a->rows; i++) {
      size_t row = b * a->rows + i, at = h * a->head_dim;
      double log_sum = weigh (
          a, i, query_of (a, b, h, i), &keys, mask_of (a, b), weight);

      mix (a, weight, &values, row * a->heads * a->head_dim + at);
      if (a->log_sum)
        a->log_sum[row * a->heads + h] = (float) log_sum;
    }
  }
}

bool
ref_attention_turns (const MblmAttention *a)
{
  return a->type == MBLM_TYPE_BF16 && a->head_dim % 2 == 0;
}

void
ref_attention (MblmQueue *queue, const MblmAttention *a)
{
  double *weight;

  if (queue->status != MBLM_STATUS_OK)
    return;
  weight = ref_scratch (queue, longest_past (a) + a->rows);
  if (!weight)
    return;
  for (size_t b = 0; b < a->batch; b++)
    attend_sequence (a, b, weight);
  free (weight);
}

/* ------------------------------------------------------------------------- */
/* Gradients                                                                 */
/* ------------------------------------------------------------------------- */

/* Sums for one head: key j of the past and the own rows that follow it. */
typedef struct {
  double *weight;          /* [longest + rows], of a row */
  double *d_score;         /* as weight */
  double *d_query;         /* [head_dim], of a row */
  double *d_key, *d_value; /* [longest + rows, head_dim] */
} Sums;

/* Row i: d_score[j] = weight[j] (d_weight[j] - sum over l of weight[l]
 * d_weight[l]), where d_weight[j] = d_out . value[j]; zeros where no key is
 * visible, and the weights are constants. What has no weight is not looked at. */
static void
weigh_backward (const MblmAttention *a, size_t i, const uint8_t *mask,
    const Rows *values, Row d_out, const Sums *sums)
{
  size_t past = values->past, count = past + a->rows, visible = 0;
  double total = 0.0;

  for (size_t j = 0; j < count; j++) {
    sums->d_score[j] = 0.0;
    if (!is_visible (a, mask, past, i, j))
      continue;
    visible++;
    if (sums->weight[j] == 0.0)
      continue;
    sums->d_score[j] = dot (d_out, row_at (values, j), a->head_dim);
    total += sums->weight[j] * sums->d_score[j];
  }
  for (size_t j = 0; j < count; j++)
    if (visible > 0 && sums->weight[j] != 0.0)
      sums->d_score[j] = sums->weight[j] * (sums->d_score[j] - total);
}

/* What row i adds to the gradients of its head. */
static void
add_row (const MblmAttention *a, Row query, const Rows *keys, Row d_out,
    const Sums *sums)
{
  double scale = 1.0 / sqrt ((double) a->head_dim);

  memset (sums->d_query, 0, a->head_dim * sizeof (double));
  for (size_t j = 0; j < keys->past + a->rows; j++) {
    double *d_key = sums->d_key + j * a->head_dim;
    double *d_value = sums->d_value + j * a->head_dim;

    if (sums->weight[j] == 0.0)
      continue;
    for (size_t d = 0; d < a->head_dim; d++)
      d_value[d] += sums->weight[j] * number (d_out, d);
    if (sums->d_score[j] == 0.0)
      continue;
    for (size_t d = 0; d < a->head_dim; d++) {
      sums->d_query[d] += scale * sums->d_score[j] *
          number (row_at (keys, j), d);
      d_key[d] += scale * sums->d_score[j] * number (query, d);
    }
  }
}

static void
sequence_backward (
    const MblmAttentionBackward *g, size_t b, size_t h, const Sums *sums)
{
  const MblmAttention *a = &g->forward;
  size_t width = a->heads * a->head_dim, at = h * a->head_dim;
  Rows keys = keys_of (a, b, h);
  Rows values = rows_of (a, b, h, a->value, a->past_value);

  for (size_t i = 0; i < a->rows; i++) {
    size_t row = b * a->rows + i;
    Row query = query_of (a, b, h, i);
    Row d_out = {a->type, g->d_out, row * width + at};

    weigh (a, i, query, &keys, mask_of (a, b), sums->weight);
    weigh_backward (a, i, mask_of (a, b), &values, d_out, sums);
    add_row (a, query, &keys, d_out, sums);
    turn_back (a, b, i, sums->d_query);
    for (size_t d = 0; g->d_query && d < a->head_dim; d++)
      ref_set (a->type, g->d_query, query.at + d, sums->d_query[d]);
  }
}

/* Stores the sums of own rows [rows, head_dim], to [rows, stride] from entry `at`
 * on; NULL: to nowhere. */
static void
store_own (const MblmAttention *a, const double *sums, void *to, size_t at)
{
  for (size_t i = 0; to && i < a->rows; i++)
    for (size_t d = 0; d < a->head_dim; d++)
      ref_set (
          a->type, to, at + i * a->key_stride + d, sums[i * a->head_dim + d]);
}

/* Adds those of a past [past, head_dim] at column `at` of to[from]. */
static void
add_past (const MblmAttention *a, const double *sums, float *const *to,
    size_t from, size_t at)
{
  size_t past = a->past ? a->past[from] : 0;

  for (size_t j = 0; to && j < past; j++)
    for (size_t d = 0; d < a->head_dim; d++) {
      float *x = to[from] + j * a->heads * a->head_dim + at + d;

      *x = (float) (*x + sums[j * a->head_dim + d]);
    }
}

/* A shared past gathers the sums of all sequences. */
static void
head_backward (const MblmAttentionBackward *g, size_t h, const Sums *sums)
{
  const MblmAttention *a = &g->forward;
  size_t at = h * a->head_dim;

  for (size_t b = 0; b < a->batch; b++) {
    size_t from = a->past_shared ? 0 : b;
    size_t past = (a->past ? a->past[from] : 0) * a->head_dim;
    size_t kept = a->past_shared && b > 0 ? past : 0;
    size_t own = b * a->rows * a->key_stride + at;
    size_t bytes = (past + a->rows * a->head_dim - kept) * sizeof (double);

    memset (sums->d_key + kept, 0, bytes);
    memset (sums->d_value + kept, 0, bytes);
    sequence_backward (g, b, h, sums);
    for (size_t i = 0; i < a->rows; i++)
      turn_back (a, b, i, sums->d_key + past + i * a->head_dim);
    store_own (a, sums->d_key + past, g->d_key, own);
    store_own (a, sums->d_value + past, g->d_value, own);
    if (a->past_shared && b + 1 < a->batch)
      continue;
    add_past (a, sums->d_key, g->d_past_key, from, at);
    add_past (a, sums->d_value, g->d_past_value, from, at);
  }
}

void
ref_attention_backward (MblmQueue *queue, const MblmAttentionBackward *g)
{
  const MblmAttention *a = &g->forward;
  size_t keys = longest_past (a) + a->rows;
  Sums sums;

  if (queue->status != MBLM_STATUS_OK)
    return;
  sums.weight = ref_scratch (queue, (2 * keys + 1) * (a->head_dim + 1));
  if (!sums.weight)
    return;
  sums.d_score = sums.weight + keys;
  sums.d_query = sums.d_score + keys;
  sums.d_key = sums.d_query + a->head_dim;
  sums.d_value = sums.d_key + keys * a->head_dim;
  for (size_t h = 0; h < a->heads; h++)
    head_backward (g, h, &sums);
  free (sums.weight);
}
