/* clevr-question.c: drawing a question about a scene.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * The gaps of a template are filled step by step, depth first, in an order drawn
 * from the key. Which fillings a step is offered is as in the published
 * generator: the attributes that objects of the scene have, and for questions
 * whether and how many there are, others too.
 *
 * The published generator balances answers by counting those it gave so far. A
 * question here follows from its key alone, so it is the wanted answer that is
 * drawn, evenly among those that the family can have; where the scene doesn't
 * allow it, the one that was drawn next, and so on. Where that still favours an
 * answer of a family, some questions with it are dropped.
 */

#include "config.h"

#include "clevr-question.h"

#include <string.h>

#include "scenes.h"

/* Fillings that are tried of a step with others after it, and of the last; and
 * how often the search begins anew, with others, for what is wanted most. */
#define WIDTH 2
#define LAST_WIDTH 32
#define MAX_STARTS 24
/* One relation of so many may be one that leaves out no object. */
#define TRIVIAL 9
#define MAX_ANSWERS 16

#define N_ATTRIBUTES MBLM_CLEVR_N_ATTRIBUTES
#define NO_VALUE MBLM_CLEVR_NO_VALUE

/* The ways to name some of an object's attributes, of each object. */
#define MAX_FILTERS (16 * MBLM_CLEVR_MAX_OBJECTS)
/* With each relation, and room to draw some of these; or with as many again of
 * attributes that are drawn. */
#define MAX_FILLINGS ((MBLM_CLEVR_N_RELATIONS + 1) * MAX_FILTERS)

typedef struct {
  guint8 values[N_ATTRIBUTES];
  MblmClevrSet set; /* the objects of the scene that have them all */
} Filter;

typedef struct {
  guint8 values[MBLM_CLEVR_N_KINDS];
  MblmClevrSet set; /* what they leave of the step's input */
} Filling;

typedef struct {
  const MblmClevrTemplate *family;
  const MblmClevrScene *scene;
  guint64 *key;
  Filter filters[MAX_FILTERS];
  guint n_filters;
  guint first, last; /* step with gaps */
  gboolean check_relations;
  guint rank[MAX_ANSWERS]; /* of each answer: 0 is wanted most */
  guint best;              /* rank of what is in `out` */
  MblmClevrQuestion *out;
  /* of the way down to the step at hand */
  guint8 values[MBLM_CLEVR_MAX_GAPS];
  MblmClevrOutput outputs[MBLM_CLEVR_MAX_STEPS];
} Search;

static const MblmClevrStep *
get_step (const MblmClevrTemplate *family, guint i)
{
  return &g_array_index (family->steps, MblmClevrStep, i);
}

static gboolean
has_gaps (const MblmClevrStep *step)
{
  return step->relates || step->filters ||
      (step->has_function && step->function == MBLM_CLEVR_FILTER);
}

/* ------------------------------------------------------------------------- */
/* What a step is offered                                                    */
/* ------------------------------------------------------------------------- */

static MblmClevrSet
get_set (const MblmClevrScene *scene, const guint8 *values)
{
  MblmClevrSet set = mblm_clevr_scene_all (scene);

  for (guint k = 0; k < N_ATTRIBUTES; k++)
    if (values[k] != NO_VALUE)
      set &= scene->having[k][values[k]];
  return set;
}

/* Each set of attributes that some object has, once; the first is of none. */
static void
find_filters (Search *self)
{
  gboolean seen[3 * 9 * 3 * 4] = {FALSE};

  for (guint i = 0; i < self->scene->n; i++)
    for (guint mask = 0; mask < 1 << N_ATTRIBUTES; mask++) {
      Filter *filter = &self->filters[self->n_filters];
      guint place = 0;

      for (guint k = 0; k < N_ATTRIBUTES; k++) {
        guint8 value = mask >> k & 1 ? self->scene->values[i][k] : NO_VALUE;

        filter->values[k] = value;
        place *= mblm_clevr_count_values ((MblmClevrKind) k) + 1;
        place += (guint8) (value + 1);
      }
      if (seen[place])
        continue;
      seen[place] = TRUE;
      filter->set = get_set (self->scene, filter->values);
      self->n_filters++;
    }
}

static void
set_filling (
    Filling *filling, const Filter *filter, guint relation, MblmClevrSet set)
{
  memcpy (filling->values, filter->values, N_ATTRIBUTES);
  filling->values[MBLM_CLEVR_RELATION] = relation;
  filling->set = set;
}

/* Attributes drawn one by one, which may be those of an object or not. */
static void
draw_filling (Search *self, MblmClevrSet input, Filling *filling)
{
  for (guint k = 0; k < N_ATTRIBUTES; k++) {
    guint n = mblm_clevr_count_values ((MblmClevrKind) k);
    guint value = mblm_scene_draw_below (self->key, n + 1);

    filling->values[k] = value < n ? value : NO_VALUE;
  }
  filling->set = input & get_set (self->scene, filling->values);
}

static guint
offer_filters (
    Search *self, const MblmClevrStep *step, MblmClevrSet input, Filling *out)
{
  gboolean unique = step->has_function && step->function == MBLM_CLEVR_UNIQUE;
  guint n = 0, ones = 0, more;

  for (guint i = 0; i < self->n_filters; i++) {
    const Filter *filter = &self->filters[i];
    MblmClevrSet set = filter->set & input;
    gboolean one = mblm_clevr_set_count (set) == 1;

    /* without a function, no attributes are no choice */
    if ((unique && !one) || (!step->has_function && i == 0))
      continue;
    set_filling (&out[n++], filter, NO_VALUE, set);
    ones += one;
  }
  if (unique)
    return n;
  more = step->has_function && step->function == MBLM_CLEVR_EXIST ? n : ones;
  while (more-- > 0)
    draw_filling (self, input, &out[n++]);
  return n;
}

/* A relation is trivial where all objects of the attributes are in it: few
 * remain of those, at the end of the list. */
static guint
offer_relations (
    Search *self, const MblmClevrStep *step, guint object, Filling *out)
{
  gboolean unique = step->has_function && step->function == MBLM_CLEVR_UNIQUE;
  gboolean none = step->has_function && !unique;
  guint n = 0, trivial = 0, keep;

  /* from the front those that matter, from the back the others */
  for (guint r = 0; r < MBLM_CLEVR_N_RELATIONS; r++)
    for (guint i = 0; i < self->n_filters; i++) {
      const Filter *filter = &self->filters[i];
      MblmClevrSet set = filter->set & self->scene->related[r][object];
      guint size = mblm_clevr_set_count (set);

      if ((unique && size != 1) || (!none && size == 0))
        continue;
      set_filling (
          set == filter->set ? &out[MAX_FILLINGS - ++trivial] : &out[n++],
          filter, r, set);
    }
  keep = MIN (trivial, (n + TRIVIAL / 2) / TRIVIAL);
  for (guint i = 0; i < keep; i++) {
    guint at = MAX_FILLINGS - 1 - i -
        mblm_scene_draw_below (self->key, trivial - i);
    Filling chosen = out[at];

    out[at] = out[MAX_FILLINGS - 1 - i];
    out[n++] = chosen;
  }
  return n;
}

/* One gap alone: each value. */
static guint
offer_values (Search *self, const MblmClevrStep *step, MblmClevrOutput input,
    Filling *out)
{
  MblmClevrKind kind = step->relates ? MBLM_CLEVR_RELATION : step->kind;
  guint n = mblm_clevr_count_values (kind);

  for (guint i = 0; i < n; i++) {
    memset (out[i].values, NO_VALUE, sizeof out[i].values);
    out[i].values[kind] = i;
    out[i].set = step->relates ? self->scene->related[i][input]
                               : input & self->scene->having[kind][i];
  }
  return n;
}

/* ------------------------------------------------------------------------- */
/* The program                                                               */
/* ------------------------------------------------------------------------- */

static void
add_node (MblmClevrQuestion *self, MblmClevrFunction function,
    MblmClevrKind kind, guint value, guint *input)
{
  self->program[self->n] = (MblmClevrNode){function, kind, value, {*input, 0}};
  *input = self->n++;
}

/* What the steps become when the gaps are filled. */
static void
write_program (MblmClevrQuestion *self)
{
  guint ends[MBLM_CLEVR_MAX_STEPS];

  self->n = 0;
  for (guint i = 0; i < self->family->steps->len; i++) {
    const MblmClevrStep *step = get_step (self->family, i);
    guint at = ends[step->inputs[0]];

    if (step->relates)
      add_node (self, MBLM_CLEVR_RELATE, MBLM_CLEVR_RELATION,
          self->values[step->gaps[MBLM_CLEVR_RELATION]], &at);
    for (guint k = 0; k < N_ATTRIBUTES; k++)
      if (step->gaps[k] != MBLM_CLEVR_NO_GAP &&
          self->values[step->gaps[k]] != NO_VALUE)
        add_node (self, MBLM_CLEVR_FILTER, (MblmClevrKind) k,
            self->values[step->gaps[k]], &at);
    if (step->has_function && step->function != MBLM_CLEVR_FILTER) {
      add_node (self, step->function, step->kind, 0, &at);
      if (mblm_clevr_count_inputs (step->function) == 2)
        self->program[at].inputs[1] = ends[step->inputs[1]];
    }
    ends[i] = at;
  }
}

/* ------------------------------------------------------------------------- */
/* The search                                                                */
/* ------------------------------------------------------------------------- */

static gboolean
meets_constraints (const Search *self, guint done)
{
  GArray *constraints = self->family->constraints;

  for (guint i = 0; i < constraints->len; i++) {
    const MblmClevrConstraint *constraint = &g_array_index (
        constraints, MblmClevrConstraint, i);
    guint a = constraint->of[0], b = constraint->of[1];

    if (constraint->rule == MBLM_CLEVR_EMPTY) {
      if (self->values[a] != NO_VALUE)
        return FALSE;
    } else if (MAX (a, b) == done && self->outputs[a] == self->outputs[b]) {
      return FALSE;
    }
  }
  return TRUE;
}

/* All gaps are filled. TRUE: it is what was wanted most. */
static gboolean
finish (Search *self)
{
  MblmClevrOutput answer = self->outputs[self->family->steps->len - 1];
  MblmClevrQuestion question;

  if (self->rank[answer] >= self->best)
    return FALSE;
  question.family = self->family;
  question.answer = answer;
  memcpy (question.values, self->values, sizeof question.values);
  write_program (&question);
  if (self->check_relations &&
      mblm_clevr_is_degenerate (
          self->scene, question.program, question.n, answer))
    return FALSE;
  *self->out = question;
  self->best = self->rank[answer];
  return self->best == 0;
}

static gboolean search (Search *self, guint at);

/* A step whose gaps are filled, if it has any: `set` is what they leave. */
static gboolean
apply (Search *self, guint at, MblmClevrSet set)
{
  const MblmClevrStep *step = get_step (self->family, at);
  MblmClevrNode node = {
      step->function, step->kind, 0, {step->inputs[0], step->inputs[1]}};
  gboolean filled = has_gaps (step);

  if (filled && (!step->has_function || step->function == MBLM_CLEVR_FILTER)) {
    self->outputs[at] = set;
  } else {
    /* the function works on what the gaps leave */
    self->outputs[at] = set;
    if (filled)
      node.inputs[0] = at;
    if (!mblm_clevr_apply (
            self->scene, &node, self->outputs, &self->outputs[at]))
      return FALSE;
  }
  return meets_constraints (self, at) && search (self, at + 1);
}

static void
fill (Search *self, const MblmClevrStep *step, const Filling *filling)
{
  for (guint k = 0; k < MBLM_CLEVR_N_KINDS; k++)
    if (step->gaps[k] != MBLM_CLEVR_NO_GAP)
      self->values[step->gaps[k]] = filling->values[k];
}

/* TRUE: the search is over. */
static gboolean
search (Search *self, guint at)
{
  if (at == self->family->steps->len)
    return finish (self);

  const MblmClevrStep *step = get_step (self->family, at);
  if (!has_gaps (step))
    return apply (self, at, 0);

  MblmClevrOutput input = self->outputs[step->inputs[0]];
  Filling fillings[MAX_FILLINGS];
  guint n = !step->filters ? offer_values (self, step, input, fillings)
      : step->relates      ? offer_relations (self, step, input, fillings)
                           : offer_filters (self, step, input, fillings);
  guint width = at != self->last  ? MIN (n, WIDTH)
      : self->first == self->last ? n
                                  : MIN (n, LAST_WIDTH);
  gboolean over = FALSE;

  for (guint i = 0; i < width && !over; i++) {
    guint j = i + mblm_scene_draw_below (self->key, n - i);
    Filling chosen = fillings[j];

    fillings[j] = fillings[i];
    fill (self, step, &chosen);
    over = apply (self, at, chosen.set);
  }
  for (guint k = 0; k < MBLM_CLEVR_N_KINDS; k++)
    if (step->gaps[k] != MBLM_CLEVR_NO_GAP)
      self->values[step->gaps[k]] = NO_VALUE;
  return over;
}

/* ------------------------------------------------------------------------- */
/* Answers that scenes favour                                                */
/* ------------------------------------------------------------------------- */

/* The published generator gives an answer of a family at most 1.1 times as often
 * as any other. These are the families where scenes allow one answer more often
 * than that, and the share of it, in percent, that makes it as frequent as the
 * next: of 8000 scenes. The first can have no other answer. */
static const struct {
  const char *file;
  guint index, answer, share;
} favoured[] = {
    {"compare_integer", 0, 0, 4},
    {"comparison", 0, 1, 85},
    {"comparison", 1, 0, 37},
    {"comparison", 2, 1, 87},
    {"comparison", 3, 0, 93},
    {"comparison", 4, 1, 87},
    {"comparison", 5, 1, 87},
    {"comparison", 6, 1, 87},
    {"comparison", 7, 0, 64},
    {"comparison", 8, 0, 59},
    {"comparison", 9, 0, 69},
    {"comparison", 10, 1, 90},
    {"comparison", 11, 1, 91},
    {"comparison", 12, 1, 93},
    {"same_relate", 0, 1, 13},
    {"same_relate", 1, 0, 85},
    {"same_relate", 2, 1, 14},
    {"same_relate", 3, 1, 38},
    {"same_relate", 5, 0, 64},
    {"same_relate", 6, 2, 88},
    {"same_relate", 7, 1, 79},
    {"same_relate", 9, 0, 62},
    {"same_relate", 13, 0, 58},
    {"same_relate", 15, 0, 91},
};

static gboolean
is_dropped (const MblmClevrQuestion *question, guint64 *key)
{
  const MblmClevrTemplate *family = question->family;

  for (guint i = 0; i < G_N_ELEMENTS (favoured); i++)
    if (favoured[i].answer == question->answer &&
        favoured[i].index == family->index &&
        g_str_equal (favoured[i].file, family->file))
      return mblm_scene_draw_below (key, 100) >= favoured[i].share;
  return FALSE;
}

gboolean
mblm_clevr_question_draw (const MblmClevrTemplate *family,
    const MblmClevrScene *scene, guint64 *key, MblmClevrQuestion *out)
{
  guint n_steps = family->steps->len, order[MAX_ANSWERS];
  const MblmClevrStep *end = get_step (family, n_steps - 1);
  MblmClevrNode last = {end->function, end->kind, 0, {0, 0}};
  guint n = mblm_clevr_count_answers (&last, scene->n);
  Search self = {.family = family,
      .scene = scene,
      .key = key,
      .first = n_steps,
      .out = out};

  mblm_scene_draw_order (key, order, n);
  for (guint i = 0; i < n; i++)
    self.rank[order[i]] = i;
  self.best = n;
  for (guint i = 0; i < n_steps; i++) {
    const MblmClevrStep *step = get_step (family, i);

    if (has_gaps (step)) {
      self.first = MIN (self.first, i);
      self.last = i;
    }
    self.check_relations |= step->relates && !step->filters;
  }
  memset (self.values, NO_VALUE, sizeof self.values);
  find_filters (&self);
  /* one step with gaps is searched whole */
  for (guint i = 0; i < MAX_STARTS && self.best > 0; i++)
    if (search (&self, 0) || self.first == self.last)
      break;
  return self.best < n && !is_dropped (out, key);
}
