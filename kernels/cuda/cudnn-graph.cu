/* cudnn-graph.cu: causal attention and its gradients as graphs of operations.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuDNN knows attention by its pattern: these operations in this order become one
 * kernel, or a few for the gradients; what lies between them is in no memory. A
 * tensor has four dimensions: sequence, head, row and column.
 *
 * The gradient of the queries is a product of its own here, of gradients of scores
 * that are in memory (two bytes each: the workspace). Were it added up in float32
 * while the kernel walks over the keys, nothing would be in memory, but the order of
 * the sum would be whatever the hardware makes of it.
 */

#include "cudnn.h"

#include <string.h>

#define MOST_OPERATIONS 24
#define ALIGNMENT 16 /* of every address, in bytes */

typedef MblmCudnnDescriptor Tensor;

struct Layout {
  int64_t size[4], stride[4];
};

/* A graph on its way; after an error nothing happens any more. */
struct Graph {
  const MblmCudnnCalls *calls;
  MblmCudnnPlan *plan;
  MblmCudnnStatus status;
  int64_t id; /* of the next tensor that is in no memory */
  int count;
  MblmCudnnDescriptor operations[MOST_OPERATIONS];
  Layout scores, sums; /* [rows, rows] and [rows, 1] of each head */
};

/* ------------------------------------------------------------------------- */
/* Descriptors                                                               */
/* ------------------------------------------------------------------------- */

MblmCudnnDescriptor
mblm_cudnn_add (const MblmCudnnCalls *calls, MblmCudnnPlan *plan, int type,
    MblmCudnnStatus *status)
{
  MblmCudnnDescriptor *place = plan->descriptors + plan->count;

  *place = NULL;
  *status = calls->create_descriptor (type, place);
  if (*status != 0)
    return NULL;
  plan->count++;
  return *place;
}

static MblmCudnnDescriptor
add (Graph *self, int type)
{
  return self->status == 0
      ? mblm_cudnn_add (self->calls, self->plan, type, &self->status)
      : NULL;
}

static void
set (Graph *self, MblmCudnnDescriptor descriptor, int name, int type,
    int64_t count, const void *values)
{
  if (self->status == 0)
    self->status = self->calls->set_attribute (
        descriptor, name, type, count, values);
}

/* A number that stands for a name. */
static void
set_name (Graph *self, MblmCudnnDescriptor descriptor, int name, int type,
    int32_t value)
{
  set (self, descriptor, name, type, 1, &value);
}

static void
set_number (
    Graph *self, MblmCudnnDescriptor descriptor, int name, int64_t value)
{
  set (self, descriptor, name, MBLM_CUDNN_TYPE_INT64, 1, &value);
}

static void
set_flag (Graph *self, MblmCudnnDescriptor descriptor, int name, bool value)
{
  set (self, descriptor, name, MBLM_CUDNN_TYPE_BOOLEAN, 1, &value);
}

static void
set_other (Graph *self, MblmCudnnDescriptor descriptor, int name,
    MblmCudnnDescriptor other)
{
  set (self, descriptor, name, MBLM_CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other);
}

static void
finish (Graph *self, MblmCudnnDescriptor descriptor)
{
  if (self->status == 0)
    self->status = self->calls->finalize (descriptor);
}

/* ------------------------------------------------------------------------- */
/* Tensors                                                                   */
/* ------------------------------------------------------------------------- */

static Tensor
add_tensor (Graph *self, int type, const Layout *layout, int64_t id,
    bool is_virtual, bool is_value)
{
  Tensor tensor = add (self, MBLM_CUDNN_BACKEND_TENSOR_DESCRIPTOR);

  set_name (self, tensor, MBLM_CUDNN_ATTR_TENSOR_DATA_TYPE,
      MBLM_CUDNN_TYPE_DATA_TYPE, type);
  set (self, tensor, MBLM_CUDNN_ATTR_TENSOR_DIMENSIONS, MBLM_CUDNN_TYPE_INT64,
      4, layout->size);
  set (self, tensor, MBLM_CUDNN_ATTR_TENSOR_STRIDES, MBLM_CUDNN_TYPE_INT64, 4,
      layout->stride);
  set_number (self, tensor, MBLM_CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
  set_number (self, tensor, MBLM_CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, ALIGNMENT);
  set_flag (self, tensor, MBLM_CUDNN_ATTR_TENSOR_IS_VIRTUAL, is_virtual);
  set_flag (self, tensor, MBLM_CUDNN_ATTR_TENSOR_IS_BY_VALUE, is_value);
  finish (self, tensor);
  return tensor;
}

/* In memory. */
static Tensor
part (Graph *self, int type, Layout layout, MblmCudnnPart which)
{
  return add_tensor (self, type, &layout, mblm_cudnn_id (which), false, false);
}

/* In no memory. */
static Tensor
passing (Graph *self, int type, Layout layout)
{
  return add_tensor (self, type, &layout, self->id++, true, false);
}

/* A number of the host. */
static Tensor
factor (Graph *self, int which)
{
  static const Layout one = {{1, 1, 1, 1}, {1, 1, 1, 1}};

  return add_tensor (
      self, MBLM_CUDNN_DATA_FLOAT, &one, mblm_cudnn_id (which), false, true);
}

/* Rows of each head, `stride` entries apart. */
static Layout
rows_of (const MblmCudnnShape *s, uint64_t stride)
{
  return {{(int64_t) s->batch, (int64_t) s->heads, (int64_t) s->rows,
              (int64_t) s->head_dim},
      {(int64_t) (s->rows * stride), (int64_t) s->head_dim, (int64_t) stride,
          1}};
}

/* The same memory with rows for columns. */
static Layout
across (Layout layout)
{
  const int64_t rows = layout.size[2], stride = layout.stride[2];

  layout.size[2] = layout.size[3];
  layout.size[3] = rows;
  layout.stride[2] = layout.stride[3];
  layout.stride[3] = stride;
  return layout;
}

/* Without gaps. */
static Layout
packed (const MblmCudnnShape *s, uint64_t rows, uint64_t columns)
{
  return {{(int64_t) s->batch, (int64_t) s->heads, (int64_t) rows,
              (int64_t) columns},
      {(int64_t) (s->heads * rows * columns), (int64_t) (rows * columns),
          (int64_t) columns, 1}};
}

/* ------------------------------------------------------------------------- */
/* Operations                                                                */
/* ------------------------------------------------------------------------- */

static void
finish_operation (Graph *self, MblmCudnnDescriptor operation)
{
  finish (self, operation);
  self->operations[self->count++] = operation;
}

/* y = what a mode makes of x, and of b and t, where there are such; `axis`: of an
 * index, or -1. */
static Tensor
point (Graph *self, int mode, int precision, int axis, Tensor x, Tensor b,
    Tensor t, Tensor y)
{
  MblmCudnnDescriptor what = add (
      self, MBLM_CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  MblmCudnnDescriptor operation;

  set_name (self, what, MBLM_CUDNN_ATTR_POINTWISE_MODE,
      MBLM_CUDNN_TYPE_POINTWISE_MODE, mode);
  set_name (self, what, MBLM_CUDNN_ATTR_POINTWISE_MATH_PREC,
      MBLM_CUDNN_TYPE_DATA_TYPE, precision);
  if (axis >= 0)
    set_number (self, what, MBLM_CUDNN_ATTR_POINTWISE_AXIS, axis);
  finish (self, what);
  operation = add (self, MBLM_CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  set_other (
      self, operation, MBLM_CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, what);
  set_other (self, operation, MBLM_CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
  if (b)
    set_other (self, operation, MBLM_CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
  if (t)
    set_other (self, operation, MBLM_CUDNN_ATTR_OPERATION_POINTWISE_TDESC, t);
  set_other (self, operation, MBLM_CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
  finish_operation (self, operation);
  return y;
}

/* In float32, of two tensors or, b being NULL, of one. */
static Tensor
compute (Graph *self, int mode, Tensor x, Tensor b, Tensor y)
{
  return point (self, mode, MBLM_CUDNN_DATA_FLOAT, -1, x, b, NULL, y);
}

/* The same, to something like scores. */
static Tensor
compute_scores (Graph *self, int mode, Tensor x, Tensor b)
{
  return compute (
      self, mode, x, b, passing (self, MBLM_CUDNN_DATA_FLOAT, self->scores));
}

static Tensor
multiply (Graph *self, Tensor a, Tensor b, Tensor c)
{
  MblmCudnnDescriptor what = add (self, MBLM_CUDNN_BACKEND_MATMUL_DESCRIPTOR);
  MblmCudnnDescriptor operation;

  set_name (self, what, MBLM_CUDNN_ATTR_MATMUL_COMP_TYPE,
      MBLM_CUDNN_TYPE_DATA_TYPE, MBLM_CUDNN_DATA_FLOAT);
  finish (self, what);
  operation = add (self, MBLM_CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
  set_other (self, operation, MBLM_CUDNN_ATTR_OPERATION_MATMUL_ADESC, a);
  set_other (self, operation, MBLM_CUDNN_ATTR_OPERATION_MATMUL_BDESC, b);
  set_other (self, operation, MBLM_CUDNN_ATTR_OPERATION_MATMUL_CDESC, c);
  set_other (self, operation, MBLM_CUDNN_ATTR_OPERATION_MATMUL_DESC, what);
  finish_operation (self, operation);
  return c;
}

/* Over the columns. */
static Tensor
reduce (Graph *self, int mode, Tensor x, Tensor y)
{
  MblmCudnnDescriptor what = add (
      self, MBLM_CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
  MblmCudnnDescriptor operation;

  set_name (self, what, MBLM_CUDNN_ATTR_REDUCTION_COMP_TYPE,
      MBLM_CUDNN_TYPE_DATA_TYPE, MBLM_CUDNN_DATA_FLOAT);
  set_name (self, what, MBLM_CUDNN_ATTR_REDUCTION_OPERATOR,
      MBLM_CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, mode);
  finish (self, what);
  operation = add (self, MBLM_CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
  set_other (self, operation, MBLM_CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x);
  set_other (self, operation, MBLM_CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y);
  set_other (self, operation, MBLM_CUDNN_ATTR_OPERATION_REDUCTION_DESC, what);
  finish_operation (self, operation);
  return y;
}

/* The same numbers in another layout. */
static Tensor
reshape (Graph *self, Tensor x, Tensor y)
{
  MblmCudnnDescriptor operation = add (
      self, MBLM_CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR);

  set_other (self, operation, MBLM_CUDNN_ATTR_OPERATION_RESHAPE_XDESC, x);
  set_other (self, operation, MBLM_CUDNN_ATTR_OPERATION_RESHAPE_YDESC, y);
  finish_operation (self, operation);
  return y;
}

/* ------------------------------------------------------------------------- */
/* Attention                                                                 */
/* ------------------------------------------------------------------------- */

/* Row i sees key j where i >= j. */
static Tensor
hide (Graph *self, Tensor scores)
{
  Tensor row = passing (self, MBLM_CUDNN_DATA_INT32, self->scores);
  Tensor column = passing (self, MBLM_CUDNN_DATA_INT32, self->scores);
  Tensor is_seen = passing (self, MBLM_CUDNN_DATA_BOOLEAN, self->scores);
  Tensor seen = passing (self, MBLM_CUDNN_DATA_FLOAT, self->scores);

  point (self, MBLM_CUDNN_POINTWISE_GEN_INDEX, MBLM_CUDNN_DATA_FLOAT, 2, scores,
      NULL, NULL, row);
  point (self, MBLM_CUDNN_POINTWISE_GEN_INDEX, MBLM_CUDNN_DATA_FLOAT, 3, scores,
      NULL, NULL, column);
  point (self, MBLM_CUDNN_POINTWISE_CMP_GE, MBLM_CUDNN_DATA_BOOLEAN, -1, row,
      column, NULL, is_seen);
  return point (self, MBLM_CUDNN_POINTWISE_BINARY_SELECT, MBLM_CUDNN_DATA_FLOAT,
      -1, scores, factor (self, MBLM_CUDNN_HIDDEN), is_seen, seen);
}

/* What both graphs begin with. */
struct Begin {
  Layout query, key, out;
  Tensor queries, keys, scale; /* keys lie across */
};

static Begin
begin (Graph *self)
{
  const MblmCudnnShape *s = &self->plan->shape;
  Begin b = {rows_of (s, s->query_stride), rows_of (s, s->key_stride),
      rows_of (s, s->out_stride)};

  b.queries = part (self, MBLM_CUDNN_DATA_BFLOAT16, b.query, MBLM_CUDNN_QUERY);
  b.keys = part (
      self, MBLM_CUDNN_DATA_BFLOAT16, across (b.key), MBLM_CUDNN_KEY);
  b.scale = factor (self, MBLM_CUDNN_SCALE);
  return b;
}

static Tensor
score (Graph *self, const Begin *b)
{
  Tensor products = multiply (self, b->queries, b->keys,
      passing (self, MBLM_CUDNN_DATA_FLOAT, self->scores));

  return compute_scores (self, MBLM_CUDNN_POINTWISE_MUL, products, b->scale);
}

/* log_sum = log (sum exp (score)), out = softmax (score) . values */
static void
describe_forward (Graph *self)
{
  Begin b = begin (self);
  Tensor values = part (
      self, MBLM_CUDNN_DATA_BFLOAT16, b.key, MBLM_CUDNN_VALUE);
  Tensor out = part (self, MBLM_CUDNN_DATA_BFLOAT16, b.out, MBLM_CUDNN_OUT);
  Tensor log_sum = part (
      self, MBLM_CUDNN_DATA_FLOAT, self->sums, MBLM_CUDNN_LOG_SUM);
  Tensor most = passing (self, MBLM_CUDNN_DATA_FLOAT, self->sums);
  Tensor total = passing (self, MBLM_CUDNN_DATA_FLOAT, self->sums);
  Tensor log = passing (self, MBLM_CUDNN_DATA_FLOAT, self->sums);
  Tensor weights = passing (self, MBLM_CUDNN_DATA_BFLOAT16, self->scores);
  Tensor scores = hide (self, score (self, &b));

  reduce (self, MBLM_CUDNN_REDUCE_TENSOR_MAX, scores, most);
  scores = compute_scores (self, MBLM_CUDNN_POINTWISE_SUB, scores, most);
  scores = compute_scores (self, MBLM_CUDNN_POINTWISE_EXP, scores, NULL);
  reduce (self, MBLM_CUDNN_REDUCE_TENSOR_ADD, scores, total);
  compute (self, MBLM_CUDNN_POINTWISE_LOG, total, NULL, log);
  compute (self, MBLM_CUDNN_POINTWISE_ADD, most, log, log_sum);
  compute (self, MBLM_CUDNN_POINTWISE_DIV, scores, total, weights);
  multiply (self, weights, values, out);
}

/* d_out . out of each row, times 1: so the pattern wants it. */
static Tensor
describe_delta (Graph *self, const Begin *b, Tensor d_out)
{
  const MblmCudnnShape *s = &self->plan->shape;
  Tensor out = part (self, MBLM_CUDNN_DATA_BFLOAT16, b->out, MBLM_CUDNN_OUT);
  Tensor delta = part (
      self, MBLM_CUDNN_DATA_FLOAT, self->sums, MBLM_CUDNN_DELTA);
  Tensor products = passing (
      self, MBLM_CUDNN_DATA_FLOAT, packed (s, s->rows, s->head_dim));
  Tensor sums = passing (self, MBLM_CUDNN_DATA_FLOAT, self->sums);

  compute (self, MBLM_CUDNN_POINTWISE_MUL, d_out, out, products);
  reduce (self, MBLM_CUDNN_REDUCE_TENSOR_ADD, products, sums);
  return compute (self, MBLM_CUDNN_POINTWISE_MUL, sums,
      factor (self, MBLM_CUDNN_ONE), delta);
}

/* to = (what lies across of the weights, or of like numbers) . rows */
static void
gather (Graph *self, Tensor weights, Tensor rows, Layout layout,
    MblmCudnnPart which)
{
  Tensor turned = passing (
      self, MBLM_CUDNN_DATA_BFLOAT16, across (self->scores));
  Tensor to = part (self, MBLM_CUDNN_DATA_BFLOAT16, layout, which);

  multiply (self, reshape (self, weights, turned), rows, to);
}

/* d_value = weights^T . d_out; d_score = weights (d_out . values - delta) scale;
 * d_key = d_score^T . queries; d_query = d_score . keys */
static void
describe_backward (Graph *self)
{
  Begin b = begin (self);
  Tensor values = part (
      self, MBLM_CUDNN_DATA_BFLOAT16, across (b.key), MBLM_CUDNN_VALUE);
  Tensor d_out = part (self, MBLM_CUDNN_DATA_BFLOAT16, b.out, MBLM_CUDNN_D_OUT);
  Tensor log_sum = part (
      self, MBLM_CUDNN_DATA_FLOAT, self->sums, MBLM_CUDNN_LOG_SUM);
  Tensor delta = describe_delta (self, &b, d_out);
  Tensor weights, d_scores, keys;

  weights = compute_scores (
      self, MBLM_CUDNN_POINTWISE_SUB, score (self, &b), log_sum);
  weights = compute_scores (
      self, MBLM_CUDNN_POINTWISE_EXP, hide (self, weights), NULL);
  gather (self, weights, d_out, b.key, MBLM_CUDNN_D_VALUE);

  d_scores = multiply (
      self, d_out, values, passing (self, MBLM_CUDNN_DATA_FLOAT, self->scores));
  d_scores = compute_scores (self, MBLM_CUDNN_POINTWISE_SUB, d_scores, delta);
  d_scores = compute_scores (self, MBLM_CUDNN_POINTWISE_MUL, d_scores, weights);
  d_scores = compute (self, MBLM_CUDNN_POINTWISE_MUL, d_scores, b.scale,
      passing (self, MBLM_CUDNN_DATA_BFLOAT16, self->scores));
  gather (self, d_scores, b.queries, b.key, MBLM_CUDNN_D_KEY);

  keys = passing (self, MBLM_CUDNN_DATA_BFLOAT16, b.key);
  multiply (self, d_scores, reshape (self, b.keys, keys),
      part (self, MBLM_CUDNN_DATA_BFLOAT16, b.query, MBLM_CUDNN_D_QUERY));
}

MblmCudnnStatus
mblm_cudnn_describe (
    const MblmCudnnCalls *calls, MblmCudnnHandle handle, MblmCudnnPlan *plan)
{
  const MblmCudnnShape *s = &plan->shape;
  Graph graph = {calls, plan, 0, mblm_cudnn_id (MBLM_CUDNN_IDS)};

  graph.scores = packed (s, s->rows, s->rows);
  graph.sums = packed (s, s->rows, 1);
  if (s->is_backward)
    describe_backward (&graph);
  else
    describe_forward (&graph);
  plan->graph = add (&graph, MBLM_CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  set (&graph, plan->graph, MBLM_CUDNN_ATTR_OPERATIONGRAPH_OPS,
      MBLM_CUDNN_TYPE_BACKEND_DESCRIPTOR, graph.count, graph.operations);
  if (handle)
    set (&graph, plan->graph, MBLM_CUDNN_ATTR_OPERATIONGRAPH_HANDLE,
        MBLM_CUDNN_TYPE_HANDLE, 1, &handle);
  finish (&graph, plan->graph);
  return graph.status;
}
