/* attention.c: softmax attention over a past and a sequence's own keys.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

#include <stdlib.h>

/* What one head of one sequence attends to: key or value j is row j of the past
 * for j < past, and own row j - past from there on. */
typedef struct {
  size_t past;
  const float *past_rows; /* [past, past_stride], at this head */
  size_t past_stride;
  const float *own_rows; /* [rows, own_stride], at this head */
  size_t own_stride;
} Rows;

static const float *
row_at (const Rows *rows, size_t j)
{
  if (j < rows->past)
    return rows->past_rows + j * rows->past_stride;
  return rows->own_rows + (j - rows->past) * rows->own_stride;
}

static double
dot (const float *p, const float *q, size_t n)
{
  double sum = 0.0;

  for (size_t d = 0; d < n; d++)
    sum += (double) p[d] * q[d];
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
 * visible ones; mask [rows] or NULL; weight [past + rows]. */
static void
weigh (const MblmAttention *a, size_t i, const float *query, const Rows *keys,
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
}

/* out [head_dim] = weight [past + rows] . values. What has no weight is not
 * looked at: a row that nothing sees may hold anything. */
static void
mix (const MblmAttention *a, const double *weight, const Rows *values,
    float *out)
{
  for (size_t d = 0; d < a->head_dim; d++) {
    double sum = 0.0;

    for (size_t j = 0; j < values->past + a->rows; j++)
      if (weight[j] != 0.0)
        sum += weight[j] * row_at (values, j)[d];
    out[d] = (float) sum;
  }
}

static void
attend_sequence (const MblmAttention *a, size_t b, double *weight)
{
  size_t width = a->heads * a->head_dim;
  size_t from = a->past_shared ? 0 : b;
  size_t past = a->past ? a->past[from] : 0;
  const uint8_t *mask = a->key_mask ? a->key_mask + b * a->rows : NULL;

  for (size_t h = 0; h < a->heads; h++) {
    size_t at = h * a->head_dim;
    size_t own = b * a->rows * a->key_stride + at;
    Rows keys = {past, past ? a->past_key[from] + at : NULL, width,
        a->key + own, a->key_stride};
    Rows values = {past, past ? a->past_value[from] + at : NULL, width,
        a->value + own, a->key_stride};

    for (size_t i = 0; i < a->rows; i++) {
      size_t row = b * a->rows + i;

      weigh (a, i, a->query + row * a->query_stride + at, &keys, mask, weight);
      mix (a, weight, &values, a->out + row * width + at);
    }
  }
}

void
ref_attention (MblmQueue *queue, const MblmAttention *a)
{
  size_t longest = 0;
  double *weight;

  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t b = 0; a->past && b < (a->past_shared ? 1 : a->batch); b++)
    if (a->past[b] > longest)
      longest = a->past[b];
  weight = ref_scratch (queue, longest + a->rows);
  if (!weight)
    return;
  for (size_t b = 0; b < a->batch; b++)
    attend_sequence (a, b, weight);
  free (weight);
}
