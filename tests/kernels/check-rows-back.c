/* check-rows-back.c: the gradients of tables and rows, and dropout.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check.h"
#include "shapes.h"

#include <math.h>

#define ROUNDS 40        /* random shapes of each operation */
#define LARGE 1048576.0f /* 2^20 */

/* ------------------------------------------------------------------------- */
/* Embedding                                                                 */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t vocabulary, width, rows;
  bool has_padding;
  gint32 padding;
  size_t ids, d_out, d_table; /* offsets */
} EmbedBack;

static void
run_embed_back (const Target *t, char *memory, const void *data)
{
  const EmbedBack *s = data;

  t->table->embed_backward (t->queue,
      &(MblmEmbedBackward){
          .forward = {.table = {NULL, MBLM_TYPE_F32, s->vocabulary, s->width},
              .ids = (const int32_t *) (memory + s->ids),
              .rows = s->rows},
          .d_out = AT (memory, s->d_out),
          .has_padding = s->has_padding,
          .padding = s->padding,
          .d_table = AT (memory, s->d_table),
      });
}

static Case *
embed_back_case (Check *check, Fill fill, EmbedBack *s)
{
  Case *c = case_new (check, fill, "[%zu, %zu], rows %zu, padding %d",
      s->vocabulary, s->width, s->rows, s->has_padding ? s->padding : -1);

  s->ids = case_ids (c, s->rows, 0, (gint32) s->vocabulary - 1);
  s->d_out = case_input (c, s->rows, s->width, s->width, -LARGE, LARGE);
  s->d_table = case_input (c, s->vocabulary, s->width, s->width, -LARGE, LARGE);
  case_in_place (
      c, "d_table", s->d_table, s->vocabulary, s->width, s->width, s->rows);
  return c;
}

void
check_embed_backward (Check *check)
{
  for (int i = 0; i < 2 * ROUNDS; i++) {
    EmbedBack s = {
        .vocabulary = check_size (check, 1, i % 4 ? 300 : 3),
        .width = check_size (check, 1, 300),
        .rows = check_size (check, 0, i % 8 ? 200 : 2000),
        .has_padding = check_coin (check),
    };
    Case *c;

    s.padding = (gint32) check_size (check, 0, s.vocabulary - 1);
    c = embed_back_case (check, i % FILL_KINDS, &s);
    case_run (c, run_embed_back, &s, magnitude_absolute);
    case_free (c);
  }
}

void
bench_embed_backward (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (training_rows_shapes); i++) {
    RowsShape r = training_rows_shapes[i];
    EmbedBack s = {.vocabulary = 257, .width = r.width, .rows = r.rows};
    Case *c = embed_back_case (check, FILL_ZERO, &s);

    case_bench (c, run_embed_back, &s, 4.0 * r.rows * r.width, 0.0);
    case_free (c);
  }
}

/* ------------------------------------------------------------------------- */
/* Fixed positions                                                           */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t period, width, batch, rows;
  size_t x, d_table; /* offsets */
} PositionBack;

static void
run_position_back (const Target *t, char *memory, const void *data)
{
  const PositionBack *s = data;

  t->table->add_position_backward (t->queue,
      &(MblmAddPositionBackward){
          .forward = {.table = {NULL, MBLM_TYPE_F32, s->period, s->width},
              .batch = s->batch,
              .rows = s->rows,
              .x = AT (memory, s->x)},
          .d_table = AT (memory, s->d_table),
      });
}

static Case *
position_back_case (Check *check, Fill fill, PositionBack *s)
{
  size_t rows = s->batch * s->rows;
  Case *c = case_new (check, fill, "[%zu, %zu], batch %zu, rows %zu", s->period,
      s->width, s->batch, s->rows);

  s->x = case_input (c, rows, s->width, s->width, -LARGE, LARGE);
  s->d_table = case_input (c, s->period, s->width, s->width, -LARGE, LARGE);
  case_in_place (c, "d_table", s->d_table, s->period, s->width, s->width, rows);
  return c;
}

void
check_add_position_backward (Check *check)
{
  for (int i = 0; i < 2 * ROUNDS; i++) {
    PositionBack s = {
        .period = check_size (check, 1, 40),
        .width = check_size (check, 1, 300),
        .batch = check_size (check, 0, i % 4 ? 40 : 300),
        .rows = check_size (check, 0, i % 4 ? 60 : 10),
    };
    Case *c = position_back_case (check, i % FILL_KINDS, &s);

    case_run (c, run_position_back, &s, magnitude_absolute);
    case_free (c);
  }
}

void
bench_add_position_backward (Check *check)
{
  static const PositionBack shapes[] = {
      {8, 256, 1024, 8}, {8192, 384, 1, 8192}};

  for (size_t i = 0; i < G_N_ELEMENTS (shapes); i++) {
    PositionBack s = shapes[i];
    Case *c = position_back_case (check, FILL_RANDOM, &s);

    case_bench (c, run_position_back, &s,
        4.0 * s.width * (s.batch * s.rows + 2 * s.period), 0.0);
    case_free (c);
  }
}

/* ------------------------------------------------------------------------- */
/* Sums of rows                                                              */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t batch, width, stride;
  size_t x, out; /* offsets */
} SumRows;

static void
run_sum_rows (const Target *t, char *memory, const void *data)
{
  const SumRows *s = data;

  t->table->sum_rows (t->queue,
      &(MblmSumRows){s->batch, s->width, AT (memory, s->x), s->stride,
          AT (memory, s->out)});
}

static Case *
sum_rows_case (Check *check, Fill fill, SumRows *s)
{
  Case *c = case_new (check, fill, "batch %zu, width %zu, stride %zu", s->batch,
      s->width, s->stride);

  s->x = case_input (c, s->batch, s->width, s->stride, -LARGE, LARGE);
  s->out = case_input (c, 1, s->width, s->width, -LARGE, LARGE);
  case_in_place (c, "out", s->out, 1, s->width, s->width, s->batch);
  return c;
}

void
check_sum_rows (Check *check)
{
  for (int i = 0; i < 2 * ROUNDS; i++) {
    size_t width = check_size (check, 1, i % 4 ? 300 : 3000);
    SumRows s = {
        .batch = check_size (check, 0, i % 8 ? 300 : 3000),
        .width = width,
        .stride = width + check_size (check, 0, 40),
    };
    Case *c = sum_rows_case (check, i % FILL_KINDS, &s);

    case_run (c, run_sum_rows, &s, magnitude_absolute);
    case_free (c);
  }
}

void
bench_sum_rows (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (training_rows_shapes); i++) {
    RowsShape r = training_rows_shapes[i];
    SumRows s = {.batch = r.rows, .width = r.width, .stride = r.width};
    Case *c = sum_rows_case (check, FILL_RANDOM, &s);

    case_bench (c, run_sum_rows, &s, 4.0 * r.rows * r.width, 0.0);
    case_free (c);
  }
}

/* ------------------------------------------------------------------------- */
/* Dropout                                                                   */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t count;
  float probability;
  guint64 seed, first;
  size_t x; /* offset */
} Dropout;

static void
run_dropout (const Target *t, char *memory, const void *data)
{
  const Dropout *s = data;

  t->table->dropout (t->queue,
      &(MblmDropout){
          s->count, AT (memory, s->x), s->probability, s->seed, s->first});
}

static Case *
dropout_case (Check *check, Fill fill, Dropout *s)
{
  Case *c = case_new (check, fill,
      "count %zu, probability %g, seed %" G_GUINT64_FORMAT
      ", first %" G_GUINT64_FORMAT,
      s->count, s->probability, s->seed, s->first);

  s->x = case_input (c, 1, s->count, s->count, -LARGE, LARGE);
  case_in_place (c, "x", s->x, 1, s->count, s->count, 1);
  return c;
}

/* Word `number` of the stream of key 0 is `word`: the entry stays where the
 * probability is as large as word + 0.5, as far as a float goes, and is dropped at
 * the next float. */
static void
check_word (Check *check, guint64 number, guint32 word)
{
  float below = (float) ((word + 0.5) / 4294967296.0);

  if (below * 4294967296.0 > word + 0.5)
    below = nextafterf (below, 0.0f);
  for (int above = 0; above < 2; above++) {
    float p = above ? nextafterf (below, 1.0f) : below;
    Dropout s = {.count = 1, .probability = p, .first = number};
    Case *c = dropout_case (check, FILL_HIGHEST, &s);

    for (guint i = 0; i <= check->targets->len; i++) {
      const Target *target = i < check->targets->len
          ? g_ptr_array_index (check->targets, i)
          : check->ref;
      g_autofree char *result = case_result (c, target, run_dropout, &s);

      if ((*AT (result, s.x) == 0.0f) != (above > 0))
        check_failed (check, target, case_title (c),
            "the entry is %g, which is not what word %08x makes of it",
            *AT (result, s.x), word);
    }
    case_free (c);
  }
}

void
check_dropout (Check *check)
{
  static const float probabilities[] = {0.0f, 0.1f, 0.5f, 0.9f, 1.0f};
  /* philox4x32 10, counter 0, key 0, of Random123's kat_vectors */
  static const guint32 words[] = {
      0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};

  for (int i = 0; i < 2 * ROUNDS; i++) {
    Dropout s = {
        .count = check_size (check, 0, i % 8 ? 300 : 40000),
        .probability = probabilities[i % G_N_ELEMENTS (probabilities)],
        .seed = g_rand_int (check->rand),
        .first = check_size (check, 0, 20),
    };
    Case *c;

    /* across where the lower word of a counter ends, and with both words */
    if (i % 3 == 0) {
      s.seed |= (guint64) g_rand_int (check->rand) << 32;
      s.first += ((guint64) 4 << 32) - 40;
    }
    c = dropout_case (check, i % FILL_KINDS, &s);
    case_run (c, run_dropout, &s, NULL);
    case_free (c);
  }
  for (guint64 i = 0; i < G_N_ELEMENTS (words); i++)
    check_word (check, i, words[i]);
}

void
bench_dropout (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (training_rows_shapes); i++) {
    RowsShape r = training_rows_shapes[i];
    Dropout s = {.count = r.rows * r.width, .probability = 0.1f, .seed = 1};
    Case *c = dropout_case (check, FILL_ZERO, &s);

    case_bench (c, run_dropout, &s, 8.0 * s.count, 0.0);
    case_free (c);
  }
}
