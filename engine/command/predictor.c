/* predictor.c: the next id's logits, from a session or by full passes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "predictor.h"

#include <inttypes.h>
#include <glib/gi18n.h>

struct _Predictor {
  MblmModel *model;
  MblmSession *session; /* or NULL: full passes over `ids` */
  MblmContextFull policy;
  guint64 context;
  gsize vocabulary;
  GArray *ids;   /* of gint32 */
  float *logits; /* [capacity, vocabulary] */
  gsize capacity;
};

Predictor *
predictor_new (MblmModel *model, GError **error)
{
  MblmConfig *config = mblm_model_get_config (model);
  g_autoptr (MblmSession) session = NULL;

  if (mblm_config_is_encoder (config)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED,
        _ ("%s: this model is an encoder of masked bytes and can't continue "
           "text: use `mblm fill`"),
        mblm_info_get_name (mblm_model_get_info (model)));
    return NULL;
  }
  if (mblm_model_is_causal (model)) {
    session = mblm_session_new (model, error);
    if (!session)
      return NULL;
  }

  Predictor *self = g_new0 (Predictor, 1);

  self->model = g_object_ref (model);
  self->session = g_steal_pointer (&session);
  self->context = mblm_config_get_context (config);
  self->vocabulary = mblm_config_get_vocabulary (config);
  self->ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  return self;
}

void
predictor_free (Predictor *self)
{
  g_clear_object (&self->session);
  g_clear_object (&self->model);
  g_array_unref (self->ids);
  g_free (self->logits);
  g_free (self);
}

MblmSession *
predictor_get_session (Predictor *self)
{
  return self->session;
}

void
predictor_reset (Predictor *self)
{
  if (self->session)
    mblm_session_reset (self->session);
  g_array_set_size (self->ids, 0);
}

void
predictor_set_context_full (Predictor *self, MblmContextFull policy)
{
  self->policy = policy;
  if (self->session)
    mblm_session_set_context_full (self->session, policy);
}

/* Room for one more id: what a session does under the same policy. */
static gboolean
make_room (Predictor *self, GError **error)
{
  if (self->ids->len < self->context)
    return TRUE;
  if (self->policy == MBLM_CONTEXT_FULL_ERROR) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONTEXT,
        _ ("the context of %" PRIu64 " bytes is full: give a shorter "
           "prompt or ask for less"),
        self->context);
    return FALSE;
  }
  g_array_remove_range (
      self->ids, 0, self->ids->len - (guint) (self->context / 2));
  return TRUE;
}

gboolean
predictor_feed (Predictor *self, const gint32 *ids, gsize n,
    GCancellable *cancellable, GError **error)
{
  if (self->session)
    return mblm_session_feed (self->session, ids, n, cancellable, error);
  for (gsize i = 0; i < n; i++) {
    if (!make_room (self, error))
      return FALSE;
    g_array_append_val (self->ids, ids[i]);
  }
  return TRUE;
}

static gboolean
reserve_logits (Predictor *self, gsize rows, GError **error)
{
  gsize size;

  if (rows <= self->capacity)
    return TRUE;
  g_clear_pointer (&self->logits, g_free);
  self->capacity = 0;
  rows = MIN (rows + 64, MAX (rows, self->context));
  if (g_size_checked_mul (&size, rows, self->vocabulary))
    self->logits = g_try_new (float, size);
  if (!self->logits) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        _ ("not enough memory for a pass over %zu bytes: give a shorter "
           "prompt"),
        rows);
    return FALSE;
  }
  self->capacity = rows;
  return TRUE;
}

const float *
predictor_get_logits (
    Predictor *self, GCancellable *cancellable, GError **error)
{
  if (self->session)
    return mblm_session_get_logits (self->session, MBLM_START_CHAINED, error);

  gsize rows = MAX (self->ids->len, 1);

  if (!reserve_logits (self, rows, error) ||
      !mblm_model_forward (self->model, (const gint32 *) self->ids->data, 1,
          self->ids->len, NULL, self->logits, NULL, cancellable, error))
    return NULL;
  return self->logits + (rows - 1) * self->vocabulary;
}
