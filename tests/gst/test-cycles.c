/* test-cycles.c: pipelines that are started and stopped over and over.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is counted is the memory that malloc has given away, where the C library
 * tells, else what the process holds; the first rounds fill caches. All threads
 * share one heap, and what is free in it doesn't count: how it is scattered depends
 * on which of them happened to meet.
 */

#include "helper.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WARM_UP 100
#define CYCLES 1000
#define WARM_UP_WATCHED 10
#define CYCLES_WATCHED 20
/* Half a KiB a cycle; a smaller leak is for the tools to find. */
#define ALLOWED_KIB 512

static glong
held_kib (void)
{
#ifdef M_ARENA_MAX
  struct mallinfo2 info = mallinfo2 ();

  return (info.uordblks + info.hblkhd) / 1024;
#else
  glong size, resident = 0;
  FILE *file = fopen ("/proc/self/statm", "r");

  g_assert_nonnull (file);
  g_assert_cmpint (fscanf (file, "%ld %ld", &size, &resident), ==, 2);
  fclose (file);
  return resident * (sysconf (_SC_PAGESIZE) / 1024);
#endif
}

/* Sanitizers and valgrind keep memory of their own for what was freed. */
static gboolean
is_watched (void)
{
  const char *preload = g_getenv ("LD_PRELOAD");

  return g_getenv ("ASAN_OPTIONS") != NULL ||
      g_getenv ("TSAN_OPTIONS") != NULL ||
      (preload != NULL && strstr (preload, "vgpreload") != NULL);
}

/* NULL to PLAYING, a moment of work or none, and back. */
static void
cycle (GstElement *pipeline, guint i)
{
  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_PLAYING), !=,
      GST_STATE_CHANGE_FAILURE);
  if (i % 3 != 0) {
    GstBus *bus = gst_element_get_bus (pipeline);
    GstMessage *message = gst_bus_timed_pop_filtered (bus,
        i % 3 == 1 ? 5 * GST_MSECOND : 30 * GST_SECOND,
        GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
    if (message != NULL) {
      g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
      gst_message_unref (message);
    }
    gst_object_unref (bus);
  }
  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_NULL), ==,
      GST_STATE_CHANGE_SUCCESS);
}

static void
run (const char *description)
{
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (description, &error);
  guint cycles = is_watched () ? CYCLES_WATCHED : CYCLES;
  guint warm_up = is_watched () ? WARM_UP_WATCHED : WARM_UP;
  glong before = 0;

  g_assert_no_error (error);
  for (guint i = 0; i < warm_up + cycles; i++) {
    if (i == warm_up)
      before = held_kib ();
    cycle (pipeline, i);
  }
  g_test_message ("%ld KiB before, %ld after", before, held_kib ());
  if (!is_watched ())
    g_assert_cmpint (held_kib () - before, <, ALLOWED_KIB);
  gst_object_unref (pipeline);
}

static void
test_generate (void)
{
  g_autofree char *file = helper_path ("prompt");
  g_autofree char *line = g_strdup_printf (
      "filesrc location=%s ! mblmgenerate model=%s max-bytes=20 ! fakesink",
      file, helper_text_model ());

  g_file_set_contents (file, "Once upon a time", -1, NULL);
  run (line);
}

static void
test_score (void)
{
  g_autofree char *file = helper_path ("data");
  g_autofree char *line = g_strdup_printf (
      "filesrc location=%s ! mblmscore model=%s per=window window=16 ! "
      "fakesink",
      file, helper_text_model ());

  g_file_set_contents (file, "Once upon a time there was a byte", -1, NULL);
  run (line);
}

static void
test_ask (void)
{
  g_autofree char *line = g_strdup_printf (
      "videotestsrc num-buffers=5 ! mblmask model=%s question=a "
      "choices=yes,no ! fakesink",
      helper_qa_model ());

  run (line);
}

int
main (int argc, char **argv)
{
#ifdef M_ARENA_MAX
  mallopt (M_ARENA_MAX, 1);
#endif
  helper_begin (&argc, &argv);
  g_test_add_func ("/cycles/generate", test_generate);
  g_test_add_func ("/cycles/score", test_score);
  g_test_add_func ("/cycles/ask", test_ask);
  return helper_end ();
}
