/* gradients-scans.c: the gradients of convolution and scans.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The loss is sum (out * d_out) + sum (carried on * its gradient). Gradients of
 * activations lie as the activations do, so that the space between rows must
 * stay zero.
 */

#include "gradients.h"

#include <string.h>

#define SEQUENCES 4 /* at most, of a batch */
#define GAP 3       /* between the parts of rows */

/* ------------------------------------------------------------------------- */
/* What sequences carry                                                      */
/* ------------------------------------------------------------------------- */

typedef enum {
  START_ZERO = 0,
  START_OWN = 1,
  START_SHARED = 2,
  LEAVES = 4, /* the gradient of what is carried on is given */
} CarryFlags;

typedef struct {
  size_t batch, size;
  CarryFlags flags;
  float *from[SEQUENCES], *to[SEQUENCES];
  float *d_from[SEQUENCES], *d_to[SEQUENCES];
} Carry;

static Carry *
carry_new (size_t batch, size_t size, CarryFlags flags)
{
  Carry *carry = g_new0 (Carry, 1);

  *carry = (Carry){.batch = batch, .size = size, .flags = flags};
  for (size_t b = 0; b < batch; b++) {
    carry->from[b] = gradient_floats (size, 1.0f);
    carry->to[b] = g_new0 (float, size + 1);
    carry->d_from[b] = g_new0 (float, size + 1);
    carry->d_to[b] = gradient_floats (size, 1.0f);
  }
  return carry;
}

static void
carry_free (Carry *carry)
{
  for (size_t b = 0; b < carry->batch; b++) {
    g_free (carry->from[b]);
    g_free (carry->to[b]);
    g_free (carry->d_from[b]);
    g_free (carry->d_to[b]);
  }
  g_free (carry);
}

static MblmCarry
carry_forward (Carry *carry)
{
  bool starts = carry->flags & (START_OWN | START_SHARED);

  return (MblmCarry){
      .from = starts ? (const float *const *) carry->from : NULL,
      .to = carry->to,
      .shared = carry->flags & START_SHARED,
  };
}

static MblmCarryGradient
carry_gradient (Carry *carry)
{
  bool starts = carry->flags & (START_OWN | START_SHARED);

  return (MblmCarryGradient){
      .to = carry->flags & LEAVES ? (const float *const *) carry->d_to : NULL,
      .from = starts ? carry->d_from : NULL,
  };
}

static double
carry_loss (const Carry *carry)
{
  double sum = 0.0;

  for (size_t b = 0; b < carry->batch && carry->flags & LEAVES; b++)
    sum += gradient_dot (carry->to[b], carry->d_to[b], carry->size);
  return sum;
}

static void
carry_check (Carry *carry, GradientLoss loss, void *data)
{
  size_t starts = carry->flags & START_OWN ? carry->batch
      : carry->flags & START_SHARED        ? MIN (1, carry->batch)
                                           : 0;

  for (size_t b = 0; b < starts; b++)
    gradient_check ("carry", loss, data, carry->from[b], carry->d_from[b],
        carry->size, 2e-2f);
}

/* ------------------------------------------------------------------------- */
/* Buffers                                                                   */
/* ------------------------------------------------------------------------- */

/* An input and its gradient, of equal shape. */
typedef struct {
  const char *name;
  float *x, *d, *start; /* [count] */
  size_t count;
  bool adds; /* d starts from `start`, and gets the gradient added */
} Buffer;

static void
buffer_init (Buffer *self, const char *name, size_t count, bool adds)
{
  self->name = name;
  self->count = count;
  self->adds = adds;
  self->x = gradient_floats (count, 1.0f);
  self->start = gradient_floats (count, adds ? 1.0f : 0.0f);
  self->d = g_memdup2 (self->start, (count + 1) * sizeof (float));
}

static void
buffer_clear (Buffer *self)
{
  g_free (self->x);
  g_free (self->start);
  g_free (self->d);
}

static void
buffer_check (Buffer *self, GradientLoss loss, void *data)
{
  for (size_t i = 0; i < self->count; i++)
    self->d[i] -= self->start[i];
  gradient_check (self->name, loss, data, self->x, self->d, self->count, 2e-2f);
}

/* A backward call without its optional outputs leaves the others the same. */
static void
same (const char *name, const float *x, const float *y, size_t count)
{
  if (memcmp (x, y, count * sizeof (float)) != 0)
    g_error ("%s depends on which other gradients are wanted", name);
}

/* ------------------------------------------------------------------------- */
/* Convolution                                                               */
/* ------------------------------------------------------------------------- */

typedef struct {
  MblmConv forward;
  Carry *carry;
  Buffer x, weight, bias;
  float *d_out; /* as out */
} Conv;

static double
conv_loss (void *data)
{
  Conv *self = data;
  const MblmConv *f = &self->forward;
  double sum;

  ref->conv (queue, f);
  sum = carry_loss (self->carry);
  for (size_t row = 0; row < f->batch * f->rows; row++)
    sum += gradient_dot (f->out + row * f->out_stride,
        self->d_out + row * f->out_stride, f->width);
  return sum;
}

static void
conv_init (Conv *self, MblmConv shape, CarryFlags flags, bool bias)
{
  size_t rows = shape.batch * shape.rows;

  shape.x_stride = shape.width + GAP;
  shape.out_stride = shape.width + 2 * GAP;
  buffer_init (&self->x, "x", rows * shape.x_stride, false);
  buffer_init (&self->weight, "weight", shape.width * shape.taps, true);
  buffer_init (&self->bias, "bias", shape.width, true);
  self->carry = carry_new (shape.batch, (shape.taps - 1) * shape.width, flags);
  self->d_out = gradient_floats (rows * shape.out_stride, 1.0f);
  shape.x = self->x.x;
  shape.weight = self->weight.x;
  shape.bias = bias ? self->bias.x : NULL;
  shape.carry = carry_forward (self->carry);
  shape.out = g_new0 (float, rows *shape.out_stride + 1);
  self->forward = shape;
}

static MblmConvBackward
conv_backward (Conv *self)
{
  return (MblmConvBackward){
      .forward = self->forward,
      .d_out = self->d_out,
      .d_out_stride = self->forward.out_stride,
      .d_x = self->x.d,
      .d_x_stride = self->forward.x_stride,
      .d_weight = self->weight.d,
      .d_bias = self->forward.bias ? self->bias.d : NULL,
      .d_carry = carry_gradient (self->carry),
  };
}

static void
check_conv (MblmConv shape, CarryFlags flags, bool bias)
{
  Conv self;
  MblmConvBackward a;

  conv_init (&self, shape, flags, bias);
  a = conv_backward (&self);
  ref->conv_backward (queue, &a);

  g_autofree float *d_x = g_memdup2 (
      self.x.d, (self.x.count + 1) * sizeof (float));
  a.d_weight = a.d_bias = NULL;
  a.d_carry.from = NULL;
  ref->conv_backward (queue, &a);
  same ("d_x", d_x, self.x.d, self.x.count);

  buffer_check (&self.x, conv_loss, &self);
  buffer_check (&self.weight, conv_loss, &self);
  buffer_check (&self.bias, conv_loss, &self);
  carry_check (self.carry, conv_loss, &self);
  buffer_clear (&self.x);
  buffer_clear (&self.weight);
  buffer_clear (&self.bias);
  carry_free (self.carry);
  g_free (self.d_out);
  g_free (self.forward.out);
}

static void
test_conv (void)
{
#define SHAPE(...) ((MblmConv){__VA_ARGS__})
  check_conv (SHAPE (.batch = 1, .rows = 9, .width = 5, .taps = 4), 0, true);
  check_conv (SHAPE (.batch = 2, .rows = 7, .width = 3, .taps = 4),
      START_OWN | LEAVES, true);
  check_conv (SHAPE (.batch = 3, .rows = 5, .width = 4, .taps = 3),
      START_SHARED | LEAVES, false);
  /* shorter than what is carried */
  check_conv (SHAPE (.batch = 2, .rows = 2, .width = 3, .taps = 6),
      START_OWN | LEAVES, true);
  check_conv (SHAPE (.batch = 2, .rows = 1, .width = 2, .taps = 4),
      START_SHARED | LEAVES, true);
  check_conv (SHAPE (.batch = 2, .rows = 0, .width = 2, .taps = 4),
      START_OWN | LEAVES, true);
  check_conv (
      SHAPE (.batch = 2, .rows = 4, .width = 3, .taps = 1), LEAVES, true);
  check_conv (SHAPE (.batch = 0, .rows = 4, .width = 3, .taps = 4), 0, true);
#undef SHAPE
}

/* ------------------------------------------------------------------------- */
/* Mamba-2                                                                   */
/* ------------------------------------------------------------------------- */

typedef struct {
  MblmSsdScan forward;
  Carry *carry;
  Buffer xbc, delta, delta_bias, a_log, skip;
  float *d_y; /* as y */
} Ssd;

static double
ssd_loss (void *data)
{
  Ssd *self = data;
  const MblmSsdScan *f = &self->forward;

  ref->ssd_scan (queue, f);
  return carry_loss (self->carry) +
      gradient_dot (
          f->y, self->d_y, f->batch * f->rows * f->heads * f->head_dim);
}

/* `delta` is added to the biases: above 20 the softplus is the identity. */
static void
ssd_init (Ssd *self, MblmSsdScan shape, CarryFlags flags, float delta)
{
  size_t rows = shape.batch * shape.rows, width = shape.heads * shape.head_dim;

  shape.xbc_stride = width + 2 * shape.state + GAP;
  shape.delta_stride = shape.heads + GAP;
  buffer_init (&self->xbc, "x, b and c", rows * shape.xbc_stride, false);
  buffer_init (&self->delta, "delta", rows * shape.delta_stride, false);
  buffer_init (&self->delta_bias, "delta_bias", shape.heads, true);
  buffer_init (&self->a_log, "a_log", shape.heads, true);
  buffer_init (&self->skip, "skip", shape.heads, true);
  for (size_t h = 0; h < shape.heads; h++) {
    self->delta_bias.x[h] += delta;
    self->a_log.x[h] -= delta > 0.0f ? 3.0f : 0.0f;
  }
  self->carry = carry_new (shape.batch, width * shape.state, flags);
  self->d_y = gradient_floats (rows * width, 1.0f);
  shape.x = self->xbc.x;
  shape.b = shape.x + width;
  shape.c = shape.b + shape.state;
  shape.delta = self->delta.x;
  shape.delta_bias = self->delta_bias.x;
  shape.a_log = self->a_log.x;
  shape.skip = self->skip.x;
  shape.carry = carry_forward (self->carry);
  shape.y = g_new0 (float, rows *width + 1);
  self->forward = shape;
}

static MblmSsdScanBackward
ssd_backward (Ssd *self)
{
  const MblmSsdScan *f = &self->forward;
  float *d_x = self->xbc.d;

  return (MblmSsdScanBackward){
      .forward = *f,
      .d_y = self->d_y,
      .d_x = d_x,
      .d_b = d_x + f->heads * f->head_dim,
      .d_c = d_x + f->heads * f->head_dim + f->state,
      .d_xbc_stride = f->xbc_stride,
      .d_delta = self->delta.d,
      .d_delta_stride = f->delta_stride,
      .d_delta_bias = self->delta_bias.d,
      .d_a_log = self->a_log.d,
      .d_skip = self->skip.d,
      .d_carry = carry_gradient (self->carry),
  };
}

static void
check_ssd (MblmSsdScan shape, CarryFlags flags, float delta)
{
  Ssd self;
  MblmSsdScanBackward a;
  Buffer *buffers[] = {
      &self.xbc, &self.delta, &self.delta_bias, &self.a_log, &self.skip};

  ssd_init (&self, shape, flags, delta);
  a = ssd_backward (&self);
  ref->ssd_scan_backward (queue, &a);

  g_autofree float *d_delta = g_memdup2 (
      self.delta.d, (self.delta.count + 1) * sizeof (float));
  a.d_x = a.d_b = a.d_c = a.d_delta_bias = a.d_a_log = a.d_skip = NULL;
  a.d_carry.from = NULL;
  ref->ssd_scan_backward (queue, &a);
  same ("d_delta", d_delta, self.delta.d, self.delta.count);

  for (size_t i = 0; i < G_N_ELEMENTS (buffers); i++)
    buffer_check (buffers[i], ssd_loss, &self);
  carry_check (self.carry, ssd_loss, &self);
  for (size_t i = 0; i < G_N_ELEMENTS (buffers); i++)
    buffer_clear (buffers[i]);
  carry_free (self.carry);
  g_free (self.d_y);
  g_free (self.forward.y);
}

static void
test_ssd_scan (void)
{
#define SHAPE(B, R, H, P, N)                                                   \
  ((MblmSsdScan){.batch = B, .rows = R, .heads = H, .head_dim = P, .state = N})
  check_ssd (SHAPE (1, 9, 2, 3, 4), 0, 0.0f);
  check_ssd (SHAPE (2, 5, 3, 2, 3), START_OWN | LEAVES, 0.0f);
  check_ssd (SHAPE (3, 4, 2, 3, 5), START_SHARED | LEAVES, 0.0f);
  check_ssd (SHAPE (2, 3, 1, 1, 1), START_SHARED, -2.0f);
  check_ssd (SHAPE (1, 3, 2, 2, 3), START_OWN | LEAVES, 24.0f);
  check_ssd (SHAPE (1, 40, 1, 2, 3), START_OWN | LEAVES, -3.0f);
  check_ssd (SHAPE (2, 0, 2, 3, 4), START_SHARED | LEAVES, 0.0f);
  check_ssd (SHAPE (0, 3, 2, 3, 4), 0, 0.0f);
#undef SHAPE
}

/* ------------------------------------------------------------------------- */
/* Mamba-1                                                                   */
/* ------------------------------------------------------------------------- */

typedef struct {
  MblmSelectiveScan forward;
  Carry *carry;
  Buffer x, delta, bc, z, a_log, skip;
  float *d_y; /* as y */
} Selective;

static double
selective_loss (void *data)
{
  Selective *self = data;
  const MblmSelectiveScan *f = &self->forward;

  ref->selective_scan (queue, f);
  return carry_loss (self->carry) +
      gradient_dot (f->y, self->d_y, f->batch * f->rows * f->width);
}

static void
selective_init (
    Selective *self, MblmSelectiveScan shape, CarryFlags flags, float delta)
{
  size_t rows = shape.batch * shape.rows, width = shape.width;

  shape.x_stride = width + GAP;
  shape.delta_stride = width + 1;
  shape.bc_stride = 2 * shape.state + GAP;
  shape.z_stride = width + 2;
  buffer_init (&self->x, "x", rows * shape.x_stride, false);
  buffer_init (&self->delta, "delta", rows * shape.delta_stride, false);
  buffer_init (&self->bc, "b and c", rows * shape.bc_stride, false);
  buffer_init (&self->z, "z", rows * shape.z_stride, false);
  buffer_init (&self->a_log, "a_log", width * shape.state, true);
  buffer_init (&self->skip, "skip", width, true);
  for (size_t i = 0; i < self->delta.count; i++)
    self->delta.x[i] += delta;
  for (size_t i = 0; i < self->a_log.count; i++)
    self->a_log.x[i] -= delta > 0.0f ? 3.0f : 0.0f;
  self->carry = carry_new (shape.batch, width * shape.state, flags);
  self->d_y = gradient_floats (rows * width, 1.0f);
  shape.x = self->x.x;
  shape.delta = self->delta.x;
  shape.b = self->bc.x;
  shape.c = shape.b + shape.state;
  shape.z = self->z.x;
  shape.a_log = self->a_log.x;
  shape.skip = self->skip.x;
  shape.carry = carry_forward (self->carry);
  shape.y = g_new0 (float, rows *width + 1);
  self->forward = shape;
}

static MblmSelectiveScanBackward
selective_backward (Selective *self)
{
  const MblmSelectiveScan *f = &self->forward;

  return (MblmSelectiveScanBackward){
      .forward = *f,
      .d_y = self->d_y,
      .d_x = self->x.d,
      .d_x_stride = f->x_stride,
      .d_delta = self->delta.d,
      .d_delta_stride = f->delta_stride,
      .d_b = self->bc.d,
      .d_c = self->bc.d + f->state,
      .d_bc_stride = f->bc_stride,
      .d_z = self->z.d,
      .d_z_stride = f->z_stride,
      .d_a_log = self->a_log.d,
      .d_skip = self->skip.d,
      .d_carry = carry_gradient (self->carry),
  };
}

static void
check_selective (MblmSelectiveScan shape, CarryFlags flags, float delta)
{
  Selective self;
  MblmSelectiveScanBackward a;
  Buffer *buffers[] = {
      &self.x, &self.delta, &self.bc, &self.z, &self.a_log, &self.skip};

  selective_init (&self, shape, flags, delta);
  a = selective_backward (&self);
  ref->selective_scan_backward (queue, &a);

  g_autofree float *d_delta = g_memdup2 (
      self.delta.d, (self.delta.count + 1) * sizeof (float));
  a.d_x = a.d_b = a.d_c = a.d_z = a.d_a_log = a.d_skip = NULL;
  a.d_carry.from = NULL;
  ref->selective_scan_backward (queue, &a);
  same ("d_delta", d_delta, self.delta.d, self.delta.count);

  for (size_t i = 0; i < G_N_ELEMENTS (buffers); i++)
    buffer_check (buffers[i], selective_loss, &self);
  carry_check (self.carry, selective_loss, &self);
  for (size_t i = 0; i < G_N_ELEMENTS (buffers); i++)
    buffer_clear (buffers[i]);
  carry_free (self.carry);
  g_free (self.d_y);
  g_free (self.forward.y);
}

static void
test_selective_scan (void)
{
#define SHAPE(B, R, W, N)                                                      \
  ((MblmSelectiveScan){.batch = B, .rows = R, .width = W, .state = N})
  check_selective (SHAPE (1, 9, 3, 4), 0, 0.0f);
  check_selective (SHAPE (2, 5, 5, 3), START_OWN | LEAVES, 0.0f);
  check_selective (SHAPE (3, 4, 3, 5), START_SHARED | LEAVES, 0.0f);
  check_selective (SHAPE (2, 3, 1, 1), START_SHARED, -2.0f);
  check_selective (SHAPE (1, 3, 2, 3), START_OWN | LEAVES, 24.0f);
  check_selective (SHAPE (1, 40, 2, 3), START_OWN | LEAVES, -3.0f);
  check_selective (SHAPE (2, 0, 3, 4), START_SHARED | LEAVES, 0.0f);
  check_selective (SHAPE (0, 3, 3, 4), 0, 0.0f);
#undef SHAPE
}

void
gradients_scans_add_tests (void)
{
  g_test_add_func ("/gradients/conv", test_conv);
  g_test_add_func ("/gradients/ssd-scan", test_ssd_scan);
  g_test_add_func ("/gradients/selective-scan", test_selective_scan);
}
