/* report.h: a page about an examination, for a person to look at.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A folder with index.html: how many answers were right, which answers were taken
 * for which, and pictures of the first that were wrong.
 */

#pragma once

#include "quiz.h"
#include "tally.h"

G_BEGIN_DECLS

typedef struct _Report Report;

/* `path` is not there, or an empty folder. Errors: G_FILE_ERROR. */
Report *report_new (const char *path, GError **error);
void report_free (Report *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Report, report_free)

/* An answer that was wrong. */
gboolean report_add (
    Report *self, const MblmQuizItem *item, const char *answer, GError **error);
/* Writes the page; `title` is what was asked about what. */
gboolean report_end (
    Report *self, Tally *tally, const char *title, GError **error);

G_END_DECLS
