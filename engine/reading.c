/* reading.c: a picture that several askers go on from.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "reading.h"

struct _MblmReading {
  guint n_askers;
  MblmModel *model;
  MblmSession *session; /* NULL until it is needed */
  GBytes *image;        /* that it has read; NULL: none */
};

MblmReading *
mblm_reading_new (MblmModel *model)
{
  MblmReading *self = g_new0 (MblmReading, 1);

  self->n_askers = 1;
  self->model = g_object_ref (model);
  return self;
}

MblmReading *
mblm_reading_ref (MblmReading *self)
{
  self->n_askers++;
  return self;
}

void
mblm_reading_unref (MblmReading *self)
{
  if (--self->n_askers > 0)
    return;
  g_clear_object (&self->session);
  g_clear_pointer (&self->image, g_bytes_unref);
  g_object_unref (self->model);
  g_free (self);
}

gboolean
mblm_reading_is_shared (const MblmReading *self)
{
  return self->n_askers > 1;
}

/* Of n ids those after which the outermost stage has nothing left to do but the
 * patch that stays open in any case, and the inner stages see as little of that
 * as can be: one id. */
static guint
count_read (MblmReading *self, guint n)
{
  guint64 patch = mblm_config_get_patch (
      mblm_model_get_config (self->model), 0);

  return (guint) ((n - 1) / patch * patch + 1);
}

static gboolean
read_image (MblmReading *self, GBytes *image, const gint32 *ids, guint n,
    GCancellable *cancellable, GError **error)
{
  g_clear_pointer (&self->image, g_bytes_unref);
  mblm_session_reset (self->session);
  if (!mblm_session_feed (self->session, ids, n, cancellable, error))
    return FALSE;
  self->image = g_bytes_ref (image);
  return TRUE;
}

MblmSession *
mblm_reading_begin (MblmReading *self, GBytes *image, const gint32 *ids,
    guint n, guint *fed, MblmProgress progress, gpointer progress_data,
    GCancellable *cancellable, GError **error)
{
  *fed = count_read (self, n);
  if (self->image && g_bytes_equal (self->image, image))
    return self->session;
  if (!self->session) {
    self->session = mblm_session_new (self->model, error);
    if (!self->session)
      return NULL;
    mblm_session_set_context_full (self->session, MBLM_CONTEXT_FULL_ERROR);
  }
  mblm_session_set_progress (self->session, progress, progress_data);
  gboolean ok = read_image (self, image, ids, *fed, cancellable, error);
  mblm_session_set_progress (self->session, NULL, NULL);
  return ok ? self->session : NULL;
}
