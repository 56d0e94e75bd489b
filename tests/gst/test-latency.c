/* test-latency.c: what the pipeline is told about latency, and about frames that
 * are left out.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "helper.h"

#include <gst/check/gsttestclock.h>

#include "fake.h"
#include "gstmblmlatency.h"
#include "gstmblmstats.h"
#include "gstmblmwatch.h"

#define RGB "video/x-raw,format=RGB,width=16,height=12,framerate=10/1"
#define FRAME (GST_SECOND / 10)
#define MS GST_MSECOND
#define SECOND_US G_USEC_PER_SEC

/* --- the parts --- */

/* A message when the estimate rises by more than 5 % or moves by more than 25 %,
 * and at most once a second. */
static void
test_estimate (void)
{
  GstMblmLatency l;

  gst_mblm_latency_reset (&l);
  g_assert_cmpuint (l.reported, ==, 0);
  g_assert_true (gst_mblm_latency_add (&l, 100 * MS, SECOND_US));
  g_assert_cmpuint (l.reported, ==, 105 * MS);
  /* Within 5 %, and too soon. */
  g_assert_false (gst_mblm_latency_add (&l, 104 * MS, 3 * SECOND_US));
  g_assert_true (gst_mblm_latency_add (&l, 200 * MS, 3 * SECOND_US));
  g_assert_false (gst_mblm_latency_add (&l, 400 * MS, 3.5 * SECOND_US));
  g_assert_cmpuint (l.reported, ==, 210 * MS);
  g_assert_true (gst_mblm_latency_add (&l, 400 * MS, 5 * SECOND_US));
  g_assert_cmpuint (l.reported, ==, 420 * MS);
  /* It falls when all of the last ones are shorter, by a quarter at least. */
  for (guint i = 0; i < GST_MBLM_LATENCY_WINDOW; i++)
    g_assert_false (gst_mblm_latency_add (&l, 390 * MS, 9 * SECOND_US));
  for (guint i = 0; i + 1 < GST_MBLM_LATENCY_WINDOW; i++)
    g_assert_false (gst_mblm_latency_add (&l, 50 * MS, 9 * SECOND_US));
  g_assert_true (gst_mblm_latency_add (&l, 50 * MS, 9 * SECOND_US));
  g_assert_cmpuint (l.reported, ==, 52500 * GST_USECOND);
}

static void
test_extend (void)
{
  GstClockTime min = 20 * MS, max = 30 * MS;

  gst_mblm_latency_extend (100 * MS, FALSE, &min, &max);
  g_assert_cmpuint (min, ==, 120 * MS);
  g_assert_cmpuint (max, ==, 130 * MS);
  min = 20 * MS;
  max = GST_CLOCK_TIME_NONE;
  gst_mblm_latency_extend (100 * MS, FALSE, &min, &max);
  g_assert_cmpuint (max, ==, GST_CLOCK_TIME_NONE);
  min = 20 * MS;
  gst_mblm_latency_extend (100 * MS, TRUE, &min, &max);
  g_assert_cmpuint (min, ==, 120 * MS);
  g_assert_cmpuint (max, ==, 120 * MS);
}

static void
test_quantiles (void)
{
  GstMblmTimes times = {{0}};

  g_assert_cmpuint (gst_mblm_times_quantile (&times, 0.5), ==, 0);
  for (guint i = 1; i <= 100; i++)
    gst_mblm_times_add (&times, i);
  /* The last 64: 37 to 100. */
  g_assert_cmpuint (gst_mblm_times_quantile (&times, 0.0), ==, 37);
  g_assert_cmpuint (gst_mblm_times_quantile (&times, 0.5), ==, 68);
  g_assert_cmpuint (gst_mblm_times_quantile (&times, 0.95), ==, 97);
  g_assert_cmpuint (gst_mblm_times_quantile (&times, 1.0), ==, 100);
}

/* The watch stands still in a push, so that a sink that waits for the clock is
 * no latency of ours, which would make it wait longer. */
static void
test_watch (void)
{
  GstElement *element = helper_element ("mblmask");
  GstClock *clock = gst_test_clock_new ();
  GstTestClock *test = GST_TEST_CLOCK (clock);
  GstMblmWatch watch;
  gint64 blocked;

  gst_element_set_clock (element, clock);
  gst_mblm_watch_init (&watch);
  gst_mblm_watch_start (&watch, element);
  gst_test_clock_advance_time (test, 10 * MS);
  g_assert_cmpuint (gst_mblm_watch_elapsed (&watch), ==, 10 * MS);
  gst_mblm_watch_push_begins (&watch);
  gst_test_clock_advance_time (test, 500 * MS);
  gst_mblm_watch_push_ends (&watch);
  g_assert_cmpuint (gst_mblm_watch_elapsed (&watch), ==, 10 * MS);

  gst_mblm_watch_begin_answer (&watch, 30 * MS);
  gst_mblm_watch_push_begins (&watch);
  gst_test_clock_advance_time (test, 500 * MS);
  gst_mblm_watch_push_ends (&watch);
  g_assert_false (gst_mblm_watch_is_late (&watch));
  gst_test_clock_advance_time (test, 29 * MS);
  g_assert_false (gst_mblm_watch_is_late (&watch));
  gst_test_clock_advance_time (test, 1 * MS);
  g_assert_true (gst_mblm_watch_is_late (&watch));
  g_assert_cmpuint (gst_mblm_watch_answer_time (&watch), ==, 30 * MS);
  gst_mblm_watch_begin_answer (&watch, GST_CLOCK_TIME_NONE - 1);
  g_assert_false (gst_mblm_watch_is_late (&watch));

  blocked = gst_mblm_watch_get_blocked (&watch);
  gst_mblm_watch_push_begins (&watch);
  g_usleep (2000);
  g_assert_cmpint (gst_mblm_watch_get_blocked (&watch), >=, blocked + 2000);
  gst_mblm_watch_push_ends (&watch);
  gst_mblm_watch_stop (&watch);
  gst_mblm_watch_clear (&watch);
  gst_object_unref (clock);
  helper_drop (element);
}

/* --- the query --- */

typedef struct {
  gboolean live;
  GstClockTime min, max; /* upstream's */
} Upstream;

static gboolean
answer_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  const Upstream *upstream = pad->querydata;

  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return gst_pad_query_default (pad, parent, query);
  gst_query_set_latency (query, upstream->live, upstream->min, upstream->max);
  return TRUE;
}

static GstHarness *
new_harness (const Upstream *upstream, const char *timing, const char *leaky)
{
  GstElement *element = helper_element ("mblmask");
  g_autofree char *model = helper_fake_model (
      "latency", MBLM_TASK_QA, "yes", 0);
  GstHarness *h;

  g_object_set (element, "model", model, "question", "why", NULL);
  gst_util_set_object_arg (G_OBJECT (element), "timing", timing);
  gst_util_set_object_arg (G_OBJECT (element), "leaky", leaky);
  h = helper_harness (element);
  gst_pad_set_query_function_full (
      h->srcpad, answer_query, (gpointer) upstream, NULL);
  gst_harness_set_src_caps_str (h, RGB);
  return h;
}

static void
query (GstHarness *h, GstClockTime *min, GstClockTime *max)
{
  GstQuery *question = gst_query_new_latency ();

  g_assert_true (gst_pad_peer_query (h->sinkpad, question));
  gst_query_parse_latency (question, NULL, min, max);
  gst_query_unref (question);
}

static void
test_query (void)
{
  static const struct {
    gboolean live;
    const char *timing, *leaky;
    gboolean adds, bounds;
  } cases[] = {
      {TRUE, "frame", "no", TRUE, FALSE},
      {TRUE, "frame", "downstream", TRUE, TRUE},
      {TRUE, "frame", "upstream", TRUE, TRUE},
      {TRUE, "frame", "auto", TRUE, TRUE},
      {TRUE, "arrival", "auto", FALSE, FALSE},
      {TRUE, "auto", "auto", FALSE, FALSE},
      {FALSE, "frame", "no", FALSE, FALSE},
      {FALSE, "auto", "auto", FALSE, FALSE},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const Upstream upstream = {cases[i].live, 5 * MS, 700 * MS};
    GstHarness *h = new_harness (&upstream, cases[i].timing, cases[i].leaky);
    GstClockTime own = cases[i].adds ? 300 * MS : 0, min, max;

    g_test_message ("live %d, timing %s, leaky %s", cases[i].live,
        cases[i].timing, cases[i].leaky);
    /* Before anything is measured: nothing. */
    query (h, &min, &max);
    g_assert_cmpuint (min, ==, 5 * MS);
    g_object_set (h->element, "latency", (gint64) (300 * MS), NULL);
    query (h, &min, &max);
    g_assert_cmpuint (min, ==, 5 * MS + own);
    g_assert_cmpuint (max, ==, cases[i].bounds ? 305 * MS : 700 * MS + own);
    helper_done (h);
  }
}

/* What upstream can't hold back is one warning, which names the cure. */
static void
test_impossible (void)
{
  const Upstream upstream = {TRUE, 5 * MS, 5 * MS};
  GstHarness *h = new_harness (&upstream, "frame", "downstream");
  g_autoptr (GError) error = NULL;
  GstClockTime min, max;
  GstMessage *message;

  query (h, &min, &max);
  g_assert_cmpuint (helper_count (h->element, GST_MESSAGE_WARNING), ==, 0);
  g_object_set (h->element, "latency", (gint64) (300 * MS), NULL);
  query (h, &min, &max);
  query (h, &min, &max);
  message = helper_wait (h->element, GST_MESSAGE_WARNING);
  g_assert_nonnull (message);
  gst_message_parse_warning (message, &error, NULL);
  g_assert_nonnull (strstr (error->message, "queue max-size-time="));
  gst_message_unref (message);
  g_assert_cmpuint (helper_count (h->element, GST_MESSAGE_WARNING), ==, 0);
  helper_done (h);
}

/* A live stream is told when answers take longer; what is told is measured. */
static void
test_message (void)
{
  const Upstream upstream = {TRUE, 0, GST_CLOCK_TIME_NONE};
  GstHarness *h = new_harness (&upstream, "frame", "no");
  GstTestClock *clock = gst_harness_get_testclock (h);
  GstClockTime min, max;
  GstMessage *message;

  /* Setting `timing` was a reason for one, too. */
  helper_count (h->element, GST_MESSAGE_LATENCY);
  fake_stop_clock ();
  fake_set_speed (20 * MS, 0, -1);
  gst_harness_push (h, helper_frame (16, 12, 1, 0, FRAME));
  g_assert_true (fake_wait_busy ());
  gst_test_clock_advance_time (clock, 20 * MS);
  fake_advance (20 * MS);
  message = helper_wait (h->element, GST_MESSAGE_LATENCY);
  g_assert_nonnull (message);
  gst_message_unref (message);
  query (h, &min, &max);
  g_assert_cmpuint (min, >=, 20 * MS);
  gst_object_unref (clock);
  fake_reset ();
  helper_done (h);
}

/* --- frames that are left out --- */

static void
test_qos (void)
{
  static const char *const leaky[] = {"downstream", "upstream"};

  for (guint k = 0; k < 2; k++) {
    const Upstream upstream = {TRUE, 0, GST_CLOCK_TIME_NONE};
    GstHarness *h = new_harness (&upstream, "frame", leaky[k]);
    guint64 processed, dropped, last = 0;
    GstClockTime timestamp;
    gboolean live;
    GstFormat format;

    fake_stop_clock ();
    fake_set_speed (GST_SECOND, 0, -1);
    gst_harness_push (h, helper_frame (16, 12, 1, 0, FRAME));
    g_assert_true (fake_wait_busy ());
    /* One waits; of the others each drops one. */
    for (guint i = 1; i < 5; i++)
      gst_harness_push (h, helper_frame (16, 12, 1, i * FRAME, FRAME));
    for (guint i = 1; i < 4; i++) {
      GstMessage *message = helper_wait (h->element, GST_MESSAGE_QOS);

      g_assert_nonnull (message);
      gst_message_parse_qos (message, &live, NULL, NULL, &timestamp, NULL);
      gst_message_parse_qos_stats (message, &format, &processed, &dropped);
      g_assert_true (live);
      g_assert_cmpint (format, ==, GST_FORMAT_BUFFERS);
      g_assert_cmpuint (dropped, ==, last + 1);
      last = dropped;
      /* Downstream drops what has waited, upstream what arrives. */
      g_assert_cmpuint (timestamp, ==, (k == 0 ? i : i + 1) * FRAME);
      gst_message_unref (message);
    }
    g_assert_cmpuint (helper_count (h->element, GST_MESSAGE_QOS), ==, 0);
    fake_reset ();
    helper_done (h);
  }
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/latency/estimate", test_estimate);
  g_test_add_func ("/latency/extend", test_extend);
  g_test_add_func ("/latency/quantiles", test_quantiles);
  g_test_add_func ("/latency/watch", test_watch);
  g_test_add_func ("/latency/query", test_query);
  g_test_add_func ("/latency/impossible", test_impossible);
  g_test_add_func ("/latency/message", test_message);
  g_test_add_func ("/latency/qos", test_qos);
  return helper_end ();
}
