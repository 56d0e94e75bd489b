/* gradients-norms.c: the gradients of norms.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Buffers of gradients hold random numbers before each call: what is added must
 * leave them in the sum, what is written must not.
 */

#include "gradients.h"

#include <math.h>
#include <string.h>

#define STEP 0.01f

static const size_t shapes[][2] = {{1, 1}, {1, 7}, {3, 5}, {4, 16}, {9, 33}};

/* ------------------------------------------------------------------------- */
/* LayerNorm and the RMS norm of the Mamba blocks                            */
/* ------------------------------------------------------------------------- */

typedef struct {
  bool layer;
  size_t rows, width;
  float *x, *gain, *bias, *out;
  const float *d_out;
} Norm;

static MblmLayerNorm
layer_norm_of (const Norm *s)
{
  return (MblmLayerNorm){
      s->rows, s->width, s->x, s->gain, s->bias, 1e-2f, s->out};
}

static MblmRmsNorm
rms_norm_of (const Norm *s)
{
  return (MblmRmsNorm){s->rows, s->width, s->x, s->gain, 1e-2f, s->out};
}

static double
norm_loss (void *data)
{
  const Norm *s = data;
  MblmLayerNorm layer = layer_norm_of (s);
  MblmRmsNorm rms = rms_norm_of (s);

  if (s->layer)
    ref->layer_norm (queue, &layer);
  else
    ref->rms_norm (queue, &rms);
  return gradient_dot (s->out, s->d_out, s->rows * s->width);
}

static void
norm_backward (const Norm *s, const float *d_out, bool accumulate, float *d_x,
    float *d_gain, float *d_bias)
{
  if (s->layer)
    ref->layer_norm_backward (queue,
        &(MblmLayerNormBackward){
            layer_norm_of (s), d_out, accumulate, d_x, d_gain, d_bias});
  else
    ref->rms_norm_backward (queue,
        &(MblmRmsNormBackward){
            rms_norm_of (s), d_out, accumulate, d_x, d_gain});
}

static void
test_norm_of (bool layer, size_t rows, size_t width, bool accumulate)
{
  size_t count = rows * width;
  g_autofree float *x = gradient_floats (count, 2.0f);
  g_autofree float *gain = gradient_floats (width, 1.0f);
  g_autofree float *bias = gradient_floats (width, 1.0f);
  g_autofree float *d_out = gradient_floats (count, 1.0f);
  g_autofree float *d_x = gradient_floats (count, 1.0f);
  g_autofree float *d_gain = gradient_floats (width, 1.0f);
  g_autofree float *d_bias = gradient_floats (width, 1.0f);
  g_autofree float *before_x = g_memdup2 (d_x, count * sizeof (float));
  g_autofree float *before_gain = g_memdup2 (d_gain, width * sizeof (float));
  g_autofree float *before_bias = g_memdup2 (d_bias, width * sizeof (float));
  g_autofree float *out = g_new (float, count);
  g_autofree float *in_place = g_memdup2 (d_out, count * sizeof (float));
  Norm s = {layer, rows, width, x, gain, bias, out, d_out};

  norm_backward (&s, d_out, accumulate, d_x, d_gain, d_bias);
  if (accumulate)
    gradient_take (d_x, before_x, count);
  gradient_take (d_gain, before_gain, width);
  gradient_take (d_bias, before_bias, width);
  gradient_check ("d_x", norm_loss, &s, x, d_x, count, STEP);
  gradient_check ("d_gain", norm_loss, &s, gain, d_gain, width, STEP);
  if (layer)
    gradient_check ("d_bias", norm_loss, &s, bias, d_bias, width, STEP);

  norm_backward (&s, in_place, accumulate, in_place, NULL, NULL);
  if (accumulate)
    gradient_take (in_place, d_out, count);
  gradient_check ("d_x in place", norm_loss, &s, x, in_place, count, STEP);
  norm_backward (&s, d_out, accumulate, NULL, NULL, NULL);
}

static void
test_norm (const void *layer)
{
  for (size_t i = 0; i < G_N_ELEMENTS (shapes); i++)
    for (int accumulate = 0; accumulate < 2; accumulate++)
      test_norm_of (layer != NULL, shapes[i][0], shapes[i][1], accumulate != 0);
}

/* ------------------------------------------------------------------------- */
/* Gate and norm                                                             */
/* ------------------------------------------------------------------------- */

typedef struct {
  MblmGatedNorm forward;
  const float *d_out;
} Gated;

static double
gated_loss (void *data)
{
  const Gated *s = data;

  ref->gated_norm (queue, &s->forward);
  return gradient_dot (
      s->forward.out, s->d_out, s->forward.rows * s->forward.width);
}

/* d [rows, width] of rows that are `stride` apart, which become contiguous. */
static void
pack (float *d, size_t rows, size_t width, size_t stride)
{
  for (size_t i = 0; i < rows; i++)
    memmove (d + i * width, d + i * stride, width * sizeof (*d));
}

static void
test_gated_of (size_t rows, size_t width)
{
  size_t count = rows * width, wide = rows * (width + 3);
  g_autofree float *y = gradient_floats (count, 2.0f);
  g_autofree float *z = gradient_floats (count, 3.0f);
  g_autofree float *gain = gradient_floats (width, 1.0f);
  g_autofree float *d_out = gradient_floats (count, 1.0f);
  g_autofree float *d_y = gradient_floats (wide, 1.0f);
  g_autofree float *d_z = gradient_floats (wide, 1.0f);
  g_autofree float *d_gain = gradient_floats (width, 1.0f);
  g_autofree float *before = g_memdup2 (d_gain, width * sizeof (float));
  g_autofree float *out = g_new (float, count);
  g_autofree float *in_place = g_memdup2 (d_out, count * sizeof (float));
  Gated s = {{rows, width, y, width, z, width, gain, 1e-2f, out}, d_out};

  ref->gated_norm_backward (queue,
      &(MblmGatedNormBackward){
          s.forward, d_out, d_y, width + 3, d_z, width + 2, d_gain});
  pack (d_y, rows, width, width + 3);
  pack (d_z, rows, width, width + 2);
  gradient_take (d_gain, before, width);
  gradient_check ("d_y", gated_loss, &s, y, d_y, count, STEP);
  gradient_check ("d_z", gated_loss, &s, z, d_z, count, STEP);
  gradient_check ("d_gain", gated_loss, &s, gain, d_gain, width, STEP);

  ref->gated_norm_backward (queue,
      &(MblmGatedNormBackward){
          s.forward, in_place, in_place, width, NULL, 0, NULL});
  g_assert_cmpmem (
      in_place, count * sizeof (float), d_y, count * sizeof (float));
}

static void
test_gated (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (shapes); i++)
    test_gated_of (shapes[i][0], shapes[i][1]);
}

/* ------------------------------------------------------------------------- */
/* Token shift and MEGABYTE's norm                                           */
/* ------------------------------------------------------------------------- */

#define MOST_BATCH 3

typedef struct {
  MblmShiftNorm forward;
  const float *d_out;
  float *const *d_to; /* or NULL */
} Shift;

/* Random, but not near 0, where this norm has a kink. */
static float *
far_floats (size_t count)
{
  float *x = gradient_floats (count, 1.5f);

  for (size_t i = 0; i < count; i++)
    x[i] += copysignf (0.5f, x[i]);
  return x;
}

static double
shift_loss (void *data)
{
  const Shift *s = data;
  const MblmShiftNorm *f = &s->forward;
  double loss;

  ref->shift_norm (queue, f);
  loss = gradient_dot (f->out, s->d_out, f->batch * f->rows * f->width);
  for (size_t b = 0; s->d_to && b < f->batch; b++)
    loss += gradient_dot (f->carry.to[b], s->d_to[b], f->width / 2);
  return loss;
}

/* What a sequence carries, and the gradients of it. */
typedef struct {
  float *from[MOST_BATCH], *to[MOST_BATCH];
  float *d_from[MOST_BATCH], *d_to[MOST_BATCH], *before[MOST_BATCH];
} Carried;

static void
carried_init (Carried *c, size_t batch, size_t size)
{
  for (size_t b = 0; b < batch; b++) {
    c->from[b] = far_floats (size);
    c->to[b] = gradient_floats (size, 2.0f);
    c->d_from[b] = gradient_floats (size, 1.0f);
    c->d_to[b] = gradient_floats (size, 1.0f);
    c->before[b] = g_memdup2 (c->d_from[b], (size + 1) * sizeof (float));
  }
}

static void
carried_clear (Carried *c, size_t batch)
{
  for (size_t b = 0; b < batch; b++) {
    g_free (c->from[b]);
    g_free (c->to[b]);
    g_free (c->d_from[b]);
    g_free (c->d_to[b]);
    g_free (c->before[b]);
  }
}

typedef struct {
  size_t batch, rows, width;
  bool shift, has_from, shared, has_to, accumulate;
  float epsilon; /* a large one counts everywhere, a small one nowhere */
} ShiftCase;

static void
check_carried (Shift *s, Carried *c, const ShiftCase *k)
{
  size_t size = k->width / 2;

  for (size_t b = 0; b < (k->shared ? 1 : k->batch); b++) {
    gradient_take (c->d_from[b], c->before[b], size);
    gradient_check (
        "d_from", shift_loss, s, c->from[b], c->d_from[b], size, STEP);
  }
  /* Only entry 0 is used where all start from it. */
  for (size_t b = 1; k->shared && b < k->batch; b++)
    g_assert_cmpmem (c->d_from[b], size * sizeof (float), c->before[b],
        size * sizeof (float));
}

static void
test_shift_of (const ShiftCase *k)
{
  size_t count = k->batch * k->rows * k->width;
  g_autofree float *x = far_floats (count);
  g_autofree float *gain = gradient_floats (k->width, 1.0f);
  g_autofree float *d_out = gradient_floats (count, 1.0f);
  g_autofree float *d_x = gradient_floats (count, 1.0f);
  g_autofree float *d_gain = gradient_floats (k->width, 1.0f);
  g_autofree float *before_x = g_memdup2 (d_x, (count + 1) * sizeof (float));
  g_autofree float *before = g_memdup2 (d_gain, k->width * sizeof (float));
  g_autofree float *out = g_new (float, count + 1);
  Carried c;
  Shift s = {{k->batch, k->rows, k->width, x, k->shift, {NULL, NULL, false},
                 gain, k->epsilon, out},
      d_out, k->has_to ? c.d_to : NULL};

  carried_init (&c, k->batch, k->width / 2);
  s.forward.carry = (MblmCarry){
      k->has_from ? (const float *const *) c.from : NULL,
      k->has_to ? c.to : NULL, k->shared};
  ref->shift_norm_backward (queue,
      &(MblmShiftNormBackward){s.forward, d_out, k->accumulate, d_x, d_gain,
          {k->has_to ? (const float *const *) c.d_to : NULL,
              k->has_from ? c.d_from : NULL}});
  if (k->accumulate)
    gradient_take (d_x, before_x, count);
  gradient_take (d_gain, before, k->width);
  gradient_check ("d_x", shift_loss, &s, x, d_x, count, STEP);
  gradient_check ("d_gain", shift_loss, &s, gain, d_gain, k->width, STEP);
  if (k->has_from)
    check_carried (&s, &c, k);
  carried_clear (&c, k->batch);
}

static void
test_shift (void)
{
  static const size_t dims[][3] = {
      {1, 1, 1}, {1, 4, 2}, {2, 3, 5}, {3, 1, 8}, {3, 9, 17}, {2, 0, 6}};

  for (size_t i = 0; i < G_N_ELEMENTS (dims); i++)
    for (int bits = 0; bits < 64; bits++) {
      ShiftCase k = {
          .batch = dims[i][0],
          .rows = dims[i][1],
          .width = dims[i][2],
          .shift = bits & 1,
          .has_from = (bits & 1) && (bits & 2),
          .shared = (bits & 1) && (bits & 2) && (bits & 4),
          .has_to = (bits & 1) && (bits & 8),
          .accumulate = bits & 16,
          .epsilon = bits & 32 ? 10.0f : 1e-6f,
      };

      test_shift_of (&k);
    }
}

void
gradients_norms_add_tests (void)
{
  g_test_add_data_func ("/norms/layer", (const void *) 1, test_norm);
  g_test_add_data_func ("/norms/rms", NULL, test_norm);
  g_test_add_func ("/norms/gated", test_gated);
  g_test_add_func ("/norms/shift", test_shift);
}
