/* test-learner.c: what a training step does where memory is short.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A bound of one byte makes the smallest cuts there are: of the outermost stage
 * the inputs of its layers are kept, and where it can it goes in segments of as
 * many rows as the run says.
 */

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "fresh.h"
#include "golden.h"
#include "learner-load.h"
#include "learner-private.h"

#define TOKENS 25 /* of the outer stage */
#define LENGTH (8 * TOKENS - 3)

/* Of the length of a difference, as a share of the gradient's. */
#define SAME_LIMIT 1e-5
#define ROUNDED_LIMIT 1e-2
#define TF32_LIMIT 5e-3

/* What is dropped depends on how a batch is cut into groups. */
static const struct {
  const char *block;
  gsize batch;
} models[] = {
    {FRESH_MAMBA2, 2},
    {FRESH_MAMBA1, 2},
    {FRESH_MAMBA2 ", dropout: 0.3", 1},
    {FRESH_TRANSFORMER, 2},
};

/* Model i of them, in a folder. */
static char *
make_model (const char *folder, guint i, guint tokens)
{
  g_autofree char *name = g_strdup_printf ("%u", i);

  return fresh_model (folder, name, tokens, models[i].block, "fixed");
}

static void
accumulate (MblmLearner *learner, gsize batch, gsize length, double *loss)
{
  g_autofree gint32 *ids = fresh_ids (batch * length, 7);
  g_autoptr (GError) error = NULL;

  mblm_learner_accumulate (learner,
      &(MblmLearnerBatch){.batch = batch, .length = length, .ids = ids}, 1, 3,
      loss, NULL, &error);
  g_assert_no_error (error);
}

static GArray *
read_gradient (MblmLearner *learner)
{
  GArray *all = g_array_new (FALSE, FALSE, sizeof (float));
  g_autoptr (GError) error = NULL;
  double scale;
  MblmModel *gradient = learner_gradient (learner, &scale);

  for (guint i = 0; i < learner_n_parameters (learner); i++) {
    const MblmParameter *p = learner_parameter (gradient, i);
    gsize at = all->len;

    if (p == NULL)
      continue;
    g_array_set_size (all, at + p->n_elements);
    learner->run.k->download (learner->run.q, &g_array_index (all, float, at),
        mblm_parameter_get_data (p), p->n_elements * sizeof (float));
  }
  mblm_run_wait (&learner->run, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < all->len; i++)
    g_array_index (all, float, i) *= scale;
  return all;
}

/* The gradient with segments of `rows` rows, or, with 0, all kept and none. */
static GArray *
gradient_of (const char *folder, const char *device, MblmLearnerOptions options,
    gsize batch, gsize rows, double *loss)
{
  options.memory = rows > 0 ? 1 : 0;
  g_autoptr (MblmLearner) learner = learner_load (folder, device, options);

  if (rows > 0)
    learner->run.rows = rows;
  accumulate (learner, batch, LENGTH, loss);
  g_assert_true (learner->plan.keep_all == (rows == 0));
  return read_gradient (learner);
}

static double
distance (GArray *x, GArray *expected)
{
  double square = 0, off = 0;

  g_assert_cmpuint (x->len, ==, expected->len);
  for (guint i = 0; i < x->len; i++) {
    double a = g_array_index (x, float, i);
    double b = g_array_index (expected, float, i);

    square += b * b;
    off += (a - b) * (a - b);
  }
  return sqrt (off / square);
}

/* ------------------------------------------------------------------------- */
/* Cuts                                                                      */
/* ------------------------------------------------------------------------- */

static void
test_segments (gconstpointer device)
{
  char *folder = fresh_folder ();

  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    g_autofree char *path = make_model (folder, i, TOKENS);
    MblmLearnerOptions options = {.precision = MBLM_PRECISION_F32};
    double loss, other;
    g_autoptr (GArray)
        whole = gradient_of (path, device, options, models[i].batch, 0, &loss);

    /* of unlike lengths; shorter than a convolution; a single one */
    for (guint k = 0; k < 3; k++) {
      const gsize rows[] = {8, 2, 4 * TOKENS};
      g_autoptr (GArray) cut = gradient_of (
          path, device, options, models[i].batch, rows[k], &other);

      g_assert_cmpfloat_with_epsilon (loss, other, 1e-6 * loss);
      g_assert_cmpfloat (distance (cut, whole), <=, SAME_LIMIT);
    }
  }
  fresh_remove (folder);
}

/* With products of bfloat16: against those of float32, and what the inputs add. */
static void
test_rounded_inputs (gconstpointer device)
{
  char *folder = fresh_folder ();

  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    g_autofree char *path = make_model (folder, i, TOKENS);
    MblmLearnerOptions options = {.precision = MBLM_PRECISION_F32};
    double loss;
    g_autoptr (GArray) exact = gradient_of (path, device, options, 2, 8, &loss);
    options.precision = MBLM_PRECISION_BF16;
    options.layer_inputs = MBLM_LAYER_INPUTS_F32;
    g_autoptr (GArray) wide = gradient_of (path, device, options, 2, 8, &loss);
    options.layer_inputs = MBLM_LAYER_INPUTS_BF16;
    g_autoptr (GArray)
        narrow = gradient_of (path, device, options, 2, 8, &loss);
    options.layer_inputs = MBLM_LAYER_INPUTS_AUTO;
    g_autoptr (GArray)
        chosen = gradient_of (path, device, options, 2, 8, &loss);

    g_test_message ("%s: products %.2g, with inputs %.2g", models[i].block,
        distance (wide, exact), distance (narrow, exact));
    g_assert_cmpfloat (distance (narrow, exact), <=, ROUNDED_LIMIT);
    g_assert_cmpfloat (distance (narrow, wide), >, 0);
    /* nothing fits into one byte */
    g_assert_cmpmem (chosen->data, chosen->len * sizeof (float), narrow->data,
        narrow->len * sizeof (float));
  }
  fresh_remove (folder);
}

/* On a device that has none, it is float32. */
static void
test_tf32 (gconstpointer device)
{
  char *folder = fresh_folder ();

  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    g_autofree char *path = make_model (folder, i, TOKENS);
    MblmLearnerOptions options = {.precision = MBLM_PRECISION_F32};
    double loss;
    g_autoptr (GArray) exact = gradient_of (path, device, options, 2, 0, &loss);
    options.precision = MBLM_PRECISION_TF32;
    g_autoptr (GArray)
        rounded = gradient_of (path, device, options, 2, 0, &loss);

    if (g_str_has_prefix (device, "cuda")) {
      g_test_message ("%s: %.2g", models[i].block, distance (rounded, exact));
      g_assert_cmpfloat (distance (rounded, exact), <=, TF32_LIMIT);
      g_assert_cmpfloat (distance (rounded, exact), >, SAME_LIMIT);
    } else {
      g_assert_cmpmem (exact->data, exact->len * sizeof (float), rounded->data,
          rounded->len * sizeof (float));
    }
  }
  fresh_remove (folder);
}

/* ------------------------------------------------------------------------- */
/* Memory                                                                    */
/* ------------------------------------------------------------------------- */

/* Enough for chunks of a small model, and less than kernels may need. */
#define SMALL_BOUND ((guint64) 64 << 20)

/* A table whose allocations are counted. */
static struct {
  const MblmKernels *real;
  MblmKernels table;
  GHashTable *sizes; /* of each allocation */
  gsize now, peak;
  gsize most; /* bytes; a larger one there is none */
} counted;

static void *
count_alloc (MblmKernelDevice *device, size_t bytes)
{
  void *memory = bytes <= counted.most ? counted.real->alloc (device, bytes)
                                       : NULL;

  if (memory == NULL)
    return NULL;
  g_hash_table_insert (counted.sizes, memory, GSIZE_TO_POINTER (bytes));
  counted.now += bytes;
  counted.peak = MAX (counted.peak, counted.now);
  return memory;
}

static void
count_free (MblmKernelDevice *device, void *memory)
{
  counted.now -= GPOINTER_TO_SIZE (g_hash_table_lookup (counted.sizes, memory));
  g_hash_table_remove (counted.sizes, memory);
  counted.real->free (device, memory);
}

static void
count_allocations (MblmLearner *learner, gsize most)
{
  counted.real = learner->run.k;
  counted.table = *counted.real;
  counted.table.alloc = count_alloc;
  counted.table.free = count_free;
  counted.sizes = g_hash_table_new (NULL, NULL);
  counted.now = counted.peak = 0;
  counted.most = most;
  learner->run.k = &counted.table;
}

/* Wide enough for its outer stage to be most of what a step takes. */
static MblmLearner *
make_wide (const char *block, MblmLayerInputs inputs)
{
  g_autofree char *yaml = g_strdup_printf (
      "num_tokens: 257\npad_token_id: 256\nhidden_dims: [256, 32]\n"
      "num_layers: [3, 1]\nseq_lens: [4096, 4]\nblock:\n"
      "- { %s, pos_emb_type: null }\n"
      "- { " FRESH_TRANSFORMER ", pos_emb_type: fixed }\n",
      block);
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmDevice) device = mblm_device_open ("cpu", 0, &error);
  g_autoptr (MblmConfig)
      config = mblm_config_parse (yaml, strlen (yaml), "wide", &error);
  MblmLearner *learner = mblm_learner_new_fresh (config, NULL, 1, device,
      &(MblmLearnerOptions){.precision = MBLM_PRECISION_BF16,
          .layer_inputs = inputs,
          .memory = SMALL_BOUND},
      &error);
  g_assert_no_error (error);
  return learner;
}

/* Bytes that a step takes, and that were estimated, for a sequence. */
static void
measure (const char *block, MblmLayerInputs inputs, gsize tokens, double *taken,
    double *estimated)
{
  g_autoptr (MblmLearner) learner = make_wide (block, inputs);
  double loss;

  count_allocations (learner, G_MAXSIZE);
  learner->run.rows = 32;
  accumulate (learner, 1, 4 * tokens, &loss);
  *taken = counted.peak;
  *estimated = learner->plan.bytes;
  g_clear_pointer (&learner, mblm_learner_free);
  g_hash_table_unref (counted.sizes);
}

/* Of what grows with the sequence: it may not be more than is said, but for what
 * blocks of memory leave unused, nor much less. A Transformer's gradient takes less
 * than what it keeps. */
static void
test_memory (void)
{
  const MblmLayerInputs inputs[] = {
      MBLM_LAYER_INPUTS_F32, MBLM_LAYER_INPUTS_BF16};
  const char *const blocks[] = {FRESH_MAMBA2, FRESH_MAMBA1, FRESH_TRANSFORMER};

  for (guint i = 0; i < G_N_ELEMENTS (blocks); i++)
    for (guint k = 0; k < 2; k++) {
      double taken[2], estimated[2];

      for (guint n = 0; n < 2; n++)
        measure (
            blocks[i], inputs[k], n ? 4096 : 1024, &taken[n], &estimated[n]);
      double more = taken[1] - taken[0], said = estimated[1] - estimated[0];
      g_test_message ("%s, %u: %.3g of %.3g bytes; in all %.3g of %.3g",
          blocks[i], inputs[k], more, said, taken[1], estimated[1]);
      g_assert_cmpfloat (taken[1], <=, estimated[1]);
      g_assert_cmpfloat (more, <=, 1.05 * said);
      g_assert_cmpfloat (more, >=, (i < 2 ? 0.9 : 0.6) * said);
    }
}

/* What was thought to fit doesn't; the next step begins anew. */
static void
test_exhausted (gconstpointer device)
{
  char *folder = fresh_folder ();
  g_autofree char *path = make_model (folder, 0, TOKENS);
  g_autoptr (MblmLearner)
      learner = learner_load (path, device, (MblmLearnerOptions){0});
  g_autofree gint32 *ids = fresh_ids (LENGTH, 7);
  const MblmLearnerBatch batch = {.batch = 1, .length = LENGTH, .ids = ids};
  g_autoptr (GError) error = NULL;
  double loss;

  count_allocations (learner, 1000);
  g_assert_false (
      mblm_learner_accumulate (learner, &batch, 1, 0, &loss, NULL, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message,
      "not enough memory for a batch of 1 times 197 ids in chunks of"));
  if (g_str_has_prefix (device, "cuda"))
    g_assert_true (strstr (error->message, "that fits") ||
        strstr (error->message, "use a smaller batch"));
  else
    g_assert_nonnull (strstr (error->message, "use a smaller batch"));
  g_clear_error (&error);
  counted.most = G_MAXSIZE;
  g_assert_true (
      mblm_learner_accumulate (learner, &batch, 1, 0, &loss, NULL, &error));
  g_assert_no_error (error);
  g_clear_pointer (&learner, mblm_learner_free);
  g_hash_table_unref (counted.sizes);
  fresh_remove (folder);
}

/* One sequence of the published model of three stages, with the bound that a GPU has
 * by itself. */
static MblmLearnerNeeds
get_published (MblmConfig *config, MblmDevice *device, gsize length)
{
  return (MblmLearnerNeeds){.config = config,
      .device = device,
      .options = {.precision = MBLM_PRECISION_BF16,
          .memory = (guint64) 17 << 29},
      .batch = 1,
      .length = length};
}

static void
open_published (const char *name, MblmConfig **config, MblmDevice **device)
{
  g_autofree char *path = g_build_filename (g_getenv ("MBLM_TEST_GOLDEN"),
      "published", "pg19_200bb_360m_3d_stt.yaml", NULL);
  g_autoptr (GError) error = NULL;

  *config = mblm_config_load (path, &error);
  g_assert_no_error (error);
  *device = mblm_device_open (name, 0, &error);
  g_assert_no_error (error);
}

static void
test_published (gconstpointer name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmConfig) config = NULL;
  g_autoptr (MblmDevice) device = NULL;

  open_published (name, &config, &device);
  MblmLearnerNeeds needs = get_published (config, device, 5000000);
  MblmTrainerMemory parts;
  guint64 bytes = mblm_learner_estimate (&needs, &parts, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (bytes - parts.saving, <=, 16000000000);

  needs = get_published (config, device, 100000000);
  bytes = mblm_learner_estimate (&needs, &parts, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (bytes - parts.saving, <=, 48000000000);
  g_assert_true (parts.inputs_rounded);
  g_assert_cmpuint (
      parts.layer_inputs, ==, (guint64) (100000000 / 128 + 1) * 10 * 1024 * 2);
  g_assert_cmpuint (bytes, ==,
      parts.weights + parts.gradients + parts.moments + parts.rounded +
          parts.layer_inputs + parts.chunks + parts.saving);
}

/* A bound that is named is one that fits. */
static void
expect_fit (const MblmLearnerNeeds *needs, guint64 there, const char *expected)
{
  g_autofree char *fit = mblm_learner_find_fit (needs, there);
  const char *bound = fit != NULL ? strstr (fit, "--memory=") : NULL;
  MblmLearnerNeeds less = *needs;
  MblmTrainerMemory parts;

  g_test_message ("%s", fit);
  if (expected == NULL) {
    g_assert_null (fit);
    return;
  }
  g_assert_nonnull (strstr (fit, expected));
  if (bound == NULL)
    return;
  less.options.memory = g_ascii_strtoull (
      bound + strlen ("--memory="), NULL, 10);
  g_assert_cmpuint (mblm_learner_estimate (&less, &parts, NULL), <=, there);
}

/* Each remedy where it is the least that helps. */
static void
test_fit (gconstpointer name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmConfig) config = NULL;
  g_autoptr (MblmDevice) device = NULL;

  open_published (name, &config, &device);
  MblmLearnerNeeds needs = get_published (config, device, 100000000);
  MblmTrainerMemory parts;
  guint64 bytes = mblm_learner_estimate (&needs, &parts, &error);

  expect_fit (&needs, bytes - 1000000, "take --memory=");
  expect_fit (
      &needs, bytes / 2, "take a batch_size of 1 and an input_seq_len of");
  expect_fit (&needs, 1000000000, NULL);
  needs.options.layer_inputs = MBLM_LAYER_INPUTS_F32;
  expect_fit (&needs, bytes, "take layer_inputs: bf16: that fits (patches");
  if (parts.saving > 0) /* the device's memory is the host's */
    return;
  needs.options.memory = 1;
  needs.options.layer_inputs = MBLM_LAYER_INPUTS_BF16;
  bytes = mblm_learner_estimate (&needs, &parts, &error);
  expect_fit (
      &needs, bytes - 1000000000, "take optimizer_memory: host: that fits");
}

/* ------------------------------------------------------------------------- */
/* Steps                                                                     */
/* ------------------------------------------------------------------------- */

static void
train (MblmLearner *learner, guint first, guint end)
{
  g_autoptr (GError) error = NULL;
  double loss, norm;

  for (guint i = first; i < end; i++) {
    accumulate (learner, 1 + i, LENGTH, &loss);
    mblm_learner_get_norm (learner, &norm, &error);
    g_assert_no_error (error);
    mblm_learner_step (learner, 0.01, 1, norm, &error);
    g_assert_no_error (error);
  }
}

/* Weights and moments in FOLDER/NAME, with the configuration of `of`. */
static char *
save (
    MblmLearner *learner, const char *folder, const char *name, const char *of)
{
  char *path = g_build_filename (folder, name, NULL);
  g_autofree char *weights = g_build_filename (path, "model.safetensors", NULL);
  g_autofree char *state = g_build_filename (path, "state.safetensors", NULL);
  g_autofree char *from = g_build_filename (of, "config.yaml", NULL);
  g_autofree char *to = g_build_filename (path, "config.yaml", NULL);
  g_autofree char *yaml = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  g_file_get_contents (from, &yaml, NULL, &error);
  g_assert_no_error (error);
  g_file_set_contents (to, yaml, -1, &error);
  g_assert_no_error (error);
  mblm_learner_write_weights (learner, FALSE, weights, &error);
  g_assert_no_error (error);
  mblm_learner_write_state (learner, FALSE, state, &error);
  g_assert_no_error (error);
  return path;
}

static MblmLearner *
resume (const char *folder, const char *device, MblmLearnerOptions options,
    guint64 steps)
{
  MblmLearner *learner = learner_load (folder, device, options);
  g_autofree char *state = g_build_filename (folder, "state.safetensors", NULL);
  g_autoptr (GError) error = NULL;

  mblm_learner_read_state (learner, state, steps, &error);
  g_assert_no_error (error);
  return learner;
}

static void
compare_files (const char *folder, const char *other, const char *name)
{
  g_autofree char *a = g_build_filename (folder, name, NULL);
  g_autofree char *b = g_build_filename (other, name, NULL);
  g_autofree char *x = NULL, *y = NULL;
  gsize n, m;

  g_assert_true (g_file_get_contents (a, &x, &n, NULL));
  g_assert_true (g_file_get_contents (b, &y, &m, NULL));
  g_assert_cmpmem (x, n, y, m);
}

/* The same bits with moments on the device and in memory of the host, in pieces that
 * no tensor is a multiple of, without a break and resumed, with rounded inputs. */
static void
check_moments (const char *device, MblmOptimizer optimizer)
{
  char *folder = fresh_folder ();
  g_autofree char *path = make_model (folder, 0, TOKENS);
  MblmLearnerOptions options = {
      .precision = MBLM_PRECISION_BF16, .memory = 1, .optimizer = optimizer};
  g_autoptr (MblmLearner) whole = learner_load (path, device, options);
  options.host_moments = TRUE;
  g_autoptr (MblmLearner) first = learner_load (path, device, options);
  MblmTraits traits;

  mblm_device_get_traits (first->run.device, &traits);
  g_assert_true ((first->window != NULL) == (traits.memory > 0));
  whole->run.rows = first->run.rows = 8;
  first->window_size = 101;
  train (whole, 0, 3);
  train (first, 0, 1);
  g_assert_cmpint (first->plan.inputs, ==, MBLM_TYPE_BF16);
  g_autofree char *stopped = save (first, folder, "stopped", path);
  g_autoptr (MblmLearner) second = resume (stopped, device, options, 1);
  second->run.rows = 8;
  second->window_size = 1003;
  train (second, 1, 3);
  g_autofree char *a = save (whole, folder, "whole", path);
  g_autofree char *b = save (second, folder, "resumed", path);
  compare_files (a, b, "model.safetensors");
  compare_files (a, b, "state.safetensors");
  fresh_remove (folder);
}

static void
test_moments (gconstpointer device)
{
  check_moments (device, MBLM_OPTIMIZER_ADAM);
  check_moments (device, MBLM_OPTIMIZER_MUON);
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *name;
    GTestDataFunc run;
  } tests[] = {{"segments", test_segments}, {"rounded", test_rounded_inputs},
      {"tf32", test_tf32}, {"exhausted", test_exhausted},
      {"published", test_published}, {"fit", test_fit},
      {"moments", test_moments}};
  g_auto (GStrv) devices = golden_get_devices ();
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; devices[i] != NULL; i++)
    for (guint t = 0; t < G_N_ELEMENTS (tests); t++) {
      g_autofree char *path = g_strdup_printf (
          "/%s/%s", tests[t].name, devices[i]);
      g_test_add_data_func (path, devices[i], tests[t].run);
    }
  g_test_add_func ("/estimate", test_memory);
  return g_test_run ();
}
