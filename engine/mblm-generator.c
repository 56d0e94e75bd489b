/* mblm-generator.c: continuing a stream, byte by byte.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every stop string is followed by the automaton of Knuth, Morris and Pratt:
 * its state is the length of the longest end of the text that could still
 * become the string. The longest state of all is what has to be held back.
 */

#include "config.h"

#include <string.h>

#include "mblm-generator.h"
#include "sampler-private.h"

typedef struct {
  guint8 *bytes;  /* [n] */
  gsize *failure; /* [n]: state to go on from where byte i + 1 doesn't match */
  gsize n, state;
} Stop;

struct _MblmGenerator {
  GObject parent;

  MblmSession *session;
  MblmSampler *sampler;
  guint vocabulary;
  guint8 *allowed; /* [vocabulary]; NULL: all */
  gint end;        /* -1: none */
  GArray *stops;   /* Stop */
  guint64 max;

  gint pending; /* drawn and not fed yet; -1: none */
  gint last_id;
  guint64 n_drawn;
  double log_probability;
  MblmFinish finish;
  GByteArray *held; /* bytes that may belong to a stop string */
};

G_DEFINE_FINAL_TYPE (MblmGenerator, mblm_generator, G_TYPE_OBJECT)

static void
stop_clear (gpointer data)
{
  Stop *self = data;

  g_free (self->bytes);
  g_free (self->failure);
}

static void
stop_init (Stop *self, GBytes *bytes)
{
  gconstpointer data = g_bytes_get_data (bytes, &self->n);
  gsize state = 0;

  self->bytes = g_memdup2 (data, self->n);
  self->failure = g_new0 (gsize, self->n);
  self->state = 0;
  for (gsize i = 1; i < self->n; i++) {
    while (state > 0 && self->bytes[state] != self->bytes[i])
      state = self->failure[state - 1];
    if (self->bytes[state] == self->bytes[i])
      state++;
    self->failure[i] = state;
  }
}

/* TRUE where the text now ends with the string. */
static gboolean
stop_push (Stop *self, guint8 byte)
{
  while (self->state > 0 && self->bytes[self->state] != byte)
    self->state = self->failure[self->state - 1];
  if (self->bytes[self->state] == byte)
    self->state++;
  return self->state == self->n;
}

static void
mblm_generator_finalize (GObject *object)
{
  MblmGenerator *self = MBLM_GENERATOR (object);

  g_clear_object (&self->session);
  g_clear_object (&self->sampler);
  g_free (self->allowed);
  g_array_unref (self->stops);
  g_byte_array_unref (self->held);
  G_OBJECT_CLASS (mblm_generator_parent_class)->finalize (object);
}

static void
mblm_generator_class_init (MblmGeneratorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mblm_generator_finalize;
}

static void
mblm_generator_init (MblmGenerator *self)
{
  self->stops = g_array_new (FALSE, FALSE, sizeof (Stop));
  g_array_set_clear_func (self->stops, stop_clear);
  self->held = g_byte_array_new ();
  self->max = G_MAXUINT64;
  self->pending = self->last_id = self->end = -1;
}

/* With an mblm.json every special id but `end` is out. */
static void
apply_info (MblmGenerator *self, MblmInfo *info)
{
  self->end = mblm_info_get_token (info, MBLM_TOKEN_END);
  if (!mblm_info_is_explicit (info))
    return;
  self->allowed = g_new (guint8, self->vocabulary);
  for (guint id = 0; id < self->vocabulary; id++)
    self->allowed[id] = (gint) id == self->end ||
        !mblm_info_is_special (info, (gint) id);
}

MblmGenerator *
mblm_generator_new (MblmSession *session, MblmSampler *sampler)
{
  g_return_val_if_fail (MBLM_IS_SESSION (session), NULL);
  g_return_val_if_fail (MBLM_IS_SAMPLER (sampler), NULL);

  MblmGenerator *self = g_object_new (MBLM_TYPE_GENERATOR, NULL);
  MblmModel *model = mblm_session_get_model (session);

  self->session = g_object_ref (session);
  self->sampler = g_object_ref (sampler);
  self->vocabulary = mblm_config_get_vocabulary (mblm_model_get_config (model));
  apply_info (self, mblm_model_get_info (model));
  return self;
}

/**
 * mblm_generator_set_stop:
 * @stop: (array length=n) (nullable): byte strings
 * @n: how many
 *
 * Sets what ends the generation.
 */
void
mblm_generator_set_stop (MblmGenerator *self, GBytes *const *stop, gsize n)
{
  g_return_if_fail (MBLM_IS_GENERATOR (self));

  g_array_set_size (self->stops, 0);
  for (gsize i = 0; stop && i < n && stop[i]; i++)
    if (g_bytes_get_size (stop[i]) > 0) {
      Stop entry;
      stop_init (&entry, stop[i]);
      g_array_append_val (self->stops, entry);
    }
}

void
mblm_generator_set_max (MblmGenerator *self, guint64 max)
{
  g_return_if_fail (MBLM_IS_GENERATOR (self));
  self->max = max;
}

void
mblm_generator_start (MblmGenerator *self)
{
  g_return_if_fail (MBLM_IS_GENERATOR (self));

  self->pending = self->last_id = -1;
  self->n_drawn = 0;
  self->log_probability = 0.0;
  self->finish = MBLM_FINISH_NONE;
  g_byte_array_set_size (self->held, 0);
  for (guint i = 0; i < self->stops->len; i++)
    g_array_index (self->stops, Stop, i).state = 0;
}

/* Hands out all that is held but the last `keep` bytes. */
static void
release (MblmGenerator *self, gsize keep, GByteArray *out)
{
  guint n = self->held->len - (guint) MIN (keep, self->held->len);

  if (n == 0)
    return;
  g_byte_array_append (out, self->held->data, n);
  g_byte_array_remove_range (self->held, 0, n);
}

static gboolean
finish (MblmGenerator *self, MblmFinish reason, GByteArray *out)
{
  release (self, 0, out);
  self->finish = reason;
  return FALSE;
}

/* FALSE where a stop string is complete: of several the longest, which began
 * first. */
static gboolean
push_byte (MblmGenerator *self, guint8 byte, GByteArray *out)
{
  gsize longest = 0, complete = 0;

  g_byte_array_append (self->held, &byte, 1);
  for (guint i = 0; i < self->stops->len; i++) {
    Stop *stop = &g_array_index (self->stops, Stop, i);

    if (stop_push (stop, byte))
      complete = MAX (complete, stop->n);
    longest = MAX (longest, stop->state);
  }
  if (complete == 0) {
    release (self, longest, out);
    return TRUE;
  }
  release (self, complete, out);
  g_byte_array_set_size (self->held, 0);
  return FALSE;
}

static gint
draw (MblmGenerator *self, GError **error)
{
  const float *logits = mblm_session_get_logits (
      self->session, MBLM_START_CHAINED, error);
  if (!logits)
    return -1;
  gint id = mblm_sampler_draw_from (
      self->sampler, logits, self->vocabulary, self->allowed, error);
  if (id >= 0)
    self->log_probability += logits[id] -
        mblm_log_sum_exp (logits, self->vocabulary);
  return id;
}

/* Feeds what is pending. Where more draws are wanted, a device may go on with its
 * own, which will be the same. */
static gboolean
feed_pending (MblmGenerator *self, guint64 wanted, GCancellable *cancellable,
    GError **error)
{
  gint32 id = self->pending;
  MblmDraws draws;

  if (id < 0)
    return TRUE;
  guint64 n = mblm_session_get_ahead (self->session, id);
  n = MIN (n, wanted);
  gboolean goes_ahead = n > 0 &&
      mblm_sampler_look_ahead (
          self->sampler, self->allowed, self->vocabulary, (guint) n, &draws);
  if (!(goes_ahead
              ? mblm_session_feed_ahead (
                    self->session, id, &draws, cancellable, error)
              : mblm_session_feed (self->session, &id, 1, cancellable, error)))
    return FALSE;
  self->pending = -1;
  return TRUE;
}

gboolean
mblm_generator_next (MblmGenerator *self, GByteArray *out,
    GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MBLM_IS_GENERATOR (self) && out != NULL, FALSE);

  if (self->finish != MBLM_FINISH_NONE)
    return FALSE;
  if (self->n_drawn >= self->max)
    return finish (self, MBLM_FINISH_LENGTH, out);
  if (g_cancellable_set_error_if_cancelled (cancellable, error) ||
      !feed_pending (self, self->max - self->n_drawn, cancellable, error))
    return FALSE;

  gint id = draw (self, error);
  if (id < 0)
    return FALSE;
  self->pending = self->last_id = id;
  self->n_drawn++;

  if (id == self->end)
    return finish (self, MBLM_FINISH_END, out);
  if (id < 256 && !push_byte (self, (guint8) id, out))
    return finish (self, MBLM_FINISH_STOP, out);
  if (self->n_drawn >= self->max)
    return finish (self, MBLM_FINISH_LENGTH, out);
  return TRUE;
}

void
mblm_generator_end (MblmGenerator *self, GByteArray *out)
{
  g_return_if_fail (MBLM_IS_GENERATOR (self) && out != NULL);

  if (self->finish == MBLM_FINISH_NONE)
    finish (self, MBLM_FINISH_ENDED, out);
}

gboolean
mblm_generator_settle (
    MblmGenerator *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MBLM_IS_GENERATOR (self), FALSE);

  return feed_pending (self, 0, cancellable, error);
}

MblmFinish
mblm_generator_get_finish (MblmGenerator *self)
{
  g_return_val_if_fail (MBLM_IS_GENERATOR (self), MBLM_FINISH_NONE);
  return self->finish;
}

guint64
mblm_generator_get_drawn (MblmGenerator *self)
{
  g_return_val_if_fail (MBLM_IS_GENERATOR (self), 0);
  return self->n_drawn;
}

double
mblm_generator_get_log_probability (MblmGenerator *self)
{
  g_return_val_if_fail (MBLM_IS_GENERATOR (self), 0.0);
  return self->log_probability;
}

gint
mblm_generator_get_last_id (MblmGenerator *self)
{
  g_return_val_if_fail (MBLM_IS_GENERATOR (self), -1);
  return self->last_id;
}
