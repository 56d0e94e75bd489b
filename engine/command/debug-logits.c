/* debug-logits.c: `mblm debug logits`, the prediction after each id.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One full pass, or with --incremental a session that is fed a few ids at a
 * time: both must give the same.
 */

#include "debug.h"

#include "output.h"

/* Random pieces are short or a good part of what is left. */
#define SHORT_PIECE 12

typedef struct {
  char *ids, *output, *incremental, *attention_mask, *seed;
} Options;

static void
options_clear (Options *self)
{
  g_free (self->ids);
  g_free (self->output);
  g_free (self->incremental);
  g_free (self->attention_mask);
  g_free (self->seed);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static gsize
draw_piece (GRand *random, gsize left)
{
  guint32 most = MIN (left, G_MAXINT32 - 1);

  if (g_rand_boolean (random))
    most = MIN (most, SHORT_PIECE);
  return g_rand_int_range (random, 1, most + 1);
}

/* Feeds ids [n] in pieces of `piece`, or random ones with `random`; `logits`
 * [max (n, 1), vocabulary]. */
static gboolean
feed_in_pieces (Command *command, MblmSession *session, const gint32 *ids,
    gsize n, gsize piece, GRand *random, gsize vocabulary, float *logits,
    GError **error)
{
  mblm_session_reset (session);
  if (!n) {
    const float *first = mblm_session_get_logits (
        session, MBLM_START_CHAINED, error);

    if (first)
      memcpy (logits, first, vocabulary * sizeof (float));
    return first != NULL;
  }
  for (gsize done = 0; done < n;) {
    gsize length = random ? draw_piece (random, n - done)
                          : MIN (piece, n - done);

    if (!mblm_session_feed_logits (session, ids + done, length,
            logits + done * vocabulary, command->cancellable, error))
      return FALSE;
    done += length;
  }
  return TRUE;
}

static gboolean
run_incremental (Command *command, MblmModel *model, const DebugIds *ids,
    gsize piece, guint32 seed, gsize rows, float *logits, GError **error)
{
  gsize vocabulary = mblm_config_get_vocabulary (mblm_model_get_config (model));
  g_autoptr (MblmSession) session = mblm_session_new (model, error);
  GRand *random = piece ? NULL : g_rand_new_with_seed (seed);
  gboolean done = session != NULL;

  if (random)
    command_warn (_ ("random pieces, --seed %u"), seed);
  if (session)
    mblm_session_set_context_full (session, MBLM_CONTEXT_FULL_ERROR);
  for (gsize b = 0; done && b < ids->batch; b++)
    done = feed_in_pieces (command, session, ids->ids + b * ids->length,
        ids->length, piece, random, vocabulary, logits + b * rows * vocabulary,
        error);
  if (random)
    g_rand_free (random);
  return done;
}

static gboolean
write_logits (Command *command, const char *name, const Options *options,
    gsize piece, guint32 seed, GError **error)
{
  g_auto (DebugIds) ids = {.ids = NULL};
  g_auto (MblmNpy) mask = {.data = NULL};

  if (!debug_ids_load (options->ids, &ids, error))
    return FALSE;
  if (options->attention_mask &&
      (!mblm_npy_load_mask (options->attention_mask, &mask, error) ||
          !debug_check_shape (&ids, &mask, options->attention_mask, error)))
    return FALSE;

  g_autoptr (MblmModel) model = command_load_model (command, name, error);

  if (!model)
    return FALSE;

  gsize rows = MAX (ids.length, 1);
  gsize vocabulary = mblm_config_get_vocabulary (mblm_model_get_config (model));
  g_autofree float *logits = debug_new_floats (
      ids.batch, rows, vocabulary, error);

  if (!logits)
    return FALSE;

  gboolean done = options->incremental
      ? run_incremental (command, model, &ids, piece, seed, rows, logits, error)
      : mblm_model_forward (model, ids.ids, ids.batch, ids.length, mask.data,
            logits, NULL, command->cancellable, error);

  return done &&
      mblm_npy_save_floats (options->output, logits, 3,
          (const gsize[]){ids.batch, rows, vocabulary}, error);
}

int
command_debug_logits (Command *command, char **argv)
{
  g_auto (Options) options = {NULL};
  const GOptionEntry entries[] = {
      {"ids", 0, 0, G_OPTION_ARG_FILENAME, &options.ids,
          N_ ("Ids [batch, length]; length 0 asks for the first id"),
          N_ ("IDS.npy")},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output,
          N_ ("Where to write the array"), N_ ("OUT.npy")},
      {"incremental", 0, 0, G_OPTION_ARG_STRING, &options.incremental,
          N_ ("Feed a session K ids at a time instead of one full pass; 0: "
              "random pieces"),
          N_ ("K")},
      {"seed", 0, 0, G_OPTION_ARG_STRING, &options.seed,
          N_ ("Of the random pieces (default: 1)"), N_ ("S")},
      {"attention-mask", 0, 0, G_OPTION_ARG_FILENAME, &options.attention_mask,
          N_ ("What an encoder attends to"), N_ ("M.npy")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ ("MODEL --ids IDS.npy --output OUT.npy"),
      .summary = _ (
          "Writes logits [batch, length, vocabulary]: the prediction "
          "of the id after each\n(of the id itself, for an encoder)."),
      .entries = entries,
      .min = 1,
      .max = 1,
  };
  g_autoptr (GError) error = NULL;
  guint64 piece = 0, seed = 1;
  int status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;
  if (!options.ids || !options.output)
    return command_usage_error (
        command, _ ("--ids and --output must be given"));
  if (options.incremental && options.attention_mask)
    return command_usage_error (command,
        _ ("--attention-mask is for encoders, which can't run incrementally"));
  if (!command_parse_number (command, "--incremental", options.incremental, 0,
          G_MAXUINT32, &piece) ||
      !command_parse_number (
          command, "--seed", options.seed, 0, G_MAXUINT32, &seed))
    return COMMAND_USAGE;
  if (!write_logits (command, names[0], &options, piece, seed, &error))
    return command_fail (command, g_steal_pointer (&error));
  return COMMAND_OK;
}
