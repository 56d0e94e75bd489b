/* mblm-asker.h: questions about pictures.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * An asker holds a question and, optionally, the choices, and answers for one
 * picture after the other. What comes before the first picture in the sample is
 * fed once and kept; all choices share the state of the frame. Several askers may
 * share it, too (mblm_asker_share).
 */

#pragma once

#include "mblm-generator.h"
#include "mblm-picture.h"

G_BEGIN_DECLS

typedef struct {
  char *text;
  double probability;
} MblmChoice;

/* An answer: valid UTF-8, its probability (see mblm_asker_answer), and the
 * choices in the order in which they were given (NULL without choices). A
 * partial one is what there was when the progress function ended the work. */
typedef struct {
  char *text;
  double probability;
  MblmChoice *choices;
  guint n_choices;
  gboolean partial;
} MblmAnswer;

#define MBLM_TYPE_ANSWER (mblm_answer_get_type ())
GType mblm_answer_get_type (void);
MblmAnswer *mblm_answer_copy (const MblmAnswer *self);
void mblm_answer_free (MblmAnswer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmAnswer, mblm_answer_free)

#define MBLM_TYPE_ASKER (mblm_asker_get_type ())
G_DECLARE_FINAL_TYPE (MblmAsker, mblm_asker, MBLM, ASKER, GObject)

/* Error: MBLM_ERROR_UNSUPPORTED for a model whose task is not "qa" (the message
 * names what such a model is for). */
MblmAsker *mblm_asker_new (MblmModel *model, GError **error);

/* UTF-8; NULL or "" asks for the caption (a sample without question segments).
 * Errors: INPUT for text that is no UTF-8 or that leaves no room in the context
 * for the picture and an answer; the question stays what it was. */
gboolean mblm_asker_set_question (
    MblmAsker *self, const char *question, GError **error);
/* NULL-terminated; NULL: answers are generated. INPUT for an empty or doubled
 * choice, for one that is no UTF-8, too long, and for a single empty list. */
gboolean mblm_asker_set_choices (
    MblmAsker *self, const char *const *choices, GError **error);
/* Splits "a,b\,c" at commas; "\," is a comma, "\\" a backslash; blanks around a
 * choice are dropped. Free with g_strfreev. */
char **mblm_asker_split_choices (const char *text);
/* From now on `self` is one of those that share pictures with `other`, an asker of
 * the same model. Where the sample begins with the picture, it is read once for
 * all of them, and what each asks goes on from a copy of the state behind it. A
 * picture is the same where its bytes are. One thread at a time uses them all. With
 * itself: the picture is not read again for its next question. */
void mblm_asker_share (MblmAsker *self, MblmAsker *other);
/* Bytes of a generated answer at most (default 256). */
void mblm_asker_set_max_bytes (MblmAsker *self, guint max);
/* The default is greedy. */
void mblm_asker_set_sampler (MblmAsker *self, MblmSampler *sampler);

/* Called between two pieces of work while an answer is made. FALSE ends it: the
 * answer is then partial, and has the bytes drawn so far, the choices judged by
 * the bytes known of all of them, or "" and probability 0 when the picture had
 * not been read. */
void mblm_asker_set_progress (
    MblmAsker *self, MblmProgress progress, gpointer user_data);

/* The bytes of a picture (mblm_picture_to_bytes with the model's layout) to the
 * answer. The probability of a generated answer is that of its bytes and its
 * `end`; with choices p is proportional to that product, and sums to 1 over the
 * choices. */
MblmAnswer *mblm_asker_answer (
    MblmAsker *self, GBytes *image, GCancellable *cancellable, GError **error);

/* The ids that the model sees up to where the answer starts (gint32). */
GArray *mblm_asker_get_prompt_ids (
    MblmAsker *self, GBytes *image, GError **error);

G_END_DECLS
