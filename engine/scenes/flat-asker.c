/* flat-asker.c: putting a question into words.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "flat-asker.h"

gboolean
mblm_flat_matches (const MblmFlatObject *a, const MblmFlatObject *b, guint says)
{
  return (!(says & (MBLM_FLAT_SAYS_SHAPE | MBLM_FLAT_SAYS_BOTH)) ||
             a->shape == b->shape) &&
      (!(says & (MBLM_FLAT_SAYS_COLOR | MBLM_FLAT_SAYS_BOTH)) ||
          a->color == b->color);
}

/* Whether the name is that of no other object. */
static gboolean
is_only_one (const MblmFlatScene *scene, guint i, guint says)
{
  for (guint k = 0; k < scene->n; k++)
    if (k != i &&
        mblm_flat_matches (&scene->objects[k], &scene->objects[i], says))
      return FALSE;
  return TRUE;
}

guint
mblm_flat_find_names (const MblmFlatScene *scene, guint i, guint allowed)
{
  guint names = 0;

  for (guint says = 1; says <= MBLM_FLAT_SAYS_BOTH; says <<= 1)
    if ((allowed & says) && is_only_one (scene, i, says))
      names |= says;
  return names;
}

/* A single object is usually "the object". */
char *
mblm_flat_name_object (MblmFlatAsker *self, guint i, guint names)
{
  const MblmFlatObject *object = &self->scene->objects[i];
  guint says;

  if ((names & MBLM_FLAT_SAYS_NOTHING) &&
      (names == MBLM_FLAT_SAYS_NOTHING ||
          mblm_scene_draw_coin (&self->key, 0.7)))
    return g_strdup ("object");
  do
    says = 1u << mblm_scene_draw_below (&self->key, 4);
  while (!(names & says) || says == MBLM_FLAT_SAYS_NOTHING);
  if (says == MBLM_FLAT_SAYS_SHAPE)
    return g_strdup (mblm_flat_shapes[object->shape]);
  return g_strdup_printf ("%s %s", mblm_flat_colors[object->color],
      says == MBLM_FLAT_SAYS_COLOR ? "object"
                                   : mblm_flat_shapes[object->shape]);
}

int
mblm_flat_draw_one (MblmFlatAsker *self, const int *values)
{
  guint order[MBLM_FLAT_MAX_OBJECTS];
  guint seen = 0, n = 0;
  int found = -1;

  /* the first of each value, in any order of the objects */
  mblm_scene_draw_order (&self->key, order, self->scene->n);
  for (guint i = 0; i < self->scene->n; i++) {
    int value = values[order[i]];

    if (value < 0 || (seen & 1u << value))
      continue;
    seen |= 1u << value;
    if (mblm_scene_draw_below (&self->key, ++n) == 0)
      found = (int) order[i];
  }
  return found;
}

gboolean
mblm_flat_add_question (MblmFlatAsker *self, const MblmFlatKind *kind,
    const char *x, const char *y, const char *answer)
{
  guint n = 0, which = 0;

  while (n < G_N_ELEMENTS (kind->wordings) && kind->wordings[n])
    n++;
  if (n > 1 && mblm_scene_draw_coin (&self->key, 0.4))
    which = 1 + mblm_scene_draw_below (&self->key, n - 1);

  g_autoptr (GString) text = g_string_new (kind->wordings[which]);
  g_string_replace (text, "$x", x, 0);
  g_string_replace (text, "$y", y, 0);
  g_array_append_vals (self->questions,
      &(MblmSceneQuestion){
          .question = g_strdup (text->str),
          .answer = g_strdup (answer),
          .type = kind->type,
      },
      1);
  return TRUE;
}
