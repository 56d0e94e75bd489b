/* children.c: what the depth-first step does below a chunk.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Column j of a sequence gives child j of the stage below what it needs. Where
 * few children predict what counts in the loss, those alone are run: of a
 * question about a picture the answer's patches, one in a hundred perhaps. What
 * the others would add to the gradient is zero.
 */

#include "depth-first-private.h"

/* ------------------------------------------------------------------------- */
/* Rows of a stage and its children                                          */
/* ------------------------------------------------------------------------- */

/* The row that each child comes from, [n, span, dim]; child 0 of a stage whose
 * start column is a constant comes from that. */
static void
gather_sources (Step *self, const Chunk *c, float *sources)
{
  gsize dim = self->args.model->stage[c->k].dim;
  gsize constant = c->form.constant ? dim : 0;
  MblmRun *run = self->args.run;

  run->k->copy_rows (run->q,
      &(MblmCopyRows){.batch = c->n,
          .width = c->form.span * dim - constant,
          .x = c->x,
          .x_stride = c->form.columns * dim,
          .out = sources + constant,
          .out_stride = c->form.span * dim});
  if (constant > 0)
    run->k->copy_rows (run->q,
        &(MblmCopyRows){.batch = c->n,
            .width = dim,
            .x = self->start[c->k].out,
            .out = sources,
            .out_stride = c->form.span * dim});
}

/* Back to the columns; what went nowhere has no gradient. */
static void
scatter_sources (Step *self, const Chunk *c, const float *d_sources, float *d)
{
  gsize dim = self->args.model->stage[c->k].dim;
  gsize constant = c->form.constant ? dim : 0;
  gsize used = c->form.span * dim - constant;
  MblmRun *run = self->args.run;

  if (used < c->form.columns * dim)
    run->k->zero (run->q, d, c->n * c->form.columns * dim * sizeof (float));
  run->k->copy_rows (run->q,
      &(MblmCopyRows){.batch = c->n,
          .width = used,
          .x = d_sources + constant,
          .x_stride = c->form.span * dim,
          .out = d,
          .out_stride = c->form.columns * dim});
  if (constant > 0)
    run->k->sum_rows (run->q,
        &(MblmSumRows){.batch = c->n,
            .width = dim,
            .x = d_sources,
            .x_stride = c->form.span * dim,
            .out = self->start[c->k].d_out});
}

/* ------------------------------------------------------------------------- */
/* Which children count                                                      */
/* ------------------------------------------------------------------------- */

/* Whether something counts of what the n ids from `first` of a sequence of the batch
 * predict: those behind `first` and one more, and of all the first. */
static gboolean
any_counts (const Step *self, gsize sequence, gsize first, gsize n)
{
  for (gsize i = first > 0; i <= n; i++)
    if (step_weight (self, sequence, first + i) != 0.0f)
      return TRUE;
  return FALSE;
}

/* Fills `children` with those that predict something that counts, and `index` with
 * which sequences of the group they are; gives their number. */
static gsize
find_children (const Step *self, const Chunk *c, gint32 *children, gsize *index)
{
  gsize length = self->args.model->stage[c->k].patch; /* ids of a child */
  gsize n = 0;

  for (gsize i = 0; i < c->n; i++)
    for (gsize j = 0; j < c->form.span; j++) {
      gsize child = c->index[i] * c->form.span + j;
      gsize first = child * length;

      if (!any_counts (self, self->first + first / self->n_ids,
              first % self->n_ids, length))
        continue;
      children[n] = (gint32) (i * c->form.span + j);
      index[n++] = child;
    }
  return n;
}

/* ------------------------------------------------------------------------- */
/* Running them                                                              */
/* ------------------------------------------------------------------------- */

/* Those of `index` [n], a chunk at a time. */
static gboolean
run_list (Step *self, guint k, const gsize *index, gsize n,
    const float *sources, float *d_sources, GError **error)
{
  gsize dim = self->args.model->stage[k - 1].dim;
  gsize step = self->args.plan->chunk[k];

  for (gsize i = 0; i < n; i += step)
    if (!step_run_chunk (self, k, index + i, MIN (step, n - i),
            sources + i * dim, d_sources + i * dim, error))
      return FALSE;
  return TRUE;
}

/* Some of the children: their rows go together into d_sources, whose halves hold
 * them and their gradients, and come back from there. */
static gboolean
run_some (Step *self, const Chunk *c, const gint32 *children,
    const gsize *index, gsize n, float *sources, float *d_sources,
    GError **error)
{
  gsize dim = self->args.model->stage[c->k].dim, all = c->n * c->form.span;
  MblmRun *run = self->args.run;
  MblmRunMark mark = mblm_run_mark (run);
  const int32_t *ids = mblm_run_upload_ids (run, children, n);
  MblmEmbed rows = {.table = {.data = sources, .rows = all, .cols = dim},
      .ids = ids,
      .rows = n,
      .out = d_sources};
  float *d_rows = d_sources + n * dim;

  if (!mblm_run_check (run, error))
    return FALSE;
  run->k->embed (run->q, &rows);
  if (!run_list (self, c->k + 1, index, n, d_sources, d_rows, error))
    return FALSE;
  if (self->args.gradient != NULL) {
    run->k->zero (run->q, sources, all * dim * sizeof (float));
    run->k->embed_backward (run->q,
        &(MblmEmbedBackward){
            .forward = rows, .d_out = d_rows, .d_table = sources});
  }
  mblm_run_release (run, mark);
  return mblm_run_check (run, error);
}

gboolean
step_run_children (Step *self, const Chunk *c, float *d, GError **error)
{
  gsize dim = self->args.model->stage[c->k].dim;
  gsize all = c->n * c->form.span;
  MblmRun *run = self->args.run;
  MblmRunMark mark = mblm_run_mark (run);
  float *sources = mblm_run_floats (run, all * dim);
  float *d_sources = mblm_run_floats (run, all * dim);
  g_autofree gint32 *children = g_try_new (gint32, all);
  g_autofree gsize *index = g_try_new (gsize, all);

  run->failed |= children == NULL || index == NULL;
  if (!mblm_run_check (run, error))
    return FALSE;
  gather_sources (self, c, sources);
  gsize n = find_children (self, c, children, index);
  /* Half of them and more are not worth the copies, and have no room. */
  gboolean some = !self->args.model->encoder && n <= all / 2;
  float *d_all = some ? sources : d_sources;
  if (!some)
    for (gsize i = 0; i < all; i++)
      index[i] = c->index[i / c->form.span] * c->form.span + i % c->form.span;
  if (!(some ? run_some (self, c, children, index, n, sources, d_sources, error)
             : run_list (
                   self, c->k + 1, index, all, sources, d_sources, error)))
    return FALSE;
  if (self->args.gradient != NULL)
    scatter_sources (self, c, d_all, d);
  mblm_run_release (run, mark);
  return TRUE;
}
