/* debug-greedy.c: `mblm debug greedy`, the most probable continuation as ids.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every id of the vocabulary may come, special ones too; the lowest wins among
 * equals. A context that is full is an error here, not a new beginning.
 */

#include "debug.h"

#include "output.h"
#include "predictor.h"

/* Continues ids [n] by `wanted` ids into `out`. */
static gboolean
continue_greedily (Command *command, Predictor *predictor, MblmSampler *sampler,
    guint vocabulary, const gint32 *ids, gsize n, gsize wanted, gint32 *out,
    GError **error)
{
  GCancellable *cancellable = command->cancellable;

  predictor_reset (predictor);
  if (!predictor_feed (predictor, ids, n, cancellable, error))
    return FALSE;
  for (gsize i = 0; i < wanted; i++) {
    if (i && !predictor_feed (predictor, &out[i - 1], 1, cancellable, error))
      return FALSE;

    const float *logits = predictor_get_logits (predictor, cancellable, error);

    if (!logits)
      return FALSE;
    out[i] = mblm_sampler_draw_logits (sampler, logits, vocabulary, error);
    if (out[i] < 0)
      return FALSE;
    if (progress_due ())
      progress_show ("%" G_GSIZE_FORMAT " / %" G_GSIZE_FORMAT, i + 1, wanted);
  }
  progress_clear ();
  return TRUE;
}

static gboolean
write_greedy (Command *command, const char *name, const char *path,
    gsize wanted, const char *output, GError **error)
{
  g_auto (DebugIds) ids = {.ids = NULL};
  gsize n;

  if (!debug_ids_load (path, &ids, error))
    return FALSE;

  g_autoptr (MblmModel) model = command_load_model (command, name, error);
  g_autoptr (Predictor) predictor = model ? predictor_new (model, error) : NULL;
  g_autoptr (MblmSampler) sampler = mblm_sampler_new ();

  if (!predictor)
    return FALSE;

  guint vocabulary = mblm_config_get_vocabulary (mblm_model_get_config (model));
  g_autofree gint32 *out = g_size_checked_mul (&n, ids.batch, wanted)
      ? g_try_new (gint32, MAX (n, 1))
      : NULL;

  if (!out) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        _ ("not enough memory for %zu ids for each sequence: ask for fewer"),
        wanted);
    return FALSE;
  }
  predictor_set_context_full (predictor, MBLM_CONTEXT_FULL_ERROR);
  for (gsize b = 0; b < ids.batch; b++)
    if (!continue_greedily (command, predictor, sampler, vocabulary,
            ids.ids + b * ids.length, ids.length, wanted, out + b * wanted,
            error))
      return FALSE;
  return mblm_npy_save_ids (
      output, out, 2, (const gsize[]){ids.batch, wanted}, error);
}

int
command_debug_greedy (Command *command, char **argv)
{
  g_autofree char *ids = NULL, *output = NULL, *n_text = NULL;
  const GOptionEntry entries[] = {
      {"ids", 0, 0, G_OPTION_ARG_FILENAME, &ids,
          N_ ("Prompts [batch, length]; length 0 is an empty prompt"),
          N_ ("P.npy")},
      {"count", 'n', 0, G_OPTION_ARG_STRING, &n_text,
          N_ ("Ids to continue each by"), N_ ("N")},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
          N_ ("Where to write the array"), N_ ("O.npy")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ ("MODEL --ids P.npy -n N --output O.npy"),
      .summary = _ ("Writes the most probable continuation as ids [batch, N]. "
                    "Ids from 256 up count as\nany other; the end of the "
                    "context is an error."),
      .entries = entries,
      .min = 1,
      .max = 1,
  };
  g_autoptr (GError) error = NULL;
  guint64 n = 0;
  int status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;
  if (!ids || !n_text || !output)
    return command_usage_error (
        command, _ ("--ids, -n and --output must be given"));
  if (!command_parse_number (command, "-n", n_text, 0, G_MAXINT32, &n))
    return COMMAND_USAGE;
  if (!write_greedy (command, names[0], ids, n, output, &error))
    return command_fail (command, g_steal_pointer (&error));
  return COMMAND_OK;
}
