/* rows.c: embeddings, and adding and copying rows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

void
ref_embed (MblmQueue *queue, const MblmEmbed *a)
{
  size_t width = a->table.cols;

  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t i = 0; i < a->rows; i++)
    for (size_t j = 0; j < width; j++)
      a->out[i * width + j] = (float) ref_matrix_at (&a->table, a->ids[i], j);
}

void
ref_add_position (MblmQueue *queue, const MblmAddPosition *a)
{
  size_t width = a->table.cols;

  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t b = 0; b < a->batch; b++)
    for (size_t i = 0; i < a->rows; i++) {
      float *x = a->x + (b * a->rows + i) * width; /* [width] */
      size_t first = a->first ? a->first[b] : 0;
      size_t position = (first + i) % a->table.rows;

      for (size_t j = 0; j < width; j++)
        x[j] = (float) (x[j] + ref_matrix_at (&a->table, position, j));
    }
}

void
ref_add (MblmQueue *queue, const MblmAdd *a)
{
  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t b = 0; b < a->batch; b++) {
    const float *y = a->ys ? a->ys[b] : a->y + b * a->y_stride; /* [width] */

    for (size_t j = 0; j < a->width; j++)
      a->x[b * a->x_stride + j] += y[j];
  }
}

void
ref_copy_rows (MblmQueue *queue, const MblmCopyRows *a)
{
  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t b = 0; b < a->batch; b++)
    for (size_t j = 0; j < a->width; j++)
      a->out[b * a->out_stride + j] = a->x[b * a->x_stride + j];
}

void
ref_scatter_rows (MblmQueue *queue, const MblmScatterRows *a)
{
  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t b = 0; b < a->batch; b++)
    for (size_t i = 0; i < a->rows; i++) {
      const float *x = a->x + (b * a->rows + i) * a->x_stride;

      for (size_t p = 0; p < a->parts; p++)
        for (size_t j = 0; j < a->width; j++)
          a->to[b * a->parts + p][i * a->width + j] = x[p * a->width + j];
    }
}

void
ref_embed_backward (MblmQueue *queue, const MblmEmbedBackward *a)
{
  const MblmEmbed *f = &a->forward;
  size_t width = f->table.cols;
  double *sums; /* [vocabulary, width] */

  if (queue->status != MBLM_STATUS_OK)
    return;
  sums = ref_zeros (queue, f->table.rows, width);
  if (!sums)
    return;
  for (size_t i = 0; i < f->rows; i++)
    for (size_t j = 0; j < width; j++)
      sums[f->ids[i] * width + j] += a->d_out[i * width + j];
  for (size_t id = 0; id < f->table.rows && a->d_table; id++)
    if (!a->has_padding || a->padding < 0 || id != (size_t) a->padding)
      ref_add_to (a->d_table + id * width, sums + id * width, width);
  free (sums);
}

void
ref_add_position_backward (MblmQueue *queue, const MblmAddPositionBackward *a)
{
  const MblmAddPosition *f = &a->forward;
  size_t width = f->table.cols;
  double *sums; /* [period, width] */

  if (queue->status != MBLM_STATUS_OK)
    return;
  sums = ref_zeros (queue, f->table.rows, width);
  if (!sums)
    return;
  for (size_t b = 0; b < f->batch; b++)
    for (size_t i = 0; i < f->rows; i++) {
      const float *x = f->x + (b * f->rows + i) * width; /* [width] */

      for (size_t j = 0; j < width; j++)
        sums[i % f->table.rows * width + j] += x[j];
    }
  ref_add_to (a->d_table, sums, f->table.rows * width);
  free (sums);
}

void
ref_sum_rows (MblmQueue *queue, const MblmSumRows *a)
{
  double *sums; /* [width] */

  if (queue->status != MBLM_STATUS_OK)
    return;
  sums = ref_zeros (queue, 1, a->width);
  if (!sums)
    return;
  for (size_t b = 0; b < a->batch; b++)
    for (size_t j = 0; j < a->width; j++)
      sums[j] += a->x[b * a->x_stride + j];
  ref_add_to (a->out, sums, a->width);
  free (sums);
}
