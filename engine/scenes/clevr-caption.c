/* clevr-caption.c: a sentence that says what is in a scene of CLEVR.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * All objects from left to right, and always in the same words: a model that learns
 * it has to see each of them, and can learn what to say, not only what may be said.
 */

#include "config.h"

#include "clevr-scene.h"

/* "A large red metal cube, a small gray rubber sphere and a ..." */
char *
mblm_clevr_caption (const MblmClevrScene *scene)
{
  guint order[MBLM_CLEVR_MAX_OBJECTS];
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < scene->n; i++) /* related[0]: those left of it */
    order[mblm_clevr_set_count (scene->related[0][i])] = i;
  for (guint i = 0; i < scene->n; i++) {
    const guint8 *values = scene->values[order[i]];

    if (i > 0)
      g_string_append (out, i + 1 < scene->n ? ", " : " and ");
    g_string_append_c (out, i > 0 ? 'a' : 'A');
    for (guint k = 0; k < MBLM_CLEVR_N_ATTRIBUTES; k++)
      g_string_append_printf (
          out, " %s", mblm_clevr_value_name ((MblmClevrKind) k, values[k]));
  }
  g_string_append_c (out, '.');
  return g_string_free (out, FALSE);
}
