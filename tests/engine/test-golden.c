/* test-golden.c: full passes, losses and incremental decoding against the
 * outputs of the published implementation.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>
#include <string.h>

#include "golden.h"

#define LIMIT 1e-5
#define LIMIT_TF32 5e-3

/* Of the device that a test runs on. */
#define DEVICE(data) ((const char *) (data))

static void
compute_logits (MblmModel *model, const GoldenInput *input, float *logits)
{
  g_autoptr (GError) error = NULL;

  mblm_model_forward (model, input->ids.data, input->batch, input->length, NULL,
      logits, NULL, NULL, &error);
  g_assert_no_error (error);
}

static void
check_logits (MblmModel *model, const GoldenInput *input)
{
  g_auto (MblmNpy) expected = {0};
  golden_load_floats (input, "logits", &expected);
  g_autofree float *logits = g_new (float, expected.n_elements);

  compute_logits (model, input, logits);
  g_assert_cmpfloat (
      golden_distance (logits, expected.data, expected.n_elements), <, LIMIT);
}

static void
test_logits (gconstpointer device)
{
  golden_for_each (DEVICE (device), golden_is_decoder, check_logits);
}

static void
check_loss (MblmModel *model, const GoldenInput *input)
{
  g_autoptr (GError) error = NULL;
  g_auto (MblmNpy) mask = {0};
  double loss;

  mblm_model_loss (model, input->ids.data, input->batch, input->length, NULL,
      NULL, NULL, &loss, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat_with_epsilon (loss, input->loss, LIMIT);

  golden_load_floats (input, "loss-mask", &mask);
  mblm_model_loss (model, input->ids.data, input->batch, input->length,
      mask.data, NULL, NULL, &loss, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat_with_epsilon (loss, input->masked_loss, LIMIT);
}

static void
test_loss (gconstpointer device)
{
  golden_for_each (DEVICE (device), golden_is_decoder, check_loss);
}

static void
check_empty (MblmModel *model, const GoldenInput *input)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (
      input->folder, "logits-empty.npy", NULL);
  g_auto (MblmNpy) expected = {0};

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return;
  mblm_npy_load_floats (path, &expected, &error);
  g_assert_no_error (error);
  g_autofree float *logits = g_new (float, expected.n_elements);
  mblm_model_forward (model, NULL, 1, 0, NULL, logits, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (
      golden_distance (logits, expected.data, expected.n_elements), <, LIMIT);
}

static void
test_empty (gconstpointer device)
{
  golden_for_each (DEVICE (device), golden_is_decoder, check_empty);
}

/* ------------------------------------------------------------------------- */
/* TF32                                                                      */
/* ------------------------------------------------------------------------- */

static gboolean tf32_differs; /* for any input */

static void
check_tf32 (MblmModel *model, const GoldenInput *input)
{
  MblmDevice *device = mblm_model_get_device (model);
  g_autoptr (GError) error = NULL;
  g_auto (MblmNpy) expected = {0};
  g_autoptr (MblmModel) other = mblm_model_load (
      mblm_model_get_path (model), device, MBLM_PRECISION_TF32, NULL, &error);
  g_assert_no_error (error);
  golden_load_floats (input, "logits", &expected);
  gsize n = expected.n_elements;
  g_autofree float *exact = g_new (float, n), *rounded = g_new (float, n);

  compute_logits (model, input, exact);
  compute_logits (other, input, rounded);
  g_assert_cmpfloat (
      golden_distance (rounded, expected.data, n), <, LIMIT_TF32);
  tf32_differs |= memcmp (exact, rounded, n * sizeof (float)) != 0;
}

static void
test_tf32 (gconstpointer device)
{
  tf32_differs = FALSE;
  golden_for_each (DEVICE (device), golden_is_decoder, check_tf32);
  /* other devices have none, and compute as with float32 */
  g_assert_cmpint (
      tf32_differs, ==, g_str_has_prefix (DEVICE (device), "cuda"));
}

/* ------------------------------------------------------------------------- */
/* Encoders                                                                  */
/* ------------------------------------------------------------------------- */

static void
check_encoder (MblmModel *model, const GoldenInput *input)
{
  g_autoptr (GError) error = NULL;
  g_auto (MblmNpy) expected = {0}, loss_mask = {0}, mask = {0};
  g_auto (MblmNpy) labels = {0};
  g_autofree char *mask_path = g_strdup_printf (
      "%s/attention-mask-%" G_GSIZE_FORMAT ".npy", input->folder,
      input->length);
  g_autofree char *labels_path = g_strdup_printf (
      "%s/labels-%" G_GSIZE_FORMAT ".npy", input->folder, input->length);
  double loss;

  golden_load_floats (input, "logits", &expected);
  golden_load_floats (input, "loss-mask", &loss_mask);
  mblm_npy_load_mask (mask_path, &mask, &error);
  g_assert_no_error (error);
  mblm_npy_load_ids (labels_path, &labels, &error);
  g_assert_no_error (error);

  g_autofree float *logits = g_new (float, expected.n_elements);
  mblm_model_forward (model, input->ids.data, input->batch, input->length,
      mask.data, logits, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (
      golden_distance (logits, expected.data, expected.n_elements), <, LIMIT);

  mblm_model_loss (model, input->ids.data, input->batch, input->length,
      loss_mask.data, labels.data, mask.data, &loss, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat_with_epsilon (loss, input->loss, LIMIT);
}

static void
test_encoders (gconstpointer device)
{
  golden_for_each (DEVICE (device), golden_is_encoder, check_encoder);
}

static void
check_refusal (MblmModel *model, const GoldenInput *input)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (mblm_model_is_causal (model));
  g_assert_null (mblm_session_new (model, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED);
}

static gboolean
is_not_causal (const char *name)
{
  return !golden_is_causal (name);
}

static void
test_refusal (gconstpointer device)
{
  golden_for_each (DEVICE (device), is_not_causal, check_refusal);
}

/* ------------------------------------------------------------------------- */
/* Sessions                                                                  */
/* ------------------------------------------------------------------------- */

/* Feeds a row in pieces; some are fed without asking for every prediction, and
 * then a snapshot goes to another session, which goes on. */
static void
feed_in_pieces (MblmSession **session, const gint32 *ids, gsize n, gsize vocab,
    gsize piece, GRand *random, const float *expected, float *logits)
{
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < n;) {
    gsize k = piece > 0 ? piece : (gsize) g_rand_int_range (random, 1, 14);
    k = MIN (k, n - i);
    if (piece > 0 || g_rand_boolean (random)) {
      mblm_session_feed_logits (
          *session, ids + i, k, logits + i * vocab, NULL, &error);
      g_assert_no_error (error);
    } else {
      g_autoptr (MblmSession)
          other = mblm_session_new (mblm_session_get_model (*session), &error);
      mblm_session_feed (*session, ids + i, k, NULL, &error);
      g_assert_no_error (error);
      g_autoptr (MblmSnapshot)
          snapshot = mblm_session_snapshot (*session, &error);
      g_assert_no_error (error);
      g_assert_true (mblm_session_restore (other, snapshot, &error));
      g_assert_cmpuint (mblm_session_get_position (other), ==, i + k);
      memcpy (logits + i * vocab, expected + i * vocab,
          (k - 1) * vocab * sizeof (float));
      memcpy (logits + (i + k - 1) * vocab,
          mblm_session_get_logits (other, MBLM_START_BARE, &error),
          vocab * sizeof (float));
      g_set_object (session, other);
    }
    i += k;
  }
}

static void
check_incremental (MblmModel *model, const GoldenInput *input)
{
  static const gsize pieces[] = {1, 7, 0};
  g_autoptr (GError) error = NULL;
  g_auto (MblmNpy) expected = {0};
  golden_load_floats (input, "logits", &expected);
  gsize row = expected.n_elements / input->batch;
  gsize vocab = row / input->length, steps = golden_get_steps (input);
  g_autofree float *logits = g_new (float, row);
  g_autoptr (GRand) random = g_rand_new_with_seed (5);
  g_autoptr (MblmSession) session = mblm_session_new (model, &error);
  g_assert_no_error (error);

  for (gsize p = 0; p < G_N_ELEMENTS (pieces); p++)
    for (gsize b = 0; b < input->batch; b++) {
      const float *wanted = (float *) expected.data + b * row;
      mblm_session_reset (session);
      feed_in_pieces (&session, (gint32 *) input->ids.data + b * input->length,
          steps, vocab, pieces[p], random, wanted, logits);
      g_assert_cmpfloat (
          golden_distance (logits, wanted, steps * vocab), <, LIMIT);
    }
}

static void
test_incremental (gconstpointer device)
{
  golden_for_each (DEVICE (device), golden_is_causal, check_incremental);
}

/* Sessions at different places, stepped together, against the same alone. */
static void
check_many (MblmModel *model, const GoldenInput *input)
{
  enum { N = 5 };
  g_autoptr (GError) error = NULL;
  g_auto (MblmNpy) expected = {0};
  golden_load_floats (input, "logits", &expected);
  gsize vocab = expected.n_elements / input->ids.n_elements;
  gsize length = golden_get_steps (input);
  const gint32 *ids = input->ids.data;
  MblmSession *sessions[N];
  gsize at[N];

  if (length < 2)
    return;
  for (guint s = 0; s < N; s++) {
    sessions[s] = mblm_session_new (model, &error);
    g_assert_no_error (error);
    at[s] = s * (length - 1) / N;
    mblm_session_feed (sessions[s], ids, at[s], NULL, &error);
    g_assert_no_error (error);
  }
  for (guint n = N; n > 0;) {
    gint32 next[N];
    for (guint s = 0; s < n; s++)
      next[s] = ids[at[s]++];
    mblm_session_step_many (sessions, next, n, NULL, &error);
    g_assert_no_error (error);
    for (guint s = 0; s < n; s++)
      g_assert_cmpfloat (
          golden_distance (
              mblm_session_get_logits (sessions[s], MBLM_START_BARE, NULL),
              (float *) expected.data + (at[s] - 1) * vocab, vocab),
          <, LIMIT);
    /* The one that is furthest ends first. */
    while (n > 0 && at[n - 1] == length)
      g_object_unref (sessions[--n]);
  }
}

static void
test_many (gconstpointer device)
{
  golden_for_each (DEVICE (device), golden_is_causal, check_many);
}

/* score () is the cross-entropy of each id. */
static void
check_score (MblmModel *model, const GoldenInput *input)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmSession) session = mblm_session_new (model, &error);
  g_assert_no_error (error);
  const gint32 *ids = input->ids.data;
  gint32 pad = mblm_config_get_pad_id (mblm_model_get_config (model));
  g_autofree float *nats = g_new (float, input->length);
  double sum = 0;
  gsize count = 0;

  for (gsize b = 0; b < input->batch; b++) {
    mblm_session_reset (session);
    gsize half = input->length / 2;
    mblm_session_score (
        session, ids + b * input->length, half, nats, NULL, &error);
    g_assert_no_error (error);
    mblm_session_score (session, ids + b * input->length + half,
        input->length - half, nats + half, NULL, &error);
    g_assert_no_error (error);
    for (gsize i = 0; i < input->length; i++)
      if (ids[b * input->length + i] != pad) {
        sum += nats[i];
        count++;
      }
  }
  g_assert_cmpfloat_with_epsilon (
      count > 0 ? sum / count : 0, input->loss, LIMIT);
}

static void
test_score (gconstpointer device)
{
  golden_for_each (DEVICE (device), golden_is_causal, check_score);
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *name;
    GTestDataFunc func;
  } tests[] = {
      {"logits", test_logits},
      {"loss", test_loss},
      {"empty", test_empty},
      {"tf32", test_tf32},
      {"encoders", test_encoders},
      {"refusal", test_refusal},
      {"incremental", test_incremental},
      {"many", test_many},
      {"score", test_score},
  };

  g_auto (GStrv) devices = golden_get_devices ();

  g_test_init (&argc, &argv, NULL);
  for (guint d = 0; devices[d] != NULL; d++)
    for (guint t = 0; t < G_N_ELEMENTS (tests); t++) {
      g_autofree char *path = g_strdup_printf (
          "/golden/%s/%s", devices[d], tests[t].name);
      g_test_add_data_func (path, devices[d], tests[t].func);
    }
  return g_test_run ();
}
