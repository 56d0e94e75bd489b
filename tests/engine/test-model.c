/* test-model.c: finding, checking, loading, sharing and creating models.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "fresh.h"
#include "golden.h"
#include "safetensors.h"

#define VOCABULARY 257

typedef struct {
  char *folder;
  char *model; /* path of a model in it */
  MblmDevice *device;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  f->folder = fresh_folder ();
  f->model = fresh_model (f->folder, "model", 4, FRESH_TRANSFORMER, "fixed");
  f->device = mblm_device_open ("cpu", 1, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_object_unref (f->device);
  g_free (f->model);
  fresh_remove (f->folder);
}

static MblmModel *
load (Fixture *f, const char *path, MblmPrecision precision)
{
  g_autoptr (GError) error = NULL;
  MblmModel *model = mblm_model_load (path, f->device, precision, NULL, &error);
  g_assert_no_error (error);
  return model;
}

static void
assert_load_fails (Fixture *f, const char *path, MblmError code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) check = NULL;

  g_assert_null (
      mblm_model_load (path, f->device, MBLM_PRECISION_F32, NULL, &error));
  g_assert_error (error, MBLM_ERROR, (gint) code);
  g_test_message ("%s", error->message);
  g_assert_false (mblm_model_check (path, NULL, NULL, &check));
  g_assert_cmpint (check->code, ==, error->code);
}

/* ------------------------------------------------------------------------- */
/* Names                                                                     */
/* ------------------------------------------------------------------------- */

static void
test_find (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *old = g_strdup (g_getenv ("MBLM_MODEL_PATH"));

  g_setenv ("MBLM_MODEL_PATH", f->folder, TRUE);
  g_autofree char *by_name = mblm_model_find ("model", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (by_name, ==, f->model);
  g_autofree char *by_path = mblm_model_find (f->model, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (by_path, ==, f->model);

  static const char *const bad[] = {"nothing", "", "..", "no/such/folder"};
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_assert_null (mblm_model_find (bad[i], &error));
    g_assert_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND);
    g_test_message ("%s", error->message);
    g_clear_error (&error);
  }
  /* A folder that is none of a model. */
  g_assert_null (mblm_model_find (f->folder, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND);
  if (old != NULL)
    g_setenv ("MBLM_MODEL_PATH", old, TRUE);
  else
    g_unsetenv ("MBLM_MODEL_PATH");
}

static void
test_devices (Fixture *f, gconstpointer data)
{
  static const char *const bad[] = {"gpu", "cpu:0", "cuda:x", "cuda:", "ref:1",
      "cuda:-1", "cuda:99999", "CPU"};
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_assert_null (mblm_device_open (bad[i], 0, &error));
    g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
    g_clear_error (&error);
  }
  g_assert_null (mblm_device_open ("cpu", 100000, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_clear_error (&error);

  g_autoptr (MblmDevice) same = mblm_device_open ("cpu", 1, &error);
  g_assert_no_error (error);
  g_assert_true (same == f->device);
  g_autoptr (MblmDevice) two = mblm_device_open ("cpu", 2, &error);
  g_assert_no_error (error);
  g_assert_true (two != f->device);
  g_assert_cmpuint (mblm_device_get_threads (f->device), ==, 1);
  g_autoptr (MblmDevice) best = mblm_device_open ("auto", 0, &error);
  g_assert_no_error (error);

  /* Kernels that are not there: the reason and the way out. */
  g_setenv ("MBLM_KERNELS_PATH", f->folder, TRUE);
  g_assert_null (mblm_device_open ("cuda:0", 0, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_DEVICE);
  g_test_message ("%s", error->message);
}

/* ------------------------------------------------------------------------- */
/* Sharing                                                                   */
/* ------------------------------------------------------------------------- */

static void
test_registry (Fixture *f, gconstpointer data)
{
  g_autofree char *link = g_build_filename (f->folder, "link", NULL);
  MblmModel *first = load (f, f->model, MBLM_PRECISION_F32);
  g_autoptr (MblmModel) again = load (f, f->model, MBLM_PRECISION_F32);
  g_autoptr (MblmModel) bf16 = load (f, f->model, MBLM_PRECISION_BF16);

  g_assert_true (again == first);
  g_assert_true (bf16 != first);
  g_assert_cmpint (symlink (f->model, link), ==, 0);
  g_autoptr (MblmModel) linked = load (f, link, MBLM_PRECISION_F32);
  g_assert_true (linked == first);
  g_object_unref (first);

  /* Another file under the same name is another model. */
  g_autofree char *other = fresh_model (
      f->folder, "other", 4, FRESH_MAMBA2, "null");
  g_autofree char *kept = g_build_filename (f->folder, "kept", NULL);
  g_assert_cmpint (g_rename (f->model, kept), ==, 0);
  g_assert_cmpint (g_rename (other, f->model), ==, 0);
  g_autoptr (MblmModel) replaced = load (f, f->model, MBLM_PRECISION_F32);
  g_assert_true (replaced != again);
}

static gpointer
load_in_thread (gpointer data)
{
  Fixture *f = data;
  return load (f, f->model, MBLM_PRECISION_F32);
}

static void
test_concurrent_loads (Fixture *f, gconstpointer data)
{
  enum { N = 6 };
  GThread *threads[N];
  MblmModel *models[N];

  for (guint i = 0; i < N; i++)
    threads[i] = g_thread_new ("load", load_in_thread, f);
  for (guint i = 0; i < N; i++)
    models[i] = g_thread_join (threads[i]);
  for (guint i = 0; i < N; i++) {
    g_assert_true (models[i] == models[0]);
    if (i > 0)
      g_object_unref (models[i]);
  }
  g_assert_finalize_object (models[0]);
}

static void
test_cancelled_load (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  g_cancellable_cancel (cancellable);
  g_assert_null (mblm_model_load (
      f->model, f->device, MBLM_PRECISION_F32, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_autoptr (MblmModel) model = load (f, f->model, MBLM_PRECISION_F32);
}

/* ------------------------------------------------------------------------- */
/* Files that are not what they should be                                    */
/* ------------------------------------------------------------------------- */

typedef enum {
  KEEP,
  DROP,
  RENAME,
  RESHAPE,
  EXTRA,
  NOT_FINITE,
} Change;

/* Copies the weights with one tensor changed. */
static void
change_weights (Fixture *f, const char *name, Change change)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (
      f->model, "model.safetensors", NULL);
  g_autoptr (MblmTensorFile) file = mblm_tensor_file_open (path, &error);
  g_assert_no_error (error);
  g_autoptr (MblmTensorWriter) writer = mblm_tensor_writer_new ();
  g_autoptr (GPtrArray) buffers = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < mblm_tensor_file_get_n_entries (file); i++) {
    const MblmTensorEntry *e = mblm_tensor_file_get_entry (file, i);
    Change c = g_str_equal (e->name, name) ? change : KEEP;
    float *values = g_new (float, e->n_elements);
    gsize shape[MBLM_MAX_DIMS];
    guint n_dims = e->n_dims;
    mblm_tensor_file_read (file, e, 0, e->n_elements, values, &error);
    g_assert_no_error (error);
    g_ptr_array_add (buffers, values);
    memcpy (shape, e->shape, sizeof shape);
    if (c == DROP)
      continue;
    if (c == RESHAPE) {
      shape[0] = e->n_elements;
      n_dims = 1;
    }
    if (c == NOT_FINITE)
      values[e->n_elements / 2] = NAN;
    mblm_tensor_writer_add (writer, c == RENAME ? "renamed" : e->name,
        MBLM_DTYPE_F32, n_dims, shape, values);
    if (c == EXTRA)
      mblm_tensor_writer_add (
          writer, "extra", MBLM_DTYPE_F32, n_dims, shape, values);
  }
  mblm_tensor_writer_finish (writer, path, &error);
  g_assert_no_error (error);
}

static void
test_wrong_weights (Fixture *f, gconstpointer data)
{
  change_weights (f, "to_logits.weight", KEEP);
  g_object_unref (load (f, f->model, MBLM_PRECISION_F32));
  change_weights (f, "to_logits.weight", RESHAPE);
  assert_load_fails (f, f->model, MBLM_ERROR_WEIGHTS);
}

static void
test_missing_tensor (Fixture *f, gconstpointer data)
{
  change_weights (f, "start_tokens.1", DROP);
  assert_load_fails (f, f->model, MBLM_ERROR_WEIGHTS);
}

static void
test_renamed_tensor (Fixture *f, gconstpointer data)
{
  change_weights (f, "start_tokens.1", RENAME);
  assert_load_fails (f, f->model, MBLM_ERROR_WEIGHTS);
}

static void
test_extra_tensor (Fixture *f, gconstpointer data)
{
  change_weights (f, "start_tokens.1", EXTRA);
  assert_load_fails (f, f->model, MBLM_ERROR_WEIGHTS);
}

/* The rotary frequencies follow from the configuration. */
static void
test_missing_buffer (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree gint32 *ids = fresh_ids (20, 1);
  float with[VOCABULARY], without[VOCABULARY];
  float *out[] = {with, without};

  for (guint i = 0; i < 2; i++) {
    g_autoptr (MblmModel) model = load (f, f->model, MBLM_PRECISION_F32);
    g_autoptr (MblmSession) session = mblm_session_new (model, &error);
    mblm_session_feed (session, ids, 20, NULL, &error);
    g_assert_no_error (error);
    memcpy (out[i], mblm_session_get_logits (session, 0, NULL), sizeof with);
    if (i == 0)
      change_weights (f, "stage_models.0.rotary_emb.inv_freq", DROP);
  }
  g_assert_cmpfloat (golden_distance (with, without, VOCABULARY), <, 1e-6);
}

static void
test_not_finite (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  change_weights (f, "to_logits.weight", NOT_FINITE);
  g_assert_null (
      mblm_model_load (f->model, f->device, MBLM_PRECISION_F32, NULL, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS);
}

static void
test_no_weights (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (
      f->model, "model.safetensors", NULL);

  g_assert_cmpint (g_unlink (path), ==, 0);
  assert_load_fails (f, f->model, MBLM_ERROR_NOT_FOUND);
}

static void
write_config (Fixture *f, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (f->model, "config.yaml", NULL);
  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

static void
test_wrong_config (Fixture *f, gconstpointer data)
{
#define HEAD                                                                   \
  "num_tokens: 257\npad_token_id: 256\nhidden_dims: [24, 16]\n"                \
  "num_layers: [2, 1]\nseq_lens: [4, 8]\ntrain_checkpoint_chunks: null\n"
  static const char *const bad[] = {
      "",
      "block: 3\n",
      HEAD "block: { block_type: lstm }\n",
      HEAD "block: { " FRESH_TRANSFORMER ", colour: red }\n",
      HEAD "block: { " FRESH_TRANSFORMER ", ff_multiplier: 0 }\n",
      HEAD "block: { " FRESH_TRANSFORMER ", ff_multiplier: two }\n",
      HEAD "block: { attn_head_dims: 7, attn_num_heads: 2, "
           "attn_use_rot_embs: true }\n",
      HEAD "block: { attn_head_dims: 8, attn_use_rot_embs: true }\n",
      HEAD "block: { d_state: 8, d_conv: 99, expand: 2, headdim: 8 }\n",
      HEAD "block: { d_state: 8, d_conv: 4, expand: 2, headdim: 7 }\n",
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    write_config (f, bad[i]);
    assert_load_fails (f, f->model, MBLM_ERROR_CONFIG);
  }
}

/* ------------------------------------------------------------------------- */
/* Results                                                                   */
/* ------------------------------------------------------------------------- */

static void
run (MblmModel *model, float *logits)
{
  g_autoptr (GError) error = NULL;
  g_autofree gint32 *ids = fresh_ids (30, 7);
  mblm_model_forward (model, ids, 1, 30, NULL, logits, NULL, NULL, &error);
  g_assert_no_error (error);
}

static void
test_threads (Fixture *f, gconstpointer data)
{
  g_autofree float *one = g_new (float, 30 * VOCABULARY);
  g_autofree float *more = g_new (float, 30 * VOCABULARY);
  g_autoptr (MblmModel) model = load (f, f->model, MBLM_PRECISION_F32);

  run (model, one);
  for (guint threads = 2; threads < 5; threads++) {
    g_autoptr (MblmModel) other = golden_load (f->model, "cpu", threads);
    run (other, more);
    g_assert_cmpmem (one, 30 * VOCABULARY * sizeof (float), more,
        30 * VOCABULARY * sizeof (float));
  }
}

static void
test_bf16 (Fixture *f, gconstpointer data)
{
  g_autofree float *f32 = g_new (float, 30 * VOCABULARY);
  g_autofree float *bf16 = g_new (float, 30 * VOCABULARY);
  g_autoptr (MblmModel) model = load (f, f->model, MBLM_PRECISION_F32);
  g_autoptr (MblmModel) half = load (f, f->model, MBLM_PRECISION_BF16);

  run (model, f32);
  run (half, bf16);
  g_assert_cmpfloat (golden_distance (bf16, f32, 30 * VOCABULARY), <, 0.02);
  g_assert_cmpuint (mblm_model_get_weight_bytes (half), <,
      mblm_model_get_weight_bytes (model));
}

static void
test_create (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmConfig) config = NULL;
  g_autofree char *again = g_build_filename (f->folder, "again", NULL);
  g_autofree char *other = g_build_filename (f->folder, "other", NULL);
  const char *folders[] = {f->model, again, other};
  char *contents[3];
  gsize sizes[3];

  g_assert_true (mblm_model_check (f->model, &config, NULL, &error));
  mblm_model_create (config, 1, again, &error);
  g_assert_no_error (error);
  mblm_model_create (config, 2, other, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 3; i++) {
    g_autofree char *path = g_build_filename (
        folders[i], "model.safetensors", NULL);
    g_file_get_contents (path, &contents[i], &sizes[i], &error);
    g_assert_no_error (error);
  }
  g_assert_cmpmem (contents[0], sizes[0], contents[1], sizes[1]);
  g_assert_cmpuint (sizes[0], ==, sizes[2]);
  g_assert_cmpint (memcmp (contents[0], contents[2], sizes[0]), !=, 0);
  for (guint i = 0; i < 3; i++)
    g_free (contents[i]);

  /* What is there is not overwritten. */
  g_assert_false (mblm_model_create (config, 3, again, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_clear_error (&error);
  g_autofree char *weights = g_build_filename (
      again, "model.safetensors", NULL);
  g_assert_cmpint (g_unlink (weights), ==, 0);
  g_assert_false (mblm_model_create (config, 3, again, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
}

/* A block that only goes forward can't be part of an encoder, whose first
 * sentence names the file and the stage. */
static void
test_encoder_blocks (Fixture *f, gconstpointer data)
{
  static const char yaml[] =
      "mask_token_id: 257\nmask_reduce_strat: all\nmblm_config:\n"
      "  num_tokens: 258\n  pad_token_id: 256\n  hidden_dims: [24, 16]\n"
      "  num_layers: [2, 1]\n  seq_lens: [10, 6]\n"
      "  train_checkpoint_chunks: null\n  block:\n"
      "  - { block_type: transformerEncoder, " FRESH_TRANSFORMER
      ", pos_emb_type: fixed }\n"
      "  - { block_type: mamba2, " FRESH_MAMBA2 ", pos_emb_type: fixed }\n";
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (f->folder, "encoder", NULL);
  g_autoptr (MblmConfig)
      config = mblm_config_parse (yaml, strlen (yaml), "mixed", &error);

  g_assert_no_error (error);
  g_assert_false (mblm_model_create (config, 1, path, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG);
  g_test_message ("%s", error->message);
  g_assert_true (g_str_has_prefix (error->message, "mixed, line 12: stage 1:"));
  g_assert_nonnull (strstr (error->message, "mamba2"));
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*func) (Fixture *, gconstpointer);
  } tests[] = {
      {"/model/find", test_find},
      {"/model/devices", test_devices},
      {"/model/registry", test_registry},
      {"/model/concurrent-loads", test_concurrent_loads},
      {"/model/cancelled-load", test_cancelled_load},
      {"/model/wrong-weights", test_wrong_weights},
      {"/model/missing-tensor", test_missing_tensor},
      {"/model/renamed-tensor", test_renamed_tensor},
      {"/model/extra-tensor", test_extra_tensor},
      {"/model/missing-buffer", test_missing_buffer},
      {"/model/not-finite", test_not_finite},
      {"/model/no-weights", test_no_weights},
      {"/model/wrong-config", test_wrong_config},
      {"/model/threads", test_threads},
      {"/model/bf16", test_bf16},
      {"/model/create", test_create},
      {"/model/encoder-blocks", test_encoder_blocks},
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].name, Fixture, NULL, set_up, tests[i].func, tear_down);
  return g_test_run ();
}
