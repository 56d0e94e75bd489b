/* ssd-scan-backward.h: what the two files of the gradient of Mamba-2's scan
 * share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The method is in ssd-scan-backward.c. p and n are the dimension of a head and
 * the size of the state, rounded up to whole vectors; what lies between is zero.
 */

#pragma once

#include "carry.h"
#include "small-product.h"
#include "tile.h"
#include "vecmath.h"

#define SSD_CHUNK 64 /* a multiple of SSD_BLOCK */
#define SSD_BLOCK 16 /* rows of a triangle at once, a multiple of VW */

/* Sums over steps, of a head. */
typedef struct {
  double a_log, skip, delta_bias;
} SsdSums;

typedef struct {
  const MblmSsdScanBackward *a;
  const float *start;  /* where it is shared, [heads, head_dim, state] */
  size_t sequences;    /* of a unit */
  size_t units, rows;  /* in all; of a unit */
  size_t chunks;       /* of a unit */
  size_t segment;      /* chunks of which the state before the first is kept */
  size_t group;        /* units of a group */
  size_t first, count; /* units of this group */
  size_t chunk;        /* the one that is worked on */
  size_t p, n;
  size_t matrix;                 /* head_dim * n, a state */
  size_t together;               /* heads of a part */
  size_t parts;                  /* of the heads of a unit */
  size_t common_size, part_size; /* of an SsdCommon, an SsdPart */
  float *kept;                   /* [segments, group, heads, head_dim, n] */
  float *inside;                 /* [segment - 1, group, heads, head_dim, n] */
  float *common;                 /* [group, common_size] */
  float *part;                   /* [group, parts, part_size] */
  float *d_state;                /* [group, heads, head_dim, n]: G, then d_S */
  SsdSums *sums;                 /* [group, heads] */
  SsdSums *totals;               /* [heads], of the groups before */
  char *workers;
  size_t each;
} SsdBackward;

/* A chunk of a unit. */
typedef struct {
  float *b, *c;        /* [SSD_CHUNK, n] */
  float *b_transposed; /* [n, SSD_CHUNK] */
  float *cb;           /* [SSD_CHUNK, SSD_CHUNK]: C_i . B_j, where j <= i */
} SsdCommon;

/* A chunk of a few heads of a unit: sums over them. */
typedef struct {
  float *k;         /* [SSD_CHUNK, SSD_CHUNK] */
  float *d_b, *d_c; /* [SSD_CHUNK, n], without what comes from k */
} SsdPart;

/* The steps of a chunk of a head. */
typedef struct {
  size_t count;
  float raw[SSD_CHUNK]; /* before the softplus */
  float dt[SSD_CHUNK];
  float link[SSD_CHUNK]; /* the decay, or 0 where a sequence begins */
  float pre[SSD_CHUNK];  /* product of decays from the start up to this one */
  float post[SSD_CHUNK]; /* product of decays after this one */
  float rate;            /* log of a decay = rate * dt */
} SsdSteps;

static inline SsdCommon
ssd_common (const SsdBackward *self, size_t u)
{
  float *at = self->common + u * self->common_size;
  size_t part = SSD_CHUNK * self->n;

  return (SsdCommon){at, at + part, at + 2 * part, at + 3 * part};
}

static inline SsdPart
ssd_part (const SsdBackward *self, size_t tile)
{
  float *at = self->part + tile * self->part_size;
  float *d_b = at + SSD_CHUNK * SSD_CHUNK;

  return (SsdPart){at, d_b, d_b + SSD_CHUNK * self->n};
}

static inline float *
ssd_d_state (const SsdBackward *self, size_t u, size_t h)
{
  return self->d_state + (u * self->a->forward.heads + h) * self->matrix;
}

/* Where the state before chunk c > 0 of a tile is kept, [head_dim, n]. */
static inline float *
ssd_state (const SsdBackward *self, size_t tile, size_t c)
{
  size_t tiles = self->group * self->a->forward.heads;
  size_t kept = c / self->segment, inside = c % self->segment;

  if (inside == 0)
    return self->kept + (kept * tiles + tile) * self->matrix;
  return self->inside + ((inside - 1) * tiles + tile) * self->matrix;
}

/* The first row of a chunk of unit u, and how many it has. */
static inline size_t
ssd_rows (const SsdBackward *self, size_t u, size_t chunk, size_t *count)
{
  const MblmSsdScan *f = &self->a->forward;
  size_t row = u * self->rows + chunk * SSD_CHUNK;
  size_t end = min_size ((u + 1) * self->rows, f->batch * f->rows);

  *count = min_size (SSD_CHUNK, end - row);
  return row;
}

/* x or 0, as the vectors' exponential does; not-a-numbers stay. */
static inline float
ssd_flush (float x)
{
  return x < 1.17549435e-38f ? 0.0f : x;
}

/* Returns the first row. */
static inline size_t
ssd_steps (
    const SsdBackward *self, size_t u, size_t h, size_t chunk, SsdSteps *steps)
{
  const MblmSsdScan *f = &self->a->forward;
  size_t row = ssd_rows (self, u, chunk, &steps->count);
  size_t last = steps->count - 1;
  vf bias = v_set1 (f->delta_bias[h]), rate = v_set1 (-expf (f->a_log[h]));
  float decay[SSD_CHUNK];

  steps->rate = -expf (f->a_log[h]);
  for (size_t i = 0; i < SSD_CHUNK; i++)
    steps->raw[i] = i <= last ? f->delta[(row + i) * f->delta_stride + h] : 0;
  for (size_t i = 0; i <= last; i += VW) {
    vf raw = v_load (steps->raw + i) + bias, dt = v_softplus (raw);

    v_store (steps->raw + i, raw);
    v_store (steps->dt + i, dt);
    v_store (decay + i, v_exp (rate * dt));
  }
  for (size_t i = 0; i <= last; i++) {
    bool begins = self->sequences > 1 && (row + i) % f->rows == 0;
    float before = i == 0 || begins ? 1.0f : steps->pre[i - 1];

    steps->link[i] = begins ? 0.0f : decay[i];
    steps->pre[i] = ssd_flush (before * decay[i]);
  }
  steps->post[last] = 1.0f;
  for (size_t j = last; j-- > 0;)
    steps->post[j] = ssd_flush (steps->post[j + 1] * decay[j + 1]);
  return row;
}

/* to = scale * from, `count` numbers and zeros up to whole vectors. */
static inline void
ssd_copy_scaled (const float *from, size_t count, float scale, float *to)
{
  for (size_t i = 0; i < count; i += VW)
    v_store (to + i, v_set1 (scale) * v_load_n (from + i, count - i));
}

/* to [rows, to_stride] = from [rows, count], and zeros up to whole vectors. */
static inline void
ssd_copy_padded (const float *from, size_t stride, size_t rows, size_t count,
    float *to, size_t to_stride)
{
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < count; j += VW)
      v_store (
          to + i * to_stride + j, v_load_n (from + i * stride + j, count - j));
}

/* A task: the chunk self->chunk of part tile % parts of unit tile / parts. */
void FN (ssd_chunk_backward) (const void *data, size_t tile, unsigned worker);
