/* questions.h: questions about pictures, in a file of JSON.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Either JSON lines, an object a line, or one object with a list of objects, as
 * CLEVR has it. Files are large (that of CLEVR has more than a gigabyte): they are
 * walked once for where each object lies, and an object is read when it is asked
 * for. One thread at a time. Private to the engine.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Objects in a file at most, and bytes of each. */
#define MBLM_QUESTIONS_MAX (1u << 26)
#define MBLM_QUESTIONS_MAX_BYTES (1u << 20)

typedef struct {
  const char *path;   /* of the file */
  const char *list;   /* key of the list; NULL: JSON lines */
  const char *image;  /* key of the name of a picture */
  const char *folder; /* that such names start from */
  gboolean skip_unreadable;
} MblmQuestionsOptions;

typedef struct {
  char *image;    /* path; NULL: none */
  char *question; /* NULL: none */
  char *answer;   /* NULL: none */
  char *type;     /* what is asked: its "type", or the last function of its
                   * "program", as CLEVR has it; NULL: none */
} MblmQuestion;

typedef struct _MblmQuestions MblmQuestions;

/* With skip_unreadable, objects that can't be read, or whose picture can't be
 * opened, are left out with a warning; else they are errors when they are read.
 * Errors: NOT_FOUND, INPUT, G_FILE_ERROR. */
MblmQuestions *mblm_questions_open (
    const MblmQuestionsOptions *options, GError **error);
void mblm_questions_free (MblmQuestions *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmQuestions, mblm_questions_free)

guint mblm_questions_count (MblmQuestions *self);
/* Where each question lies in the file, and how long it is. */
void mblm_questions_describe (MblmQuestions *self, GChecksum *sum);
/* For messages: "FILE, line 3" or "FILE, entry 3 of questions". */
char *mblm_questions_where (MblmQuestions *self, guint index);
gboolean mblm_questions_read (
    MblmQuestions *self, guint index, MblmQuestion *out, GError **error);

void mblm_question_clear (MblmQuestion *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MblmQuestion, mblm_question_clear)

G_END_DECLS
