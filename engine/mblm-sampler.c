/* mblm-sampler.c: how the next byte is drawn.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The steps, their order and their ties are those of MblmSample in
 * kernels/mblm-kernels.h, so that a device may draw in its place. The random
 * numbers are a function of the seed and of the number of the draw alone:
 * Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2,
 * 3"), of whose first word the upper 24 bits count.
 */

#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mblm-error.h"
#include "sampler-private.h"

typedef struct {
  double logit;
  double weight; /* exp ((logit - largest) / temperature) */
  gint id;
} Candidate;

struct _MblmSampler {
  GObject parent;

  float temperature, top_p, min_p; /* float32, as a device takes them */
  guint top_k;
  guint64 seed, n_draws;
  guint8 *allowed; /* [n_allowed] or NULL */
  guint n_allowed;

  Candidate *candidates; /* [n_candidates], kept between draws */
  guint n_candidates;
};

G_DEFINE_FINAL_TYPE (MblmSampler, mblm_sampler, G_TYPE_OBJECT)

static void
mblm_sampler_finalize (GObject *object)
{
  MblmSampler *self = MBLM_SAMPLER (object);

  g_free (self->allowed);
  g_free (self->candidates);
  G_OBJECT_CLASS (mblm_sampler_parent_class)->finalize (object);
}

static void
mblm_sampler_class_init (MblmSamplerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mblm_sampler_finalize;
}

static void
mblm_sampler_init (MblmSampler *self)
{
  self->top_p = 1.0f;
}

MblmSampler *
mblm_sampler_new (void)
{
  return g_object_new (MBLM_TYPE_SAMPLER, NULL);
}

/* What lies outside of the range becomes its end, and what is no number at all
 * the value that does nothing. */
static float
into_range (double value, double low, double high, double neutral)
{
  return (float) (isnan (value) ? neutral : CLAMP (value, low, high));
}

void
mblm_sampler_set_temperature (MblmSampler *self, double temperature)
{
  g_return_if_fail (MBLM_IS_SAMPLER (self));
  self->temperature = into_range (temperature, 0.0, 100.0, 0.0);
}

void
mblm_sampler_set_top_k (MblmSampler *self, guint top_k)
{
  g_return_if_fail (MBLM_IS_SAMPLER (self));
  self->top_k = top_k;
}

void
mblm_sampler_set_top_p (MblmSampler *self, double top_p)
{
  g_return_if_fail (MBLM_IS_SAMPLER (self));
  self->top_p = into_range (top_p, 0.0, 1.0, 1.0);
}

void
mblm_sampler_set_min_p (MblmSampler *self, double min_p)
{
  g_return_if_fail (MBLM_IS_SAMPLER (self));
  self->min_p = into_range (min_p, 0.0, 1.0, 0.0);
}

void
mblm_sampler_set_seed (MblmSampler *self, guint64 seed)
{
  g_return_if_fail (MBLM_IS_SAMPLER (self));
  self->seed = seed;
  self->n_draws = 0;
}

/**
 * mblm_sampler_set_allowed:
 * @allowed: (array length=vocabulary) (nullable): 0 keeps an id out
 * @vocabulary: the number of ids
 *
 * Bounds what may be drawn.
 */
void
mblm_sampler_set_allowed (
    MblmSampler *self, const guint8 *allowed, guint vocabulary)
{
  g_return_if_fail (MBLM_IS_SAMPLER (self));
  g_free (self->allowed);
  self->allowed = allowed ? g_memdup2 (allowed, vocabulary) : NULL;
  self->n_allowed = allowed ? vocabulary : 0;
}

/* ------------------------------------------------------------------------- */

/* The first word of block `counter` under key `seed`. */
static guint32
philox (guint64 seed, guint64 counter)
{
  guint32 x[4] = {(guint32) counter, (guint32) (counter >> 32), 0, 0};
  guint32 key[2] = {(guint32) seed, (guint32) (seed >> 32)};

  for (guint round = 0; round < 10; round++) {
    guint64 a = (guint64) 0xd2511f53u * x[0];
    guint64 b = (guint64) 0xcd9e8d57u * x[2];

    x[0] = (guint32) (b >> 32) ^ x[1] ^ key[0];
    x[1] = (guint32) b;
    x[2] = (guint32) (a >> 32) ^ x[3] ^ key[1];
    x[3] = (guint32) a;
    key[0] += 0x9e3779b9u;
    key[1] += 0xbb67ae85u;
  }
  return x[0];
}

/* Of a draw: 0 <= u < 1, a multiple of 2^-24, the same in float32 and in double. */
static double
uniform_of (const MblmSampler *self, guint64 n_draws)
{
  return (philox (self->seed, n_draws) >> 8) * 0x1p-24;
}

/* Larger logits first, lower ids first among equals. */
static int
compare_candidates (const void *p, const void *q)
{
  const Candidate *a = p, *b = q;

  if (a->logit != b->logit)
    return a->logit > b->logit ? -1 : 1;
  return a->id < b->id ? -1 : 1;
}

static gboolean
is_allowed (MblmSampler *self, const guint8 *allowed, guint id)
{
  if (allowed && !allowed[id])
    return FALSE;
  return !self->allowed || (id < self->n_allowed && self->allowed[id]);
}

/* The allowed ids; returns how many. */
static guint
list_candidates (MblmSampler *self, const float *logits, guint vocabulary,
    const guint8 *allowed)
{
  guint n = 0;

  if (self->n_candidates < vocabulary) {
    g_free (self->candidates);
    self->candidates = g_new (Candidate, vocabulary);
    self->n_candidates = vocabulary;
  }
  for (guint id = 0; id < vocabulary; id++)
    if (is_allowed (self, allowed, id))
      self->candidates[n++] = (Candidate){.logit = logits[id], .id = (gint) id};
  return n;
}

static gint
take_largest (const Candidate *list, guint n)
{
  const Candidate *best = &list[0];

  for (guint i = 1; i < n; i++)
    if (list[i].logit > best->logit)
      best = &list[i];
  return best->id;
}

/* `list` [n] is sorted; every filter keeps a beginning of it. */
static gint
draw_sorted (MblmSampler *self, Candidate *list, guint n, double uniform)
{
  double total = 0.0, kept_total = 0.0, reached = 0.0;
  guint kept = 0;

  if (self->top_k > 0)
    n = MIN (n, self->top_k);
  for (guint i = 0; i < n; i++) {
    list[i].weight = exp ((list[i].logit - list[0].logit) / self->temperature);
    total += list[i].weight;
  }
  /* min_p and top_p both look at the whole distribution; the most probable id
   * always stays. */
  while (kept < n &&
      (kept == 0 ||
          (list[kept].weight >= self->min_p &&
              (self->top_p >= 1.0f || kept_total < self->top_p * total))))
    kept_total += list[kept++].weight;

  for (guint i = 0; i < kept; i++) {
    reached += list[i].weight;
    if (reached > uniform * kept_total)
      return list[i].id;
  }
  return list[kept - 1].id;
}

gint
mblm_sampler_draw_from (MblmSampler *self, const float *logits,
    guint vocabulary, const guint8 *allowed, GError **error)
{
  for (guint id = 0; id < vocabulary; id++)
    if (!isfinite (logits[id])) {
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_DEVICE,
          "the model's prediction is not finite (id %u): its weights are "
          "damaged, or the device failed",
          id);
      return -1;
    }

  guint n = list_candidates (self, logits, vocabulary, allowed);
  if (n == 0) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "no id of the vocabulary of %u may be drawn", vocabulary);
    return -1;
  }
  double uniform = uniform_of (self, self->n_draws++);
  if (self->temperature <= 0.0f)
    return take_largest (self->candidates, n);
  qsort (self->candidates, n, sizeof (Candidate), compare_candidates);
  return draw_sorted (self, self->candidates, n, uniform);
}

gboolean
mblm_sampler_look_ahead (MblmSampler *self, const guint8 *allowed,
    guint vocabulary, guint n, MblmDraws *draws)
{
  gboolean is_any = FALSE;

  draws->n = n;
  draws->temperature = self->temperature;
  draws->top_p = self->top_p;
  draws->min_p = self->min_p;
  draws->top_k = self->top_k;
  for (guint i = 0; i < n; i++)
    draws->uniform[i] = (float) uniform_of (self, self->n_draws + i);
  draws->is_bounded = allowed || self->allowed;
  for (guint id = 0; id < vocabulary; id++) {
    draws->allowed[id] = is_allowed (self, allowed, id);
    is_any = is_any || draws->allowed[id];
  }
  return is_any;
}

/**
 * mblm_sampler_draw_logits:
 * @logits: (array length=vocabulary): a prediction
 * @vocabulary: the number of ids
 *
 * Draws an id.
 *
 * Returns: the id
 */
gint
mblm_sampler_draw_logits (
    MblmSampler *self, const float *logits, guint vocabulary, GError **error)
{
  g_return_val_if_fail (MBLM_IS_SAMPLER (self) && logits != NULL, -1);
  return mblm_sampler_draw_from (self, logits, vocabulary, NULL, error);
}

gint
mblm_sampler_draw (MblmSampler *self, MblmSession *session, GError **error)
{
  g_return_val_if_fail (MBLM_IS_SAMPLER (self), -1);

  const float *logits = mblm_session_get_logits (
      session, MBLM_START_CHAINED, error);
  if (!logits)
    return -1;
  MblmConfig *config = mblm_model_get_config (mblm_session_get_model (session));
  return mblm_sampler_draw_from (
      self, logits, mblm_config_get_vocabulary (config), NULL, error);
}

double
mblm_log_sum_exp (const float *logits, guint vocabulary)
{
  double largest = -G_MAXDOUBLE, sum = 0.0;

  for (guint id = 0; id < vocabulary; id++) {
    if (!isfinite (logits[id]))
      return NAN;
    largest = MAX (largest, (double) logits[id]);
  }
  for (guint id = 0; id < vocabulary; id++)
    sum += exp (logits[id] - largest);
  return largest + log (sum);
}
