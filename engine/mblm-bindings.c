/* mblm-bindings.c: what language bindings call instead.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "mblm-bindings.h"

#include "mblm-error.h"

/* Room for rows * width floats, and for one where that is none. */
static float *
new_floats (gsize rows, gsize width, gsize *n, GError **error)
{
  float *floats = NULL;

  if (g_size_checked_mul (n, rows, width) && *n <= G_MAXSSIZE / sizeof (float))
    floats = g_try_new (float, MAX (*n, 1));
  if (floats == NULL) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "not enough memory for %" G_GSIZE_FORMAT " times %" G_GSIZE_FORMAT
        " numbers; take smaller pieces",
        rows, width);
    *n = 0;
  }
  return floats;
}

/* What a function hands out that has filled `floats`, or has failed. */
static float *
hand_out (gboolean ok, float *floats, gsize *n)
{
  if (ok)
    return floats;
  g_free (floats);
  *n = 0;
  return NULL;
}

static MblmConfig *
config_of (MblmSession *session)
{
  return mblm_model_get_config (mblm_session_get_model (session));
}

/**
 * mblm_session_score_array: (rename-to mblm_session_score)
 * @ids: (array length=n): ids
 * @n: how many
 * @n_nats: (out): the same
 * @cancellable: stops the work
 *
 * Feeds ids and gives -ln p of each.
 *
 * Returns: (array length=n_nats) (transfer full): a number for each id
 */
float *
mblm_session_score_array (MblmSession *self, const gint32 *ids, gsize n,
    gsize *n_nats, GCancellable *cancellable, GError **error)
{
  float *nats = new_floats (n, 1, n_nats, error);

  if (nats == NULL)
    return NULL;
  return hand_out (mblm_session_score (self, ids, n, nats, cancellable, error),
      nats, n_nats);
}

/**
 * mblm_session_feed_logits_array: (rename-to mblm_session_feed_logits)
 * @ids: (array length=n): ids
 * @n: how many
 * @n_logits: (out): the numbers returned
 * @cancellable: stops the work
 *
 * Feeds ids and gives the prediction after each.
 *
 * Returns: (array length=n_logits) (transfer full): a row for each id
 */
float *
mblm_session_feed_logits_array (MblmSession *self, const gint32 *ids, gsize n,
    gsize *n_logits, GCancellable *cancellable, GError **error)
{
  guint vocabulary = mblm_config_get_vocabulary (config_of (self));
  float *logits = new_floats (n, vocabulary, n_logits, error);

  if (logits == NULL)
    return NULL;
  return hand_out (
      mblm_session_feed_logits (self, ids, n, logits, cancellable, error),
      logits, n_logits);
}

/**
 * mblm_session_feed_hidden_array: (rename-to mblm_session_feed_hidden)
 * @ids: (array length=n): ids
 * @n: how many
 * @n_hidden: (out): the numbers returned
 * @cancellable: stops the work
 *
 * Feeds ids and gives the innermost hidden state after each.
 *
 * Returns: (array length=n_hidden) (transfer full): a row for each id
 */
float *
mblm_session_feed_hidden_array (MblmSession *self, const gint32 *ids, gsize n,
    gsize *n_hidden, GCancellable *cancellable, GError **error)
{
  MblmConfig *config = config_of (self);
  guint innermost = mblm_config_get_n_stages (config) - 1;
  float *hidden = new_floats (
      n, mblm_config_get_hidden_dim (config, innermost), n_hidden, error);

  if (hidden == NULL)
    return NULL;
  return hand_out (
      mblm_session_feed_hidden (self, ids, n, hidden, cancellable, error),
      hidden, n_hidden);
}

/**
 * mblm_session_get_logits_array: (rename-to mblm_session_get_logits)
 * @start: what predicts the first byte
 * @n_logits: (out): the size of the vocabulary
 *
 * Gives the prediction of the next id.
 *
 * Returns: (array length=n_logits) (transfer none): a number for each id
 */
const float *
mblm_session_get_logits_array (
    MblmSession *self, MblmStart start, gsize *n_logits, GError **error)
{
  const float *logits = mblm_session_get_logits (self, start, error);

  *n_logits = logits != NULL ? mblm_config_get_vocabulary (config_of (self))
                             : 0;
  return logits;
}

/**
 * mblm_session_step_many_array: (rename-to mblm_session_step_many)
 * @sessions: (array length=n_sessions): sessions of one model
 * @n_sessions: how many
 * @ids: (array length=n_ids): an id for each
 * @n_ids: the same
 * @cancellable: stops the work
 *
 * Feeds one id into each session.
 *
 * Returns: %TRUE where all were fed
 */
gboolean
mblm_session_step_many_array (MblmSession **sessions, gsize n_sessions,
    const gint32 *ids, gsize n_ids, GCancellable *cancellable, GError **error)
{
  if (n_sessions != n_ids || n_ids > G_MAXUINT) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%" G_GSIZE_FORMAT " sessions can't be stepped with %" G_GSIZE_FORMAT
        " ids: give one id for each",
        n_sessions, n_ids);
    return FALSE;
  }
  return mblm_session_step_many (
      sessions, ids, (guint) n_ids, cancellable, error);
}

/**
 * mblm_scorer_push_array: (rename-to mblm_scorer_push)
 * @bytes: (array length=n): bytes
 * @n: how many
 * @n_bits: (out): the same
 * @cancellable: stops the work
 *
 * Scores bytes.
 *
 * Returns: (array length=n_bits) (transfer full): the bits of each byte
 */
float *
mblm_scorer_push_array (MblmScorer *self, const guint8 *bytes, gsize n,
    gsize *n_bits, GCancellable *cancellable, GError **error)
{
  float *bits = new_floats (n, 1, n_bits, error);

  if (bits == NULL)
    return NULL;
  return hand_out (mblm_scorer_push (self, bytes, n, bits, cancellable, error),
      bits, n_bits);
}

/**
 * mblm_generator_next_bytes: (rename-to mblm_generator_next)
 * @out: (out) (transfer full): what is certain now
 * @cancellable: stops the work
 *
 * Draws one id.
 *
 * Returns: %FALSE where the generation has finished
 */
gboolean
mblm_generator_next_bytes (MblmGenerator *self, GBytes **out,
    GCancellable *cancellable, GError **error)
{
  GByteArray *bytes = g_byte_array_new ();
  GError *failure = NULL;
  gboolean more = mblm_generator_next (self, bytes, cancellable, &failure);

  *out = NULL;
  if (failure != NULL) {
    g_byte_array_unref (bytes);
    g_propagate_error (error, failure);
    return FALSE;
  }
  *out = g_byte_array_free_to_bytes (bytes);
  return more;
}

/**
 * mblm_picture_new_from_bytes: (rename-to mblm_picture_new)
 * @width: pixels
 * @height: pixels
 * @rgb: packed RGB
 * @stride: bytes from one row to the next
 *
 * Copies pixels.
 *
 * Returns: (transfer full): the picture
 */
MblmPicture *
mblm_picture_new_from_bytes (
    guint width, guint height, GBytes *rgb, gsize stride, GError **error)
{
  gsize size, needed, row;
  const guint8 *data = g_bytes_get_data (rgb, &size);

  /* the last row may end before its stride does */
  if (height > 0 &&
      (!g_size_checked_mul (&needed, height - 1, stride) ||
          !g_size_checked_mul (&row, width, 3) ||
          !g_size_checked_add (&needed, needed, row) || needed > size)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%" G_GSIZE_FORMAT " bytes are too few for %u x %u pixels of RGB in "
        "rows of %" G_GSIZE_FORMAT " bytes",
        size, width, height, stride);
    return NULL;
  }
  return mblm_picture_new (width, height, data, stride, error);
}

/* ------------------------------------------------------------------------- */
/* Structs                                                                   */
/* ------------------------------------------------------------------------- */

G_DEFINE_BOXED_TYPE (MblmImageLayout, mblm_image_layout, mblm_image_layout_copy,
    mblm_image_layout_free)

MblmImageLayout *
mblm_image_layout_copy (const MblmImageLayout *self)
{
  return g_memdup2 (self, sizeof (*self));
}

void
mblm_image_layout_free (MblmImageLayout *self)
{
  g_free (self);
}

/**
 * mblm_info_copy_image: (rename-to mblm_info_get_image)
 *
 * Tells how a picture becomes bytes.
 *
 * Returns: (transfer full) (nullable): the layout
 */
MblmImageLayout *
mblm_info_copy_image (MblmInfo *self)
{
  return mblm_image_layout_copy (mblm_info_get_image (self));
}

/**
 * mblm_answer_get_choice:
 * @k: a choice, from 0 to n_choices - 1
 * @probability: (out) (optional): of the choice
 *
 * Gives a choice of an answer.
 *
 * Returns: (transfer none) (nullable): its text
 */
const char *
mblm_answer_get_choice (const MblmAnswer *self, guint k, double *probability)
{
  if (probability != NULL)
    *probability = 0.0;
  g_return_val_if_fail (k < self->n_choices, NULL);
  if (probability != NULL)
    *probability = self->choices[k].probability;
  return self->choices[k].text;
}
