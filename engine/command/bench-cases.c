/* bench-cases.c: the operations of a model, ready to be called.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bytes are those that a call must read and write once each; weights count in
 * their own precision. Contents are zeros: no operation takes a shorter way for
 * them.
 */

#include "config.h"

#include "bench-cases.h"

#include "model-private.h"
#include "work.h"

/* Rows of a full pass that are worked on at a time. */
#define MANY_ROWS 1024

/* ------------------------------------------------------------------------- */
/* Making cases                                                              */
/* ------------------------------------------------------------------------- */

static float *
floats (BenchCases *self, double n)
{
  if (n >= G_MAXSSIZE / sizeof (float)) {
    self->run.failed = TRUE;
    return NULL;
  }

  float *memory = mblm_run_floats (&self->run, n);

  if (memory)
    self->run.k->zero (self->run.q, memory, (gsize) n * sizeof (float));
  return memory;
}

static BenchCase *
add (BenchCases *self, BenchOperation kind, const char *operation, guint stage,
    double bytes, double operations)
{
  BenchCase c = {
      .operation = operation,
      .stage = stage,
      .bytes = bytes,
      .operations = operations,
      .kind = kind,
  };

  g_array_append_val (self->list, c);
  return &g_array_index (self->list, BenchCase, self->list->len - 1);
}

static void
add_linear (BenchCases *self, guint stage, gsize rows, gsize n, gsize k)
{
  MblmType type = mblm_model_get_precision (self->model) == MBLM_PRECISION_BF16
      ? MBLM_TYPE_BF16
      : MBLM_TYPE_F32;
  double bytes = (double) n * k * (type == MBLM_TYPE_BF16 ? 2 : 4) +
      4.0 * rows * (n + k);
  BenchCase *c = add (
      self, BENCH_LINEAR, "linear", stage, bytes, 2.0 * rows * n * k);

  g_snprintf (c->shape, sizeof c->shape,
      "[%" G_GSIZE_FORMAT ", %" G_GSIZE_FORMAT "] x [%" G_GSIZE_FORMAT
      ", %" G_GSIZE_FORMAT "]",
      rows, k, k, n);
  c->linear = (MblmLinear){
      .weight = {floats (self, (double) n * k), type, n, k},
      .bias = floats (self, n),
      .rows = rows,
      .x = floats (self, (double) rows * k),
      .x_stride = k,
      .out = floats (self, (double) rows * n),
      .out_stride = n,
      .product = self->run.product,
  };
}

static void
set_shape (BenchCase *c, gsize batch, gsize rows, gsize width)
{
  g_snprintf (c->shape, sizeof c->shape,
      "[%" G_GSIZE_FORMAT ", %" G_GSIZE_FORMAT ", %" G_GSIZE_FORMAT "]", batch,
      rows, width);
}

/* `batch` pointers to one and the same place. */
static float **
same_pointer (BenchCases *self, float *place, gsize batch)
{
  float **pointers = g_new (float *, batch);

  for (gsize i = 0; i < batch; i++)
    pointers[i] = place;
  g_ptr_array_add (self->host, pointers);
  return pointers;
}

/* ------------------------------------------------------------------------- */
/* Blocks                                                                    */
/* ------------------------------------------------------------------------- */

/* Sequences [batch, rows], each behind `past` rows that they share, where more
 * than one, or have of their own. */
typedef struct {
  guint stage;
  gsize dim;
  gsize batch, rows, past;
} Shape;

static void
add_attention (BenchCases *self, const Shape *s, gsize heads, gsize head_dim)
{
  gsize width = heads * head_dim, rows = s->batch * s->rows;
  double keys = s->past + (s->rows + 1) / 2.0;
  double bytes = 4.0 * width * (4.0 * rows + 2.0 * s->past);
  BenchCase *c = add (self, BENCH_ATTENTION, "attention", s->stage, bytes,
      4.0 * width * rows * keys);
  float *past_key = floats (self, (double) s->past * width);
  float *past_value = floats (self, (double) s->past * width);
  gsize *past = g_new (gsize, 1);

  *past = s->past;
  g_ptr_array_add (self->host, past);
  g_snprintf (c->shape, sizeof c->shape,
      "[%" G_GSIZE_FORMAT ", %" G_GSIZE_FORMAT ", %" G_GSIZE_FORMAT
      "] past %" G_GSIZE_FORMAT,
      s->batch, s->rows, width, s->past);
  c->attention = (MblmAttention){
      .batch = s->batch,
      .rows = s->rows,
      .heads = heads,
      .head_dim = head_dim,
      .query = floats (self, (double) rows * width),
      .query_stride = width,
      .key = floats (self, (double) rows * width),
      .value = floats (self, (double) rows * width),
      .key_stride = width,
      .causal = TRUE,
      .past_key = (const float *const *) same_pointer (self, past_key, 1),
      .past_value = (const float *const *) same_pointer (self, past_value, 1),
      .past = s->past ? past : NULL,
      .past_shared = s->batch > 1,
      .out = floats (self, (double) rows * width),
  };
}

static void
add_transformer (BenchCases *self, const Shape *s)
{
  MblmConfig *config = mblm_model_get_config (self->model);
  gsize head_dim = work_get_option (config, s->stage, "attn_head_dims");
  gsize heads = work_get_option (config, s->stage, "attn_num_heads");
  gsize multiplier = work_get_option (config, s->stage, "ff_multiplier");
  gsize rows = s->batch * s->rows, width = heads * head_dim;
  gsize wide = (multiplier ? multiplier : 2) * s->dim;
  BenchCase *c = add (
      self, BENCH_SHIFT_NORM, "shift_norm", s->stage, 8.0 * rows * s->dim, 0);

  set_shape (c, s->batch, s->rows, s->dim);
  c->shift_norm = (MblmShiftNorm){
      .batch = s->batch,
      .rows = s->rows,
      .width = s->dim,
      .x = floats (self, (double) rows * s->dim),
      .shift = TRUE,
      .gain = floats (self, s->dim),
      .epsilon = 1e-8f,
      .out = floats (self, (double) rows * s->dim),
  };
  add_linear (self, s->stage, rows, 3 * width, s->dim);
  if (head_dim % 2 == 0) {
    c = add (self, BENCH_ROPE, "rope", s->stage, 8.0 * rows * width, 0);
    set_shape (c, s->batch, s->rows, width);
    c->rope = (MblmRope){
        .batch = s->batch,
        .rows = s->rows,
        .heads = heads,
        .half = head_dim / 2,
        .x = floats (self, (double) rows * width),
        .x_stride = width,
        .cosine = floats (self, (double) s->rows * head_dim / 2),
        .sine = floats (self, (double) s->rows * head_dim / 2),
    };
  }
  add_attention (self, s, heads, head_dim);
  add_linear (self, s->stage, rows, s->dim, width);
  add_linear (self, s->stage, rows, wide, s->dim);
  add_linear (self, s->stage, rows, s->dim, wide);
}

static void
add_conv (BenchCases *self, const Shape *s, gsize width, gsize taps)
{
  gsize rows = s->batch * s->rows;
  BenchCase *c = add (self, BENCH_CONV, "conv", s->stage, 8.0 * rows * width,
      2.0 * rows * width * taps);

  set_shape (c, s->batch, s->rows, width);
  c->conv = (MblmConv){
      .batch = s->batch,
      .rows = s->rows,
      .width = width,
      .taps = taps,
      .x = floats (self, (double) rows * width),
      .x_stride = width,
      .weight = floats (self, (double) width * taps),
      .bias = floats (self, width),
      .out = floats (self, (double) rows * width),
      .out_stride = width,
  };
}

static void
add_rms_norm (BenchCases *self, const Shape *s)
{
  gsize rows = s->batch * s->rows;
  BenchCase *c = add (
      self, BENCH_RMS_NORM, "rms_norm", s->stage, 8.0 * rows * s->dim, 0);

  set_shape (c, s->batch, s->rows, s->dim);
  c->rms_norm = (MblmRmsNorm){
      .rows = rows,
      .width = s->dim,
      .x = floats (self, (double) rows * s->dim),
      .gain = floats (self, s->dim),
      .epsilon = 1e-5f,
      .out = floats (self, (double) rows * s->dim),
  };
}

/* A carry whose sequences all write to the same place would be a race. */
static MblmCarry
new_carry (BenchCases *self, gsize batch, gsize size)
{
  float *memory = floats (self, (double) batch * size);
  float **pointers = g_new (float *, batch);

  for (gsize i = 0; i < batch; i++)
    pointers[i] = memory ? memory + i * size : NULL;
  g_ptr_array_add (self->host, pointers);
  return (MblmCarry){
      .from = (const float *const *) pointers,
      .to = pointers,
  };
}

static void
add_mamba2 (BenchCases *self, const Shape *s)
{
  MblmConfig *config = mblm_model_get_config (self->model);
  gsize state = work_get_option (config, s->stage, "d_state");
  gsize head_dim = MAX (work_get_option (config, s->stage, "headdim"), 1);
  gsize inner = work_get_option (config, s->stage, "expand") * s->dim;
  gsize taps = work_get_option (config, s->stage, "d_conv");
  gsize heads = inner / head_dim, rows = s->batch * s->rows;
  gsize conv = inner + 2 * state, in = inner + conv + heads;
  double numbers = (double) inner * state;

  add_rms_norm (self, s);
  add_linear (self, s->stage, rows, in, s->dim);
  add_conv (self, s, conv, taps);

  BenchCase *c = add (self, BENCH_SSD_SCAN, "ssd_scan", s->stage,
      4.0 * rows * (2 * inner + 2 * state + heads) + 8.0 * s->batch * numbers,
      6.0 * rows * numbers);
  float *xbc = floats (self, (double) rows * conv);

  set_shape (c, s->batch, s->rows, inner);
  c->ssd_scan = (MblmSsdScan){
      .batch = s->batch,
      .rows = s->rows,
      .heads = heads,
      .head_dim = head_dim,
      .state = state,
      .x = xbc,
      .b = xbc ? xbc + inner : NULL,
      .c = xbc ? xbc + inner + state : NULL,
      .xbc_stride = conv,
      .delta = floats (self, (double) rows * heads),
      .delta_stride = heads,
      .delta_bias = floats (self, heads),
      .a_log = floats (self, heads),
      .skip = floats (self, heads),
      .carry = new_carry (self, s->batch, inner * state),
      .y = floats (self, (double) rows * inner),
  };

  c = add (
      self, BENCH_GATED_NORM, "gated_norm", s->stage, 12.0 * rows * inner, 0);
  set_shape (c, s->batch, s->rows, inner);
  c->gated_norm = (MblmGatedNorm){
      .rows = rows,
      .width = inner,
      .y = floats (self, (double) rows * inner),
      .y_stride = inner,
      .z = floats (self, (double) rows * inner),
      .z_stride = inner,
      .gain = floats (self, inner),
      .epsilon = 1e-5f,
      .out = floats (self, (double) rows * inner),
  };
  add_linear (self, s->stage, rows, s->dim, inner);
}

static void
add_mamba1 (BenchCases *self, const Shape *s)
{
  MblmConfig *config = mblm_model_get_config (self->model);
  gsize state = work_get_option (config, s->stage, "d_state");
  gsize inner = work_get_option (config, s->stage, "expand") * s->dim;
  gsize taps = work_get_option (config, s->stage, "d_conv");
  gsize rank = (s->dim + 15) / 16, rows = s->batch * s->rows;
  gsize bc = rank + 2 * state;
  double numbers = (double) inner * state;

  add_rms_norm (self, s);
  add_linear (self, s->stage, rows, 2 * inner, s->dim);
  add_conv (self, s, inner, taps);
  add_linear (self, s->stage, rows, bc, inner);
  add_linear (self, s->stage, rows, inner, rank);

  BenchCase *c = add (self, BENCH_SELECTIVE_SCAN, "selective_scan", s->stage,
      4.0 * rows * (4 * inner + 2 * state) + 8.0 * s->batch * numbers,
      6.0 * rows * numbers);
  float *parts = floats (self, (double) rows * bc);

  set_shape (c, s->batch, s->rows, inner);
  c->selective_scan = (MblmSelectiveScan){
      .batch = s->batch,
      .rows = s->rows,
      .width = inner,
      .state = state,
      .x = floats (self, (double) rows * inner),
      .x_stride = inner,
      .delta = floats (self, (double) rows * inner),
      .delta_stride = inner,
      .b = parts ? parts + rank : NULL,
      .c = parts ? parts + rank + state : NULL,
      .bc_stride = bc,
      .z = floats (self, (double) rows * inner),
      .z_stride = inner,
      .a_log = floats (self, numbers),
      .skip = floats (self, inner),
      .carry = new_carry (self, s->batch, inner * state),
      .y = floats (self, (double) rows * inner),
  };
  add_linear (self, s->stage, rows, s->dim, inner);
}

/* ------------------------------------------------------------------------- */
/* Stages                                                                    */
/* ------------------------------------------------------------------------- */

static void
add_block (BenchCases *self, const Shape *shape)
{
  const char *type = mblm_config_get_block_type (
      mblm_model_get_config (self->model), shape->stage);

  if (g_str_has_prefix (type, "transformer"))
    add_transformer (self, shape);
  else if (g_str_equal (type, "mamba2"))
    add_mamba2 (self, shape);
  else if (g_str_equal (type, "mamba1"))
    add_mamba1 (self, shape);
}

/* What leads into the stage, and out of it. */
static void
add_ends (BenchCases *self, guint k, gsize rows)
{
  MblmConfig *config = mblm_model_get_config (self->model);
  guint last = mblm_config_get_n_stages (config) - 1;
  gsize dim = mblm_config_get_hidden_dim (config, k);
  gsize inner = mblm_config_get_hidden_dim (config, last);
  gsize patch = mblm_config_get_patch (config, k) * inner;

  if (k == last) {
    add_linear (self, k, rows, mblm_config_get_vocabulary (config), dim);
    return;
  }

  BenchCase *c = add (
      self, BENCH_LAYER_NORM, "layer_norm", k, 8.0 * rows * patch, 0);

  set_shape (c, 1, rows, patch);
  c->layer_norm = (MblmLayerNorm){
      .rows = rows,
      .width = patch,
      .x = floats (self, (double) rows * patch),
      .gain = floats (self, patch),
      .bias = floats (self, patch),
      .epsilon = 1e-5f,
      .out = floats (self, (double) rows * patch),
  };
  add_linear (self, k, rows, dim, patch);
  add_linear (self, k, rows,
      mblm_config_get_seq_len (config, k + 1) *
          mblm_config_get_hidden_dim (config, k + 1),
      dim);
}

static void
add_ids (BenchCases *self, guint stage, gsize rows)
{
  MblmConfig *config = mblm_model_get_config (self->model);
  gsize vocabulary = mblm_config_get_vocabulary (config);
  gsize dim = mblm_config_get_hidden_dim (config, stage);
  int32_t *ids = (int32_t *) floats (self, rows);
  BenchCase *c = add (self, BENCH_EMBED, "embed", stage, 8.0 * rows * dim, 0);

  set_shape (c, 1, rows, dim);
  c->embed = (MblmEmbed){
      .table = {floats (self, (double) vocabulary * dim), MBLM_TYPE_F32,
          vocabulary, dim},
      .ids = ids,
      .rows = rows,
      .out = floats (self, (double) rows * dim),
  };
  c = add (self, BENCH_CROSS_ENTROPY, "cross_entropy", stage,
      4.0 * rows * vocabulary, 0);
  set_shape (c, 1, rows, vocabulary);
  c->cross_entropy = (MblmCrossEntropy){
      .rows = rows,
      .vocabulary = vocabulary,
      .logits = floats (self, (double) rows * vocabulary),
      .targets = ids,
      .loss = floats (self, rows),
  };
  c = add (self, BENCH_SAMPLE, "sample", stage, 4.0 * rows * vocabulary, 0);
  set_shape (c, 1, rows, vocabulary);
  c->sample = (MblmSample){
      .rows = rows,
      .vocabulary = vocabulary,
      .logits = floats (self, (double) rows * vocabulary),
      .temperature = 1,
      .top_p = 1,
      .uniform = floats (self, rows),
      .ids = ids,
  };
}

static void
add_stage (BenchCases *self, guint k)
{
  MblmConfig *config = mblm_model_get_config (self->model);
  guint last = mblm_config_get_n_stages (config) - 1;
  guint64 rows = k ? mblm_config_get_seq_len (config, k)
                   : self->context / mblm_config_get_patch (config, 0);
  Shape step = {
      .stage = k,
      .dim = mblm_config_get_hidden_dim (config, k),
      .batch = 1,
      .rows = 1,
      .past = MAX (rows, 1),
  };
  Shape pass = step;

  /* The rows of an inner stage are those of many patches. */
  pass.rows = CLAMP (rows, 1, MANY_ROWS);
  pass.batch = k ? MAX (MANY_ROWS / pass.rows, 1) : 1;
  pass.past = 1;
  add_block (self, &step);
  add_ends (self, k, 1);
  if (k == last)
    add_ids (self, k, 1);
  add_block (self, &pass);
  add_ends (self, k, pass.batch * pass.rows);
  if (k == last)
    add_ids (self, k, pass.batch * pass.rows);
}

gboolean
bench_cases_init (
    BenchCases *self, MblmModel *model, guint64 context, GError **error)
{
  self->model = model;
  self->context = context;
  if (!mblm_model_init_run (model, &self->run, error))
    return FALSE;
  self->list = g_array_new (FALSE, TRUE, sizeof (BenchCase));
  self->host = g_ptr_array_new_with_free_func (g_free);
  for (guint k = 0;
       k < mblm_config_get_n_stages (mblm_model_get_config (model)); k++)
    add_stage (self, k);
  return TRUE;
}

void
bench_cases_clear (BenchCases *self)
{
  g_array_unref (self->list);
  g_ptr_array_unref (self->host);
  mblm_run_clear (&self->run);
}

void
bench_case_call (BenchCases *self, const BenchCase *c)
{
  const MblmKernels *k = self->run.k;
  MblmQueue *q = self->run.q;

  switch (c->kind) {
    case BENCH_LINEAR:
      k->linear (q, &c->linear);
      break;
    case BENCH_EMBED:
      k->embed (q, &c->embed);
      break;
    case BENCH_LAYER_NORM:
      k->layer_norm (q, &c->layer_norm);
      break;
    case BENCH_RMS_NORM:
      k->rms_norm (q, &c->rms_norm);
      break;
    case BENCH_SHIFT_NORM:
      k->shift_norm (q, &c->shift_norm);
      break;
    case BENCH_GATED_NORM:
      k->gated_norm (q, &c->gated_norm);
      break;
    case BENCH_ROPE:
      k->rope (q, &c->rope);
      break;
    case BENCH_ATTENTION:
      k->attention (q, &c->attention);
      break;
    case BENCH_CONV:
      k->conv (q, &c->conv);
      break;
    case BENCH_SSD_SCAN:
      k->ssd_scan (q, &c->ssd_scan);
      break;
    case BENCH_SELECTIVE_SCAN:
      k->selective_scan (q, &c->selective_scan);
      break;
    case BENCH_CROSS_ENTROPY:
      k->cross_entropy (q, &c->cross_entropy);
      break;
    case BENCH_SAMPLE:
      k->sample (q, &c->sample);
      break;
  }
}
