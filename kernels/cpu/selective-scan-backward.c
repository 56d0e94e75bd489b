/* selective-scan-backward.c: the gradient of Mamba-1's scan.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A *block* is VW channels, one in each lane; a tile is BLOCKS of them, of one
 * sequence or of several short ones. Time goes by in pieces of PIECE rows, the
 * last first: a forward pass has kept the state before each, from which those
 * inside are computed again, and kept with the decays for the way back. The
 * gradients of B and C are added up over the blocks of a tile lane by lane,
 * then over lanes, and last over tiles.
 */

#include "carry.h"
#include "isa.h"
#include "tile.h"
#include "vecmath.h"

#define PIECE 16
#define BLOCKS 8
#define TILE_ROWS 64 /* of several sequences */

/* Nanoseconds for an element of the state and a step. */
#define BACKWARD_WORK 2.5

typedef struct {
  const MblmSelectiveScanBackward *a;
  const float *start;       /* where it is shared, [width, state] */
  size_t groups;            /* of blocks */
  size_t sequences;         /* of a tile */
  size_t times;             /* of sequences, in all */
  size_t pieces;            /* of a sequence */
  float *d_b, *d_c;         /* [groups, batch * rows, state] */
  float *d_a_log, *d_start; /* [times, width, state] */
  float *d_skip;            /* [times, width] */
  char *workers;
  size_t each;
} Backward;

/* A worker's memory. What has no block in it is of the block at work. */
typedef struct {
  float *rate;      /* [BLOCKS, state, VW]: the decay is exp (rate dt) */
  float *d_state;   /* [BLOCKS, state, VW] */
  float *d_rate;    /* [BLOCKS, state, VW], sums over the tile */
  float *d_start;   /* [BLOCKS, state, VW], sums over sequences */
  float *d_skip;    /* [BLOCKS, VW] */
  float *kept;      /* [pieces, BLOCKS, state, VW]: states before pieces */
  float *states;    /* [PIECE + 1, state, VW]: before rows, after the last */
  float *decays;    /* [PIECE, state, VW] */
  float *d_b, *d_c; /* [PIECE, state, VW], sums over blocks */
  size_t size;      /* state * VW */
} Memory;

/* Some rows of a block. */
typedef struct {
  size_t row, count; /* the first of all rows */
  size_t e, n;       /* channels [e, e + n) */
} Part;

static Memory
find_memory (const Backward *self, unsigned worker)
{
  size_t size = self->a->forward.state * VW;
  float *at = (float *) (self->workers + worker * self->each);
  Memory m = {.size = size};

  m.rate = at;
  m.d_state = m.rate + BLOCKS * size;
  m.d_rate = m.d_state + BLOCKS * size;
  m.d_start = m.d_rate + BLOCKS * size;
  m.d_skip = m.d_start + BLOCKS * size;
  m.states = m.d_skip + BLOCKS * VW;
  m.decays = m.states + (PIECE + 1) * size;
  m.d_b = m.decays + PIECE * size;
  m.d_c = m.d_b + PIECE * size;
  m.kept = m.d_c + PIECE * size;
  return m;
}

static size_t
memory_floats (size_t state, size_t pieces)
{
  return state * VW * (4 * BLOCKS + 4 * PIECE + 1 + pieces * BLOCKS) +
      BLOCKS * VW;
}

/* to [state, VW] = from [n, state], other lanes are `rest`. */
static void
load_lanes (const float *from, size_t state, size_t n, float rest, float *to)
{
  for (size_t i = 0; i < state; i++)
    for (size_t j = 0; j < VW; j++)
      to[i * VW + j] = from && j < n ? from[j * state + i] : rest;
}

/* to [n, state] = (or += with `add`) from [state, VW] */
static void
store_lanes (const float *from, size_t state, size_t n, bool add, float *to)
{
  for (size_t j = 0; j < n; j++)
    for (size_t i = 0; i < state; i++)
      to[j * state + i] = (add ? to[j * state + i] : 0.0f) + from[i * VW + j];
}

/* ------------------------------------------------------------------------- */
/* Forward                                                                   */
/* ------------------------------------------------------------------------- */

/* From the state h [state, VW] before a part to that after it. */
static void
advance (const Backward *self, const Part *part, const float *rate, float *h)
{
  const MblmSelectiveScan *f = &self->a->forward;

  for (size_t t = 0; t < part->count; t++) {
    size_t row = part->row + t;
    const float *b = f->b + row * f->bc_stride; /* [state] */
    vf x = v_load_n (f->x + row * f->x_stride + part->e, part->n);
    vf dt = v_softplus (
        v_load_n (f->delta + row * f->delta_stride + part->e, part->n));
    vf input = dt * x;

    for (size_t i = 0; i < f->state; i++) {
      vf decay = v_exp (v_load (rate + i * VW) * dt);

      v_store (h + i * VW,
          v_fma (input, v_set1 (b[i]), v_load (h + i * VW) * decay));
    }
  }
}

/* The same, filling m->states after the first, and m->decays. */
static void
fill_states (
    const Backward *self, const Part *part, const float *rate, const Memory *m)
{
  const MblmSelectiveScan *f = &self->a->forward;

  for (size_t t = 0; t < part->count; t++) {
    size_t row = part->row + t;
    const float *b = f->b + row * f->bc_stride;    /* [state] */
    const float *before = m->states + t * m->size; /* [state, VW] */
    float *after = m->states + (t + 1) * m->size;  /* [state, VW] */
    float *decays = m->decays + t * m->size;       /* [state, VW] */
    vf x = v_load_n (f->x + row * f->x_stride + part->e, part->n);
    vf dt = v_softplus (
        v_load_n (f->delta + row * f->delta_stride + part->e, part->n));
    vf input = dt * x;

    for (size_t i = 0; i < f->state; i++) {
      vf decay = v_exp (v_load (rate + i * VW) * dt);

      v_store (decays + i * VW, decay);
      v_store (after + i * VW,
          v_fma (input, v_set1 (b[i]), v_load (before + i * VW) * decay));
    }
  }
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

/* What a row's states give, for VW channels. */
typedef struct {
  vf sum;     /* h . c */
  vf d_input; /* of dt x */
  vf d_dt;    /* through the decays */
} RowSums;

/* Row t of a piece, block k; g is the gradient of h . c, input = dt x. */
static ALWAYS_INLINE RowSums
states_backward (const Backward *self, size_t row, size_t t, size_t k, vf g,
    vf input, vf dt, const Memory *m)
{
  const MblmSelectiveScan *f = &self->a->forward;
  const float *b = f->b + row * f->bc_stride, *c = f->c + row * f->bc_stride;
  const float *before = m->states + t * m->size, *after = before + m->size;
  const float *decays = m->decays + t * m->size, *rate = m->rate + k * m->size;
  float *d_state = m->d_state + k * m->size, *d_rate = m->d_rate + k * m->size;
  float *d_b = m->d_b + t * m->size, *d_c = m->d_c + t * m->size;
  RowSums sums = {v_zero (), v_zero (), v_zero ()};

  for (size_t i = 0; i < m->size; i += VW, b++, c++) {
    vf h = v_load (after + i);
    vf d = v_fma (g, v_set1 (*c), v_load (d_state + i));
    vf passed = d * v_load (decays + i);
    vf d_exponent = passed * v_load (before + i);

    sums.sum = v_fma (h, v_set1 (*c), sums.sum);
    sums.d_input = v_fma (d, v_set1 (*b), sums.d_input);
    sums.d_dt = v_fma (d_exponent, v_load (rate + i), sums.d_dt);
    v_store (d_c + i, v_fma (g, h, v_load (d_c + i)));
    v_store (d_b + i, v_fma (d, input, v_load (d_b + i)));
    v_store (d_rate + i, v_fma (d_exponent, dt, v_load (d_rate + i)));
    v_store (d_state + i, passed);
  }
  return sums;
}

/* Block k of a piece, whose states are known. */
static void
part_backward (
    const Backward *self, const Part *part, size_t k, const Memory *m)
{
  const MblmSelectiveScanBackward *a = self->a;
  const MblmSelectiveScan *f = &a->forward;
  size_t e = part->e, n = part->n;
  vf skip = v_load_n (f->skip + e, n);
  vf d_skip = v_load (m->d_skip + k * VW);

  for (size_t t = part->count; t-- > 0;) {
    size_t row = part->row + t;
    vf x = v_load_n (f->x + row * f->x_stride + e, n);
    vf z = v_load_n (f->z + row * f->z_stride + e, n);
    vf delta = v_load_n (f->delta + row * f->delta_stride + e, n);
    vf d_y = v_load_n (a->d_y + row * f->width + e, n);
    vf dt = v_softplus (delta), g = d_y * v_silu (z);
    RowSums sums = states_backward (self, row, t, k, g, dt * x, dt, m);

    d_skip = v_fma (g, x, d_skip);
    if (a->d_x)
      v_store_n (a->d_x + row * a->d_x_stride + e, n,
          v_fma (dt, sums.d_input, g * skip));
    if (a->d_z)
      v_store_n (a->d_z + row * a->d_z_stride + e, n,
          d_y * v_fma (skip, x, sums.sum) * v_silu_slope (z));
    if (a->d_delta)
      v_store_n (a->d_delta + row * a->d_delta_stride + e, n,
          v_fma (x, sums.d_input, sums.d_dt) * v_softplus_slope (delta));
  }
  v_store (m->d_skip + k * VW, d_skip);
}

/* to [count, state] = sums over the lanes of from [count, state, VW] */
static void
sum_lanes (const float *from, size_t count, float *to)
{
  size_t i = 0;

  for (; i + 8 <= count; i += 8) {
    vf sums[8];

    for (size_t j = 0; j < 8; j++)
      sums[j] = v_load (from + (i + j) * VW);
    v_sum8 (sums, to + i);
  }
  for (; i < count; i++)
    to[i] = v_sum (v_load (from + i * VW));
}

/* ------------------------------------------------------------------------- */
/* Tiles                                                                     */
/* ------------------------------------------------------------------------- */

/* The part of piece `piece` of sequence b in block k of a group. */
static Part
part_at (const Backward *self, size_t b, size_t piece, size_t group, size_t k)
{
  const MblmSelectiveScan *f = &self->a->forward;
  size_t e = (group * BLOCKS + k) * VW;

  return (Part){
      .row = b * f->rows + piece * PIECE,
      .count = min_size (PIECE, f->rows - piece * PIECE),
      .e = e,
      .n = min_size (VW, f->width - e),
  };
}

/* The states before the pieces of a sequence, and the gradients after it. */
static void
begin_sequence (const Backward *self, size_t b, size_t group, size_t blocks,
    const Memory *m)
{
  const MblmSelectiveScanBackward *a = self->a;
  const MblmSelectiveScan *f = &a->forward;
  const float *from = carry_from (&f->carry, self->start, b);
  const float *d_to = a->d_carry.to ? a->d_carry.to[b] : NULL;

  for (size_t k = 0; k < blocks; k++) {
    Part part = part_at (self, b, 0, group, k);
    size_t at = part.e * f->state;

    load_lanes (d_to ? d_to + at : NULL, f->state, part.n, 0.0f,
        m->d_state + k * m->size);
    load_lanes (
        from ? from + at : NULL, f->state, part.n, 0.0f, m->kept + k * m->size);
    for (size_t piece = 0; piece + 1 < self->pieces; piece++) {
      float *h = m->kept + (piece * BLOCKS + k) * m->size;
      float *next = h + BLOCKS * m->size;

      part = part_at (self, b, piece, group, k);
      memcpy (next, h, m->size * sizeof (*h));
      advance (self, &part, m->rate + k * m->size, next);
    }
  }
}

static void
piece_backward (const Backward *self, size_t b, size_t piece, size_t group,
    size_t blocks, const Memory *m)
{
  const MblmSelectiveScan *f = &self->a->forward;
  Part part = part_at (self, b, piece, group, 0);
  size_t count = part.count * f->state;
  size_t at = (group * f->batch * f->rows + part.row) * f->state;

  memset (m->d_b, 0, count * VW * sizeof (float));
  memset (m->d_c, 0, count * VW * sizeof (float));
  for (size_t k = 0; k < blocks; k++) {
    part = part_at (self, b, piece, group, k);
    memcpy (m->states, m->kept + (piece * BLOCKS + k) * m->size,
        m->size * sizeof (float));
    fill_states (self, &part, m->rate + k * m->size, m);
    part_backward (self, &part, k, m);
  }
  sum_lanes (m->d_b, count, self->d_b + at);
  sum_lanes (m->d_c, count, self->d_c + at);
}

/* What remains at the start of sequence b. */
static void
end_sequence (const Backward *self, size_t b, size_t group, size_t blocks,
    const Memory *m)
{
  const MblmSelectiveScanBackward *a = self->a;
  const MblmSelectiveScan *f = &a->forward;

  if (!a->d_carry.from)
    return;
  for (size_t k = 0; k < blocks; k++) {
    Part part = part_at (self, b, 0, group, k);
    const float *d_state = m->d_state + k * m->size;
    float *sum = m->d_start + k * m->size;

    if (f->carry.shared)
      for (size_t i = 0; i < m->size; i += VW)
        v_store (sum + i, v_load (sum + i) + v_load (d_state + i));
    else
      store_lanes (d_state, f->state, part.n, true,
          a->d_carry.from[b] + part.e * f->state);
  }
}

static void
store_sums (const Backward *self, size_t time, size_t group, size_t blocks,
    const Memory *m)
{
  const MblmSelectiveScan *f = &self->a->forward;

  for (size_t k = 0; k < blocks; k++) {
    Part part = part_at (self, 0, 0, group, k);
    size_t at = (time * f->width + part.e) * f->state;
    float *d_rate = m->d_rate + k * m->size;

    for (size_t i = 0; i < m->size; i += VW)
      v_store (
          d_rate + i, v_load (d_rate + i) * v_load (m->rate + k * m->size + i));
    store_lanes (d_rate, f->state, part.n, false, self->d_a_log + at);
    if (self->d_start)
      store_lanes (m->d_start + k * m->size, f->state, part.n, false,
          self->d_start + at);
    v_store_n (self->d_skip + time * f->width + part.e, part.n,
        v_load (m->d_skip + k * VW));
  }
}

static void
backward_tile (const void *data, size_t tile, unsigned worker)
{
  const Backward *self = data;
  const MblmSelectiveScan *f = &self->a->forward;
  size_t group = tile % self->groups, time = tile / self->groups;
  size_t blocks = min_size (BLOCKS, divide_up (f->width, VW) - group * BLOCKS);
  size_t last = min_size (f->batch, (time + 1) * self->sequences);
  Memory m = find_memory (self, worker);

  for (size_t k = 0; k < blocks; k++) {
    Part part = part_at (self, 0, 0, group, k);
    float *rate = m.rate + k * m.size;

    load_lanes (f->a_log + part.e * f->state, f->state, part.n, 0.0f, rate);
    for (size_t i = 0; i < m.size; i += VW)
      v_store (rate + i, v_zero () - v_exp_bounded (v_load (rate + i)));
  }
  memset (m.d_rate, 0, BLOCKS * m.size * sizeof (float));
  memset (m.d_start, 0, BLOCKS * m.size * sizeof (float));
  memset (m.d_skip, 0, BLOCKS * VW * sizeof (float));
  for (size_t b = time * self->sequences; b < last; b++) {
    begin_sequence (self, b, group, blocks, &m);
    for (size_t piece = self->pieces; piece-- > 0;)
      piece_backward (self, b, piece, group, blocks, &m);
    end_sequence (self, b, group, blocks, &m);
  }
  store_sums (self, time, group, blocks, &m);
}

/* ------------------------------------------------------------------------- */
/* Sums of tiles                                                             */
/* ------------------------------------------------------------------------- */

/* to [count] += (or = with `set`) the sum of from [parts, distance] */
static void
add_parts (const float *from, size_t parts, size_t distance, size_t count,
    bool set, float *to)
{
  for (size_t i = 0; i < count; i += VW) {
    vf sum = v_zero ();

    for (size_t j = 0; j < parts; j++)
      sum = sum + v_load_n (from + j * distance + i, count - i);
    if (!set)
      sum = v_load_n (to + i, count - i) + sum;
    v_store_n (to + i, count - i, sum);
  }
}

/* d_b and d_c of one row. */
static void
row_tile (const void *data, size_t tile, unsigned worker)
{
  const Backward *self = data;
  const MblmSelectiveScanBackward *a = self->a;
  size_t state = a->forward.state, rows = a->forward.batch * a->forward.rows;

  if (a->d_b)
    add_parts (self->d_b + tile * state, self->groups, rows * state, state,
        true, a->d_b + tile * a->d_bc_stride);
  if (a->d_c)
    add_parts (self->d_c + tile * state, self->groups, rows * state, state,
        true, a->d_c + tile * a->d_bc_stride);
}

/* The weights' gradients of VW channels, and that of a shared start. */
static void
weight_tile (const void *data, size_t tile, unsigned worker)
{
  const Backward *self = data;
  const MblmSelectiveScanBackward *a = self->a;
  size_t width = a->forward.width, state = a->forward.state, e = tile * VW;
  size_t n = min_size (VW, width - e), at = e * state;

  if (a->d_a_log)
    add_parts (self->d_a_log + at, self->times, width * state, n * state, false,
        a->d_a_log + at);
  if (a->d_skip)
    add_parts (self->d_skip + e, self->times, width, n, false, a->d_skip + e);
  if (self->d_start)
    add_parts (self->d_start + at, self->times, width * state, n * state, false,
        a->d_carry.from[0] + at);
}

/* False: no memory, and the queue knows. */
static bool
find_scratch (MblmQueue *queue, Backward *self)
{
  const MblmSelectiveScan *f = &self->a->forward;
  size_t rows = f->batch * f->rows, size = f->width * f->state;
  bool shared = f->carry.shared && self->a->d_carry.from && f->batch > 0;
  size_t floats = 2 * self->groups * rows * f->state +
      self->times * (size * (shared ? 2 : 1) + f->width);
  char *workers;

  self->each = mblm_cpu_bytes (
      memory_floats (f->state, max_size (1, self->pieces)), sizeof (float));
  self->d_b = mblm_cpu_scratch (
      queue, mblm_cpu_bytes (floats, sizeof (float)), &self->each, &workers);
  if (!self->d_b)
    return false;
  self->workers = workers;
  self->d_c = self->d_b + self->groups * rows * f->state;
  self->d_a_log = self->d_c + self->groups * rows * f->state;
  self->d_skip = self->d_a_log + self->times * size;
  if (shared)
    self->d_start = self->d_skip + self->times * f->width;
  return true;
}

void
FN (selective_scan_backward) (
    MblmQueue *queue, const MblmSelectiveScanBackward *a)
{
  const MblmSelectiveScan *f = &a->forward;
  size_t rows = f->batch * f->rows, blocks = divide_up (f->width, VW);
  Backward self = {
      .a = a,
      .groups = divide_up (blocks, BLOCKS),
      .sequences = max_size (1, TILE_ROWS / max_size (1, f->rows)),
      .pieces = divide_up (f->rows, PIECE),
  };
  double work = BACKWARD_WORK * (double) rows * (double) f->width *
      (double) f->state;

  if (f->carry.from && f->carry.shared && f->batch > 0)
    self.start = f->carry.from[0];
  self.times = divide_up (f->batch, self.sequences);
  if (!find_scratch (queue, &self))
    return;
  mblm_cpu_run (queue, self.times * self.groups, work, backward_tile, &self);
  mblm_cpu_run (queue, rows,
      0.2 * (double) rows * (double) (self.groups * f->state), row_tile, &self);
  mblm_cpu_run (queue, blocks,
      0.2 * (double) self.times * (double) f->width * (double) f->state,
      weight_tile, &self);
}
