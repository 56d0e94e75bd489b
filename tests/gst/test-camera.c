/* test-camera.c: a camera, a tee, mblmask and the real textoverlay.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The test is the camera: it pushes a frame, waits until the overlay has let it
 * through, and only then moves the clock of the pipeline, and that of the fake
 * model, to the next frame. So a frame that waits for the model is never "late
 * on a slow machine": it does not come at all. And what the element can do
 * without the clock it has done before the next frame comes.
 */

#include "helper.h"

#include <gst/check/gsttestclock.h>
#include <string.h>

#include "fake.h"

#define FRAME (GST_SECOND / 30)
#define WIDTH 160
#define HEIGHT 120
#define CAPS "video/x-raw,format=GRAY8,width=160,height=120,framerate=30/1"

typedef struct {
  GstElement *pipeline, *camera, *ask;
  GstTestClock *clock;
  guint every; /* how many frames it is asked about one of */
  GMutex lock;
  GCond cond;
  /* Under `lock`. */
  guint frames;    /* that came out */
  guint with_text; /* of them, from the first with text on */
  guint first;     /* number of that one */
  GstClockTime last;
} Scene;

static gboolean
is_plain (GstBuffer *buffer)
{
  GstMapInfo map;
  gboolean plain = TRUE;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
  for (gsize i = 1; i < map.size && plain; i++)
    plain = map.data[i] == map.data[0];
  gst_buffer_unmap (buffer, &map);
  return plain;
}

static void
see_frame (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  Scene *scene = data;
  gboolean plain = is_plain (buffer);

  g_mutex_lock (&scene->lock);
  /* In order, and none left out. */
  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, scene->frames * FRAME);
  if (!plain && scene->with_text++ == 0)
    scene->first = scene->frames;
  scene->frames++;
  g_cond_broadcast (&scene->cond);
  g_mutex_unlock (&scene->lock);
}

static void
scene_init (Scene *scene, const char *description)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *line = g_strdup_printf (
      "appsrc name=camera is-live=true format=time max-bytes=0 caps=" CAPS
      " ! %s ! fakesink name=out sync=false signal-handoffs=true",
      description);

  memset (scene, 0, sizeof *scene);
  scene->every = 1;
  g_mutex_init (&scene->lock);
  g_cond_init (&scene->cond);
  scene->pipeline = gst_parse_launch (line, &error);
  g_assert_no_error (error);
  scene->camera = gst_bin_get_by_name (GST_BIN (scene->pipeline), "camera");
  scene->ask = gst_bin_get_by_name (GST_BIN (scene->pipeline), "ask");
  g_assert_nonnull (scene->ask);
  scene->clock = GST_TEST_CLOCK (gst_test_clock_new ());
  gst_pipeline_use_clock (
      GST_PIPELINE (scene->pipeline), GST_CLOCK (scene->clock));
  gst_element_set_base_time (scene->pipeline, 0);
  gst_element_set_start_time (scene->pipeline, GST_CLOCK_TIME_NONE);
  g_autoptr (GstElement)
      out = gst_bin_get_by_name (GST_BIN (scene->pipeline), "out");
  g_signal_connect (out, "handoff", G_CALLBACK (see_frame), scene);
  g_assert_cmpint (gst_element_set_state (scene->pipeline, GST_STATE_PLAYING),
      !=, GST_STATE_CHANGE_FAILURE);
}

static void
scene_clear (Scene *scene)
{
  gst_element_set_state (scene->pipeline, GST_STATE_NULL);
  gst_object_unref (scene->camera);
  gst_object_unref (scene->ask);
  gst_object_unref (scene->clock);
  gst_object_unref (scene->pipeline);
  g_mutex_clear (&scene->lock);
  g_cond_clear (&scene->cond);
}

static void
push_frame (Scene *scene, guint n)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, WIDTH * HEIGHT, NULL);
  GstFlowReturn ret;

  gst_buffer_memset (buffer, 0, 100, WIDTH * HEIGHT);
  GST_BUFFER_PTS (buffer) = n * FRAME;
  GST_BUFFER_DURATION (buffer) = FRAME;
  g_signal_emit_by_name (scene->camera, "push-buffer", buffer, &ret);
  gst_buffer_unref (buffer);
  g_assert_cmpint (ret, ==, GST_FLOW_OK);
}

/* Waits until so many frames have come out; FALSE: not within ten seconds. */
static gboolean
wait_frames (Scene *scene, guint n)
{
  gint64 end = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  gboolean came = TRUE;

  g_mutex_lock (&scene->lock);
  while (scene->frames < n && came)
    came = g_cond_wait_until (&scene->cond, &scene->lock, end);
  g_mutex_unlock (&scene->lock);
  return came;
}

/* A frame's time passes, for the pipeline and for the model. */
static void
tick (Scene *scene)
{
  gst_test_clock_advance_time (scene->clock, FRAME);
  fake_advance (FRAME);
}

/* Until mblmask has got n frames, and is done with them or waits for the model's
 * clock. */
static void
settle (Scene *scene, guint64 n)
{
  guint64 asked = (n - 1) / scene->every + 1;

  for (guint i = 0; i < 50000; i++) {
    guint64 done = helper_stat (scene->ask, "units") +
        helper_stat (scene->ask, "dropped");

    if (helper_stat (scene->ask, "buffers-in") == n &&
        (done == asked || fake_get_busy () > 0))
      return;
    g_usleep (200);
  }
  g_error ("mblmask does not go on");
}

/* Each frame comes out before the next goes in. */
static void
run_live (Scene *scene, guint n)
{
  for (guint i = 0; i < n; i++) {
    push_frame (scene, i);
    if (!wait_frames (scene, i + 1))
      g_error ("frame %u of %u waits for the model", i, n);
    settle (scene, i + 1);
    tick (scene);
  }
}

/* All frames come out in the end, when the model has had time enough. */
static void
run_late (Scene *scene, guint n)
{
  for (guint i = 0; i < n; i++) {
    push_frame (scene, i);
    tick (scene);
  }
  for (guint i = 0; i < 40000; i++) {
    fake_advance (FRAME);
    g_mutex_lock (&scene->lock);
    gboolean all = scene->frames == n;
    g_mutex_unlock (&scene->lock);
    if (all)
      return;
    g_usleep (500);
  }
  g_error ("%u of %u frames came out", scene->frames, n);
}

typedef struct {
  const char *timing, *leaky;
  double seconds; /* of the model */
  guint frames;
  gboolean live; /* every frame on time */
} Case;

static char *
make_fake (double seconds)
{
  g_autofree char *name = g_strdup_printf ("fake-%g", seconds);
  char *path = helper_path (name);

  fake_model (path,
      &(FakeOptions){.task = MBLM_TASK_QA, .text = "xxxx", .prompt = seconds});
  return path;
}

static void
check_text (const Scene *scene, guint least)
{
  g_test_message ("%u frames, text from %u on, on %u of %u", scene->frames,
      scene->first, scene->with_text, scene->frames - scene->first);
  g_assert_cmpuint (scene->with_text, >=, least);
  g_assert_cmpuint (
      10 * scene->with_text, >=, 9 * (scene->frames - scene->first));
}

static void
test_tee (gconstpointer data)
{
  const Case *c = data;
  g_autofree char *model = make_fake (c->seconds);
  g_autofree char *line = g_strdup_printf (
      "tee name=t ! queue ! mblmask name=ask model=\"%s\" question=a "
      "separator=\"\" "
      "timing=%s leaky=%s ! o.text_sink t. ! queue ! textoverlay name=o",
      model, c->timing, c->leaky);
  Scene scene;

  fake_stop_clock ();
  scene_init (&scene, line);
  if (c->live)
    run_live (&scene, c->frames);
  else
    run_late (&scene, c->frames);
  g_assert_cmpuint (scene.frames, ==, c->frames);
  check_text (&scene, 1);
  scene_clear (&scene);
  fake_reset ();
}

/* The same as one element. */
static void
test_overlay (gconstpointer data)
{
  const Case *c = data;
  g_autofree char *model = make_fake (c->seconds);
  g_autofree char *line = g_strdup_printf (
      "mblmaskoverlay model=\"%s\" question=a timing=%s leaky=%s", model,
      c->timing, c->leaky);
  Scene scene;

  fake_stop_clock ();
  scene_init (&scene, line);
  run_live (&scene, c->frames);
  check_text (&scene, 1);
  scene_clear (&scene);
  fake_reset ();
}

/* A model that is three times too slow for every frame, but not for one in half a
 * second: nothing is dropped, though nothing may be. */
static void
test_interval (void)
{
  const guint n = 90, every = 15;
  g_autofree char *model = make_fake (0.1);
  g_autofree char *line = g_strdup_printf (
      "tee name=t ! queue ! mblmask name=ask model=\"%s\" question=a "
      "separator=\"\" leaky=no interval=%" G_GUINT64_FORMAT
      " ! o.text_sink t. ! queue ! textoverlay name=o",
      model, (guint64) every * FRAME);
  Scene scene;

  fake_stop_clock ();
  scene_init (&scene, line);
  scene.every = every;
  run_live (&scene, n);
  check_text (&scene, n - every);
  g_assert_cmpuint (helper_stat (scene.ask, "dropped"), ==, 0);
  g_assert_cmpuint (helper_stat (scene.ask, "answered"), ==, n / every);
  scene_clear (&scene);
  fake_reset ();
}

/* The model that comes with the plugin, at its own speed. */
static void
test_real (void)
{
  Scene scene;

  scene_init (&scene,
      "tee name=t ! queue ! mblmask name=ask question=\"How many objects are "
      "there?\" "
      "separator=\"\" ! o.text_sink t. ! queue ! textoverlay name=o");
  run_live (&scene, 60);
  check_text (&scene, 1);
  scene_clear (&scene);
}

/* A model that never gets ready, and one that fails, hold no frame up. */
static void
test_loading (void)
{
  g_autofree char *model = make_fake (0);
  g_autofree char *line = g_strdup_printf (
      "tee name=t ! queue ! mblmask name=ask model=\"%s\" question=a "
      "separator=\"\" ! "
      "o.text_sink t. ! queue ! textoverlay name=o",
      model);
  Scene scene;

  fake_stop_clock ();
  fake_set_speed (-1, -1, G_MAXINT64 / 2);
  scene_init (&scene, line);
  run_live (&scene, 40);
  g_assert_cmpuint (scene.with_text, ==, 0);
  scene_clear (&scene);
  fake_reset ();
}

int
main (int argc, char **argv)
{
  static const Case cases[] = {
      {"auto", "auto", 0, 90, TRUE},
      {"auto", "auto", 0.1, 90, TRUE},
      {"auto", "auto", 5, 240, TRUE},
      {"auto", "upstream", 0.1, 60, TRUE},
      {"auto", "downstream", 5, 200, TRUE},
      {"arrival", "auto", 0, 60, TRUE},
      {"arrival", "upstream", 5, 200, TRUE},
      {"arrival", "downstream", 0.1, 60, TRUE},
      {"arrival", "no", 0, 60, FALSE},
      {"arrival", "no", 0.1, 60, FALSE},
      {"frame", "auto", 0, 60, FALSE},
      {"frame", "auto", 0.1, 60, FALSE},
      {"frame", "no", 0.1, 60, FALSE},
      {"frame", "upstream", 0.1, 60, FALSE},
      {"frame", "downstream", 5, 60, FALSE},
      {"frame", "no", 5, 20, FALSE},
  };

  helper_begin (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const Case *c = &cases[i];
    g_autofree char *name = g_strdup_printf (
        "/camera/tee/%s-%s-%g", c->timing, c->leaky, c->seconds);

    g_test_add_data_func (name, c, test_tee);
  }
  for (guint i = 0; i < 5; i++) {
    g_autofree char *name = g_strdup_printf (
        "/camera/overlay/%s-%g", cases[i].leaky, cases[i].seconds);

    g_test_add_data_func (name, &cases[i], test_overlay);
  }
  g_test_add_func ("/camera/interval", test_interval);
  g_test_add_func ("/camera/real", test_real);
  g_test_add_func ("/camera/loading", test_loading);
  return helper_end ();
}
