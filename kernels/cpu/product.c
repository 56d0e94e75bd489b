/* product.c: products of two matrices, by many threads.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One operand is packed, a chunk of it at a time, which then stays in the second
 * level cache while the strips of the other pass by. Both steps are tiles for the
 * threads. What follows the product is done on a strip of results while it is in
 * that cache, too.
 *
 * The gradient of a small weight has few tiles and a depth without bound. Its
 * depth is cut into pieces, each a tile; their sums are added in order.
 */

#include "product.h"
#include "tile.h"

/* Bytes of a chunk. */
#define CHUNK ((size_t) 1 << 20)

/* Columns of a strip's sums that are held at once. */
#define GROUP_COLUMNS 512
_Static_assert(GROUP_COLUMNS % BLOCK_MOST == 0, "blocks fill groups");

/* Panels of a tile of packing, or elements of the depth. A tile of products has as
 * many strips as leave so many tiles, which then end together, and not more than
 * the last number here. */
#define PACK_TILE 2
#define PACK_DEPTH PANEL_DEPTH_STEP
#define MIN_TILES 32
#define MAX_TILE_STRIPS 4

/* With fewer strips the depth is cut, into at most so many pieces, none smaller
 * than this. */
#define FEW_STRIPS 8
#define MAX_PIECES 16
#define MIN_PIECE 2048

/* Nanoseconds for an element that is packed. */
#define PACK_WORK 0.25

/* A matrix of results, or what is there of it: from a row and a column on. */
typedef struct {
  float *data;
  size_t stride;
  size_t row, col;
} Result;

typedef struct {
  const Product *product;
  const MblmBlocks *blocks;
  ProductOperand packed, other;
  bool transposed;     /* rows of the result are those of `packed` */
  Result sums;         /* what has been added up of each so far */
  bool begun;          /* they hold something */
  bool last;           /* this part of the depth completes them */
  char *panels;        /* of the chunk */
  size_t first, chunk; /* rows of `packed` */
  size_t part;         /* the longest of the depth */
  size_t col, depth;   /* this one */
  size_t tile_rows;    /* of `other`, of a tile */
} Job;

static size_t
panel_bytes (const MblmBlocks *blocks, size_t depth)
{
  size_t steps = divide_up (max_size (1, depth), PANEL_DEPTH_STEP);

  return steps * PANEL_DEPTH_STEP * blocks->lanes * blocks->size;
}

/* Elements [from, end) of the depth of panels [panel, end_panel) of the chunk. */
static void
pack_panels (
    const Job *self, size_t panel, size_t end_panel, size_t from, size_t end)
{
  const MblmBlocks *blocks = self->blocks;
  size_t bytes = panel_bytes (blocks, self->depth);

  for (; panel < end_panel; panel++) {
    size_t at = panel * blocks->lanes;

    blocks->pack_panel (
        self->panels + panel * bytes + from * blocks->lanes * blocks->size,
        &self->packed, self->first + at,
        min_size (blocks->lanes, self->chunk - at), self->col + from,
        end - from);
  }
}

/* The whole chunk in tiles of whole panels, or, where it lies across, of the
 * depth: then each row of memory is read in one go. */
static size_t
pack_tiles (const Job *self)
{
  return self->packed.across
      ? divide_up (self->depth, PACK_DEPTH)
      : divide_up (self->chunk, self->blocks->lanes * PACK_TILE);
}

static void
pack_some (const Job *self, size_t tile)
{
  size_t panels = divide_up (self->chunk, self->blocks->lanes);
  size_t panel = tile * PACK_TILE, from = tile * PACK_DEPTH;

  if (self->packed.across)
    pack_panels (
        self, 0, panels, from, min_size (self->depth, from + PACK_DEPTH));
  else
    pack_panels (
        self, panel, min_size (panels, panel + PACK_TILE), 0, self->depth);
}

/* `rows` rows of `count` sums, `stride` apart, to the rows from `row` and columns
 * from `col` on of the result. */
static void
store_rows (const Job *self, float *sums, size_t stride, size_t rows,
    size_t count, size_t row, size_t col)
{
  const Product *p = self->product;
  const Finish *finish = self->last ? p->finish : NULL;

  for (size_t i = 0; i < rows; i++, sums += stride) {
    const Result *r = &self->sums;
    float *so_far = r->data + (row + i - r->row) * r->stride + col - r->col;

    if (self->begun && !finish) {
      finish_add (so_far, so_far, sums, count);
      continue;
    }
    if (self->begun)
      finish_add (sums, so_far, sums, count);
    if (finish)
      finish_row (finish, row + i, sums, col, count,
          entry_at (finish->type, p->out, (row + i) * p->out_stride));
    else
      for (size_t j = 0; j < count; j += VW)
        v_store_n (so_far + j, count - j, v_load_n (sums + j, count - j));
  }
}

/* Panels from `first` to `end` of the chunk with a strip of rows [row, row +
 * count). What follows is done row by row, whose memory is then read and written
 * as it lies. */
static void
multiply_group (const Job *self, const char *strip, size_t row, size_t count,
    size_t first, size_t end)
{
  _Alignas(64) float sums[BLOCK_MOST * GROUP_COLUMNS];
  const MblmBlocks *blocks = self->blocks;
  size_t bytes = panel_bytes (blocks, self->depth), at = first * blocks->lanes;
  size_t columns = min_size (self->chunk, end * blocks->lanes) - at;

  for (size_t i = first; i < end; i++)
    blocks->block (strip, count, self->panels + i * bytes,
        min_size (blocks->lanes, self->chunk - i * blocks->lanes), self->depth,
        sums + (i - first) * blocks->lanes, GROUP_COLUMNS);
  store_rows (self, sums, GROUP_COLUMNS, count, columns, row, self->first + at);
}

/* The same for one panel, whose lanes are rows of the result. */
static void
multiply_transposed (
    const Job *self, const char *strip, size_t row, size_t count, size_t panel)
{
  _Alignas(64) float sums[BLOCK_MOST * BLOCK_MOST];
  const MblmBlocks *blocks = self->blocks;
  size_t at = panel * blocks->lanes;
  size_t lanes = min_size (blocks->lanes, self->chunk - at);

  blocks->block_transposed (strip, count,
      self->panels + panel * panel_bytes (blocks, self->depth), lanes,
      self->depth, sums, BLOCK_MOST);
  store_rows (self, sums, BLOCK_MOST, lanes, count, self->first + at, row);
}

/* Rows [row, row + count) of the other operand with all panels of the chunk. */
static void
multiply_strip (const Job *self, size_t row, size_t count)
{
  _Alignas(64) char strip[STRIP_BYTES];
  const MblmBlocks *blocks = self->blocks;
  size_t panels = divide_up (self->chunk, blocks->lanes);
  size_t group = GROUP_COLUMNS / blocks->lanes;

  blocks->pack_strip (strip, &self->other, row, count, self->col, self->depth);
  if (self->transposed)
    for (size_t i = 0; i < panels; i++)
      multiply_transposed (self, strip, row, count, i);
  else
    for (size_t i = 0; i < panels; i += group)
      multiply_group (self, strip, row, count, i, min_size (panels, i + group));
}

static void
multiply_rows (const Job *self, size_t row, size_t end)
{
  size_t step = self->blocks->rows;

  if (self->blocks->begin)
    self->blocks->begin ();
  for (; row < end; row += step)
    multiply_strip (self, row, min_size (step, end - row));
  if (self->blocks->end)
    self->blocks->end ();
}

/* ------------------------------------------------------------------------- */
/* Tiles of the result                                                       */
/* ------------------------------------------------------------------------- */

static void
pack_tile (const void *data, size_t tile, unsigned worker)
{
  pack_some (data, tile);
}

static void
multiply_tile (const void *data, size_t tile, unsigned worker)
{
  const Job *self = data;
  size_t first = tile * self->tile_rows;

  multiply_rows (
      self, first, min_size (self->other.rows, first + self->tile_rows));
}

static void
multiply_chunk (MblmQueue *queue, const Job *self)
{
  double size = (double) self->chunk * (double) self->depth;

  mblm_cpu_run (queue, pack_tiles (self), size * PACK_WORK, pack_tile, self);
  mblm_cpu_run (queue, divide_up (self->other.rows, self->tile_rows),
      size * (double) self->other.rows * MULTIPLY_WORK, multiply_tile, self);
}

/* Rows of `packed` in a chunk. */
static size_t
chunk_rows (const Job *self, size_t depth)
{
  size_t lanes = self->blocks->lanes;

  return min_size (CHUNK / panel_bytes (self->blocks, depth),
             divide_up (self->packed.rows, lanes)) *
      lanes;
}

static void
multiply_in_chunks (MblmQueue *queue, Job *self)
{
  const Product *p = self->product;
  size_t depth = min_size (p->depth, self->part);
  size_t chunk = chunk_rows (self, depth), panels, bytes = 0;
  /* What is added to `out`, or has not the type of `out`, can't pass through it
   * on the way to the activation. */
  bool apart = p->depth > depth && p->finish &&
      (p->finish->residual == p->out || p->finish->type != MBLM_TYPE_F32);
  char *scratch;

  panels = chunk / self->blocks->lanes * panel_bytes (self->blocks, depth);
  if (apart)
    bytes = mblm_cpu_bytes (self->other.rows, sizeof (float) * chunk);
  if (__builtin_add_overflow (panels, bytes, &bytes))
    bytes = SIZE_MAX;
  scratch = mblm_cpu_scratch (queue, bytes, NULL, NULL);
  if (!scratch)
    return;
  self->panels = scratch;

  for (; self->first < self->packed.rows; self->first += chunk) {
    self->chunk = min_size (chunk, self->packed.rows - self->first);
    if (apart && self->transposed)
      self->sums = (Result){
          (float *) (scratch + panels), p->b.rows, .row = self->first};
    else if (apart)
      self->sums = (Result){
          (float *) (scratch + panels), chunk, .col = self->first};
    self->begun = p->add;
    self->col = 0;
    do { /* once where there is no depth: sums of nothing */
      self->depth = min_size (self->part, p->depth - self->col);
      self->last = self->col + self->depth == p->depth;
      multiply_chunk (queue, self);
      self->begun = true;
      self->col += self->depth;
    } while (self->col < p->depth);
  }
}

/* ------------------------------------------------------------------------- */
/* Pieces of the depth                                                       */
/* ------------------------------------------------------------------------- */

typedef struct {
  Job job;
  size_t count, length; /* of the depth */
  size_t size;          /* results of a piece, [a.rows, b.rows] */
  float *sums;          /* [count, size] */
  char *panels;         /* of each worker */
  size_t each;
} Pieces;

static void
piece_tile (const void *data, size_t tile, unsigned worker)
{
  const Pieces *self = data;
  Job job = self->job;
  size_t end = min_size (job.product->depth, (tile + 1) * self->length);

  job.panels = self->panels + worker * self->each;
  job.sums = (Result){self->sums + tile * self->size, job.product->b.rows};
  job.chunk = job.packed.rows;
  for (job.col = tile * self->length; job.col < end; job.col += job.depth) {
    job.depth = min_size (job.part, end - job.col);
    for (size_t i = 0; i < pack_tiles (&job); i++)
      pack_some (&job, i);
    multiply_rows (&job, 0, job.other.rows);
    job.begun = true;
  }
}

static void
add_pieces_tile (const void *data, size_t tile, unsigned worker)
{
  const Pieces *self = data;
  const Product *p = self->job.product;
  float *out = (float *) p->out + tile * p->out_stride;
  size_t width = p->b.rows;

  for (size_t j = 0; j < width; j += VW) {
    size_t n = width - j;
    vf sum = p->add ? v_load_n (out + j, n) : v_zero ();

    for (size_t i = 0; i < self->count; i++)
      sum = sum + v_load_n (self->sums + i * self->size + tile * width + j, n);
    v_store_n (out + j, n, sum);
  }
}

static bool
is_worth_pieces (const Job *self)
{
  return divide_up (self->other.rows, self->blocks->rows) < FEW_STRIPS &&
      self->product->depth >= 2 * MIN_PIECE && !self->product->finish;
}

static void
multiply_in_pieces (MblmQueue *queue, const Job *job)
{
  const Product *p = job->product;
  Pieces self = {.job = *job, .size = p->a.rows * p->b.rows};
  double work = (double) p->depth * (double) job->packed.rows;

  self.count = min_size (MAX_PIECES, p->depth / MIN_PIECE);
  self.length = divide_up (divide_up (p->depth, self.count), job->part) *
      job->part;
  self.count = divide_up (p->depth, self.length);
  self.each = divide_up (job->packed.rows, job->blocks->lanes) *
      panel_bytes (job->blocks, job->part);
  self.sums = mblm_cpu_scratch (queue,
      mblm_cpu_bytes (self.count * self.size, sizeof (float)), &self.each,
      &self.panels);
  if (!self.sums)
    return;
  mblm_cpu_run (queue, self.count,
      work * (PACK_WORK + MULTIPLY_WORK * (double) job->other.rows), piece_tile,
      &self);
  mblm_cpu_run (queue, p->a.rows,
      (double) self.count * (double) self.size * READ_WORK, add_pieces_tile,
      &self);
}

/* Whether to pack `a` and not `b`. Blocks that are transposed take longer. But few
 * strips keep few threads busy, and a chunk more of what is packed is a pass more
 * over the other operand. */
static bool
is_better_transposed (const Product *p, const MblmBlocks *blocks)
{
  size_t depth = min_size (p->depth, blocks->depth);
  size_t panels = divide_up (p->b.rows, blocks->lanes);

  return p->a.rows < p->b.rows / 2 &&
      (divide_up (p->a.rows, blocks->rows) < FEW_STRIPS ||
          panels > CHUNK / panel_bytes (blocks, depth));
}

void
FN (product) (MblmQueue *queue, const Product *product)
{
  Job self = {.product = product};
  size_t strips;

  if (product->a.rows == 0 || product->b.rows == 0)
    return;
  self.blocks = product->product == MBLM_TYPE_BF16
      ? queue->device->ops.blocks_bf16
      : &FN (blocks_f32);
  self.transposed = is_better_transposed (product, self.blocks);
  self.packed = self.transposed ? product->a : product->b;
  self.other = self.transposed ? product->b : product->a;
  self.part = self.blocks->depth;
  self.sums = (Result){product->out, product->out_stride};
  if (is_worth_pieces (&self)) {
    multiply_in_pieces (queue, &self);
    return;
  }
  strips = divide_up (self.other.rows, self.blocks->rows) / MIN_TILES;
  self.tile_rows = self.blocks->rows *
      max_size (1, min_size (strips, MAX_TILE_STRIPS));
  multiply_in_chunks (queue, &self);
}
