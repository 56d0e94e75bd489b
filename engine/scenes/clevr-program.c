/* clevr-program.c: questions about a scene as programs.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "clevr-program.h"

#include <string.h>

/* Names that end in _ go on with an attribute. */
static const struct {
  const char *name;
  guint inputs;
  const char *type; /* of a question whose last function it is */
} functions[] = {
    [MBLM_CLEVR_SCENE] = {"scene", 0, NULL},
    [MBLM_CLEVR_FILTER] = {"filter_", 1, NULL},
    [MBLM_CLEVR_RELATE] = {"relate", 1, NULL},
    [MBLM_CLEVR_SAME] = {"same_", 1, NULL},
    [MBLM_CLEVR_UNION] = {"union", 2, NULL},
    [MBLM_CLEVR_INTERSECT] = {"intersect", 2, NULL},
    [MBLM_CLEVR_UNIQUE] = {"unique", 1, NULL},
    [MBLM_CLEVR_COUNT] = {"count", 1, "count"},
    [MBLM_CLEVR_EXIST] = {"exist", 1, "exist"},
    [MBLM_CLEVR_EQUAL_INTEGER] = {"equal_integer", 2, "compare_integer"},
    [MBLM_CLEVR_LESS_THAN] = {"less_than", 2, "compare_integer"},
    [MBLM_CLEVR_GREATER_THAN] = {"greater_than", 2, "compare_integer"},
    [MBLM_CLEVR_EQUAL] = {"equal_", 2, "compare_attribute"},
    [MBLM_CLEVR_QUERY] = {"query_", 1, "query_attribute"},
};

gboolean
mblm_clevr_find_function (
    const char *name, MblmClevrFunction *function, MblmClevrKind *kind)
{
  for (guint i = 0; i < G_N_ELEMENTS (functions); i++) {
    gsize length = strlen (functions[i].name);

    *function = (MblmClevrFunction) i;
    *kind = MBLM_CLEVR_RELATION;
    if (g_str_equal (name, functions[i].name))
      return TRUE;
    if (functions[i].name[length - 1] != '_' ||
        !g_str_has_prefix (name, functions[i].name))
      continue;
    for (guint k = 0; k < MBLM_CLEVR_N_ATTRIBUTES; k++) {
      *kind = (MblmClevrKind) k;
      if (g_str_equal (name + length, mblm_clevr_kind_name (*kind)))
        return TRUE;
    }
  }
  return FALSE;
}

guint
mblm_clevr_count_inputs (MblmClevrFunction function)
{
  return functions[function].inputs;
}

static gboolean
find_only (MblmClevrSet set, MblmClevrOutput *out)
{
  if (set == 0 || (set & (set - 1)) != 0)
    return FALSE;
  *out = (MblmClevrOutput) g_bit_nth_lsf (set, -1);
  return TRUE;
}

gboolean
mblm_clevr_apply (const MblmClevrScene *scene, const MblmClevrNode *node,
    const MblmClevrOutput *outputs, MblmClevrOutput *out)
{
  guint inputs = functions[node->function].inputs;
  MblmClevrOutput a = inputs > 0 ? outputs[node->inputs[0]] : 0;
  MblmClevrOutput b = inputs > 1 ? outputs[node->inputs[1]] : 0;

  switch (node->function) {
    case MBLM_CLEVR_SCENE:
      *out = mblm_clevr_scene_all (scene);
      return TRUE;
    case MBLM_CLEVR_FILTER:
      *out = a & scene->having[node->kind][node->value];
      return TRUE;
    case MBLM_CLEVR_RELATE:
      *out = scene->related[node->value][a];
      return TRUE;
    case MBLM_CLEVR_SAME:
      *out = scene->having[node->kind][scene->values[a][node->kind]] &
          ~(1u << a);
      return TRUE;
    case MBLM_CLEVR_UNION:
      *out = a | b;
      return TRUE;
    case MBLM_CLEVR_INTERSECT:
      *out = a & b;
      return TRUE;
    case MBLM_CLEVR_UNIQUE:
      return find_only (a, out);
    case MBLM_CLEVR_COUNT:
      *out = mblm_clevr_set_count (a);
      return TRUE;
    case MBLM_CLEVR_EXIST:
      *out = a != 0;
      return TRUE;
    case MBLM_CLEVR_LESS_THAN:
      *out = a < b;
      return TRUE;
    case MBLM_CLEVR_GREATER_THAN:
      *out = a > b;
      return TRUE;
    case MBLM_CLEVR_QUERY:
      *out = scene->values[a][node->kind];
      return TRUE;
    default: /* EQUAL_INTEGER, EQUAL */
      *out = a == b;
      return TRUE;
  }
}

gboolean
mblm_clevr_run (const MblmClevrScene *scene, const MblmClevrNode *program,
    guint n, MblmClevrOutput *answer)
{
  MblmClevrOutput outputs[MBLM_CLEVR_MAX_NODES];

  for (guint i = 0; i < n; i++)
    if (!mblm_clevr_apply (scene, &program[i], outputs, &outputs[i]))
      return FALSE;
  *answer = outputs[n - 1];
  return TRUE;
}

gboolean
mblm_clevr_is_degenerate (const MblmClevrScene *scene,
    const MblmClevrNode *program, guint n, MblmClevrOutput answer)
{
  MblmClevrNode without[MBLM_CLEVR_MAX_NODES];
  MblmClevrOutput other;

  for (guint i = 0; i < n; i++) {
    if (program[i].function != MBLM_CLEVR_RELATE)
      continue;
    memcpy (without, program, n * sizeof *program);
    without[i].function = MBLM_CLEVR_SCENE;
    if (mblm_clevr_run (scene, without, n, &other) && other == answer)
      return TRUE;
  }
  return FALSE;
}

const char *
mblm_clevr_answer_name (const MblmClevrNode *last, MblmClevrOutput answer)
{
  static const char *const numbers[] = {
      "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"};

  switch (last->function) {
    case MBLM_CLEVR_COUNT:
      return numbers[answer];
    case MBLM_CLEVR_QUERY:
      return mblm_clevr_value_name (last->kind, answer);
    default:
      return answer ? "yes" : "no";
  }
}

guint
mblm_clevr_count_answers (const MblmClevrNode *last, guint n_objects)
{
  switch (last->function) {
    case MBLM_CLEVR_COUNT:
      return n_objects + 1;
    case MBLM_CLEVR_QUERY:
      return mblm_clevr_count_values (last->kind);
    default:
      return 2;
  }
}

const char *
mblm_clevr_type_name (const MblmClevrNode *last)
{
  return functions[last->function].type;
}
