/* product-amx.c: strips, panels and blocks of bfloat16 in AMX.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A tile is a register of 16 vectors. Multiplying one of 16 rows by one of 16
 * lanes adds to 256 sums 32 terms each, in 16 cycles. A block has two by two of
 * them, so that each tile that is loaded is used twice.
 *
 * Strips and panels are squares, [depth / SQUARE_DEPTH][2][SQUARE_BYTES], two
 * sixteens of rows or lanes side by side; those of a panel are turned. The
 * second is left out where there are no more than 16.
 */

#include "product-bf16.h"

#define ROWS 32
#define DEPTH 1024

_Static_assert(ROWS <= BLOCK_MOST, "blocks are large enough");
_Static_assert(
    ROWS *DEPTH * sizeof (uint16_t) <= STRIP_BYTES, "strips are large enough");

/* The registers belong to the thread, whose switches cost more while they are in
 * use. */
static void
begin (void)
{
  static const struct {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } layout = {
      .palette = 1,
      .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
      .rows = {SQUARE, SQUARE, SQUARE, SQUARE, SQUARE, SQUARE, SQUARE, SQUARE},
  };

  _tile_loadconfig (&layout);
}

static void
end (void)
{
  _tile_release ();
}

static ALWAYS_INLINE void
pack (char *to, const ProductOperand *from, size_t row, size_t count,
    size_t col, size_t depth, const bool turned)
{
  for (size_t k = 0; k < depth; k += SQUARE_DEPTH, to += 2 * SQUARE_BYTES) {
    pack_square (to, 64, from, row, count, col + k, depth - k, turned);
    if (count > SQUARE)
      pack_square (to + SQUARE_BYTES, 64, from, row + SQUARE, count - SQUARE,
          col + k, depth - k, turned);
  }
}

static void
pack_panel (void *panel, const ProductOperand *from, size_t row, size_t count,
    size_t col, size_t depth)
{
  pack (panel, from, row, count, col, depth, true);
}

static void
pack_strip (void *strip, const ProductOperand *from, size_t row, size_t count,
    size_t col, size_t depth)
{
  prefetch_rows (from, row + count, count, col, depth);
  pack (strip, from, row, count, col, depth, false);
}

/* Tiles 0 to 3 are sums, 4 and 5 of the strip, 6 and 7 of the panel. */
static ALWAYS_INLINE void
multiply (const char *strip, const bool two_rows, const char *panel,
    const bool two_lanes, size_t depth)
{
  __asm__ volatile("" ::: "memory"); /* what was packed is written */
  _tile_zero (0);
  _tile_zero (1);
  _tile_zero (2);
  _tile_zero (3);
  for (size_t k = 0; k < depth; k += SQUARE_DEPTH) {
    _tile_loadd (6, panel, 64);
    _tile_loadd (4, strip, 64);
    _tile_dpbf16ps (0, 4, 6);
    if (two_lanes) {
      _tile_loadd (7, panel + SQUARE_BYTES, 64);
      _tile_dpbf16ps (1, 4, 7);
    }
    if (two_rows) {
      _tile_loadd (5, strip + SQUARE_BYTES, 64);
      _tile_dpbf16ps (2, 5, 6);
    }
    if (two_rows && two_lanes)
      _tile_dpbf16ps (3, 5, 7);
    strip += 2 * SQUARE_BYTES;
    panel += 2 * SQUARE_BYTES;
  }
}

static void
block (const void *strip, size_t rows, const void *panel, size_t lanes,
    size_t depth, float *sums, size_t stride)
{
  const size_t bytes = stride * sizeof (float);
  float *below = sums + SQUARE * stride;

  if (rows > SQUARE && lanes > SQUARE)
    multiply (strip, true, panel, true, depth);
  else if (rows > SQUARE)
    multiply (strip, true, panel, false, depth);
  else
    multiply (strip, false, panel, lanes > SQUARE, depth);
  _tile_stored (0, sums, bytes);
  if (lanes > SQUARE)
    _tile_stored (1, sums + SQUARE, bytes);
  if (rows > SQUARE)
    _tile_stored (2, below, bytes);
  if (rows > SQUARE && lanes > SQUARE)
    _tile_stored (3, below + SQUARE, bytes);
  __asm__ volatile("" ::: "memory");
}

/* A square of sums, rows become columns. */
static ALWAYS_INLINE void
transpose (float *to, size_t stride, const float *from)
{
  vf square[SQUARE];

  for (size_t i = 0; i < SQUARE; i++)
    square[i] = v_load (from + i * BLOCK_MOST);
  v_transpose (square);
  for (size_t i = 0; i < SQUARE; i++)
    v_store (to + i * stride, square[i]);
}

static void
block_transposed (const void *strip, size_t rows, const void *panel,
    size_t lanes, size_t depth, float *sums, size_t stride)
{
  _Alignas(64) float apart[BLOCK_MOST * BLOCK_MOST];

  block (strip, rows, panel, lanes, depth, apart, BLOCK_MOST);
  for (size_t i = 0; i < rows; i += SQUARE)
    for (size_t j = 0; j < lanes; j += SQUARE)
      transpose (sums + j * stride + i, stride, apart + i * BLOCK_MOST + j);
}

static const MblmBlocks blocks = {
    .rows = ROWS,
    .lanes = ROWS,
    .depth = DEPTH,
    .size = sizeof (uint16_t),
    .begin = begin,
    .end = end,
    .pack_strip = pack_strip,
    .pack_panel = pack_panel,
    .block = block,
    .block_transposed = block_transposed,
};

void
FN (fill) (MblmCpuOps *ops)
{
  ops->blocks_bf16 = &blocks;
  ops->round_bf16 = round_row;
}
