/* clevr-templates.h: the published templates of questions.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A template is a family of questions: wordings with gaps, and one program with
 * the same gaps. Private to the engine.
 */

#pragma once

#include "clevr-program.h"

G_BEGIN_DECLS

#define MBLM_CLEVR_MAX_STEPS 10  /* of a template */
#define MBLM_CLEVR_MAX_GAPS 20   /* of a template */
#define MBLM_CLEVR_NO_VALUE 0xff /* a gap that is left empty */
#define MBLM_CLEVR_NO_GAP G_MAXUINT8

/* A gap in wordings and program: "<C2>" is a color. */
typedef struct {
  char *name;
  MblmClevrKind kind;
} MblmClevrGap;

/* A step becomes several functions of a program: first a relation, then up to
 * four filters, then another function; or one alone. */
typedef struct {
  gboolean relates, filters;
  gboolean has_function;
  MblmClevrFunction function;      /* what comes last */
  MblmClevrKind kind;              /* of that function */
  guint inputs[2];                 /* steps */
  guint8 gaps[MBLM_CLEVR_N_KINDS]; /* of each kind, or NO_GAP */
} MblmClevrStep;

typedef enum {
  MBLM_CLEVR_EMPTY,     /* a gap is */
  MBLM_CLEVR_DIFFERENT, /* outputs of two steps are */
} MblmClevrRule;

typedef struct {
  MblmClevrRule rule;
  guint of[2]; /* a gap, or two steps */
} MblmClevrConstraint;

typedef struct {
  char *file;          /* "one_hop" */
  guint index;         /* in it */
  GPtrArray *wordings; /* of char * */
  GArray *gaps;        /* of MblmClevrGap */
  GArray *steps;       /* of MblmClevrStep */
  GArray *constraints; /* of MblmClevrConstraint */
} MblmClevrTemplate;

typedef struct {
  GPtrArray *families; /* of MblmClevrTemplate */
  /* ways to say each value, and to say "thing"; NULL-terminated */
  char **words[MBLM_CLEVR_N_KINDS][MBLM_CLEVR_MAX_VALUES];
  char **thing;
} MblmClevrTemplates;

/* Reads what is compiled in. Error: INPUT, for what can't be understood. */
MblmClevrTemplates *mblm_clevr_templates_load (GError **error);
void mblm_clevr_templates_free (MblmClevrTemplates *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmClevrTemplates, mblm_clevr_templates_free)

G_END_DECLS
