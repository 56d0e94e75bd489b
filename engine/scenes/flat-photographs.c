/* flat-photographs.c: a folder of photographs, in bounded memory.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * All are decoded at once, and kept no larger than a background needs. Of a
 * folder with too many every so many-th is taken.
 */

#include "config.h"

#include <string.h>

#include "flat.h"

#include "mblm-error.h"
#include "picture-private.h"

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static gboolean
is_picture (const char *name)
{
  static const char *const ends[] = {".jpg", ".jpeg", ".png"};
  g_autofree char *lower = g_ascii_strdown (name, -1);

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++)
    if (g_str_has_suffix (lower, ends[i]))
      return TRUE;
  return FALSE;
}

/* The names in an order that doesn't depend on the file system. */
static GPtrArray *
list_pictures (const char *folder, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, error);

  if (!dir)
    return NULL;
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  for (const char *name; (name = g_dir_read_name (dir));)
    if (is_picture (name))
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  return names;
}

static MblmPicture *
shrink (MblmPicture *picture, GError **error)
{
  guint longer = MAX (picture->width, picture->height);
  guint64 side = MBLM_FLAT_PHOTOGRAPH_SIDE;

  if (longer <= side)
    return mblm_picture_ref (picture);

  guint width = MAX ((guint) (picture->width * side / longer), 1);
  guint height = MAX ((guint) (picture->height * side / longer), 1);
  g_autoptr (MblmPicture) small = mblm_picture_alloc (width, height, error);
  if (!small ||
      !mblm_picture_resize (picture->rgb, (gsize) picture->width * 3,
          picture->width, picture->height, small->rgb, width, height,
          MBLM_FILTER_BILINEAR, error))
    return NULL;
  return g_steal_pointer (&small);
}

GPtrArray *
mblm_flat_load_photographs (const char *folder, GError **error)
{
  g_autoptr (GPtrArray) names = list_pictures (folder, error);
  g_autoptr (GPtrArray) photographs = g_ptr_array_new_with_free_func (
      (GDestroyNotify) mblm_picture_unref);

  if (!names)
    return NULL;
  if (names->len == 0) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
        "%s: no photograph is there: put JPEG or PNG files into it", folder);
    return NULL;
  }
  guint64 n = MIN (names->len, MBLM_FLAT_MAX_PHOTOGRAPHS);
  for (guint64 i = 0; i < n; i++) {
    g_autofree char *path = g_build_filename (
        folder, names->pdata[i * names->len / n], NULL);
    g_autoptr (MblmPicture) picture = mblm_picture_load (path, error);
    MblmPicture *small = picture ? shrink (picture, error) : NULL;

    if (!small)
      return NULL;
    g_ptr_array_add (photographs, small);
  }
  return g_steal_pointer (&photographs);
}
