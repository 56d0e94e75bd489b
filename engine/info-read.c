/* info-read.c: mblm.json into an MblmInfo.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Every key has a reader; a key that has none, or that comes twice, is an error.
 * Optional keys may be null.
 */

#include "info-read-private.h"

#include <string.h>

#include "mblm-error.h"
#include "message.h"
#include "read-file.h"

#define MAX_TEXT 65536
#define MAX_ANSWERS 65536
#define MAX_SEGMENT ((guint64) 1 << 31)

G_GNUC_PRINTF (3, 4)
gboolean
mblm_info_fail (
    const MblmInfoReader *self, GError **error, const char *format, ...)
{
  va_list args;
  g_autofree char *text = NULL;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG, "%s, line %u: %s",
      self->file, mblm_json_get_line (&self->json), text);
  return FALSE;
}

/* Another token than `wanted` was there. */
gboolean
mblm_info_fail_token (
    const MblmInfoReader *self, const char *wanted, GError **error)
{
  if (self->json.problem != NULL)
    return mblm_info_fail (
        self, error, "not valid JSON: %s", self->json.problem);
  return mblm_info_fail (
      self, error, "%s must be %s", self->key ? self->key : "the file", wanted);
}

static char *
list_keys (const MblmInfoField *fields, guint n, const char *word)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (names, (gpointer) fields[i].key);
  g_ptr_array_add (names, NULL);
  return mblm_suggest (word, (const char *const *) names->pdata);
}

/* An object, whose brace is read here; `seen` gets a bit per field. */
gboolean
mblm_info_read_fields (MblmInfoReader *self, const MblmInfoField *fields,
    guint n, guint *seen, GError **error)
{
  const char *outer = self->key;
  MblmJsonToken token;

  *seen = 0;
  if (mblm_json_next (&self->json) != MBLM_JSON_OBJECT)
    return mblm_info_fail_token (self, "an object", error);
  while ((token = mblm_json_next (&self->json)) == MBLM_JSON_KEY) {
    const char *key = self->json.string->str;
    g_autofree char *quoted = mblm_quote (key, -1);
    guint i = 0;

    while (i < n && !g_str_equal (fields[i].key, key))
      i++;
    if (i == n) {
      g_autofree char *advice = list_keys (fields, n, key);

      return mblm_info_fail (self, error, "unknown key %s%s", quoted, advice);
    }
    if ((*seen & (1u << i)) != 0)
      return mblm_info_fail (self, error, "the key %s is there twice", quoted);
    *seen |= 1u << i;
    self->key = fields[i].key;
    if (fields[i].optional && mblm_json_take_null (&self->json))
      continue;
    if (!fields[i].read (self, error))
      return FALSE;
  }
  self->key = outer;
  return token == MBLM_JSON_OBJECT_END
      ? TRUE
      : mblm_info_fail_token (self, "an object", error);
}

static gboolean
read_text (MblmInfoReader *self, gsize max, char **out, GError **error)
{
  if (mblm_json_next (&self->json) != MBLM_JSON_STRING)
    return mblm_info_fail_token (self, "a string", error);
  if (self->json.string->len == 0 || self->json.string->len > max)
    return mblm_info_fail (self, error,
        "%s has from 1 to %" G_GSIZE_FORMAT " bytes", self->key, max);
  *out = g_strdup (self->json.string->str);
  return TRUE;
}

gboolean
mblm_info_read_unsigned (MblmInfoReader *self, guint64 min, guint64 max,
    guint64 *out, GError **error)
{
  MblmJsonToken token = mblm_json_next (&self->json);

  if (token == MBLM_JSON_NUMBER && mblm_json_get_unsigned (&self->json, out) &&
      *out >= min && *out <= max)
    return TRUE;
  if (self->json.problem != NULL)
    return mblm_info_fail_token (self, "", error);
  return mblm_info_fail (self, error,
      "%s%s%s must be a whole number from %" G_GUINT64_FORMAT
      " to %" G_GUINT64_FORMAT,
      self->key, token == MBLM_JSON_NUMBER ? " is " : "",
      token == MBLM_JSON_NUMBER ? self->json.string->str : "", min, max);
}

/* One of the NULL-terminated words. */
gboolean
mblm_info_read_word (
    MblmInfoReader *self, const char *const *words, guint *out, GError **error)
{
  g_autofree char *list = g_strjoinv (", ", (char **) words);

  if (mblm_json_next (&self->json) != MBLM_JSON_STRING)
    return mblm_info_fail_token (self, list, error);
  for (*out = 0; words[*out] != NULL; (*out)++)
    if (g_str_equal (words[*out], self->json.string->str))
      return TRUE;

  g_autofree char *quoted = mblm_quote (self->json.string->str, -1);
  return mblm_info_fail (
      self, error, "%s can't be %s; it is one of %s", self->key, quoted, list);
}

static gboolean
read_format (MblmInfoReader *self, GError **error)
{
  guint64 format;

  return mblm_info_read_unsigned (self, 1, 1, &format, error);
}

static gboolean
read_name (MblmInfoReader *self, GError **error)
{
  return read_text (self, 256, &self->info->name, error);
}

static gboolean
read_task (MblmInfoReader *self, GError **error)
{
  guint task;

  if (!mblm_info_read_word (self, mblm_task_names, &task, error))
    return FALSE;
  self->info->task = (MblmTask) task;
  return TRUE;
}

static gboolean
read_licence (MblmInfoReader *self, GError **error)
{
  return read_text (self, MAX_TEXT, &self->info->licence, error);
}

static gboolean
read_trained_on (MblmInfoReader *self, GError **error)
{
  return read_text (self, MAX_TEXT, &self->info->trained_on, error);
}

static gboolean
read_figures (MblmInfoReader *self, GError **error)
{
  gsize from = self->json.at;

  if (!mblm_json_skip (&self->json))
    return mblm_info_fail_token (self, "an object", error);
  self->info->figures = g_strndup (
      self->json.text + from, self->json.at - from);
  g_strstrip (self->info->figures);
  if (self->info->figures[0] != '{')
    return mblm_info_fail_token (self, "an object", error);
  return TRUE;
}

static gboolean
read_token (MblmInfoReader *self, MblmToken token, GError **error)
{
  guint64 id;

  if (!mblm_info_read_unsigned (self, 0, self->vocabulary - 1, &id, error))
    return FALSE;
  for (guint i = 0; i < MBLM_N_TOKENS; i++)
    if (self->info->tokens[i] == (gint) id)
      return mblm_info_fail (self, error,
          "the tokens %s and %s have the same id", mblm_token_names[i],
          self->key);
  self->info->tokens[token] = (gint) id;
  return TRUE;
}

static gboolean
read_pad (MblmInfoReader *self, GError **error)
{
  return read_token (self, MBLM_TOKEN_PAD, error);
}

static gboolean
read_end (MblmInfoReader *self, GError **error)
{
  return read_token (self, MBLM_TOKEN_END, error);
}

static gboolean
read_text_token (MblmInfoReader *self, GError **error)
{
  return read_token (self, MBLM_TOKEN_TEXT, error);
}

static gboolean
read_image_token (MblmInfoReader *self, GError **error)
{
  return read_token (self, MBLM_TOKEN_IMAGE, error);
}

static gboolean
read_tokens (MblmInfoReader *self, GError **error)
{
  static const MblmInfoField fields[] = {{"pad", read_pad, TRUE},
      {"end", read_end, TRUE}, {"text", read_text_token, TRUE},
      {"image", read_image_token, TRUE}};
  guint seen;

  return mblm_info_read_fields (
      self, fields, G_N_ELEMENTS (fields), &seen, error);
}

static gboolean
read_sample (MblmInfoReader *self, GError **error)
{
  MblmInfo *info = self->info;
  const char *wanted = "a list of question, image and answer";

  if (mblm_json_next (&self->json) != MBLM_JSON_ARRAY)
    return mblm_info_fail_token (self, wanted, error);
  for (;;) {
    MblmJsonToken token = mblm_json_next (&self->json);
    guint i = 0;

    if (token == MBLM_JSON_ARRAY_END)
      return TRUE;
    if (token != MBLM_JSON_STRING)
      return mblm_info_fail_token (self, wanted, error);
    while (i < MBLM_N_SEGMENTS &&
        !g_str_equal (mblm_segment_names[i], self->json.string->str))
      i++;
    if (i == MBLM_N_SEGMENTS)
      return mblm_info_fail_token (self, wanted, error);
    if (info->n_sample == MBLM_INFO_MAX_SAMPLE)
      return mblm_info_fail (self, error, "sample has more than %d segments",
          MBLM_INFO_MAX_SAMPLE);
    info->sample[info->n_sample++] = (MblmSegment) i;
  }
}

static gboolean
read_align (MblmInfoReader *self, GError **error)
{
  MblmJsonToken token = mblm_json_next (&self->json);

  self->info->align = token == MBLM_JSON_TRUE;
  return token == MBLM_JSON_TRUE || token == MBLM_JSON_FALSE
      ? TRUE
      : mblm_info_fail_token (self, "true or false", error);
}

static gboolean
read_segment (MblmInfoReader *self, MblmSegment segment, GError **error)
{
  guint64 value;

  if (!mblm_info_read_unsigned (self, 1, MAX_SEGMENT, &value, error))
    return FALSE;
  self->info->segment_bytes[segment] = (gsize) value;
  return TRUE;
}

static gboolean
read_question_bytes (MblmInfoReader *self, GError **error)
{
  return read_segment (self, MBLM_SEGMENT_QUESTION, error);
}

static gboolean
read_image_bytes (MblmInfoReader *self, GError **error)
{
  return read_segment (self, MBLM_SEGMENT_IMAGE, error);
}

static gboolean
read_answer_bytes (MblmInfoReader *self, GError **error)
{
  return read_segment (self, MBLM_SEGMENT_ANSWER, error);
}

static gboolean
read_segment_bytes (MblmInfoReader *self, GError **error)
{
  static const MblmInfoField fields[] = {
      {"question", read_question_bytes, TRUE},
      {"image", read_image_bytes, TRUE}, {"answer", read_answer_bytes, TRUE}};
  guint seen;

  return mblm_info_read_fields (
      self, fields, G_N_ELEMENTS (fields), &seen, error);
}

static gboolean
read_answers (MblmInfoReader *self, GError **error)
{
  g_autoptr (GPtrArray) answers = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  MblmJsonToken token;

  if (mblm_json_next (&self->json) != MBLM_JSON_ARRAY)
    return mblm_info_fail_token (self, "a list of strings", error);
  while ((token = mblm_json_next (&self->json)) == MBLM_JSON_STRING) {
    char *answer = g_strdup (self->json.string->str);

    g_ptr_array_add (answers, answer);
    if (answer[0] == '\0' || answers->len > MAX_ANSWERS)
      return mblm_info_fail (self, error,
          answer[0] == '\0' ? "an empty answer" : "more than 65536 answers");
    if (!g_hash_table_add (seen, answer)) {
      g_autofree char *quoted = mblm_quote (answer, -1);

      return mblm_info_fail (
          self, error, "the answer %s is there twice", quoted);
    }
  }
  if (token != MBLM_JSON_ARRAY_END)
    return mblm_info_fail_token (self, "a list of strings", error);
  if (answers->len == 0)
    return mblm_info_fail (
        self, error, "answers is empty; leave it out or null");
  g_ptr_array_add (answers, NULL);
  self->info->answers = (char **) g_ptr_array_free (
      g_steal_pointer (&answers), FALSE);
  return TRUE;
}

/* What holds between keys. */
static gboolean
check (const MblmInfoReader *self, guint seen, GError **error)
{
  static const struct {
    guint bit;
    const char *key;
  } needed[] = {{0, "format"}, {1, "name"}, {2, "task"}};
  const MblmInfo *info = self->info;
  guint counts[MBLM_N_SEGMENTS] = {0};

  for (guint i = 0; i < G_N_ELEMENTS (needed); i++)
    if ((seen & (1u << needed[i].bit)) == 0)
      return mblm_info_fail (
          self, error, "the key \"%s\" is missing", needed[i].key);
  if (info->task == MBLM_TASK_TEXT)
    return info->n_sample == 0
        ? TRUE
        : mblm_info_fail (self, error, "sample belongs to the task qa");
  for (guint i = 0; i < info->n_sample; i++)
    counts[info->sample[i]]++;
  if (!info->has_image)
    return mblm_info_fail (self, error,
        "the task qa needs image: how a picture becomes "
        "bytes");
  if (counts[MBLM_SEGMENT_IMAGE] == 0 || counts[MBLM_SEGMENT_ANSWER] != 1 ||
      info->sample[info->n_sample - 1] != MBLM_SEGMENT_ANSWER)
    return mblm_info_fail (self, error,
        "the task qa needs a sample with an image, and "
        "one answer at its end");
  return TRUE;
}

/**
 * mblm_info_parse:
 * @text: (array length=length) (element-type guint8): JSON
 * @length: bytes of @text
 * @name: what messages call it
 * @vocabulary: the bound of the ids
 *
 * Returns: (transfer full): what it says
 */
MblmInfo *
mblm_info_parse (const char *text, gsize length, const char *name,
    guint vocabulary, GError **error)
{
  static const MblmInfoField fields[] = {{"format", read_format},
      {"name", read_name}, {"task", read_task}, {"licence", read_licence, TRUE},
      {"trained_on", read_trained_on, TRUE}, {"figures", read_figures, TRUE},
      {"tokens", read_tokens, TRUE}, {"image", mblm_info_read_image, TRUE},
      {"sample", read_sample, TRUE}, {"align", read_align, TRUE},
      {"segment_bytes", read_segment_bytes, TRUE},
      {"answers", read_answers, TRUE}};
  g_autoptr (MblmInfo) info = g_object_new (MBLM_TYPE_INFO, NULL);
  MblmInfoReader self = {.file = name, .vocabulary = vocabulary, .info = info};
  guint seen;
  gboolean ok;

  g_return_val_if_fail (vocabulary > 0, NULL);
  info->is_explicit = TRUE;
  mblm_json_init (&self.json, text, length);
  ok = mblm_info_read_fields (
      &self, fields, G_N_ELEMENTS (fields), &seen, error);
  if (ok && mblm_json_next (&self.json) != MBLM_JSON_END)
    ok = mblm_info_fail_token (&self, "one object", error);
  ok = ok && check (&self, seen, error);
  mblm_json_clear (&self.json);
  return ok ? g_steal_pointer (&info) : NULL;
}

/**
 * mblm_info_load:
 *
 * Returns: (transfer full): what the mblm.json says
 */
MblmInfo *
mblm_info_load (const char *path, guint vocabulary, GError **error)
{
  gsize length;
  g_autofree char *text = mblm_read_file (
      path, MBLM_INFO_MAX_BYTES, &length, error);

  return text != NULL ? mblm_info_parse (text, length, path, vocabulary, error)
                      : NULL;
}
