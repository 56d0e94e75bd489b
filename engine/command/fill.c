/* fill.c: `mblm fill`, an encoder's proposals for masked bytes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A marker in the file stands for one masked byte: the model sees its mask id
 * there and every other byte as it is, and all places are filled at once, each
 * with the most probable byte. A file longer than the context is cut into
 * windows of the whole context.
 */

#include "command.h"

#include <math.h>

#include "input.h"
#include "output.h"

#define MAX_FILE (64 << 20)
#define DEFAULT_MARKER "_"

typedef struct {
  gsize offset; /* among the bytes that come out */
  guint8 byte;
  double probability;
} Proposal;

typedef struct {
  Command *command;
  MblmModel *model;
  guint vocabulary;
  gint mask_id;
  GArray *ids;       /* gint32: bytes and mask ids */
  GArray *proposals; /* of Proposal, by offset */
  guint8 *filled;    /* [ids->len] */
} Fill;

static void
fill_clear (Fill *self)
{
  g_clear_object (&self->model);
  g_array_unref (self->ids);
  g_array_unref (self->proposals);
  g_free (self->filled);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Fill, fill_clear)

/* The marker's places become mask ids. */
static void
read_masked (Fill *self, const guint8 *data, gsize n, const char *marker)
{
  gsize length = strlen (marker);

  for (gsize i = 0; i < n;) {
    gboolean masked = n - i >= length && !memcmp (data + i, marker, length);
    gint32 id = masked ? self->mask_id : data[i];

    if (masked) {
      Proposal proposal = {.offset = self->ids->len};

      g_array_append_val (self->proposals, proposal);
    }
    g_array_append_val (self->ids, id);
    i += masked ? length : 1;
  }
}

/* The most probable byte (no special id) under logits [vocabulary]; its
 * probability is that among all ids. */
static void
propose (Fill *self, const float *logits, Proposal *proposal)
{
  guint n_bytes = MIN (self->vocabulary, 256), best = 0;
  double largest = logits[0], sum = 0;

  for (guint id = 1; id < n_bytes; id++)
    if (logits[id] > logits[best])
      best = id;
  for (guint id = 1; id < self->vocabulary; id++)
    largest = MAX (largest, logits[id]);
  for (guint id = 0; id < self->vocabulary; id++)
    sum += exp (logits[id] - largest);
  proposal->byte = best;
  proposal->probability = exp (logits[best] - largest) / sum;
}

static gboolean
allocate_logits (Fill *self, gsize rows, float **logits, GError **error)
{
  gsize size;

  if (g_size_checked_mul (&size, rows, self->vocabulary))
    *logits = g_try_new (float, MAX (size, 1));
  if (*logits)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
      _ ("not enough memory for a pass over %zu bytes: give a smaller file"),
      rows);
  return FALSE;
}

static gboolean
fill_windows (Fill *self, GError **error)
{
  const gint32 *ids = (const gint32 *) self->ids->data;
  gsize n = self->ids->len;
  guint64 context = mblm_config_get_context (
      mblm_model_get_config (self->model));
  gsize window = MIN (n, context);
  g_autofree float *logits = NULL;
  guint next = 0;

  if (!allocate_logits (self, window, &logits, error))
    return FALSE;
  for (gsize i = 0; i < n; i++)
    self->filled[i] = ids[i];
  for (gsize first = 0; first < n; first += window) {
    gsize length = MIN (window, n - first);
    Proposal *proposal = next < self->proposals->len
        ? &g_array_index (self->proposals, Proposal, next)
        : NULL;

    if (!proposal || proposal->offset >= first + length)
      continue;
    if (!mblm_model_forward (self->model, ids + first, 1, length, NULL, logits,
            NULL, self->command->cancellable, error))
      return FALSE;
    for (; next < self->proposals->len; next++) {
      proposal = &g_array_index (self->proposals, Proposal, next);
      if (proposal->offset >= first + length)
        break;
      propose (self, logits + (proposal->offset - first) * self->vocabulary,
          proposal);
      self->filled[proposal->offset] = proposal->byte;
    }
    if (progress_due ())
      progress_show ("%d %%", (int) (100.0 * (first + length) / n));
  }
  progress_clear ();
  return TRUE;
}

static gboolean
print_json (Fill *self, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_add_count (builder, "bytes", self->ids->len);
  json_add_bytes (builder, self->filled, self->ids->len);
  json_builder_set_member_name (builder, "masked");
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->proposals->len; i++) {
    const Proposal *proposal = &g_array_index (self->proposals, Proposal, i);

    json_builder_begin_object (builder);
    json_add_count (builder, "offset", proposal->offset);
    json_add_count (builder, "byte", proposal->byte);
    json_add_real (builder, "probability", proposal->probability);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return output_json (builder, error);
}

static gboolean
set_up (Fill *self, const char *name, GError **error)
{
  self->model = command_load_model (self->command, name, error);
  if (!self->model)
    return FALSE;

  MblmConfig *config = mblm_model_get_config (self->model);

  if (!mblm_config_is_encoder (config)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED,
        _ ("%s: this model is no encoder of masked bytes: use `mblm generate` "
           "to continue a text"),
        mblm_info_get_name (mblm_model_get_info (self->model)));
    return FALSE;
  }
  self->vocabulary = mblm_config_get_vocabulary (config);
  self->mask_id = mblm_config_get_mask_id (config);
  return TRUE;
}

static gboolean
fill (Fill *self, const char *path, const char *marker, GError **error)
{
  g_autoptr (GBytes)
      bytes = input_read (path, MAX_FILE, self->command->cancellable, error);
  gsize n;

  if (!bytes)
    return FALSE;

  const guint8 *data = g_bytes_get_data (bytes, &n);

  read_masked (self, data, n, marker);
  self->filled = g_malloc (MAX (self->ids->len, 1));
  if (!self->proposals->len)
    command_warn (_ ("%s: nothing is masked; put “%s” where a byte is "
                     "missing, or name another marker with --mask"),
        path, marker);
  if (!fill_windows (self, error))
    return FALSE;
  return self->command->json
      ? print_json (self, error)
      : output_write (self->filled, self->ids->len, error);
}

int
command_fill (Command *command, char **argv)
{
  g_autofree char *marker = NULL;
  const GOptionEntry entries[] = {
      {"mask", 'm', 0, G_OPTION_ARG_FILENAME, &marker,
          N_ ("What stands for a masked byte in FILE (default: _)"),
          N_ ("TEXT")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ ("MODEL FILE"),
      .summary = _ (
          "Fills the masked bytes of FILE (- is standard input) with "
          "what an encoder model\nfinds most probable, and prints the "
          "whole. With --json also offset, byte and\nprobability of "
          "each."),
      .description = _ ("Example:\n  echo 'The old m_n' | mblm fill encoder -"),
      .entries = entries,
      .min = 2,
      .max = 2,
  };
  g_autoptr (GError) error = NULL;
  g_auto (Fill) self = {
      .command = command,
      .ids = g_array_new (FALSE, FALSE, sizeof (gint32)),
      .proposals = g_array_new (FALSE, FALSE, sizeof (Proposal)),
  };
  int status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;
  if (marker && !*marker)
    return command_usage_error (command, _ ("--mask: the text is empty"));
  if (!set_up (&self, names[0], &error) ||
      !fill (&self, names[1], marker ? marker : DEFAULT_MARKER, &error))
    return command_fail (command, g_steal_pointer (&error));
  return COMMAND_OK;
}
