/* mblm-scorer.c: bits per byte of a stream.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A window is one context of the session: the `text` token where there is one,
 * with overlap the bytes that prime it, and the bytes that are counted.
 */

#include "config.h"

#include <math.h>

#include "mblm-error.h"
#include "mblm-scorer.h"

/* Bytes that go to the session at once; it works in smaller pieces itself. */
#define PIECE 8192
/* Bytes that prime a window at most, however long the context is. */
#define MAX_PRIME (16 << 20)

struct _MblmScorer {
  GObject parent;

  MblmSession *session;
  gint text;      /* the token that starts a window; -1: none */
  guint64 window; /* bytes in a window, those that prime it included */
  gsize prime;    /* bytes that prime a window; 0: none */

  gboolean failed;    /* nothing goes on before a reset */
  gboolean begun;     /* the session holds the beginning of a window */
  guint64 filled;     /* bytes in this window */
  GByteArray *recent; /* the last `prime` bytes, or up to twice as many */
  guint64 n_bytes;
  double bits;

  gint32 *ids; /* [PIECE] */
  float *nats; /* [PIECE] */
};

G_DEFINE_FINAL_TYPE (MblmScorer, mblm_scorer, G_TYPE_OBJECT)

static void
mblm_scorer_finalize (GObject *object)
{
  MblmScorer *self = MBLM_SCORER (object);

  g_clear_object (&self->session);
  g_byte_array_unref (self->recent);
  g_free (self->ids);
  g_free (self->nats);
  G_OBJECT_CLASS (mblm_scorer_parent_class)->finalize (object);
}

static void
mblm_scorer_class_init (MblmScorerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mblm_scorer_finalize;
}

static void
mblm_scorer_init (MblmScorer *self)
{
  self->recent = g_byte_array_new ();
  self->ids = g_new (gint32, PIECE);
  self->nats = g_new (float, PIECE);
}

MblmScorer *
mblm_scorer_new (MblmModel *model, gboolean overlap, GError **error)
{
  g_return_val_if_fail (MBLM_IS_MODEL (model), NULL);

  g_autoptr (MblmSession) session = mblm_session_new (model, error);
  if (!session)
    return NULL;
  g_autoptr (MblmScorer) self = g_object_new (MBLM_TYPE_SCORER, NULL);
  guint64 context = mblm_config_get_context (mblm_model_get_config (model));

  self->text = mblm_info_get_token (
      mblm_model_get_info (model), MBLM_TOKEN_TEXT);
  self->window = context - (self->text >= 0 ? MIN (context, 1) : 0);
  if (self->window < 1) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED,
        "a context of %" G_GUINT64_FORMAT
        " ids leaves no room for bytes to score",
        context);
    return NULL;
  }
  if (overlap)
    self->prime = (gsize) MIN (self->window / 2, MAX_PRIME);
  mblm_session_set_context_full (session, MBLM_CONTEXT_FULL_ERROR);
  self->session = g_steal_pointer (&session);
  return g_steal_pointer (&self);
}

void
mblm_scorer_reset (MblmScorer *self)
{
  g_return_if_fail (MBLM_IS_SCORER (self));

  mblm_session_reset (self->session);
  g_byte_array_set_size (self->recent, 0);
  self->failed = self->begun = FALSE;
  self->filled = 0;
  self->n_bytes = 0;
  self->bits = 0.0;
}

static gboolean
begin_window (MblmScorer *self, GCancellable *cancellable, GError **error)
{
  gsize n = MIN (self->prime, self->recent->len);
  gint32 text = self->text;

  mblm_session_reset (self->session);
  if (text >= 0 &&
      !mblm_session_feed (self->session, &text, 1, cancellable, error))
    return FALSE;
  if (n > 0 &&
      !mblm_session_feed_bytes (self->session,
          self->recent->data + self->recent->len - n, n, cancellable, error))
    return FALSE;
  self->begun = TRUE;
  self->filled = n;
  return TRUE;
}

/* Keeps what the next window will be primed with. Bytes pile up to twice as
 * many before they are moved, so that this costs little however small pieces
 * are. */
static void
remember (MblmScorer *self, const guint8 *bytes, gsize n)
{
  if (self->prime == 0)
    return;
  g_byte_array_append (self->recent, bytes, (guint) n);
  if (self->recent->len > 2 * self->prime)
    g_byte_array_remove_range (
        self->recent, 0, self->recent->len - (guint) self->prime);
}

/* Scores n bytes, at most PIECE, that fit into the window. */
static gboolean
push_piece (MblmScorer *self, const guint8 *bytes, gsize n, float *bits,
    GCancellable *cancellable, GError **error)
{
  for (gsize i = 0; i < n; i++)
    self->ids[i] = bytes[i];
  if (!mblm_session_score (
          self->session, self->ids, n, self->nats, cancellable, error))
    return FALSE;
  for (gsize i = 0; i < n; i++) {
    if (!isfinite (self->nats[i])) {
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_DEVICE,
          "the model's prediction is not finite: its weights are damaged, or "
          "the device failed");
      return FALSE;
    }
    double cost = self->nats[i] / G_LN2;
    if (bits)
      bits[i] = (float) cost;
    self->bits += cost;
  }
  self->n_bytes += n;
  self->filled += n;
  remember (self, bytes, n);
  return TRUE;
}

static gboolean
push_all (MblmScorer *self, const guint8 *bytes, gsize n, float *bits,
    GCancellable *cancellable, GError **error)
{
  while (n > 0) {
    if ((!self->begun || self->filled >= self->window) &&
        !begin_window (self, cancellable, error))
      return FALSE;

    gsize piece = (gsize) MIN (MIN (n, PIECE), self->window - self->filled);
    if (!push_piece (self, bytes, piece, bits, cancellable, error))
      return FALSE;
    bytes += piece;
    bits += bits ? piece : 0;
    n -= piece;
  }
  return TRUE;
}

gboolean
mblm_scorer_push (MblmScorer *self, const guint8 *bytes, gsize n, float *bits,
    GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MBLM_IS_SCORER (self), FALSE);
  g_return_val_if_fail (bytes != NULL || n == 0, FALSE);

  if (self->failed) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_STATE,
        "scoring failed or was cancelled in the middle of this stream; start a "
        "new one");
    return FALSE;
  }
  self->failed = !push_all (self, bytes, n, bits, cancellable, error);
  return !self->failed;
}

guint64
mblm_scorer_get_bytes (MblmScorer *self)
{
  g_return_val_if_fail (MBLM_IS_SCORER (self), 0);
  return self->n_bytes;
}

double
mblm_scorer_get_bits (MblmScorer *self)
{
  g_return_val_if_fail (MBLM_IS_SCORER (self), 0.0);
  return self->bits;
}
