/* ssd-chunk-backward.c: the gradient of Mamba-2's scan, a chunk of a head.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The formulas are in ssd-scan-backward.c.
 */

#include "ssd-scan-backward.h"

typedef struct {
  const SsdBackward *self;
  size_t h, row, channel; /* the first of each */
  SsdSteps steps;
  SsdCommon common;
  SsdPart part;
  bool adds;           /* to the part, which holds other heads' sums */
  float *d_state;      /* [head_dim, n]: of the one after, then before */
  const float *state;  /* [head_dim, n] before the chunk, or NULL: zeros */
  bool has_gradient;   /* of the state after the chunk */
  float *x, *g;        /* [SSD_CHUNK, p] */
  float *post_x;       /* [SSD_CHUNK, p]: post dt x */
  float *pre_g;        /* [SSD_CHUNK, p] */
  float *w, *more;     /* [SSD_CHUNK, p] */
  float *transposed;   /* [p, SSD_CHUNK] */
  float *k;            /* [SSD_CHUNK, SSD_CHUNK] */
  float *cbl;          /* [SSD_CHUNK, SSD_CHUNK]: (C_i . B_j) L[i, j] */
  float *product;      /* [SSD_CHUNK, n] */
  float u[SSD_CHUNK];  /* (pre[i] S^T g_i) . C_i */
  float v[SSD_CHUNK];  /* (post[j] dt_j G^T x_j) . B_j */
  float xw[SSD_CHUNK]; /* x_j . w_j */
  float through;       /* pre[last] <S, G> */
} Chunk;

static size_t
blocks_end (size_t count)
{
  return divide_up (count, SSD_BLOCK) * SSD_BLOCK;
}

/* The sum of x [count] times y [count], whole vectors. */
static ALWAYS_INLINE float
dot (const float *x, const float *y, size_t count)
{
  vf sums[2] = {v_zero (), v_zero ()};
  size_t i = 0;

  for (; i + 2 * VW <= count; i += 2 * VW) {
    sums[0] = v_fma (v_load (x + i), v_load (y + i), sums[0]);
    sums[1] = v_fma (v_load (x + i + VW), v_load (y + i + VW), sums[1]);
  }
  if (i < count)
    sums[0] = v_fma (v_load (x + i), v_load (y + i), sums[0]);
  return v_sum (sums[0] + sums[1]);
}

/* The same for matrices: row by row, so that no sum is long. */
static float
dot_rows (const float *x, const float *y, size_t rows, size_t count)
{
  float sum = 0.0f;

  for (size_t i = 0; i < rows; i++)
    sum += dot (x + i * count, y + i * count, count);
  return sum;
}

/* ------------------------------------------------------------------------- */
/* Inputs                                                                    */
/* ------------------------------------------------------------------------- */

/* Finds the state before the chunk; `copy` [head_dim, n] is room for it. */
static void
find_state (Chunk *k, size_t u, size_t tile, float *copy)
{
  const SsdBackward *self = k->self;
  const MblmSsdScan *f = &self->a->forward;
  const float *from = carry_from (&f->carry, self->start, u);

  k->state = NULL;
  if (self->chunk > 0) {
    k->state = ssd_state (self, tile, self->chunk);
  } else if (from) {
    k->state = from + k->channel * f->state;
    if (self->n != f->state) {
      ssd_copy_padded (
          k->state, f->state, f->head_dim, f->state, copy, self->n);
      k->state = copy;
    }
  }
}

/* The next head's part of row i of x and d_y, and row i of the states before and
 * after, on their way while this head is worked on: they come from far away, and
 * in an order that no processor foresees. */
static ALWAYS_INLINE void
prefetch_inputs (const Chunk *k, size_t i)
{
  const MblmSsdScan *f = &k->self->a->forward;
  size_t width = f->heads * f->head_dim, row = k->row + i;
  const float *x = f->x + row * f->xbc_stride + k->channel + f->head_dim;
  const float *g = k->self->a->d_y + row * width + k->channel + f->head_dim;

  for (size_t j = 0; k->h + 1 < f->heads && j < f->head_dim; j += 16) {
    __builtin_prefetch (x + j, 0, 2);
    __builtin_prefetch (g + j, 0, 2);
  }
}

static ALWAYS_INLINE void
prefetch_states (const Chunk *k, size_t i)
{
  const SsdBackward *self = k->self;
  size_t at = self->matrix + i * self->n;

  if (k->h + 1 == self->a->forward.heads || i >= self->a->forward.head_dim)
    return;
  for (size_t j = 0; j < self->n; j += 16) {
    if (k->state)
      __builtin_prefetch (k->state + at + j, 0, 2);
    __builtin_prefetch (k->d_state + at + j, 0, 2);
  }
}

static void
load_rows (Chunk *k)
{
  const SsdBackward *self = k->self;
  const MblmSsdScan *f = &self->a->forward;
  size_t count = k->steps.count, width = f->heads * f->head_dim;
  const float *x = f->x + k->row * f->xbc_stride + k->channel;
  const float *g = self->a->d_y + k->row * width + k->channel;

  for (size_t i = 0; i < count; i++) {
    ssd_copy_scaled (
        x + i * f->xbc_stride, f->head_dim, 1.0f, k->x + i * self->p);
    ssd_copy_scaled (g + i * width, f->head_dim, 1.0f, k->g + i * self->p);
    ssd_copy_scaled (
        g + i * width, f->head_dim, k->steps.pre[i], k->pre_g + i * self->p);
    ssd_copy_scaled (x + i * f->xbc_stride, f->head_dim,
        k->steps.post[i] * k->steps.dt[i], k->post_x + i * self->p);
  }
  memset (k->x + count * self->p, 0,
      (blocks_end (count) - count) * self->p * sizeof (float));
}

/* ------------------------------------------------------------------------- */
/* Inside the chunk                                                          */
/* ------------------------------------------------------------------------- */

/* k = g_i . x_j where j <= i, and more up to the end of a block. */
static void
multiply_inside (Chunk *k)
{
  const SsdBackward *self = k->self;
  size_t count = k->steps.count;

  FN (transpose)
  (k->x, self->p, blocks_end (count), self->p, k->transposed, SSD_CHUNK);
  for (size_t i = 0; i < count; i += SSD_BLOCK)
    FN (small_product)
  (&(SmallProduct){
      .rows = min_size (SSD_BLOCK, count - i),
      .width = i + SSD_BLOCK,
      .depth = self->a->forward.head_dim,
      .a = k->g + i * self->p,
      .a_row = self->p,
      .a_depth = 1,
      .b = k->transposed,
      .b_stride = SSD_CHUNK,
      .out = k->k + i * SSD_CHUNK,
      .out_stride = SSD_CHUNK,
  });
}

/* Makes K of that, and cbl. Row i of L is row i - 1 times the decay of step i,
 * and a one. */
static void
decay_inside (Chunk *k)
{
  _Alignas(64) float l[SSD_CHUNK] = {0.0f};

  for (size_t i = 0; i < k->steps.count; i++) {
    float *row = k->k + i * SSD_CHUNK, *cbl = k->cbl + i * SSD_CHUNK;
    float *sum = k->part.k + i * SSD_CHUNK;
    const float *cb = k->common.cb + i * SSD_CHUNK;
    vf link = v_set1 (k->steps.link[i]), least = v_set1 (1.17549435e-38f);
    size_t end = blocks_end (i + 1);

    prefetch_inputs (k, i);
    for (size_t j = 0; j < i; j += VW) {
      vf next = v_load (l + j) * link;

      v_store (l + j, v_select_lt (next, least, v_zero (), next));
    }
    l[i] = 1.0f;
    for (size_t j = 0; j < end; j += VW) {
      vf lj = v_load (l + j);

      v_store (cbl + j, v_load (cb + j) * lj);
      lj = v_load (row + j) * lj * v_load (k->steps.dt + j);
      v_store (row + j, lj);
      if (k->adds)
        lj = v_load (sum + j) + lj;
      v_store (sum + j, lj);
    }
  }
}

/* w_j = sum over i >= j of cbl[i, j] g_i */
static void
weigh_inside (Chunk *k)
{
  size_t count = k->steps.count, p = k->self->p;

  for (size_t j = 0; j < count; j += SSD_BLOCK)
    FN (small_product)
  (&(SmallProduct){
      .rows = min_size (SSD_BLOCK, count - j),
      .width = p,
      .depth = count - j,
      .a = k->cbl + j * SSD_CHUNK + j,
      .a_row = 1,
      .a_depth = SSD_CHUNK,
      .b = k->g + j * p,
      .b_stride = p,
      .out = k->w + j * p,
      .out_stride = p,
  });
}

/* ------------------------------------------------------------------------- */
/* With the states before and after                                          */
/* ------------------------------------------------------------------------- */

/* w_j += post[j] G B_j, as rows of the transposed product. */
static void
weigh_outside (Chunk *k)
{
  const SsdBackward *self = k->self;
  size_t count = k->steps.count, head_dim = self->a->forward.head_dim;

  memset (k->transposed + head_dim * SSD_CHUNK, 0,
      (self->p - head_dim) * SSD_CHUNK * sizeof (float));
  FN (small_product)
  (&(SmallProduct){
      .rows = head_dim,
      .width = blocks_end (count),
      .depth = self->n,
      .a = k->d_state,
      .a_row = self->n,
      .a_depth = 1,
      .b = k->common.b_transposed,
      .b_stride = SSD_CHUNK,
      .out = k->transposed,
      .out_stride = SSD_CHUNK,
  });
  FN (transpose)
  (k->transposed, SSD_CHUNK, self->p, blocks_end (count), k->more, self->p);
  for (size_t j = 0; j < count; j++)
    for (size_t i = 0; i < self->p; i += VW) {
      float *w = k->w + j * self->p + i;

      v_store (w,
          v_fma (v_set1 (k->steps.post[j]), v_load (k->more + j * self->p + i),
              v_load (w)));
    }
}

/* sum [count, n] = (or +=) rows [count, head_dim] of `rows` times a state, and
 * dots[i] = row i of that . `other` [count, n]. */
static void
multiply_state (const Chunk *k, const float *rows, const float *state,
    const float *other, float *sum, float *dots)
{
  const SsdBackward *self = k->self;
  size_t size = k->steps.count * self->n;

  if (!state) {
    if (!k->adds)
      memset (sum, 0, size * sizeof (*sum));
    memset (dots, 0, k->steps.count * sizeof (*dots));
    return;
  }
  FN (small_product)
  (&(SmallProduct){
      .rows = k->steps.count,
      .width = self->n,
      .depth = self->a->forward.head_dim,
      .a = rows,
      .a_row = self->p,
      .a_depth = 1,
      .b = state,
      .b_stride = self->n,
      .out = k->product,
      .out_stride = self->n,
  });
  for (size_t i = 0; i < k->steps.count; i++)
    dots[i] = dot (k->product + i * self->n, other + i * self->n, self->n);
  for (size_t i = 0; i < size; i += VW) {
    vf x = v_load (k->product + i);

    if (k->adds)
      x = v_load (sum + i) + x;
    v_store (sum + i, x);
  }
}

/* From the gradient of the state after the chunk to that of the one before. */
static void
carry_gradient (const Chunk *k)
{
  const SsdBackward *self = k->self;

  FN (small_product)
  (&(SmallProduct){
      .rows = self->a->forward.head_dim,
      .width = self->n,
      .depth = k->steps.count,
      .a = k->pre_g,
      .a_row = 1,
      .a_depth = self->p,
      .b = k->common.c,
      .b_stride = self->n,
      .add = k->has_gradient,
      .scale = k->steps.pre[k->steps.count - 1],
      .out = k->d_state,
      .out_stride = self->n,
  });
}

/* ------------------------------------------------------------------------- */
/* Outputs                                                                   */
/* ------------------------------------------------------------------------- */

/* d_x, x_j . w_j, and the gradient of the skip. */
static void
finish_rows (Chunk *k, SsdSums *sums)
{
  const SsdBackward *self = k->self;
  const MblmSsdScanBackward *a = self->a;
  size_t head_dim = a->forward.head_dim;
  vf skip = v_set1 (a->forward.skip[k->h]);

  for (size_t j = 0; j < k->steps.count; j++) {
    const float *x = k->x + j * self->p, *g = k->g + j * self->p;
    const float *w = k->w + j * self->p;
    vf dt = v_set1 (k->steps.dt[j]);

    prefetch_states (k, j);
    k->xw[j] = dot (x, w, self->p);
    sums->skip += dot (x, g, self->p);
    if (a->d_x) {
      float *d_x = a->d_x + (k->row + j) * a->d_xbc_stride + k->channel;

      for (size_t i = 0; i < head_dim; i += VW)
        v_store_n (d_x + i, head_dim - i,
            v_fma (dt, v_load (w + i), skip * v_load (g + i)));
    }
  }
}

/* Adds row i of M to `columns`, and returns the sum of those before column i. */
static float
add_row (const Chunk *k, size_t i, float *columns)
{
  const float *row = k->k + i * SSD_CHUNK;
  const float *cb = k->common.cb + i * SSD_CHUNK;
  vf sum = v_zero ();

  for (size_t j = 0; j < i; j += VW) {
    vf column = v_fma (v_load (row + j), v_load (cb + j), v_load (columns + j));

    v_store (columns + j, column);
    sum = sum + v_load_n (columns + j, i - j);
  }
  return v_sum (sum);
}

/* d_delta, and the gradients of what makes dt and the decays. */
static void
finish_steps (Chunk *k, SsdSums *sums)
{
  const SsdBackward *self = k->self;
  const MblmSsdScanBackward *a = self->a;
  float before[SSD_CHUNK]; /* sums of v */
  float slopes[SSD_CHUNK];
  float columns[SSD_CHUNK] = {0.0f}; /* of M, from i down */
  float after = 0.0f;                /* sum of u */

  for (size_t i = 0; i < k->steps.count; i += VW)
    v_store (slopes + i, v_softplus_slope (v_load (k->steps.raw + i)));
  before[0] = 0.0f;
  for (size_t j = 1; j < k->steps.count; j++)
    before[j] = before[j - 1] + k->v[j - 1];
  for (size_t i = k->steps.count; i-- > 0;) {
    float d_log, d_delta;

    after += k->u[i];
    d_log = k->through + after + before[i] + add_row (k, i, columns);
    d_delta = (k->xw[i] + k->steps.rate * d_log) * slopes[i];
    if (a->d_delta)
      a->d_delta[(k->row + i) * a->d_delta_stride + k->h] = d_delta;
    sums->delta_bias += d_delta;
    sums->a_log += (double) k->steps.rate * d_log * k->steps.dt[i];
    if (self->sequences > 1 && (k->row + i) % a->forward.rows == 0)
      after = 0.0f;
  }
}

/* Head h of unit u of the group. */
static void
head_backward (Chunk *k, size_t u, size_t h, float *copy)
{
  const SsdBackward *self = k->self;
  const MblmSsdScan *f = &self->a->forward;
  size_t tile = u * f->heads + h;

  k->h = h;
  k->channel = h * f->head_dim;
  k->d_state = ssd_d_state (self, u, h);
  k->row = ssd_steps (self, self->first + u, h, self->chunk, &k->steps);
  find_state (k, self->first + u, tile, copy);
  load_rows (k);
  multiply_inside (k);
  decay_inside (k);
  weigh_inside (k);
  if (k->has_gradient)
    weigh_outside (k);
  multiply_state (k, k->post_x, k->has_gradient ? k->d_state : NULL,
      k->common.b, k->part.d_b, k->v);
  multiply_state (k, k->pre_g, k->state, k->common.c, k->part.d_c, k->u);
  k->through = 0.0f;
  if (k->has_gradient && k->state)
    k->through = k->steps.pre[k->steps.count - 1] *
        dot_rows (k->state, k->d_state, f->head_dim, self->n);
  if (self->chunk > 0 || self->a->d_carry.from)
    carry_gradient (k);
  finish_rows (k, &self->sums[tile]);
  finish_steps (k, &self->sums[tile]);
}

void
FN (ssd_chunk_backward) (const void *data, size_t tile, unsigned worker)
{
  const SsdBackward *self = data;
  size_t u = tile / self->parts, piece = SSD_CHUNK * self->p;
  size_t first = tile % self->parts * self->together;
  size_t end = min_size (self->a->forward.heads, first + self->together);
  float *at = (float *) (self->workers + worker * self->each);
  Chunk k;

  k.self = self;
  k.common = ssd_common (self, u);
  k.part = ssd_part (self, tile);
  k.has_gradient = self->a->d_carry.to || self->chunk + 1 < self->chunks;
  k.x = at;
  k.g = at + piece;
  k.post_x = at + 2 * piece;
  k.pre_g = at + 3 * piece;
  k.w = at + 4 * piece;
  k.more = at + 5 * piece;
  k.transposed = at + 6 * piece;
  k.k = at + 7 * piece;
  k.cbl = k.k + SSD_CHUNK * SSD_CHUNK;
  k.product = k.cbl + SSD_CHUNK * SSD_CHUNK;
  for (size_t h = first; h < end; h++) {
    k.adds = h > first;
    head_backward (&k, u, h, k.product + SSD_CHUNK * self->n);
  }
}
