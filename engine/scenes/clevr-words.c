/* clevr-words.c: from a question to its text.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * As in the published generator: one of the wordings of the template is drawn,
 * one of the synonyms of each value, and whether what stands in brackets is said.
 */

#include "config.h"

#include "clevr-question.h"

#include <string.h>

#include "scenes.h"

static const MblmClevrGap *
get_gap (const MblmClevrTemplate *family, guint i)
{
  return &g_array_index (family->gaps, MblmClevrGap, i);
}

/* A way to say a value; "" where there is none, but for a shape "thing" or so. */
static const char *
draw_word (const MblmClevrTemplates *templates, MblmClevrKind kind, guint value,
    guint64 *key)
{
  char **words;

  if (value != MBLM_CLEVR_NO_VALUE)
    words = templates->words[kind][value];
  else if (kind == MBLM_CLEVR_SHAPE)
    words = templates->thing;
  else
    return "";
  return words[mblm_scene_draw_below (key, g_strv_length (words))];
}

/* Blanks are single ones, and none is the first. */
static void
add_text (GString *out, const char *text, gsize n)
{
  for (gsize i = 0; i < n; i++)
    if (text[i] != ' ' || (out->len > 0 && out->str[out->len - 1] != ' '))
      g_string_append_c (out, text[i]);
}

/* Writes the word of the gap whose name begins at `at`; the end of the name. */
static const char *
add_gap (GString *out, const MblmClevrTemplate *family,
    const char *const *words, const char *at)
{
  for (guint i = 0; i < family->gaps->len; i++) {
    const char *name = get_gap (family, i)->name;

    if (g_str_has_prefix (at, name)) {
      add_text (out, words[i], strlen (words[i]));
      return at + strlen (name);
    }
  }
  add_text (out, at, 1);
  return at + 1;
}

static void
fill_wording (GString *out, const MblmClevrTemplate *family,
    const char *const *words, const char *wording, guint64 *key)
{
  const char *at = wording;

  while (*at != '\0') {
    if (*at == '[') {
      at = mblm_scene_draw_coin (key, 0.5) ? at + 1 : strchr (at, ']') + 1;
    } else if (*at == ']') {
      at++;
    } else if (*at == '<') {
      at = add_gap (out, family, words, at);
    } else {
      add_text (out, at, 1);
      at++;
    }
  }
}

/* Two descriptions that can't be of one object, of a question with no other gaps:
 * then "other" is said of neither. As published: a thing is no cube. */
static gboolean
are_told_apart (const MblmClevrQuestion *self)
{
  guint n = self->family->gaps->len;
  guint8 one[MBLM_CLEVR_N_ATTRIBUTES];

  if (n != 2 * MBLM_CLEVR_N_ATTRIBUTES)
    return FALSE;
  for (guint i = 0; i < n; i++) {
    MblmClevrKind kind = get_gap (self->family, i)->kind;
    guint8 value = self->values[i];

    if (kind == MBLM_CLEVR_RELATION)
      return FALSE;
    if (i < MBLM_CLEVR_N_ATTRIBUTES)
      one[kind] = value;
    else if (value != one[kind] &&
        (kind == MBLM_CLEVR_SHAPE ||
            (value != MBLM_CLEVR_NO_VALUE && one[kind] != MBLM_CLEVR_NO_VALUE)))
      return TRUE;
  }
  return FALSE;
}

char *
mblm_clevr_question_word (const MblmClevrQuestion *self,
    const MblmClevrTemplates *templates, guint64 *key)
{
  const MblmClevrTemplate *family = self->family;
  guint which = mblm_scene_draw_below (key, family->wordings->len);
  const char *words[MBLM_CLEVR_MAX_GAPS];
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < family->gaps->len; i++)
    words[i] = draw_word (
        templates, get_gap (family, i)->kind, self->values[i], key);
  fill_wording (out, family, words, family->wordings->pdata[which], key);
  if (are_told_apart (self)) {
    g_string_replace (out, " other ", " ", 0);
    g_string_replace (out, " another ", " a ", 0);
  }
  return g_string_free (out, FALSE);
}
