/* test-session.c: contexts that overflow, bounds, cancellation, batches.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "fresh.h"
#include "golden.h"

#define VOCABULARY 257
#define CONTEXT 32 /* of a model with 4 outer tokens */
#define LIMIT 1e-5

typedef struct {
  char *folder;
  MblmModel *fixed, *rope, *none, *mamba1, *mamba2;
} Fixture;

static MblmModel *
make (Fixture *f, const char *name, const char *block, const char *position)
{
  g_autofree char *path = fresh_model (f->folder, name, 4, block, position);
  return golden_load (path, "cpu", 1);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->folder = fresh_folder ();
  f->fixed = make (f, "fixed", FRESH_TRANSFORMER, "fixed");
  f->rope = make (f, "rope", FRESH_TRANSFORMER, "rope");
  f->none = make (f, "none", FRESH_TRANSFORMER, "null");
  f->mamba1 = make (f, "mamba1", FRESH_MAMBA1, "null");
  f->mamba2 = make (f, "mamba2", FRESH_MAMBA2, "null");
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_object_unref (f->fixed);
  g_object_unref (f->rope);
  g_object_unref (f->none);
  g_object_unref (f->mamba1);
  g_object_unref (f->mamba2);
  fresh_remove (f->folder);
}

static void
assert_same_prediction (MblmSession *a, MblmSession *b)
{
  g_autoptr (GError) error = NULL;
  const float *x = mblm_session_get_logits (a, MBLM_START_BARE, &error);
  g_assert_no_error (error);
  const float *y = mblm_session_get_logits (b, MBLM_START_BARE, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (golden_distance (x, y, VOCABULARY), <, LIMIT);
}

/* However the ids come, a full context begins anew in the same places. */
static void
test_restart (Fixture *f, gconstpointer data)
{
  enum { N = 5 * CONTEXT + 3 };
  g_autoptr (GError) error = NULL;
  g_autofree gint32 *ids = fresh_ids (N, 1);
  g_autofree float *logits = g_new (float, N *VOCABULARY);
  g_autoptr (MblmSession) single = fresh_session (f->fixed);
  g_autoptr (MblmSession) whole = fresh_session (f->fixed);
  g_autoptr (MblmSession) every = fresh_session (f->fixed);
  g_autoptr (MblmSession) known = fresh_session (f->fixed);

  g_assert_false (mblm_session_is_endless (single));
  mblm_session_feed_logits (every, ids, N, logits, NULL, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < N; i++) {
    fresh_feed (single, &ids[i], 1);
    g_assert_cmpfloat (
        golden_distance (mblm_session_get_logits (single, 0, NULL),
            logits + i * VOCABULARY, VOCABULARY),
        <, LIMIT);
    mblm_session_reset (whole);
    fresh_feed (whole, ids, i + 1);
    assert_same_prediction (single, whole);
    g_assert_cmpuint (mblm_session_get_position (whole), ==, i + 1);
    g_assert_cmpuint (
        mblm_session_get_reach (whole), ==, mblm_session_get_reach (single));
  }
  /* The id that did not fit comes behind the last half of the context. */
  fresh_feed (known, ids + CONTEXT / 2, CONTEXT / 2 + 1);
  mblm_session_reset (whole);
  fresh_feed (whole, ids, CONTEXT + 1);
  assert_same_prediction (whole, known);
  g_assert_cmpuint (mblm_session_get_room (whole), ==, CONTEXT / 2 - 1);
}

static void
test_context_error (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree gint32 *ids = fresh_ids (CONTEXT + 1, 2);
  g_autoptr (MblmSession) session = fresh_session (f->fixed);
  g_autoptr (MblmSession) other = fresh_session (f->fixed);

  mblm_session_set_context_full (session, MBLM_CONTEXT_FULL_ERROR);
  g_assert_false (mblm_session_feed (session, ids, CONTEXT + 1, NULL, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_CONTEXT);
  g_clear_error (&error);
  g_assert_cmpuint (mblm_session_get_position (session), ==, 0);

  fresh_feed (session, ids, CONTEXT);
  fresh_feed (other, ids, CONTEXT);
  g_assert_false (mblm_session_feed (session, ids, 1, NULL, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_CONTEXT);
  g_clear_error (&error);
  g_assert_false (mblm_session_step_many (&session, ids, 1, NULL, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_CONTEXT);
  assert_same_prediction (session, other);
}

/* Rotary or no positions: on beyond the context, up to the memory bound. */
static void
test_memory_bound (Fixture *f, gconstpointer data)
{
  MblmModel *models[] = {f->rope, f->none};
  g_autofree gint32 *ids = fresh_ids (10 * CONTEXT, 3);

  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (MblmSession) session = fresh_session (models[i]);
    g_autoptr (MblmSession) other = fresh_session (models[i]);
    g_assert_true (mblm_session_is_endless (session));
    guint64 bound = mblm_model_get_session_bytes (models[i], 4 * CONTEXT);
    mblm_session_set_memory_bound (session, bound);
    fresh_feed (session, ids, 3 * CONTEXT);
    fresh_feed (other, ids, 3 * CONTEXT);
    g_assert_false (
        mblm_session_feed (session, ids, 7 * CONTEXT, NULL, &error));
    g_assert_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY);
    g_assert_cmpuint (mblm_session_get_position (session), ==, 3 * CONTEXT);
    assert_same_prediction (session, other);
    fresh_feed (session, ids + 3 * CONTEXT, CONTEXT / 2);
  }
}

/* A state-space stage goes on for ever in constant memory. */
static void
test_endless (Fixture *f, gconstpointer data)
{
  enum { N = 100 * CONTEXT + 5 };
  MblmModel *models[] = {f->mamba1, f->mamba2};
  g_autofree gint32 *ids = fresh_ids (N, 4);

  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    g_autoptr (MblmSession) session = fresh_session (models[i]);
    g_autoptr (MblmSession) pieces = fresh_session (models[i]);
    fresh_feed (session, ids, CONTEXT);
    guint64 memory = mblm_session_get_memory (session);
    fresh_feed (session, ids + CONTEXT, N - CONTEXT);
    g_assert_cmpuint (mblm_session_get_memory (session), ==, memory);
    g_assert_cmpuint (mblm_session_get_room (session), ==, G_MAXUINT64);
    for (gsize at = 0; at < N; at += 127)
      fresh_feed (pieces, ids + at, MIN (127, N - at));
    assert_same_prediction (session, pieces);
  }
}

static void
test_bad_ids (Fixture *f, gconstpointer data)
{
  static const gint32 bad[] = {VOCABULARY, -1, G_MAXINT32, G_MININT32};
  g_autoptr (MblmSession) session = fresh_session (f->fixed);
  g_autoptr (MblmSession) other = fresh_session (f->fixed);
  gint32 ids[3] = {65, 66, 67};
  float nats[3];

  fresh_feed (session, ids, 3);
  fresh_feed (other, ids, 3);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    gint32 with_bad[3] = {65, 66, bad[i]};
    g_assert_false (mblm_session_feed (session, with_bad, 3, NULL, &error));
    g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
    g_clear_error (&error);
    g_assert_false (
        mblm_session_score (session, with_bad, 3, nats, NULL, &error));
    g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
    g_clear_error (&error);
    g_assert_false (
        mblm_session_step_many (&session, &bad[i], 1, NULL, &error));
    g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  }
  assert_same_prediction (session, other);
}

static void
test_bad_batches (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmSession) a = fresh_session (f->fixed);
  g_autoptr (MblmSession) b = fresh_session (f->rope);
  MblmSession *twice[] = {a, a}, *two_models[] = {a, b};
  gint32 ids[2] = {1, 2};

  g_assert_false (mblm_session_step_many (twice, ids, 2, NULL, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_clear_error (&error);
  g_assert_false (mblm_session_step_many (two_models, ids, 2, NULL, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_clear_error (&error);

  g_autoptr (MblmSnapshot) snapshot = mblm_session_snapshot (a, &error);
  g_assert_no_error (error);
  g_assert_false (mblm_session_restore (b, snapshot, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_assert_true (mblm_session_step_many (twice, ids, 0, NULL, NULL));
}

/* Sessions that overflow while they are stepped together. */
static void
test_many_restart (Fixture *f, gconstpointer data)
{
  enum { N = 3 };
  g_autofree gint32 *ids = fresh_ids (4 * CONTEXT, 5);
  MblmSession *sessions[N];

  for (guint s = 0; s < N; s++) {
    sessions[s] = fresh_session (f->fixed);
    fresh_feed (sessions[s], ids, 5 + 11 * s);
  }
  for (gsize i = 0; i < 2 * CONTEXT; i++) {
    g_autoptr (GError) error = NULL;
    gint32 next[N];
    for (guint s = 0; s < N; s++)
      next[s] = ids[5 + 11 * s + i];
    mblm_session_step_many (sessions, next, N, NULL, &error);
    g_assert_no_error (error);
  }
  for (guint s = 0; s < N; s++) {
    g_autoptr (MblmSession) alone = fresh_session (f->fixed);
    fresh_feed (alone, ids, 5 + 11 * s + 2 * CONTEXT);
    assert_same_prediction (sessions[s], alone);
    g_object_unref (sessions[s]);
  }
}

typedef struct {
  GCancellable *cancellable;
  gulong delay; /* microseconds */
} Soon;

static gpointer
cancel_soon (gpointer data)
{
  Soon *soon = data;

  g_usleep (soon->delay);
  g_cancellable_cancel (soon->cancellable);
  return NULL;
}

static void
test_cancel (Fixture *f, gconstpointer data)
{
  enum { N = 1 << 18 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autofree gint32 *ids = fresh_ids (N, 6);
  g_autoptr (MblmSession) session = fresh_session (f->mamba2);
  g_autoptr (MblmSession) other = fresh_session (f->mamba2);

  /* On a machine that is slow the first try may end before the work begins. */
  Soon soon = {cancellable, 2000};
  do {
    g_cancellable_reset (cancellable);
    mblm_session_reset (session);
    GThread *thread = g_thread_new ("cancel", cancel_soon, &soon);
    g_assert_false (mblm_session_feed (session, ids, N, cancellable, &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error (&error);
    g_thread_join (thread);
    soon.delay *= 2;
  } while (mblm_session_feed (session, ids, 1, NULL, NULL));

  /* Stopped halfway it has no state, until it is reset. */
  g_assert_false (mblm_session_feed (session, ids, 1, NULL, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_STATE);
  g_clear_error (&error);
  g_assert_null (mblm_session_get_logits (session, MBLM_START_BARE, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_STATE);
  g_clear_error (&error);
  g_assert_null (mblm_session_snapshot (session, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_STATE);
  g_clear_error (&error);
  mblm_session_reset (session);
  fresh_feed (session, ids, 9);
  fresh_feed (other, ids, 9);
  assert_same_prediction (session, other);

  /* Cancelled before it began it keeps its state. */
  g_assert_false (mblm_session_feed (session, ids, 1, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_same_prediction (session, other);
}

/* The first byte: two predictions, as published. */
static void
test_start (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmSession) session = fresh_session (f->fixed);
  float chained[VOCABULARY];
  float nats;
  gint32 id = 65;

  memcpy (chained, mblm_session_get_logits (session, MBLM_START_CHAINED, NULL),
      sizeof chained);
  const float *bare = mblm_session_get_logits (session, MBLM_START_BARE, NULL);
  g_assert_cmpfloat (golden_distance (bare, chained, VOCABULARY), >, 1e-3);
  mblm_session_score (session, &id, 1, &nats, NULL, &error);
  g_assert_no_error (error);
  double loss;
  mblm_model_loss (f->fixed, &id, 1, 1, NULL, NULL, NULL, &loss, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat_with_epsilon (loss, nats, 1e-6);
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*func) (Fixture *, gconstpointer);
  } tests[] = {
      {"/session/restart", test_restart},
      {"/session/context-error", test_context_error},
      {"/session/memory-bound", test_memory_bound},
      {"/session/endless", test_endless},
      {"/session/bad-ids", test_bad_ids},
      {"/session/bad-batches", test_bad_batches},
      {"/session/many-restart", test_many_restart},
      {"/session/cancel", test_cancel},
      {"/session/start", test_start},
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].name, Fixture, NULL, set_up, tests[i].func, tear_down);
  return g_test_run ();
}
