/* test-generator.c: continuing a stream, byte by byte.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#define _GNU_SOURCE /* memmem */
#include <math.h>
#include <string.h>

#include "talker.h"

#define PROMPT "The old man"

typedef struct {
  char *folder;
  MblmModel *model; /* with special tokens */
  MblmSession *session;
  MblmSampler *sampler;
  MblmGenerator *generator;
} Fixture;

static void
restart (Fixture *f)
{
  g_autoptr (GError) error = NULL;

  mblm_session_reset (f->session);
  mblm_session_feed_bytes (
      f->session, (const guint8 *) PROMPT, strlen (PROMPT), NULL, &error);
  g_assert_no_error (error);
  mblm_generator_start (f->generator);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->folder = fresh_folder ();
  f->model = talker_new (
      f->folder, "talker", 1, "\"task\": \"text\", " TALKER_TOKENS);
  f->session = fresh_session (f->model);
  f->sampler = mblm_sampler_new ();
  f->generator = mblm_generator_new (f->session, f->sampler);
  restart (f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_object_unref (f->generator);
  g_object_unref (f->sampler);
  g_object_unref (f->session);
  g_object_unref (f->model);
  fresh_remove (f->folder);
}

static GByteArray *
run (MblmGenerator *generator)
{
  g_autoptr (GError) error = NULL;
  GByteArray *out = g_byte_array_new ();

  while (mblm_generator_next (generator, out, NULL, &error))
    ;
  g_assert_no_error (error);
  return out;
}

static void
set_stop (Fixture *f, const guint8 *bytes, gsize n)
{
  g_autoptr (GBytes) stop = g_bytes_new (bytes, n);

  mblm_generator_set_stop (f->generator, &stop, 1);
}

/* Greedy bytes, their probability and what the session holds, by hand. */
static void
test_greedy (Fixture *f, gconstpointer data)
{
  g_autoptr (MblmSession) other = fresh_session (f->model);
  g_autoptr (GByteArray) expected = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  double log_p = 0;
  guint8 allowed[TALKER_VOCABULARY];

  memset (allowed, 1, 256);
  memset (allowed + 256, 0, 4);
  mblm_sampler_set_allowed (f->sampler, allowed, TALKER_VOCABULARY);
  mblm_session_feed_bytes (
      other, (const guint8 *) PROMPT, strlen (PROMPT), NULL, NULL);
  for (guint i = 0; i < 30; i++) {
    gint32 id = -1;
    for (gint k = 0; k < 256; k++)
      if (id < 0 ||
          talker_log_p (other, MBLM_START_CHAINED, k) >
              talker_log_p (other, MBLM_START_CHAINED, id))
        id = k;
    log_p += talker_log_p (other, MBLM_START_CHAINED, id);
    guint8 byte = (guint8) id;
    g_byte_array_append (expected, &byte, 1);
    mblm_session_feed (other, &id, 1, NULL, &error);
    g_assert_no_error (error);
  }

  mblm_generator_set_max (f->generator, 30);
  g_autoptr (GByteArray) out = run (f->generator);
  g_assert_cmpmem (out->data, out->len, expected->data, expected->len);
  g_assert_cmpint (
      mblm_generator_get_finish (f->generator), ==, MBLM_FINISH_LENGTH);
  g_assert_cmpuint (mblm_generator_get_drawn (f->generator), ==, 30);
  g_assert_cmpint (
      mblm_generator_get_last_id (f->generator), ==, out->data[29]);
  g_assert_cmpfloat_with_epsilon (
      mblm_generator_get_log_probability (f->generator), log_p, 1e-3);

  /* the last id is fed only when it is asked for */
  guint64 fed = strlen (PROMPT) + 29;
  g_assert_cmpuint (mblm_session_get_position (f->session), ==, fed);
  g_assert_true (mblm_generator_settle (f->generator, NULL, &error));
  g_assert_true (mblm_generator_settle (f->generator, NULL, &error));
  g_assert_cmpuint (mblm_session_get_position (f->session), ==, fed + 1);

  /* a finished generation stays finished */
  g_assert_false (mblm_generator_next (f->generator, out, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (out->len, ==, 30);
}

/* Of the special ids only `end` is ever drawn, and it stops. */
static void
test_special (Fixture *f, gconstpointer data)
{
  guint8 allowed[TALKER_VOCABULARY] = {0};
  guint ended = 0;

  mblm_sampler_set_temperature (f->sampler, 3);
  mblm_generator_set_max (f->generator, 150);
  for (guint seed = 0; seed < 10; seed++) {
    g_autoptr (GByteArray) out = g_byte_array_new ();
    restart (f);
    mblm_sampler_set_seed (f->sampler, seed);
    gboolean more = TRUE;
    while (more) {
      more = mblm_generator_next (f->generator, out, NULL, NULL);
      gint id = mblm_generator_get_last_id (f->generator);
      g_assert_true (id < 256 || id == TALKER_END);
      g_assert_true (id != TALKER_END || !more);
      ended += id == TALKER_END;
    }
    g_assert_cmpuint (mblm_generator_get_drawn (f->generator), ==,
        out->len +
            (mblm_generator_get_finish (f->generator) == MBLM_FINISH_END));
  }
  g_assert_cmpuint (ended, >, 0);

  restart (f);
  allowed[TALKER_END] = 1;
  mblm_sampler_set_allowed (f->sampler, allowed, TALKER_VOCABULARY);
  g_autoptr (GByteArray) out = run (f->generator);
  g_assert_cmpuint (out->len, ==, 0);
  g_assert_cmpuint (mblm_generator_get_drawn (f->generator), ==, 1);
  g_assert_cmpint (
      mblm_generator_get_finish (f->generator), ==, MBLM_FINISH_END);

  /* nothing is left to draw: an error, not a loop */
  g_autoptr (GError) error = NULL;
  restart (f);
  allowed[TALKER_END] = 0;
  allowed[TALKER_PAD] = 1;
  mblm_sampler_set_allowed (f->sampler, allowed, TALKER_VOCABULARY);
  g_assert_false (mblm_generator_next (f->generator, out, NULL, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_assert_cmpint (
      mblm_generator_get_finish (f->generator), ==, MBLM_FINISH_NONE);
}

/* Without an mblm.json every id may be drawn; those from 256 up are fed, count,
 * and are no bytes. */
static void
test_no_info (Fixture *f, gconstpointer data)
{
  g_autoptr (MblmModel) model = talker_new (f->folder, "plain", 1, NULL);
  g_autoptr (MblmSession) session = fresh_session (model);
  g_autoptr (MblmGenerator)
      generator = mblm_generator_new (session, f->sampler);
  guint8 allowed[TALKER_VOCABULARY] = {0};

  memset (allowed + 255, 1, 5);
  mblm_sampler_set_allowed (f->sampler, allowed, TALKER_VOCABULARY);
  mblm_sampler_set_temperature (f->sampler, 100);
  mblm_generator_set_max (generator, 60);
  g_autoptr (GByteArray) out = run (generator);
  g_assert_cmpuint (mblm_generator_get_drawn (generator), ==, 60);
  g_assert_cmpuint (out->len, >, 0);
  g_assert_cmpuint (out->len, <, 40);
  g_assert_true (mblm_generator_settle (generator, NULL, NULL));
  g_assert_cmpuint (mblm_session_get_position (session), ==, 60);
}

/* Whatever part of the text is a stop string: all before its first occurrence
 * comes out, in order, and nothing of it. */
static void
test_stop (Fixture *f, gconstpointer data)
{
  guint8 allowed[TALKER_VOCABULARY] = {0};

  /* few different bytes, so that beginnings of stop strings are frequent */
  memset (allowed + 'a', 1, 3);
  mblm_sampler_set_allowed (f->sampler, allowed, TALKER_VOCABULARY);
  mblm_sampler_set_temperature (f->sampler, 100);
  mblm_generator_set_max (f->generator, 120);
  g_autoptr (GByteArray) whole = run (f->generator);
  g_assert_cmpuint (whole->len, ==, 120);

  for (guint i = 0; i < 60; i++) {
    guint at = i, n = 1 + i % 9;
    g_autoptr (GByteArray) out = g_byte_array_new ();
    const guint8 *stop = whole->data + at;
    const guint8 *first = memmem (whole->data, whole->len, stop, n);
    gsize expected = (gsize) (first - whole->data);

    set_stop (f, stop, n);
    mblm_sampler_set_seed (f->sampler, 0);
    restart (f);
    while (mblm_generator_next (f->generator, out, NULL, NULL)) {
      /* as much as is certain */
      gsize drawn = mblm_generator_get_drawn (f->generator);
      gsize held = drawn - out->len;
      g_assert_cmpuint (held, <, n);
      g_assert_cmpmem (whole->data + out->len, held, stop, held);
    }
    g_assert_cmpmem (out->data, out->len, whole->data, expected);
    g_assert_cmpint (
        mblm_generator_get_finish (f->generator), ==, MBLM_FINISH_STOP);
  }

  /* what was held back comes out at the end */
  g_autoptr (GByteArray) never = g_byte_array_new ();
  g_byte_array_append (never, whole->data + 100, 20);
  g_byte_array_append (never, (const guint8 *) "X", 1);
  set_stop (f, never->data, never->len);
  mblm_sampler_set_seed (f->sampler, 0);
  restart (f);
  g_autoptr (GByteArray) out = run (f->generator);
  g_assert_cmpmem (out->data, out->len, whole->data, whole->len);
  g_assert_cmpint (
      mblm_generator_get_finish (f->generator), ==, MBLM_FINISH_LENGTH);
}

/* Of several that end together the one that began first counts; empty ones
 * don't. */
static void
test_stops (Fixture *f, gconstpointer data)
{
  guint8 allowed[TALKER_VOCABULARY] = {0};

  memset (allowed + 'a', 1, 20);
  mblm_sampler_set_allowed (f->sampler, allowed, TALKER_VOCABULARY);
  mblm_sampler_set_temperature (f->sampler, 100);
  mblm_generator_set_max (f->generator, 40);
  g_autoptr (GByteArray) whole = run (f->generator);
  g_autoptr (GBytes) empty = g_bytes_new (NULL, 0);
  g_autoptr (GBytes) inner = g_bytes_new (whole->data + 22, 8);
  g_autoptr (GBytes) outer = g_bytes_new (whole->data + 20, 10);
  GBytes *const stops[] = {empty, inner, outer};

  mblm_generator_set_stop (f->generator, stops, 3);
  mblm_sampler_set_seed (f->sampler, 0);
  restart (f);
  g_autoptr (GByteArray) out = run (f->generator);
  g_assert_cmpmem (out->data, out->len, whole->data, 20);

  mblm_generator_set_stop (f->generator, NULL, 0);
  mblm_sampler_set_seed (f->sampler, 0);
  restart (f);
  g_autoptr (GByteArray) all = run (f->generator);
  g_assert_cmpmem (all->data, all->len, whole->data, whole->len);
}

/* The same seed, the same bytes, on any number of threads. */
static void
test_threads (Fixture *f, gconstpointer data)
{
  g_autoptr (GByteArray) first = NULL;

  for (guint threads = 1; threads <= 3; threads++) {
    g_autoptr (MblmModel)
        model = talker_new (f->folder, "talker", threads, NULL);
    g_autoptr (MblmSession) session = fresh_session (model);
    g_autoptr (MblmSampler) sampler = mblm_sampler_new ();
    g_autoptr (MblmGenerator) generator = mblm_generator_new (session, sampler);

    mblm_sampler_set_temperature (sampler, 1);
    mblm_sampler_set_seed (sampler, 77);
    mblm_generator_set_max (generator, 200);
    g_autoptr (GByteArray) out = run (generator);
    if (!first)
      first = g_byte_array_ref (out);
    g_assert_cmpmem (out->data, out->len, first->data, first->len);
  }
}

static void
test_errors (Fixture *f, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (GError) error = NULL;

  mblm_generator_set_max (f->generator, 0);
  g_assert_false (mblm_generator_next (f->generator, out, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (
      mblm_generator_get_finish (f->generator), ==, MBLM_FINISH_LENGTH);

  mblm_generator_set_max (f->generator, 10);
  restart (f);
  g_cancellable_cancel (cancellable);
  g_assert_false (mblm_generator_next (f->generator, out, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_cmpuint (out->len, ==, 0);

  /* a full context where that is an error */
  guint8 allowed[TALKER_VOCABULARY] = {[65] = 1};
  mblm_sampler_set_allowed (f->sampler, allowed, TALKER_VOCABULARY);
  mblm_session_set_context_full (f->session, MBLM_CONTEXT_FULL_ERROR);
  mblm_generator_set_max (f->generator, 10000);
  restart (f);
  while (mblm_generator_next (f->generator, out, NULL, &error))
    ;
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_CONTEXT);
  g_assert_cmpuint (out->len, ==, TALKER_CONTEXT - strlen (PROMPT) + 1);
}

#define ADD(name, function)                                                    \
  g_test_add ("/generator/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("greedy", test_greedy);
  ADD ("special", test_special);
  ADD ("no-info", test_no_info);
  ADD ("stop", test_stop);
  ADD ("stops", test_stops);
  ADD ("threads", test_threads);
  ADD ("errors", test_errors);
  return g_test_run ();
}
