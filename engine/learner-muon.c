/* learner-muon.c: steps of matrices whose singular values are all alike.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Muon: the momentum of a matrix's gradient, G, is replaced by the nearest
 * matrix whose singular values are about 1, so that directions that are rare in
 * the data are learned as fast as the frequent ones. With X = G / |G|, five times
 *
 *   X = (a I + b X X^T + c (X X^T)^2) X
 *
 * brings singular values from 0.01 to 1 to between 0.7 and 1.2 (the coefficients
 * are K. Jordan's); X^T X on the other side where there are more rows than
 * columns. The entries of the step are then, in the mean, 0.6 times the learning
 * rate: those of Adam's steps are 0.2 to 0.4, as J. Liu et al. have found
 * (arXiv 2502.16982), so one rate serves both; 0.6 learned faster than 0.2 and 1.5
 * (docs/results/scene-model.md).
 *
 * Here X is kept times the fourth root of c, which makes c (X X^T)^2 a plain
 * product.
 */

#include "learner-private.h"

#include <math.h>

#define MOMENTUM 0.95
#define TURNS 5
#define A 3.4445
#define B (-4.7750)
#define C 2.0315
#define LENGTH 0.6

/* Matrices inside the model: neither tables nor what makes logits. */
gboolean
learner_is_muons (MblmLearner *self, const MblmParameter *p)
{
  return self->options.optimizer == MBLM_OPTIMIZER_MUON && p->matrix != NULL &&
      !p->is_table && p->matrix != &self->model->to_logits;
}

static void
add_scaled (MblmRun *run, gsize n, float *x, const float *y, double scale)
{
  run->k->add_scaled (run->q,
      &(MblmAddScaled){.count = n, .x = x, .y = y, .scale = (float) scale});
}

/* m and the gradient of parameter i, times `scale`, to the next m and, where the
 * gradient was, G times any number. */
static void
advance_momentum (MblmLearner *self, guint i, float *gradient, double scale)
{
  gsize n = learner_parameter (self->model, i)->n_elements;
  gsize bytes = n * sizeof (float);
  MblmRun *run = &self->run;
  MblmRunMark mark = mblm_run_mark (run);
  gboolean on_host = self->window != NULL;
  float *m = on_host ? mblm_run_floats (run, n) : self->m[i];
  /* of scale 0 is a gradient that is zero */
  double fresh = (1 - MOMENTUM) * (scale != 0 ? scale : 1);

  if (m != NULL) {
    if (on_host)
      run->k->copy (run->q, m, self->m[i], bytes);
    add_scaled (run, n, m, m, MOMENTUM - 1);
    add_scaled (run, n, m, gradient, fresh);
    add_scaled (run, n, gradient, m, MOMENTUM / fresh);
    if (on_host)
      run->k->copy (run->q, self->m[i], m, bytes);
  }
  mblm_run_release (run, mark);
}

/* What a matrix of [rows, cols] is worked on with, its small side `side`. */
typedef struct {
  MblmRun *run;
  gsize rows, cols, side;
  float *x, *next;         /* [rows, cols] */
  float *square, *factors; /* [side, side] */
  float *diagonal;         /* [1] */
} Turn;

/* square = X X^T, or X^T X */
static void
make_square (const Turn *t)
{
  MblmRun *run = t->run;
  MblmLinear product = {.rows = t->rows,
      .weight = {t->x, MBLM_TYPE_F32, t->side, t->cols},
      .x = t->x,
      .x_stride = t->cols,
      .out = t->square,
      .out_stride = t->side,
      .product = run->product};

  if (t->rows == t->side) {
    run->k->linear (run->q, &product);
    return;
  }
  run->k->zero (run->q, t->square, t->side * t->side * sizeof (float));
  run->k->linear_backward (run->q,
      &(MblmLinearBackward){.forward = product,
          .d_out = t->x,
          .d_out_stride = t->cols,
          .d_weight = t->square});
}

/* factors = a I + b / sqrt (c) square + square^2 */
static void
make_factors (const Turn *t)
{
  MblmRun *run = t->run;
  gsize n = t->side * t->side;

  run->k->zero (run->q, t->factors, n * sizeof (float));
  add_scaled (run, n, t->factors, t->square, B / sqrt (C));
  run->k->add (run->q,
      &(MblmAdd){.batch = t->side,
          .width = 1,
          .x = t->factors,
          .x_stride = t->side + 1,
          .y = t->diagonal});
  run->k->linear (run->q,
      &(MblmLinear){.rows = t->side,
          .weight = {t->square, MBLM_TYPE_F32, t->side, t->side},
          .x = t->square,
          .x_stride = t->side,
          .residual = t->factors,
          .out = t->factors,
          .out_stride = t->side,
          .product = run->product});
}

/* next = factors X, or X factors */
static void
multiply (const Turn *t)
{
  MblmRun *run = t->run;
  MblmLinear product = {.rows = t->rows,
      .weight = {t->factors, MBLM_TYPE_F32, t->side, t->side},
      .x = t->x,
      .x_stride = t->cols,
      .out = t->next,
      .out_stride = t->cols,
      .product = run->product};

  if (t->rows != t->side) {
    run->k->linear (run->q, &product);
    return;
  }
  product.weight = (MblmMatrix){t->x, MBLM_TYPE_F32, t->rows, t->cols};
  product.x = NULL;
  run->k->linear_backward (run->q,
      &(MblmLinearBackward){.forward = product,
          .d_out = t->factors,
          .d_out_stride = t->side,
          .d_x = t->next,
          .d_x_stride = t->cols});
}

/* weight -= rate times what G, of the norm `norm`, becomes */
static void
step_matrix (MblmLearner *self, const MblmParameter *p, const float *g,
    double norm, double rate)
{
  MblmRun *run = &self->run;
  gsize rows = p->shape[0], cols = p->shape[1], side = MIN (rows, cols);
  gsize n = rows * cols;
  double root = pow (C, 0.25);
  float a = (float) A;
  MblmRunMark mark = mblm_run_mark (run);
  Turn t = {run, rows, cols, side, .x = mblm_run_floats (run, n),
      .next = mblm_run_floats (run, n),
      .square = mblm_run_floats (run, side * side),
      .factors = mblm_run_floats (run, side * side),
      .diagonal = mblm_run_floats (run, 1)};

  if (!run->failed) {
    run->k->upload (run->q, t.diagonal, &a, sizeof a);
    run->k->zero (run->q, t.x, n * sizeof (float));
    add_scaled (run, n, t.x, g, root / norm);
    for (guint turn = 0; turn < TURNS; turn++) {
      float *x = t.x;

      make_square (&t);
      make_factors (&t);
      multiply (&t);
      t.x = t.next;
      t.next = x;
    }
    add_scaled (run, n, mblm_parameter_get_data (p), t.x,
        -rate * LENGTH * sqrt (MAX (rows, cols)) / root);
  }
  mblm_run_release (run, mark);
}

/* The norms of all G, which is what the host has to wait for. */
static gboolean
find_norms (
    MblmLearner *self, MblmModel *gradient, double *norms, GError **error)
{
  guint n = learner_n_parameters (self);
  MblmRun *run = &self->run;
  MblmRunMark mark = mblm_run_mark (run);
  double *sums = (double *) mblm_run_floats (run, 2 * n);

  if (sums != NULL) {
    run->k->zero (run->q, sums, n * sizeof *sums);
    for (guint i = 0; i < n; i++) {
      const MblmParameter *p = learner_parameter (gradient, i);

      if (p != NULL &&
          learner_is_muons (self, learner_parameter (self->model, i)))
        run->k->sum_squares (run->q,
            &(MblmSumSquares){.count = p->n_elements,
                .x = mblm_parameter_get_data (p),
                .sum = sums + i});
    }
    run->k->download (run->q, norms, sums, n * sizeof *norms);
  }
  mblm_run_release (run, mark);
  return mblm_run_check (run, error) && mblm_run_wait (run, error);
}

gboolean
learner_step_muon (MblmLearner *self, MblmModel *gradient, double scale,
    double rate, GError **error)
{
  guint n = learner_n_parameters (self);
  g_autofree double *norms = g_new0 (double, n);

  for (guint i = 0; i < n; i++) {
    const MblmParameter *p = learner_parameter (self->model, i);

    if (p != NULL && learner_is_muons (self, p))
      advance_momentum (self, i,
          mblm_parameter_get_data (learner_parameter (gradient, i)), scale);
  }
  if (!find_norms (self, gradient, norms, error))
    return FALSE;
  for (guint i = 0; i < n; i++)
    if (norms[i] > 0)
      step_matrix (self, learner_parameter (self->model, i),
          mblm_parameter_get_data (learner_parameter (gradient, i)),
          sqrt (norms[i]), rate);
  return mblm_run_check (&self->run, error);
}
