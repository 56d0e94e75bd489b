/* gradients.c: backward operations of the reference against finite differences.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "gradients.h"

#include <math.h>

#define MAX_CHECKED 300
/* Outputs are rounded to float32, so that small slopes are found only so well. */
#define TOLERANCE 5e-3

const MblmKernels *ref;
MblmQueue *queue;

float *
gradient_floats (size_t count, float scale)
{
  float *x = g_new (float, count + 1);

  for (size_t i = 0; i < count; i++)
    x[i] = scale * (float) g_test_rand_double_range (-1.0, 1.0);
  return x;
}

void
gradient_take (float *x, const float *before, size_t count)
{
  for (size_t i = 0; i < count; i++)
    x[i] -= before[i];
}

double
gradient_dot (const float *x, const float *y, size_t count)
{
  double sum = 0.0;

  for (size_t i = 0; i < count; i++)
    sum += (double) x[i] * y[i];
  return sum;
}

/* The loss where *x is moved by `offset`, and by how much it was: float32 holds
 * the sum only nearly. */
static double
loss_at (GradientLoss loss, void *data, float *x, float offset, double *moved)
{
  float before = *x;

  *x = before + offset;
  *moved = (double) *x - before;
  double value = loss (data);
  *x = before;
  return value;
}

/* (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h, with the distances as they were. */
static double
slope (GradientLoss loss, void *data, float *x, float step)
{
  double left, right;
  double near = loss_at (loss, data, x, step, &right) -
      loss_at (loss, data, x, -step, &left);
  double near_slope = near / (right - left);
  double far = loss_at (loss, data, x, 2 * step, &right) -
      loss_at (loss, data, x, -2 * step, &left);

  return (4.0 * near_slope - far / (right - left)) / 3.0;
}

void
gradient_check (const char *name, GradientLoss loss, void *data, float *x,
    const float *d_x, size_t count, float step)
{
  size_t stride = count / MAX_CHECKED + 1;
  double largest = 0.0;

  for (size_t i = 0; i < count; i++)
    largest = MAX (largest, fabs (d_x[i]));
  for (size_t i = 0; i < count; i += stride) {
    double expected = slope (loss, data, &x[i], step);

    if (!(fabs (d_x[i] - expected) <= TOLERANCE * largest + 1e-5))
      g_error (
          "%s[%zu]: the gradient is %.7g, the slope %.7g, the largest %.3g",
          name, i, d_x[i], expected, largest);
  }
}

int
main (int argc, char **argv)
{
  MblmKernelDevice *device;
  char message[256];

  g_test_init (&argc, &argv, NULL);
  ref = mblm_kernels_ref ();
  device = ref->device_open (0, 1, message, sizeof message);
  g_assert_nonnull (device);
  queue = ref->queue_new (device);
  gradients_linear_add_tests ();
  gradients_attention_add_tests ();
  gradients_norms_add_tests ();
  gradients_rows_add_tests ();
  gradients_scans_add_tests ();
  int result = g_test_run ();
  g_assert_cmpint (ref->queue_wait (queue), ==, MBLM_STATUS_OK);
  ref->queue_free (queue);
  ref->device_close (device);
  return result;
}
