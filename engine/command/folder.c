/* folder.c: model folders that a subcommand writes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "folder.h"

#include <inttypes.h>
#include <glib/gstdio.h>

#include "output.h"

#define WEIGHTS "model.safetensors"

gboolean
folder_report (Command *command, const char *folder, GError **error)
{
  g_autofree char *weights = g_build_filename (folder, WEIGHTS, NULL);
  g_autoptr (MblmConfig) config = NULL;
  GStatBuf status;

  if (!mblm_model_check (folder, &config, NULL, error))
    return FALSE;

  guint64 size = g_stat (weights, &status) < 0 ? 0 : status.st_size;
  guint64 context = mblm_config_get_context (config);

  if (command->json) {
    g_autoptr (JsonBuilder) builder = json_builder_new ();

    json_builder_begin_object (builder);
    json_add_string (builder, "path", folder);
    json_add_count (builder, "stages", mblm_config_get_n_stages (config));
    json_add_count (builder, "context", context);
    json_add_count (builder, "weight_file_bytes", size);
    json_builder_end_object (builder);
    return output_json (builder, error);
  }

  g_autofree char *escaped = output_escape (folder);
  g_autofree char *size_text = g_format_size (size);

  return output_print (error,
      _ ("%s: %u stages, context %" PRIu64 ", %s of weights\n"), escaped,
      mblm_config_get_n_stages (config), context, size_text);
}
