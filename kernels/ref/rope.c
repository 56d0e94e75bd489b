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
  for (size_t i = 0; i < a->rows; i++)
    for (size_t j = 0; j < a->half; j++) {
      float angle = (float) (a->first + i) * a->frequency[j];

      a->cosine[i * a->half + j] = (float) cos (angle);
      a->sine[i * a->half + j] = (float) sin (angle);
    }
}

/* (p, q) = (p cos - q sin, q cos + p sin) */
static void
rotate (float *p, float *q, double cosine, double sine)
{
  double u = *p, v = *q;

  *p = (float) (u * cosine - v * sine);
  *q = (float) (v * cosine + u * sine);
}

/* One head, x [2 * half], by the angles cosine and sine [half]; `sign` -1 turns
 * back. */
static void
rotate_head (const MblmRope *a, float *x, const float *cosine,
    const float *sine, double sign)
{
  for (size_t j = 0; j < a->half; j++)
    switch (a->form) {
      case MBLM_ROPE_HALVES:
        rotate (&x[j], &x[j + a->half], cosine[j], sign * sine[j]);
        break;
      case MBLM_ROPE_PAIRS:
        rotate (&x[2 * j], &x[2 * j + 1], cosine[j], sign * sine[j]);
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
      float *x = a->x + (b * a->rows + i) * a->x_stride;
      size_t angle = (b * a->angle_stride + i) * a->half;

      for (size_t h = 0; h < a->heads; h++)
        rotate_head (
            a, x + h * 2 * a->half, a->cosine + angle, a->sine + angle, sign);
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
