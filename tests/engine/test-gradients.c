/* test-gradients.c: gradients and optimiser steps against the published
 * implementation, and against each other.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tolerances are those of mblm-math section 5.7, a tenth of them for gradients.
 */

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "golden.h"
#include "learner.h"
#include "safetensors.h"

#define GRADIENT_LIMIT 1e-5
#define STEP_LIMIT 1e-5
#define WEIGHT_LIMIT 5e-4

/* With products of bfloat16, whose operands are rounded by up to 2^-9: of losses,
 * and of the length of the difference of all gradients as a share of theirs. */
#define ROUNDED_LOSS_LIMIT 1e-3
#define ROUNDED_LIMIT 1e-2

#define DEVICE(data) ((const char *) (data))

static MblmLearner *
load (const char *folder, const char *device, guint threads,
    MblmPrecision precision, guint64 memory)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmDevice) d = mblm_device_open (device, threads, &error);
  g_assert_no_error (error);
  MblmLearner *learner = mblm_learner_new_from_folder (folder, d,
      &(MblmLearnerOptions){.precision = precision, .memory = memory}, &error);
  g_assert_no_error (error);
  return learner;
}

static char *
temporary (void)
{
  g_autoptr (GError) error = NULL;
  char *path;
  int fd = g_file_open_tmp ("mblm-XXXXXX.safetensors", &path, &error);

  g_assert_no_error (error);
  g_close (fd, NULL);
  return path;
}

static float *
read_entry (MblmTensorFile *file, const MblmTensorEntry *entry)
{
  g_autoptr (GError) error = NULL;
  float *x = g_new (float, entry->n_elements);

  mblm_tensor_file_read (file, entry, 0, entry->n_elements, x, &error);
  g_assert_no_error (error);
  return x;
}

static double
largest (const float *x, gsize n)
{
  double most = 0;

  for (gsize i = 0; i < n; i++)
    most = MAX (most, fabs (x[i]));
  return most;
}

/* Every tensor of `expected` is in `path`, and what else is there is zero; an
 * entry may differ by `limit` times the largest of its tensor or, where that is
 * more, 1e-4 of the largest of all. */
static void
compare (const char *path, const char *expected, double limit)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmTensorFile) ours = mblm_tensor_file_open (path, &error);
  g_assert_no_error (error);
  g_autoptr (MblmTensorFile) theirs = mblm_tensor_file_open (expected, &error);
  g_assert_no_error (error);
  double all = 0;

  for (guint i = 0; i < mblm_tensor_file_get_n_entries (theirs); i++) {
    const MblmTensorEntry *e = mblm_tensor_file_get_entry (theirs, i);
    g_autofree float *x = read_entry (theirs, e);
    all = MAX (all, largest (x, e->n_elements));
    g_assert_nonnull (mblm_tensor_file_lookup (ours, e->name));
  }
  for (guint i = 0; i < mblm_tensor_file_get_n_entries (ours); i++) {
    const MblmTensorEntry *e = mblm_tensor_file_get_entry (ours, i);
    const MblmTensorEntry *other = mblm_tensor_file_lookup (theirs, e->name);
    g_autofree float *x = read_entry (ours, e);
    if (other == NULL) {
      g_assert_cmpfloat (largest (x, e->n_elements), ==, 0);
      continue;
    }
    g_autofree float *y = read_entry (theirs, other);
    double size = MAX (largest (y, e->n_elements), 1e-4 * all);
    for (gsize j = 0; j < e->n_elements; j++)
      if (!(fabs ((double) x[j] - y[j]) <= limit * size))
        g_error ("%s: %s[%" G_GSIZE_FORMAT "] is %g, not %g (largest %g)",
            expected, e->name, j, x[j], y[j], size);
  }
}

/* The same tensors, as long as all their differences together are short. */
static void
compare_rounded (const char *path, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmTensorFile) ours = mblm_tensor_file_open (path, &error);
  g_assert_no_error (error);
  g_autoptr (MblmTensorFile) theirs = mblm_tensor_file_open (expected, &error);
  g_assert_no_error (error);
  double square = 0, off = 0;

  for (guint i = 0; i < mblm_tensor_file_get_n_entries (theirs); i++) {
    const MblmTensorEntry *e = mblm_tensor_file_get_entry (theirs, i);
    const MblmTensorEntry *other = mblm_tensor_file_lookup (ours, e->name);
    g_assert_nonnull (other);
    g_autofree float *x = read_entry (ours, other);
    g_autofree float *y = read_entry (theirs, e);
    for (gsize j = 0; j < e->n_elements; j++) {
      square += (double) y[j] * y[j];
      off += ((double) x[j] - y[j]) * ((double) x[j] - y[j]);
    }
  }
  g_test_message ("%s: off by %.2g", expected, sqrt (off / square));
  g_assert_cmpfloat (sqrt (off), <=, ROUNDED_LIMIT * sqrt (square));
}

/* ------------------------------------------------------------------------- */
/* Gradients                                                                 */
/* ------------------------------------------------------------------------- */

static gboolean
all_models (const char *name)
{
  return TRUE;
}

static void
load_optional (const GoldenInput *input, const char *prefix,
    gboolean (*load_array) (const char *path, MblmNpy *out, GError **error),
    MblmNpy *out)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = golden_input_path (input, prefix, ".npy");

  if (g_file_test (path, G_FILE_TEST_EXISTS))
    load_array (path, out, &error);
  g_assert_no_error (error);
}

/* Cut in different ways, the work gives the same to within rounding. */
static void
check_with_memory (const GoldenInput *input, const char *device,
    MblmPrecision precision, const char *expected, guint64 memory)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmLearner)
      learner = load (input->folder, device, 0, precision, memory);
  gboolean rounded = precision == MBLM_PRECISION_BF16;
  g_auto (MblmNpy) mask = {0}, labels = {0}, attention = {0};
  g_autofree char *path = temporary ();
  double loss, again;
  guint64 count;

  load_optional (input, "loss-mask", mblm_npy_load_floats, &mask);
  load_optional (input, "labels", mblm_npy_load_ids, &labels);
  load_optional (input, "attention-mask", mblm_npy_load_mask, &attention);
  MblmLearnerBatch batch = {.batch = input->batch,
      .length = input->length,
      .ids = input->ids.data,
      .loss_mask = mask.data,
      .labels = labels.data,
      .attention_mask = attention.data};
  mblm_learner_accumulate (learner, &batch, 1, 0, &loss, NULL, &error);
  g_assert_no_error (error);
  double known = isnan (input->masked_loss) ? input->loss : input->masked_loss;
  g_assert_cmpfloat_with_epsilon (
      loss, known, (rounded ? ROUNDED_LOSS_LIMIT : STEP_LIMIT) * fabs (known));
  mblm_learner_evaluate (learner, &batch, &again, &count, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (count, >, 0);
  g_assert_cmpfloat (loss, ==, again);
  mblm_learner_write_gradient (learner, path, &error);
  g_assert_no_error (error);
  if (rounded)
    compare_rounded (path, expected);
  else
    compare (path, expected, GRADIENT_LIMIT);
  g_unlink (path);
}

static const char *current_device;
static MblmPrecision current_precision;

static void
check_gradients (MblmModel *model, const GoldenInput *input)
{
  const char *prefix = golden_is_encoder (input->name) ? "grads"
                                                       : "grads-masked";
  g_autofree char *expected = golden_input_path (input, prefix, ".safetensors");

  if (!g_file_test (expected, G_FILE_TEST_EXISTS))
    return;
  check_with_memory (input, current_device, current_precision, expected, 0);
  check_with_memory (input, current_device, current_precision, expected, 1);
}

static void
test_gradients (gconstpointer device)
{
  current_device = DEVICE (device);
  current_precision = MBLM_PRECISION_F32;
  golden_for_each (DEVICE (device), all_models, check_gradients);
}

static void
test_rounded (gconstpointer device)
{
  current_device = DEVICE (device);
  current_precision = MBLM_PRECISION_BF16;
  golden_for_each (DEVICE (device), all_models, check_gradients);
}

/* ------------------------------------------------------------------------- */
/* What counts in few places                                                 */
/* ------------------------------------------------------------------------- */

/* The gradient in a temporary file, and how many entries it is the mean over. */
static char *
masked_gradient (
    const GoldenInput *input, const float *mask, double *loss, guint64 *count)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmLearner)
      learner = load (input->folder, current_device, 0, MBLM_PRECISION_F32, 0);
  const MblmLearnerBatch batch = {.batch = input->batch,
      .length = input->length,
      .ids = input->ids.data,
      .loss_mask = mask};
  char *path = temporary ();
  double again;

  mblm_learner_accumulate (learner, &batch, 1, 0, loss, NULL, &error);
  g_assert_no_error (error);
  mblm_learner_evaluate (learner, &batch, &again, count, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (*loss, ==, again);
  mblm_learner_write_gradient (learner, path, &error);
  g_assert_no_error (error);
  return path;
}

/* `path` is `scale` times `other`. */
static void
compare_scaled (const char *path, const char *other, double scale)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmTensorFile) one = mblm_tensor_file_open (path, &error);
  g_assert_no_error (error);
  g_autoptr (MblmTensorFile) two = mblm_tensor_file_open (other, &error);
  g_assert_no_error (error);
  double all = 0;

  for (guint pass = 0; pass < 2; pass++)
    for (guint i = 0; i < mblm_tensor_file_get_n_entries (one); i++) {
      const MblmTensorEntry *e = mblm_tensor_file_get_entry (one, i);
      g_autofree float *x = read_entry (one, e);
      g_autofree float *y = read_entry (
          two, mblm_tensor_file_lookup (two, e->name));
      double size = MAX (largest (x, e->n_elements), 1e-4 * all);

      all = MAX (all, largest (x, e->n_elements));
      for (gsize j = 0; pass > 0 && j < e->n_elements; j++)
        if (!(fabs (x[j] - scale * y[j]) <= GRADIENT_LIMIT * size))
          g_error ("%s[%" G_GSIZE_FORMAT "] is %g, not %g", e->name, j, x[j],
              scale * y[j]);
    }
  g_assert_cmpfloat (all, >, 0);
}

/* Patches where nothing counts are left out: as if what they predict counted next
 * to nothing. */
static void
check_masks (MblmModel *model, const GoldenInput *input)
{
  gsize n = input->ids.n_elements;
  g_autofree float *mask = g_new0 (float, n);
  double loss, other_loss;
  guint64 count, other_count;

  if (input->length < 20)
    return;
  /* An answer, short and long, in some of the sequences; and their first byte. */
  for (gsize b = 0; b < input->batch; b += 2) {
    float *row = mask + b * input->length;

    row[0] = b == 2 ? 1.0f : 0.0f;
    for (gsize i = input->length / 2; i < input->length / 2 + 4 + b; i++)
      row[i] = 0.5f;
  }
  g_autofree char *few = masked_gradient (input, mask, &loss, &count);
  for (gsize i = 0; i < n; i++)
    mask[i] = mask[i] > 0.0f ? mask[i] : 1e-20f;
  g_autofree char *all = masked_gradient (
      input, mask, &other_loss, &other_count);
  double scale = (double) other_count / (double) count;

  g_assert_cmpuint (count, <, other_count);
  g_assert_cmpfloat_with_epsilon (loss, scale * other_loss, STEP_LIMIT * loss);
  compare_scaled (few, all, scale);
  g_unlink (few);
  g_unlink (all);
}

static void
test_masks (gconstpointer device)
{
  current_device = DEVICE (device);
  golden_for_each (DEVICE (device), golden_is_decoder, check_masks);
}

/* ------------------------------------------------------------------------- */
/* Steps                                                                     */
/* ------------------------------------------------------------------------- */

typedef struct {
  double loss, norm, rate;
} Step;

static Step
expected_step (JsonObject *train, guint i)
{
  JsonObject *o = json_array_get_object_element (
      json_object_get_array_member (train, "steps"), i);

  return (Step){json_object_get_double_member (o, "loss"),
      json_object_get_double_member (o, "grad_norm"),
      json_object_get_double_member (o, "lr")};
}

static void
take_steps (MblmLearner *learner, const MblmNpy *ids, JsonObject *train)
{
  gsize batch = ids->shape[1], length = ids->shape[2];
  double clip = json_object_get_double_member (train, "clip");
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < ids->shape[0]; i++) {
    Step expected = expected_step (train, i);
    double loss, norm;
    MblmLearnerBatch b = {.batch = batch,
        .length = length,
        .ids = (const gint32 *) ids->data + i * batch * length};

    mblm_learner_accumulate (learner, &b, 1, i, &loss, NULL, &error);
    g_assert_no_error (error);
    mblm_learner_get_norm (learner, &norm, &error);
    g_assert_no_error (error);
    g_assert_cmpfloat_with_epsilon (
        loss, expected.loss, STEP_LIMIT * expected.loss);
    g_assert_cmpfloat_with_epsilon (
        norm, expected.norm, STEP_LIMIT * expected.norm);
    mblm_learner_step (learner, expected.rate, clip, norm, &error);
    g_assert_no_error (error);
  }
}

static char *
run_steps (
    const char *folder, JsonObject *train, const char *device, guint threads)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmLearner)
      learner = load (folder, device, threads, MBLM_PRECISION_F32, 0);
  g_autofree char *ids_path = g_build_filename (folder, "train-ids.npy", NULL);
  char *path = temporary ();
  g_auto (MblmNpy) ids = {0};

  mblm_npy_load_ids (ids_path, &ids, &error);
  g_assert_no_error (error);
  take_steps (learner, &ids, train);
  mblm_learner_write_weights (learner, FALSE, path, &error);
  g_assert_no_error (error);
  return path;
}

/* The number of threads is the processor's own affair elsewhere. */
static gboolean
has_threads (const char *device)
{
  return g_str_equal (device, "ref") || g_str_equal (device, "cpu");
}

static void
check_steps (const char *folder, JsonObject *expected, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *trained = g_build_filename (
      folder, "trained.safetensors", NULL);
  g_autofree char *one = NULL;
  gsize size;

  if (!g_file_test (trained, G_FILE_TEST_EXISTS))
    return;
  JsonObject *train = json_object_get_object_member (expected, "train");
  g_autofree char *path = run_steps (folder, train, data, 1);
  compare (path, trained, WEIGHT_LIMIT);
  g_file_get_contents (path, &one, &size, &error);
  g_assert_no_error (error);
  for (guint threads = 2; has_threads (data) && threads <= 3; threads++) {
    g_autofree char *other = run_steps (folder, train, data, threads);
    g_autofree char *many = NULL;
    gsize n;

    g_file_get_contents (other, &many, &n, &error);
    g_assert_no_error (error);
    g_assert_cmpmem (one, size, many, n);
    g_unlink (other);
  }
  g_unlink (path);
}

static void
test_steps (gconstpointer device)
{
  golden_for_each_folder (golden_is_decoder, check_steps, device);
}

int
main (int argc, char **argv)
{
  g_auto (GStrv) devices = golden_get_devices ();

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; devices[i] != NULL; i++) {
    g_autofree char *gradients = g_strdup_printf ("/gradients/%s", devices[i]);
    g_autofree char *rounded = g_strdup_printf ("/rounded/%s", devices[i]);
    g_autofree char *masks = g_strdup_printf ("/masks/%s", devices[i]);
    g_autofree char *steps = g_strdup_printf ("/steps/%s", devices[i]);
    g_test_add_data_func (gradients, devices[i], test_gradients);
    g_test_add_data_func (rounded, devices[i], test_rounded);
    g_test_add_data_func (masks, devices[i], test_masks);
    g_test_add_data_func (steps, devices[i], test_steps);
  }
  return g_test_run ();
}
