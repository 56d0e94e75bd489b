/* test-session-many.c: streams that are stepped together, and each alone.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "fresh.h"
#include "golden.h"

#define VOCABULARY 257
#define PATCH 4                     /* tokens of an inner stage's sequence */
#define CONTEXT (6 * PATCH * PATCH) /* of three stages */
#define STREAMS 19
#define STEPS (PATCH * PATCH + 3) /* of all of them together, at most */
#define MANY 70

/* Of what is the same but for the order of sums; and of products that round one
 * operand to bfloat16 or don't, as the number of rows has it. */
#define LIMIT 1e-5
#define LIMIT_BF16 1e-2

static const struct {
  const char *name, *block;
} blocks[] = {
    {"fixed", FRESH_TRANSFORMER ", pos_emb_type: fixed"},
    {"rope", FRESH_TRANSFORMER ", pos_emb_type: rope"},
    {"none", FRESH_TRANSFORMER ", pos_emb_type: null"},
    {"mamba1", FRESH_MAMBA1 ", pos_emb_type: null"},
    {"mamba2", FRESH_MAMBA2 ", pos_emb_type: fixed"},
};

static MblmModel *
load (const char *folder, const char *device, const char *block,
    MblmPrecision precision)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (folder, "model", NULL);
  g_autofree char *yaml = g_strdup_printf (
      "num_tokens: 257\npad_token_id: 256\nhidden_dims: [24, 32, 16]\n"
      "num_layers: [2, 1, 2]\nseq_lens: [6, %d, %d]\n"
      "train_checkpoint_chunks: null\nblock:\n- { %s }\n- { %s }\n"
      "- { " FRESH_TRANSFORMER ", pos_emb_type: fixed }\n",
      PATCH, PATCH, block, block);
  g_autoptr (MblmConfig)
      config = mblm_config_parse (yaml, strlen (yaml), "many", &error);
  g_autoptr (MblmDevice) d = mblm_device_open (device, 2, &error);

  g_assert_no_error (error);
  mblm_model_create (config, 1, path, &error);
  g_assert_no_error (error);
  MblmModel *model = mblm_model_load (path, d, precision, NULL, &error);
  g_assert_no_error (error);
  return model;
}

/* ------------------------------------------------------------------------- */
/* Streams                                                                   */
/* ------------------------------------------------------------------------- */

/* A stream, and the same one that is always alone. */
typedef struct {
  MblmSession *together, *alone;
} Stream;

/* Behind a prompt of its own, of a length of its own. */
static Stream
begin (MblmModel *model, guint number)
{
  gsize length = number * 7 % (CONTEXT - STEPS);
  g_autofree gint32 *prompt = fresh_ids (length, number);
  Stream stream = {
      .together = fresh_session (model), .alone = fresh_session (model)};

  fresh_feed (stream.together, prompt, length);
  fresh_feed (stream.alone, prompt, length);
  return stream;
}

static void
end (Stream *stream)
{
  g_object_unref (stream->together);
  g_object_unref (stream->alone);
}

/* The first n go on by an id each. */
static void
step (Stream *streams, guint n, GRand *random, double limit)
{
  g_autoptr (GError) error = NULL;
  g_autofree MblmSession **together = g_new (MblmSession *, n);
  g_autofree gint32 *ids = g_new (gint32, n);

  for (guint b = 0; b < n; b++) {
    together[b] = streams[b].together;
    ids[b] = g_rand_int_range (random, 0, 256);
  }
  mblm_session_step_many (together, ids, n, NULL, &error);
  g_assert_no_error (error);
  for (guint b = 0; b < n; b++) {
    fresh_feed (streams[b].alone, &ids[b], 1);
    const float *x = mblm_session_get_logits (together[b], 0, &error);
    g_assert_no_error (error);
    const float *y = mblm_session_get_logits (streams[b].alone, 0, &error);
    g_assert_no_error (error);
    g_assert_cmpfloat (golden_distance (x, y, VOCABULARY), <, limit);
  }
}

static void
shuffle (Stream *streams, guint n, GRand *random)
{
  for (guint b = n - 1; b > 0; b--) {
    guint other = g_rand_int_range (random, 0, b + 1);
    Stream kept = streams[b];

    streams[b] = streams[other];
    streams[other] = kept;
  }
}

/* ------------------------------------------------------------------------- */
/* Tests                                                                     */
/* ------------------------------------------------------------------------- */

typedef struct {
  char *device;
  const char *block;
  MblmPrecision precision;
} Kind;

/* Some of them, in any order; all in half of the steps. */
static void
test_some (gconstpointer data)
{
  const Kind *kind = data;
  gboolean rounds = kind->precision == MBLM_PRECISION_BF16;
  g_autoptr (GRand) random = g_rand_new_with_seed (11);
  char *folder = fresh_folder ();
  g_autoptr (MblmModel)
      model = load (folder, kind->device, kind->block, kind->precision);
  Stream streams[STREAMS];

  for (guint b = 0; b < STREAMS; b++)
    streams[b] = begin (model, b);
  for (guint i = 0; i < STEPS; i++) {
    shuffle (streams, STREAMS, random);
    step (streams,
        i % 2 > 0 ? g_rand_int_range (random, 1, STREAMS + 1) : STREAMS, random,
        rounds ? LIMIT_BF16 : LIMIT);
  }
  for (guint b = 0; b < STREAMS; b++)
    end (&streams[b]);
  fresh_remove (folder);
}

/* More than what goes into one launch of an operation with several lists. */
static void
test_many (gconstpointer data)
{
  const Kind *kind = data;
  g_autoptr (GRand) random = g_rand_new_with_seed (12);
  char *folder = fresh_folder ();
  g_autoptr (MblmModel)
      model = load (folder, kind->device, kind->block, kind->precision);
  g_autofree Stream *streams = g_new (Stream, MANY);

  for (guint b = 0; b < MANY; b++)
    streams[b] = begin (model, b);
  for (guint i = 0; i < PATCH; i++)
    step (streams, MANY, random, LIMIT);
  for (guint b = 0; b < MANY; b++)
    end (&streams[b]);
  fresh_remove (folder);
}

static void
kind_free (gpointer data)
{
  Kind *kind = data;

  g_free (kind->device);
  g_free (kind);
}

static void
add (const char *device, const char *name, const char *block,
    MblmPrecision precision, GTestDataFunc func)
{
  g_autofree char *path = g_strdup_printf ("/session/many/%s/%s", device, name);
  Kind kind = {g_strdup (device), block, precision};

  g_test_add_data_func_full (
      path, g_memdup2 (&kind, sizeof kind), func, kind_free);
}

int
main (int argc, char **argv)
{
  g_auto (GStrv) devices = golden_get_devices ();

  g_test_init (&argc, &argv, NULL);
  for (guint d = 0; devices[d] != NULL; d++) {
    for (guint i = 0; i < G_N_ELEMENTS (blocks); i++)
      add (devices[d], blocks[i].name, blocks[i].block, MBLM_PRECISION_F32,
          test_some);
    add (devices[d], "bf16", blocks[0].block, MBLM_PRECISION_BF16, test_some);
    add (devices[d], "more", blocks[0].block, MBLM_PRECISION_F32, test_many);
  }
  return g_test_run ();
}
