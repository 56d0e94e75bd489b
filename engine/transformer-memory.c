/* transformer-memory.c: the memory that a pass over a Transformer's layers takes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "transformer-pass.h"

void
mblm_transformer_pass_allocate (TransformerPass *p)
{
  const Transformer *t = p->t;

  p->normed_type = p->wide_type = p->run->product;
  p->normed = mblm_transformer_pass_numbers (
      p, p->n * t->parent.dim, p->normed_type);
  p->qkv = mblm_run_floats (p->run, p->n * 3 * t->inner);
  p->attended = mblm_run_floats (p->run, p->n * t->inner);
  p->wide = mblm_transformer_pass_numbers (p, p->n * t->wide, p->wide_type);
  p->ff_normed = p->normed;
}

gboolean
mblm_transformer_pass_drops (const TransformerPass *p)
{
  return p->args->drops && p->t->ff_dropout > 0;
}

static gsize
type_size (MblmType type)
{
  return type == MBLM_TYPE_F32 ? sizeof (float) : sizeof (guint16);
}

void *
mblm_transformer_pass_numbers (TransformerPass *p, gsize n, MblmType type)
{
  gsize each = sizeof (float) / type_size (type);

  return mblm_run_floats (p->run, n / each + (n % each != 0));
}

void *
mblm_transformer_pass_column (
    const TransformerPass *p, const void *rows, gsize column)
{
  return (char *) rows + column * type_size (p->inner_type);
}

/* Memory that is cut into parts; NULL only counts. */
typedef struct {
  char *memory;
  gsize used; /* in bytes */
} Room;

static void *
take (Room *room, gsize n, MblmType type)
{
  void *part = room->memory != NULL ? room->memory + room->used : NULL;
  gsize bytes = n * type_size (type) + MBLM_ALIGNMENT - 1;

  room->used += bytes - bytes % MBLM_ALIGNMENT;
  return part;
}

/* The types of what a layer keeps. A row that leaves a state (that of the start
 * token) leaves keys and values of float32. */
static void
choose_types (
    TransformerPass *p, MblmType product, gboolean drops, gboolean leaves)
{
  p->normed_type = product;
  p->inner_type = leaves ? MBLM_TYPE_F32 : product;
  p->wide_type = drops ? MBLM_TYPE_F32 : product;
}

/* The parts of it; returns their bytes. */
static gsize
place (TransformerPass *p, float *kept)
{
  const Transformer *t = p->t;
  gsize n = p->n, dim = t->parent.dim;
  Room room = {(char *) kept, 0};

  p->input = take (&room, n * dim, MBLM_TYPE_F32);
  p->qkv = take (&room, n * 3 * t->inner, p->inner_type);
  p->attended = take (&room, n * t->inner, p->inner_type);
  p->log_sum = take (&room, n * t->heads, MBLM_TYPE_F32);
  p->middle = take (&room, n * dim, MBLM_TYPE_F32);
  p->before = take (&room, n * t->wide, p->wide_type);
  p->wide = take (&room, n * t->wide, p->wide_type);
  p->normed = take (&room, n * dim, p->normed_type);
  p->ff_normed = take (&room, n * dim, p->normed_type);
  return room.used;
}

void
mblm_transformer_pass_place (TransformerPass *p, float *kept)
{
  choose_types (p, p->run->product, mblm_transformer_pass_drops (p),
      p->args->left != NULL);
  place (p, kept);
}

/* Whether something is dropped, or a state left, a pass decides: room for either. */
gsize
mblm_transformer_kept_size (
    MblmBlock *block, MblmType product, gsize layer, gsize batch, gsize rows)
{
  const Transformer *t = (Transformer *) block;
  TransformerPass p = {.t = t, .n = batch * rows};

  if (layer == block->layers)
    return p.n * block->dim;
  choose_types (&p, product, t->ff_dropout > 0, p.n == 1);
  return place (&p, NULL) / sizeof (float);
}

void
mblm_transformer_pass_open (TransformerPass *p)
{
  const Transformer *t = p->t;
  const MblmLayerPass *a = p->args;
  gsize half = t->head_dim / 2;
  gsize hosts = a->states != NULL ? a->batch : 1;

  p->past = g_new0 (gsize, hosts);
  mblm_layer_hosts_open (&p->hosts, a);
  p->past_value = g_new0 (const float *, hosts);
  p->append_to = g_new (float *, 2 * hosts);
  for (gsize b = 0; b < hosts; b++)
    p->past[b] = a->states != NULL ? a->states[b]->rows
        : a->shared != NULL        ? a->shared->rows
                                   : 0;
  p->angle_stride = hosts > 1 ? a->rows : 0;
  p->cosine = mblm_run_floats (p->run, hosts * a->rows * half);
  p->sine = mblm_run_floats (p->run, hosts * a->rows * half);
  if (t->rotary && !p->run->failed)
    p->run->k->rope_angles (p->run->q,
        &(MblmRopeAngles){.frequency = t->frequency,
            .half = half,
            .batch = hosts,
            .rows = a->rows,
            .first = p->past,
            .cosine = p->cosine,
            .sine = p->sine});
}

void
mblm_transformer_pass_close (TransformerPass *p)
{
  g_free (p->past);
  mblm_layer_hosts_close (&p->hosts);
  g_free (p->past_value);
  g_free (p->append_to);
}
