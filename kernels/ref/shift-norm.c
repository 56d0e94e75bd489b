/* shift-norm.c: token shift and MEGABYTE's RMS norm.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The norm divides by max (r, epsilon), r = ||s|| / sqrt (width): a row that is
 * (almost) zero is scaled by 1 / epsilon, and nothing is added under a root as
 * in the norm of the Mamba blocks.
 */

#include "ref.h"

/* Entries of out from `at` on = s / max (||s|| / sqrt (width), epsilon) * gain for
 * s = (x[0 .. own - 1], before[0 .. width - own - 1]). */
static void
norm_row (const MblmShiftNorm *a, const float *x, const double *before,
    size_t own, size_t at)
{
  double squares = 0.0, r, scale;

  for (size_t j = 0; j < a->width; j++) {
    double s = j < own ? x[j] : before[j - own];

    squares += s * s;
  }
  r = sqrt (squares) / sqrt ((double) a->width);
  scale = 1.0 / fmax (r, a->epsilon);
  for (size_t j = 0; j < a->width; j++) {
    double s = j < own ? x[j] : before[j - own];

    ref_set (a->out_type, a->out, at + j, s * scale * a->gain[j]);
  }
}

void
ref_shift_norm (MblmQueue *queue, const MblmShiftNorm *a)
{
  /* Of an odd width, the first part has one more. */
  size_t own = a->shift ? a->width - a->width / 2 : a->width;
  size_t shifted = a->width - own;
  RefState before; /* the second part of the row before */

  if (queue->status != MBLM_STATUS_OK)
    return;
  if (!ref_state_open (&before, queue, &a->carry, a->batch, shifted))
    return;
  for (size_t b = 0; b < a->batch; b++) {
    ref_state_load (&before, b);
    for (size_t t = 0; t < a->rows; t++) {
      size_t at = (b * a->rows + t) * a->width;
      const float *x = a->x + at; /* [width] */

      norm_row (a, x, before.now, own, at);
      for (size_t j = 0; j < shifted; j++)
        before.now[j] = x[own + j];
    }
    ref_state_store (&before, b);
  }
  ref_state_close (&before);
}

/* The gradient of s in d_s, and what the row adds to that of the gain: with
 * g = d_out gain, d_s = g / r - s (g . s) / (width r^3) where r counts, and
 * g / epsilon where epsilon does. */
static void
norm_row_backward (const MblmShiftNorm *a, const double *s, const float *d_out,
    double *d_s, double *d_gain)
{
  double squares = 0.0, products = 0.0, r, scale, back;

  for (size_t j = 0; j < a->width; j++) {
    squares += s[j] * s[j];
    products += (double) d_out[j] * a->gain[j] * s[j];
  }
  r = sqrt (squares) / sqrt ((double) a->width);
  scale = 1.0 / fmax (r, a->epsilon);
  back = r >= a->epsilon ? scale * scale * scale * products / a->width : 0.0;
  for (size_t j = 0; j < a->width; j++) {
    d_s[j] = scale * d_out[j] * a->gain[j] - s[j] * back;
    d_gain[j] += d_out[j] * s[j] * scale;
  }
}

/* One sequence. The first part of d_s belongs to its own row, the second to the
 * row before: that of row 0 to what was carried in. The last row gets that of
 * what was carried on. */
static void
sequence_backward (const MblmShiftNormBackward *a, size_t b, RefState *before,
    size_t own, double *s, double *d_s, double *d_gain, double *d_from)
{
  const MblmShiftNorm *f = &a->forward;
  size_t first = b * f->rows, w = f->width, shifted = w - own;
  bool has_to = f->carry.to && a->d_carry.to;

  for (size_t t = 0; t < f->rows; t++) {
    const float *x = f->x + (first + t) * w;               /* [width] */
    float *d_x = a->d_x ? a->d_x + (first + t) * w : NULL; /* [width] */

    for (size_t j = 0; j < w; j++)
      s[j] = j < own ? x[j] : before->now[j - own];
    norm_row_backward (f, s, a->d_out + (first + t) * w, d_s, d_gain);
    for (size_t j = 0; j < own && d_x; j++)
      ref_give (&d_x[j], d_s[j], a->accumulate);
    for (size_t j = 0; j < shifted; j++) {
      if (t == 0)
        d_from[j] += d_s[own + j];
      else if (d_x)
        ref_give (&d_x[j + own - w], d_s[own + j], a->accumulate);
      before->now[j] = x[own + j];
    }
  }
  for (size_t j = 0; j < shifted; j++) {
    double d = has_to ? a->d_carry.to[b][j] : 0.0;

    if (f->rows == 0)
      d_from[j] += d;
    else if (a->d_x)
      ref_give (&a->d_x[(first + f->rows - 1) * w + own + j], d, a->accumulate);
  }
}

void
ref_shift_norm_backward (MblmQueue *queue, const MblmShiftNormBackward *a)
{
  const MblmShiftNorm *f = &a->forward;
  size_t own = f->shift ? f->width - f->width / 2 : f->width;
  size_t shifted = f->width - own;
  RefState before; /* the second part of the row before */
  double *d_gain;  /* [width], the sum over rows; then s, d_s and d_from */

  if (queue->status != MBLM_STATUS_OK)
    return;
  if (!ref_state_open (&before, queue, &f->carry, f->batch, shifted))
    return;
  d_gain = ref_zeros (queue, 4, f->width);
  if (d_gain) {
    double *s = d_gain + f->width, *d_s = s + f->width,
           *d_from = d_s + f->width;

    for (size_t b = 0; b < f->batch; b++) {
      bool last = b + 1 == f->batch || !f->carry.shared;

      ref_state_load (&before, b);
      sequence_backward (a, b, &before, own, s, d_s, d_gain, d_from);
      if (!last)
        continue;
      if (a->d_carry.from)
        ref_add_to (a->d_carry.from[f->carry.shared ? 0 : b], d_from, shifted);
      memset (d_from, 0, shifted * sizeof (*d_from));
    }
    ref_add_to (a->d_gain, d_gain, f->width);
  }
  free (d_gain);
  ref_state_close (&before);
}
