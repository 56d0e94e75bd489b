/* test-session-branch.c: sessions that go on from where another one is.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whoever goes on first, ends or begins anew: each is as if it had been fed its
 * ids alone.
 */

#include <string.h>

#include "fresh.h"
#include "golden.h"
#include "session-private.h"

#define VOCABULARY 257
#define PATCH 4                     /* tokens of an inner stage's sequence */
#define CONTEXT (6 * PATCH * PATCH) /* of three stages */
#define LIMIT 1e-5                  /* another order of sums */

static const struct {
  const char *name, *block;
  guint stages;
} kinds[] = {
    {"fixed", FRESH_TRANSFORMER ", pos_emb_type: fixed", 3},
    {"rope", FRESH_TRANSFORMER ", pos_emb_type: rope", 2},
    {"mamba1", FRESH_MAMBA1 ", pos_emb_type: null", 3},
    {"mamba2", FRESH_MAMBA2 ", pos_emb_type: fixed", 2},
    {"flat", FRESH_TRANSFORMER ", pos_emb_type: fixed", 1},
};

static MblmModel *
load (const char *folder, const char *device, guint kind)
{
  static const char *const heads[] = {
      "hidden_dims: [24]\nnum_layers: [2]\nseq_lens: [96]\n",
      "hidden_dims: [24, 16]\nnum_layers: [2, 1]\nseq_lens: [24, 4]\n",
      "hidden_dims: [24, 32, 16]\nnum_layers: [2, 1, 2]\nseq_lens: [6, 4, 4]\n",
  };
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (folder, kinds[kind].name, NULL);
  g_autoptr (GString) yaml = g_string_new (NULL);

  g_string_printf (yaml,
      "num_tokens: 257\npad_token_id: 256\n%strain_checkpoint_chunks: null\n"
      "block:\n",
      heads[kinds[kind].stages - 1]);
  for (guint i = 0; i < kinds[kind].stages; i++)
    g_string_append_printf (yaml, "- { %s }\n", kinds[kind].block);
  g_autoptr (MblmConfig)
      config = mblm_config_parse (yaml->str, yaml->len, "branch", &error);
  g_autoptr (MblmDevice) d = mblm_device_open (device, 2, &error);

  g_assert_no_error (error);
  mblm_model_create (config, 1, path, &error);
  g_assert_no_error (error);
  MblmModel *model = mblm_model_load (
      path, d, MBLM_PRECISION_F32, NULL, &error);
  g_assert_no_error (error);
  return model;
}

/* ------------------------------------------------------------------------- */
/* Streams                                                                   */
/* ------------------------------------------------------------------------- */

/* A session, and what it must be like: the ids that it was fed. */
typedef struct {
  MblmSession *session;
  GArray *ids;
} Stream;

static Stream
stream_new (MblmModel *model)
{
  return (Stream){
      fresh_session (model), g_array_new (FALSE, FALSE, sizeof (gint32))};
}

static void
stream_clear (Stream *self)
{
  g_clear_object (&self->session);
  g_clear_pointer (&self->ids, g_array_unref);
}

static void
feed (Stream *self, gsize n, guint32 seed)
{
  g_autofree gint32 *ids = fresh_ids (n, seed);

  fresh_feed (self->session, ids, n);
  g_array_append_vals (self->ids, ids, n);
}

static void
branch_off (Stream *self, const Stream *from)
{
  g_autoptr (GError) error = NULL;

  mblm_session_branch_off (self->session, from->session, &error);
  g_assert_no_error (error);
  g_array_set_size (self->ids, 0);
  g_array_append_vals (self->ids, from->ids->data, from->ids->len);
}

static void
reset (Stream *self)
{
  mblm_session_reset (self->session);
  g_array_set_size (self->ids, 0);
}

/* Predicts what a session does that was fed its ids and no others. */
static void
check (const Stream *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmSession)
      alone = fresh_session (mblm_session_get_model (self->session));

  g_assert_cmpuint (
      mblm_session_get_position (self->session), ==, self->ids->len);
  fresh_feed (alone, (const gint32 *) self->ids->data, self->ids->len);
  const float *x = mblm_session_get_logits (
      self->session, MBLM_START_BARE, &error);
  g_assert_no_error (error);
  const float *y = mblm_session_get_logits (alone, MBLM_START_BARE, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (golden_distance (x, y, VOCABULARY), <, LIMIT);
}

/* ------------------------------------------------------------------------- */
/* Tests                                                                     */
/* ------------------------------------------------------------------------- */

typedef struct {
  char *device, *folder;
  guint kind;
} Case;

static MblmModel *
begin (gconstpointer data)
{
  const Case *c = data;

  return load (c->folder, c->device, c->kind);
}

/* At many places, on by many lengths, the branch or the lender first. */
static void
test_anywhere (gconstpointer data)
{
  g_autoptr (MblmModel) model = begin (data);
  Stream from = stream_new (model), branch = stream_new (model);
  /* What the branch held before must not show. */
  feed (&branch, 2 * PATCH * PATCH + 3, 99);

  for (gsize at = 0; at < CONTEXT / 2; at += 1 + at / 8) {
    reset (&from);
    feed (&from, at, 1);
    branch_off (&branch, &from);
    check (&branch);
    if (at % 2 == 0)
      feed (&branch, 1 + at % (2 * PATCH), 2);
    feed (&from, 1 + at % (3 * PATCH), 3);
    check (&branch);
    check (&from);
    feed (&branch, PATCH * PATCH, 4);
    feed (&from, 1, 5);
    check (&branch);
    check (&from);
  }
  stream_clear (&from);
  stream_clear (&branch);
}

/* A branch of a branch, and one of what was a branch of oneself. */
static void
test_of_branches (gconstpointer data)
{
  g_autoptr (MblmModel) model = begin (data);
  Stream root = stream_new (model);
  Stream a = stream_new (model), b = stream_new (model);

  feed (&root, 2 * PATCH * PATCH + 1, 1);
  branch_off (&a, &root);
  feed (&a, 1, 2);
  branch_off (&b, &a);
  feed (&b, 1, 3);
  feed (&a, 2 * PATCH, 4);
  check (&b);
  feed (&b, 2 * PATCH, 5);
  check (&root);
  check (&a);
  check (&b);

  branch_off (&a, &root);
  branch_off (&b, &a);
  branch_off (&root, &b);
  feed (&a, PATCH * PATCH, 6);
  check (&root);
  check (&b);
  feed (&root, PATCH * PATCH, 7);
  check (&a);
  check (&b);
  check (&root);
  stream_clear (&root);
  stream_clear (&a);
  stream_clear (&b);
}

/* The lender begins anew, is restored, or is nobody's any more. */
static void
test_ends (gconstpointer data)
{
  g_autoptr (MblmModel) model = begin (data);
  g_autoptr (GError) error = NULL;
  Stream root = stream_new (model), other = stream_new (model);
  Stream branch[3];

  feed (&root, 3 * PATCH * PATCH, 1);
  for (guint i = 0; i < 3; i++)
    branch[i] = stream_new (model);
  branch_off (&branch[0], &root);
  branch_off (&branch[1], &root);
  g_autoptr (MblmSnapshot)
      snapshot = mblm_session_snapshot (branch[0].session, &error);
  g_assert_no_error (error);
  /* One that ended holds nothing up, and can't be used. */
  mblm_session_end_branch (branch[1].session);
  g_assert_null (
      mblm_session_get_logits (branch[1].session, MBLM_START_BARE, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_STATE);
  g_clear_error (&error);
  g_assert_false (
      mblm_session_branch_off (branch[2].session, branch[1].session, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_STATE);
  g_clear_error (&error);
  check (&branch[2]);

  branch_off (&branch[1], &root);
  reset (&root);
  feed (&root, PATCH, 2);
  check (&branch[0]);
  check (&branch[1]);
  branch_off (&branch[2], &branch[1]);
  stream_clear (&branch[1]);
  check (&branch[2]);

  feed (&other, PATCH * PATCH + 2, 3);
  branch_off (&branch[0], &other);
  mblm_session_restore (other.session, snapshot, &error);
  g_assert_no_error (error);
  check (&branch[0]);
  feed (&branch[0], 3, 4);
  feed (&branch[2], PATCH * PATCH, 5);
  check (&branch[0]);
  check (&branch[2]);
  stream_clear (&root);
  stream_clear (&other);
  stream_clear (&branch[0]);
  stream_clear (&branch[2]);
}

/* Branches and what they came from, stepped together. */
static void
test_together (gconstpointer data)
{
  enum { N = 5 };
  g_autoptr (MblmModel) model = begin (data);
  g_autoptr (GError) error = NULL;
  Stream streams[N];
  MblmSession *sessions[N];

  for (guint b = 0; b < N; b++)
    streams[b] = stream_new (model);
  feed (&streams[2], PATCH * PATCH + PATCH - 1, 1);
  for (guint b = 0; b < N; b++) {
    if (b != 2)
      branch_off (&streams[b], &streams[2]);
    sessions[b] = streams[b].session;
  }
  for (guint i = 0; i < PATCH * PATCH + 2; i++) {
    g_autofree gint32 *ids = fresh_ids (N, 10 + i);

    mblm_session_step_many (sessions, ids, N, NULL, &error);
    g_assert_no_error (error);
    for (guint b = 0; b < N; b++)
      g_array_append_val (streams[b].ids, ids[b]);
    if (i % 3 == 0)
      check (&streams[i % N]);
  }
  for (guint b = 0; b < N; b++) {
    check (&streams[b]);
    stream_clear (&streams[b]);
  }
}

/* A branch that is within the patch holds no keys and values of the outermost
 * stage. */
static void
test_bytes (gconstpointer data)
{
  g_autoptr (MblmModel) model = begin (data);
  g_autoptr (MblmSession) session = fresh_session (model);
  g_autofree gint32 *ids = fresh_ids (CONTEXT / 2, 1);
  guint64 patch = mblm_config_get_patch (mblm_model_get_config (model), 0);
  gboolean flat = mblm_config_get_n_stages (mblm_model_get_config (model)) == 1;
  guint64 all = mblm_model_get_session_bytes (model, CONTEXT / 2 + patch);

  fresh_feed (session, ids, CONTEXT / 2 - 1);
  guint64 within = mblm_session_get_branch_bytes (session, 1);
  guint64 beyond = mblm_session_get_branch_bytes (session, 2);
  if (flat)
    g_assert_cmpuint (within, >, all / 2);
  else
    g_assert_cmpuint (within, <, beyond);
  g_assert_cmpuint (beyond, <=, all);
}

static void
case_free (gpointer data)
{
  Case *c = data;

  fresh_remove (c->folder);
  g_free (c->device);
  g_free (c);
}

static void
add (const char *device, guint kind, const char *name, GTestDataFunc func)
{
  g_autofree char *path = g_strdup_printf (
      "/session/branch/%s/%s/%s", device, kinds[kind].name, name);
  Case c = {g_strdup (device), fresh_folder (), kind};

  g_test_add_data_func_full (path, g_memdup2 (&c, sizeof c), func, case_free);
}

int
main (int argc, char **argv)
{
  g_auto (GStrv) devices = golden_get_devices ();

  g_test_init (&argc, &argv, NULL);
  for (guint d = 0; devices[d] != NULL; d++)
    for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
      add (devices[d], i, "anywhere", test_anywhere);
      add (devices[d], i, "of-branches", test_of_branches);
      add (devices[d], i, "ends", test_ends);
      add (devices[d], i, "together", test_together);
      add (devices[d], i, "bytes", test_bytes);
    }
  return g_test_run ();
}
