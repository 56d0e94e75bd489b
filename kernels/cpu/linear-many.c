/* linear-many.c: x W^T for many rows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whichever of x and W has fewer rows is packed, a chunk of it at a time, which
 * then stays in the second level cache while the rows of the other pass by.
 * Both steps are tiles for the threads. What follows the product is done on
 * a tile while it is in the cache.
 */

#include "gemm.h"
#include "linear.h"
#include "tile.h"

/* Elements of a chunk: 1 MiB. */
#define CHUNK ((size_t) 1 << 18)

/* Panels of a tile of packing; at most so many blocks of a tile of products. */
#define PACK_TILE 2
#define MAX_TILE_BLOCKS 4

/* Nanoseconds for an element that is packed. */
#define PACK_WORK 0.25

typedef struct {
  const void *data;
  MblmType type;
  size_t rows, stride;
} Operand;

typedef struct {
  const MblmLinear *a;
  Operand packed, other;
  bool weight_packed;
  float *out; /* [rows, n], the result or scratch memory */
  size_t out_stride;
  bool add;            /* the product adds to `out` from the start */
  bool last;           /* this chunk completes its sums */
  float *panels;       /* [chunk / GEMM_LANES, depth, GEMM_LANES] */
  size_t first, chunk; /* rows of `packed` */
  size_t col, depth;   /* columns of both */
  size_t tile_rows;    /* of `other`, of a tile */
} Product;

static void
pack_tile (const void *data, size_t tile, unsigned worker)
{
  const Product *self = data;
  const Operand *from = &self->packed;
  size_t end = min_size (self->chunk, (tile + 1) * PACK_TILE * GEMM_LANES);
  size_t row = from->stride *
      (from->type == MBLM_TYPE_F32 ? sizeof (float) : sizeof (uint16_t));

  for (size_t i = tile * PACK_TILE * GEMM_LANES; i < end; i += GEMM_LANES) {
    size_t count = min_size (GEMM_LANES, end - i);
    const void *rows[GEMM_LANES];

    for (size_t j = 0; j < count; j++)
      rows[j] = (const char *) from->data + (self->first + i + j) * row;
    FN (gemm_pack)
    (self->panels + i * self->depth, rows, from->type, count, self->col,
        self->depth);
  }
}

/* Rows [row, row + count) of the other operand with all panels of the chunk. */
static void
multiply_rows (const Product *self, size_t row, size_t count)
{
  bool add = self->add || self->col > 0;
  GemmRows rows;

  FN (gemm_rows)
  (&rows, self->other.data, self->other.type, self->other.stride, row, count,
      self->col, self->depth);
  for (size_t i = 0; i < self->chunk; i += GEMM_LANES) {
    const float *panel = self->panels + i * self->depth;
    size_t lanes = min_size (GEMM_LANES, self->chunk - i);
    size_t at = self->first + i;

    if (self->weight_packed)
      FN (gemm_block)
    (&rows, count, panel, lanes, self->depth, add,
        self->out + row * self->out_stride + at, self->out_stride);
    else FN (gemm_block_transposed) (&rows, count, panel, lanes, self->depth,
        add, self->out + at * self->out_stride + row, self->out_stride);
  }
}

/* Bias, activation and the sum with what was there for rows [row, end) of the
 * result and `count` outputs from `first` on. */
static void
finish (const Product *self, size_t row, size_t end, size_t first, size_t count)
{
  const MblmLinear *a = self->a;
  bool add = a->accumulate && !self->add;

  if (!add && !a->bias && a->activation == MBLM_ACTIVATION_NONE)
    return;
  for (; row < end; row++)
    finish_row (a, self->out + row * self->out_stride + first, first, count,
        add, a->out + row * a->out_stride + first);
}

static void
multiply_tile (const void *data, size_t tile, unsigned worker)
{
  const Product *self = data;
  size_t first = tile * self->tile_rows;
  size_t end = min_size (self->other.rows, first + self->tile_rows);

  for (size_t row = first; row < end; row += GEMM_ROWS)
    multiply_rows (self, row, min_size (GEMM_ROWS, end - row));
  if (!self->last)
    return;
  if (self->weight_packed)
    finish (self, first, end, self->first, self->chunk);
  else
    finish (self, self->first, self->first + self->chunk, first, end - first);
}

static void
multiply_chunk (MblmQueue *queue, const Product *self)
{
  double size = (double) self->chunk * (double) self->depth;

  mblm_cpu_run (queue, divide_up (self->chunk, PACK_TILE * GEMM_LANES),
      size * PACK_WORK, pack_tile, self);
  mblm_cpu_run (queue, divide_up (self->other.rows, self->tile_rows),
      size * (double) self->other.rows * MULTIPLY_WORK, multiply_tile, self);
}

/* Chooses the operand that is packed, and the size of tiles. */
static Product
plan (const MblmLinear *a)
{
  Operand weight = {
      a->weight.data, a->weight.type, a->weight.rows, a->weight.cols};
  Operand x = {a->x, MBLM_TYPE_F32, a->rows, a->x_stride};
  Product self = {.a = a, .weight_packed = weight.rows <= x.rows};
  size_t blocks;

  self.packed = self.weight_packed ? weight : x;
  self.other = self.weight_packed ? x : weight;
  blocks = divide_up (self.other.rows, GEMM_ROWS) / 16;
  self.tile_rows = GEMM_ROWS * max_size (1, min_size (blocks, MAX_TILE_BLOCKS));
  self.out = a->out;
  self.out_stride = a->out_stride;
  return self;
}

void
FN (linear_many) (MblmQueue *queue, const MblmLinear *a)
{
  size_t k = a->weight.cols, depth = min_size (k, GEMM_DEPTH);
  size_t panels, chunk, apart = 0;
  Product self = plan (a);
  float *scratch;

  chunk = CHUNK / depth / GEMM_LANES * GEMM_LANES;
  chunk = min_size (
      chunk, divide_up (self.packed.rows, GEMM_LANES) * GEMM_LANES);
  panels = mblm_cpu_bytes (chunk * depth, sizeof (float));
  /* What is added to `out` can't pass through it on the way to the activation. */
  if (a->accumulate && a->activation != MBLM_ACTIVATION_NONE)
    apart = mblm_cpu_bytes (a->rows, sizeof (float) * a->weight.rows);
  else
    self.add = a->accumulate;
  if (__builtin_add_overflow (panels, apart, &panels))
    panels = SIZE_MAX;
  scratch = mblm_cpu_scratch (queue, panels, NULL, NULL);
  if (!scratch)
    return;
  self.panels = scratch;
  if (apart > 0) {
    self.out = scratch + chunk * depth;
    self.out_stride = a->weight.rows;
  }

  for (; self.first < self.packed.rows; self.first += chunk) {
    self.chunk = min_size (chunk, self.packed.rows - self.first);
    for (self.col = 0; self.col < k; self.col += GEMM_DEPTH) {
      self.depth = min_size (GEMM_DEPTH, k - self.col);
      self.last = self.col + self.depth == k;
      multiply_chunk (queue, &self);
    }
  }
}
