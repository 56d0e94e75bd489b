/* quiz.h: pictures with questions whose answers are known.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * What a model is examined with: scenes that are drawn ("scenes:flat"), a folder
 * as the data sets qa and clevr have them, or a file of questions. One thread at a
 * time. Private to the engine and its command.
 */

#pragma once

#include "dataset.h"
#include "mblm-picture.h"

G_BEGIN_DECLS

typedef struct {
  const char *name; /* "scenes:FAMILY", a folder, or a .json or .jsonl file */
  MblmSplit split;
  /* Of scenes: */
  guint64 seed;
  guint width, height;
  guint per_picture;       /* questions about each, at most */
  const char *photographs; /* folder for backgrounds, or NULL */
} MblmQuizOptions;

typedef struct {
  MblmPicture *picture;
  char *question; /* NULL: the answer is a caption */
  char *answer;
  char *type;  /* what is asked, "question" where that isn't known */
  char *where; /* for messages: "FILE, line 3" */
} MblmQuizItem;

void mblm_quiz_item_clear (MblmQuizItem *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MblmQuizItem, mblm_quiz_item_clear)

typedef struct _MblmQuiz MblmQuiz;

/* Errors: NOT_FOUND where there is nothing of that name, INPUT, CONFIG for an
 * unknown family, G_FILE_ERROR. */
MblmQuiz *mblm_quiz_open (const MblmQuizOptions *options, GError **error);
void mblm_quiz_free (MblmQuiz *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmQuiz, mblm_quiz_free)
/* G_MAXUINT64 for scenes, which have no end. */
guint64 mblm_quiz_count (MblmQuiz *self);
/* The next question. After the last: FALSE without an error. */
gboolean mblm_quiz_next (MblmQuiz *self, MblmQuizItem *item, GError **error);

G_END_DECLS
