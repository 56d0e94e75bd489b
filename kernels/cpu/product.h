/* product.h: products of two matrices, and what they are made of.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One operand of a product is packed: cut into panels of `lanes` rows, laid out
 * so that its rows lie in the lanes of vectors. The other passes by, a strip of
 * a few rows at a time, one number in all lanes. A block of strip x panel
 * results stays in registers over the whole depth, or over a part of it.
 *
 * Every result is the sum over the depth in rising order, in parts whose length
 * the shape decides: it does not depend on where in a block it is computed.
 *
 * How a strip and a panel look, and how many rows they have, is the affair of
 * a MblmBlocks: one for float32, one for operands rounded to bfloat16, which
 * newer instruction sets replace.
 */

#pragma once

#include "linear.h"

/* Panels are as long as if the depth were a multiple of this. */
#define PANEL_DEPTH_STEP 32

/* Bounds of every MblmBlocks. */
#define BLOCK_MOST 32           /* rows, lanes */
#define STRIP_BYTES (64 * 1024) /* of a strip */

/* A matrix whose element (row, d), d along the depth of a product, is
 * data[row * stride + d], or data[d * stride + row] where it lies across. */
typedef struct {
  const void *data;
  MblmType type;
  size_t rows, stride;
  bool across;
} ProductOperand;

struct _MblmBlocks {
  size_t rows;  /* of a strip */
  size_t lanes; /* of a panel */
  size_t depth; /* of a part */
  size_t size;  /* bytes of an element of a panel */

  /* Around the blocks of a thread; NULL: there is nothing to do. */
  void (*begin) (void);
  void (*end) (void);

  /* Elements (row .. row + count - 1, col .. col + depth - 1) of an operand,
   * count <= `rows` or `lanes`, depth <= `depth`; what a panel lacks in
   * lanes is zero. A panel's elements from d on, a multiple of
   * PANEL_DEPTH_STEP, are a panel of their own, d * lanes * size bytes into it. */
  void (*pack_strip) (void *strip, const ProductOperand *from, size_t row,
      size_t count, size_t col, size_t depth);
  void (*pack_panel) (void *panel, const ProductOperand *from, size_t row,
      size_t count, size_t col, size_t depth);

  /* sums[i * stride + j] = the sum over the depth of row i of the strip times
   * lane j of the panel, for i < rows and j < lanes; others of the block may
   * be written. */
  void (*block) (const void *strip, size_t rows, const void *panel,
      size_t lanes, size_t depth, float *sums, size_t stride);
  /* The same, but sums[j * stride + i]. */
  void (*block_transposed) (const void *strip, size_t rows, const void *panel,
      size_t lanes, size_t depth, float *sums, size_t stride);
};

extern const MblmBlocks FN (blocks_f32);
/* In float32, for processors without products of bfloat16. */
extern const MblmBlocks FN (blocks_rounded);

/* out[i, j] = (or +=, with `add`) sum over the depth of a[i, d] b[j, d]. With
 * `finish`, more follows, and the result is of its type, else float32. */
typedef struct {
  ProductOperand a, b;
  size_t depth;
  MblmType product; /* as in MblmLinear */
  bool add;
  void *out;
  size_t out_stride;
  const Finish *finish;
} Product;

void FN (product) (MblmQueue *queue, const Product *product);
