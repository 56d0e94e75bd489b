/* message.c: words for error messages.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "message.h"

#include <errno.h>
#include <string.h>

#define MAX_QUOTED 80
#define MAX_WORD 48

char *
mblm_quote (const char *name, gssize n)
{
  gsize length = n < 0 ? strlen (name) : (gsize) n;
  gsize look = MIN (length, 4 * MAX_QUOTED);
  g_autofree char *valid = g_utf8_make_valid (name, (gssize) look);
  GString *out = g_string_new ("\"");
  guint shown = 0;

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);

    if (shown++ == MAX_QUOTED) {
      g_string_append (out, "...");
      break;
    }
    if (c == '"' || c == '\\')
      g_string_append_printf (out, "\\%c", (char) c);
    else if (g_unichar_isprint (c))
      g_string_append_unichar (out, c);
    else
      g_string_append_printf (out, "\\u%04x", c);
  }
  if (look < length && shown <= MAX_QUOTED)
    g_string_append (out, "...");
  g_string_append_c (out, '"');
  return g_string_free (out, FALSE);
}

/* Edits (insert, delete, replace) between two short words, case ignored. */
static guint
distance (const char *a, const char *b)
{
  guint row[MAX_WORD + 1];
  gsize na = strlen (a), nb = strlen (b);

  if (na > MAX_WORD || nb > MAX_WORD)
    return G_MAXUINT;
  for (gsize j = 0; j <= nb; j++)
    row[j] = (guint) j;
  for (gsize i = 1; i <= na; i++) {
    guint diagonal = row[0];

    row[0] = (guint) i;
    for (gsize j = 1; j <= nb; j++) {
      gboolean equal = g_ascii_tolower (a[i - 1]) == g_ascii_tolower (b[j - 1]);
      guint replaced = diagonal + (equal ? 0 : 1);
      guint shorter = MIN (row[j], row[j - 1]) + 1;

      diagonal = row[j];
      row[j] = MIN (replaced, shorter);
    }
  }
  return row[nb];
}

char *
mblm_suggest (const char *word, const char *const *known)
{
  const char *best = NULL;
  guint least = G_MAXUINT;

  for (gsize i = 0; known[i] != NULL; i++) {
    guint d = distance (word, known[i]);

    if (d < least) {
      least = d;
      best = known[i];
    }
  }
  if (best != NULL && least <= 1 + MAX (strlen (word), strlen (best)) / 3)
    return g_strdup_printf (" (did you mean \"%s\"?)", best);

  if (best == NULL)
    return g_strdup (" (there are none)");

  g_autofree char *list = g_strjoinv (", ", (char **) known);
  return g_strdup_printf (" (known: %s)", list);
}

gboolean
mblm_fail_errno (const char *path, const char *what, GError **error)
{
  int code = errno;

  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
      "%s: can't %s it: %s", path, what, g_strerror (code));
  return FALSE;
}
