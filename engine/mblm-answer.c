/* mblm-answer.c: an answer, and the text form of a list of choices.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <string.h>

#include "mblm-asker.h"

/**
 * MblmAnswer:
 * @text: the answer
 * @probability: of the answer
 * @choices: (array length=n_choices) (nullable): every choice
 * @n_choices: how many
 *
 * An answer about a picture.
 */

G_DEFINE_BOXED_TYPE (
    MblmAnswer, mblm_answer, mblm_answer_copy, mblm_answer_free)

MblmAnswer *
mblm_answer_copy (const MblmAnswer *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  MblmAnswer *copy = g_memdup2 (self, sizeof (*self));
  copy->text = g_strdup (self->text);
  copy->choices = NULL;
  if (self->choices) {
    copy->choices = g_new (MblmChoice, self->n_choices);
    for (guint i = 0; i < self->n_choices; i++) {
      copy->choices[i] = self->choices[i];
      copy->choices[i].text = g_strdup (self->choices[i].text);
    }
  }
  return copy;
}

void
mblm_answer_free (MblmAnswer *self)
{
  if (!self)
    return;
  for (guint i = 0; self->choices && i < self->n_choices; i++)
    g_free (self->choices[i].text);
  g_free (self->choices);
  g_free (self->text);
  g_free (self);
}

/* Drops unescaped blanks at the end: no shorter than `kept`. */
static void
add_choice (GPtrArray *choices, GString *choice, gsize kept)
{
  while (choice->len > kept && g_ascii_isspace (choice->str[choice->len - 1]))
    g_string_truncate (choice, choice->len - 1);
  g_ptr_array_add (choices, g_strndup (choice->str, choice->len));
  g_string_truncate (choice, 0);
}

/**
 * mblm_asker_split_choices:
 * @text: (nullable): a list with commas
 *
 * Splits a list of choices.
 *
 * Returns: (array zero-terminated=1) (transfer full): the choices
 */
char **
mblm_asker_split_choices (const char *text)
{
  g_autoptr (GPtrArray) choices = g_ptr_array_new ();
  g_autoptr (GString) choice = g_string_new (NULL);
  gsize kept = 0; /* up to here an escape was read */

  if (text && text[strspn (text, " \t\n\v\f\r")] != '\0') {
    for (const char *p = text; *p; p++) {
      if (*p == ',') {
        add_choice (choices, choice, kept);
        kept = 0;
      } else if (*p == '\\' && (p[1] == ',' || p[1] == '\\')) {
        g_string_append_c (choice, *++p);
        kept = choice->len;
      } else if (choice->len > 0 || !g_ascii_isspace (*p)) {
        g_string_append_c (choice, *p);
      }
    }
    add_choice (choices, choice, kept);
  }
  g_ptr_array_add (choices, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&choices), FALSE);
}
