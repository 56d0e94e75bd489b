/* trainer-best.c: the best models of a run.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A model that is among the best is written to a hidden folder named by its
 * batch; then the state is saved, which lists it; then the folders get the names
 * of their ranks and what the state doesn't list is removed. So every model that
 * the state on the disk lists is there at any moment, under one name or the other:
 * training.json in it tells which it is, and a resumed run arranges them again.
 */

#include "trainer-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "atomic-file.h"
#include "json.h"
#include "mblm-error.h"
#include "read-file.h"

#define IDENTITY "training.json"

static char *
hidden_path (MblmTrainer *self, guint64 batch)
{
  g_autofree char *name = g_strdup_printf (
      ".%s_batch%" G_GUINT64_FORMAT, self->config->name, batch);

  return g_build_filename (self->output, name, NULL);
}

static char *
rank_path (MblmTrainer *self, guint rank)
{
  g_autofree char *name = g_strdup_printf (
      "%s_top%u", self->config->name, rank + 1);

  return g_build_filename (self->output, name, NULL);
}

static gboolean
write_identity (const char *folder, guint64 batch, double loss, GError **error)
{
  char nats[G_ASCII_DTOSTR_BUF_SIZE], bits[G_ASCII_DTOSTR_BUF_SIZE];
  g_autofree char *text = g_strdup_printf (
      "{\"batch\": %" G_GUINT64_FORMAT
      ", \"loss\": %s, \"bits_per_byte\": %s}\n",
      batch, g_ascii_dtostr (nats, sizeof nats, loss),
      g_ascii_dtostr (bits, sizeof bits, loss / G_LN2));

  return mblm_trainer_write_file (folder, IDENTITY, text, error);
}

/* FALSE where the folder doesn't tell. */
static gboolean
read_identity (const char *folder, guint64 *batch)
{
  g_autofree char *path = g_build_filename (folder, IDENTITY, NULL);
  gsize length;
  g_autofree char *text = mblm_read_file (path, 4096, &length, NULL);
  g_auto (MblmJson) json;

  mblm_json_init (&json, text != NULL ? text : "", text != NULL ? length : 0);
  return mblm_json_next (&json) == MBLM_JSON_OBJECT &&
      mblm_json_next (&json) == MBLM_JSON_KEY &&
      g_str_equal (json.string->str, "batch") &&
      mblm_json_next (&json) == MBLM_JSON_NUMBER &&
      mblm_json_get_unsigned (&json, batch);
}

static gboolean
write_candidate (MblmTrainer *self, double loss, GError **error)
{
  g_autofree char *folder = hidden_path (self, self->state->done);

  /* one that an earlier, killed process wrote */
  if (!mblm_remove_folder (folder, error))
    return FALSE;
  if (g_mkdir (folder, 0777) != 0) {
    int code = errno;

    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
        "%s: can't make it: %s", folder, g_strerror (code));
    return FALSE;
  }
  if (mblm_trainer_write_model (self, folder, error) &&
      write_identity (folder, self->state->done, loss, error)) {
    mblm_sync_folder_of (folder);
    return TRUE;
  }
  mblm_remove_folder (folder, NULL);
  g_prefix_error (error, "a model can't be saved; make room and resume: ");
  return FALSE;
}

gboolean
mblm_trainer_consider (
    MblmTrainer *self, double loss, gboolean *kept, GError **error)
{
  GArray *best = self->state->best;
  const MblmBestModel model = {self->state->done, loss};
  guint rank = 0;

  /* of equal ones the earlier is the better */
  while (rank < best->len &&
      g_array_index (best, MblmBestModel, rank).loss <= loss)
    rank++;
  *kept = isfinite (loss) && rank < self->config->models_to_save;
  if (!*kept)
    return TRUE;
  if (!write_candidate (self, loss, error))
    return FALSE;
  g_array_insert_val (best, rank, model);
  if (best->len > self->config->models_to_save)
    g_array_set_size (best, (guint) self->config->models_to_save);
  self->progress.best_loss = g_array_index (best, MblmBestModel, 0).loss;
  return TRUE;
}

static gboolean
is_listed (MblmTrainer *self, guint64 batch)
{
  for (guint i = 0; i < self->state->best->len; i++)
    if (g_array_index (self->state->best, MblmBestModel, i).batch == batch)
      return TRUE;
  return FALSE;
}

/* Hides a listed model and removes any other. */
static gboolean
hide (MblmTrainer *self, const char *folder, GError **error)
{
  g_autofree char *hidden = NULL;
  guint64 batch;

  if (!read_identity (folder, &batch) || !is_listed (self, batch))
    return mblm_remove_folder (folder, error);
  hidden = hidden_path (self, batch);
  if (g_str_equal (hidden, folder) || g_rename (folder, hidden) == 0)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno),
      "%s: can't rename it", folder);
  return FALSE;
}

/* `name` is `prefix` and a number. */
static gboolean
is_numbered (const char *name, const char *prefix)
{
  gsize n = strlen (prefix);

  return strncmp (name, prefix, n) == 0 && name[n] != '\0' &&
      strspn (name + n, "0123456789") == strlen (name + n);
}

static gboolean
hide_all (MblmTrainer *self, GError **error)
{
  g_autofree char *top = g_strconcat (self->config->name, "_top", NULL);
  g_autofree char *hidden = g_strdup_printf (".%s_batch", self->config->name);
  g_autoptr (GDir) dir = g_dir_open (self->output, 0, error);
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  if (dir == NULL)
    return FALSE;
  while ((name = g_dir_read_name (dir)) != NULL)
    if (is_numbered (name, top) || is_numbered (name, hidden))
      g_ptr_array_add (found, g_build_filename (self->output, name, NULL));
  for (guint i = 0; i < found->len; i++)
    if (!hide (self, g_ptr_array_index (found, i), error))
      return FALSE;
  return TRUE;
}

gboolean
mblm_trainer_arrange_best (MblmTrainer *self, GError **error)
{
  GArray *best = self->state->best;

  if (!hide_all (self, error))
    return FALSE;
  for (guint i = 0; i < best->len;) {
    guint64 batch = g_array_index (best, MblmBestModel, i).batch;
    g_autofree char *from = hidden_path (self, batch);
    g_autofree char *to = rank_path (self, i);

    if (g_rename (from, to) == 0) {
      i++;
      continue;
    }
    mblm_trainer_say (self,
        "the model of batch %" G_GUINT64_FORMAT " is no longer there", batch);
    g_array_remove_index (best, i);
  }
  g_autofree char *any = rank_path (self, 0);
  mblm_sync_folder_of (any);
  return TRUE;
}
