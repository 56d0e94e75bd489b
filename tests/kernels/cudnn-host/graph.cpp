/* graph.cpp: computes a graph of operations as it is written.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "cudnn-host.h"

#include <math.h>
#include <string.h>

/* A tensor's numbers while a graph is computed; those that are in no memory are in
 * `held`, at the same offsets. */
struct Tensor {
  int type;
  int64_t size[4], stride[4];
  void *memory; /* NULL: there is none */
  std::vector<float> held;

  int64_t
  offset (const int64_t (&at)[4]) const
  {
    int64_t offset = 0;

    for (int i = 0; i < 4; i++)
      offset += (size[i] == 1 ? 0 : at[i]) * stride[i];
    return offset;
  }

  float
  read (int64_t offset) const
  {
    uint32_t bits;
    float x;

    if (!memory)
      return held[(size_t) offset];
    if (type == MBLM_CUDNN_DATA_FLOAT)
      return ((const float *) memory)[offset];
    bits = (uint32_t) ((const uint16_t *) memory)[offset] << 16;
    memcpy (&x, &bits, sizeof (x));
    return x;
  }

  void
  write (int64_t offset, float x)
  {
    uint32_t bits = 0;

    if (type == MBLM_CUDNN_DATA_BFLOAT16) {
      memcpy (&bits, &x, sizeof (x));
      bits += 0x7fff + (bits >> 16 & 1);
      bits &= 0xffff0000;
      memcpy (&x, &bits, sizeof (x));
    }
    if (!memory)
      held[(size_t) offset] = x;
    else if (type == MBLM_CUDNN_DATA_FLOAT)
      ((float *) memory)[offset] = x;
    else
      ((uint16_t *) memory)[offset] = (uint16_t) (bits >> 16);
  }

  float
  get (const int64_t (&at)[4]) const
  {
    return read (offset (at));
  }

  void
  set (const int64_t (&at)[4], float x)
  {
    write (offset (at), x);
  }

  /* Visits all indices. */
  template <typename F>
  void
  each (F visit) const
  {
    int64_t at[4];

    for (at[0] = 0; at[0] < size[0]; at[0]++)
      for (at[1] = 0; at[1] < size[1]; at[1]++)
        for (at[2] = 0; at[2] < size[2]; at[2]++)
          for (at[3] = 0; at[3] < size[3]; at[3]++)
            visit (at);
  }
};

/* The tensors that have been met. */
struct Run {
  const Descriptor *pack;
  std::map<const Descriptor *, Tensor> tensors;

  void *
  memory_of (const Descriptor *tensor) const
  {
    int64_t id = tensor->get<int64_t> (MBLM_CUDNN_ATTR_TENSOR_UNIQUE_ID);
    size_t count =
        pack->attributes.at (MBLM_CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS).size () /
        sizeof (id);

    for (size_t i = 0; i < count; i++)
      if (pack->get<int64_t> (MBLM_CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, i) == id)
        return pack->get<void *> (
            MBLM_CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, i);
    cudnn_host_die ("a tensor has no memory");
  }

  Tensor &
  tensor (const Descriptor *operation, int name)
  {
    const Descriptor *d = operation->other (name);
    auto known = tensors.find (d);
    int64_t last = 0;

    if (known != tensors.end ())
      return known->second;
    Tensor &t = tensors[d];

    t.type = d->get<int32_t> (MBLM_CUDNN_ATTR_TENSOR_DATA_TYPE);
    for (size_t i = 0; i < 4; i++) {
      t.size[i] = d->get<int64_t> (MBLM_CUDNN_ATTR_TENSOR_DIMENSIONS, i);
      t.stride[i] = d->get<int64_t> (MBLM_CUDNN_ATTR_TENSOR_STRIDES, i);
      last += (t.size[i] - 1) * t.stride[i];
    }
    if (d->get<bool> (MBLM_CUDNN_ATTR_TENSOR_IS_VIRTUAL))
      t.held.assign ((size_t) last + 1, NAN);
    else
      t.memory = memory_of (d);
    if (t.memory && !d->get<bool> (MBLM_CUDNN_ATTR_TENSOR_IS_BY_VALUE) &&
        (uintptr_t) t.memory %
            (uintptr_t) d->get<int64_t> (MBLM_CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT))
      cudnn_host_die ("memory is less aligned than was said");
    return t;
  }
};

/* ------------------------------------------------------------------------- */
/* Operations                                                                */
/* ------------------------------------------------------------------------- */

static float
pointwise (int mode, float x, float b, bool t)
{
  switch (mode) {
    case MBLM_CUDNN_POINTWISE_ADD:
      return x + b;
    case MBLM_CUDNN_POINTWISE_SUB:
      return x - b;
    case MBLM_CUDNN_POINTWISE_MUL:
      return x * b;
    case MBLM_CUDNN_POINTWISE_DIV:
      return x / b;
    case MBLM_CUDNN_POINTWISE_EXP:
      return expf (x);
    case MBLM_CUDNN_POINTWISE_LOG:
      return logf (x);
    case MBLM_CUDNN_POINTWISE_CMP_GE:
      return x >= b;
    case MBLM_CUDNN_POINTWISE_BINARY_SELECT:
      return t ? x : b;
    default:
      cudnn_host_die ("an operation isn't known");
  }
}

static void
run_pointwise (Run *run, const Descriptor *d)
{
  const Descriptor *what = d->other (
      MBLM_CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
  int mode = what->get<int32_t> (MBLM_CUDNN_ATTR_POINTWISE_MODE);
  const bool has_b = d->has (MBLM_CUDNN_ATTR_OPERATION_POINTWISE_BDESC);
  const bool has_t = d->has (MBLM_CUDNN_ATTR_OPERATION_POINTWISE_TDESC);
  const bool is_index = mode == MBLM_CUDNN_POINTWISE_GEN_INDEX;
  const int64_t axis = is_index
      ? what->get<int64_t> (MBLM_CUDNN_ATTR_POINTWISE_AXIS)
      : 0;
  Tensor &x = run->tensor (d, MBLM_CUDNN_ATTR_OPERATION_POINTWISE_XDESC);
  Tensor &y = run->tensor (d, MBLM_CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
  Tensor &b = has_b ? run->tensor (d, MBLM_CUDNN_ATTR_OPERATION_POINTWISE_BDESC)
                    : x;
  Tensor &t = has_t ? run->tensor (d, MBLM_CUDNN_ATTR_OPERATION_POINTWISE_TDESC)
                    : x;

  y.each ([&] (const int64_t (&at)[4]) {
    y.set (at,
        is_index ? (float) at[axis]
                 : pointwise (mode, x.get (at), b.get (at), t.get (at) != 0));
  });
}

static void
run_product (Run *run, const Descriptor *d)
{
  Tensor &a = run->tensor (d, MBLM_CUDNN_ATTR_OPERATION_MATMUL_ADESC);
  Tensor &b = run->tensor (d, MBLM_CUDNN_ATTR_OPERATION_MATMUL_BDESC);
  Tensor &c = run->tensor (d, MBLM_CUDNN_ATTR_OPERATION_MATMUL_CDESC);

  if (a.size[3] != b.size[2] || a.size[2] != c.size[2] ||
      b.size[3] != c.size[3])
    cudnn_host_die ("the shapes of a product don't fit");
  c.each ([&] (const int64_t (&at)[4]) {
    int64_t from_a = a.offset ({at[0], at[1], at[2], 0});
    int64_t from_b = b.offset ({at[0], at[1], 0, at[3]});
    float sum = 0.0f;

    for (int64_t k = 0; k < a.size[3]; k++)
      sum += a.read (from_a + k * a.stride[3]) *
          b.read (from_b + k * b.stride[2]);
    c.set (at, sum);
  });
}

static void
run_reduction (Run *run, const Descriptor *d)
{
  const Descriptor *what = d->other (MBLM_CUDNN_ATTR_OPERATION_REDUCTION_DESC);
  bool is_most = what->get<int32_t> (MBLM_CUDNN_ATTR_REDUCTION_OPERATOR) ==
      MBLM_CUDNN_REDUCE_TENSOR_MAX;
  Tensor &x = run->tensor (d, MBLM_CUDNN_ATTR_OPERATION_REDUCTION_XDESC);
  Tensor &y = run->tensor (d, MBLM_CUDNN_ATTR_OPERATION_REDUCTION_YDESC);

  y.each ([&] (const int64_t (&at)[4]) {
    float result = is_most ? -INFINITY : 0.0f;

    for (int64_t k = 0; k < x.size[3]; k++) {
      float number = x.get ({at[0], at[1], at[2], k});

      result = is_most ? fmaxf (result, number) : result + number;
    }
    y.set (at, result);
  });
}

static void
run_reshape (Run *run, const Descriptor *d)
{
  Tensor &x = run->tensor (d, MBLM_CUDNN_ATTR_OPERATION_RESHAPE_XDESC);
  Tensor &y = run->tensor (d, MBLM_CUDNN_ATTR_OPERATION_RESHAPE_YDESC);

  y.each ([&] (const int64_t (&at)[4]) { y.set (at, x.read (y.offset (at))); });
}

void
cudnn_host_compute (const Descriptor *graph, const Descriptor *pack)
{
  size_t count =
      graph->attributes.at (MBLM_CUDNN_ATTR_OPERATIONGRAPH_OPS).size () /
      sizeof (void *);
  Run run = {pack, {}};

  for (size_t i = 0; i < count; i++) {
    const Descriptor *d = graph->other (MBLM_CUDNN_ATTR_OPERATIONGRAPH_OPS, i);

    switch (d->type) {
      case MBLM_CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
        run_pointwise (&run, d);
        break;
      case MBLM_CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR:
        run_product (&run, d);
        break;
      case MBLM_CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR:
        run_reduction (&run, d);
        break;
      case MBLM_CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR:
        run_reshape (&run, d);
        break;
      default:
        cudnn_host_die ("an operation isn't known");
    }
  }
}
