/* check-transformer-step.c: a step of a Transformer in one operation.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The operation is optional. Where a device lacks it, or doesn't take a shape, the
 * step is composed of other operations of the same table, as the engine does; the
 * reference always does that.
 */

#include "case.h"

#include <math.h>
#include <string.h>

#define ROUNDS 60
#define MOST_LAYERS 8
#define MOST_BATCH 8
#define EPSILON 1e-8f
#define VOCABULARY 37

/* How much larger the errors of a row may be than those of one product of numbers
 * of its size: each of the products before adds its own. */
#define GROWN 1.0

typedef struct {
  size_t attention_gain, qkv, out, ff_gain, up, up_bias, down, down_bias;
} Layer; /* of offsets, as all that follow */

typedef struct {
  size_t key, value, attention_shift, ff_shift;
} State;

typedef struct {
  size_t batch, layers, dim, heads, head_dim, wide, vocabulary;
  MblmType type;
  bool rotates, has_input, has_ids, has_positions, has_addend, has_biases;
  bool has_drawn; /* the ids are in the memory of the device */
  bool must; /* a device that has the operation takes this shape, also one of a
              * few multiprocessors */
  size_t past[MOST_BATCH], position[MOST_BATCH];
  int32_t ids[MOST_BATCH];
  Layer layer[MOST_LAYERS];
  State state[MOST_BATCH * MOST_LAYERS];
  size_t frequency, gain, input, table, drawn, positions, addend[MOST_BATCH];
  size_t output, to_logits, logits_bias, logits;
} Step;

static size_t
inner (const Step *s)
{
  return s->heads * s->head_dim;
}

/* ------------------------------------------------------------------------- */
/* The composition                                                           */
/* ------------------------------------------------------------------------- */

typedef struct {
  const MblmKernels *k;
  MblmQueue *q;
  const MblmTransformerStep *a;
  float *x, *normed, *qkv, *attended, *wide, *cosine, *sine;
  int32_t *ids;
} Compose;

static void
compose_norm (Compose *c, const float *gain, size_t layer, bool attends)
{
  const MblmTransformerStep *a = c->a;
  const float *from[MOST_BATCH];
  float *to[MOST_BATCH];

  for (size_t b = 0; b < a->batch; b++) {
    const MblmTransformerState *state = &a->state[b * a->layers + layer];

    from[b] = to[b] = attends ? state->attention_shift : state->ff_shift;
  }
  c->k->shift_norm (c->q,
      &(MblmShiftNorm){.batch = a->batch,
          .rows = 1,
          .width = a->dim,
          .x = c->x,
          .shift = true,
          .carry = {.from = from, .to = to},
          .gain = gain,
          .epsilon = a->epsilon,
          .out = c->normed});
}

static MblmLinear
compose_linear (Compose *c, MblmMatrix weight, const float *x, float *out)
{
  return (MblmLinear){.weight = weight,
      .rows = c->a->batch,
      .x = x,
      .x_stride = weight.cols,
      .out = out,
      .out_stride = weight.rows};
}

static void
compose_attention (Compose *c, size_t layer)
{
  const MblmTransformerStep *a = c->a;
  size_t width = a->heads * a->head_dim;
  const float *key[MOST_BATCH], *value[MOST_BATCH];

  for (size_t b = 0; b < a->batch; b++) {
    const MblmTransformerState *state = &a->state[b * a->layers + layer];

    key[b] = state->key;
    value[b] = state->value;
    c->k->copy (c->q, state->key + a->past[b] * width,
        c->qkv + (3 * b + 1) * width, width * sizeof (float));
    c->k->copy (c->q, state->value + a->past[b] * width,
        c->qkv + (3 * b + 2) * width, width * sizeof (float));
  }
  c->k->attention (c->q,
      &(MblmAttention){.batch = a->batch,
          .rows = 1,
          .heads = a->heads,
          .head_dim = a->head_dim,
          .query = c->qkv,
          .query_stride = 3 * width,
          .key = c->qkv + width,
          .value = c->qkv + 2 * width,
          .key_stride = 3 * width,
          .causal = true,
          .past_key = key,
          .past_value = value,
          .past = a->past,
          .out = c->attended});
}

static void
compose_layer (Compose *c, size_t layer)
{
  const MblmTransformerStep *a = c->a;
  const MblmTransformerLayer *l = &a->layer[layer];
  MblmLinear product = compose_linear (c, l->qkv, c->normed, c->qkv);

  compose_norm (c, l->attention_gain, layer, true);
  c->k->linear (c->q, &product);
  if (a->frequency)
    c->k->rope (c->q,
        &(MblmRope){.form = MBLM_ROPE_HALVES,
            .batch = a->batch,
            .rows = 1,
            .heads = 2 * a->heads,
            .half = a->head_dim / 2,
            .x = c->qkv,
            .x_stride = 3 * a->heads * a->head_dim,
            .cosine = c->cosine,
            .sine = c->sine,
            .angle_stride = 1});
  compose_attention (c, layer);
  product = compose_linear (c, l->out, c->attended, c->x);
  product.residual = c->x;
  c->k->linear (c->q, &product);
  compose_norm (c, l->ff_gain, layer, false);
  product = compose_linear (c, l->up, c->normed, c->wide);
  product.bias = l->up_bias;
  product.activation = MBLM_ACTIVATION_GELU;
  c->k->linear (c->q, &product);
  product = compose_linear (c, l->down, c->wide, c->x);
  product.bias = l->down_bias;
  product.residual = c->x;
  c->k->linear (c->q, &product);
}

static void
compose_input (Compose *c)
{
  const MblmTransformerStep *a = c->a;

  if (a->input)
    c->k->copy (c->q, c->x, a->input, a->batch * a->dim * sizeof (float));
  else
    c->k->zero (c->q, c->x, a->batch * a->dim * sizeof (float));
  if (a->table.data) {
    if (!a->drawn)
      c->k->upload (c->q, c->ids, a->ids, a->batch * sizeof (int32_t));
    c->k->embed (c->q,
        &(MblmEmbed){
            a->table, a->drawn ? a->drawn : c->ids, a->batch, c->normed});
    c->k->add (c->q,
        &(MblmAdd){
            .batch = 1, .width = a->batch * a->dim, .x = c->x, .y = c->normed});
  }
  if (a->positions.data)
    c->k->add_position (
        c->q, &(MblmAddPosition){a->positions, a->batch, 1, a->position, c->x});
  for (size_t b = 0; b < a->batch; b++)
    if (a->addend && a->addend[b])
      c->k->add (c->q,
          &(MblmAdd){.batch = 1,
              .width = a->dim,
              .x = c->x + b * a->dim,
              .y = a->addend[b]});
  if (a->frequency)
    c->k->rope_angles (c->q,
        &(MblmRopeAngles){.frequency = a->frequency,
            .half = a->head_dim / 2,
            .batch = a->batch,
            .rows = 1,
            .first = a->past,
            .cosine = c->cosine,
            .sine = c->sine});
}

static void
compose (const Target *t, const MblmTransformerStep *a)
{
  size_t width = a->heads * a->head_dim;
  size_t each = 2 * a->dim + 4 * width + a->wide + a->head_dim + 1;
  float *memory = t->table->alloc (t->device, a->batch * each * sizeof (float));
  Compose c = {.k = t->table, .q = t->queue, .a = a, .x = memory};

  g_assert_nonnull (memory);
  c.normed = c.x + a->batch * a->dim;
  c.qkv = c.normed + a->batch * a->dim;
  c.attended = c.qkv + a->batch * 3 * width;
  c.wide = c.attended + a->batch * width;
  c.cosine = c.wide + a->batch * a->wide;
  c.sine = c.cosine + a->batch * (a->head_dim / 2);
  c.ids = (int32_t *) (memory + a->batch * (each - 1));
  compose_input (&c);
  for (size_t i = 0; i < a->layers; i++)
    compose_layer (&c, i);
  t->table->shift_norm (t->queue,
      &(MblmShiftNorm){.batch = a->batch,
          .rows = 1,
          .width = a->dim,
          .x = c.x,
          .gain = a->gain,
          .epsilon = a->epsilon,
          .out = a->out});
  if (a->to_logits.data) {
    MblmLinear product = compose_linear (&c, a->to_logits, a->out, a->logits);

    product.bias = a->logits_bias;
    t->table->linear (t->queue, &product);
  }
  t->table->queue_wait (t->queue);
  t->table->free (t->device, memory);
}

/* ------------------------------------------------------------------------- */
/* The case                                                                  */
/* ------------------------------------------------------------------------- */

typedef struct {
  MblmTransformerLayer layer[MOST_LAYERS];
  MblmTransformerState state[MOST_BATCH * MOST_LAYERS];
  const float *addend[MOST_BATCH];
} Pointers;

static void
layer_at (char *memory, const Step *s, const Layer *l, MblmTransformerLayer *to)
{
  *to = (MblmTransformerLayer){
      .attention_gain = AT (memory, l->attention_gain),
      .qkv = matrix_at (memory, l->qkv, s->type, 3 * inner (s), s->dim),
      .out = matrix_at (memory, l->out, s->type, s->dim, inner (s)),
      .ff_gain = AT (memory, l->ff_gain),
      .up = matrix_at (memory, l->up, s->type, s->wide, s->dim),
      .up_bias = s->has_biases ? AT (memory, l->up_bias) : NULL,
      .down = matrix_at (memory, l->down, s->type, s->dim, s->wide),
      .down_bias = s->has_biases ? AT (memory, l->down_bias) : NULL,
  };
}

static MblmTransformerStep
step_at (char *memory, const Step *s, Pointers *p)
{
  MblmMatrix none = {NULL};

  for (size_t i = 0; i < s->layers; i++)
    layer_at (memory, s, &s->layer[i], &p->layer[i]);
  for (size_t i = 0; i < s->batch * s->layers; i++)
    p->state[i] = (MblmTransformerState){AT (memory, s->state[i].key),
        AT (memory, s->state[i].value),
        AT (memory, s->state[i].attention_shift),
        AT (memory, s->state[i].ff_shift)};
  for (size_t b = 0; b < s->batch; b++)
    p->addend[b] = AT (memory, s->addend[b]);
  return (MblmTransformerStep){.batch = s->batch,
      .layers = s->layers,
      .dim = s->dim,
      .heads = s->heads,
      .head_dim = s->head_dim,
      .wide = s->wide,
      .layer = p->layer,
      .state = p->state,
      .past = s->past,
      .frequency = s->rotates ? AT (memory, s->frequency) : NULL,
      .gain = AT (memory, s->gain),
      .epsilon = EPSILON,
      .input = s->has_input ? AT (memory, s->input) : NULL,
      .table = s->has_ids
          ? matrix_at (memory, s->table, s->type, VOCABULARY, s->dim)
          : none,
      .ids = s->has_drawn ? NULL : s->ids,
      .drawn = s->has_drawn ? (const int32_t *) (memory + s->drawn) : NULL,
      .positions = s->has_positions
          ? matrix_at (memory, s->positions, s->type, VOCABULARY, s->dim)
          : none,
      .position = s->position,
      .addend = s->has_addend ? p->addend : NULL,
      .out = AT (memory, s->output),
      .to_logits = s->vocabulary > 0
          ? matrix_at (memory, s->to_logits, s->type, s->vocabulary, s->dim)
          : none,
      .logits_bias = s->has_biases ? AT (memory, s->logits_bias) : NULL,
      .logits = AT (memory, s->logits)};
}

static void
run_step (const Target *t, char *memory, const void *data)
{
  const Step *s = data;
  Pointers pointers;
  MblmTransformerStep a = step_at (memory, s, &pointers);

  if (t->table->transformer_step && t->table->transformer_step (t->queue, &a))
    return;
  if (t->table->transformer_step && s->must)
    g_error ("a step that has to be taken isn't");
  compose (t, &a);
}

/* A product of numbers of size 1 has results of that size, too. */
static size_t
weight (Case *c, const Step *s, size_t rows, size_t cols)
{
  float most = 1.5f / sqrtf ((float) cols);

  return case_matrix (c, s->type, rows, cols, -most, most);
}

static void
add_layer (Case *c, const Step *s, Layer *l)
{
  l->attention_gain = case_input (c, 1, s->dim, s->dim, 0.5f, 2.f);
  l->qkv = weight (c, s, 3 * inner (s), s->dim);
  l->out = weight (c, s, s->dim, inner (s));
  l->ff_gain = case_input (c, 1, s->dim, s->dim, 0.5f, 2.f);
  l->up = weight (c, s, s->wide, s->dim);
  l->up_bias = case_input (c, 1, s->wide, s->wide, -1.f, 1.f);
  l->down = weight (c, s, s->dim, s->wide);
  l->down_bias = case_input (c, 1, s->dim, s->dim, -1.f, 1.f);
}

/* Of a sum that all of a layer before it went into: sixteen times as many as in
 * one. */
static size_t
terms_of (const Step *s)
{
  return 16 * (s->dim + s->wide + inner (s));
}

/* The new row, like the others, has numbers of another step before. */
static void
add_state (Case *c, const Step *s, size_t past, State *to)
{
  size_t width = inner (s), half = s->dim / 2, terms = terms_of (s);

  to->key = case_input (c, past + 1, width, width, -3.f, 3.f);
  to->value = case_input (c, past + 1, width, width, -3.f, 3.f);
  to->attention_shift = case_input (c, 1, half, half, -3.f, 3.f);
  to->ff_shift = case_input (c, 1, half, half, -3.f, 3.f);
  case_in_place (c, "key", to->key + past * width * sizeof (float), 1, width,
      width, terms);
  case_in_place (c, "value", to->value + past * width * sizeof (float), 1,
      width, width, terms);
  case_in_place (
      c, "attention_shift", to->attention_shift, 1, half, half, terms);
  case_in_place (c, "ff_shift", to->ff_shift, 1, half, half, terms);
}

static Case *
step_case (Check *check, Fill fill, Step *s)
{
  Case *c = case_new (check, fill,
      "batch %zu, layers %zu, dim %zu, heads %zu of %zu, wide %zu, past "
      "%zu%s%s",
      s->batch, s->layers, s->dim, s->heads, s->head_dim, s->wide, s->past[0],
      s->rotates ? ", rotated" : "", s->type == MBLM_TYPE_BF16 ? ", bf16" : "");
  size_t half = s->head_dim / 2, v = s->vocabulary;

  for (size_t i = 0; i < s->layers; i++)
    add_layer (c, s, &s->layer[i]);
  for (size_t i = 0; i < s->batch * s->layers; i++)
    add_state (c, s, s->past[i / s->layers], &s->state[i]);
  s->frequency = case_input (c, 1, half, half, 0.01f, 1.f);
  s->gain = case_input (c, 1, s->dim, s->dim, 0.5f, 2.f);
  s->input = case_input (c, s->batch, s->dim, s->dim, -3.f, 3.f);
  s->table = case_matrix (c, s->type, VOCABULARY, s->dim, -3.f, 3.f);
  s->drawn = case_ids (c, s->batch, 0, VOCABULARY - 1);
  s->positions = case_matrix (c, s->type, VOCABULARY, s->dim, -3.f, 3.f);
  for (size_t b = 0; b < s->batch; b++)
    s->addend[b] = case_input (c, 1, s->dim, s->dim, -3.f, 3.f);
  s->to_logits = weight (c, s, v, s->dim);
  s->logits_bias = case_input (c, 1, v, v, -1.f, 1.f);
  s->must = c->is_aligned && s->dim % 16 == 0 && inner (s) % 8 == 0 &&
      s->wide % 8 == 0 && s->batch <= 2 && s->batch * inner (s) <= 2600;
  s->output = case_output (c, "out", s->batch, s->dim, s->dim, terms_of (s));
  s->logits = case_output (c, "logits", s->batch, v, v, terms_of (s));
  return c;
}

/* The largest entry of the row. */
static void
magnitude_step (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Step *s = data;

  for (size_t i = 0; i < output->rows; i++) {
    const float *row = AT (after, output->offset) + i * output->stride;
    double most = 0.0;

    for (size_t j = 0; j < output->width; j++)
      most = fmax (most, fabs (row[j]));
    for (size_t j = 0; j < output->width; j++)
      magnitude[i * output->width + j] = GROWN * s->layers * (most + 1.0);
  }
}

/* ------------------------------------------------------------------------- */
/* Checks                                                                    */
/* ------------------------------------------------------------------------- */

/* Only devices that have the operation; the others would compare themselves. */
static GPtrArray *
take_others (Check *check)
{
  GPtrArray *all = check->targets;

  check->targets = g_ptr_array_new ();
  for (guint i = 0; i < all->len; i++) {
    Target *target = g_ptr_array_index (all, i);

    if (target->table->transformer_step)
      g_ptr_array_add (check->targets, target);
  }
  return all;
}

static void
put_back (Check *check, GPtrArray *all)
{
  g_ptr_array_unref (check->targets);
  check->targets = all;
}

/* Fast shapes, and any. */
static Step
random_shape (Check *check, int i)
{
  bool any = i % 4 == 3;
  Step s = {
      .batch = check_size (check, 1, i % 4 == 1 ? MOST_BATCH : 2),
      .layers = check_size (check, 1, 3),
      .dim = 16 * check_size (check, 1, i % 8 ? 8 : 70),
      .heads = 4 * check_size (check, 1, 4),
      .head_dim = 2 * check_size (check, 1, i % 8 ? 20 : 40),
      .wide = 8 * check_size (check, 1, i % 8 ? 30 : 260),
      .type = check_coin (check) ? MBLM_TYPE_F32 : MBLM_TYPE_BF16,
      .rotates = check_coin (check),
      .has_input = check_coin (check),
      .has_ids = check_coin (check),
      .has_drawn = check_coin (check),
      .has_positions = check_coin (check),
      .has_addend = check_coin (check),
      .has_biases = check_coin (check),
      .vocabulary = check_coin (check) ? check_size (check, 1, 300) : 0,
  };

  if (any) {
    s.dim = check_size (check, 1, 100);
    s.heads = check_size (check, 1, 5);
    s.wide = check_size (check, 1, 100);
  }
  if (!s.rotates && check_coin (check))
    s.head_dim = 2 * s.head_dim - 1, s.heads *= 2;
  if (i == 0)
    s.head_dim = 128;
  for (size_t b = 0; b < s.batch; b++) {
    s.past[b] = check_size (check, 0, i % 8 == 2 ? 300 : 40);
    s.position[b] = check_size (check, 0, VOCABULARY - 1);
    s.ids[b] = (int32_t) check_size (check, 0, VOCABULARY - 1);
  }
  return s;
}

void
check_transformer_step (Check *check)
{
  GPtrArray *all = take_others (check);

  for (int i = 0; i < ROUNDS && check->targets->len > 0; i++) {
    Step s = random_shape (check, i);
    Case *c = step_case (check, i % 5 == 4 ? FILL_EXTREME : FILL_RANDOM, &s);

    case_run (c, run_step, &s, magnitude_step);
    case_free (c);
  }
  put_back (check, all);
}

/* The innermost stage of the published model. */
void
bench_transformer_step (Check *check)
{
  static const size_t batches[] = {1, 1, 1, 2, 4, 8};
  static const size_t pasts[] = {5, 16, 200, 5, 5, 5};
  GPtrArray *all = take_others (check);

  for (size_t i = 0; i < 2 * G_N_ELEMENTS (batches); i++) {
    MblmType type = i % 2 == 0 ? MBLM_TYPE_BF16 : MBLM_TYPE_F32;
    Step s = {.batch = batches[i / 2],
        .layers = 8,
        .dim = 1024,
        .heads = 16,
        .head_dim = 64,
        .wide = 2048,
        .vocabulary = 256,
        .type = type,
        .rotates = true,
        .has_ids = true,
        .has_positions = true,
        .has_addend = true,
        .has_biases = true};
    double weights = 8.0 * 8 * 1024 * 1024 + 256 * 1024;
    Case *c;

    for (size_t b = 0; b < s.batch; b++)
      s.past[b] = pasts[i / 2];
    c = step_case (check, FILL_RANDOM, &s);
    case_bench (c, run_step, &s, case_entry_size (type) * weights,
        2.0 * s.batch * weights);
    case_free (c);
  }
  put_back (check, all);
}
