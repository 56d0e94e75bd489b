/* tile.h: cutting rows into tiles.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The size of a tile depends on the shape alone, never on the number of threads.
 */

#pragma once

#include <stddef.h>

/* Elements of a tile of an operation that does little more than move them: a
 * microsecond or two. */
#define TILE_ELEMENTS 8192

typedef struct {
  const void *args; /* of the operation */
  size_t rows;      /* of all tiles */
  size_t step;      /* rows of each tile but perhaps the last */
} RowTiles;

static inline size_t
min_size (size_t a, size_t b)
{
  return a < b ? a : b;
}

static inline size_t
max_size (size_t a, size_t b)
{
  return a > b ? a : b;
}

static inline size_t
divide_up (size_t a, size_t b)
{
  return a / b + (a % b != 0);
}

/* Tiles of about TILE_ELEMENTS of `rows` rows of `width`. */
static inline RowTiles
row_tiles (const void *args, size_t rows, size_t width)
{
  size_t step = max_size (1, TILE_ELEMENTS / max_size (1, width));

  return (RowTiles){.args = args, .rows = rows, .step = step};
}

static inline size_t
row_tiles_count (const RowTiles *tiles)
{
  return divide_up (tiles->rows, tiles->step);
}

/* The rows [first, end) of a tile. */
static inline size_t
row_tiles_first (const RowTiles *tiles, size_t tile)
{
  return tile * tiles->step;
}

static inline size_t
row_tiles_end (const RowTiles *tiles, size_t tile)
{
  return min_size (tiles->rows, (tile + 1) * tiles->step);
}
