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
 * Only what is such a model is ever removed; what can't be looked at is an error.
 */

#include "trainer-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "atomic-file.h"
#include "json.h"
#include "mblm-error.h"
#include "message.h"
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

/* `known` gets whether the folder tells; an error where it can't be read. */
static gboolean
read_identity (
    const char *folder, gboolean *known, guint64 *batch, GError **error)
{
  g_autofree char *path = g_build_filename (folder, IDENTITY, NULL);
  g_autoptr (GError) problem = NULL;
  gsize length;
  g_autofree char *text = mblm_read_file (path, 4096, &length, &problem);
  g_auto (MblmJson) json;

  mblm_json_init (&json, text != NULL ? text : "", text != NULL ? length : 0);
  *known = mblm_json_next (&json) == MBLM_JSON_OBJECT &&
      mblm_json_next (&json) == MBLM_JSON_KEY &&
      g_str_equal (json.string->str, "batch") &&
      mblm_json_next (&json) == MBLM_JSON_NUMBER &&
      mblm_json_get_unsigned (&json, batch);
  if (problem == NULL || problem->domain == MBLM_ERROR)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

static gboolean
write_candidate (MblmTrainer *self, double loss, GError **error)
{
  g_autofree char *folder = hidden_path (self, self->state->done);

  /* one that an earlier, killed process wrote */
  if (!mblm_remove_folder (folder, error))
    return FALSE;
  if (g_mkdir (folder, 0777) != 0)
    return mblm_fail_errno (folder, "make", error);
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

/* ------------------------------------------------------------------------- */
/* What is there                                                             */
/* ------------------------------------------------------------------------- */

/* Something that has one of the names of models. */
typedef struct {
  char *path;
  gboolean hidden; /* by its name */
  gboolean beyond; /* by its name, a rank that no model of this run has */
  gboolean ours;   /* its training.json tells a batch */
  guint64 batch;
  gboolean wanted; /* it is the model of the state's list */
} Found;

static void
clear_found (gpointer data)
{
  g_free (((Found *) data)->path);
}

static gint
compare_found (gconstpointer a, gconstpointer b)
{
  return strcmp (((const Found *) a)->path, ((const Found *) b)->path);
}

/* `name` is `prefix` and a number. */
static gboolean
is_numbered (const char *name, const char *prefix)
{
  gsize n = strlen (prefix);

  return strncmp (name, prefix, n) == 0 && name[n] != '\0' &&
      strspn (name + n, "0123456789") == strlen (name + n);
}

/* An error where a folder can't be read: it may be one of the best. */
static gboolean
add_found (MblmTrainer *self, GArray *all, const char *name, gboolean hidden,
    GError **error)
{
  gsize digits = strlen (name);
  Found found = {
      .path = g_build_filename (self->output, name, NULL), .hidden = hidden};

  while (digits > 0 && g_ascii_isdigit (name[digits - 1]))
    digits--;
  found.beyond = !hidden &&
      g_ascii_strtoull (name + digits, NULL, 10) > self->config->models_to_save;

  g_array_append_val (all, found);
  return read_identity (found.path,
      &g_array_index (all, Found, all->len - 1).ours,
      &g_array_index (all, Found, all->len - 1).batch, error);
}

/* NULL on error. What can't be seen must not count as gone. */
static GArray *
find_all (MblmTrainer *self, GError **error)
{
  g_autofree char *top = g_strconcat (self->config->name, "_top", NULL);
  g_autofree char *hidden = g_strdup_printf (".%s_batch", self->config->name);
  g_autoptr (GDir) dir = g_dir_open (self->output, 0, error);
  g_autoptr (GArray) all = g_array_new (FALSE, TRUE, sizeof (Found));
  const char *name;

  g_array_set_clear_func (all, clear_found);
  if (dir == NULL)
    return NULL;
  for (errno = 0; (name = g_dir_read_name (dir)) != NULL; errno = 0) {
    gboolean is_hidden = is_numbered (name, hidden);

    if ((is_hidden || is_numbered (name, top)) &&
        !add_found (self, all, name, is_hidden, error))
      return NULL;
  }
  if (errno != 0) {
    mblm_fail_errno (self->output, "read", error);
    return NULL;
  }
  g_array_sort (all, compare_found);
  return g_steal_pointer (&all);
}

/* A folder of nothing but plain files, or a link to one. */
static gboolean
is_plain (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *file = g_build_filename (path, name, NULL);
    GStatBuf status;

    if (g_lstat (file, &status) != 0 || !S_ISREG (status.st_mode))
      return FALSE;
  }
  return dir != NULL;
}

/* ------------------------------------------------------------------------- */
/* Arranging                                                                 */
/* ------------------------------------------------------------------------- */

static gboolean
is_listed (MblmTrainer *self, guint64 batch)
{
  for (guint i = 0; i < self->state->best->len; i++)
    if (g_array_index (self->state->best, MblmBestModel, i).batch == batch)
      return TRUE;
  return FALSE;
}

/* The one of those found that is the model of `batch`: where there are copies,
 * what has the name of its rank, else what is hidden, else the first by name. */
static Found *
choose (GArray *all, guint64 batch, const char *rank)
{
  Found *chosen = NULL;

  for (guint i = 0; i < all->len; i++) {
    Found *found = &g_array_index (all, Found, i);

    if (!found->ours || found->batch != batch)
      continue;
    if (g_str_equal (found->path, rank))
      return found;
    if (chosen == NULL || (found->hidden && !chosen->hidden))
      chosen = found;
  }
  return chosen;
}

/* Takes models that somebody has removed from the list, and marks the others. */
static void
check_list (MblmTrainer *self, GArray *all)
{
  GArray *best = self->state->best;

  for (guint i = 0; i < best->len;) {
    guint64 batch = g_array_index (best, MblmBestModel, i).batch;
    g_autofree char *rank = rank_path (self, i);
    Found *found = choose (all, batch, rank);

    if (found != NULL) {
      found->wanted = TRUE;
      i++;
      continue;
    }
    mblm_trainer_say (self,
        "the model of batch %" G_GUINT64_FORMAT " is no longer there", batch);
    g_array_remove_index (best, i);
  }
}

/* Removes a model that is no longer among the best, and what a killed process has
 * left of one. Whatever else has such a name stays; that is said once. */
static gboolean
remove_other (MblmTrainer *self, const Found *found, GError **error)
{
  gboolean model = found->ours && !found->beyond &&
      !is_listed (self, found->batch);

  if ((model || (found->hidden && !found->ours)) && is_plain (found->path))
    return mblm_remove_folder (found->path, error);
  if (self->strangers == NULL)
    self->strangers = g_hash_table_new_full (
        g_str_hash, g_str_equal, g_free, NULL);
  if (g_hash_table_add (self->strangers, g_strdup (found->path)))
    mblm_trainer_say (self,
        "%s is left alone: it is no model that this run keeps", found->path);
  return TRUE;
}

static gboolean
move (const char *from, const char *to, GError **error)
{
  int code;

  if (g_rename (from, to) == 0)
    return TRUE;
  code = errno;
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
      "%s: can't rename it to %s: %s; make room there and resume", from, to,
      g_strerror (code));
  return FALSE;
}

/* Gives models that have the name of another rank the hidden one. */
static gboolean
make_way (MblmTrainer *self, GArray *all, GError **error)
{
  for (guint i = 0; i < all->len; i++) {
    Found *found = &g_array_index (all, Found, i);
    g_autofree char *hidden = hidden_path (self, found->batch);
    gboolean settled = found->hidden;

    for (guint k = 0; k < self->state->best->len && !settled; k++) {
      g_autofree char *rank = rank_path (self, k);

      settled = g_str_equal (rank, found->path) &&
          g_array_index (self->state->best, MblmBestModel, k).batch ==
              found->batch;
    }
    if (!found->wanted || settled)
      continue;
    if (!move (found->path, hidden, error))
      return FALSE;
    found->hidden = TRUE;
    g_free (found->path);
    found->path = g_steal_pointer (&hidden);
  }
  return TRUE;
}

static gboolean
give_names (MblmTrainer *self, GArray *all, GError **error)
{
  GArray *best = self->state->best;

  for (guint i = 0; i < best->len; i++) {
    g_autofree char *rank = rank_path (self, i);
    const Found *found = NULL;

    for (guint k = 0; k < all->len && found == NULL; k++) {
      const Found *one = &g_array_index (all, Found, k);

      if (one->wanted &&
          one->batch == g_array_index (best, MblmBestModel, i).batch)
        found = one;
    }
    if (!g_str_equal (found->path, rank) && !move (found->path, rank, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
mblm_trainer_arrange_best (MblmTrainer *self, GError **error)
{
  g_autoptr (GArray) all = find_all (self, error);
  g_autofree char *any = rank_path (self, 0);

  if (all == NULL)
    return FALSE;
  check_list (self, all);
  for (guint i = 0; i < all->len; i++) {
    const Found *found = &g_array_index (all, Found, i);

    if (!found->wanted && !remove_other (self, found, error))
      return FALSE;
  }
  if (!make_way (self, all, error) || !give_names (self, all, error))
    return FALSE;
  mblm_sync_folder_of (any);
  return TRUE;
}
