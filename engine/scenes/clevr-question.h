/* clevr-question.h: drawing a question about a scene.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Private to the engine.
 */

#pragma once

#include "clevr-templates.h"

G_BEGIN_DECLS

/* A template whose gaps are filled. */
typedef struct {
  const MblmClevrTemplate *family;
  guint8 values[MBLM_CLEVR_MAX_GAPS]; /* of gaps, or NO_VALUE */
  MblmClevrNode program[MBLM_CLEVR_MAX_NODES];
  guint n;
  MblmClevrOutput answer;
} MblmClevrQuestion;

/* Draws a question of a family; FALSE: there is none. In a question "the" means
 * one object each time, the constraints of its template are met and its relations
 * matter. There is none where the scene has none, and now and then where its
 * answer would be too frequent in the family. */
gboolean mblm_clevr_question_draw (const MblmClevrTemplate *family,
    const MblmClevrScene *scene, guint64 *key, MblmClevrQuestion *out);

/* Its text, in words drawn among those of the template and their synonyms. */
char *mblm_clevr_question_word (const MblmClevrQuestion *self,
    const MblmClevrTemplates *templates, guint64 *key);

G_END_DECLS
