/* clevr-caption.c: a true sentence about a scene of CLEVR.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "clevr-question.h"

#include "scenes.h"

#define N_ATTRIBUTES MBLM_CLEVR_N_ATTRIBUTES

/* "small red metallic cube"; without the attributes that have no value, but a
 * shape is always said. */
static void
add_description (GString *out, const guint8 *values,
    const MblmClevrTemplates *templates, guint64 *key)
{
  for (guint k = 0; k < N_ATTRIBUTES; k++) {
    const char *word = mblm_clevr_word_draw (
        templates, (MblmClevrKind) k, values[k], key);

    if (*word != '\0')
      g_string_append_printf (
          out, "%s%s", word, k < MBLM_CLEVR_SHAPE ? " " : "");
  }
}

/* With all its attributes; "the" where no other object has the same ones. */
static void
add_object (GString *out, const MblmClevrScene *scene, guint object,
    gboolean begins, const MblmClevrTemplates *templates, guint64 *key)
{
  MblmClevrSet same = mblm_clevr_scene_all (scene);

  for (guint k = 0; k < N_ATTRIBUTES; k++)
    same &= scene->having[k][scene->values[object][k]];
  if (mblm_clevr_set_count (same) == 1)
    g_string_append (out, begins ? "The " : "the ");
  else
    g_string_append (out, begins ? "A " : "a ");
  add_description (out, scene->values[object], templates, key);
}

static void
say_object (GString *out, const MblmClevrScene *scene,
    const MblmClevrTemplates *templates, guint64 *key)
{
  guint object = mblm_scene_draw_below (key, scene->n);

  g_string_append (out, "There is a ");
  add_description (out, scene->values[object], templates, key);
}

/* "The small cube is left of the ball" */
static void
say_relation (GString *out, const MblmClevrScene *scene,
    const MblmClevrTemplates *templates, guint64 *key)
{
  guint to = mblm_scene_draw_below (key, scene->n);
  guint relation, object;

  /* objects lie apart along every direction: each other one is somewhere */
  do {
    relation = mblm_scene_draw_below (key, MBLM_CLEVR_N_RELATIONS);
    object = mblm_scene_draw_below (key, scene->n);
  } while ((scene->related[relation][to] >> object & 1) == 0);
  add_object (out, scene, object, TRUE, templates, key);
  g_string_append_printf (out, " is %s ",
      mblm_clevr_word_draw (templates, MBLM_CLEVR_RELATION, relation, key));
  add_object (out, scene, to, FALSE, templates, key);
}

/* "There are three red things": of some attributes of an object. */
static void
say_number (GString *out, const MblmClevrScene *scene,
    const MblmClevrTemplates *templates, guint64 *key)
{
  static const char *const numbers[] = {
      "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};
  guint object = mblm_scene_draw_below (key, scene->n), n;
  guint8 values[N_ATTRIBUTES];
  MblmClevrSet set = mblm_clevr_scene_all (scene);

  for (guint k = 0; k < N_ATTRIBUTES; k++) {
    values[k] = MBLM_CLEVR_NO_VALUE;
    if (mblm_scene_draw_coin (key, 0.4)) {
      values[k] = scene->values[object][k];
      set &= scene->having[k][values[k]];
    }
  }
  n = mblm_clevr_set_count (set);
  if (n == 1)
    g_string_append (out, "There is only one ");
  else
    g_string_append_printf (out, "There are %s ", numbers[n - 2]);
  add_description (out, values, templates, key);
  if (n > 1)
    g_string_append_c (out, 's');
}

/* "From left to right: a ball, a large cube and a cylinder" */
static void
say_all (GString *out, const MblmClevrScene *scene,
    const MblmClevrTemplates *templates, guint64 *key)
{
  guint order[MBLM_CLEVR_MAX_OBJECTS];

  for (guint i = 0; i < scene->n; i++) /* related[0]: those left of it */
    order[mblm_clevr_set_count (scene->related[0][i])] = i;
  g_string_append (out, "From left to right: ");
  for (guint i = 0; i < scene->n; i++) {
    if (i > 0)
      g_string_append (out, i + 1 < scene->n ? ", " : " and ");
    g_string_append (out, "a ");
    add_description (out, scene->values[order[i]], templates, key);
  }
}

char *
mblm_clevr_caption_draw (const MblmClevrScene *scene,
    const MblmClevrTemplates *templates, guint64 *key)
{
  static void (*const say[]) (GString * out, const MblmClevrScene *scene,
      const MblmClevrTemplates *templates,
      guint64 *key) = {say_object, say_relation, say_number, say_all};
  GString *out = g_string_new (NULL);

  say[mblm_scene_draw_below (key, G_N_ELEMENTS (say))](
      out, scene, templates, key);
  g_string_append_c (out, '.');
  return g_string_free (out, FALSE);
}
