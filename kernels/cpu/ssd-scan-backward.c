/* ssd-scan-backward.c: the gradient of Mamba-2's scan.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In chunks of CHUNK steps nearly all is products of matrices. With S the state
 * before a chunk, G the gradient of the one after it, g = d_y, dt and decay the
 * steps', pre[i] the product of the decays from the chunk's first step to i,
 * post[j] that of those after j, and L[i, j] that of those after j up to i:
 *
 *   K[i, j] = (g_i . x_j) L[i, j] dt_j,   M[i, j] = (C_i . B_j) K[i, j]
 *   w_j  = sum over i >= j of (C_i . B_j) L[i, j] g_i + post[j] G B_j
 *   d_x_j  = dt_j w_j + skip g_j
 *   d_B_j  = sum over heads of post[j] dt_j G^T x_j + sum over i of K[i, j] C_i
 *   d_C_i  = sum over heads of pre[i] S^T g_i + sum over j of K[i, j] B_j
 *   d_S    = pre[last] G + sum over i of pre[i] g_i (outer) C_i
 *   d_dt_j = x_j . w_j - rate da_j,   and da_t, the gradient of log decay t, is
 *   pre[last] <S, G> + sum over i >= t of (pre[i] S^T g_i) . C_i
 *     + sum over j < t of (post[j] dt_j G^T x_j) . B_j
 *     + sum over i >= t, j < t of M[i, j]
 *
 * Decays are multiplied up step by step, never divided, and nothing is
 * subtracted: it is as exact as the recurrence. (A number that isn't finite
 * spreads within its chunk.)
 *
 * A *unit* is a sequence; or, where sequences are short, start from the same
 * state and leave none whose gradient is given, as many as fill a chunk: between
 * them L is zero. Units are worked on in groups, a tile being a chunk of a head
 * of a unit. A forward pass keeps the states before each chunk, or where they
 * are many before every few, from which the others are found again.
 */

#include "ssd-scan-backward.h"

/* Units times heads of a group. */
#define GROUP_HEADS 32
/* States of a head of a unit that are kept by the forward pass. */
#define KEPT_STATES 128
/* Rows of a tile of the sums over heads. */
#define SUM_ROWS SSD_BLOCK

/* Nanoseconds for a multiplication of a product. */
#define MULTIPLY_WORK 0.02

/* ------------------------------------------------------------------------- */
/* States                                                                    */
/* ------------------------------------------------------------------------- */

/* Copies the state that head h of unit u starts from to s [head_dim, n]. */
static void
load_start (const SsdBackward *self, size_t u, size_t h, float *s)
{
  const MblmSsdScan *f = &self->a->forward;
  const float *from = carry_from (&f->carry, self->start, u);

  if (from)
    ssd_copy_padded (from + h * f->head_dim * f->state, f->state, f->head_dim,
        f->state, s, self->n);
  else
    memset (s, 0, self->matrix * sizeof (*s));
}

/* next = the state after chunk c of head h of unit u, s the one before it. */
static void
advance (const SsdBackward *self, size_t u, size_t h, size_t c, const float *s,
    float *next, float *scratch)
{
  const MblmSsdScan *f = &self->a->forward;
  SsdSteps steps;
  size_t row = ssd_steps (self, u, h, c, &steps);
  float *x = scratch;                 /* [CHUNK, p]: post dt x */
  float *b = x + SSD_CHUNK * self->p; /* [CHUNK, n] */

  for (size_t j = 0; j < steps.count; j++)
    ssd_copy_scaled (f->x + (row + j) * f->xbc_stride + h * f->head_dim,
        f->head_dim, steps.post[j] * steps.dt[j], x + j * self->p);
  ssd_copy_padded (f->b + row * f->xbc_stride, f->xbc_stride, steps.count,
      f->state, b, self->n);
  memcpy (next, s, self->matrix * sizeof (*s));
  FN (small_product)
  (&(SmallProduct){
      .rows = f->head_dim,
      .width = self->n,
      .depth = steps.count,
      .a = x,
      .a_row = 1,
      .a_depth = self->p,
      .b = b,
      .b_stride = self->n,
      .add = true,
      .scale = steps.pre[steps.count - 1],
      .out = next,
      .out_stride = self->n,
  });
}

/* Keeps the states before every self->segment-th chunk. */
static void
keep_tile (const void *data, size_t tile, unsigned worker)
{
  const SsdBackward *self = data;
  size_t h = tile % self->a->forward.heads;
  size_t u = self->first + tile / self->a->forward.heads;
  float *scratch = (float *) (self->workers + worker * self->each);
  float *s[2] = {scratch, scratch + self->matrix};

  load_start (self, u, h, s[0]);
  for (size_t c = 0; c < self->chunks; c++) {
    if (c % self->segment == 0)
      memcpy (ssd_state (self, tile, c), s[c % 2], self->matrix * sizeof (**s));
    if (c + 1 < self->chunks)
      advance (self, u, h, c, s[c % 2], s[(c + 1) % 2], s[1] + self->matrix);
  }
}

/* Finds the states before the other chunks of the segment of self->chunk. */
static void
segment_tile (const void *data, size_t tile, unsigned worker)
{
  const SsdBackward *self = data;
  size_t h = tile % self->a->forward.heads;
  size_t u = self->first + tile / self->a->forward.heads;
  size_t first = self->chunk - self->chunk % self->segment;
  float *scratch = (float *) (self->workers + worker * self->each);

  for (size_t c = first; c < self->chunk; c++)
    advance (self, u, h, c, ssd_state (self, tile, c),
        ssd_state (self, tile, c + 1), scratch);
}

/* ------------------------------------------------------------------------- */
/* What the heads have in common                                             */
/* ------------------------------------------------------------------------- */

/* B, C and their products, of this chunk of a unit. */
static void
common_tile (const void *data, size_t tile, unsigned worker)
{
  const SsdBackward *self = data;
  const MblmSsdScan *f = &self->a->forward;
  size_t count, row = ssd_rows (self, self->first + tile, self->chunk, &count);
  size_t blocks = divide_up (count, SSD_BLOCK) * SSD_BLOCK;
  SsdCommon common = ssd_common (self, tile);

  ssd_copy_padded (f->b + row * f->xbc_stride, f->xbc_stride, count, f->state,
      common.b, self->n);
  ssd_copy_padded (f->c + row * f->xbc_stride, f->xbc_stride, count, f->state,
      common.c, self->n);
  memset (common.b + count * self->n, 0,
      (blocks - count) * self->n * sizeof (float));
  FN (transpose)
  (common.b, self->n, blocks, self->n, common.b_transposed, SSD_CHUNK);
  for (size_t i = 0; i < count; i += SUM_ROWS) {
    size_t rows = min_size (SUM_ROWS, count - i);

    FN (small_product)
    (&(SmallProduct){
        .rows = rows,
        .width = i + SUM_ROWS,
        .depth = self->n,
        .a = common.c + i * self->n,
        .a_row = self->n,
        .a_depth = 1,
        .b = common.b_transposed,
        .b_stride = SSD_CHUNK,
        .out = common.cb + i * SSD_CHUNK,
        .out_stride = SSD_CHUNK,
    });
  }
}

/* sum [rows, width] = the sum of part [h][rows, width] over the parts, these
 * `distance` apart. */
static void
sum_parts (const float *part, size_t parts, size_t distance, size_t stride,
    size_t rows, size_t width, float *sum, size_t sum_stride)
{
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < width; j += VW) {
      vf all = v_zero ();

      for (size_t h = 0; h < parts; h++)
        all = all + v_load (part + h * distance + i * stride + j);
      v_store (sum + i * sum_stride + j, all);
    }
}

/* Rows [first, first + rows) of d_b or d_c, out [rows, state]. */
static void
store_rows (const SsdBackward *self, const float *sum, size_t rows, float *out)
{
  size_t state = self->a->forward.state;

  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < state; j += VW)
      v_store_n (out + i * self->a->d_xbc_stride + j, state - j,
          v_load (sum + i * self->n + j));
}

/* SUM_ROWS rows of d_b and d_c of this chunk of a unit. */
static void
sum_tile (const void *data, size_t tile, unsigned worker)
{
  const SsdBackward *self = data;
  const MblmSsdScanBackward *a = self->a;
  size_t blocks = SSD_CHUNK / SUM_ROWS;
  size_t u = tile / blocks, i = tile % blocks * SUM_ROWS, count;
  size_t row = ssd_rows (self, self->first + u, self->chunk, &count);
  size_t rows = min_size (SUM_ROWS, count - min_size (i, count));
  SsdCommon common = ssd_common (self, u);
  SsdPart part = ssd_part (self, u * self->parts);
  float *k = (float *) (self->workers + worker * self->each);
  float *sum = k + SSD_CHUNK * SSD_CHUNK; /* [SUM_ROWS, n] */
  SmallProduct product = {.rows = rows,
      .width = self->n,
      .b_stride = self->n,
      .add = true,
      .scale = 1.0f,
      .out = sum,
      .out_stride = self->n};

  if (rows == 0)
    return;
  if (a->d_c) {
    sum_parts (part.k + i * SSD_CHUNK, self->parts, self->part_size, SSD_CHUNK,
        rows, i + SUM_ROWS, k, SSD_CHUNK);
    sum_parts (part.d_c + i * self->n, self->parts, self->part_size, self->n,
        rows, self->n, sum, self->n);
    product.depth = i + rows;
    product.a = k;
    product.a_row = SSD_CHUNK;
    product.a_depth = 1;
    product.b = common.b;
    FN (small_product) (&product);
    store_rows (self, sum, rows, a->d_c + (row + i) * a->d_xbc_stride);
  }
  if (a->d_b) {
    sum_parts (part.k + i * SSD_CHUNK + i, self->parts, self->part_size,
        SSD_CHUNK, count - i, SUM_ROWS, k, SUM_ROWS);
    sum_parts (part.d_b + i * self->n, self->parts, self->part_size, self->n,
        rows, self->n, sum, self->n);
    product.depth = count - i;
    product.a = k;
    product.a_row = 1;
    product.a_depth = SUM_ROWS;
    product.b = common.c + i * self->n;
    FN (small_product) (&product);
    store_rows (self, sum, rows, a->d_b + (row + i) * a->d_xbc_stride);
  }
}

/* ------------------------------------------------------------------------- */
/* Starts and sums                                                           */
/* ------------------------------------------------------------------------- */

/* Channel `tile` of all: adds the gradients of the starts of this group. */
static void
start_tile (const void *data, size_t tile, unsigned worker)
{
  const SsdBackward *self = data;
  const MblmSsdScan *f = &self->a->forward;
  size_t h = tile / f->head_dim, p = tile % f->head_dim;

  for (size_t u = 0; u < self->count; u++) {
    size_t b = f->carry.shared ? 0 : self->first + u;
    const float *d = ssd_d_state (self, u, h) + p * self->n;
    float *to = self->a->d_carry.from[b] + tile * f->state; /* [state] */

    for (size_t n = 0; n < f->state; n += VW)
      v_store_n (to + n, f->state - n,
          v_load_n (to + n, f->state - n) + v_load (d + n));
  }
}

/* Adds the sums over the steps, unit by unit. */
static void
add_sums (const SsdBackward *self)
{
  const MblmSsdScanBackward *a = self->a;
  size_t heads = a->forward.heads;

  for (size_t h = 0; h < heads; h++)
    for (size_t u = 0; u < self->count; u++) {
      const SsdSums *sums = &self->sums[u * heads + h];

      self->totals[h].a_log += sums->a_log;
      self->totals[h].skip += sums->skip;
      self->totals[h].delta_bias += sums->delta_bias;
    }
}

static void
add_totals (const SsdBackward *self)
{
  const MblmSsdScanBackward *a = self->a;

  for (size_t h = 0; h < a->forward.heads; h++) {
    if (a->d_a_log)
      a->d_a_log[h] = (float) (a->d_a_log[h] + self->totals[h].a_log);
    if (a->d_skip)
      a->d_skip[h] = (float) (a->d_skip[h] + self->totals[h].skip);
    if (a->d_delta_bias)
      a->d_delta_bias[h] = (float) (a->d_delta_bias[h] +
          self->totals[h].delta_bias);
  }
}

/* ------------------------------------------------------------------------- */
/* All of it                                                                 */
/* ------------------------------------------------------------------------- */

/* The gradient of the state that head h of a unit leaves. */
static void
begin_tile (const void *data, size_t tile, unsigned worker)
{
  const SsdBackward *self = data;
  const MblmSsdScan *f = &self->a->forward;
  size_t h = tile % f->heads, u = self->first + tile / f->heads;
  float *d_state = ssd_d_state (self, 0, tile);

  self->sums[tile] = (SsdSums){.a_log = 0.0};
  if (self->a->d_carry.to)
    ssd_copy_padded (self->a->d_carry.to[u] + h * f->head_dim * f->state,
        f->state, f->head_dim, f->state, d_state, self->n);
  else
    memset (d_state, 0, self->matrix * sizeof (*d_state));
}

static void
group_backward (MblmQueue *queue, SsdBackward *self)
{
  const MblmSsdScanBackward *a = self->a;
  size_t tiles = self->count * a->forward.heads;
  size_t blocks = SSD_CHUNK / SUM_ROWS;
  double chunk = MULTIPLY_WORK * (double) tiles * (double) self->matrix *
      (double) min_size (SSD_CHUNK, self->rows);

  mblm_cpu_run (queue, tiles,
      MULTIPLY_WORK * (double) tiles * (double) self->matrix, begin_tile, self);
  if (self->chunks > 1)
    mblm_cpu_run (queue, tiles, chunk * (double) self->chunks, keep_tile, self);
  for (self->chunk = self->chunks; self->chunk-- > 0;) {
    if (self->chunk % self->segment == self->segment - 1 ||
        self->chunk + 1 == self->chunks)
      if (self->segment > 1)
        mblm_cpu_run (
            queue, tiles, chunk * (double) self->segment, segment_tile, self);
    mblm_cpu_run (queue, self->count, chunk, common_tile, self);
    mblm_cpu_run (queue, self->count * self->parts, 4.0 * chunk,
        FN (ssd_chunk_backward), self);
    mblm_cpu_run (queue, self->count * blocks, chunk, sum_tile, self);
  }
  if (a->d_carry.from)
    mblm_cpu_run (queue, a->forward.heads * a->forward.head_dim,
        MULTIPLY_WORK * (double) tiles * (double) self->matrix, start_tile,
        self);
  add_sums (self);
}

/* Cuts the work by its shape. */
static void
plan (SsdBackward *self)
{
  const MblmSsdScanBackward *a = self->a;
  const MblmSsdScan *f = &a->forward;
  bool alike = !f->carry.from || f->carry.shared;

  if (a->d_carry.from && !f->carry.shared)
    alike = false;
  self->sequences = 1;
  if (alike && !a->d_carry.to && f->rows > 0)
    self->sequences = max_size (1, SSD_CHUNK / f->rows);
  self->units = divide_up (f->batch, self->sequences);
  self->rows = f->rows * self->sequences;
  self->chunks = divide_up (self->rows, SSD_CHUNK);
  self->group = max_size (1, GROUP_HEADS / max_size (1, f->heads));
  self->group = min_size (self->group, self->units);
  self->together = 1;
  while (self->together < 4 && self->group * f->heads >= 8 * self->together)
    self->together *= 2;
  self->parts = divide_up (f->heads, self->together);
  self->p = divide_up (f->head_dim, VW) * VW;
  self->n = divide_up (f->state, VW) * VW;
  self->matrix = f->head_dim * self->n;
  self->segment = max_size (1, divide_up (self->chunks, KEPT_STATES));
}

/* False: no memory, and the queue knows. */
static bool
find_memory (MblmQueue *queue, SsdBackward *self)
{
  const MblmSsdScan *f = &self->a->forward;
  size_t chunk = SSD_CHUNK, tiles = self->group * f->heads;
  size_t segments = self->chunks > 1 ? divide_up (self->chunks, self->segment)
                                     : 0;
  size_t kept = segments * tiles * self->matrix;
  size_t inside = (self->segment - 1) * tiles * self->matrix;
  double floats;
  char *memory;

  self->common_size = chunk * (3 * self->n + chunk);
  self->part_size = chunk * (2 * self->n + chunk);
  self->each = mblm_cpu_bytes (
      2 * self->matrix + chunk * (7 * self->p + self->n + 2 * chunk),
      sizeof (float));
  floats = (double) (segments + self->segment + 1) * (double) tiles *
          (double) self->matrix +
      (double) self->group * (double) self->common_size +
      (double) tiles * (double) self->part_size;
  if (floats > (double) (SIZE_MAX / 64)) {
    queue->status = MBLM_STATUS_NO_MEMORY;
    return false;
  }
  memory = mblm_cpu_scratch (queue,
      (kept + inside + self->group * self->common_size +
          self->group * self->parts * self->part_size + tiles * self->matrix) *
              sizeof (float) +
          (tiles + f->heads) * sizeof (SsdSums),
      &self->each, &self->workers);
  if (!memory)
    return false;
  self->kept = (float *) memory;
  self->inside = self->kept + kept;
  self->common = self->inside + inside;
  self->part = self->common + self->group * self->common_size;
  self->d_state = self->part + self->group * self->parts * self->part_size;
  self->sums = (SsdSums *) (self->d_state + tiles * self->matrix);
  self->totals = self->sums + tiles;
  memset (self->totals, 0, f->heads * sizeof (*self->totals));
  return true;
}

void
FN (ssd_scan_backward) (MblmQueue *queue, const MblmSsdScanBackward *a)
{
  SsdBackward self = {.a = a};

  plan (&self);
  if (a->forward.carry.from && a->forward.carry.shared && a->forward.batch > 0)
    self.start = a->forward.carry.from[0];
  if (!find_memory (queue, &self))
    return;
  for (self.first = 0; self.first < self.units; self.first += self.group) {
    self.count = min_size (self.group, self.units - self.first);
    group_backward (queue, &self);
  }
  add_totals (&self);
}
