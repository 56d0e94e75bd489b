/* training-state.c: the folder that a training run is resumed from.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "training-state.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "atomic-file.h"
#include "mblm-error.h"
#include "message.h"
#include "read-file.h"

#define CURRENT "state"
#define OLD "state.old"
#define NEW "state.new"
#define JSON "state.json"
#define MAX_JSON (16 * 1024 * 1024)

static gboolean
is_folder (const char *path)
{
  return g_file_test (path, G_FILE_TEST_IS_DIR);
}

gboolean
mblm_remove_folder (const char *folder, GError **error)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  /* a link goes, and never what it leads to */
  if (g_file_test (folder, G_FILE_TEST_IS_SYMLINK))
    return g_unlink (folder) == 0 || mblm_fail_errno (folder, "remove", error);
  if (!is_folder (folder))
    return TRUE;
  dir = g_dir_open (folder, 0, error);
  if (dir == NULL)
    return FALSE;
  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    if (g_unlink (path) != 0 && errno != ENOENT)
      return mblm_fail_errno (path, "remove", error);
  }
  return g_rmdir (folder) == 0 || mblm_fail_errno (folder, "remove", error);
}

/* The three folders of a run. */
typedef struct {
  char *current, *old, *new;
} Places;

static void
places_init (Places *self, const char *output)
{
  self->current = g_build_filename (output, CURRENT, NULL);
  self->old = g_build_filename (output, OLD, NULL);
  self->new = g_build_filename (output, NEW, NULL);
}

static void
places_clear (Places *self)
{
  g_free (self->current);
  g_free (self->old);
  g_free (self->new);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Places, places_clear)

static gboolean
move (const char *from, const char *to, GError **error)
{
  return g_rename (from, to) == 0 || mblm_fail_errno (from, "rename", error);
}

/* After a save that was cut off: `state` is what was whole, and nothing else is
 * there. */
static gboolean
recover (const Places *places, GError **error)
{
  if (!is_folder (places->current) && is_folder (places->old)) {
    if (!move (places->old, places->current, error))
      return FALSE;
    mblm_sync_folder_of (places->current);
  }
  return mblm_remove_folder (places->old, error) &&
      mblm_remove_folder (places->new, error);
}

/* The file's own folder is synced with it. */
static gboolean
write_json (MblmTrainingState *self, const char *folder, GError **error)
{
  g_autofree char *path = g_build_filename (folder, JSON, NULL);
  g_autofree char *text = mblm_training_state_to_json (self);

  return mblm_atomic_file_save (path, text, strlen (text), error);
}

static gboolean
write_new (MblmTrainingState *self, const Places *places, MblmStateFill fill,
    gpointer data, GError **error)
{
  if (g_mkdir (places->new, 0777) != 0)
    return mblm_fail_errno (places->new, "make", error);
  return fill (places->new, data, error) &&
      write_json (self, places->new, error);
}

static gboolean
swap (const Places *places, GError **error)
{
  gboolean had = is_folder (places->current);

  if (had && !move (places->current, places->old, error))
    return FALSE;
  if (move (places->new, places->current, error)) {
    mblm_sync_folder_of (places->current);
    return TRUE;
  }
  if (had)
    move (places->old, places->current, NULL);
  return FALSE;
}

gboolean
mblm_training_state_save (MblmTrainingState *self, const char *output,
    MblmStateFill fill, gpointer data, GError **error)
{
  g_auto (Places) places = {NULL};

  places_init (&places, output);
  if (!recover (&places, error) ||
      !write_new (self, &places, fill, data, error) || !swap (&places, error)) {
    mblm_remove_folder (places.new, NULL);
    return FALSE;
  }
  /* what can't be removed now is when the next state is written */
  mblm_remove_folder (places.old, NULL);
  return TRUE;
}

MblmTrainingState *
mblm_training_state_peek (const char *output, char **folder, GError **error)
{
  g_auto (Places) places = {NULL};
  const char *found;
  gsize length;

  places_init (&places, output);
  found = is_folder (places.current) ? places.current : places.old;
  if (!is_folder (found)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
        "%s: there is no state of a training run to resume from", output);
    return NULL;
  }

  g_autofree char *path = g_build_filename (found, JSON, NULL);
  g_autofree char *text = mblm_read_file (path, MAX_JSON, &length, error);

  if (folder != NULL)
    *folder = g_strdup (found);
  return text != NULL ? mblm_training_state_parse (text, length, path, error)
                      : NULL;
}

MblmTrainingState *
mblm_training_state_load (const char *output, char **folder, GError **error)
{
  g_auto (Places) places = {NULL};

  places_init (&places, output);
  return recover (&places, error)
      ? mblm_training_state_peek (output, folder, error)
      : NULL;
}
