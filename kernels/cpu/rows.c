/* rows.c: embedding, positions, sums and copies of rows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "columns.h"

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

  for (size_t i = row_tiles_first (tiles, tile); i < end; i++) {
    size_t first = a->first ? a->first[i / a->rows] : 0;

    table_row (&a->table, (first + i % a->rows) % a->table.rows,
        a->x + i * a->table.cols, true);
  }
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
    add_row (a->x + i * a->x_stride, a->ys ? a->ys[i] : a->y + i * a->y_stride,
        a->width);
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

/* One tile is some rows of all parts. */
static void
scatter_rows_tile (const void *data, size_t tile, unsigned worker)
{
  const RowTiles *tiles = data;
  const MblmScatterRows *a = tiles->args;
  size_t end = row_tiles_end (tiles, tile);

  for (size_t i = row_tiles_first (tiles, tile); i < end; i++) {
    float *const *to = a->to + i / a->rows * a->parts;

    for (size_t p = 0; p < a->parts; p++)
      memcpy (to[p] + i % a->rows * a->width,
          a->x + i * a->x_stride + p * a->width, a->width * sizeof (*a->x));
  }
}

void
FN (scatter_rows) (MblmQueue *queue, const MblmScatterRows *a)
{
  size_t width = a->parts * a->width;
  RowTiles tiles = row_tiles (a, a->batch * a->rows, width);

  if (width > 0)
    run_rows (queue, &tiles, width, scatter_rows_tile);
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

/* The rows of the gradient in the order of their ids, cut into pieces of up to
 * SUM_ROWS with the same id. */
typedef struct {
  const MblmEmbedBackward *a;
  size_t *first; /* [vocabulary + 1]: where the rows of an id begin in `rows` */
  size_t *rows;  /* [rows]: their numbers, rising for each id */
  size_t *piece; /* [vocabulary + 1]: the number of an id's first piece */
  size_t *id;    /* [pieces] */
  float *sums;   /* [pieces, width] */
} EmbedBack;

/* Counting sort: `first` comes out one id too far and is moved back. */
static void
embed_back_sort (EmbedBack *self)
{
  const MblmEmbed *f = &self->a->forward;
  size_t vocabulary = f->table.rows, pieces = 0;

  memset (self->first, 0, (vocabulary + 1) * sizeof (*self->first));
  for (size_t i = 0; i < f->rows; i++)
    self->first[f->ids[i] + 1]++;
  for (size_t id = 0; id < vocabulary; id++)
    self->first[id + 1] += self->first[id];
  for (size_t i = 0; i < f->rows; i++)
    self->rows[self->first[f->ids[i]]++] = i;
  for (size_t id = vocabulary; id > 0; id--)
    self->first[id] = self->first[id - 1];
  self->first[0] = 0;

  for (size_t id = 0; id < vocabulary; id++) {
    size_t count = self->first[id + 1] - self->first[id];

    self->piece[id] = pieces;
    if (self->a->has_padding && self->a->padding == (int32_t) id)
      continue;
    for (size_t i = 0; i < count; i += SUM_ROWS)
      self->id[pieces++] = id;
  }
  self->piece[vocabulary] = pieces;
}

static void
embed_piece_tile (const void *data, size_t tile, unsigned worker)
{
  const EmbedBack *self = data;
  size_t width = self->a->forward.table.cols, id = self->id[tile];
  size_t first = self->first[id] + (tile - self->piece[id]) * SUM_ROWS;
  size_t count = min_size (SUM_ROWS, self->first[id + 1] - first);

  sum_block (self->a->d_out, width, self->rows + first, count, width,
      self->sums + tile * width);
}

static void
embed_id_tile (const void *data, size_t id, unsigned worker)
{
  const EmbedBack *self = data;
  size_t width = self->a->forward.table.cols, piece = self->piece[id];
  size_t count = self->piece[id + 1] - piece;

  for (size_t j = 0; j < width && count > 0; j += COLUMNS) {
    size_t n = min_size (COLUMNS, width - j);
    double total[COLUMNS] = {0.0};

    add_columns (total, self->sums + piece * width + j, width, count, n);
    finish_columns (total, n, self->a->d_table + id * width + j);
  }
}

void
FN (embed_backward) (MblmQueue *queue, const MblmEmbedBackward *a)
{
  const MblmEmbed *f = &a->forward;
  size_t vocabulary = f->table.rows, width = f->table.cols;
  size_t most = f->rows / SUM_ROWS + min_size (f->rows, vocabulary);
  size_t lists = mblm_cpu_bytes (
      2 * (vocabulary + 1) + f->rows + most, sizeof (size_t));
  size_t size = mblm_cpu_bytes (mblm_cpu_bytes (most, width), sizeof (float));
  EmbedBack self = {.a = a};
  char *memory;

  if (!a->d_table || f->rows == 0)
    return;
  if (__builtin_add_overflow (size, lists, &size))
    size = SIZE_MAX;
  memory = mblm_cpu_scratch (queue, size, NULL, NULL);
  if (!memory)
    return;
  self.sums = (float *) (memory + lists);
  self.first = (size_t *) memory;
  self.piece = self.first + vocabulary + 1;
  self.rows = self.piece + vocabulary + 1;
  self.id = self.rows + f->rows;
  embed_back_sort (&self);
  mblm_cpu_run (queue, self.piece[vocabulary],
      MOVE_WORK * (double) f->rows * (double) width, embed_piece_tile, &self);
  mblm_cpu_run (queue, vocabulary,
      SUM_WORK * (double) self.piece[vocabulary] * (double) width,
      embed_id_tile, &self);
}

/* Sums over the batch, in blocks of SUM_ROWS sequences. */
typedef struct {
  const MblmAddPositionBackward *a;
  const float *x; /* [blocks, rows, width] */
  size_t blocks;
  float *sums; /* its memory, where it isn't the gradient itself */
} PositionBack;

/* One tile is one row of one block. */
static void
position_block_tile (const void *data, size_t tile, unsigned worker)
{
  const PositionBack *self = data;
  const MblmAddPosition *f = &self->a->forward;
  size_t width = f->table.cols, first = tile / f->rows * SUM_ROWS;
  size_t count = min_size (SUM_ROWS, f->batch - first);

  sum_block (f->x + (first * f->rows + tile % f->rows) * width, f->rows * width,
      NULL, count, width, self->sums + tile * width);
}

/* One tile is some of the positions that occur. */
static void
position_back_tile (const void *data, size_t tile, unsigned worker)
{
  const RowTiles *tiles = data;
  const PositionBack *self = tiles->args;
  const MblmAddPosition *f = &self->a->forward;
  size_t width = f->table.cols, period = f->table.rows;
  size_t end = row_tiles_end (tiles, tile);

  for (size_t p = row_tiles_first (tiles, tile); p < end; p++)
    for (size_t j = 0; j < width; j += COLUMNS) {
      size_t n = min_size (COLUMNS, width - j);
      double total[COLUMNS] = {0.0};

      for (size_t i = p; i < f->rows; i += period)
        add_columns (
            total, self->x + i * width + j, f->rows * width, self->blocks, n);
      finish_columns (total, n, self->a->d_table + p * width + j);
    }
}

void
FN (add_position_backward) (MblmQueue *queue, const MblmAddPositionBackward *a)
{
  const MblmAddPosition *f = &a->forward;
  size_t width = f->table.cols;
  RowTiles tiles = row_tiles (NULL, min_size (f->rows, f->table.rows), width);
  PositionBack self = {.a = a, .x = f->x, .blocks = f->batch};

  if (!a->d_table)
    return;
  tiles.args = &self;
  if (f->batch >= SUM_ROWS) {
    self.blocks = divide_up (f->batch, SUM_ROWS);
    self.sums = mblm_cpu_scratch (queue,
        mblm_cpu_bytes (self.blocks * f->rows, width * sizeof (float)), NULL,
        NULL);
    if (!self.sums)
      return;
    self.x = self.sums;
    mblm_cpu_run (queue, self.blocks * f->rows,
        SUM_WORK * (double) (f->batch * f->rows) * (double) width,
        position_block_tile, &self);
  }
  mblm_cpu_run (queue, row_tiles_count (&tiles),
      MOVE_WORK * (double) (self.blocks * f->rows) * (double) width,
      position_back_tile, &tiles);
}

typedef struct {
  const MblmSumRows *a;
  float *sums; /* [blocks, width] */
} SumRows;

static void
sum_rows_tile (const void *data, size_t tile, unsigned worker)
{
  const SumRows *self = data;
  const MblmSumRows *a = self->a;
  size_t first = tile * SUM_ROWS;

  sum_block (a->x + first * a->x_stride, a->x_stride, NULL,
      min_size (SUM_ROWS, a->batch - first), a->width,
      self->sums + tile * a->width);
}

void
FN (sum_rows) (MblmQueue *queue, const MblmSumRows *a)
{
  size_t blocks = divide_up (a->batch, SUM_ROWS);
  SumRows self = {.a = a};
  ColumnSums job = {.rows = blocks, .stride = a->width, .width = a->width};

  self.sums = mblm_cpu_scratch (
      queue, mblm_cpu_bytes (blocks, a->width * sizeof (float)), NULL, NULL);
  if (!self.sums)
    return;
  mblm_cpu_run (queue, blocks, SUM_WORK * (double) a->batch * (double) a->width,
      sum_rows_tile, &self);
  job.x = self.sums;
  job.out = a->out;
  column_sums (queue, &job);
}
