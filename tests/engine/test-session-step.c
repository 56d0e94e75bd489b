/* test-session-step.c: blocks that take a row with what is around them.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The step here is made of the operations that the engine would use, so every
 * prediction is the same to the bit as without it.
 */

#include <string.h>

#include "fresh.h"
#include "golden.h"
#include "model-private.h"

#define VOCABULARY 257
#define CONTEXT 32 /* of a model with 4 outer tokens of 8 ids */

static struct {
  guint refused; /* calls that do nothing, from now on */
  guint steps, with_ids, with_logits;
} count;

static float *
make_rows (MblmBlock *block, MblmRun *run, const MblmStep *args)
{
  gsize n = args->batch * block->dim;
  float *x = mblm_run_floats (run, n);

  if (args->table.data != NULL)
    run->k->embed (run->q,
        &(MblmEmbed){.table = args->table,
            .ids = mblm_run_upload_ids (run, args->ids, args->batch),
            .rows = args->batch,
            .out = x});
  else
    run->k->copy (run->q, x, args->tokens, n * sizeof (float));
  if (args->positions.data != NULL)
    run->k->add_position (run->q,
        &(MblmAddPosition){.table = args->positions,
            .batch = args->batch,
            .rows = 1,
            .first = args->position,
            .x = x});
  if (args->addend != NULL)
    run->k->add (run->q,
        &(MblmAdd){.batch = args->batch,
            .width = block->dim,
            .x = x,
            .x_stride = block->dim,
            .ys = args->addend});
  return x;
}

static gboolean
step (MblmBlock *block, MblmRun *run, const MblmStep *args)
{
  g_autoptr (GError) error = NULL;

  if (count.refused > 0) {
    count.refused--;
    return FALSE;
  }
  count.steps++;
  count.with_ids += args->table.data != NULL;
  count.with_logits += args->logits != NULL;
  block->klass->advance (block, run,
      &(MblmAdvance){.batch = args->batch,
          .rows = 1,
          .x = make_rows (block, run, args),
          .out = args->out,
          .states = args->states},
      &error);
  g_assert_no_error (error);
  if (args->logits != NULL)
    run->k->linear (run->q,
        &(MblmLinear){.weight = args->to_logits,
            .bias = args->logits_bias,
            .rows = args->batch,
            .x = args->out,
            .x_stride = block->dim,
            .out = args->logits,
            .out_stride = args->to_logits.rows});
  return TRUE;
}

/* ------------------------------------------------------------------------- */
/* Models with and without                                                   */
/* ------------------------------------------------------------------------- */

typedef struct {
  char *folder;
  MblmModel *plain, *stepped;
  MblmBlockClass klass;
} Fixture;

/* Two stages of the same positions; a folder in `folder`. */
static char *
make_model (const char *folder, const char *position)
{
  g_autoptr (GError) error = NULL;
  char *path = g_build_filename (folder, "model", NULL);
  g_autofree char *yaml = g_strdup_printf (
      "num_tokens: 257\npad_token_id: 256\nhidden_dims: [24, 16]\n"
      "num_layers: [2, 3]\nseq_lens: [4, 8]\ntrain_checkpoint_chunks: null\n"
      "block: { " FRESH_TRANSFORMER ", pos_emb_type: %s }\n",
      position);
  g_autoptr (MblmConfig)
      config = mblm_config_parse (yaml, strlen (yaml), "step", &error);

  g_assert_no_error (error);
  mblm_model_create (config, 1, path, &error);
  g_assert_no_error (error);
  return path;
}

static void
set_up (Fixture *f, gconstpointer position)
{
  f->folder = fresh_folder ();
  g_autofree char *path = make_model (f->folder, position);

  f->plain = golden_load (path, "cpu", 1);
  /* Of other threads: another model. */
  f->stepped = golden_load (path, "cpu", 2);
  g_assert_true (f->plain != f->stepped);
  f->klass = *f->stepped->stage[0].block->klass;
  f->klass.step = step;
  for (guint k = 0; k < f->stepped->n_stages; k++)
    f->stepped->stage[k].block->klass = &f->klass;
  memset (&count, 0, sizeof count);
}

static void
tear_down (Fixture *f, gconstpointer position)
{
  g_object_unref (f->plain);
  g_object_unref (f->stepped);
  fresh_remove (f->folder);
}

static void
assert_same (MblmSession *a, MblmSession *b)
{
  const float *x = mblm_session_get_logits (a, MBLM_START_BARE, NULL);
  const float *y = mblm_session_get_logits (b, MBLM_START_BARE, NULL);

  g_assert_cmpmem (
      x, VOCABULARY * sizeof (float), y, VOCABULARY * sizeof (float));
}

/* ------------------------------------------------------------------------- */
/* Tests                                                                     */
/* ------------------------------------------------------------------------- */

/* Every id is a step with ids and logits, every due patch one without. */
static void
test_one (Fixture *f, gconstpointer position)
{
  g_autofree gint32 *ids = fresh_ids (CONTEXT, 1);
  g_autoptr (MblmSession) plain = fresh_session (f->plain);
  g_autoptr (MblmSession) stepped = fresh_session (f->stepped);
  gboolean turns = g_strcmp0 (position, "rope") == 0;

  for (gsize i = 0; i < CONTEXT; i++) {
    fresh_feed (plain, ids + i, 1);
    fresh_feed (stepped, ids + i, 1);
    assert_same (plain, stepped);
  }
  g_assert_cmpuint (count.with_logits, ==, CONTEXT);
  g_assert_cmpuint (count.with_ids, ==, turns ? 0 : CONTEXT);
  g_assert_cmpuint (count.steps, ==, CONTEXT + (CONTEXT - 1) / 8);
}

/* Among all else that a session does; some steps are refused. */
static void
test_mixed (Fixture *f, gconstpointer position)
{
  enum { N = 600 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GRand) random = g_rand_new_with_seed (3);
  g_autofree gint32 *ids = fresh_ids (N + 12, 2);
  g_autofree float *nats = g_new (float, 2 * 12);
  MblmSession *session[] = {
      fresh_session (f->plain), fresh_session (f->stepped)};
  MblmSnapshot *kept[2] = {NULL, NULL};

  for (gsize i = 0; i < N;) {
    gsize n = g_rand_boolean (random) ? 1 : g_rand_int_range (random, 1, 12);
    gint what = g_rand_int_range (random, 0, 12);

    count.refused = g_rand_int_range (random, 0, 8) == 0;
    for (guint s = 0; s < 2; s++) {
      if (what == 0) {
        mblm_session_reset (session[s]);
      } else if (what == 1) {
        g_clear_pointer (&kept[s], mblm_snapshot_unref);
        kept[s] = mblm_session_snapshot (session[s], &error);
      } else if (what == 2 && kept[s] != NULL) {
        mblm_session_restore (session[s], kept[s], &error);
      } else if (what == 3) {
        mblm_session_score (
            session[s], ids + i, n, nats + s * 12, NULL, &error);
        g_assert_cmpmem (
            nats, n * sizeof (float), nats + s * 12, n * sizeof (float));
      } else {
        fresh_feed (session[s], ids + i, n);
      }
      g_assert_no_error (error);
    }
    assert_same (session[0], session[1]);
    i += n;
  }
  for (guint s = 0; s < 2; s++) {
    g_clear_pointer (&kept[s], mblm_snapshot_unref);
    g_object_unref (session[s]);
  }
}

static void
test_many (Fixture *f, gconstpointer position)
{
  enum { N = 5, STEPS = 60 };
  g_autoptr (GError) error = NULL;
  g_autofree gint32 *ids = fresh_ids (N * STEPS, 4);
  MblmSession *plain[N], *stepped[N];

  for (guint b = 0; b < N; b++) {
    plain[b] = fresh_session (f->plain);
    stepped[b] = fresh_session (f->stepped);
    fresh_feed (plain[b], ids, 3 * b);
    fresh_feed (stepped[b], ids, 3 * b);
  }
  count.with_logits = 0;
  for (gsize i = 0; i < STEPS; i++) {
    mblm_session_step_many (plain, ids + N * i, N, NULL, &error);
    g_assert_no_error (error);
    mblm_session_step_many (stepped, ids + N * i, N, NULL, &error);
    g_assert_no_error (error);
    for (guint b = 0; b < N; b++)
      assert_same (plain[b], stepped[b]);
  }
  g_assert_cmpuint (count.with_logits, >=, STEPS);
  for (guint b = 0; b < N; b++) {
    g_object_unref (plain[b]);
    g_object_unref (stepped[b]);
  }
}

int
main (int argc, char **argv)
{
  static const char *const positions[] = {"fixed", "rope", "null"};
  static const struct {
    const char *name;
    void (*func) (Fixture *f, gconstpointer position);
  } tests[] = {{"one", test_one}, {"mixed", test_mixed}, {"many", test_many}};

  g_test_init (&argc, &argv, NULL);
  for (guint p = 0; p < G_N_ELEMENTS (positions); p++)
    for (guint t = 0; t < G_N_ELEMENTS (tests); t++) {
      g_autofree char *path = g_strdup_printf (
          "/session/step/%s/%s", positions[p], tests[t].name);
      g_test_add (
          path, Fixture, positions[p], set_up, tests[t].func, tear_down);
    }
  return g_test_run ();
}
