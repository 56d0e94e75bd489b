/* camera.c: the pipeline of a soak, and what is counted in it.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The camera is videotestsrc with a ball on grey, a picture that the model
 * `scenes` knows and whose answer changes. Its luma is never above LUMA_CAMERA,
 * and the text is white: a frame has text on it if a pixel of the lower half,
 * where textoverlay draws, is brighter. That is exact, and needs one look at
 * every fourth row, 38 KB a frame.
 *
 * The camera's pool would keep the frames that it had to make when the machine was
 * too busy, and lose them again, one by one, where somebody shares their memory: the
 * resident memory would tell the load of the last minutes, in steps of 450 KiB of
 * which no element knows. A buffer whose memory is tagged as changed is not taken
 * back, so each frame is, and goes when the last who has it lets go.
 *
 * The sink takes each frame as soon as it comes, so that the lateness of frames is
 * that of the elements. One that waits for a frame's time, as a display does
 * (--sync), lets the next frame come only then: 20 ms after its PTS at the earliest,
 * where the pipeline's latency is that much longer than a frame. The clock is the
 * pipeline's, and as the segment of a live videotestsrc begins at zero, a frame's
 * PTS is its running time.
 */

#include "camera.h"

#include <string.h>

#define CAMERA_BACKGROUND "0xffb4b4b4"
#define CAMERA_BALL "0xff1e5ae6"
/* Grey 0xb4 is 170, the ball less; white is 235. */
#define LUMA_CAMERA 200
#define ROW_STEP 4
/* The small frames that are scored, and how many a second. */
#define SCORE_CAPS "video/x-raw,format=GRAY8,width=32,height=24"
#define SCORE_FPS 5

/* --- what comes by --- */

static gint64
since (SoakCamera *self, GstClockTime then)
{
  GstClockTime now = gst_element_get_current_running_time (self->pipeline);

  if (!GST_CLOCK_TIME_IS_VALID (now) || !GST_CLOCK_TIME_IS_VALID (then))
    return 0;
  return GST_CLOCK_DIFF (then, now);
}

static void
count (SoakCamera *self, guint64 *counter)
{
  g_mutex_lock (&self->counts.lock);
  (*counter)++;
  g_mutex_unlock (&self->counts.lock);
}

static gboolean
has_text (SoakCamera *self, GstBuffer *buffer)
{
  GstVideoFrame frame;
  guint8 brightest = 0;

  if (!gst_video_frame_map (&frame, &self->info, buffer, GST_MAP_READ))
    return FALSE;
  for (guint y = SOAK_HEIGHT / 2; y < SOAK_HEIGHT && brightest <= LUMA_CAMERA;
       y += ROW_STEP) {
    const guint8 *row = GST_VIDEO_FRAME_COMP_DATA (&frame, 0);

    row += (gsize) y * GST_VIDEO_FRAME_COMP_STRIDE (&frame, 0);
    for (guint x = 0; x < SOAK_WIDTH; x++)
      brightest = MAX (brightest, row[x]);
  }
  gst_video_frame_unmap (&frame);
  return brightest > LUMA_CAMERA;
}

static GstPadProbeReturn
on_frame_in (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  SoakCamera *self = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  gint64 late = since (self, GST_BUFFER_PTS (buffer));

  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_TAG_MEMORY);
  g_mutex_lock (&self->counts.lock);
  self->counts.frames_in++;
  if (self->counts.warm)
    soak_histogram_add (&self->counts.all_departure, late);
  g_mutex_unlock (&self->counts.lock);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_frame_out (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  SoakCamera *self = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  gint64 late = since (self, GST_BUFFER_PTS (buffer));

  g_mutex_lock (&self->counts.lock);
  soak_histogram_add (&self->counts.lateness, late);
  g_mutex_unlock (&self->counts.lock);
  return GST_PAD_PROBE_OK;
}

static void
on_shown (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  SoakCamera *self = data;
  gboolean text = has_text (self, buffer);

  g_mutex_lock (&self->counts.lock);
  self->counts.frames_out++;
  self->counts.with_text += text;
  g_mutex_unlock (&self->counts.lock);
}

static GstPadProbeReturn
on_text (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  SoakCamera *self = data;
  GstCustomMeta *meta = gst_buffer_get_custom_meta (
      GST_PAD_PROBE_INFO_BUFFER (info), "GstMblmAnswerMeta");
  GstClockTime frame_time = GST_CLOCK_TIME_NONE;
  gboolean repeated = FALSE;

  if (!meta)
    return GST_PAD_PROBE_OK;
  gst_structure_get (gst_custom_meta_get_structure (meta), "frame-time",
      G_TYPE_UINT64, &frame_time, "repeated", G_TYPE_BOOLEAN, &repeated, NULL);
  gint64 latency = since (self, frame_time);
  g_mutex_lock (&self->counts.lock);
  if (repeated) {
    self->counts.repeats++;
  } else {
    self->counts.new_texts++;
    soak_histogram_add (&self->counts.latency, latency);
  }
  g_mutex_unlock (&self->counts.lock);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_score (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  SoakCamera *self = data;

  count (self, &self->counts.scores);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_continuation (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  SoakCamera *self = data;

  count (self, &self->counts.continuations);
  return GST_PAD_PROBE_OK;
}

/* --- the pipeline --- */

/* What comes late, or never, doesn't keep the pipeline from starting. */
#define END "fakesink async=false sync=false"

static char *
describe (const SoakOptions *options)
{
  GString *line = g_string_new (NULL);

  g_string_append_printf (line,
      "videotestsrc name=camera is-live=true pattern=ball "
      "background-color=" CAMERA_BACKGROUND " foreground-color=" CAMERA_BALL
      " ! video/x-raw,format=I420,width=%d,height=%d,framerate=%d/1 ! "
      "tee name=t ",
      SOAK_WIDTH, SOAK_HEIGHT, options->fps);
  if (options->parts & SOAK_PART_TEE) {
    g_string_append (line,
        "t. ! queue ! mblmask name=ask separator=\"\" ! tee name=answers "
        "answers. ! overlay.text_sink "
        "t. ! queue ! textoverlay name=overlay ! ");
  } else if (options->parts & SOAK_PART_OVERLAY) {
    g_string_append (line, "t. ! queue ! mblmaskoverlay name=ask ! ");
  } else {
    g_string_append (line, "t. ! queue ! ");
  }
  g_string_append_printf (line,
      "fakesink name=out sync=%s signal-handoffs=true ",
      options->sync ? "true" : "false");
  if (options->parts & SOAK_PART_SCORE)
    g_string_append_printf (line,
        "t. ! queue ! videorate drop-only=true max-rate=%d ! videoscale ! "
        "videoconvert ! " SCORE_CAPS
        " ! mblmscore name=score leaky=downstream ! " END " score.json ! " END
        " name=scores ",
        SCORE_FPS);
  if (options->parts & SOAK_PART_GENERATE)
    g_string_append (line,
        "answers. ! queue ! mblmgenerate emit=prompt max-bytes=16 "
        "leaky=downstream max-size-buffers=1 temperature=0.5 seed=1 ! " END
        " name=continuations ");
  return g_string_free (line, FALSE);
}

/* A probe for buffers on a pad of an element, if that is there. */
static void
probe (SoakCamera *self, const char *element_name, const char *pad_name,
    GstPadProbeCallback callback)
{
  GstElement *element = gst_bin_get_by_name (
      GST_BIN (self->pipeline), element_name);
  GstPad *pad;

  if (!element)
    return;
  pad = gst_element_get_static_pad (element, pad_name);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, callback, self, NULL);
  gst_object_unref (pad);
  gst_object_unref (element);
}

/* The elements' own names are searched for in bins, too: mblmaskoverlay has an
 * `ask` and an `overlay` like the pipeline with a tee. */
static void
set_up (SoakCamera *self, const SoakOptions *options)
{
  GstElement *ask = gst_bin_get_by_name (GST_BIN (self->pipeline), "ask");
  GstElement *sink = gst_bin_get_by_name (GST_BIN (self->pipeline), "out");

  if (ask)
    g_object_set (
        ask, "model", options->model, "question", options->question, NULL);
  if (ask && GST_IS_BIN (ask)) {
    self->ask = gst_bin_get_by_name (GST_BIN (ask), "ask");
    gst_object_unref (ask);
  } else {
    self->ask = ask;
  }
  g_signal_connect (sink, "handoff", G_CALLBACK (on_shown), self);
  gst_object_unref (sink);
  probe (self, "camera", "src", on_frame_in);
  probe (self, "out", "sink", on_frame_out);
  probe (self, "overlay", "text_sink", on_text);
  probe (self, "scores", "sink", on_score);
  probe (self, "continuations", "sink", on_continuation);
}

gboolean
soak_camera_init (SoakCamera *self, const SoakOptions *options, GError **error)
{
  g_autofree char *line = describe (options);

  *self = (SoakCamera){NULL};
  g_mutex_init (&self->counts.lock);
  gst_video_info_set_format (
      &self->info, GST_VIDEO_FORMAT_I420, SOAK_WIDTH, SOAK_HEIGHT);
  self->warm_up = options->warm_up;
  self->pipeline = gst_parse_launch_full (
      line, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  if (!self->pipeline)
    return FALSE;
  set_up (self, options);
  return TRUE;
}

void
soak_camera_clear (SoakCamera *self)
{
  if (self->pipeline)
    gst_element_set_state (self->pipeline, GST_STATE_NULL);
  gst_clear_object (&self->ask);
  gst_clear_object (&self->pipeline);
  g_mutex_clear (&self->counts.lock);
}

/* --- measuring --- */

static void
take_percentiles (
    SoakHistogram *times, SoakHistogram *all, gboolean warm, double *cells)
{
  static const double shares[] = {0.5, 0.95, 0.99, 1.0};

  for (guint i = 0; i < G_N_ELEMENTS (shares); i++)
    cells[i] = soak_histogram_get (times, shares[i]);
  if (warm)
    soak_histogram_merge (all, times);
  soak_histogram_clear (times);
}

static void
read_stats (SoakCamera *self, double *row)
{
  static const struct {
    const char *field;
    SoakColumn column;
  } fields[] = {{"dropped", SOAK_DROPPED}, {"failed", SOAK_FAILED},
      {"units", SOAK_UNITS}, {"buffers-in", SOAK_ASKED}};
  GstStructure *stats = NULL;

  if (self->ask)
    g_object_get (self->ask, "stats", &stats, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++) {
    guint64 n = 0;

    if (stats)
      gst_structure_get_uint64 (stats, fields[i].field, &n);
    row[fields[i].column] = n;
  }
  g_clear_pointer (&stats, gst_structure_free);
}

void
soak_camera_measure (SoakCamera *self, double *row)
{
  SoakCounts *counts = &self->counts;

  g_mutex_lock (&counts->lock);
  row[SOAK_FRAMES_OUT] = counts->frames_out;
  row[SOAK_WITH_TEXT] = counts->with_text;
  row[SOAK_NEW_TEXTS] = counts->new_texts;
  row[SOAK_REPEATS] = counts->repeats;
  row[SOAK_SCORES] = counts->scores;
  row[SOAK_CONTINUATIONS] = counts->continuations;
  take_percentiles (&counts->lateness, &counts->all_lateness, counts->warm,
      row + SOAK_LATENESS);
  take_percentiles (
      &counts->latency, &counts->all_latency, counts->warm, row + SOAK_LATENCY);
  g_mutex_unlock (&counts->lock);
  read_stats (self, row);
  g_mutex_lock (&counts->lock);
  row[SOAK_FRAMES_IN] = counts->frames_in;
  /* From the first interval on that begins after the warm-up. */
  counts->warm = row[SOAK_TIME] >= self->warm_up;
  g_mutex_unlock (&counts->lock);
}

double
soak_camera_get_latency_ms (SoakCamera *self)
{
  GstQuery *query = gst_query_new_latency ();
  GstClockTime min = GST_CLOCK_TIME_NONE;

  if (gst_element_query (self->pipeline, query))
    gst_query_parse_latency (query, NULL, &min, NULL);
  gst_query_unref (query);
  return GST_CLOCK_TIME_IS_VALID (min) ? (double) min / GST_MSECOND : -1.0;
}
