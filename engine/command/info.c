/* info.c: `mblm info`, what a model is and what it costs.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "command.h"

#include "info-private.h"
#include "output.h"

#include <inttypes.h>
#include <string.h>

static const char *
position_name (MblmPosition position)
{
  switch (position) {
    case MBLM_POSITION_FIXED:
      return "fixed";
    case MBLM_POSITION_ROPE:
      return "rope";
    case MBLM_POSITION_NONE:
      break;
  }
  return "none";
}

static const char *
task_name (MblmTask task)
{
  return task == MBLM_TASK_QA ? "qa" : "text";
}

/* ------------------------------------------------------------------------- */
/* JSON                                                                      */
/* ------------------------------------------------------------------------- */

static void
add_stages (JsonBuilder *builder, MblmModel *model)
{
  MblmConfig *config = mblm_model_get_config (model);

  json_builder_set_member_name (builder, "stages");
  json_builder_begin_array (builder);
  for (guint k = 0; k < mblm_config_get_n_stages (config); k++) {
    json_builder_begin_object (builder);
    json_add_string (builder, "block", mblm_config_get_block_type (config, k));
    json_add_count (
        builder, "hidden_dim", mblm_config_get_hidden_dim (config, k));
    json_add_count (builder, "layers", mblm_config_get_n_layers (config, k));
    json_add_count (builder, "seq_len", mblm_config_get_seq_len (config, k));
    json_add_count (builder, "patch", mblm_config_get_patch (config, k));
    json_add_string (builder, "positions",
        position_name (mblm_config_get_position (config, k)));
    json_add_count (
        builder, "parameters", mblm_model_get_n_stage_parameters (model, k));
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
}

static void
add_image (JsonBuilder *builder, const MblmImageLayout *image)
{
  json_builder_set_member_name (builder, "image");
  if (!image) {
    json_builder_add_null_value (builder);
    return;
  }
  json_builder_begin_object (builder);
  json_add_count (builder, "width", image->width);
  json_add_count (builder, "height", image->height);
  json_add_string (builder, "order", mblm_order_names[image->order]);
  if (image->order == MBLM_ORDER_TILES) {
    json_builder_set_member_name (builder, "tile");
    json_builder_begin_array (builder);
    json_builder_add_int_value (builder, image->tile_w);
    json_builder_add_int_value (builder, image->tile_h);
    json_builder_end_array (builder);
  }
  json_add_string (builder, "filter", mblm_filter_names[image->filter]);
  json_add_string (builder, "stream", image->jpeg ? "jpeg" : "pixels");
  json_builder_end_object (builder);
}

static void
add_info (JsonBuilder *builder, MblmInfo *info)
{
  const char *const *answers = mblm_info_get_answers (info);
  const char *figures = mblm_info_get_figures (info);
  g_autoptr (JsonNode) node = figures ? json_from_string (figures, NULL) : NULL;

  json_builder_set_member_name (builder, "tokens");
  json_builder_begin_object (builder);
  for (guint token = 0; token < MBLM_N_TOKENS; token++)
    if (mblm_info_get_token (info, token) >= 0)
      json_add_count (
          builder, mblm_token_names[token], mblm_info_get_token (info, token));
  json_builder_end_object (builder);
  add_image (builder, mblm_info_get_image (info));
  json_builder_set_member_name (builder, "answers");
  json_builder_begin_array (builder);
  for (; answers && *answers; answers++)
    json_builder_add_string_value (builder, *answers);
  json_builder_end_array (builder);
  json_add_string (builder, "licence", mblm_info_get_licence (info));
  json_add_string (builder, "trained_on", mblm_info_get_trained_on (info));
  json_builder_set_member_name (builder, "figures");
  if (node)
    json_builder_add_value (builder, g_steal_pointer (&node));
  else
    json_builder_add_null_value (builder);
}

static gboolean
print_json (MblmModel *model, GError **error)
{
  MblmConfig *config = mblm_model_get_config (model);
  MblmInfo *info = mblm_model_get_info (model);
  guint64 context = mblm_config_get_context (config);
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_add_string (builder, "name", mblm_info_get_name (info));
  json_add_string (builder, "path", mblm_model_get_path (model));
  json_add_string (builder, "task", task_name (mblm_info_get_task (info)));
  json_add_string (
      builder, "device", mblm_device_get_name (mblm_model_get_device (model)));
  json_add_string (builder, "precision",
      command_precision_name (mblm_model_get_precision (model)));
  add_stages (builder, model);
  json_add_bool (builder, "causal", mblm_model_is_causal (model));
  json_add_bool (builder, "encoder", mblm_config_is_encoder (config));
  json_add_count (builder, "vocabulary", mblm_config_get_vocabulary (config));
  json_add_count (builder, "parameters", mblm_model_get_n_parameters (model));
  json_add_count (builder, "context", context);
  json_add_count (builder, "weight_bytes", mblm_model_get_weight_bytes (model));
  if (mblm_model_is_causal (model)) {
    json_add_real (
        builder, "step_bytes", mblm_model_get_step_bytes (model, context));
    json_add_count (builder, "session_bytes",
        mblm_model_get_session_bytes (model, context));
  }
  add_info (builder, info);
  json_builder_end_object (builder);
  return output_json (builder, error);
}

/* ------------------------------------------------------------------------- */
/* For people                                                                */
/* ------------------------------------------------------------------------- */

/* A line "label    value"; the label's width counts characters, not bytes. */
static void add_line (GString *text, const char *label, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

static void
add_line (GString *text, const char *label, const char *format, ...)
{
  va_list args;
  glong width = g_utf8_strlen (label, -1);

  g_string_append (text, label);
  for (; width < 20; width++)
    g_string_append_c (text, ' ');
  va_start (args, format);
  g_string_append_vprintf (text, format, args);
  va_end (args);
  g_string_append_c (text, '\n');
}

static void
add_stage_table (GString *text, MblmModel *model)
{
  MblmConfig *config = mblm_model_get_config (model);
  guint n = mblm_config_get_n_stages (config);

  g_string_append_printf (text, "\n%-6s%-20s%7s%8s%9s%9s  %-10s%12s\n", "stage",
      "block", "dim", "layers", "seq_len", "patch", "positions", "parameters");
  for (guint k = 0; k < n; k++)
    g_string_append_printf (text,
        "%-6u%-20s%7" G_GSIZE_FORMAT "%8" G_GSIZE_FORMAT "%9" G_GSIZE_FORMAT
        "%9" G_GSIZE_FORMAT "  %-10s%12" G_GUINT64_FORMAT "\n",
        k + 1, mblm_config_get_block_type (config, k),
        mblm_config_get_hidden_dim (config, k),
        mblm_config_get_n_layers (config, k),
        mblm_config_get_seq_len (config, k), mblm_config_get_patch (config, k),
        position_name (mblm_config_get_position (config, k)),
        mblm_model_get_n_stage_parameters (model, k));
  g_string_append_c (text, '\n');
}

static void
add_tokens (GString *text, MblmInfo *info)
{
  g_autoptr (GString) list = g_string_new (NULL);

  for (guint token = 0; token < MBLM_N_TOKENS; token++)
    if (mblm_info_get_token (info, token) >= 0)
      g_string_append_printf (list, "%s%s %d", list->len ? ", " : "",
          mblm_token_names[token], mblm_info_get_token (info, token));
  add_line (
      text, _ ("special tokens"), "%s", list->len ? list->str : _ ("none"));
}

static void
add_picture (GString *text, MblmInfo *info)
{
  const MblmImageLayout *image = mblm_info_get_image (info);
  const char *const *answers = mblm_info_get_answers (info);
  g_autoptr (GString) sample = g_string_new (NULL);
  g_autoptr (GString) order = g_string_new (NULL);
  guint n;
  const MblmSegment *segments = mblm_info_get_sample (info, &n);

  if (!image)
    return;
  g_string_append (order, mblm_order_names[image->order]);
  if (image->order == MBLM_ORDER_TILES)
    g_string_append_printf (order, " of %u x %u", image->tile_w, image->tile_h);
  add_line (text, _ ("pictures"), "%u x %u, %s, %s, %s", image->width,
      image->height, order->str, mblm_filter_names[image->filter],
      image->jpeg ? "jpeg" : "pixels");
  for (guint i = 0; i < n; i++)
    g_string_append_printf (
        sample, "%s%s", i ? ", " : "", mblm_segment_names[segments[i]]);
  add_line (text, _ ("sample"), "%s", sample->str);
  if (answers) {
    g_autofree char *list = g_strjoinv (", ", (char **) answers);

    add_line (text, _ ("answers"), "%s", list);
  }
}

static void
add_costs (GString *text, MblmModel *model)
{
  guint64 context = mblm_config_get_context (mblm_model_get_config (model));
  g_autofree char *weights = g_format_size (
      mblm_model_get_weight_bytes (model));

  add_line (text, _ ("weights"), "%s (%s)", weights,
      command_precision_name (mblm_model_get_precision (model)));
  if (!mblm_model_is_causal (model)) {
    add_line (text, _ ("streams"), "%s", _ ("none: this model is not causal"));
    return;
  }

  g_autofree char *step = g_format_size (
      mblm_model_get_step_bytes (model, context));
  g_autofree char *session = g_format_size (
      mblm_model_get_session_bytes (model, context));

  add_line (
      text, _ ("per generated byte"), _ ("%s touched, at full context"), step);
  add_line (
      text, _ ("per stream"), _ ("%s of state, at full context"), session);
}

static gboolean
print_table (MblmModel *model, GError **error)
{
  MblmConfig *config = mblm_model_get_config (model);
  MblmInfo *info = mblm_model_get_info (model);
  const char *licence = mblm_info_get_licence (info);
  g_autoptr (GString) text = g_string_new (NULL);

  add_line (text, _ ("name"), "%s", mblm_info_get_name (info));
  add_line (text, _ ("folder"), "%s", mblm_model_get_path (model));
  add_line (text, _ ("task"), "%s", task_name (mblm_info_get_task (info)));
  add_line (text, _ ("device"), "%s",
      mblm_device_get_description (mblm_model_get_device (model)));
  add_stage_table (text, model);
  add_line (text, _ ("parameters"), "%" G_GUINT64_FORMAT,
      mblm_model_get_n_parameters (model));
  add_line (text, _ ("context"), _ ("%" PRIu64 " bytes"),
      mblm_config_get_context (config));
  add_line (text, _ ("vocabulary"), "%u", mblm_config_get_vocabulary (config));
  add_costs (text, model);
  add_tokens (text, info);
  add_picture (text, info);
  add_line (text, _ ("licence"), "%s", licence ? licence : _ ("not stated"));
  if (mblm_info_get_trained_on (info))
    add_line (text, _ ("trained on"), "%s", mblm_info_get_trained_on (info));
  if (mblm_info_get_figures (info))
    add_line (text, _ ("figures"), "%s", mblm_info_get_figures (info));

  /* What others wrote into mblm.json or config.yaml moves no cursor. */
  g_autofree char *shown = output_escape_lines (text->str);
  return output_write (shown, strlen (shown), error);
}

int
command_info (Command *command, char **argv)
{
  const CommandUsage usage = {
      .parameters = _ ("MODEL"),
      .summary = _ ("Prints the stages of a model, its parameters and context, "
                    "the bytes that one\ngenerated byte touches, the memory of "
                    "one stream, its special tokens and licence."),
      .description = _ ("Example:\n  mblm info text --json"),
      .min = 1,
      .max = 1,
  };
  g_autoptr (GError) error = NULL;
  int status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;

  g_autoptr (MblmModel) model = command_load_model (command, names[0], &error);

  if (!model ||
      !(command->json ? print_json (model, &error)
                      : print_table (model, &error)))
    return command_fail (command, g_steal_pointer (&error));
  return COMMAND_OK;
}
