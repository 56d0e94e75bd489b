/* backward.h: what the checks of the gradients of sequences share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "check.h"

/* ------------------------------------------------------------------------- */
/* What sequences carry                                                      */
/* ------------------------------------------------------------------------- */

/* The gradient of what is carried on is given for the kinds that carry on. */
typedef struct {
  CarryBuffers forward;
  bool has_to, has_from;
  size_t batch;
  size_t d_to[CARRY_MOST], d_from[CARRY_MOST]; /* offsets */
} CarryGradients;

typedef struct {
  CarryPointers forward;
  MblmCarryGradient gradient;
  const float *to[CARRY_MOST];
  float *from[CARRY_MOST];
} GradientPointers;

bool carry_is_shared (const CarryGradients *carry);
/* Adds the buffers: what is carried in, -high .. high as all, and the gradients
 * of either end. */
void case_carry_gradients (Case *c, CarryGradients *carry, CarryKind kind,
    size_t batch, size_t size, float high, size_t terms);
const GradientPointers *carry_gradients_at (
    char *memory, const CarryGradients *carry, GradientPointers *pointers);

/* ------------------------------------------------------------------------- */
/* Outputs that are added to                                                 */
/* ------------------------------------------------------------------------- */

/* A contiguous buffer of numbers to which the operation adds. */
size_t case_added_to (
    Case *c, const char *name, size_t rows, size_t width, size_t terms);
/* Where `output` is the one at `offset`: its magnitude is that of `from`, and of
 * what it was in `before`, where that is given. */
void take_magnitude (const Output *output, size_t offset, const double *from,
    char *before, double *magnitude);
/* The same for the gradients of what came in, `from` [batch, size]. */
void take_carry_magnitude (const CarryGradients *carry, const Output *output,
    size_t size, const double *from, char *before, double *magnitude);

/* ------------------------------------------------------------------------- */
/* Lines of a state                                                          */
/* ------------------------------------------------------------------------- */

/* A *line* is the part of a state, [state], of one channel; lines don't touch
 * each other. The magnitudes of all gradients follow from the recurrences of a
 * line and of its gradient, in absolute values. */

/* A step's dt and decay, from the number before the softplus. */
typedef struct {
  double dt, decay, rate;
  double slope;       /* of the softplus */
  double dt_error;    /* relative, of dt and of the slope */
  double decay_error; /* relative; in units of the rounding error */
} Step;

Step step_of (double raw, double a_log);

/* The inputs of a line of one sequence and where the magnitudes go; of arrays
 * of rows, row t is at [t * stride]. */
typedef struct {
  size_t rows, state;
  const float *x, *b, *c; /* b and c [rows, state] */
  size_t x_stride, bc_stride;
  const double *g;   /* [rows]: of the sum over the state */
  const Step *steps; /* [rows, state] */
  const float *from; /* [state] or NULL */
  const float *d_to; /* [state] or NULL */
  double *d_input;   /* [rows]: of dt x */
  double *d_dt;      /* [rows], += */
  double *d_b, *d_c; /* [rows, state], += */
  double *d_a_log;   /* [state], += */
  double *sum;       /* [rows]: the state times c */
  double *d_from;    /* [state], += */
} Line;

void line_backward (const Line *line);
