/* rows.c: embedding, positions, sums and copies of rows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "isa.h"
#include "tile.h"

/* Nanoseconds for an element that goes from memory to memory. */
#define MOVE_WORK 0.2

static void
run_rows (MblmQueue *queue, RowTiles *tiles, size_t width, MblmTask task)
{
  mblm_cpu_run (queue, row_tiles_count (tiles),
      MOVE_WORK * (double) tiles->rows * (double) width, task, tiles);
}

/* x[width] += y[width] */
static void
add_row (float *x, const float *y, size_t width)
{
  size_t i = 0;

  for (; i + VW <= width; i += VW)
    v_store (x + i, v_load (x + i) + v_load (y + i));
  if (i < width) {
    vm m = v_first (width - i);

    v_store_m (x + i, m, v_load_m (x + i, m) + v_load_m (y + i, m));
  }
}

/* out[width] = row, or out += row with `add` */
static void
table_row (const MblmMatrix *table, size_t row, float *out, bool add)
{
  const uint16_t *from = (const uint16_t *) table->data + row * table->cols;

  if (table->type == MBLM_TYPE_F32) {
    const float *f = (const float *) table->data + row * table->cols;

    if (add)
      add_row (out, f, table->cols);
    else
      memcpy (out, f, table->cols * sizeof (*out));
    return;
  }
  for (size_t i = 0; i < table->cols; i += VW) {
    size_t n = min_size (VW, table->cols - i);
    vf x = n == VW ? v_bf16 (from + i) : v_bf16_n (from + i, n);

    if (add)
      x = v_load_n (out + i, n) + x;
    v_store_n (out + i, n, x);
  }
}

static void
embed_tile (const void *data, size_t tile, unsigned worker)
{
  const RowTiles *tiles = data;
  const MblmEmbed *a = tiles->args;
  size_t end = row_tiles_end (tiles, tile);

  for (size_t i = row_tiles_first (tiles, tile); i < end; i++)
    table_row (
        &a->table, (size_t) a->ids[i], a->out + i * a->table.cols, false);
}

void
FN (embed) (MblmQueue *queue, const MblmEmbed *a)
{
  RowTiles tiles = row_tiles (a, a->rows, a->table.cols);

  run_rows (queue, &tiles, a->table.cols, embed_tile);
}

static void
add_position_tile (const void *data, size_t tile, unsigned worker)
{
  const RowTiles *tiles = data;
  const MblmAddPosition *a = tiles->args;
  size_t end = row_tiles_end (tiles, tile);

  for (size_t i = row_tiles_first (tiles, tile); i < end; i++)
    table_row (&a->table, (a->first + i % a->rows) % a->table.rows,
        a->x + i * a->table.cols, true);
}

void
FN (add_position) (MblmQueue *queue, const MblmAddPosition *a)
{
  RowTiles tiles = row_tiles (a, a->batch * a->rows, a->table.cols);

  run_rows (queue, &tiles, a->table.cols, add_position_tile);
}

static void
add_tile (const void *data, size_t tile, unsigned worker)
{
  const RowTiles *tiles = data;
  const MblmAdd *a = tiles->args;
  size_t end = row_tiles_end (tiles, tile);

  for (size_t i = row_tiles_first (tiles, tile); i < end; i++)
    add_row (a->x + i * a->x_stride, a->y + i * a->y_stride, a->width);
}

void
FN (add) (MblmQueue *queue, const MblmAdd *a)
{
  RowTiles tiles = row_tiles (a, a->batch, a->width);

  run_rows (queue, &tiles, a->width, add_tile);
}

static void
copy_rows_tile (const void *data, size_t tile, unsigned worker)
{
  const RowTiles *tiles = data;
  const MblmCopyRows *a = tiles->args;
  size_t end = row_tiles_end (tiles, tile);

  for (size_t i = row_tiles_first (tiles, tile); i < end; i++)
    memcpy (a->out + i * a->out_stride, a->x + i * a->x_stride,
        a->width * sizeof (*a->out));
}

void
FN (copy_rows) (MblmQueue *queue, const MblmCopyRows *a)
{
  RowTiles tiles = row_tiles (a, a->batch, a->width);

  if (a->width > 0)
    run_rows (queue, &tiles, a->width, copy_rows_tile);
}
