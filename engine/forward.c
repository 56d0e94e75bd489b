/* forward.c: full passes over a batch, and the published loss.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "session-private.h"

#include <string.h>

gboolean
mblm_model_check_ids (
    MblmModel *self, const gint32 *ids, gsize n, GError **error)
{
  for (gsize i = 0; i < n; i++)
    if (ids[i] < 0 || (guint) ids[i] >= self->vocabulary) {
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
          "id %d at position %" G_GSIZE_FORMAT
          " is none of the model's, which run from 0 to %u",
          ids[i], i, self->vocabulary - 1);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_batch (MblmModel *self, const gint32 *ids, gsize batch, gsize length,
    GError **error)
{
  gsize n;

  if (!g_size_checked_mul (&n, batch, length)) {
    g_set_error_literal (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "the batch is larger than the address space; use a smaller one");
    return FALSE;
  }
  if (self->stage[0].position == MBLM_POSITION_FIXED &&
      length > mblm_config_get_context (self->config)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONTEXT,
        "%" G_GSIZE_FORMAT
        " ids don't fit into the context of %" G_GUINT64_FORMAT "; use fewer",
        length, mblm_config_get_context (self->config));
    return FALSE;
  }
  return mblm_model_check_ids (self, ids, n, error);
}

/* The prediction behind no id at all. */
static gboolean
forward_empty (MblmModel *self, gsize batch, float *logits, GError **error)
{
  if (self->chained_logits == NULL) {
    g_set_error_literal (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "an encoder needs at least one id");
    return FALSE;
  }
  for (gsize b = 0; logits != NULL && b < batch; b++)
    memcpy (logits + b * self->vocabulary, self->chained_logits,
        self->vocabulary * sizeof (float));
  return TRUE;
}

/* Row by row through a session. */
static gboolean
forward_causal (MblmModel *self, const gint32 *ids, gsize batch, gsize length,
    MblmOutput *output, GCancellable *cancellable, GError **error)
{
  g_autoptr (MblmSession) session = mblm_session_new (self, error);

  if (session == NULL)
    return FALSE;
  session->run.cancellable = cancellable;
  for (gsize b = 0; b < batch; b++) {
    mblm_session_reset (session);
    if (!mblm_session_run (session, ids + b * length, length, output, error) ||
        !mblm_run_wait (&session->run, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
forward_full (MblmModel *self, const gint32 *ids, gsize batch, gsize length,
    const guint8 *attention_mask, MblmOutput *output, float *start_logits,
    GCancellable *cancellable, GError **error)
{
  MblmRun run;
  gboolean ok = mblm_model_init_run (self, &run, error);

  run.cancellable = cancellable;
  for (gsize b = 0; ok && b < batch; b++)
    ok = mblm_full_pass (self, &run, ids + b * length, length,
             attention_mask != NULL ? attention_mask + b * length : NULL,
             output,
             start_logits != NULL ? start_logits + b * self->vocabulary : NULL,
             error) &&
        mblm_run_wait (&run, error);
  mblm_run_clear (&run);
  return ok;
}

/**
 * mblm_model_forward: (skip)
 */
gboolean
mblm_model_forward (MblmModel *self, const gint32 *ids, gsize batch,
    gsize length, const guint8 *attention_mask, float *logits, float *hidden,
    GCancellable *cancellable, GError **error)
{
  MblmOutput output = {.logits = logits, .hidden = hidden};

  if (!check_batch (self, ids, batch, length, error))
    return FALSE;
  if (attention_mask != NULL && !self->encoder) {
    g_set_error_literal (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "only encoders take an attention mask; leave it out");
    return FALSE;
  }
  if (length == 0)
    return forward_empty (self, batch, logits, error);
  return self->causal
      ? forward_causal (self, ids, batch, length, &output, cancellable, error)
      : forward_full (self, ids, batch, length, attention_mask, &output, NULL,
            cancellable, error);
}

/* ------------------------------------------------------------------------- */
/* Loss                                                                      */
/* ------------------------------------------------------------------------- */

/* nats [batch, length] of a decoder whose row i predicts id i + 1. */
static gboolean
decoder_nats (MblmModel *self, const gint32 *ids, gsize batch, gsize length,
    float *nats, GCancellable *cancellable, GError **error)
{
  gsize n = batch * length;
  g_autofree gint32 *targets = g_try_new (gint32, n);
  g_autofree float *behind = g_try_new (float, n);
  /* what predicts the first ids: the same of all sequences, or of each its own */
  g_autofree float *start = self->causal
      ? NULL
      : g_try_new (float, batch * self->vocabulary);
  MblmOutput output = {.targets = targets, .nats = behind};
  MblmRun run;

  if (!targets || !behind || (!self->causal && !start)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "no memory for the losses of %" G_GSIZE_FORMAT
        " sequences of %" G_GSIZE_FORMAT " ids; give fewer at once",
        batch, length);
    return FALSE;
  }
  for (gsize i = 0; i < n; i++)
    targets[i] = (i + 1) % length == 0 ? -1 : ids[i + 1];
  if (!(self->causal ? forward_causal (self, ids, batch, length, &output,
                           cancellable, error)
                     : forward_full (self, ids, batch, length, NULL, &output,
                           start, cancellable, error)))
    return FALSE;

  gboolean ok = mblm_model_init_run (self, &run, error);
  for (gsize b = 0; ok && b < batch; b++) {
    const float *first = self->causal ? self->bare_logits
                                      : start + b * self->vocabulary;

    ok = mblm_output_nats (
        self, &run, first, ids[b * length], &nats[b * length], error);
    memcpy (nats + b * length + 1, behind + b * length,
        (length - 1) * sizeof (float));
  }
  mblm_run_clear (&run);
  return ok;
}

/* nats [batch, length] of the labels; nothing where the mask hides an id. */
static gboolean
encoder_nats (MblmModel *self, const gint32 *ids, gsize batch, gsize length,
    const gint32 *labels, const guint8 *attention_mask, float *nats,
    GCancellable *cancellable, GError **error)
{
  gsize n = batch * length;
  g_autofree gint32 *targets = g_memdup2 (labels, n * sizeof (gint32));
  MblmOutput output = {.targets = targets, .nats = nats};

  for (gsize i = 0; attention_mask != NULL && i < n; i++)
    if (attention_mask[i] == 0)
      targets[i] = -1;
  return forward_full (self, ids, batch, length, attention_mask, &output, NULL,
      cancellable, error);
}

/* Mean over the entries that are not exactly zero. */
static double
mean_of_nonzero (const float *nats, const float *loss_mask, gsize n)
{
  double sum = 0;
  gsize count = 0;

  for (gsize i = 0; i < n; i++) {
    float x = loss_mask != NULL ? nats[i] * loss_mask[i] : nats[i];
    sum += x;
    count += x != 0.0f;
  }
  return count > 0 ? sum / count : 0.0;
}

/**
 * mblm_model_loss: (skip)
 */
gboolean
mblm_model_loss (MblmModel *self, const gint32 *ids, gsize batch, gsize length,
    const float *loss_mask, const gint32 *labels, const guint8 *attention_mask,
    double *loss, GCancellable *cancellable, GError **error)
{
  gsize n = batch * length;

  if (!check_batch (self, ids, batch, length, error))
    return FALSE;
  if (n == 0 || (self->encoder && labels == NULL) ||
      (!self->encoder && (labels != NULL || attention_mask != NULL))) {
    g_set_error_literal (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        n == 0              ? "a loss needs at least one id"
            : self->encoder ? "the loss of an encoder needs labels"
                            : "labels and attention masks are for encoders; "
                              "leave them out");
    return FALSE;
  }
  g_autofree float *nats = g_new0 (float, n);
  if (self->encoder) {
    if (!mblm_model_check_ids (self, labels, n, error) ||
        !encoder_nats (self, ids, batch, length, labels, attention_mask, nats,
            cancellable, error))
      return FALSE;
  } else {
    gint32 pad_id = mblm_config_get_pad_id (self->config);
    if (!decoder_nats (self, ids, batch, length, nats, cancellable, error))
      return FALSE;
    for (gsize i = 0; i < n; i++)
      if (ids[i] == pad_id)
        nats[i] = 0;
  }
  *loss = mean_of_nonzero (nats, loss_mask, n);
  return TRUE;
}
