/* flat-caption.c: a sentence that says what is there.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From left to right, and always in the same words: a model can learn what to
 * say, not only what may be said.
 */

#include "config.h"

#include <math.h>

#include "flat.h"

/* "a small striped orange bar" */
static void
append_object (
    const MblmFlatScene *scene, const MblmFlatObject *object, GString *text)
{
  g_autoptr (GString) name = g_string_new (NULL);

  if (!object->big)
    g_string_append (name, "small ");
  if (object->texture != MBLM_FLAT_PLAIN &&
      mblm_flat_shows_texture (scene, object))
    g_string_append_printf (name, "%s ", mblm_flat_textures[object->texture]);
  g_string_append_printf (name, "%s %s", mblm_flat_colors[object->color],
      mblm_flat_shapes[object->shape]);
  g_string_append_printf (
      text, "%s %s", name->str[0] == 'o' ? "an" : "a", name->str);
}

static void
sort_objects (const MblmFlatScene *scene, gboolean by_height,
    const MblmFlatObject *sorted[MBLM_FLAT_MAX_OBJECTS])
{
  for (guint i = 0; i < scene->n; i++) {
    const MblmFlatObject *object = &scene->objects[i];
    guint at = i;

    for (; at > 0 &&
         (by_height ? sorted[at - 1]->y > object->y
                    : sorted[at - 1]->x > object->x);
         at--)
      sorted[at] = sorted[at - 1];
    sorted[at] = object;
  }
}

/* What a person would say of two objects, however their places compare. */
static gboolean
is_above (const MblmFlatScene *scene)
{
  const MblmFlatObject *a = &scene->objects[0], *b = &scene->objects[1];

  return scene->n == 2 &&
      fabs (a->x - b->x) * scene->width <
      0.5 * fabs (a->y - b->y) * scene->height;
}

char *
mblm_flat_caption (const MblmFlatScene *scene)
{
  static const char *const places[] = {
      [MBLM_FLAT_FIRST] = " on the left",
      [MBLM_FLAT_MIDDLE] = " in the center",
      [MBLM_FLAT_LAST] = " on the right",
      [MBLM_FLAT_BETWEEN] = "",
  };
  const MblmFlatObject *sorted[MBLM_FLAT_MAX_OBJECTS];
  gboolean above = is_above (scene);
  GString *text = g_string_new (NULL);

  sort_objects (scene, above, sorted);
  for (guint i = 0; i < scene->n; i++) {
    if (i > 0)
      g_string_append (text,
          above                  ? " above "
              : scene->n == 2    ? " left of "
              : i + 1 < scene->n ? ", "
                                 : " and ");
    append_object (scene, sorted[i], text);
  }
  if (scene->n == 1)
    g_string_append (text, places[mblm_flat_zone (sorted[0]->x)]);
  return g_string_free (text, FALSE);
}
