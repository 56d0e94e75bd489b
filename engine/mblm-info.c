/* mblm-info.c: what the published configuration lacks: mblm.json.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "info-private.h"

#include "json.h"

const char *const mblm_task_names[] = {"text", "qa", NULL};
const char *const mblm_token_names[] = {"pad", "end", "text", "image", NULL};
const char *const mblm_order_names[] = {"interleaved", "planar", "tiles", NULL};
const char *const mblm_filter_names[] = {"lanczos", "bilinear", "area", NULL};
const char *const mblm_segment_names[] = {"question", "image", "answer", NULL};

G_DEFINE_FINAL_TYPE (MblmInfo, mblm_info, G_TYPE_OBJECT)

static void
mblm_info_finalize (GObject *object)
{
  MblmInfo *self = MBLM_INFO (object);

  g_free (self->name);
  g_free (self->licence);
  g_free (self->trained_on);
  g_free (self->figures);
  g_strfreev (self->answers);
  G_OBJECT_CLASS (mblm_info_parent_class)->finalize (object);
}

static void
mblm_info_class_init (MblmInfoClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mblm_info_finalize;
}

static void
mblm_info_init (MblmInfo *self)
{
  for (guint i = 0; i < MBLM_N_TOKENS; i++)
    self->tokens[i] = -1;
}

MblmInfo *
mblm_info_new_default (const char *name, gint pad_id)
{
  MblmInfo *self = g_object_new (MBLM_TYPE_INFO, NULL);

  self->name = g_strdup (name);
  self->tokens[MBLM_TOKEN_PAD] = pad_id;
  return self;
}

const char *
mblm_info_get_name (MblmInfo *self)
{
  return self->name;
}

MblmTask
mblm_info_get_task (MblmInfo *self)
{
  return self->task;
}

/**
 * mblm_info_get_licence:
 *
 * Gives the licence of the model.
 *
 * Returns: (nullable): the licence
 */
const char *
mblm_info_get_licence (MblmInfo *self)
{
  return self->licence;
}

/**
 * mblm_info_get_trained_on:
 *
 * Tells what the model was trained on.
 *
 * Returns: (nullable): a sentence
 */
const char *
mblm_info_get_trained_on (MblmInfo *self)
{
  return self->trained_on;
}

/**
 * mblm_info_get_figures:
 *
 * Gives the measured figures of the model.
 *
 * Returns: (nullable): JSON
 */
const char *
mblm_info_get_figures (MblmInfo *self)
{
  return self->figures;
}

gint
mblm_info_get_token (MblmInfo *self, MblmToken token)
{
  g_return_val_if_fail (token < MBLM_N_TOKENS, -1);
  return self->tokens[token];
}

gboolean
mblm_info_is_special (MblmInfo *self, gint id)
{
  for (guint i = 0; i < MBLM_N_TOKENS; i++)
    if (self->tokens[i] >= 0 && self->tokens[i] == id)
      return TRUE;
  return FALSE;
}

gboolean
mblm_info_is_explicit (MblmInfo *self)
{
  return self->is_explicit;
}

const MblmImageLayout *
mblm_info_get_image (MblmInfo *self)
{
  return self->has_image ? &self->image : NULL;
}

/**
 * mblm_info_get_sample:
 * @n: (out): the number of segments
 *
 * Gives the order of segments in a sample.
 *
 * Returns: (array length=n) (transfer none): the segments
 */
const MblmSegment *
mblm_info_get_sample (MblmInfo *self, guint *n)
{
  *n = self->n_sample;
  return self->sample;
}

gboolean
mblm_info_get_align (MblmInfo *self)
{
  return self->align;
}

gsize
mblm_info_get_segment_bytes (MblmInfo *self, MblmSegment segment)
{
  g_return_val_if_fail (segment < MBLM_N_SEGMENTS, 0);
  return self->segment_bytes[segment];
}

/**
 * mblm_info_get_answers:
 *
 * Gives the answer vocabulary.
 *
 * Returns: (array zero-terminated=1) (transfer none) (nullable): the answers
 */
const char *const *
mblm_info_get_answers (MblmInfo *self)
{
  return (const char *const *) self->answers;
}

/* A key and, where there is no value, null. */
static void
append_text (GString *out, const char *key, const char *value)
{
  g_string_append_printf (out, "  \"%s\": ", key);
  if (value != NULL)
    mblm_json_append_string (out, value);
  else
    g_string_append (out, "null");
  g_string_append (out, ",\n");
}

static void
append_tokens (GString *out, const MblmInfo *self)
{
  const char *separator = " ";

  g_string_append (out, "  \"tokens\": {");
  for (guint i = 0; i < MBLM_N_TOKENS; i++) {
    if (self->tokens[i] < 0)
      continue;
    g_string_append_printf (
        out, "%s\"%s\": %d", separator, mblm_token_names[i], self->tokens[i]);
    separator = ", ";
  }
  g_string_append (out, " },\n");
}

static void
append_number_or_null (
    GString *out, const char *key, gboolean there, guint value)
{
  if (there)
    g_string_append_printf (out, ", \"%s\": %u", key, value);
  else
    g_string_append_printf (out, ", \"%s\": null", key);
}

static void
append_image (GString *out, const MblmImageLayout *image)
{
  char w[G_ASCII_DTOSTR_BUF_SIZE], h[G_ASCII_DTOSTR_BUF_SIZE];

  g_ascii_dtostr (w, sizeof w, image->crop_w);
  g_ascii_dtostr (h, sizeof h, image->crop_h);
  g_string_append_printf (out,
      "  \"image\": { \"width\": %u, \"height\": %u, \"order\": \"%s\", "
      "\"filter\": \"%s\", \"crop\": [%s, %s]",
      image->width, image->height, mblm_order_names[image->order],
      mblm_filter_names[image->filter], w, h);
  if (image->order == MBLM_ORDER_TILES)
    g_string_append_printf (
        out, ", \"tile\": [%u, %u]", image->tile_w, image->tile_h);
  append_number_or_null (out, "bins", image->bins > 0, image->bins);
  append_number_or_null (
      out, "shift", image->shift >= 0, (guint) MAX (image->shift, 0));
  g_string_append_printf (
      out, ", \"stream\": \"%s\"", image->jpeg ? "jpeg" : "pixels");
  append_number_or_null (out, "quality", image->jpeg, image->quality);
  g_string_append (out, " },\n");
}

static void
append_sample (GString *out, const MblmInfo *self)
{
  const char *separator = " ";

  g_string_append (out, "  \"sample\": [");
  for (guint i = 0; i < self->n_sample; i++)
    g_string_append_printf (out, "%s\"%s\"", i > 0 ? ", " : "",
        mblm_segment_names[self->sample[i]]);
  g_string_append (out, "],\n  \"segment_bytes\": {");
  for (guint i = 0; i < MBLM_N_SEGMENTS; i++) {
    if (self->segment_bytes[i] == 0)
      continue;
    g_string_append_printf (out, "%s\"%s\": %" G_GSIZE_FORMAT, separator,
        mblm_segment_names[i], self->segment_bytes[i]);
    separator = ", ";
  }
  g_string_append (out, " },\n");
}

static void
append_answers (GString *out, char **answers)
{
  g_string_append (out, "  \"answers\": [");
  for (guint i = 0; answers[i] != NULL; i++) {
    g_string_append (out, i > 0 ? ", " : "");
    mblm_json_append_string (out, answers[i]);
  }
  g_string_append (out, "],\n");
}

char *
mblm_info_to_json (MblmInfo *self)
{
  GString *out = g_string_new ("{\n  \"format\": 1,\n");

  append_text (out, "name", self->name);
  append_text (out, "task", mblm_task_names[self->task]);
  append_text (out, "licence", self->licence);
  append_text (out, "trained_on", self->trained_on);
  if (self->figures != NULL)
    g_string_append_printf (out, "  \"figures\": %s,\n", self->figures);
  append_tokens (out, self);
  if (self->has_image)
    append_image (out, &self->image);
  if (self->n_sample > 0)
    append_sample (out, self);
  if (self->answers != NULL)
    append_answers (out, self->answers);
  g_string_append_printf (
      out, "  \"align\": %s\n}\n", self->align ? "true" : "false");
  return g_string_free (out, FALSE);
}
