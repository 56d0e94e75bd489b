/* embed.c: `mblm embed`, hidden states of the innermost stage.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A file longer than the context is cut into windows of the whole context, each
 * fresh, as `mblm score` does it.
 */

#include "command.h"

#include "input.h"
#include "npy.h"
#include "output.h"

#define MAX_FILE (256 << 20)
/* Ids of a piece: what is worked on between two looks at the progress. */
#define PIECE 65536

static gboolean
embed_window (Command *command, MblmModel *model, MblmSession *session,
    const gint32 *ids, gsize n, gsize dim, float *hidden, GError **error)
{
  if (!session)
    return mblm_model_forward (
        model, ids, 1, n, NULL, NULL, hidden, command->cancellable, error);
  mblm_session_reset (session);
  for (gsize done = 0; done < n;) {
    gsize piece = MIN (n - done, PIECE);

    if (!mblm_session_feed_hidden (session, ids + done, piece,
            hidden + done * dim, command->cancellable, error))
      return FALSE;
    done += piece;
  }
  return TRUE;
}

/* `hidden` [n, dim] of `ids` [n]. */
static gboolean
embed_all (Command *command, MblmModel *model, const gint32 *ids, gsize n,
    gsize dim, float *hidden, GError **error)
{
  guint64 context = mblm_config_get_context (mblm_model_get_config (model));
  g_autoptr (MblmSession) session = NULL;

  if (mblm_model_is_causal (model)) {
    session = mblm_session_new (model, error);
    if (!session)
      return FALSE;
  }
  for (gsize done = 0; done < n;) {
    gsize window = MIN (n - done, context);

    if (!embed_window (command, model, session, ids + done, window, dim,
            hidden + done * dim, error))
      return FALSE;
    done += window;
    if (progress_due ())
      progress_show ("%d %%", (int) (100.0 * done / n));
  }
  progress_clear ();
  return TRUE;
}

static gboolean
embed (Command *command, const char *name, const char *path, const char *output,
    GError **error)
{
  g_autoptr (MblmModel) model = command_load_model (command, name, error);

  if (!model)
    return FALSE;

  gsize dim, size, n, n_floats;
  MblmConfig *config = mblm_model_get_config (model);
  g_autoptr (GBytes)
      bytes = input_read (path, MAX_FILE, command->cancellable, error);

  if (!bytes)
    return FALSE;

  const guint8 *data = g_bytes_get_data (bytes, &n);

  dim = mblm_config_get_hidden_dim (
      config, mblm_config_get_n_stages (config) - 1);
  gboolean fits = g_size_checked_mul (&n_floats, n, dim) &&
      g_size_checked_mul (&size, n_floats, sizeof (float));
  g_autofree float *hidden = fits ? g_try_malloc (MAX (size, 1)) : NULL;
  g_autofree gint32 *ids = g_try_new (gint32, MAX (n, 1));

  if (!hidden || !ids) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        _ ("%s: not enough memory for %zu states of %zu numbers; give a "
           "smaller file"),
        path, n, dim);
    return FALSE;
  }
  for (gsize i = 0; i < n; i++)
    ids[i] = data[i];
  return embed_all (command, model, ids, n, dim, hidden, error) &&
      mblm_npy_save_floats (output, hidden, 2, (const gsize[]){n, dim}, error);
}

int
command_embed (Command *command, char **argv)
{
  g_autofree char *output = NULL;
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
          N_ ("Where to write the array"), N_ ("OUT.npy")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ ("MODEL FILE --output OUT.npy"),
      .summary = _ (
          "Writes the hidden states of the innermost stage, one row "
          "for each byte of FILE,\nas a float32 array [bytes, "
          "hidden_dim]. A file longer than the context is cut into\n"
          "windows of the whole context, each of which stands alone."),
      .entries = entries,
      .min = 2,
      .max = 2,
  };
  g_autoptr (GError) error = NULL;
  int status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;
  if (!output)
    return command_usage_error (command, _ ("--output is missing"));
  if (!embed (command, names[0], names[1], output, &error))
    return command_fail (command, g_steal_pointer (&error));
  return COMMAND_OK;
}
