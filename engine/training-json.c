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

static const struct {
  const char *name;
  Kind kind;
  gsize offset;
} fields[] = {
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

char *
mblm_training_state_to_json (MblmTrainingState *self)
{
  GString *out = g_string_new (NULL);

  g_string_append_printf (out, "{\n  \"format\": %d", FORMAT);
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++) {
    const void *at = (const guint8 *) self + fields[i].offset;
    const char *text = *(char *const *) at;

    g_string_append_printf (out, ",\n  \"%s\": ", fields[i].name);
    if (fields[i].kind == TEXT)
      mblm_json_append_string (out, text != NULL ? text : "");
    else if (fields[i].kind == COUNT)
      g_string_append_printf (out, "%" G_GUINT64_FORMAT, *(const guint64 *) at);
    else
      append_real (out, *(const double *) at);
  }
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
read_best (MblmJson *json, GArray *best)
{
  MblmJsonToken token;

  if (!expect_key (json, "best") || mblm_json_next (json) != MBLM_JSON_ARRAY)
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
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++) {
    void *at = (guint8 *) self + fields[i].offset;

    if (!expect_key (json, fields[i].name) ||
        !(fields[i].kind == TEXT          ? read_text (json, at)
                : fields[i].kind == COUNT ? read_count (json, at)
                                          : read_real (json, at)))
      return FALSE;
  }
  return read_best (json, self->best) &&
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
