/* build.c: the pipelines of the schedules.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "journal.h"
#include "models.h"
#include "schedule.h"
#include "values.h"

#include "../gst/helper.h"

static GstElement *
add (Schedule *self, const char *factory, const char *name)
{
  GstElement *element = gst_element_factory_make (factory, name);

  if (!element)
    journal_fail ("there is no element %s", factory);
  gst_bin_add (GST_BIN (self->pipeline), element);
  return element;
}

static void
add_subject (Schedule *self, const char *factory)
{
  self->factory = factory;
  self->subject = gst_object_ref (add (self, factory, "subject"));
  g_object_set (
      self->subject, "model", models_any (factory, &self->dice), NULL);
  if (dice_one_in (&self->dice, 3))
    g_object_set (self->subject, "model", models_good (factory), NULL);
}

static void
add_source (Schedule *self)
{
  self->source = gst_object_ref_sink (source_new ("source"));
  gst_bin_add (GST_BIN (self->pipeline), GST_ELEMENT (self->source));
  g_ptr_array_add (self->sources, gst_object_ref (self->source));
}

static void
add_sink (Schedule *self)
{
  self->sink = gst_object_ref_sink (sink_new ("sink", &self->ledger));
  gst_bin_add (GST_BIN (self->pipeline), GST_ELEMENT (self->sink));
}

static void
link_pads (GstElement *from, const char *src, GstElement *to, const char *sink)
{
  if (!gst_element_link_pads (from, src, to, sink))
    journal_fail ("%s and %s can't be linked", GST_OBJECT_NAME (from),
        GST_OBJECT_NAME (to));
}

/* --- kinds of pipelines --- */

/* source ! subject ! sink */
static void
build_row (Schedule *self, const char *factory)
{
  add_source (self);
  add_subject (self, factory);
  add_sink (self);
  link_pads (GST_ELEMENT (self->source), "src", self->subject, "sink");
  link_pads (self->subject, "src", GST_ELEMENT (self->sink), "sink");
}

/* The answers on the video, from a tee. */
static void
build_tee (Schedule *self)
{
  GstElement *tee = add (self, "tee", "tee");
  GstElement *left = add (self, "queue", "left");
  GstElement *right = add (self, "queue", "right");
  GstElement *overlay = add (self, "textoverlay", "overlay");

  add_source (self);
  add_subject (self, "mblmask");
  add_sink (self);
  link_pads (GST_ELEMENT (self->source), "src", tee, "sink");
  link_pads (tee, "src_%u", left, "sink");
  link_pads (left, "src", overlay, "video_sink");
  link_pads (tee, "src_%u", right, "sink");
  link_pads (right, "src", self->subject, "sink");
  link_pads (self->subject, "src", overlay, "text_sink");
  link_pads (overlay, "src", GST_ELEMENT (self->sink), "sink");
}

static GstElement *
add_file (Schedule *self, const char *name)
{
  GstElement *file = add (self, "filesrc", name);
  g_autofree char *path = g_build_filename (
      helper_text_model (), "config.yaml", NULL);

  g_object_set (file, "location", path, "blocksize",
      16 + dice_below (&self->dice, 100), NULL);
  return file;
}

/* Sources that come with GStreamer. */
static void
build_real (Schedule *self)
{
  guint n = dice_below (&self->dice, 3);
  GstElement *from;

  if (n == 0) {
    from = add (self, "videotestsrc", "from");
    g_object_set (
        from, "num-buffers", 20, "is-live", dice_one_in (&self->dice, 4), NULL);
    add_subject (self, "mblmask");
  } else {
    add_subject (self, n == 1 ? "mblmscore" : "mblmgenerate");
    from = add (self, "concat", "from");
    link_pads (add_file (self, "file1"), "src", from, "sink_%u");
    link_pads (add_file (self, "file2"), "src", from, "sink_%u");
  }
  add_sink (self);
  if (n == 0) {
    g_autoptr (GstCaps) caps = gst_caps_from_string (
        "video/x-raw,format=RGB,width=16,height=12,framerate=100/1");

    gst_element_link_pads_filtered (from, "src", self->subject, "sink", caps);
  } else {
    link_pads (from, "src", self->subject, "sink");
  }
  link_pads (self->subject, "src", GST_ELEMENT (self->sink), "sink");
}

/* --- plans --- */

static SourceMedia
choose_media (Schedule *self)
{
  static const SourceMedia pictures[] = {
      SOURCE_RAW, SOURCE_RAW, SOURCE_RAW, SOURCE_PNG, SOURCE_JPEG};

  if (self->video)
    return SOURCE_RAW;
  if (self->kind == WITNESS_ANSWER)
    return pictures[dice_below (&self->dice, G_N_ELEMENTS (pictures))];
  return dice_below (&self->dice, SOURCE_MEDIA);
}

static void
choose_plan (Schedule *self)
{
  SourcePlan *plan = &self->plan;

  plan->ledger = &self->ledger;
  plan->media = choose_media (self);
  plan->timed = self->video || !dice_one_in (&self->dice, 3);
  plan->direct = !self->video;
  plan->live = dice_one_in (&self->dice, 5);
  plan->deeds = 5 + dice_below (&self->dice, 30);
  if (self->video || !self->source)
    return;
  if (self->kind == WITNESS_PASS) {
    plan->token = SOURCE_TOKEN_NUMBER;
  } else if (self->kind == WITNESS_ANSWER && plan->media == SOURCE_RAW &&
      plan->timed && dice_one_in (&self->dice, 2)) {
    plan->token = SOURCE_TOKEN_TIME;
    self->steady = TRUE;
  }
}

void
schedule_make_calm (Schedule *self)
{
  SourcePlan *plan = &self->plan;

  plan->calm = TRUE;
  plan->live = FALSE;
  plan->timed = TRUE;
  plan->deeds = 4;
  plan->token = SOURCE_TOKEN_NONE;
  if (!self->video && self->kind == WITNESS_PASS)
    plan->token = SOURCE_TOKEN_NUMBER;
  else if (self->kind == WITNESS_ANSWER && plan->media == SOURCE_RAW)
    plan->token = SOURCE_TOKEN_TIME;
  source_set_plan (self->source, plan, dice_fork (&self->dice));
  sink_set_plan (self->sink, TRUE, dice_fork (&self->dice));
  values_make_sane (self->subject, self->factory);
  ledger_reset (&self->ledger, plan->token != SOURCE_TOKEN_NONE);
}

void
schedule_build (Schedule *self)
{
  guint n = dice_below (&self->dice, 100);

  self->pipeline = gst_object_ref_sink (gst_pipeline_new ("pipeline"));
  if (n < 32) {
    build_row (self, "mblmask");
  } else if (n < 62) {
    build_row (self, "mblmscore");
  } else if (n < 87) {
    build_row (self, "mblmgenerate");
  } else if (n < 92) {
    build_row (self, "mblmaskoverlay");
    self->video = TRUE;
  } else if (n < 96) {
    build_tee (self);
  } else {
    build_real (self);
  }
  if (g_str_equal (self->factory, "mblmask"))
    self->kind = WITNESS_ANSWER;
  else if (g_str_equal (self->factory, "mblmgenerate"))
    self->kind = WITNESS_TEXT;
  else
    self->kind = WITNESS_PASS;
  if (n >= 92 && n < 96)
    self->video = TRUE;
  values_make_sane (self->subject, self->factory);
  g_object_set (self->subject, "model",
      dice_one_in (&self->dice, 3) ? models_any (self->factory, &self->dice)
                                   : models_good (self->factory),
      NULL);
  choose_plan (self);
  for (guint i = dice_below (&self->dice, 8); i > 0; i--)
    values_write (self->subject, self->factory, self->steady, &self->dice);
  ledger_reset (&self->ledger, self->plan.token != SOURCE_TOKEN_NONE);
  if (self->source)
    source_set_plan (self->source, &self->plan, dice_fork (&self->dice));
  else
    ledger_reach (&self->ledger, NULL, GST_CLOCK_TIME_NONE, 0);
  sink_set_plan (
      self->sink, dice_one_in (&self->dice, 3), dice_fork (&self->dice));
}
