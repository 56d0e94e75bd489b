/* check-rope.c: rotary embedding.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check.h"
#include "shapes.h"

#include <math.h>

#define ROUNDS 60          /* random shapes */
#define LARGE 1073741824.f /* 2^30 */
#define ANGLES_MOST 600    /* sequences */

/* ------------------------------------------------------------------------- */
/* Angles                                                                    */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t half, batch, rows;
  bool has_first;
  size_t first[ANGLES_MOST];
  size_t frequency, cosine, sine; /* offsets */
} Angles;

static void
run_angles (const Target *t, char *memory, const void *data)
{
  const Angles *s = data;

  t->table->rope_angles (t->queue,
      &(MblmRopeAngles){
          .frequency = AT (memory, s->frequency),
          .half = s->half,
          .batch = s->batch,
          .rows = s->rows,
          .first = s->has_first ? s->first : NULL,
          .cosine = AT (memory, s->cosine),
          .sine = AT (memory, s->sine),
      });
}

static Case *
angles_case (Check *check, Angles *s)
{
  size_t rows = s->batch * s->rows;
  Case *c = case_new (check, FILL_ZERO,
      "first %zu, ..., batch %zu, rows %zu, half %zu", s->first[0], s->batch,
      s->rows, s->half);

  s->frequency = case_input (c, 1, s->half, s->half, 0.f, 1.f);
  for (size_t j = 0; j < s->half; j++)
    AT (case_image (c), s->frequency)
  [j] = (float) pow (10000.0, -(double) j / s->half);
  s->cosine = case_output (c, "cosine", rows, s->half, s->half, 1);
  s->sine = case_output (c, "sine", rows, s->half, s->half, 1);
  return c;
}

void
check_rope_angles (Check *check)
{
  static const size_t firsts[] = {
      0, 1, 8191, 81920, 1300000, 16777217, 4000000000u};

  for (int i = 0; i < ROUNDS; i++) {
    Angles s = {
        .half = check_size (check, 1, i % 8 == 1 ? 4 : 100),
        .batch = check_size (check, 0, i % 8 == 1 ? ANGLES_MOST : 5),
        .rows = check_size (check, 0, i % 8 ? 40 : 2000),
        .has_first = i < (int) G_N_ELEMENTS (firsts) || check_coin (check),
    };
    Case *c;

    for (size_t b = 0; s.has_first && b < s.batch; b++)
      s.first[b] = check_size (check, 0, 100000);
    if (i < (int) G_N_ELEMENTS (firsts)) {
      s.batch = MAX (s.batch, 1);
      s.first[s.batch - 1] = firsts[i];
    }
    c = angles_case (check, &s);
    case_run (c, run_angles, &s, NULL);
    case_free (c);
  }
}

void
bench_rope_angles (Check *check)
{
  static const size_t rows[] = {1, 1024};

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    Angles s = {.half = 32, .batch = 1, .rows = rows[i]};
    Case *c = angles_case (check, &s);

    case_bench (c, run_angles, &s, 8.0 * s.rows * s.half, 0.0);
    case_free (c);
  }
}

/* ------------------------------------------------------------------------- */
/* Rotation                                                                  */
/* ------------------------------------------------------------------------- */

typedef struct {
  MblmRopeForm form;
  size_t batch, rows, heads, half, x_stride, angle_stride;
  MblmType type;
  size_t x, cosine, sine; /* offsets */
} Rope;

static MblmRope
rope_at (char *memory, const Rope *s)
{
  return (MblmRope){
      .form = s->form,
      .batch = s->batch,
      .rows = s->rows,
      .heads = s->heads,
      .half = s->half,
      .x = memory + s->x,
      .x_type = s->type,
      .x_stride = s->x_stride,
      .cosine = AT (memory, s->cosine),
      .sine = AT (memory, s->sine),
      .angle_stride = s->angle_stride,
  };
}

static void
run_rope (const Target *t, char *memory, const void *data)
{
  MblmRope a = rope_at (memory, data);

  t->table->rope (t->queue, &a);
}

static void
run_rope_backward (const Target *t, char *memory, const void *data)
{
  MblmRope a = rope_at (memory, data);

  t->table->rope_backward (t->queue, &a);
}

static Case *
rope_case (Check *check, Fill fill, Rope *s)
{
  size_t rows = s->batch * s->rows, width = 2 * s->heads * s->half;
  size_t angles = s->batch > 0 ? (s->batch - 1) * s->angle_stride + s->rows : 0;
  Case *c = case_new (check, fill,
      "%s batch %zu, rows %zu, heads %zu, half %zu, strides %zu, %zu%s",
      s->form == MBLM_ROPE_PAIRS ? "pairs" : "halves", s->batch, s->rows,
      s->heads, s->half, s->x_stride, s->angle_stride,
      s->type == MBLM_TYPE_BF16 ? ", x bf16" : "");

  s->cosine = case_input (c, angles, s->half, s->half, -1.f, 1.f);
  s->sine = case_input (c, angles, s->half, s->half, -1.f, 1.f);
  s->x = case_typed_input (c, s->type, rows, width, s->x_stride, -LARGE, LARGE);
  case_typed_in_place (c, "x", s->type, s->x, rows, width, s->x_stride, 2);
  return c;
}

/* Of the pair (p, q): |p| |cos| + |q| |sin| is at most |(p, q)| |(cos, sin)|. */
static void
magnitude_rope (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Rope *s = data;
  bool pairs = s->form == MBLM_ROPE_PAIRS;
  size_t width = 2 * s->heads * s->half;

  for (size_t r = 0; r < s->batch * s->rows; r++) {
    const char *x = ENTRY_AT (case_image (c), s->x, s->type, r * s->x_stride);
    size_t angle = (r / s->rows * s->angle_stride + r % s->rows) * s->half;

    for (size_t j = 0; j < s->heads * s->half; j++) {
      size_t h = j / s->half * 2 * s->half, i = j % s->half;
      size_t p = h + (pairs ? 2 * i : i), q = pairs ? p + 1 : p + s->half;
      double length = hypot (AT (case_image (c), s->cosine)[angle + i],
                          AT (case_image (c), s->sine)[angle + i]) *
          hypot (case_number (x, s->type, p), case_number (x, s->type, q));

      magnitude[r * width + p] = magnitude[r * width + q] = length;
    }
  }
}

static void
check_rotation (Check *check, CaseRun run)
{
  for (int i = 0; i < 2 * ROUNDS; i++) {
    Rope s = {
        .form = check_coin (check) ? MBLM_ROPE_PAIRS : MBLM_ROPE_HALVES,
        .batch = check_size (check, 0, 10),
        .rows = check_size (check, 0, i % 8 ? 20 : 300),
        .heads = check_size (check, 1, 8),
        .half = check_width (check, 1, 70),
        .type = check_coin (check) ? MBLM_TYPE_BF16 : MBLM_TYPE_F32,
    };
    Case *c;

    s.x_stride = 2 * s.heads * s.half + check_width (check, 0, 40);
    if (check_coin (check))
      s.angle_stride = check_size (check, 1, 30);
    c = rope_case (check, i % FILL_KINDS, &s);
    case_run (c, run, &s, magnitude_rope);
    case_free (c);
  }
}

void
check_rope (Check *check)
{
  check_rotation (check, run_rope);
}

void
check_rope_backward (Check *check)
{
  check_rotation (check, run_rope_backward);
}

static void
bench_type (Check *check, CaseRun run, HeadsShape h, MblmType type)
{
  Rope s = {.batch = h.batch,
      .rows = h.rows,
      .heads = h.heads,
      .half = h.head_dim / 2,
      .type = type,
      .x_stride = h.heads * h.head_dim};
  Case *c = rope_case (check, FILL_ZERO, &s);
  double count = (double) h.batch * h.rows * h.heads * h.head_dim;

  case_bench (c, run, &s, 2 * case_entry_size (type) * count, 0.0);
  case_free (c);
}

static void
bench_rotation (Check *check, CaseRun run)
{
  for (size_t i = 0; i < G_N_ELEMENTS (heads_shapes); i++) {
    bench_type (check, run, heads_shapes[i], MBLM_TYPE_F32);
    bench_type (check, run, heads_shapes[i], MBLM_TYPE_BF16);
  }
}

void
bench_rope (Check *check)
{
  bench_rotation (check, run_rope);
}

void
bench_rope_backward (Check *check)
{
  bench_rotation (check, run_rope_backward);
}
