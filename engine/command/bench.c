/* bench.c: `mblm bench`, figures beside what the machine can do.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A floor is the time that nothing could undercut on this machine: the bytes
 * that the work has to move, over the bandwidth, or its operations, over the
 * speed of products, both measured in this process just before.
 */

#include "bench.h"

#include <inttypes.h>

#define DEFAULT_RUNS 5
#define MAX_RUNS 1000

/* ------------------------------------------------------------------------- */
/* Figures                                                                   */
/* ------------------------------------------------------------------------- */

static void
add_line (Bench *self, const char *label, const char *value)
{
  glong width = g_utf8_strlen (label, -1);

  g_string_append (self->text, label);
  for (; width < 36; width++)
    g_string_append_c (self->text, ' ');
  g_string_append_printf (self->text, "%s\n", value);
}

void
bench_add_seconds (
    Bench *self, const char *name, const char *label, double seconds)
{
  g_autofree char *value = seconds < 1e-3
      ? g_strdup_printf ("%.4g µs", seconds * 1e6)
      : seconds < 1 ? g_strdup_printf ("%.4g ms", seconds * 1e3)
                    : g_strdup_printf ("%.4g s", seconds);

  json_add_real (self->json, name, seconds);
  add_line (self, label, value);
}

void
bench_add_rate (Bench *self, const char *name, const char *label, double value,
    const char *unit)
{
  g_autofree char *text = value >= 1e9
      ? g_strdup_printf ("%.4g G%s", value / 1e9, unit)
      : value >= 1e6 ? g_strdup_printf ("%.4g M%s", value / 1e6, unit)
      : value >= 1e4 ? g_strdup_printf ("%.4g k%s", value / 1e3, unit)
                     : g_strdup_printf ("%.4g %s", value, unit);

  json_add_real (self->json, name, value);
  add_line (self, label, text);
}

void
bench_add_bytes (Bench *self, const char *name, const char *label, double bytes)
{
  g_autofree char *text = g_format_size (bytes);

  json_add_real (self->json, name, bytes);
  add_line (self, label, text);
}

void
bench_add_count (
    Bench *self, const char *name, const char *label, guint64 value)
{
  g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT, value);

  json_add_count (self->json, name, value);
  add_line (self, label, text);
}

void
bench_add_floor (Bench *self, double seconds, double floor)
{
  g_autofree char *ratio = g_strdup_printf ("%.3f", floor / seconds);

  bench_add_seconds (self, "floor_seconds", _ ("floor"), floor);
  json_add_real (self->json, "floor_ratio", floor / seconds);
  add_line (self, _ ("floor / measured"), ratio);
}

double
bench_since (gint64 begin)
{
  return MAX (g_get_monotonic_time () - begin, 1) / (double) G_USEC_PER_SEC;
}

gint32 *
bench_new_ids (Bench *self, guint64 n, GError **error)
{
  guint vocabulary = mblm_config_get_vocabulary (
      mblm_model_get_config (self->model));
  gint32 *ids = n < G_MAXSIZE / 4 ? g_try_new (gint32, MAX (n, 1)) : NULL;
  GRand *random = g_rand_new_with_seed (1);

  if (!ids)
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        _ ("not enough memory for %" PRIu64 " bytes: give a smaller --context"),
        n);
  for (guint64 i = 0; ids && i < n; i++)
    ids[i] = g_rand_int_range (random, 0, MIN (vocabulary, 256));
  g_rand_free (random);
  return ids;
}

gboolean
bench_choose_context (
    Bench *self, guint64 fallback, guint64 *context, GError **error)
{
  guint64 most = mblm_config_get_context (mblm_model_get_config (self->model));

  *context = self->context ? self->context : MIN (fallback, most);
  if (*context <= most)
    return TRUE;

  if (mblm_model_is_causal (self->model) &&
      mblm_config_get_position (mblm_model_get_config (self->model), 0) !=
          MBLM_POSITION_FIXED)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONTEXT,
      _ ("--context %" PRIu64 ": the model's context is %" PRIu64
         " bytes; give that or less"),
      *context, most);
  return FALSE;
}

/* ------------------------------------------------------------------------- */
/* The command                                                               */
/* ------------------------------------------------------------------------- */

typedef struct {
  const char *name;
  gboolean (*run) (Bench *self, GError **error);
} BenchKind;

static const BenchKind kinds[] = {
    {"decode", bench_decode},
    {"prompt", bench_prompt},
    {"score", bench_score},
    {"ask", bench_ask},
    {"scenes", bench_scenes},
    {"train", bench_train},
    {"kernels", bench_kernels},
};

static const BenchKind *
find_kind (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_equal (kinds[i].name, name))
      return &kinds[i];
  return NULL;
}

/* What the inner stages touch from byte to byte; the whole model's where there
 * is one stage only. */
static gsize
inner_set (MblmModel *model)
{
  MblmConfig *config = mblm_model_get_config (model);
  guint64 context = mblm_config_get_context (config);
  guint n = mblm_config_get_n_stages (config);
  double bytes = 0;

  if (!mblm_model_is_causal (model))
    return mblm_model_get_weight_bytes (model);
  for (guint k = n > 1 ? 1 : 0; k < n; k++)
    bytes += mblm_model_get_stage_step_bytes (model, k, context) *
        mblm_config_get_patch (config, k);
  return MIN (bytes, G_MAXUINT32);
}

static void
describe (Bench *self)
{
  MblmDevice *device = mblm_model_get_device (self->model);

  json_add_string (self->json, "bench", self->what);
  json_add_string (self->json, "model",
      mblm_info_get_name (mblm_model_get_info (self->model)));
  json_add_string (self->json, "device", mblm_device_get_name (device));
  json_add_string (
      self->json, "description", mblm_device_get_description (device));
  json_add_string (self->json, "precision",
      command_precision_name (command_get_precision (self->command)));
  add_line (self, _ ("device"), mblm_device_get_description (device));
  add_line (self, _ ("precision"),
      command_precision_name (command_get_precision (self->command)));
  bench_add_count (self, "runs", _ ("runs (the median counts)"), self->runs);
  bench_add_rate (self, "memory_bandwidth", _ ("reading memory"),
      self->machine.memory_bandwidth, "B/s");
  bench_add_bytes (self, "cache_set_bytes", _ ("inner stages' working set"),
      self->machine.cache_set);
  bench_add_rate (self, "cache_bandwidth", _ ("reading a set of that size"),
      self->machine.cache_bandwidth, "B/s");
  bench_add_rate (self, "product_roof", _ ("matrix products"),
      self->machine.product_roof, "FLOP/s");
  bench_add_seconds (
      self, "load_seconds", _ ("loading the model"), self->load_seconds);
  bench_add_bytes (self, "weight_bytes", _ ("weights"),
      mblm_model_get_weight_bytes (self->model));
}

/* A model, or what learns with its own. */
static gboolean
load (Bench *self, const char *name, gboolean trains, GError **error)
{
  MblmLearnerOptions options = {
      .precision = command_get_precision (self->command),
      .memory = self->memory,
  };

  if (!trains) {
    self->model = command_load_model (self->command, name, error);
    return self->model != NULL;
  }
  g_autoptr (MblmDevice) device = command_open_device (self->command, error);
  g_autofree char *path = device ? mblm_model_find (name, error) : NULL;

  self->learner = path
      ? mblm_learner_new_from_folder (path, device, &options, error)
      : NULL;
  if (self->learner)
    self->model = g_object_ref (mblm_learner_get_model (self->learner));
  return self->learner != NULL;
}

static gboolean
measure (Bench *self, const char *name, const BenchKind *kind, GError **error)
{
  gint64 begin = g_get_monotonic_time ();

  if (!load (self, name, kind->run == bench_train, error))
    return FALSE;
  self->load_seconds = bench_since (begin);
  progress_show (_ ("measuring the machine"));
  if (!machine_measure (&self->machine, mblm_model_get_device (self->model),
          command_get_precision (self->command), self->learner != NULL,
          inner_set (self->model), error))
    return FALSE;
  progress_show (_ ("measuring %s"), self->what);
  json_builder_begin_object (self->json);
  describe (self);
  if (!kind->run (self, error))
    return FALSE;
  json_builder_end_object (self->json);
  return self->command->json ? output_json (self->json, error)
                             : output_print (error, "%s", self->text->str);
}

int
command_bench (Command *command, char **argv)
{
  g_autofree char *model = NULL, *context = NULL, *runs_text = NULL;
  g_autofree char *batch = NULL, *memory = NULL;
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &model,
          N_ ("The model to measure with"), N_ ("MODEL")},
      {"context", 0, 0, G_OPTION_ARG_STRING, &context,
          N_ ("Bytes that precede, or that are taken in (default: the model's "
              "context; prompt, score and train: at most 8192)"),
          N_ ("N")},
      {"batch", 0, 0, G_OPTION_ARG_STRING, &batch,
          N_ ("Sequences of a training step, or streams that decode together "
              "(default: 1)"),
          N_ ("B")},
      {"memory", 0, 0, G_OPTION_ARG_STRING, &memory,
          N_ ("Bytes that training may take for activations"), N_ ("BYTES")},
      {"runs", 0, 0, G_OPTION_ARG_STRING, &runs_text,
          N_ ("Repetitions of each measurement (default: 5)"), N_ ("R")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ (
          "decode|prompt|score|ask|scenes|train|kernels --model MODEL"),
      .summary = _ (
          "Measures, beside the floor: the time that the bytes to move "
          "or the operations to do\ntake at the bandwidth and speed "
          "measured in the same run.\n  decode   generating byte by "
          "byte behind a full context\n  prompt   taking in a prompt "
          "to the first byte\n  score    a full pass\n  ask      a frame to "
          "an answer, to the best of ten choices, and\n           to the "
          "answers of four questions\n  scenes   pictures and questions for "
          "training, on one core\n  train    an optimiser step\n  kernels  "
          "each operation at the shapes of the "
          "model"),
      .entries = entries,
      .min = 1,
      .max = 1,
  };
  g_autoptr (GError) error = NULL;
  guint64 runs = DEFAULT_RUNS;
  Bench self = {.command = command, .batch = 1};
  int status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;

  const BenchKind *kind = find_kind (names[0]);

  if (!kind)
    return command_usage_error (
        command, _ ("“%s” is nothing to measure"), names[0]);
  if (!model)
    return command_usage_error (command, _ ("--model is missing"));
  if (!command_parse_number (
          command, "--context", context, 1, G_MAXINT64, &self.context) ||
      !command_parse_number (
          command, "--batch", batch, 1, G_MAXINT32, &self.batch) ||
      !command_parse_number (
          command, "--memory", memory, 1, G_MAXINT64, &self.memory) ||
      !command_parse_number (command, "--runs", runs_text, 1, MAX_RUNS, &runs))
    return COMMAND_USAGE;

  self.what = names[0];
  self.runs = runs;
  self.json = json_builder_new ();
  self.text = g_string_new (NULL);
  if (!measure (&self, model, kind, &error))
    status = command_fail (command, g_steal_pointer (&error));
  else
    status = COMMAND_OK;
  g_object_unref (self.json);
  g_string_free (self.text, TRUE);
  g_clear_object (&self.model);
  g_clear_pointer (&self.learner, mblm_learner_free);
  return status;
}
