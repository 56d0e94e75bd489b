/* generate.c: `mblm generate`, continuing a text or any bytes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The prompt is read piece by piece: a model that goes on for ever sees all of
 * it, any other the last part that fits its context. Bytes are written as they
 * are drawn; the first write that fails ends the work.
 */

#include "command.h"

#include "input.h"
#include "output.h"
#include "predictor.h"

#include <inttypes.h>

#define CHUNK (64 * 1024)
#define DEFAULT_MEMORY_MIB 1024
/* Bytes of a prompt that are kept at most where the context is still longer. */
#define MAX_PROMPT (256 << 20)

typedef struct {
  Command *command;
  MblmModel *model;
  Predictor *predictor;
  MblmSampler *sampler;
  guint64 n; /* ids to draw */
  gboolean n_given;
  guint64 context;
  gint text_token; /* opens every sequence; -1: none */
  gboolean endless;
  GBytes **stop;
  gsize n_stop;
  GByteArray *tail; /* of the prompt, not fed yet */
  guint64 prompt_bytes;
  GByteArray *written; /* with --json: all of it */
  guint64 n_written;
  MblmFinish finish;
} Generate;

typedef struct {
  char *prompt, *n, *temperature, *top_k, *top_p, *min_p, *seed, *memory;
  char **stop;
} Options;

static void
options_clear (Options *self)
{
  g_free (self->prompt);
  g_free (self->n);
  g_free (self->temperature);
  g_free (self->top_k);
  g_free (self->top_p);
  g_free (self->min_p);
  g_free (self->seed);
  g_free (self->memory);
  g_strfreev (self->stop);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static void
generate_clear (Generate *self)
{
  g_clear_pointer (&self->predictor, predictor_free);
  g_clear_object (&self->sampler);
  g_clear_object (&self->model);
  for (gsize i = 0; i < self->n_stop; i++)
    g_bytes_unref (self->stop[i]);
  g_free (self->stop);
  g_byte_array_unref (self->tail);
  g_byte_array_unref (self->written);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Generate, generate_clear)

/* ------------------------------------------------------------------------- */
/* The prompt                                                                */
/* ------------------------------------------------------------------------- */

static gboolean
feed_bytes (Generate *self, const guint8 *bytes, gsize n, GError **error)
{
  gint32 ids[1024];

  while (n) {
    gsize piece = MIN (n, G_N_ELEMENTS (ids));

    for (gsize i = 0; i < piece; i++)
      ids[i] = bytes[i];
    if (!predictor_feed (
            self->predictor, ids, piece, self->command->cancellable, error))
      return FALSE;
    bytes += piece;
    n -= piece;
  }
  return TRUE;
}

/* Bytes of the prompt that fit beside the token that opens it. */
static guint64
get_room (Generate *self)
{
  guint64 token = self->text_token >= 0 && self->context > 1 ? 1 : 0;

  return MIN (self->context - token, MAX_PROMPT);
}

static gboolean
take_prompt (Generate *self, const guint8 *bytes, gsize n, GError **error)
{
  guint64 room = get_room (self);

  self->prompt_bytes += n;
  if (self->endless)
    return feed_bytes (self, bytes, n, error);
  g_byte_array_append (self->tail, bytes, n);
  /* Not at every piece: no more is moved then than was added. */
  if (self->tail->len / 2 > room)
    g_byte_array_remove_range (self->tail, 0, self->tail->len - room);
  return TRUE;
}

static gboolean
read_prompt (Generate *self, const char *path, GError **error)
{
  GCancellable *cancellable = self->command->cancellable;
  g_autoptr (GInputStream) stream = input_open (path, error);
  g_autofree guint8 *chunk = g_malloc (CHUNK);
  gsize got;

  if (!stream)
    return FALSE;
  do {
    if (!input_fill (stream, path, chunk, CHUNK, &got, cancellable, error) ||
        !take_prompt (self, chunk, got, error))
      return FALSE;
    if (progress_due ())
      progress_show (_ ("prompt: %" PRIu64 " bytes"), self->prompt_bytes);
  } while (got == CHUNK);
  progress_clear ();
  return TRUE;
}

static gboolean
feed_tail (Generate *self, GError **error)
{
  guint64 room = get_room (self);

  if (!self->endless && self->prompt_bytes > room)
    command_warn (
        _ ("the prompt has %" PRIu64 " bytes and the model's context %" PRIu64
           ": only the last part is used"),
        self->prompt_bytes, self->context);
  if (self->tail->len > room)
    g_byte_array_remove_range (self->tail, 0, self->tail->len - room);
  return feed_bytes (self, self->tail->data, self->tail->len, error);
}

static gboolean
feed_prompt (
    Generate *self, const char *path, const char *prompt, GError **error)
{
  if (self->text_token >= 0 &&
      !predictor_feed (self->predictor, &self->text_token, 1,
          self->command->cancellable, error))
    return FALSE;
  if (path && !read_prompt (self, path, error))
    return FALSE;
  if (prompt &&
      !take_prompt (self, (const guint8 *) prompt, strlen (prompt), error))
    return FALSE;
  if (!feed_tail (self, error))
    return FALSE;
  if (!self->n_given) {
    guint64 fed = self->prompt_bytes + (self->text_token >= 0);

    self->n = fed < self->context ? self->context - fed
                                  : MAX (self->context / 2, 1);
  }
  return TRUE;
}

/* ------------------------------------------------------------------------- */
/* The continuation                                                          */
/* ------------------------------------------------------------------------- */

static gboolean
write_bytes (Generate *self, const guint8 *bytes, gsize n, GError **error)
{
  self->n_written += n;
  if (self->command->json) {
    g_byte_array_append (self->written, bytes, n);
    return TRUE;
  }
  return !n || output_write (bytes, n, error);
}

static gboolean
generate_by_session (Generate *self, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (MblmGenerator) generator = mblm_generator_new (
      predictor_get_session (self->predictor), self->sampler);
  gboolean more = TRUE;

  mblm_generator_set_stop (generator, self->stop, self->n_stop);
  mblm_generator_set_max (generator, self->n);
  mblm_generator_start (generator);
  while (more) {
    more = mblm_generator_next (
        generator, out, self->command->cancellable, &local);
    if (!write_bytes (self, out->data, out->len, error))
      return FALSE;
    g_byte_array_set_size (out, 0);
  }
  self->finish = mblm_generator_get_finish (generator);
  if (local) {
    g_propagate_error (error, g_steal_pointer (&local));
    return FALSE;
  }
  return TRUE;
}

/* Length of the longest stop string that `bytes` ends with; 0: none. */
static gsize
match_stop (Generate *self, const GByteArray *bytes)
{
  gsize longest = 0;

  for (gsize i = 0; i < self->n_stop; i++) {
    gsize size;
    const void *stop = g_bytes_get_data (self->stop[i], &size);

    if (size <= bytes->len &&
        !memcmp (bytes->data + bytes->len - size, stop, size))
      longest = MAX (longest, size);
  }
  return longest;
}

static gsize
longest_stop (Generate *self)
{
  gsize longest = 0;

  for (gsize i = 0; i < self->n_stop; i++)
    longest = MAX (longest, g_bytes_get_size (self->stop[i]));
  return longest;
}

/* Special ids but `end` are never drawn, where mblm.json names them. */
static void
forbid_special (Generate *self)
{
  MblmInfo *info = mblm_model_get_info (self->model);
  guint vocabulary = mblm_config_get_vocabulary (
      mblm_model_get_config (self->model));
  g_autofree guint8 *allowed = g_malloc (vocabulary);

  if (!mblm_info_is_explicit (info))
    return;
  for (guint id = 0; id < vocabulary; id++)
    allowed[id] = !mblm_info_is_special (info, id) ||
        (gint) id == mblm_info_get_token (info, MBLM_TOKEN_END);
  mblm_sampler_set_allowed (self->sampler, allowed, vocabulary);
}

/* The generator's rules for a model without sessions. `held` is what may still
 * turn out to be the beginning of a stop string. */
static gboolean
generate_by_passes (Generate *self, GError **error)
{
  GCancellable *cancellable = self->command->cancellable;
  MblmInfo *info = mblm_model_get_info (self->model);
  gint end = mblm_info_is_explicit (info)
      ? mblm_info_get_token (info, MBLM_TOKEN_END)
      : -1;
  guint vocabulary = mblm_config_get_vocabulary (
      mblm_model_get_config (self->model));
  gsize longest = longest_stop (self);
  g_autoptr (GByteArray) held = g_byte_array_new ();

  forbid_special (self);
  self->finish = MBLM_FINISH_LENGTH;
  for (guint64 i = 0; i < self->n && self->finish == MBLM_FINISH_LENGTH; i++) {
    const float *logits = predictor_get_logits (
        self->predictor, cancellable, error);
    gint32 id = logits
        ? mblm_sampler_draw_logits (self->sampler, logits, vocabulary, error)
        : -1;

    if (id < 0 ||
        (i + 1 < self->n &&
            !predictor_feed (self->predictor, &id, 1, cancellable, error)))
      return FALSE;
    if (id == end) {
      self->finish = MBLM_FINISH_END;
      break;
    }
    if (id > 255)
      continue;

    guint8 byte = id;
    g_byte_array_append (held, &byte, 1);
    gsize stop = match_stop (self, held);
    gsize sure = held->len - MIN (held->len, MAX (longest, 1) - 1);

    if (stop) {
      self->finish = MBLM_FINISH_STOP;
      g_byte_array_set_size (held, held->len - stop);
    } else if (sure) {
      if (!write_bytes (self, held->data, sure, error))
        return FALSE;
      g_byte_array_remove_range (held, 0, sure);
    }
  }
  return write_bytes (self, held->data, held->len, error);
}

/* ------------------------------------------------------------------------- */
/* The command                                                               */
/* ------------------------------------------------------------------------- */

static const char *
finish_name (MblmFinish finish)
{
  switch (finish) {
    case MBLM_FINISH_LENGTH:
      return "length";
    case MBLM_FINISH_END:
      return "end";
    case MBLM_FINISH_STOP:
      return "stop";
    case MBLM_FINISH_ENDED:
      return "ended";
    case MBLM_FINISH_NONE:
      break;
  }
  return "none";
}

static gboolean
print_json (Generate *self, double seconds, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_add_count (builder, "prompt_bytes", self->prompt_bytes);
  json_add_count (builder, "bytes", self->n_written);
  json_add_bytes (builder, self->written->data, self->written->len);
  json_add_real (builder, "seconds", seconds);
  json_add_string (builder, "finish", finish_name (self->finish));
  json_builder_end_object (builder);
  return output_json (builder, error);
}

static gboolean
set_up (Generate *self, const char *name, guint64 memory, GError **error)
{
  self->model = command_load_model (self->command, name, error);
  if (!self->model ||
      !command_check_task (self->command, self->model, MBLM_TASK_TEXT, error))
    return FALSE;
  self->predictor = predictor_new (self->model, error);
  if (!self->predictor)
    return FALSE;

  MblmSession *session = predictor_get_session (self->predictor);

  self->context = mblm_config_get_context (mblm_model_get_config (self->model));
  self->text_token = mblm_info_get_token (
      mblm_model_get_info (self->model), MBLM_TOKEN_TEXT);
  self->endless = session && mblm_session_is_endless (session);
  if (session)
    mblm_session_set_memory_bound (session, memory);
  return TRUE;
}

static gboolean
generate (Generate *self, const char *path, const char *prompt, GError **error)
{
  gint64 start = g_get_monotonic_time ();

  if (!feed_prompt (self, path, prompt, error))
    return FALSE;

  gboolean done = predictor_get_session (self->predictor)
      ? generate_by_session (self, error)
      : generate_by_passes (self, error);
  double seconds = (g_get_monotonic_time () - start) / (double) G_USEC_PER_SEC;

  return done && (!self->command->json || print_json (self, seconds, error));
}

/* FALSE after a message. */
static gboolean
read_options (Generate *self, const Options *options, guint64 *memory)
{
  Command *command = self->command;
  double temperature = 0, top_p = 1, min_p = 0;
  guint64 top_k = 0, seed = 0;

  self->n_given = options->n != NULL;
  if (!command_parse_number (
          command, "-n", options->n, 0, G_MAXINT64, &self->n) ||
      !command_parse_real (command, "--temperature", options->temperature, 0,
          100, &temperature) ||
      !command_parse_number (
          command, "--top-k", options->top_k, 0, G_MAXINT32, &top_k) ||
      !command_parse_real (command, "--top-p", options->top_p, 0, 1, &top_p) ||
      !command_parse_real (command, "--min-p", options->min_p, 0, 1, &min_p) ||
      !command_parse_number (
          command, "--seed", options->seed, 0, G_MAXUINT64, &seed) ||
      !command_parse_number (
          command, "--memory-bound", options->memory, 0, G_MAXUINT32, memory))
    return FALSE;
  for (char **stop = options->stop; stop && *stop; stop++) {
    if (!**stop) {
      command_usage_error (command, _ ("--stop: the text is empty"));
      return FALSE;
    }
    self->stop = g_renew (GBytes *, self->stop, self->n_stop + 1);
    self->stop[self->n_stop++] = g_bytes_new (*stop, strlen (*stop));
  }
  self->sampler = mblm_sampler_new ();
  mblm_sampler_set_temperature (self->sampler, temperature);
  mblm_sampler_set_top_k (self->sampler, top_k);
  mblm_sampler_set_top_p (self->sampler, top_p);
  mblm_sampler_set_min_p (self->sampler, min_p);
  mblm_sampler_set_seed (self->sampler, seed);
  return TRUE;
}

int
command_generate (Command *command, char **argv)
{
  g_auto (Options) options = {NULL};
  const GOptionEntry entries[] = {
      {"prompt", 'p', 0, G_OPTION_ARG_FILENAME, &options.prompt,
          N_ ("What to continue, after the bytes of FILE"), N_ ("TEXT")},
      {"bytes", 'n', 0, G_OPTION_ARG_STRING, &options.n,
          N_ ("How many to generate (default: the rest of the context)"),
          N_ ("BYTES")},
      {"temperature", 't', 0, G_OPTION_ARG_STRING, &options.temperature,
          N_ ("0 takes the most probable byte each time (default); 1 draws "
              "from "
              "the model's distribution"),
          N_ ("T")},
      {"top-k", 0, 0, G_OPTION_ARG_STRING, &options.top_k,
          N_ ("Draw from the K most probable bytes"), N_ ("K")},
      {"top-p", 0, 0, G_OPTION_ARG_STRING, &options.top_p,
          N_ ("Draw from the most probable bytes that reach P together"),
          N_ ("P")},
      {"min-p", 0, 0, G_OPTION_ARG_STRING, &options.min_p,
          N_ ("Draw from bytes of at least P times the largest probability"),
          N_ ("P")},
      {"seed", 0, 0, G_OPTION_ARG_STRING, &options.seed,
          N_ ("Of the draws (default: 0); the same seed gives the same bytes"),
          N_ ("S")},
      {"stop", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.stop,
          N_ ("End before this text; may be given several times"), N_ ("TEXT")},
      {"memory-bound", 0, 0, G_OPTION_ARG_STRING, &options.memory,
          N_ ("MiB that the state of the stream may take (default: 1024; 0: no "
              "bound)"),
          N_ ("MIB")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ ("MODEL [FILE]"),
      .summary = _ ("Continues the bytes of FILE (- is standard input) or the "
                    "text of --prompt.\nThe new bytes go to standard output as "
                    "they come, the prompt does not."),
      .description = _ (
          "Example:\n  mblm generate text --prompt \"The old man\" "
          "-n 200 --temperature 0.8"),
      .entries = entries,
      .min = 1,
      .max = 2,
  };
  g_autoptr (GError) error = NULL;
  g_auto (Generate) self = {
      .command = command,
      .tail = g_byte_array_new (),
      .written = g_byte_array_new (),
  };
  guint64 memory = DEFAULT_MEMORY_MIB;
  int status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;
  if (!read_options (&self, &options, &memory))
    return COMMAND_USAGE;
  if (!set_up (&self, names[0], memory << 20, &error) ||
      !generate (&self, names[1], options.prompt, &error))
    return command_fail (command, g_steal_pointer (&error));
  return COMMAND_OK;
}
