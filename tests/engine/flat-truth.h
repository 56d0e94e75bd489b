/* flat-truth.h: what is true of a scene of plain shapes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reads questions as a person does, word by word, and looks for the answer among
 * the objects; shares no code with what made them.
 */

#pragma once

#include "scenes/flat.h"

/* Fails the test where the question is not one of those that are known, asks for
 * what there isn't, or has another answer. */
void flat_truth_check (
    const MblmFlatScene *scene, const MblmSceneQuestion *question);
/* Where it is among mblm_flat_answers; fails the test where it is not. */
guint flat_truth_find_answer (const char *answer);
