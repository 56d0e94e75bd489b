/* test-training-config.c: training files.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>
#include <mblm.h>
#include <string.h>
#include <training-config.h>

#include "formats.h"

static const char small[] =
    "io:\n"
    "  name_model: small\n"
    "  output_dir: out < set this!\n"
    "  dataset_dir: in\n"
    "  dataset_id: pg19\n"
    "  dataset_args: {a: 1, b: [0.5, x], c: null, d: {e: true}}\n"
    "  num_models_to_save: 2\n"
    "  validate_amount: 3\n"
    "  log_train_loss_amount: 10\n"
    "params:\n"
    "  input_seq_len: 128\n"
    "  num_tokens: 257\n"
    "  pad_token_id: 256\n"
    "  hidden_dims: [32, 16]\n"
    "  num_layers: [2, 1]\n"
    "  seq_lens: [16, 8]\n"
    "  train_checkpoint_chunks: null\n"
    "  block: {attn_head_dims: 8, attn_num_heads: 2, attn_use_rot_embs: true, "
    "pos_emb_type: fixed}\n"
    "train:\n"
    "  target_elements: 10_000\n"
    "  target_elements_strategy: sequence\n"
    "  batch_size: 4\n"
    "  learning_rate: 0.001\n"
    "  gradient_accumulate_every: 2\n"
    "  gradient_clipping: null\n";

static MblmTrainingConfig *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  MblmTrainingConfig *config = mblm_training_config_parse (
      text, strlen (text), "test.yaml", &error);

  g_assert_no_error (error);
  return config;
}

/* `small` with the first `from` replaced. */
static char *
changed (const char *from, const char *to)
{
  const char *at = strstr (small, from);

  g_assert_nonnull (at);
  return g_strdup_printf (
      "%.*s%s%s", (int) (at - small), small, to, at + strlen (from));
}

static void
test_published (void)
{
  static const struct {
    const char *file, *name, *id;
    guint64 batches, steps, warmup, accumulate;
    double rate, clip;
    gboolean shuffle;
  } cases[] = {
      {"clevr_7mi_360m_1d_s_ft", "8k_7mi_360m_1d_s_pt1_ft", "clevr", 1166667,
          24305, 2430, 48, 1e-4, 0.5, TRUE},
      {"pg19_200bb_360m_3d_stt", "1m_200b_360m_3d_stt", "pg19", 190735, 3973,
          397, 48, 1e-3, 1, FALSE},
      {"pg19_30bb_360m_1d_t", "8k_30b_360m_1d_t", "pg19", 915528, 76294, 7629,
          12, 1e-3, 1, FALSE},
      {"pg19_30bb_360m_2d_ss", "8k_30b_360m_2d_ss", "pg19", 610352, 76294, 7629,
          8, 1e-3, 1, FALSE},
      {"pg19_30bb_360m_2d_st", "8k_30b_360m_2d_st", "pg19", 610352, 76294, 7629,
          8, 1e-3, 1, FALSE},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *name = g_strdup_printf (
        "published/%s.yaml", cases[i].file);
    g_autofree char *path = formats_golden (name);
    g_autoptr (MblmTrainingConfig)
        config = mblm_training_config_load (path, &error);

    g_assert_no_error (error);
    g_assert_cmpstr (config->name, ==, cases[i].name);
    g_assert_cmpstr (config->dataset_id, ==, cases[i].id);
    g_assert_cmpstr (config->output_dir, ==, "/data/output < set this!");
    g_assert_cmpuint (config->batches, ==, cases[i].batches);
    g_assert_cmpuint (config->steps, ==, cases[i].steps);
    g_assert_cmpuint (config->warmup, ==, cases[i].warmup);
    g_assert_cmpuint (config->accumulate, ==, cases[i].accumulate);
    g_assert_cmpfloat (config->learning_rate, ==, cases[i].rate);
    g_assert_cmpfloat (config->clip, ==, cases[i].clip);
    g_assert_cmpint (config->shuffle_train, ==, cases[i].shuffle);
    g_assert_cmpuint (config->models_to_save, ==, 5);
    g_assert_cmpint (config->checkpoint_file != NULL, ==, i == 0);
    g_assert_true (isnan (config->mask_share));
  }
}

static void
test_values (void)
{
  g_autofree char *text = changed ("  gradient_clipping: null\n",
      "  precision: bf16\n  layer_inputs: bf16\n  optimizer_memory: host\n"
      "  optimizer: muon\n  smooth_embeddings: true\n  seed: 7\n  "
      "checkpoint_minutes: 0.5\n"
      "  skip_unreadable: true\n  max_eval_steps: 3\n  masking_proba: 0.15\n"
      "resume:\n  checkpoint_file: x.pth\n  next_epoch_index: 2\n"
      "  next_batch_index: 9\n  migrate_embeddings: true\n");
  g_autoptr (MblmTrainingConfig) plain = parse (small);
  g_autoptr (MblmTrainingConfig) config = parse (text);
  g_autofree char *args = g_variant_print (plain->dataset_args, TRUE);

  g_assert_cmpstr (args, ==,
      "{'a': <int64 1>, 'b': <[<0.5>, <'x'>]>, 'd': <{'e': <true>}>}");
  g_assert_cmpuint (plain->batches, ==, 20);
  g_assert_cmpuint (plain->steps, ==, 10);
  g_assert_cmpuint (plain->warmup, ==, 1);
  g_assert_cmpfloat (plain->clip, ==, 0);
  g_assert_cmpint (plain->precision, ==, MBLM_PRECISION_F32);
  g_assert_cmpint (plain->layer_inputs, ==, MBLM_LAYER_INPUTS_AUTO);
  g_assert_cmpint (plain->optimizer, ==, MBLM_OPTIMIZER_ADAM);
  g_assert_false (plain->host_moments);
  g_assert_false (plain->smooth_embeddings);
  g_assert_cmpfloat (plain->checkpoint_minutes, ==, 10);
  g_assert_null (plain->checkpoint_file);

  g_assert_cmpint (config->precision, ==, MBLM_PRECISION_BF16);
  g_assert_cmpint (config->layer_inputs, ==, MBLM_LAYER_INPUTS_BF16);
  g_assert_cmpint (config->optimizer, ==, MBLM_OPTIMIZER_MUON);
  g_assert_true (config->host_moments);
  g_assert_true (config->smooth_embeddings);
  g_assert_cmpuint (config->seed, ==, 7);
  g_assert_cmpfloat (config->checkpoint_minutes, ==, 0.5);
  g_assert_true (config->skip_unreadable);
  g_assert_cmpuint (config->max_eval_steps, ==, 3);
  g_assert_cmpfloat (config->mask_share, ==, 0.15);
  g_assert_cmpstr (config->checkpoint_file, ==, "x.pth");
  g_assert_cmpuint (config->next_epoch, ==, 2);
  g_assert_cmpuint (config->next_batch, ==, 9);
  g_assert_true (config->migrate_embeddings);
}

/* Every message names the line and what is wrong with it. */
static void
test_refused (void)
{
  static const struct {
    const char *from, *to, *message;
  } cases[] = {
      {"io:\n", "oi:\n", "line 1: a training file has no key \"oi\""},
      {"batch_size: 4", "batch_sise: 4",
          "line 22: train has no key \"batch_sise\" (did you mean "
          "\"batch_size\"?)"},
      {"  batch_size: 4\n", "", "the key \"batch_size\" is missing"},
      {"batch_size: 4", "batch_size: 0", "line 22: batch_size is 0"},
      {"batch_size: 4", "batch_size: null", "batch_size must not be null"},
      {"learning_rate: 0.001", "learning_rate: fast",
          "line 23: learning_rate must be a number"},
      {"learning_rate: 0.001", "learning_rate: -1", "learning_rate is -1"},
      {"learning_rate: 0.001", "learning_rate: .nan", "learning_rate is .nan"},
      {"strategy: sequence", "strategy: bytes",
          "line 21: target_elements_strategy must be batch or sequence"},
      {"every: 2", "every: 21", "line 24: target_elements are 20 batches"},
      {"clipping: null", "clipping: null\n  warmup_steps_perc: 1",
          "line 26: warmup_steps_perc leaves no step"},
      {"clipping: null", "clipping: null\n  shuffle_train: 3",
          "line 26: shuffle_train must be true or false"},
      {"clipping: null", "clipping: null\n  precision: f16",
          "line 26: precision must be f32 or bf16 or tf32"},
      {"clipping: null", "clipping: null\n  layer_inputs: f16",
          "line 26: layer_inputs must be auto or f32 or bf16"},
      {"clipping: null", "clipping: null\n  optimizer: sgd",
          "line 26: optimizer must be adam or muon"},
      {"clipping: null", "clipping: null\n  optimizer_memory: disk",
          "line 26: optimizer_memory must be device or host"},
      {"name_model: small", "name_model: a/b", "line 2: name_model"},
      {"name_model: small", "name_model: ..", "line 2: name_model"},
      {"name_model: small", "name_model: [a]",
          "line 2: name_model must be a string, not a list"},
      {"input_seq_len: 128", "input_seq_len: 129",
          "line 11: input_seq_len is 129, but the fixed positions of the first "
          "stage end at 128"},
      {"{a: 1, b: [0.5, x], c: null, d: {e: true}}", "5",
          "line 6: dataset_args must be a mapping"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *text = changed (cases[i].from, cases[i].to);

    g_assert_null (
        mblm_training_config_parse (text, strlen (text), "test.yaml", &error));
    g_assert_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG);
    g_assert_true (g_str_has_prefix (error->message, "test.yaml, line "));
    if (strstr (error->message, cases[i].message) == NULL)
      g_error ("%s: %s", cases[i].message, error->message);
  }
}

/* As a run without a model writes it: good for going on, not for a beginning. */
static void
test_no_checkpoint (void)
{
  g_autofree char *text = changed ("clipping: null\n",
      "clipping: null\nresume: {checkpoint_file: '', next_epoch_index: -1, "
      "next_batch_index: -1}\n");
  g_autoptr (MblmTrainingConfig) config = parse (text);
  g_autoptr (GError) error = NULL;

  g_assert_null (config->checkpoint_file);
  g_assert_false (mblm_training_config_check_start (config, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG);
  g_assert_nonnull (
      strstr (error->message, "line 26: checkpoint_file is empty"));
}

/* What is written reads back as the same run, and says where to go on. */
static void
test_written (void)
{
  static const char *const files[] = {"clevr_7mi_360m_1d_s_ft",
      "pg19_200bb_360m_3d_stt", "pg19_30bb_360m_2d_ss"};
  const MblmTrainingSummary summary = {.checkpoint_file = "a \"b\"/c_top1",
      .has_place = TRUE,
      .next_epoch = 3,
      .next_batch = 5,
      .training_start = "2026-11-25T20:39:58",
      .n_parameters = 123};

  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *name = g_strdup_printf ("published/%s.yaml", files[i]);
    g_autofree char *path = formats_golden (name);
    g_autoptr (MblmTrainingConfig)
        config = mblm_training_config_load (path, &error);

    g_assert_no_error (error);

    g_autofree char *text = mblm_training_config_to_yaml (config, &summary);
    g_autoptr (MblmTrainingConfig) again = parse (text);
    g_autofree char *twice = mblm_training_config_to_yaml (again, &summary);
    g_autofree char *model = mblm_config_to_yaml (config->model);
    g_autofree char *model_again = mblm_config_to_yaml (again->model);

    g_assert_cmpstr (again->checkpoint_file, ==, "a \"b\"/c_top1");
    g_assert_cmpuint (again->next_epoch, ==, 3);
    g_assert_cmpuint (again->next_batch, ==, 5);
    g_assert_cmpuint (again->batches, ==, config->batches);
    g_assert_cmpstr (again->output_dir, ==, config->output_dir);
    g_assert_cmpstr (model, ==, model_again);
    if (config->dataset_args != NULL)
      g_assert_true (
          g_variant_equal (config->dataset_args, again->dataset_args));
    g_assert_nonnull (strstr (text, "  parameter_count: 123\n  error: null\n"));
    g_assert_nonnull (strstr (twice, "  resumed_from: \"a \\\"b\\\"/c_top1\""));
  }
}

/* Keys that are too long to stand without a mark, and every kind of value. */
static void
test_written_args (void)
{
  g_autofree char *key = g_strnfill (2000, 'k');
  g_autofree char *args = g_strdup_printf (
      "{? %s : [1, {x: [], y: {}}, [true, 1e-3, 'a b']], '': \"\\n\\u00e4\", "
      "'1': -.inf, n: 0x10}",
      key);
  g_autofree char *text = changed (
      "{a: 1, b: [0.5, x], c: null, d: {e: true}}", args);
  g_autoptr (MblmTrainingConfig) config = parse (text);
  const MblmTrainingSummary summary = {
      .checkpoint_file = "x", .has_place = TRUE};
  g_autofree char *written = mblm_training_config_to_yaml (config, &summary);
  g_autoptr (MblmTrainingConfig) again = parse (written);

  g_assert_cmpuint (g_variant_n_children (config->dataset_args), ==, 4);
  g_assert_true (g_variant_equal (config->dataset_args, again->dataset_args));
}

/* A path that is no text makes no file that can't be read. */
static void
test_written_bytes (void)
{
  const MblmTrainingSummary summary = {
      .checkpoint_file = "a\xff/top1\xe2", .error = "\xc3", .has_place = TRUE};
  g_autoptr (MblmTrainingConfig) config = parse (small);
  g_autofree char *written = mblm_training_config_to_yaml (config, &summary);
  g_autoptr (MblmTrainingConfig) again = parse (written);

  g_assert_cmpstr (
      again->checkpoint_file, ==, "a\xef\xbf\xbd/top1\xef\xbf\xbd");
}

/* What the command line says is what the run's own file says, which goes on. */
static void
test_written_options (void)
{
  const MblmTrainingSummary summary = {
      .checkpoint_file = "x", .has_place = TRUE};
  g_autoptr (MblmTrainingConfig) config = parse (small);

  mblm_training_config_set_precision (config, MBLM_PRECISION_BF16);
  mblm_training_config_set_layer_inputs (config, MBLM_LAYER_INPUTS_BF16);
  g_autofree char *written = mblm_training_config_to_yaml (config, &summary);
  g_autoptr (MblmTrainingConfig) again = parse (written);
  g_assert_cmpint (again->precision, ==, MBLM_PRECISION_BF16);
  g_assert_cmpint (again->layer_inputs, ==, MBLM_LAYER_INPUTS_BF16);
  g_assert_cmpstr (again->fingerprint, ==, config->fingerprint);
}

/* Each word is read, written back as it is, and another run. */
static void
test_precisions (void)
{
  static const char *const words[] = {"f32", "bf16", "tf32"};
  const MblmTrainingSummary summary = {
      .checkpoint_file = "x", .has_place = TRUE};
  g_autoptr (MblmTrainingConfig) before = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
    g_autofree char *line = g_strdup_printf (
        "  gradient_clipping: null\n  precision: %s\n", words[i]);
    g_autofree char *text = changed ("  gradient_clipping: null\n", line);
    g_autoptr (MblmTrainingConfig) config = parse (text);
    g_autofree char *written = mblm_training_config_to_yaml (config, &summary);
    g_autoptr (MblmTrainingConfig) again = parse (written);

    g_assert_cmpint (config->precision, ==, i);
    g_assert_cmpint (again->precision, ==, i);
    g_assert_cmpstr (again->fingerprint, ==, config->fingerprint);
    if (before != NULL)
      g_assert_cmpstr (before->fingerprint, !=, config->fingerprint);
    g_clear_pointer (&before, mblm_training_config_free);
    before = g_steal_pointer (&config);
  }
}

/* A short file that would be a long one with its aliases written out. */
static void
test_aliases (void)
{
  g_autofree char *word = g_strnfill (60000, 'w');
  g_autoptr (GString) args = g_string_new (NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  g_string_append_printf (args, "{a: &a %s, b: [*a", word);
  for (guint i = 0; i < 100; i++)
    g_string_append (args, ", *a");
  g_string_append (args, "]}");
  text = changed ("{a: 1, b: [0.5, x], c: null, d: {e: true}}", args->str);
  g_assert_null (
      mblm_training_config_parse (text, strlen (text), "test.yaml", &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "4194304 bytes of text"));
}

static void
test_fingerprint (void)
{
  static const struct {
    const char *from, *to;
    gboolean same;
  } cases[] = {
      {"target_elements: 10_000", "target_elements: 10000", TRUE},
      {"  gradient_clipping: null\n",
          "  gradient_clipping: null\n  checkpoint_minutes: 1\n", TRUE},
      {"output_dir: out < set this!", "output_dir: elsewhere", TRUE},
      {"dataset_dir: in", "dataset_dir: elsewhere", TRUE},
      {"name_model: small\n", "name_model: small\n  description: x\n", TRUE},
      {"  gradient_clipping: null\n",
          "  gradient_clipping: null\n  precision: f32\n", TRUE},
      {"  gradient_clipping: null\n",
          "  gradient_clipping: null\n  precision: bf16\n", FALSE},
      {"  gradient_clipping: null\n",
          "  gradient_clipping: null\n  precision: tf32\n", FALSE},
      {"  gradient_clipping: null\n",
          "  gradient_clipping: null\n  layer_inputs: auto\n", TRUE},
      {"  gradient_clipping: null\n",
          "  gradient_clipping: null\n  layer_inputs: f32\n", FALSE},
      {"  gradient_clipping: null\n",
          "  gradient_clipping: null\n  optimizer_memory: host\n", TRUE},
      {"  gradient_clipping: null\n",
          "  gradient_clipping: null\n  optimizer: adam\n", TRUE},
      {"  gradient_clipping: null\n",
          "  gradient_clipping: null\n  optimizer: muon\n", FALSE},
      {"  gradient_clipping: null\n",
          "  gradient_clipping: null\n  smooth_embeddings: true\n", FALSE},
      {"batch_size: 4", "batch_size: 5", FALSE},
      {"hidden_dims: [32, 16]", "hidden_dims: [32, 32]", FALSE},
      {"{e: true}", "{e: false}", FALSE},
      {"  gradient_clipping: null\n",
          "  gradient_clipping: null\nresume: {checkpoint_file: x, "
          "next_epoch_index: 0, next_batch_index: 0}\n",
          TRUE},
  };
  g_autoptr (MblmTrainingConfig) first = parse (small);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *text = changed (cases[i].from, cases[i].to);
    g_autoptr (MblmTrainingConfig) other = parse (text);

    g_assert_cmpint (g_str_equal (first->fingerprint, other->fingerprint), ==,
        cases[i].same);
  }
}

/* The files of pipelines/training, and the mblm.json that they name. */
static void
test_pipelines (void)
{
  g_autofree char *top = g_build_filename (
      g_getenv ("MBLM_TEST_GOLDEN"), "..", "..", NULL);
  g_autofree char *folder = g_build_filename (
      top, "pipelines", "training", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &error);
  const char *name;
  guint n = 0;

  g_assert_no_error (error);
  while ((name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    if (!g_str_has_suffix (name, ".yaml"))
      continue;
    g_autoptr (MblmTrainingConfig)
        config = mblm_training_config_load (path, &error);
    g_assert_no_error (error);
    n++;
    if (!config->model_info)
      continue;
    g_autofree char *json = g_build_filename (top, config->model_info, NULL);
    g_autoptr (MblmInfo) info = mblm_info_load (
        json, mblm_config_get_vocabulary (config->model), &error);
    g_assert_no_error (error);
  }
  g_assert_cmpuint (n, >=, 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/training-config/published", test_published);
  g_test_add_func ("/training-config/values", test_values);
  g_test_add_func ("/training-config/refused", test_refused);
  g_test_add_func ("/training-config/no-checkpoint", test_no_checkpoint);
  g_test_add_func ("/training-config/written", test_written);
  g_test_add_func ("/training-config/written-args", test_written_args);
  g_test_add_func ("/training-config/written-bytes", test_written_bytes);
  g_test_add_func ("/training-config/written-options", test_written_options);
  g_test_add_func ("/training-config/aliases", test_aliases);
  g_test_add_func ("/training-config/pipelines", test_pipelines);
  g_test_add_func ("/training-config/precisions", test_precisions);
  g_test_add_func ("/training-config/fingerprint", test_fingerprint);
  return g_test_run ();
}
