/* clevr-templates.c: the published templates of questions.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * The files are compiled in as they were published. Steps and constraints name
 * gaps that come after them, so that an object of the file is read first and
 * understood at its end.
 */

#include "config.h"

#include "clevr-templates.h"

#include <gio/gio.h>
#include <string.h>

#include "clevr-templates-data.h"
#include "json.h"
#include "mblm-error.h"

static const char *const files[] = {"compare_integer", "comparison", "one_hop",
    "same_relate", "single_and", "single_or", "three_hop", "two_hop",
    "zero_hop"};

/* A step or constraint as it is written. */
typedef struct {
  char *type;
  GArray *places;   /* of guint: inputs or steps */
  GPtrArray *names; /* of gaps */
} Raw;

static Raw *
raw_new (void)
{
  Raw *self = g_new0 (Raw, 1);

  self->places = g_array_new (FALSE, FALSE, sizeof (guint));
  self->names = g_ptr_array_new_with_free_func (g_free);
  return self;
}

static void
raw_free (Raw *self)
{
  g_free (self->type);
  g_array_unref (self->places);
  g_ptr_array_unref (self->names);
  g_free (self);
}

typedef struct {
  MblmJson json;
  MblmClevrTemplates *templates;
  MblmClevrTemplate *template; /* being read */
  GPtrArray *steps;            /* of Raw */
  GPtrArray *constraints;
} Reader;

static void
gap_clear (MblmClevrGap *gap)
{
  g_free (gap->name);
}

static void
template_free (MblmClevrTemplate *self)
{
  g_free (self->file);
  g_ptr_array_unref (self->wordings);
  g_array_unref (self->gaps);
  g_array_unref (self->steps);
  g_array_unref (self->constraints);
  g_free (self);
}

static MblmClevrTemplate *
template_new (const char *file, guint index)
{
  MblmClevrTemplate *self = g_new0 (MblmClevrTemplate, 1);

  self->file = g_strdup (file);
  self->index = index;
  self->wordings = g_ptr_array_new_with_free_func (g_free);
  self->gaps = g_array_new (FALSE, TRUE, sizeof (MblmClevrGap));
  g_array_set_clear_func (self->gaps, (GDestroyNotify) gap_clear);
  self->steps = g_array_new (FALSE, TRUE, sizeof (MblmClevrStep));
  self->constraints = g_array_new (FALSE, TRUE, sizeof (MblmClevrConstraint));
  return self;
}

/* ------------------------------------------------------------------------- */
/* Reading                                                                   */
/* ------------------------------------------------------------------------- */

static gboolean
expect (Reader *self, MblmJsonToken token)
{
  return mblm_json_next (&self->json) == token ||
      mblm_json_fail (&self->json, "is not what a template has here");
}

static gboolean
read_string (Reader *self, char **out)
{
  if (!expect (self, MBLM_JSON_STRING))
    return FALSE;
  g_free (*out);
  *out = g_strdup (self->json.string->str);
  return TRUE;
}

/* Strings to `names`, numbers to `places`. */
static gboolean
read_list (Reader *self, GPtrArray *names, GArray *places)
{
  if (!expect (self, MBLM_JSON_ARRAY))
    return FALSE;
  for (;;) {
    MblmJsonToken token = mblm_json_next (&self->json);
    guint64 number;

    if (token == MBLM_JSON_ARRAY_END)
      return TRUE;
    if (token == MBLM_JSON_STRING) {
      g_ptr_array_add (names, g_strdup (self->json.string->str));
    } else if (token == MBLM_JSON_NUMBER && places &&
        mblm_json_get_unsigned (&self->json, &number) &&
        number < MBLM_CLEVR_MAX_STEPS) {
      guint place = (guint) number;

      g_array_append_val (places, place);
    } else {
      return mblm_json_fail (&self->json, "is not in such a list");
    }
  }
}

/* A step or constraint, whose keys differ in the names of lists alone. */
static gboolean
read_raw (Reader *self, gpointer data)
{
  GPtrArray *to = data;
  Raw *raw = raw_new ();

  g_ptr_array_add (to, raw);
  for (;;) {
    MblmJsonToken token = mblm_json_next (&self->json);
    const char *key = self->json.string->str;

    if (token == MBLM_JSON_OBJECT_END)
      return raw->type || mblm_json_fail (&self->json, "ends without a type");
    if (token != MBLM_JSON_KEY)
      return FALSE;
    if (g_str_equal (key, "type") ? !read_string (self, &raw->type)
                                  : !read_list (self, raw->names, raw->places))
      return FALSE;
  }
}

static gboolean
read_gap (Reader *self, gpointer data)
{
  MblmClevrGap gap = {NULL, MBLM_CLEVR_N_KINDS};
  g_autofree char *type = NULL;

  for (;;) {
    MblmJsonToken token = mblm_json_next (&self->json);
    gboolean is_name;

    if (token == MBLM_JSON_OBJECT_END)
      break;
    is_name = g_str_equal (self->json.string->str, "name");
    if (token != MBLM_JSON_KEY ||
        !read_string (self, is_name ? &gap.name : &type)) {
      g_free (gap.name);
      return FALSE;
    }
  }
  for (guint k = 0; type && k < MBLM_CLEVR_N_KINDS; k++)
    if (g_ascii_strcasecmp (type, mblm_clevr_kind_name (k)) == 0)
      gap.kind = (MblmClevrKind) k;
  g_array_append_val (self->template->gaps, gap);
  return (gap.name && gap.kind < MBLM_CLEVR_N_KINDS &&
             self->template->gaps->len <= MBLM_CLEVR_MAX_GAPS) ||
      mblm_json_fail (&self->json, "ends what is no gap");
}

/* An array of objects. */
static gboolean
read_objects (
    Reader *self, gboolean (*read) (Reader *self, gpointer data), gpointer data)
{
  if (!expect (self, MBLM_JSON_ARRAY))
    return FALSE;
  for (;;) {
    MblmJsonToken token = mblm_json_next (&self->json);

    if (token == MBLM_JSON_ARRAY_END)
      return TRUE;
    if (token != MBLM_JSON_OBJECT)
      return mblm_json_fail (&self->json, "is not an object");
    if (!read (self, data))
      return FALSE;
  }
}

/* ------------------------------------------------------------------------- */
/* Understanding                                                             */
/* ------------------------------------------------------------------------- */

static gboolean
find_gap (const MblmClevrTemplate *template, const char *name, guint *gap)
{
  for (*gap = 0; *gap < template->gaps->len; (*gap)++)
    if (g_str_equal (
            g_array_index (template->gaps, MblmClevrGap, *gap).name, name))
      return TRUE;
  return FALSE;
}

/* "relate_filter_count" is a relation, filters and a function. */
static gboolean
read_type (const char *type, MblmClevrStep *step)
{
  static const char relate[] = "relate", filter[] = "filter";

  if (g_str_has_prefix (type, relate)) {
    step->relates = TRUE;
    type += strlen (relate);
    type += *type == '_';
  }
  if (g_str_equal (type, filter) || g_str_equal (type, "filter_unique") ||
      g_str_equal (type, "filter_count") ||
      g_str_equal (type, "filter_exist")) {
    step->filters = TRUE;
    type += strlen (filter);
    type += *type == '_';
  }
  step->has_function = *type != '\0';
  return !step->has_function ||
      mblm_clevr_find_function (type, &step->function, &step->kind);
}

/* The gaps of a step are one of each kind that it takes. */
static gboolean
understand_step (MblmClevrTemplate *template, const Raw *raw)
{
  MblmClevrStep step = {0};
  guint wanted = 1;

  memset (step.gaps, MBLM_CLEVR_NO_GAP, sizeof step.gaps);
  if (!read_type (raw->type, &step) ||
      template->steps->len == MBLM_CLEVR_MAX_STEPS)
    return FALSE;
  if (step.has_function && !step.relates && !step.filters)
    wanted = mblm_clevr_count_inputs (step.function);
  if (raw->places->len != wanted)
    return FALSE;
  for (guint i = 0; i < wanted; i++) {
    step.inputs[i] = g_array_index (raw->places, guint, i);
    if (step.inputs[i] >= template->steps->len)
      return FALSE;
  }
  for (guint i = 0; i < raw->names->len; i++) {
    guint gap;

    if (!find_gap (template, raw->names->pdata[i], &gap))
      return FALSE;
    step.gaps[g_array_index (template->gaps, MblmClevrGap, gap).kind] = gap;
  }
  g_array_append_val (template->steps, step);

  guint gaps = step.relates + (step.filters ? MBLM_CLEVR_N_ATTRIBUTES : 0);
  if (gaps == 0)
    gaps = step.function == MBLM_CLEVR_FILTER;
  return raw->names->len == gaps &&
      (!step.relates || step.gaps[MBLM_CLEVR_RELATION] != MBLM_CLEVR_NO_GAP);
}

static gboolean
understand_constraint (MblmClevrTemplate *template, const Raw *raw)
{
  MblmClevrConstraint constraint = {0};

  if (g_str_equal (raw->type, "NULL")) {
    constraint.rule = MBLM_CLEVR_EMPTY;
    if (raw->names->len != 1 ||
        !find_gap (template, raw->names->pdata[0], &constraint.of[0]))
      return FALSE;
  } else {
    constraint.rule = MBLM_CLEVR_DIFFERENT;
    if (!g_str_equal (raw->type, "OUT_NEQ") || raw->places->len != 2)
      return FALSE;
    for (guint i = 0; i < 2; i++) {
      constraint.of[i] = g_array_index (raw->places, guint, i);
      if (constraint.of[i] >= template->steps->len)
        return FALSE;
    }
  }
  g_array_append_val (template->constraints, constraint);
  return TRUE;
}

static gboolean
understand (Reader *self)
{
  MblmClevrTemplate *template = self->template;

  for (guint i = 0; i < self->steps->len; i++)
    if (!understand_step (template, self->steps->pdata[i]))
      return mblm_json_fail (&self->json, "ends a template with a wrong node");
  for (guint i = 0; i < self->constraints->len; i++)
    if (!understand_constraint (template, self->constraints->pdata[i]))
      return mblm_json_fail (
          &self->json, "ends a template with a wrong constraint");
  g_ptr_array_set_size (self->steps, 0);
  g_ptr_array_set_size (self->constraints, 0);
  return (template->steps->len > 0 && template->wordings->len > 0) ||
      mblm_json_fail (&self->json, "ends a template without text or nodes");
}

static gboolean
read_template (Reader *self, gpointer data)
{
  const char *file = data;
  GPtrArray *families = self->templates->families;
  guint index = 0;

  for (guint i = 0; i < families->len; i++)
    index += g_str_equal (
        ((MblmClevrTemplate *) families->pdata[i])->file, file);
  self->template = template_new (file, index);
  g_ptr_array_add (families, self->template);
  for (;;) {
    MblmJsonToken token = mblm_json_next (&self->json);
    const char *key = self->json.string->str;
    gboolean good;

    if (token == MBLM_JSON_OBJECT_END)
      return understand (self);
    if (token != MBLM_JSON_KEY)
      return FALSE;
    if (g_str_equal (key, "text"))
      good = read_list (self, self->template->wordings, NULL);
    else if (g_str_equal (key, "nodes"))
      good = read_objects (self, read_raw, self->steps);
    else if (g_str_equal (key, "constraints"))
      good = read_objects (self, read_raw, self->constraints);
    else
      good = read_objects (self, read_gap, NULL);
    if (!good)
      return FALSE;
  }
}

/* ------------------------------------------------------------------------- */
/* Synonyms                                                                  */
/* ------------------------------------------------------------------------- */

/* Where the ways to say a word belong; NULL: the word is not in use. */
static char ***
find_words (MblmClevrTemplates *templates, const char *word)
{
  guint value;

  if (g_str_equal (word, "thing"))
    return &templates->thing;
  for (guint k = 0; k < MBLM_CLEVR_N_KINDS; k++)
    if (mblm_clevr_find_value ((MblmClevrKind) k, word, &value))
      return &templates->words[k][value];
  return NULL;
}

static gboolean
read_synonyms (Reader *self)
{
  if (!expect (self, MBLM_JSON_OBJECT))
    return FALSE;
  for (;;) {
    g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
    MblmJsonToken token = mblm_json_next (&self->json);
    char ***place;

    if (token == MBLM_JSON_OBJECT_END)
      break;
    if (token != MBLM_JSON_KEY)
      return FALSE;
    place = find_words (self->templates, self->json.string->str);
    if (!read_list (self, words, NULL) || words->len == 0)
      return mblm_json_fail (&self->json, "is not a list of words");
    if (!place)
      continue;
    g_strfreev (*place);
    g_ptr_array_add (words, NULL);
    *place = (char **) g_ptr_array_free (g_steal_pointer (&words), FALSE);
  }
  /* the others are said as they are */
  for (guint k = 0; k < MBLM_CLEVR_N_KINDS; k++)
    for (guint v = 0; v < mblm_clevr_count_values ((MblmClevrKind) k); v++)
      if (!self->templates->words[k][v]) {
        const char *name = mblm_clevr_value_name ((MblmClevrKind) k, v);

        self->templates->words[k][v] = g_strdupv (
            (char *[]){(char *) name, NULL});
      }
  return self->templates->thing ||
      mblm_json_fail (&self->json, "ends without \"thing\"");
}

/* ------------------------------------------------------------------------- */

static gboolean
read_file (MblmClevrTemplates *templates, const char *file, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/mblm/clevr/%s.json", file);
  g_autoptr (GBytes)
      bytes = g_resource_lookup_data (mblm_clevr_templates_get_resource (),
          path, G_RESOURCE_LOOKUP_FLAGS_NONE, error);
  Reader self = {.templates = templates};
  gboolean good;

  if (!bytes)
    return FALSE;
  mblm_json_init (
      &self.json, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  self.steps = g_ptr_array_new_with_free_func ((GDestroyNotify) raw_free);
  self.constraints = g_ptr_array_new_with_free_func ((GDestroyNotify) raw_free);
  good = g_str_equal (file, "synonyms")
      ? read_synonyms (&self)
      : read_objects (&self, read_template, (gpointer) file);
  good = good && expect (&self, MBLM_JSON_END);
  if (!good)
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT, "%s: line %u: %s", path,
        mblm_json_get_line (&self.json), self.json.problem);
  g_ptr_array_unref (self.steps);
  g_ptr_array_unref (self.constraints);
  mblm_json_clear (&self.json);
  return good;
}

MblmClevrTemplates *
mblm_clevr_templates_load (GError **error)
{
  g_autoptr (MblmClevrTemplates) self = g_new0 (MblmClevrTemplates, 1);

  self->families = g_ptr_array_new_with_free_func (
      (GDestroyNotify) template_free);
  if (!read_file (self, "synonyms", error))
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    if (!read_file (self, files[i], error))
      return NULL;
  return g_steal_pointer (&self);
}

void
mblm_clevr_templates_free (MblmClevrTemplates *self)
{
  g_ptr_array_unref (self->families);
  for (guint k = 0; k < MBLM_CLEVR_N_KINDS; k++)
    for (guint v = 0; v < MBLM_CLEVR_MAX_VALUES; v++)
      g_strfreev (self->words[k][v]);
  g_strfreev (self->thing);
  g_free (self);
}
