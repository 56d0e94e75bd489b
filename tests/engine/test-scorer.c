/* test-scorer.c: bits per byte of a stream.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>
#include <string.h>

#include "talker.h"

#define N 900       /* more than three windows */
#define LIMIT 2e-4f /* bits */

typedef struct {
  char *folder;
  MblmModel *plain, *text; /* without and with a `text` token */
  guint8 bytes[N];
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autofree gint32 *ids = fresh_ids (N, 9);

  f->folder = fresh_folder ();
  f->plain = talker_new (f->folder, "plain", 1, NULL);
  f->text = talker_new (
      f->folder, "text", 1, "\"task\": \"text\", " TALKER_TOKENS);
  for (guint i = 0; i < N; i++)
    f->bytes[i] = (guint8) ids[i];
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_object_unref (f->plain);
  g_object_unref (f->text);
  fresh_remove (f->folder);
}

static MblmScorer *
new_scorer (MblmModel *model, gboolean overlap)
{
  g_autoptr (GError) error = NULL;
  MblmScorer *scorer = mblm_scorer_new (model, overlap, &error);
  g_assert_no_error (error);
  return scorer;
}

/* Bits of n bytes that come in pieces. */
static void
push (
    MblmScorer *scorer, const guint8 *bytes, gsize n, gsize piece, float *bits)
{
  g_autoptr (GError) error = NULL;

  for (gsize at = 0; at < n; at += piece) {
    mblm_scorer_push (
        scorer, bytes + at, MIN (piece, n - at), bits + at, NULL, &error);
    g_assert_no_error (error);
  }
}

/* Bits of n bytes by hand, behind `before`, of which `text` is the first. */
static void
by_hand (MblmModel *model, gboolean text, const guint8 *before, gsize n_before,
    const guint8 *bytes, gsize n, float *bits)
{
  g_autoptr (MblmSession) session = fresh_session (model);
  gint32 id = TALKER_TEXT;

  if (text)
    mblm_session_feed (session, &id, 1, NULL, NULL);
  mblm_session_feed_bytes (session, before, n_before, NULL, NULL);
  for (gsize i = 0; i < n; i++) {
    bits[i] = (float) (-talker_log_p (session, MBLM_START_BARE, bytes[i]) /
        G_LN2);
    mblm_session_feed_bytes (session, bytes + i, 1, NULL, NULL);
  }
}

static void
assert_bits (const float *bits, const float *expected, gsize n)
{
  for (gsize i = 0; i < n; i++)
    g_assert_cmpfloat (fabsf (bits[i] - expected[i]), <, LIMIT);
}

/* Windows of the whole context, each from nothing. */
static void
test_windows (Fixture *f, gconstpointer data)
{
  g_autoptr (MblmScorer) scorer = new_scorer (f->plain, FALSE);
  float bits[N], expected[N];
  double sum = 0;

  push (scorer, f->bytes, N, N, bits);
  for (gsize at = 0; at < N; at += TALKER_CONTEXT)
    by_hand (f->plain, FALSE, NULL, 0, f->bytes + at,
        MIN (TALKER_CONTEXT, N - at), expected + at);
  assert_bits (bits, expected, N);
  for (guint i = 0; i < N; i++)
    sum += bits[i];
  g_assert_cmpuint (mblm_scorer_get_bytes (scorer), ==, N);
  g_assert_cmpfloat_with_epsilon (mblm_scorer_get_bits (scorer), sum, 1e-3);
}

/* A `text` token takes the place of a byte in each window and isn't counted. */
static void
test_text (Fixture *f, gconstpointer data)
{
  g_autoptr (MblmScorer) scorer = new_scorer (f->text, FALSE);
  float bits[N], expected[N];

  push (scorer, f->bytes, N, N, bits);
  for (gsize at = 0; at < N; at += TALKER_CONTEXT - 1)
    by_hand (f->text, TRUE, NULL, 0, f->bytes + at,
        MIN (TALKER_CONTEXT - 1, N - at), expected + at);
  assert_bits (bits, expected, N);
  g_assert_cmpuint (mblm_scorer_get_bytes (scorer), ==, N);
}

/* Each window but the first is primed with half of it. */
static void
test_overlap (Fixture *f, gconstpointer data)
{
  MblmModel *const models[] = {f->plain, f->text};

  for (guint text = 0; text < 2; text++) {
    g_autoptr (MblmScorer) scorer = new_scorer (models[text], TRUE);
    gsize window = TALKER_CONTEXT - text, prime = window / 2;
    float bits[N], expected[N];

    push (scorer, f->bytes, N, 77, bits);
    by_hand (models[text], text, NULL, 0, f->bytes, window, expected);
    for (gsize at = window; at < N; at += window - prime)
      by_hand (models[text], text, f->bytes + at - prime, prime, f->bytes + at,
          MIN (window - prime, N - at), expected + at);
    assert_bits (bits, expected, N);
  }
}

/* However the bytes come, they cost the same. */
static void
test_pieces (Fixture *f, gconstpointer data)
{
  static const gsize pieces[] = {1, 2, 7, 64, 255, 256, 257, 600, N};

  for (guint overlap = 0; overlap < 2; overlap++) {
    g_autoptr (MblmScorer) scorer = new_scorer (f->plain, overlap);
    float expected[N], bits[N];

    push (scorer, f->bytes, N, N, expected);
    double total = mblm_scorer_get_bits (scorer);
    for (guint i = 0; i < G_N_ELEMENTS (pieces); i++) {
      mblm_scorer_reset (scorer);
      g_assert_cmpuint (mblm_scorer_get_bytes (scorer), ==, 0);
      push (scorer, f->bytes, N, pieces[i], bits);
      assert_bits (bits, expected, N);
      g_assert_cmpfloat_with_epsilon (
          mblm_scorer_get_bits (scorer), total, 1e-2);
    }
    /* and the same pieces the very same */
    mblm_scorer_reset (scorer);
    push (scorer, f->bytes, N, N, bits);
    g_assert_cmpmem (bits, sizeof (bits), expected, sizeof (expected));
  }
}

static void
test_edges (Fixture *f, gconstpointer data)
{
  g_autoptr (MblmScorer) scorer = new_scorer (f->plain, FALSE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (mblm_scorer_push (scorer, NULL, 0, NULL, NULL, &error));
  g_assert_cmpfloat (mblm_scorer_get_bits (scorer), ==, 0);
  /* nobody needs to take the bits */
  g_assert_true (mblm_scorer_push (scorer, f->bytes, 10, NULL, NULL, &error));
  g_assert_cmpfloat (mblm_scorer_get_bits (scorer), >, 0);

  g_cancellable_cancel (cancellable);
  g_assert_false (
      mblm_scorer_push (scorer, f->bytes, N, NULL, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_false (mblm_scorer_push (scorer, f->bytes, 1, NULL, NULL, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_STATE);
  g_clear_error (&error);
  mblm_scorer_reset (scorer);
  g_assert_true (mblm_scorer_push (scorer, f->bytes, 1, NULL, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (mblm_scorer_get_bytes (scorer), ==, 1);
}

#define ADD(name, function)                                                    \
  g_test_add ("/scorer/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("windows", test_windows);
  ADD ("text", test_text);
  ADD ("overlap", test_overlap);
  ADD ("pieces", test_pieces);
  ADD ("edges", test_edges);
  return g_test_run ();
}
