/* check-conv.c: the causal convolution of the Mamba blocks.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check.h"
#include "shapes.h"

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
