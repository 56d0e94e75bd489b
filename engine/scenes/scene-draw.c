/* scene-draw.c: what all families of scenes share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "scenes.h"

#include <math.h>

#include "draw.h"

void
mblm_scene_free (MblmScene *self)
{
  for (guint i = 0; i < self->questions->len; i++) {
    MblmSceneQuestion *q = &g_array_index (
        self->questions, MblmSceneQuestion, i);

    g_free (q->question);
    g_free (q->answer);
  }
  g_array_unref (self->questions);
  g_clear_pointer (&self->picture, mblm_picture_unref);
  g_free (self);
}

const MblmSceneFamilyClass *const *
mblm_scene_families (void)
{
  static const MblmSceneFamilyClass *const families[] = {
      &mblm_scenes_flat_class, &mblm_scenes_clevr_class, NULL};

  return families;
}

const MblmSceneFamilyClass *
mblm_scene_family_lookup (const char *id)
{
  const MblmSceneFamilyClass *const *families = mblm_scene_families ();

  for (guint i = 0; families[i]; i++)
    if (g_str_equal (families[i]->id, id))
      return families[i];
  return NULL;
}

char *
mblm_scene_family_list (void)
{
  const MblmSceneFamilyClass *const *families = mblm_scene_families ();
  GString *list = g_string_new (NULL);

  for (guint i = 0; families[i]; i++)
    g_string_append_printf (list, "%s%s", i > 0 ? ", " : "", families[i]->id);
  return g_string_free (list, FALSE);
}

guint64
mblm_scene_key (guint64 seed, MblmSceneSet set, guint64 epoch, guint64 index)
{
  return mblm_draw_key (mblm_draw_key (seed, set, 0), epoch, index);
}

guint
mblm_scene_draw_below (guint64 *key, guint n)
{
  /* The high half times n: no division, and no number is favoured by more than
   * n / 2^32. */
  return (guint) (((mblm_draw_next (key) >> 32) * n) >> 32);
}

double
mblm_scene_draw_between (guint64 *key, double low, double high)
{
  return low + (high - low) * (double) (mblm_draw_next (key) >> 11) * 0x1p-53;
}

gboolean
mblm_scene_draw_coin (guint64 *key, double share)
{
  return mblm_scene_draw_between (key, 0.0, 1.0) < share;
}

void
mblm_scene_draw_direction (guint64 *key, double *cosine, double *sine)
{
  double x, y, square;

  do {
    x = mblm_scene_draw_between (key, -1.0, 1.0);
    y = mblm_scene_draw_between (key, -1.0, 1.0);
    square = x * x + y * y;
  } while (square > 1.0 || square < 0.01);
  *cosine = x / sqrt (square);
  *sine = y / sqrt (square);
}

void
mblm_scene_draw_order (guint64 *key, guint *order, guint n)
{
  for (guint i = 0; i < n; i++) {
    guint j = mblm_scene_draw_below (key, i + 1);

    order[i] = order[j];
    order[j] = i;
  }
}
