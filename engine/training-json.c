/* training-json.c: state.json.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Numbers read back as exactly what was written; one that is not finite is null.
 */

#include "training-state.h"

#include <math.h>
#include <stddef.h>

#include "json.h"
#include "mblm-error.h"

#define FORMAT 1

typedef enum {
  TEXT,
  COUNT,
  REAL,
} Kind;

#define FIELD(kind, name)                                                      \
  {                                                                            \
#name, kind, offsetof(MblmTrainingState, name)                             \
  }

typedef struct {
  const char *name;
  Kind kind;
  gsize offset;
} Field;

static const Field fields[] = {
    FIELD (TEXT, name),
    FIELD (TEXT, fingerprint),
    FIELD (TEXT, start),
    FIELD (COUNT, epoch),
    FIELD (COUNT, batch),
    FIELD (COUNT, done),
    FIELD (COUNT, first),
    FIELD (COUNT, adam_steps),
    FIELD (COUNT, schedule_steps),
    FIELD (COUNT, skipped),
    FIELD (COUNT, validations),
    FIELD (COUNT, pending),
    FIELD (COUNT, gradient),
    FIELD (COUNT, spoiled),
    FIELD (COUNT, timed),
    FIELD (COUNT, memory),
    FIELD (REAL, norm),
    FIELD (REAL, clipped),
    FIELD (REAL, seconds),
    FIELD (COUNT, loss_bytes),
    FIELD (COUNT, timemem_bytes),
};

/* Older versions don't write these. */
static const Field later_fields[] = {
    FIELD (COUNT, samples),
    FIELD (COUNT, valid_samples),
    FIELD (TEXT, data),
    FIELD (TEXT, info),
    FIELD (TEXT, device),
};

MblmTrainingState *
mblm_training_state_new (void)
{
  MblmTrainingState *self = g_new0 (MblmTrainingState, 1);

  self->norm = self->clipped = -1;
  self->best = g_array_new (FALSE, FALSE, sizeof (MblmBestModel));
  return self;
}

void
mblm_training_state_free (MblmTrainingState *self)
{
  g_free (self->name);
  g_free (self->fingerprint);
  g_free (self->start);
  g_free (self->data);
  g_free (self->info);
  g_free (self->device);
  g_array_unref (self->best);
  g_free (self);
}

static void
append_real (GString *out, double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append (out,
      isfinite (value) ? g_ascii_dtostr (buffer, sizeof buffer, value)
                       : "null");
}

static void
append_fields (
    GString *out, const MblmTrainingState *self, const Field *list, guint n)
{
  for (guint i = 0; i < n; i++) {
    const void *at = (const guint8 *) self + list[i].offset;
    const char *text = *(char *const *) at;

    g_string_append_printf (out, ",\n  \"%s\": ", list[i].name);
    if (list[i].kind == TEXT)
      mblm_json_append_string (out, text != NULL ? text : "");
    else if (list[i].kind == COUNT)
      g_string_append_printf (out, "%" G_GUINT64_FORMAT, *(const guint64 *) at);
    else
      append_real (out, *(const double *) at);
  }
}

char *
mblm_training_state_to_json (MblmTrainingState *self)
{
  GString *out = g_string_new (NULL);

  g_string_append_printf (out, "{\n  \"format\": %d", FORMAT);
  append_fields (out, self, fields, G_N_ELEMENTS (fields));
  append_fields (out, self, later_fields, G_N_ELEMENTS (later_fields));
  g_string_append (out, ",\n  \"best\": [");
  for (guint i = 0; i < self->best->len; i++) {
    const MblmBestModel *best = &g_array_index (self->best, MblmBestModel, i);

    g_string_append_printf (out,
        "%s\n    {\"batch\": %" G_GUINT64_FORMAT ", \"loss\": ",
        i > 0 ? "," : "", best->batch);
    append_real (out, best->loss);
    g_string_append_c (out, '}');
  }
  g_string_append (out, self->best->len > 0 ? "\n  ]\n}\n" : "]\n}\n");
  return g_string_free (out, FALSE);
}

static gboolean
read_count (MblmJson *json, guint64 *out)
{
  return mblm_json_next (json) == MBLM_JSON_NUMBER &&
      mblm_json_get_unsigned (json, out);
}

static gboolean
read_real (MblmJson *json, double *out)
{
  if (mblm_json_take_null (json)) {
    *out = NAN;
    return TRUE;
  }
  return mblm_json_next (json) == MBLM_JSON_NUMBER &&
      mblm_json_get_double (json, out);
}

static gboolean
read_text (MblmJson *json, char **out)
{
  if (mblm_json_next (json) != MBLM_JSON_STRING)
    return FALSE;
  g_free (*out);
  *out = g_strdup (json->string->str);
  return TRUE;
}

static gboolean
expect_key (MblmJson *json, const char *name)
{
  return mblm_json_next (json) == MBLM_JSON_KEY &&
      g_str_equal (json->string->str, name);
}

static gboolean
read_field (MblmTrainingState *self, MblmJson *json, const Field *field)
{
  void *at = (guint8 *) self + field->offset;

  return field->kind == TEXT ? read_text (json, at)
      : field->kind == COUNT ? read_count (json, at)
                             : read_real (json, at);
}

/* What was added since, and the key behind it. */
static gboolean
read_later (MblmTrainingState *self, MblmJson *json)
{
  if (mblm_json_next (json) != MBLM_JSON_KEY)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (later_fields); i++)
    if (g_str_equal (json->string->str, later_fields[i].name) &&
        (!read_field (self, json, &later_fields[i]) ||
            mblm_json_next (json) != MBLM_JSON_KEY))
      return FALSE;
  return TRUE;
}

/* Its key has been read. */
static gboolean
read_best (MblmJson *json, GArray *best)
{
  MblmJsonToken token;

  if (!g_str_equal (json->string->str, "best") ||
      mblm_json_next (json) != MBLM_JSON_ARRAY)
    return FALSE;
  while ((token = mblm_json_next (json)) == MBLM_JSON_OBJECT) {
    MblmBestModel model;

    if (!expect_key (json, "batch") || !read_count (json, &model.batch) ||
        !expect_key (json, "loss") || !read_real (json, &model.loss) ||
        mblm_json_next (json) != MBLM_JSON_OBJECT_END)
      return FALSE;
    g_array_append_val (best, model);
  }
  return token == MBLM_JSON_ARRAY_END;
}

/* Only what this program writes is read, so the order is known. */
static gboolean
read_state (MblmTrainingState *self, MblmJson *json)
{
  guint64 format;

  if (mblm_json_next (json) != MBLM_JSON_OBJECT ||
      !expect_key (json, "format") || !read_count (json, &format) ||
      format != FORMAT)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    if (!expect_key (json, fields[i].name) ||
        !read_field (self, json, &fields[i]))
      return FALSE;
  return read_later (self, json) && read_best (json, self->best) &&
      mblm_json_next (json) == MBLM_JSON_OBJECT_END &&
      mblm_json_next (json) == MBLM_JSON_END;
}

MblmTrainingState *
mblm_training_state_parse (
    const char *text, gsize length, const char *name, GError **error)
{
  g_autoptr (MblmTrainingState) self = mblm_training_state_new ();
  g_auto (MblmJson) json;

  mblm_json_init (&json, text, length);
  if (read_state (self, &json))
    return g_steal_pointer (&self);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s, line %u: this is no state of a training run, or one of another "
      "version%s%s",
      name, mblm_json_get_line (&json), json.problem != NULL ? ": " : "",
      json.problem != NULL ? json.problem : "");
  return NULL;
}
