/* check-conv.c: the causal convolution of the Mamba blocks.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "backward.h"
#include "shapes.h"

#include <math.h>

#define ROUNDS 120 /* random shapes */

typedef struct {
  size_t batch, rows, width, taps, x_stride, out_stride;
  bool has_bias;
  CarryBuffers carry;
  size_t x, weight, bias, out; /* offsets */
} Conv;

static void
run_conv (const Target *t, char *memory, const void *data)
{
  const Conv *s = data;
  CarryPointers pointers;

  t->table->conv (t->queue,
      &(MblmConv){
          .batch = s->batch,
          .rows = s->rows,
          .width = s->width,
          .taps = s->taps,
          .x = AT (memory, s->x),
          .x_stride = s->x_stride,
          .weight = AT (memory, s->weight),
          .bias = s->has_bias ? AT (memory, s->bias) : NULL,
          .carry = *carry_at (memory, &s->carry, &pointers),
          .out = AT (memory, s->out),
          .out_stride = s->out_stride,
      });
}

static Case *
conv_case (Check *check, Fill fill, CarryKind kind, Conv *s)
{
  size_t rows = s->batch * s->rows;
  Case *c = case_new (check, fill,
      "batch %zu, rows %zu, width %zu, taps %zu, carry %d", s->batch, s->rows,
      s->width, s->taps, kind);

  s->x = case_input (c, rows, s->width, s->x_stride, -1e9f, 1e9f);
  s->weight = case_input (c, s->width, s->taps, s->taps, -1e3f, 1e3f);
  if (s->has_bias)
    s->bias = case_input (c, 1, s->width, s->width, -1e6f, 1e6f);
  case_carry (
      c, &s->carry, kind, s->batch, (s->taps - 1) * s->width, -1e9f, 1e9f, 0);
  s->out = case_output (c, "out", rows, s->width, s->out_stride, s->taps + 1);
  return c;
}

void
check_conv (Check *check)
{
  for (int i = 0; i < ROUNDS; i++) {
    size_t width = check_size (check, 1, i % 8 ? 200 : 2500);
    Conv s = {
        .batch = check_size (check, 0, i % 8 == 1 ? CARRY_MOST : 5),
        .rows = check_size (check, 0, i % 8 == 2 ? 300 : 24),
        .width = width,
        .taps = i % 3 ? 4 : check_size (check, 1, 16),
        .x_stride = width + check_size (check, 0, 40),
        .out_stride = width + check_size (check, 0, 40),
        .has_bias = check_coin (check),
    };
    Case *c = conv_case (check, (i / 2) % FILL_KINDS, i % CARRY_KINDS, &s);

    case_run (c, run_conv, &s, magnitude_absolute);
    case_free (c);
  }
}

void
bench_conv (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (scan_shapes); i++) {
    ScanShape n = scan_shapes[i];
    size_t width = n.heads * n.head_dim + 2 * n.state;
    Conv s = {.batch = 1,
        .rows = n.rows,
        .width = width,
        .taps = 4,
        .x_stride = width,
        .out_stride = width,
        .has_bias = true};
    Case *c = conv_case (check, FILL_RANDOM, CARRY_IN_PLACE, &s);

    case_bench (c, run_conv, &s, 8.0 * n.rows * width, 0.0);
    case_free (c);
  }
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t batch, rows, width, taps, x_stride, d_out_stride, d_x_stride;
  bool has_bias;
  CarryGradients carry;
  bool wanted[3];                  /* d_x, d_weight, d_bias */
  size_t x, weight, bias, d_out;   /* offsets */
  size_t d_x, d_weight, d_bias;    /* offsets */
  double *m_x, *m_weight, *m_bias; /* magnitudes of these */
  double *m_from;                  /* [batch, taps - 1, width] */
} Backward;

static void
run_backward (const Target *t, char *memory, const void *data)
{
  const Backward *s = data;
  GradientPointers carry;

  carry_gradients_at (memory, &s->carry, &carry);
  t->table->conv_backward (t->queue,
      &(MblmConvBackward){
          .forward =
              {
                  .batch = s->batch,
                  .rows = s->rows,
                  .width = s->width,
                  .taps = s->taps,
                  .x = AT (memory, s->x),
                  .x_stride = s->x_stride,
                  .weight = AT (memory, s->weight),
                  .bias = s->has_bias ? AT (memory, s->bias) : NULL,
                  .carry = carry.forward.carry,
              },
          .d_out = AT (memory, s->d_out),
          .d_out_stride = s->d_out_stride,
          .d_x = s->wanted[0] ? AT (memory, s->d_x) : NULL,
          .d_x_stride = s->d_x_stride,
          .d_weight = s->wanted[1] ? AT (memory, s->d_weight) : NULL,
          .d_bias = s->wanted[2] ? AT (memory, s->d_bias) : NULL,
          .d_carry = carry.gradient,
      });
}

static Case *
backward_case (Check *check, Fill fill, CarryKind kind, Backward *s)
{
  size_t rows = s->batch * s->rows;
  Case *c = case_new (check, fill,
      "batch %zu, rows %zu, width %zu, taps %zu, carry %d", s->batch, s->rows,
      s->width, s->taps, kind);

  s->x = case_input (c, rows, s->width, s->x_stride, -1e9f, 1e9f);
  s->weight = case_input (c, s->width, s->taps, s->taps, -1e3f, 1e3f);
  if (s->has_bias)
    s->bias = case_input (c, 1, s->width, s->width, -1e6f, 1e6f);
  s->d_out = case_input (c, rows, s->width, s->d_out_stride, -1e3f, 1e3f);
  if (s->wanted[0])
    s->d_x = case_output (c, "d_x", rows, s->width, s->d_x_stride, s->taps);
  if (s->wanted[1])
    s->d_weight = case_added_to (c, "d_weight", s->width, s->taps, rows);
  if (s->wanted[2])
    s->d_bias = case_added_to (c, "d_bias", 1, s->width, rows);
  case_carry_gradients (c, &s->carry, kind, s->batch, (s->taps - 1) * s->width,
      1e9f, s->taps + s->batch);
  return c;
}

/* What the error of silu's slope is proportional to where x is known within
 * `doubt` rounding errors. */
static double
slope_doubt (double x, double doubt)
{
  double s = 1.0 / (1.0 + exp (-x)), bend = s * (1.0 - s) * (2.0 + fabs (x));

  if (doubt * FLT_EPSILON > 0.1)
    bend = 0.5;
  return (s + UNDERFLOW_MAGNITUDE) * (1.0 + fabs (x) * (1.0 - s)) +
      UNDERFLOW_MAGNITUDE * fabs (x) + bend * 2.0 * doubt;
}

/* Input i of channel c of sequence b, counted from the first carried in. */
static double
input_at (const Backward *s, char *image, size_t b, size_t c, size_t i)
{
  size_t kept = s->taps - 1, from = carry_is_shared (&s->carry) ? 0 : b;

  if (i >= kept)
    return AT (image, s->x)[(b * s->rows + i - kept) * s->x_stride + c];
  if (s->carry.forward.kind == CARRY_NONE)
    return 0.0;
  return AT (image, s->carry.forward.from[from])[i * s->width + c];
}

/* Where the magnitude of that input's gradient is, NULL in the carry where it
 * isn't kept. */
static double *
magnitude_at (const Backward *s, size_t b, size_t c, size_t i)
{
  size_t kept = s->taps - 1, from = carry_is_shared (&s->carry) ? 0 : b;

  if (i >= kept)
    return &s->m_x[(b * s->rows + i - kept) * s->width + c];
  return &s->m_from[(from * kept + i) * s->width + c];
}

/* Channel c of sequence b. */
static void
add_channel (Backward *s, char *image, size_t b, size_t c)
{
  const float *weight = AT (image, s->weight) + c * s->taps;
  size_t kept = s->taps - 1;

  for (size_t t = 0; t < s->rows; t++) {
    size_t row = b * s->rows + t;
    double sum = s->has_bias ? AT (image, s->bias)[c] : 0.0;
    double size = fabs (sum), g;

    for (size_t w = 0; w < s->taps; w++) {
      sum += weight[w] * input_at (s, image, b, c, t + w);
      size += fabs (weight[w] * input_at (s, image, b, c, t + w));
    }
    g = fabs (AT (image, s->d_out)[row * s->d_out_stride + c]) *
        slope_doubt (sum, size);
    s->m_bias[c] += g;
    for (size_t w = 0; w < s->taps; w++) {
      s->m_weight[c * s->taps + w] += g *
          fabs (input_at (s, image, b, c, t + w));
      *magnitude_at (s, b, c, t + w) += g * fabs (weight[w]);
    }
  }
  for (size_t i = s->rows; i < s->rows + kept && s->carry.has_to; i++)
    *magnitude_at (s, b, c, i) += fabs (
        AT (image, s->carry.d_to[b])[(i - s->rows) * s->width + c]);
}

static void
magnitude_backward (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Backward *s = data;
  char *image = case_image (c);

  if (s->wanted[0])
    take_magnitude (output, s->d_x, s->m_x, NULL, magnitude);
  if (s->wanted[1])
    take_magnitude (output, s->d_weight, s->m_weight, image, magnitude);
  if (s->wanted[2])
    take_magnitude (output, s->d_bias, s->m_bias, image, magnitude);
  take_carry_magnitude (
      &s->carry, output, (s->taps - 1) * s->width, s->m_from, image, magnitude);
}

static void
run_backward_case (Backward *s, Case *c)
{
  s->m_x = g_new0 (double, s->batch * s->rows * s->width + 1);
  s->m_weight = g_new0 (double, s->width * s->taps);
  s->m_bias = g_new0 (double, s->width);
  s->m_from = g_new0 (double, s->batch *(s->taps - 1) * s->width + 1);
  for (size_t b = 0; b < s->batch; b++)
    for (size_t i = 0; i < s->width; i++)
      add_channel (s, case_image (c), b, i);
  case_run (c, run_backward, s, magnitude_backward);
  g_free (s->m_x);
  g_free (s->m_weight);
  g_free (s->m_bias);
  g_free (s->m_from);
}

void
check_conv_backward (Check *check)
{
  for (int i = 0; i < ROUNDS; i++) {
    size_t width = check_size (check, 1, i % 8 ? 60 : 600);
    Backward s = {
        .batch = check_size (check, 0, i % 8 == 1 ? CARRY_MOST : 5),
        .rows = check_size (check, 0, i % 8 == 2 ? 600 : 24),
        .width = width,
        .taps = i % 3 ? 4 : check_size (check, 1, 16),
        .x_stride = width + check_size (check, 0, 40),
        .d_out_stride = width + check_size (check, 0, 40),
        .d_x_stride = width + check_size (check, 0, 40),
        .has_bias = check_coin (check),
    };
    Case *c;

    for (size_t j = 0; j < G_N_ELEMENTS (s.wanted); j++)
      s.wanted[j] = i % 4 || check_coin (check);
    c = backward_case (check, (i / 2) % FILL_KINDS, i % CARRY_KINDS, &s);
    run_backward_case (&s, c);
    case_free (c);
  }
}

void
bench_conv_backward (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (scan_backward_shapes); i++) {
    ScanBackwardShape n = scan_backward_shapes[i];
    size_t width = n.heads * n.head_dim + 2 * n.state;
    Backward s = {.batch = n.batch,
        .rows = n.rows,
        .width = width,
        .taps = 4,
        .x_stride = width,
        .d_out_stride = width,
        .d_x_stride = width,
        .has_bias = true,
        .wanted = {true, true, true}};
    Case *c = backward_case (
        check, FILL_RANDOM, n.batch > 1 ? CARRY_SHARED : CARRY_NONE, &s);

    case_bench (c, run_backward, &s, 12.0 * n.batch * n.rows * width, 0.0);
    case_free (c);
  }
}
