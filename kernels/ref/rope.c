/* rope.c: rotary embedding: angles and rotation.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

/* The angle is rounded to float32 because the published implementation does so:
 * at position 81,920 an angle in double would differ by 0.002. */
void
ref_rope_angles (MblmQueue *queue, const MblmRopeAngles *a)
{
  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t b = 0; b < a->batch; b++)
    for (size_t i = 0; i < a->rows; i++) {
      size_t at = (b * a->rows + i) * a->half;
      size_t position = (a->first ? a->first[b] : 0) + i;

      for (size_t j = 0; j < a->half; j++) {
        float angle = (float) position * a->frequency[j];

        a->cosine[at + j] = (float) cos (angle);
        a->sine[at + j] = (float) sin (angle);
      }
    }
}

/* (x[p], x[q]) = (x[p] cos - x[q] sin, x[q] cos + x[p] sin) */
static void
rotate (const MblmRope *a, size_t p, size_t q, double cosine, double sine)
{
  double u = ref_get (a->x_type, a->x, p), v = ref_get (a->x_type, a->x, q);

  ref_set (a->x_type, a->x, p, u * cosine - v * sine);
  ref_set (a->x_type, a->x, q, v * cosine + u * sine);
}

/* One head, from x[at] on, by the angles cosine and sine [half]; `sign` -1 turns
 * back. */
static void
rotate_head (const MblmRope *a, size_t at, const float *cosine,
    const float *sine, double sign)
{
  for (size_t j = 0; j < a->half; j++)
    switch (a->form) {
      case MBLM_ROPE_HALVES:
        rotate (a, at + j, at + j + a->half, cosine[j], sign * sine[j]);
        break;
      case MBLM_ROPE_PAIRS:
        rotate (a, at + 2 * j, at + 2 * j + 1, cosine[j], sign * sine[j]);
        break;
    }
}

static void
rotate_all (MblmQueue *queue, const MblmRope *a, double sign)
{
  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t b = 0; b < a->batch; b++)
    for (size_t i = 0; i < a->rows; i++) {
      size_t at = (b * a->rows + i) * a->x_stride;
      size_t angle = (b * a->angle_stride + i) * a->half;

      for (size_t h = 0; h < a->heads; h++)
        rotate_head (
            a, at + h * 2 * a->half, a->cosine + angle, a->sine + angle, sign);
    }
}

void
ref_rope (MblmQueue *queue, const MblmRope *a)
{
  rotate_all (queue, a, 1.0);
}

/* A rotation's transpose turns by the negated angle. */
void
ref_rope_backward (MblmQueue *queue, const MblmRope *a)
{
  rotate_all (queue, a, -1.0);
}
