/* product.h: products of two matrices.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuBLASLt computes them. What it refuses (strides and addresses that its kernels
 * don't take, sums of no terms) goes to a kernel of our own, which takes everything
 * and is slow.
 */

#pragma once

#include "typed.h"

/* A matrix whose entry (row, d), d along the depth of a product, is
 * data[row * stride + d], or data[d * stride + row] where it lies across. */
struct MblmCudaOperand {
  const void *data;
  MblmType type;
  size_t stride;
  bool across;
};

/* out[i, j] = sum over the depth of a[i, d] b[j, d], plus bias[j], plus
 * addend[i, j]. Both operands are of one type; sums are of float32, and so are the
 * products of operands of float32, but where the queue allows TF32. */
struct MblmCudaProduct {
  MblmCudaOperand a, b;
  size_t rows, columns, depth;
  const float *bias; /* [columns] or NULL */
  const float
      *addend; /* [rows, columns], rows out_stride apart, or NULL; may be
                        * `out`. With it or bias, the result is of float32. */
  void *out;
  MblmType out_type;
  size_t out_stride;
};

void mblm_cuda_product (MblmQueue *queue, const MblmCudaProduct *product);

/* By cuBLASLt. False: it has no way to do that, and nothing has happened. */
bool mblm_cuda_product_library (
    MblmQueue *queue, const MblmCudaProduct *product);

/* Operands of bfloat16 should begin at multiples of so many bytes, and their
 * strides be such multiples: else the tensor cores have no fast way to them. */
#define MBLM_CUDA_OPERAND_ALIGNMENT 16
