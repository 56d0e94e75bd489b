/* clevr-program.h: questions about a scene as programs.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A program is a list of functions, each of what earlier ones gave; the last
 * gives the answer. Private to the engine.
 */

#pragma once

#include "clevr-scene.h"

G_BEGIN_DECLS

typedef enum {
  MBLM_CLEVR_SCENE,     /* gives a set of objects: all */
  MBLM_CLEVR_FILTER,    /* set: those of a value */
  MBLM_CLEVR_RELATE,    /* set: those on one side of an object */
  MBLM_CLEVR_SAME,      /* set: the others with the same value as an object */
  MBLM_CLEVR_UNION,     /* set */
  MBLM_CLEVR_INTERSECT, /* set */
  MBLM_CLEVR_UNIQUE,    /* object: the one in a set */
  MBLM_CLEVR_COUNT,     /* number */
  MBLM_CLEVR_EXIST,     /* 0 or 1, and so for all below */
  MBLM_CLEVR_EQUAL_INTEGER,
  MBLM_CLEVR_LESS_THAN,
  MBLM_CLEVR_GREATER_THAN,
  MBLM_CLEVR_EQUAL, /* of values of attributes */
  MBLM_CLEVR_QUERY, /* value of an attribute */
} MblmClevrFunction;

/* An object, a number or a value; or a MblmClevrSet. */
typedef guint MblmClevrOutput;

typedef struct {
  MblmClevrFunction function;
  MblmClevrKind kind; /* of FILTER, SAME, EQUAL and QUERY */
  guint value;        /* of FILTER and RELATE */
  guint inputs[2];    /* places in the program */
} MblmClevrNode;

/* The longest has 27. */
#define MBLM_CLEVR_MAX_NODES 32

/* "filter_color", "less_than"; FALSE: there is no such function. */
gboolean mblm_clevr_find_function (
    const char *name, MblmClevrFunction *function, MblmClevrKind *kind);
guint mblm_clevr_count_inputs (MblmClevrFunction function);

/* One function, of outputs; FALSE: UNIQUE, and the set is not of one object. */
gboolean mblm_clevr_apply (const MblmClevrScene *scene,
    const MblmClevrNode *node, const MblmClevrOutput *outputs,
    MblmClevrOutput *out);
/* The whole program; FALSE: it has no answer in this scene. */
gboolean mblm_clevr_run (const MblmClevrScene *scene,
    const MblmClevrNode *program, guint n, MblmClevrOutput *answer);
/* Whether a relation of the program does not matter: were all objects taken
 * instead, the answer would be the same. */
gboolean mblm_clevr_is_degenerate (const MblmClevrScene *scene,
    const MblmClevrNode *program, guint n, MblmClevrOutput answer);

/* "yes", "4", "red": an answer that the last function gave. */
const char *mblm_clevr_answer_name (
    const MblmClevrNode *last, MblmClevrOutput answer);
/* How many answers the function can have in a scene of that many objects. */
guint mblm_clevr_count_answers (const MblmClevrNode *last, guint n_objects);
/* "count", "exist", "compare_integer", "compare_attribute", "query_attribute" */
const char *mblm_clevr_type_name (const MblmClevrNode *last);

G_END_DECLS
