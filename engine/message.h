/* message.h: words for error messages.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Names out of files are hostile: they are cut, made valid UTF-8 and stripped of
 * control characters before they reach a terminal. Private to the engine.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* "name" in quotes, escaped and at most 80 characters long. `n` -1: up to the
 * NUL. Free with g_free. */
char *mblm_quote (const char *name, gssize n);

/* What to say after an unknown word: " (did you mean "x"?)" where one of the
 * NULL-terminated `known` is near, else " (known: a, b, c)", or " (there are
 * none)". Free with g_free. */
char *mblm_suggest (const char *word, const char *const *known);

/* FALSE, with G_FILE_ERROR of errno: "PATH: can't WHAT it: REASON". */
gboolean mblm_fail_errno (const char *path, const char *what, GError **error);

G_END_DECLS
