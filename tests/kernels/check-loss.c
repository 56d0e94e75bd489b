/* check-loss.c: cross entropy and sampling.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check.h"
#include "shapes.h"

#include <math.h>
#include <string.h>

#define ROUNDS 60 /* random shapes of each */

/* Of round i. Devices may treat a large one in another way. */
static size_t
vocabulary_of (Check *check, int i)
{
  if (i % 16 == 5)
    return check_size (check, 2000, 4500);
  return i % 4 ? check_size (check, 1, 300) : 257;
}

/* ------------------------------------------------------------------------- */
/* Cross entropy                                                             */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t rows, vocabulary;
  size_t logits, targets, loss; /* offsets */
} Loss;

static void
run_loss (const Target *t, char *memory, const void *data)
{
  const Loss *s = data;

  t->table->cross_entropy (t->queue,
      &(MblmCrossEntropy){
          .rows = s->rows,
          .vocabulary = s->vocabulary,
          .logits = AT (memory, s->logits),
          .targets = (const int32_t *) (memory + s->targets),
          .loss = AT (memory, s->loss),
      });
}

static Case *
loss_case (Check *check, Fill fill, Loss *s)
{
  Case *c = case_new (
      check, fill, "rows %zu, vocabulary %zu", s->rows, s->vocabulary);

  s->logits = case_input (
      c, s->rows, s->vocabulary, s->vocabulary, -1e4f, 1e4f);
  s->targets = case_ids (c, s->rows, -2, (gint32) s->vocabulary - 1);
  s->loss = case_output (c, "loss", 1, s->rows, s->rows, s->vocabulary);
  return c;
}

/* The logarithm of the sum has the absolute error that the sum has relatively. */
static void
magnitude_loss (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  for (size_t i = 0; i < output->width; i++)
    magnitude[i] = 1.0 + fabs (AT (after, output->offset)[i]);
}

/* The logits of all targets lie `gap` above all others. */
static void
check_gap (Check *check, size_t vocabulary, float gap)
{
  Loss s = {.rows = 9, .vocabulary = vocabulary};
  Case *c = loss_case (check, FILL_ZERO, &s);
  const gint32 *targets = (const gint32 *) (case_image (c) + s.targets);

  for (size_t i = 0; i < s.rows; i++)
    if (targets[i] >= 0)
      AT (case_image (c), s.logits)[i * vocabulary + targets[i]] = gap;
  for (guint i = 0; i < check->targets->len; i++) {
    const Target *target = g_ptr_array_index (check->targets, i);
    g_autofree char *result = case_result (c, target, run_loss, &s);

    for (size_t j = 0; j < s.rows; j++)
      if (AT (result, s.loss)[j] != 0.0f)
        check_failed (check, target, case_title (c),
            "loss[%zu] is %g, not exactly 0 for a gap of %g", j,
            AT (result, s.loss)[j], gap);
  }
  case_free (c);
}

void
check_cross_entropy (Check *check)
{
  for (int i = 0; i < ROUNDS; i++) {
    Loss s = {
        .rows = check_size (check, 0, i % 8 ? 40 : 900),
        .vocabulary = vocabulary_of (check, i),
    };
    Case *c = loss_case (check, i % FILL_KINDS, &s);

    case_run (c, run_loss, &s, magnitude_loss);
    case_free (c);
  }
  /* What rounds to zero must be zero, for such entries leave the mean. */
  check_gap (check, 2, 17.f);
  check_gap (check, 257, 23.f);
  check_gap (check, 257, 1000.f);
}

void
bench_cross_entropy (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (logits_shapes); i++) {
    RowsShape r = logits_shapes[i];
    Loss s = {.rows = r.rows, .vocabulary = r.width};
    Case *c = loss_case (check, FILL_RANDOM, &s);

    case_bench (c, run_loss, &s, 4.0 * r.rows * r.width, 0.0);
    case_free (c);
  }
}

/* ------------------------------------------------------------------------- */
/* Cross entropy and its gradient                                            */
/* ------------------------------------------------------------------------- */

typedef struct {
  Loss loss; /* its logits, targets and loss too */
  bool has_weight, in_place;
  size_t weight, d_logits; /* offsets */
} LossBack;

static void
run_loss_back (const Target *t, char *memory, const void *data)
{
  const LossBack *s = data;

  t->table->cross_entropy_backward (t->queue,
      &(MblmCrossEntropyBackward){
          .forward = {s->loss.rows, s->loss.vocabulary,
              AT (memory, s->loss.logits),
              (const int32_t *) (memory + s->loss.targets),
              AT (memory, s->loss.loss)},
          .weight = s->has_weight ? AT (memory, s->weight) : NULL,
          .d_logits = AT (memory, s->d_logits),
      });
}

static Case *
loss_back_case (Check *check, Fill fill, LossBack *s)
{
  size_t rows = s->loss.rows, vocabulary = s->loss.vocabulary;
  Case *c = loss_case (check, fill, &s->loss);

  if (s->has_weight)
    s->weight = case_input (c, 1, rows, rows, -4.f, 4.f);
  s->d_logits = s->loss.logits;
  if (s->in_place)
    case_in_place (
        c, "d_logits", s->d_logits, rows, vocabulary, vocabulary, vocabulary);
  else
    s->d_logits = case_output (
        c, "d_logits", rows, vocabulary, vocabulary, vocabulary);
  return c;
}

/* An exponential's argument is rounded. Near a loss of zero one may have found
 * zero, and no gradient, and the other not. */
static void
magnitude_loss_back (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const LossBack *s = data;
  size_t n = s->loss.vocabulary;

  if (output->offset == s->loss.loss) {
    magnitude_loss (c, output, &s->loss, after, magnitude);
    return;
  }
  for (size_t i = 0; i < s->loss.rows; i++) {
    const float *x = AT (case_image (c), s->loss.logits) + i * n;
    int32_t target = ((int32_t *) (case_image (c) + s->loss.targets))[i];
    double weight = s->has_weight ? AT (case_image (c), s->weight)[i] : 1.0;
    double max = -HUGE_VAL, sum = 0.0;

    for (size_t v = 0; v < n; v++)
      max = fmax (max, x[v]);
    for (size_t v = 0; v < n; v++)
      sum += exp (x[v] - max);
    for (size_t v = 0; v < n && target >= 0; v++) {
      double p = exp (x[v] - max) / sum + UNDERFLOW_MAGNITUDE;
      bool near_zero = AT (after, s->loss.loss)[i] < 1e-6f;

      magnitude[i * n + v] = fabs (weight) *
          (p * (1.0 + (max - x[v]) / 4.0) + (v == (size_t) target) + near_zero);
    }
  }
}

/* As check_gap: no gradient at all, whatever the weight. */
static void
check_gap_back (Check *check, size_t vocabulary, float gap)
{
  LossBack s = {.loss = {.rows = 9, .vocabulary = vocabulary}};
  Case *c = loss_back_case (check, FILL_ZERO, &s);
  const gint32 *targets = (const gint32 *) (case_image (c) + s.loss.targets);

  for (size_t i = 0; i < s.loss.rows; i++)
    if (targets[i] >= 0)
      AT (case_image (c), s.loss.logits)[i * vocabulary + targets[i]] = gap;
  for (guint i = 0; i < check->targets->len; i++) {
    const Target *target = g_ptr_array_index (check->targets, i);
    g_autofree char *result = case_result (c, target, run_loss_back, &s);

    for (size_t j = 0; j < s.loss.rows * vocabulary; j++)
      if (AT (result, s.d_logits)[j] != 0.0f)
        check_failed (check, target, case_title (c),
            "d_logits[%zu] is %g, not 0 for a gap of %g", j,
            AT (result, s.d_logits)[j], gap);
  }
  case_free (c);
}

void
check_cross_entropy_backward (Check *check)
{
  for (int i = 0; i < 2 * ROUNDS; i++) {
    LossBack s = {
        .loss = {.rows = check_size (check, 0, i % 8 ? 40 : 900),
            .vocabulary = vocabulary_of (check, i)},
        .has_weight = check_coin (check),
        .in_place = check_coin (check),
    };
    Case *c = loss_back_case (check, i % FILL_KINDS, &s);

    case_run (c, run_loss_back, &s, magnitude_loss_back);
    case_free (c);
  }
  check_gap_back (check, 2, 17.f);
  check_gap_back (check, 257, 23.f);
}

void
bench_cross_entropy_backward (Check *check)
{
  static const RowsShape shapes[] = {{1024, 257}, {8192, 257}};

  for (size_t i = 0; i < G_N_ELEMENTS (shapes); i++) {
    RowsShape r = shapes[i];
    LossBack s = {.loss = {.rows = r.rows, .vocabulary = r.width}};
    Case *c = loss_back_case (check, FILL_RANDOM, &s);

    case_bench (c, run_loss_back, &s, 8.0 * r.rows * r.width, 0.0);
    case_free (c);
  }
}

/* ------------------------------------------------------------------------- */
/* Sampling                                                                  */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t rows, vocabulary;
  bool has_allowed;
  float temperature, top_p, min_p;
  guint32 top_k;
  size_t logits, allowed, uniform, ids; /* offsets */
} Sample;

static void
run_sample (const Target *t, char *memory, const void *data)
{
  const Sample *s = data;

  t->table->sample (t->queue,
      &(MblmSample){
          .rows = s->rows,
          .vocabulary = s->vocabulary,
          .logits = AT (memory, s->logits),
          .allowed = s->has_allowed ? (uint8_t *) memory + s->allowed : NULL,
          .temperature = s->temperature,
          .top_p = s->top_p,
          .min_p = s->min_p,
          .top_k = s->top_k,
          .uniform = AT (memory, s->uniform),
          .ids = (int32_t *) (memory + s->ids),
      });
}

static Case *
sample_case (Check *check, Fill fill, double allowed, Sample *s)
{
  Case *c = case_new (check, fill,
      "rows %zu, vocabulary %zu, temperature %g, top_k %u, top_p %g, min_p %g",
      s->rows, s->vocabulary, s->temperature, s->top_k, s->top_p, s->min_p);

  s->logits = case_input (
      c, s->rows, s->vocabulary, s->vocabulary, -1e4f, 1e4f);
  if (s->has_allowed)
    s->allowed = case_mask (c, s->vocabulary, allowed);
  s->uniform = case_input (c, 1, s->rows, s->rows, 0.f, 0.99999994f);
  for (size_t i = 0; i < s->rows && fill == FILL_RANDOM; i++)
    AT (case_image (c), s->uniform)
  [i] = (float) g_rand_double_range (check->rand, 0.0, 0.9999);
  s->ids = case_ids_output (c, "ids", s->rows);
  return c;
}

static float
one_of (Check *check, const float *values, int count)
{
  return values[g_rand_int_range (check->rand, 0, count)];
}

void
check_sample (Check *check)
{
  static const float temperatures[] = {0.f, 1e-3f, 0.7f, 1.f, 1.f, 100.f};
  static const float top_ps[] = {0.f, 0.1f, 0.5f, 0.9f, 1.f, 1.f};
  static const float min_ps[] = {0.f, 0.f, 0.05f, 0.5f, 1.f};

  for (int i = 0; i < 4 * ROUNDS; i++) {
    Sample s = {
        .rows = check_size (check, 0, 40),
        .vocabulary = vocabulary_of (check, i),
        .has_allowed = check_coin (check),
        .temperature = one_of (
            check, temperatures, G_N_ELEMENTS (temperatures)),
        .top_p = one_of (check, top_ps, G_N_ELEMENTS (top_ps)),
        .min_p = one_of (check, min_ps, G_N_ELEMENTS (min_ps)),
        .top_k = check_coin (check) ? 0 : check_size (check, 0, 400),
    };
    Case *c = sample_case (check, i % FILL_KINDS, i % 7 ? 0.5 : 0.0, &s);

    case_run (c, run_sample, &s, NULL);
    case_free (c);
  }
}

/* ------------------------------------------------------------------------- */
/* What the host is told                                                     */
/* ------------------------------------------------------------------------- */

/* Draws from row `first` and the following ones, and tells. */
static void
tell_rows (const Target *t, char *memory, const Sample *s, size_t first,
    size_t rows, bool draws)
{
  t->table->sample (t->queue,
      &(MblmSample){
          .rows = rows,
          .vocabulary = s->vocabulary,
          .logits = AT (memory, s->logits) + first * s->vocabulary,
          .temperature = s->temperature,
          .uniform = AT (memory, s->uniform) + first,
          .ids = draws ? (int32_t *) (memory + s->ids) + first : NULL,
          .tells = true,
      });
}

/* The logits that the image has, and the ids that were drawn. */
static bool
is_told (const Target *t, const Case *c, const Sample *s, const int32_t *drawn,
    size_t first, size_t rows, bool draws)
{
  g_autofree float *logits = g_new (float, rows * s->vocabulary);
  g_autofree int32_t *ids = g_new (int32_t, rows);

  return t->table->sample_told (t->queue, logits, ids) == MBLM_STATUS_OK &&
      memcmp (logits, AT (case_image (c), s->logits) + first * s->vocabulary,
          rows * s->vocabulary * sizeof (float)) == 0 &&
      (!draws || memcmp (ids, drawn + first, rows * sizeof (int32_t)) == 0);
}

typedef struct {
  Check *check;
  const Case *c;
  const Sample *s;
  size_t each; /* rows of a sample */
  size_t lost; /* samples that are forgotten */
} Telling;

/* More samples than are outstanding at once, so that slots are used again. The last
 * one draws nothing. */
static void
run_telling (const Target *t, char *memory, const void *data)
{
  const Telling *self = data;
  const Sample *s = self->s;
  size_t n = s->rows / self->each;
  g_autofree int32_t *drawn = g_new (int32_t, s->rows);

  for (size_t i = 0; i < self->lost; i++)
    tell_rows (t, memory, s, 0, self->each, true);
  t->table->sample_told (t->queue, NULL, NULL);
  for (size_t begin = 0; begin < n; begin += MBLM_MOST_TOLD) {
    size_t end = MIN (n, begin + MBLM_MOST_TOLD);

    for (size_t i = begin; i < end; i++)
      tell_rows (t, memory, s, i * self->each, self->each, i + 1 < n);
    t->table->download (
        t->queue, drawn, memory + s->ids, s->rows * sizeof (int32_t));
    for (size_t i = begin; i < end; i++)
      if (!is_told (
              t, self->c, s, drawn, i * self->each, self->each, i + 1 < n))
        check_failed (self->check, t, case_title (self->c),
            "sample %zu of %zu tells something else", i, n);
  }
}

static void
check_telling (Check *check, size_t n, size_t each, float temperature)
{
  Sample s = {.rows = n * each,
      .vocabulary = check_size (check, 1, 300),
      .temperature = temperature,
      .top_p = 1.f};
  Case *c = sample_case (check, FILL_RANDOM, 1.0, &s);
  Telling telling = {check, c, &s, each, check_size (check, 0, MBLM_MOST_TOLD)};

  for (guint i = 0; i < check->targets->len; i++) {
    const Target *target = g_ptr_array_index (check->targets, i);

    if (target->table->sample_told)
      g_free (case_result (c, target, run_telling, &telling));
  }
  case_free (c);
}

void
check_sample_told (Check *check)
{
  for (int i = 0; i < 8; i++)
    check_telling (check, check_size (check, 1, 150), check_size (check, 1, 3),
        i % 2 ? 1.f : 0.f);
}

void
bench_sample (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (logits_shapes); i++) {
    RowsShape r = logits_shapes[i];
    Sample s = {.rows = r.rows,
        .vocabulary = r.width,
        .temperature = 1.f,
        .top_p = 0.9f};
    Case *c = sample_case (check, FILL_RANDOM, 1.0, &s);

    case_bench (c, run_sample, &s, 4.0 * r.rows * r.width, 0.0);
    case_free (c);
  }
}
