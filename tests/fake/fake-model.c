/* fake-model.c: the folder of a fake model.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "fake-private.h"
#include "fake.h"
#include "model-private.h"

#define CONTEXT 4096
/* Logits of the right id and of one that differs in a bit lie 2 * GAIN apart. */
#define GAIN 5.0f

static const char qa_json[] =
    "{ \"format\": 1, \"name\": \"fake-qa\", \"task\": \"qa\", \"tokens\": "
    "{ \"pad\": 256, \"end\": 257, \"text\": 258, \"image\": 259 }, "
    "\"image\": { \"width\": " G_STRINGIFY (
        FAKE_WIDTH) ", \"height\": " G_STRINGIFY (FAKE_HEIGHT) " }, "
                                                               "\"sample\": "
                                                               "[\"image\", "
                                                               "\"question\", "
                                                               "\"answer\"] "
                                                               "}\n";
static const char text_json[] =
    "{ \"format\": 1, \"name\": \"fake-text\", \"task\": \"text\", "
    "\"tokens\": { \"pad\": 256 } }\n";

static void
check (gboolean ok, const GError *error)
{
  if (!ok)
    g_error ("fake model: %s", error->message);
}

static MblmConfig *
make_config (const FakeOptions *options)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strescape (
      options->text != NULL ? options->text : "a fake answer", NULL);
  char prompt[G_ASCII_DTOSTR_BUF_SIZE], byte[G_ASCII_DTOSTR_BUF_SIZE];
  char load[G_ASCII_DTOSTR_BUF_SIZE];
  g_autofree char *yaml = g_strdup_printf (
      "num_tokens: %d\npad_token_id: %d\nhidden_dims: [%d]\nnum_layers: [1]\n"
      "seq_lens: [%d]\ntrain_checkpoint_chunks: null\nblock:\n"
      "- { block_type: fake, pos_emb_type: null, text: \"%s\", prompt: %s, "
      "byte: %s, load: %s, ends: %s }\n",
      FAKE_VOCABULARY, FAKE_PAD, FAKE_DIM, CONTEXT, text,
      g_ascii_dtostr (prompt, sizeof prompt, options->prompt),
      g_ascii_dtostr (byte, sizeof byte, options->byte),
      g_ascii_dtostr (load, sizeof load, options->load),
      options->task == MBLM_TASK_QA ? "true" : "false");
  MblmConfig *config = mblm_config_parse (
      yaml, strlen (yaml), "config.yaml", &error);

  check (config != NULL, error);
  return config;
}

/* The table of ids and the product that makes logits are both the codes; all
 * else is zero. */
static float *
make_tensor (const MblmParameter *p)
{
  float *data = g_new0 (float, p->n_elements);
  float gain = strstr (p->name, "logits") != NULL ? GAIN : 1.0f;

  if (p->n_dims != 2 || p->shape[0] != FAKE_VOCABULARY)
    return data;
  for (gint id = 0; id < FAKE_VOCABULARY; id++) {
    float *code = data + id * FAKE_DIM;

    fake_encode (id, code);
    for (guint i = 0; i < FAKE_DIM; i++)
      code[i] *= gain;
  }
  return data;
}

static void
write_weights (MblmConfig *config, const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmModel) model = mblm_model_new_bare (config, NULL, &error);
  g_autoptr (MblmTensorWriter) writer = mblm_tensor_writer_new ();
  g_autoptr (GPtrArray) tensors = g_ptr_array_new_with_free_func (g_free);

  check (model != NULL, error);
  for (guint i = 0; i < model->parameters->list->len; i++) {
    const MblmParameter *p = g_ptr_array_index (model->parameters->list, i);

    g_ptr_array_add (tensors, make_tensor (p));
    mblm_tensor_writer_add (writer, p->name, MBLM_DTYPE_F32, p->n_dims,
        p->shape, tensors->pdata[i]);
  }
  check (mblm_tensor_writer_finish (writer, path, &error), error);
}

void
fake_model (const char *folder, const FakeOptions *options)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *yaml_path = g_build_filename (folder, "config.yaml", NULL);
  g_autofree char *json_path = g_build_filename (folder, "mblm.json", NULL);
  g_autofree char *weights = g_build_filename (
      folder, "model.safetensors", NULL);

  fake_register ();
  g_autoptr (MblmConfig) config = make_config (options);
  g_autofree char *yaml = mblm_config_to_yaml (config);

  g_mkdir_with_parents (folder, 0777);
  check (g_file_set_contents (yaml_path, yaml, -1, &error), error);
  check (g_file_set_contents (json_path,
             options->task == MBLM_TASK_QA ? qa_json : text_json, -1, &error),
      error);
  write_weights (config, weights);
}
