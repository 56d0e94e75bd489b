/* test-muon.c: steps of Muon, and of Adam beside it.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The steps are computed again here, in double and as the papers write them: no
 * scaled X, no product that serves as another.
 */

#include <math.h>
#include <string.h>

#include "fresh.h"
#include "golden.h"
#include "learner-load.h"
#include "learner-private.h"

#define TOKENS 9
#define LENGTH (8 * TOKENS - 3)
#define RATE 0.01

/* Distance of two steps as a share of a step's length. What rounding adds to a
 * direction that the gradient hardly has is made as large as the others. */
#define SAME_LIMIT 1e-4
#define ROUNDED_LIMIT 0.5

/* ------------------------------------------------------------------------- */
/* What is expected                                                          */
/* ------------------------------------------------------------------------- */

/* out [n, m] = x [n, k] y [k, m] */
static void
multiply (
    double *out, const double *x, const double *y, gsize n, gsize k, gsize m)
{
  memset (out, 0, n * m * sizeof *out);
  for (gsize i = 0; i < n; i++)
    for (gsize j = 0; j < k; j++)
      for (gsize l = 0; l < m; l++)
        out[i * m + l] += x[i * k + j] * y[j * m + l];
}

static void
transpose (double *out, const double *x, gsize rows, gsize cols)
{
  for (gsize i = 0; i < rows; i++)
    for (gsize j = 0; j < cols; j++)
      out[j * rows + i] = x[i * cols + j];
}

/* x [rows, cols] <- a x + b (x x^T) x + c (x x^T)^2 x, five times, from norm 1. */
static void
orthogonalise (double *x, gsize rows, gsize cols)
{
  g_autofree double *t = g_new (double, rows *cols);
  g_autofree double *square = g_new (double, rows *rows);
  g_autofree double *first = g_new (double, rows *cols);
  g_autofree double *second = g_new (double, rows *cols);
  double norm = 0;

  for (gsize i = 0; i < rows * cols; i++)
    norm += x[i] * x[i];
  for (gsize i = 0; i < rows * cols; i++)
    x[i] /= sqrt (norm);
  for (guint turn = 0; turn < 5; turn++) {
    transpose (t, x, rows, cols);
    multiply (square, x, t, rows, cols, rows);
    multiply (first, square, x, rows, rows, cols);
    multiply (second, square, first, rows, rows, cols);
    for (gsize i = 0; i < rows * cols; i++)
      x[i] = 3.4445 * x[i] - 4.7750 * first[i] + 2.0315 * second[i];
  }
}

/* The step of a matrix with gradient `g`, by which its momentum `m` goes on; what is
 * taken from the weights. Its short side comes first here. */
static double *
expect_step (const MblmParameter *p, const float *g, double *m)
{
  gsize rows = p->shape[0], cols = p->shape[1], n = rows * cols;
  double *x = g_new (double, n);
  double length = RATE * 0.6 * sqrt (MAX (rows, cols));

  for (gsize i = 0; i < n; i++) {
    m[i] = 0.95 * m[i] + 0.05 * g[i];
    x[i] = 0.95 * m[i] + 0.05 * g[i];
  }
  if (rows > cols) {
    g_autofree double *t = g_new (double, n);

    transpose (t, x, rows, cols);
    orthogonalise (t, cols, rows);
    transpose (x, t, cols, rows);
  } else {
    orthogonalise (x, rows, cols);
  }
  for (gsize i = 0; i < n; i++)
    x[i] *= length;
  return x;
}

/* ------------------------------------------------------------------------- */
/* Steps                                                                     */
/* ------------------------------------------------------------------------- */

/* Tensor i of a model of the learner's, times `scale`. */
static float *
read_tensor (MblmLearner *learner, MblmModel *model, guint i, double scale)
{
  const MblmParameter *p = learner_parameter (model, i);
  g_autoptr (GError) error = NULL;
  float *x = g_new (float, p->n_elements);

  learner->run.k->download (learner->run.q, x, mblm_parameter_get_data (p),
      p->n_elements * sizeof (float));
  mblm_run_wait (&learner->run, &error);
  g_assert_no_error (error);
  for (gsize k = 0; k < p->n_elements; k++)
    x[k] *= scale;
  return x;
}

static float **
read_tensors (MblmLearner *learner, MblmModel *model, double scale)
{
  guint n = learner_n_parameters (learner);
  float **all = g_new0 (float *, n + 1);

  for (guint i = 0; i < n; i++)
    all[i] = learner_parameter (model, i) != NULL
        ? read_tensor (learner, model, i, scale)
        : g_new0 (float, 1);
  return all;
}

static void
free_tensors (float **all)
{
  g_strfreev ((char **) all);
}

static void
accumulate (MblmLearner *learner, guint step)
{
  g_autofree gint32 *ids = fresh_ids (LENGTH, 7 + step);
  g_autoptr (GError) error = NULL;
  double loss;

  mblm_learner_accumulate (learner,
      &(MblmLearnerBatch){.batch = 1, .length = LENGTH, .ids = ids}, 1, step,
      &loss, NULL, &error);
  g_assert_no_error (error);
}

static void
take_step (MblmLearner *learner)
{
  g_autoptr (GError) error = NULL;

  mblm_learner_step (learner, RATE, 0, 1, &error);
  g_assert_no_error (error);
}

/* Whether `after` is `before` less `step`. */
static void
compare_step (const char *name, gsize n, const float *before,
    const float *after, const double *step, double limit)
{
  double off = 0, square = 0;

  for (gsize i = 0; i < n; i++) {
    off += pow ((double) before[i] - after[i] - step[i], 2);
    square += step[i] * step[i];
  }
  g_test_message ("%s: %g", name, sqrt (off / square));
  g_assert_cmpfloat (sqrt (off), <, limit * sqrt (square));
}

/* Three steps of a model: those of matrices as expected; of the rest, to the bit,
 * those of Adam. */
static void
check_steps (const char *path, const char *device, MblmLearnerOptions options,
    double limit)
{
  g_autoptr (MblmLearner) adam = learner_load (path, device, options);
  options.optimizer = MBLM_OPTIMIZER_MUON;
  g_autoptr (MblmLearner) muon = learner_load (path, device, options);
  guint n = learner_n_parameters (muon), square = 0, wide = 0, tall = 0;
  g_autofree double **m = g_new0 (double *, n + 1);

  muon->window_size = adam->window_size = 101;
  for (guint step = 0; step < 3; step++) {
    double scale;

    accumulate (adam, step);
    accumulate (muon, step);
    MblmModel *gradient = learner_gradient (muon, &scale);
    float **g = read_tensors (muon, gradient, scale);
    float **before = read_tensors (muon, muon->model, 1);

    take_step (adam);
    take_step (muon);
    float **after = read_tensors (muon, muon->model, 1);
    float **adams = read_tensors (adam, adam->model, 1);
    for (guint i = 0; i < n; i++) {
      const MblmParameter *p = learner_parameter (muon->model, i);

      if (p == NULL)
        continue;
      if (!learner_is_muons (muon, p)) {
        /* later on the gradients differ */
        if (step == 0)
          g_assert_cmpmem (after[i], p->n_elements * sizeof (float), adams[i],
              p->n_elements * sizeof (float));
        continue;
      }
      if (m[i] == NULL)
        m[i] = g_new0 (double, p->n_elements);
      g_autofree double *expected = expect_step (p, g[i], m[i]);
      compare_step (
          p->name, p->n_elements, before[i], after[i], expected, limit);
      square += p->shape[0] == p->shape[1];
      wide += p->shape[0] < p->shape[1];
      tall += p->shape[0] > p->shape[1];
    }
    free_tensors (g);
    free_tensors (before);
    free_tensors (after);
    free_tensors (adams);
  }
  g_assert_true (wide > 0 && tall > 0);
  g_test_message ("%u square, %u wide, %u tall", square, wide, tall);
  for (guint i = 0; i < n; i++)
    g_free (m[i]);
}

static void
test_steps (gconstpointer device)
{
  static const char *const blocks[] = {
      FRESH_TRANSFORMER, FRESH_MAMBA2, FRESH_MAMBA1};
  char *folder = fresh_folder ();

  for (guint i = 0; i < G_N_ELEMENTS (blocks); i++) {
    g_autofree char *name = g_strdup_printf ("%u", i);
    g_autofree char *path = fresh_model (
        folder, name, TOKENS, blocks[i], "fixed");

    check_steps (path, device,
        (MblmLearnerOptions){.precision = MBLM_PRECISION_F32}, SAME_LIMIT);
    check_steps (path, device,
        (MblmLearnerOptions){
            .precision = MBLM_PRECISION_F32, .host_moments = TRUE},
        SAME_LIMIT);
    check_steps (path, device,
        (MblmLearnerOptions){.precision = MBLM_PRECISION_BF16}, ROUNDED_LIMIT);
  }
  fresh_remove (folder);
}

/* A gradient of zeros moves nothing, and leaves no NaN. */
static void
test_zero (gconstpointer device)
{
  char *folder = fresh_folder ();
  g_autofree char *path = fresh_model (
      folder, "zero", TOKENS, FRESH_TRANSFORMER, "fixed");
  g_autoptr (MblmLearner) learner = learner_load (
      path, device, (MblmLearnerOptions){.optimizer = MBLM_OPTIMIZER_MUON});
  float **before = read_tensors (learner, learner->model, 1);

  take_step (learner);
  float **after = read_tensors (learner, learner->model, 1);
  for (guint i = 0; i < learner_n_parameters (learner); i++) {
    const MblmParameter *p = learner_parameter (learner->model, i);

    if (p != NULL)
      g_assert_cmpmem (before[i], p->n_elements * sizeof (float), after[i],
          p->n_elements * sizeof (float));
  }
  free_tensors (before);
  free_tensors (after);
  fresh_remove (folder);
}

int
main (int argc, char **argv)
{
  g_auto (GStrv) devices = golden_get_devices ();

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; devices[i] != NULL; i++) {
    g_autofree char *steps = g_strdup_printf ("/steps/%s", devices[i]);
    g_autofree char *zero = g_strdup_printf ("/zero/%s", devices[i]);

    g_test_add_data_func (steps, devices[i], test_steps);
    g_test_add_data_func (zero, devices[i], test_zero);
  }
  return g_test_run ();
}
