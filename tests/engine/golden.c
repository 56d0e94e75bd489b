/* golden.c: the folders of outputs of the published implementation.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

char **
golden_get_devices (void)
{
  const char *names = g_getenv ("MBLM_TEST_DEVICES");

  return g_strsplit (names != NULL ? names : "ref,cpu", ",", -1);
}

MblmModel *
golden_load (const char *path, const char *device, guint threads)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmDevice) d = mblm_device_open (device, threads, &error);
  g_assert_no_error (error);
  MblmModel *model = mblm_model_load (
      path, d, MBLM_PRECISION_F32, NULL, &error);
  g_assert_no_error (error);
  return model;
}

gboolean
golden_is_encoder (const char *name)
{
  return g_str_has_prefix (name, "encoder");
}

gboolean
golden_is_decoder (const char *name)
{
  return !golden_is_encoder (name);
}

gboolean
golden_is_causal (const char *name)
{
  return golden_is_decoder (name) && !g_str_has_prefix (name, "e");
}

double
golden_distance (const float *x, const float *expected, gsize n)
{
  double largest = 0, distance = 0;

  for (gsize i = 0; i < n; i++) {
    double d = fabs ((double) x[i] - expected[i]);
    largest = MAX (largest, fabs (expected[i]));
    distance = d > distance || isnan (d) ? d : distance;
  }
  return distance / largest;
}

char *
golden_input_path (
    const GoldenInput *input, const char *prefix, const char *suffix)
{
  return g_strdup_printf ("%s/%s-%" G_GSIZE_FORMAT "%s", input->folder, prefix,
      input->length, suffix);
}

gsize
golden_get_steps (const GoldenInput *input)
{
  const char *most = g_getenv ("MBLM_TEST_STEPS");

  return most != NULL
      ? MIN (input->length, (gsize) g_ascii_strtoull (most, NULL, 10))
      : input->length;
}

void
golden_load_floats (const GoldenInput *input, const char *prefix, MblmNpy *out)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = golden_input_path (input, prefix, ".npy");

  mblm_npy_load_floats (path, out, &error);
  g_assert_no_error (error);
}

static double
member (JsonObject *object, const char *name)
{
  return json_object_has_member (object, name)
      ? json_object_get_double_member (object, name)
      : NAN;
}

typedef struct {
  const char *device;
  GoldenFunc func;
} EachInput;

static void
run_inputs (const char *folder, JsonObject *expected, gconstpointer data)
{
  const EachInput *each = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *name = g_path_get_basename (folder);
  g_autoptr (MblmModel) model = golden_load (folder, each->device, 0);
  JsonArray *inputs = json_object_get_array_member (expected, "inputs");
  guint n = 0;

  for (guint i = 0; i < json_array_get_length (inputs); i++) {
    JsonObject *object = json_array_get_object_element (inputs, i);
    GoldenInput input = {.folder = folder,
        .name = name,
        .length = json_object_get_int_member (object, "length"),
        .batch = json_object_get_int_member (object, "batch"),
        .loss = member (object, "loss"),
        .masked_loss = member (object, "masked_loss")};
    g_autofree char *path = golden_input_path (&input, "ids", ".npy");
    /* The project's own selection leaves some lengths out. */
    if (!g_file_test (path, G_FILE_TEST_EXISTS))
      continue;
    n++;
    mblm_npy_load_ids (path, &input.ids, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (input.ids.n_elements, ==, input.batch * input.length);
    each->func (model, &input);
    mblm_npy_clear (&input.ids);
  }
  g_assert_cmpuint (n, >, 0);
}

static void
run_folder (const char *folder, GoldenFolderFunc func, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *expected = g_build_filename (folder, "expected.json", NULL);

  g_test_message ("%s", folder);
  json_parser_load_from_file (parser, expected, &error);
  g_assert_no_error (error);
  func (folder, json_node_get_object (json_parser_get_root (parser)), data);
}

static guint
run_set (const char *set, gboolean (*wanted) (const char *name),
    GoldenFolderFunc func, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (set, 0, NULL);
  const char *name;
  guint n = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *folder = g_build_filename (set, name, NULL);
    g_autofree char *expected = g_build_filename (
        folder, "expected.json", NULL);
    if (!g_file_test (expected, G_FILE_TEST_EXISTS) || !wanted (name))
      continue;
    run_folder (folder, func, data);
    n++;
  }
  return n;
}

void
golden_for_each_folder (gboolean (*wanted) (const char *name),
    GoldenFolderFunc func, gconstpointer data)
{
  const char *shared = g_getenv ("MBLM_TEST_SHARED");

  g_assert_cmpuint (
      run_set (g_getenv ("MBLM_TEST_GOLDEN"), wanted, func, data), >, 0);
  if (shared != NULL) {
    g_autofree char *set = g_build_filename (shared, "golden", NULL);
    run_set (set, wanted, func, data);
  }
}

void
golden_for_each (
    const char *device, gboolean (*wanted) (const char *name), GoldenFunc func)
{
  golden_for_each_folder (wanted, run_inputs, &(EachInput){device, func});
}
