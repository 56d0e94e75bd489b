/* check-rows.c: embeddings, and adding and copying rows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * There is at most one rounding in these, so results are equal bit for bit.
 */

#include "check.h"
#include "shapes.h"

#define ROUNDS 40 /* random shapes of each operation */
#define MOST 600  /* sequences that have something of their own */

/* ------------------------------------------------------------------------- */
/* Embedding                                                                 */
/* ------------------------------------------------------------------------- */

typedef struct {
  MblmType type;
  size_t vocabulary, width, rows;
  size_t table, ids, out; /* offsets */
} Embed;

static void
run_embed (const Target *t, char *memory, const void *data)
{
  const Embed *s = data;

  t->table->embed (t->queue,
      &(MblmEmbed){
          .table = matrix_at (
              memory, s->table, s->type, s->vocabulary, s->width),
          .ids = (const int32_t *) (memory + s->ids),
          .rows = s->rows,
          .out = AT (memory, s->out),
      });
}

static Case *
embed_case (Check *check, Fill fill, Embed *s)
{
  Case *c = case_new (check, fill, "%s [%zu, %zu], rows %zu",
      s->type == MBLM_TYPE_BF16 ? "bf16" : "f32", s->vocabulary, s->width,
      s->rows);

  s->table = case_matrix (c, s->type, s->vocabulary, s->width, -1e30f, 1e30f);
  s->ids = case_ids (c, s->rows, 0, (gint32) s->vocabulary - 1);
  s->out = case_output (c, "out", s->rows, s->width, s->width, 0);
  return c;
}

void
check_embed (Check *check)
{
  for (int i = 0; i < ROUNDS; i++) {
    Embed s = {
        .type = check_coin (check) ? MBLM_TYPE_BF16 : MBLM_TYPE_F32,
        .vocabulary = check_size (check, 1, 300),
        .width = check_size (check, 1, 300),
        .rows = check_size (check, 0, 200),
    };
    Case *c = embed_case (check, i % FILL_KINDS, &s);

    case_run (c, run_embed, &s, NULL);
    case_free (c);
  }
}

void
bench_embed (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (rows_shapes); i++) {
    RowsShape r = rows_shapes[i];
    Embed s = {.vocabulary = 257, .width = r.width, .rows = r.rows};
    Case *c = embed_case (check, FILL_RANDOM, &s);

    case_bench (c, run_embed, &s, 8.0 * r.rows * r.width, 0.0);
    case_free (c);
  }
}

/* ------------------------------------------------------------------------- */
/* Fixed positions                                                           */
/* ------------------------------------------------------------------------- */

typedef struct {
  MblmType type;
  size_t period, width, batch, rows;
  bool has_first;
  size_t first[MOST];
  size_t table, x; /* offsets */
} Position;

static void
run_position (const Target *t, char *memory, const void *data)
{
  const Position *s = data;

  t->table->add_position (t->queue,
      &(MblmAddPosition){
          .table = matrix_at (memory, s->table, s->type, s->period, s->width),
          .batch = s->batch,
          .rows = s->rows,
          .first = s->has_first ? s->first : NULL,
          .x = AT (memory, s->x),
      });
}

static Case *
position_case (Check *check, Fill fill, Position *s)
{
  size_t rows = s->batch * s->rows;
  Case *c = case_new (check, fill,
      "%s [%zu, %zu], first %zu, ..., batch %zu, rows %zu",
      s->type == MBLM_TYPE_BF16 ? "bf16" : "f32", s->period, s->width,
      s->first[0], s->batch, s->rows);

  s->table = case_matrix (c, s->type, s->period, s->width, -1e30f, 1e30f);
  s->x = case_input (c, rows, s->width, s->width, -1e30f, 1e30f);
  case_in_place (c, "x", s->x, rows, s->width, s->width, 0);
  return c;
}

void
check_add_position (Check *check)
{
  for (int i = 0; i < ROUNDS; i++) {
    Position s = {
        .type = check_coin (check) ? MBLM_TYPE_BF16 : MBLM_TYPE_F32,
        .period = check_size (check, 1, 40),
        .width = check_width (check, 1, i % 8 ? 300 : 20),
        .batch = check_size (check, 0, i % 8 ? 20 : MOST),
        .rows = check_size (check, 0, i % 8 ? 60 : 8),
        .has_first = check_coin (check),
    };
    Case *c;

    for (size_t b = 0; s.has_first && b < s.batch; b++)
      s.first[b] = check_size (check, 0, 100);
    c = position_case (check, i % FILL_KINDS, &s);
    case_run (c, run_position, &s, NULL);
    case_free (c);
  }
}

void
bench_add_position (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (rows_shapes); i++) {
    RowsShape r = rows_shapes[i];
    Position s = {
        .period = 8, .width = r.width, .batch = (r.rows + 7) / 8, .rows = 8};
    Case *c;

    if (r.rows < 8)
      s.rows = r.rows;
    c = position_case (check, FILL_ZERO, &s);
    case_bench (c, run_position, &s, 8.0 * r.rows * r.width, 0.0);
    case_free (c);
  }
}

/* ------------------------------------------------------------------------- */
/* Adding and copying                                                        */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t batch, width, to_stride, from_stride;
  bool listed;     /* rows to add lie in another order */
  size_t to, from; /* offsets */
} Rows;

static void
run_add (const Target *t, char *memory, const void *data)
{
  const Rows *s = data;
  const float *ys[MOST];

  for (size_t b = 0; s->listed && b < s->batch; b++)
    ys[b] = AT (memory, s->from) + (b * 7 + 3) % s->batch * s->from_stride;
  t->table->add (t->queue,
      &(MblmAdd){
          .batch = s->batch,
          .width = s->width,
          .x = AT (memory, s->to),
          .x_stride = s->to_stride,
          .y = AT (memory, s->from),
          .y_stride = s->from_stride,
          .ys = s->listed ? ys : NULL,
      });
}

static void
run_copy (const Target *t, char *memory, const void *data)
{
  const Rows *s = data;

  t->table->copy_rows (t->queue,
      &(MblmCopyRows){
          .batch = s->batch,
          .width = s->width,
          .x = AT (memory, s->from),
          .x_stride = s->from_stride,
          .out = AT (memory, s->to),
          .out_stride = s->to_stride,
      });
}

static Case *
rows_case (Check *check, Fill fill, Rows *s, bool in_place)
{
  Case *c = case_new (check, fill, "batch %zu, width %zu, strides %zu, %zu%s",
      s->batch, s->width, s->to_stride, s->from_stride,
      s->listed ? ", listed" : "");
  size_t from_rows = s->from_stride > 0 ? s->batch : MIN (s->batch, 1);
  s->from = case_input (c, from_rows, s->width, s->from_stride, -1e30f, 1e30f);
  if (!in_place) {
    s->to = case_output (c, "out", s->batch, s->width, s->to_stride, 0);
    return c;
  }
  s->to = case_input (c, s->batch, s->width, s->to_stride, -1e30f, 1e30f);
  case_in_place (c, "x", s->to, s->batch, s->width, s->to_stride, 0);
  return c;
}

static void
check_rows (Check *check, CaseRun run, bool in_place)
{
  for (int i = 0; i < ROUNDS; i++) {
    size_t width = check_width (check, 1, i % 4 ? 300 : 3000);
    Rows s = {
        .batch = check_size (check, 0, i % 8 == 1 ? MOST : 300),
        .width = width,
        .to_stride = width + check_width (check, 0, 40),
        .from_stride = check_coin (check) ? 0
                                          : width + check_width (check, 0, 40),
        .listed = in_place && check_coin (check),
    };
    Case *c = rows_case (check, i % FILL_KINDS, &s, in_place);

    case_run (c, run, &s, NULL);
    case_free (c);
  }
}

static void
bench_rows (Check *check, CaseRun run, bool in_place)
{
  for (size_t i = 0; i < G_N_ELEMENTS (rows_shapes); i++) {
    RowsShape r = rows_shapes[i];
    Rows s = {.batch = r.rows,
        .width = r.width,
        .to_stride = r.width,
        .from_stride = r.width};
    Case *c = rows_case (check, FILL_ZERO, &s, in_place);

    case_bench (c, run, &s, (in_place ? 12.0 : 8.0) * r.rows * r.width, 0.0);
    case_free (c);
  }
}

void
check_add (Check *check)
{
  check_rows (check, run_add, true);
}

void
check_copy_rows (Check *check)
{
  check_rows (check, run_copy, false);
}

void
bench_add (Check *check)
{
  bench_rows (check, run_add, true);
}

void
bench_copy_rows (Check *check)
{
  bench_rows (check, run_copy, false);
}

/* ------------------------------------------------------------------------- */
/* Scattering                                                                */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t batch, rows, parts, width, x_stride;
  size_t x, to[MOST]; /* offsets */
} Scatter;

static void
run_scatter (const Target *t, char *memory, const void *data)
{
  const Scatter *s = data;
  float *to[MOST];

  for (size_t i = 0; i < s->batch * s->parts; i++)
    to[i] = AT (memory, s->to[i]);
  t->table->scatter_rows (t->queue,
      &(MblmScatterRows){
          .batch = s->batch,
          .rows = s->rows,
          .parts = s->parts,
          .width = s->width,
          .x = AT (memory, s->x),
          .x_stride = s->x_stride,
          .to = to,
      });
}

static Case *
scatter_case (Check *check, Fill fill, Scatter *s)
{
  Case *c = case_new (check, fill,
      "batch %zu, rows %zu, parts %zu, width %zu, stride %zu", s->batch,
      s->rows, s->parts, s->width, s->x_stride);
  size_t rows = s->batch * s->rows;
  s->x = case_input (c, s->x_stride > 0 ? rows : MIN (rows, 1),
      s->parts * s->width, s->x_stride, -1e30f, 1e30f);
  for (size_t i = 0; i < s->batch * s->parts; i++)
    s->to[i] = case_output (c, "to", s->rows, s->width, s->width, 0);
  return c;
}

void
check_scatter_rows (Check *check)
{
  for (int i = 0; i < ROUNDS; i++) {
    Scatter s = {
        .batch = check_size (check, 0, i % 8 ? 20 : 200),
        .rows = check_size (check, 0, i % 8 ? 9 : 2),
        .parts = check_size (check, 1, 3),
        .width = check_width (check, 0, i % 8 ? 300 : 20),
    };
    Case *c;

    if (i % 8 == 4)
      s.rows = check_size (check, 0, 300);
    if (check_coin (check))
      s.x_stride = s.parts * s.width + check_width (check, 0, 40);
    c = scatter_case (check, i % FILL_KINDS, &s);
    case_run (c, run_scatter, &s, NULL);
    case_free (c);
  }
}

/* The keys and values of many streams, and a start for all of them. */
void
bench_scatter_rows (Check *check)
{
  Scatter shapes[] = {
      {.batch = 64, .rows = 1, .parts = 2, .width = 512, .x_stride = 1536},
      {.batch = 64, .rows = 1, .parts = 1, .width = 8192},
  };

  for (size_t i = 0; i < G_N_ELEMENTS (shapes); i++) {
    Scatter *s = &shapes[i];
    Case *c = scatter_case (check, FILL_ZERO, s);

    case_bench (c, run_scatter, s, 8.0 * s->batch * s->parts * s->width, 0.0);
    case_free (c);
  }
}
