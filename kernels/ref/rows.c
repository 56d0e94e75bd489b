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
      size_t position = (a->first + i) % a->table.rows;

      for (size_t j = 0; j < width; j++)
        x[j] = (float) (x[j] + ref_matrix_at (&a->table, position, j));
    }
}

void
ref_add (MblmQueue *queue, const MblmAdd *a)
{
  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t b = 0; b < a->batch; b++)
    for (size_t j = 0; j < a->width; j++)
      a->x[b * a->x_stride + j] += a->y[b * a->y_stride + j];
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
