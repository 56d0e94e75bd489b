/* linear.cu: x W^T with bias, GELU and a residual, and its gradients.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Few rows are a matter of their own (linear-few.cu); many are products of two
 * matrices (product.h), and so are the gradients of x and of the weight. Operands
 * that aren't of the product's type are copied to scratch memory first, some rows
 * at a time, and what a product can't do to its sums a second pass does (finish.cu),
 * to sums of float32 so soon that they are still in the second level cache. All
 * shapes decide alone where rows are parted. The floor is the operations of the
 * products.
 */

#include "convert.h"
#include "finish.h"
#include "linear-few.h"
#include "product.h"
#include "sums.h"

/* Where the weight would have to be copied first, more rows are few, too. */
#define FEW_ROWS_OF_COPY 32

/* Bytes of sums that are soon read again, which leaves the half of a second level
 * cache of 50 MB to the operands, and of copies of operands. On the host there are
 * few, so that small products have pieces, too. PIECE_ROWS divides a piece. */
#ifdef __CUDACC__
#define CACHED_BYTES ((size_t) 16 << 20)
#define COPIED_BYTES ((size_t) 128 << 20)
#define PIECE_ROWS 256
#else
#define CACHED_BYTES ((size_t) 16 << 10)
#define COPIED_BYTES ((size_t) 64 << 10)
#define PIECE_ROWS 8
#endif

#define MOST_ROWS ((size_t) 1 << 24) /* of one product */

/* So many rows of so many bytes are a piece. */
static size_t
rows_of_piece (size_t limit, size_t bytes)
{
  size_t rows = min_size (limit / max_size (bytes, 1), MOST_ROWS);

  return max_size (rows - rows % PIECE_ROWS, PIECE_ROWS);
}

/* ------------------------------------------------------------------------- */
/* Operands                                                                  */
/* ------------------------------------------------------------------------- */

/* A matrix of rows of `width`, which products take as it is or from a copy. */
struct Source {
  const void *data;
  MblmType type, product;
  size_t stride, width;
  bool is_copied;
  size_t copy_stride;
  size_t part; /* of scratch memory */
};

static bool
is_aligned (MblmType type, const void *data, size_t stride)
{
  size_t bytes = stride * mblm_cuda_type_size (type);

  return ((uintptr_t) data | bytes) % MBLM_CUDA_OPERAND_ALIGNMENT == 0;
}

static Source
source (MblmType product, MblmType type, const void *data, size_t stride,
    size_t width)
{
  size_t step = MBLM_CUDA_OPERAND_ALIGNMENT / mblm_cuda_type_size (product);
  bool is_copied = type != product ||
      (product == MBLM_TYPE_BF16 && !is_aligned (type, data, stride));

  return {data, type, product, stride, width, is_copied,
      divide_up (width, step) * step, 0};
}

static Source
source_of_weight (const MblmLinear *a)
{
  return source (a->product, a->weight.type, a->weight.data, a->weight.cols,
      a->weight.cols);
}

static Source
source_of_x (const MblmLinear *a)
{
  return source (a->product, a->x_type, a->x, a->x_stride, a->weight.cols);
}

/* Bytes of a row of the copy. */
static size_t
bytes_of_copy (const Source *self)
{
  return self->is_copied
      ? self->copy_stride * mblm_cuda_type_size (self->product)
      : 0;
}

/* Makes room for the copies of so many rows at once. */
static void
add_copy (MblmCudaScratch *scratch, Source *self, size_t rows)
{
  self->part = mblm_cuda_part (scratch, rows, bytes_of_copy (self));
}

/* Rows first .. first + rows - 1, until the next are asked for. */
static MblmCudaOperand
rows_of (
    MblmCudaScratch *scratch, const Source *self, size_t first, size_t rows)
{
  const void *data = mblm_cuda_entry (
      self->type, self->data, first * self->stride);
  char *copy = mblm_cuda_at<char> (scratch, self->part);

  if (!self->is_copied)
    return {data, self->type, self->stride, false};
  mblm_cuda_convert (scratch->queue, rows, self->width, data, self->type,
      self->stride, copy, self->product, self->copy_stride);
  return {copy, self->product, self->copy_stride, false};
}

/* The same matrix, its columns along the rows of the product. */
static MblmCudaOperand
across (MblmCudaOperand operand)
{
  operand.across = true;
  return operand;
}

/* ------------------------------------------------------------------------- */
/* Results                                                                   */
/* ------------------------------------------------------------------------- */

/* Where sums go: right to their place, or with a second pass from `before`, from
 * the place of the result, or from scratch memory. Sums that become bfloat16 are
 * rounded to it before the second pass, too: it has half to read then, and products
 * of all rows at once are faster than those of pieces. */
struct Goal {
  MblmCudaFinish finish;
  const float *bias; /* what the product itself adds */
  bool is_plain;     /* there is no second pass */
  void *sums;        /* of the first row; NULL: scratch memory */
  MblmType type;     /* of sums */
  size_t stride, part;
  size_t piece; /* rows of a product */
};

static bool
is_plain (const MblmCudaFinish *f)
{
  if (f->activation != MBLM_ACTIVATION_NONE || f->slope || f->before)
    return false;
  return f->type == MBLM_TYPE_F32 ||
      (!f->bias && !f->residual && is_aligned (f->type, f->out, f->stride));
}

/* Where the result, or what comes before it, can hold the sums. */
static void
place_sums (Goal *self)
{
  MblmCudaFinish *f = &self->finish;
  bool is_float = f->type == MBLM_TYPE_F32;
  void *place = f->before ? f->before : f->out;
  size_t stride = f->before ? f->width : f->stride;

  if (is_float ? !f->before && f->residual == f->out
               : !is_aligned (f->type, place, stride))
    return;
  self->sums = place;
  self->type = f->type;
  self->stride = stride;
  if (is_float)
    f->before = NULL;
  else
    self->piece = MOST_ROWS;
}

static Goal
goal_for (const MblmCudaFinish *finish)
{
  Goal self = {.finish = *finish,
      .bias = finish->bias,
      .is_plain = is_plain (finish),
      .type = MBLM_TYPE_F32,
      .stride = divide_up (finish->width, 4) * 4};

  self.piece = self.is_plain
      ? MOST_ROWS
      : rows_of_piece (CACHED_BYTES, self.stride * sizeof (float));
  if (!self.is_plain)
    place_sums (&self);
  if (self.type == MBLM_TYPE_F32)
    self.finish.bias = NULL;
  else
    self.bias = NULL;
  return self;
}

static void
add_sums (MblmCudaScratch *scratch, Goal *self, size_t rows)
{
  bool is_needed = !self->is_plain && !self->sums;

  self->part = mblm_cuda_part (scratch,
      is_needed ? mblm_cuda_count (min_size (rows, self->piece), self->stride)
                : 0,
      sizeof (float));
}

/* Rows first .. first + rows - 1 of the result, rows <= `piece`. */
static void
reach_piece (MblmCudaScratch *scratch, const Goal *self,
    const MblmCudaOperand &a, const MblmCudaOperand &b, size_t depth,
    size_t first, size_t rows)
{
  const MblmCudaFinish *f = &self->finish;
  MblmCudaProduct product = {.a = a,
      .b = b,
      .rows = rows,
      .columns = f->width,
      .depth = depth,
      .bias = self->bias};
  void *sums = self->sums
      ? mblm_cuda_entry (self->type, self->sums, first * self->stride)
      : mblm_cuda_at<float> (scratch, self->part);

  if (self->is_plain) {
    product.addend = f->residual ? f->residual + first * f->stride : NULL;
    product.out = mblm_cuda_entry (f->type, f->out, first * f->stride);
    product.out_type = f->type;
    product.out_stride = f->stride;
    mblm_cuda_product (scratch->queue, &product);
    return;
  }
  product.out = sums;
  product.out_type = self->type;
  product.out_stride = self->stride;
  mblm_cuda_product (scratch->queue, &product);
  mblm_cuda_finish (
      scratch->queue, f, sums, self->type, self->stride, first, rows);
}

/* The rows from `first` on; `a` holds just these. */
static void
reach (MblmCudaScratch *scratch, const Goal *self, const MblmCudaOperand &a,
    const MblmCudaOperand &b, size_t depth, size_t first, size_t rows)
{
  for (size_t i = 0; i < rows; i += self->piece) {
    MblmCudaOperand some = a;

    some.data = mblm_cuda_entry (a.type, a.data, i * a.stride);
    reach_piece (scratch, self, some, b, depth, first + i,
        min_size (self->piece, rows - i));
  }
}

/* ------------------------------------------------------------------------- */
/* Forward                                                                   */
/* ------------------------------------------------------------------------- */

static void
linear_many (MblmQueue *queue, const MblmLinear *a)
{
  MblmCudaScratch scratch = {queue};
  Source weight = source_of_weight (a), x = source_of_x (a);
  MblmCudaFinish finish = {.bias = a->bias,
      .before = a->before,
      .activation = a->activation,
      .residual = a->residual,
      .out = a->out,
      .type = a->out_type,
      .stride = a->out_stride,
      .width = a->weight.rows};
  Goal goal = goal_for (&finish);
  size_t piece = rows_of_piece (COPIED_BYTES, bytes_of_copy (&x));
  MblmCudaOperand w;

  piece = min_size (piece, a->rows);
  add_copy (&scratch, &weight, a->weight.rows);
  add_copy (&scratch, &x, piece);
  add_sums (&scratch, &goal, piece);
  if (!mblm_cuda_scratch (&scratch))
    return;
  w = rows_of (&scratch, &weight, 0, a->weight.rows);
  for (size_t i = 0; i < a->rows; i += piece) {
    size_t rows = min_size (piece, a->rows - i);

    reach (&scratch, &goal, rows_of (&scratch, &x, i, rows), w, a->weight.cols,
        i, rows);
  }
}

void
mblm_cuda_linear (MblmQueue *queue, const MblmLinear *a)
{
  bool is_copied = a->weight.type != a->product;

  if (a->rows == 0 || a->weight.rows == 0 || !mblm_cuda_begin (queue))
    return;
  if (a->rows <= (is_copied ? FEW_ROWS_OF_COPY : MBLM_CUDA_FEW_ROWS))
    mblm_cuda_linear_few (queue, a);
  else
    linear_many (queue, a);
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

/* d_weight[j, l] += sum over the rows of d_out[i, j] x[i, l]. */
static void
gradient_of_weight (MblmQueue *queue, const MblmLinearBackward *a,
    const MblmCudaOperand &d_out, const MblmCudaOperand &x, size_t rows)
{
  const MblmMatrix *weight = &a->forward.weight;
  MblmCudaProduct product = {.a = across (d_out),
      .b = across (x),
      .rows = weight->rows,
      .columns = weight->cols,
      .depth = rows,
      .addend = a->d_weight,
      .out = a->d_weight,
      .out_stride = weight->cols};

  mblm_cuda_product (queue, &product);
}

/* The gradient of x is d_out W, times the slope. */
static Goal
goal_of_x (const MblmLinearBackward *a)
{
  MblmCudaFinish finish = {.slope = a->before,
      .slope_type = a->forward.x_type,
      .residual = a->accumulate ? (const float *) a->d_x : NULL,
      .out = a->d_x,
      .type = a->d_x_type,
      .stride = a->d_x_stride,
      .width = a->forward.weight.cols};

  return goal_for (&finish);
}

/* Both products, rows in pieces: what is copied of d_out serves both. */
static void
gradients_of_operands (MblmQueue *queue, const MblmLinearBackward *a)
{
  const MblmLinear *f = &a->forward;
  size_t n = f->weight.rows, piece;
  MblmCudaScratch scratch = {queue};
  Source weight = source_of_weight (f), x = source_of_x (f);
  Source d_out = source (
      f->product, a->d_out_type, a->d_out, a->d_out_stride, n);
  Goal goal = goal_of_x (a);
  MblmCudaOperand w = {};

  piece = bytes_of_copy (&d_out) + (a->d_weight ? bytes_of_copy (&x) : 0);
  piece = min_size (rows_of_piece (COPIED_BYTES, piece), f->rows);
  add_copy (&scratch, &weight, a->d_x ? n : 0);
  add_copy (&scratch, &x, a->d_weight ? piece : 0);
  add_copy (&scratch, &d_out, piece);
  add_sums (&scratch, &goal, a->d_x ? piece : 0);
  if (!mblm_cuda_scratch (&scratch))
    return;
  if (a->d_x)
    w = across (rows_of (&scratch, &weight, 0, n));
  for (size_t i = 0; i < f->rows; i += piece) {
    size_t rows = min_size (piece, f->rows - i);
    MblmCudaOperand d = rows_of (&scratch, &d_out, i, rows);

    if (a->d_x)
      reach (&scratch, &goal, d, w, n, i, rows);
    if (a->d_weight)
      gradient_of_weight (queue, a, d, rows_of (&scratch, &x, i, rows), rows);
  }
}

static void
gradient_of_bias (MblmQueue *queue, const MblmLinearBackward *a)
{
  size_t rows = a->forward.rows, n = a->forward.weight.rows;
  MblmCudaScratch scratch = {queue};
  size_t part = mblm_cuda_sum_rows_part (&scratch, rows, n);

  if (!mblm_cuda_scratch (&scratch))
    return;
  if (a->d_out_type == MBLM_TYPE_F32)
    mblm_cuda_sum_rows_to (&scratch, part, (const float *) a->d_out, rows, n,
        a->d_out_stride, a->d_bias);
  else
    mblm_cuda_sum_rows_of_bf16_to (&scratch, part, (const uint16_t *) a->d_out,
        rows, n, a->d_out_stride, a->d_bias);
}

void
mblm_cuda_linear_backward (MblmQueue *queue, const MblmLinearBackward *a)
{
  if (a->forward.rows == 0 || !mblm_cuda_begin (queue))
    return;
  if (a->d_bias)
    gradient_of_bias (queue, a);
  if (a->d_x || a->d_weight)
    gradients_of_operands (queue, a);
}
