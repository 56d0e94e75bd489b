/* pads.c: pads that are asked for and given back while the rest goes on.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "account.h"
#include "journal.h"
#include "schedule.h"

#include <string.h>

/* Pads of one hand at once. */
#define MOST 2

typedef struct {
  GstPad *request; /* question_%u or json; owned */
  GstPad *out;     /* answer_%u or json; owned */
  Source *source;  /* of questions; owned, or NULL */
  Sink *sink;      /* owned */
} Extra;

static void
extra_free (gpointer data)
{
  Extra *self = data;

  gst_object_unref (self->request);
  gst_object_unref (self->out);
  gst_clear_object (&self->source);
  gst_object_unref (self->sink);
  g_free (self);
}

/* --- a new one --- */

/* For the pad that this thread is about to ask for. */
static __thread Sink *next_sink;

void
pads_link_new (Schedule *schedule, GstPad *pad)
{
  GstPad *sink;

  if (!next_sink || !GST_PAD_IS_SRC (pad))
    return;
  sink = gst_element_get_static_pad (GST_ELEMENT (next_sink), "sink");
  g_rw_lock_reader_lock (&schedule->alone);
  gst_pad_link (pad, sink);
  g_rw_lock_reader_unlock (&schedule->alone);
  gst_object_unref (sink);
}

static void
add_sink (Hand *hand, Extra *extra)
{
  Schedule *schedule = hand->schedule;

  extra->sink = gst_object_ref_sink (sink_new (NULL, NULL));
  sink_set_plan (
      extra->sink, dice_one_in (&hand->dice, 2), dice_fork (&hand->dice));
  account_object (extra->sink, GST_OBJECT_NAME (extra->sink));
  g_rw_lock_reader_lock (&schedule->alone);
  gst_bin_add (GST_BIN (schedule->pipeline), GST_ELEMENT (extra->sink));
  gst_element_sync_state_with_parent (GST_ELEMENT (extra->sink));
  g_rw_lock_reader_unlock (&schedule->alone);
}

/* Its thread doesn't run before it is linked. */
static void
add_source (Hand *hand, Extra *extra)
{
  Schedule *schedule = hand->schedule;
  SourcePlan plan = {.media = SOURCE_TEXT,
      .timed = dice_one_in (&hand->dice, 2),
      .deeds = dice_below (&hand->dice, 10),
      .ledger = &schedule->loose};
  GstPad *pad;

  extra->source = gst_object_ref_sink (source_new (NULL));
  source_set_plan (extra->source, &plan, dice_fork (&hand->dice));
  account_object (extra->source, GST_OBJECT_NAME (extra->source));
  g_rw_lock_reader_lock (&schedule->alone);
  g_mutex_lock (&schedule->lock);
  g_ptr_array_add (schedule->sources, gst_object_ref (extra->source));
  g_mutex_unlock (&schedule->lock);
  gst_bin_add (GST_BIN (schedule->pipeline), GST_ELEMENT (extra->source));
  pad = gst_element_get_static_pad (GST_ELEMENT (extra->source), "src");
  gst_pad_link (pad, extra->request);
  gst_object_unref (pad);
  gst_element_sync_state_with_parent (GST_ELEMENT (extra->source));
  g_rw_lock_reader_unlock (&schedule->alone);
}

static gboolean
take_json (Schedule *schedule)
{
  gboolean taken;

  g_mutex_lock (&schedule->lock);
  taken = !schedule->has_json;
  schedule->has_json = TRUE;
  g_mutex_unlock (&schedule->lock);
  return taken;
}

static void
give_json (Schedule *schedule)
{
  g_mutex_lock (&schedule->lock);
  schedule->has_json = FALSE;
  g_mutex_unlock (&schedule->lock);
}

static void
request (Hand *hand)
{
  Schedule *schedule = hand->schedule;
  gboolean ask = g_str_equal (schedule->factory, "mblmask");
  Extra *extra;

  if (!ask && !take_json (schedule))
    return;
  extra = g_new0 (Extra, 1);
  add_sink (hand, extra);
  next_sink = extra->sink;
  extra->request = gst_element_request_pad_simple (
      schedule->subject, ask ? "question_%u" : "json");
  next_sink = NULL;
  if (!extra->request)
    journal_fail ("no pad");
  journal_note (hand->name, "requested %s", GST_OBJECT_NAME (extra->request));
  if (ask) {
    g_autofree char *name = g_strdup_printf (
        "answer_%s", GST_OBJECT_NAME (extra->request) + strlen ("question_"));

    extra->out = gst_element_get_static_pad (schedule->subject, name);
    if (!extra->out)
      journal_fail ("no pad %s", name);
  } else {
    extra->out = gst_object_ref (extra->request);
  }
  if (ask)
    add_source (hand, extra);
  g_ptr_array_add (hand->pads, extra);
}

/* --- and back --- */

static void
remove_element (Schedule *schedule, gpointer element)
{
  g_rw_lock_reader_lock (&schedule->alone);
  gst_element_set_locked_state (element, TRUE);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (schedule->pipeline), element);
  g_mutex_lock (&schedule->lock);
  g_ptr_array_remove (schedule->sources, element);
  g_mutex_unlock (&schedule->lock);
  g_rw_lock_reader_unlock (&schedule->alone);
}

static void
unlink_out (Schedule *schedule, Extra *extra)
{
  GstPad *peer = gst_pad_get_peer (extra->out);

  if (!peer)
    return;
  g_rw_lock_reader_lock (&schedule->alone);
  gst_pad_unlink (extra->out, peer);
  g_rw_lock_reader_unlock (&schedule->alone);
  gst_object_unref (peer);
}

static void
give_back (Hand *hand, guint i)
{
  Schedule *schedule = hand->schedule;
  Extra *extra = hand->pads->pdata[i];
  gboolean sink_first = dice_one_in (&hand->dice, 2);

  journal_note (hand->name, "giving back %s", GST_OBJECT_NAME (extra->request));
  if (extra->source)
    remove_element (schedule, extra->source);
  if (sink_first)
    remove_element (schedule, extra->sink);
  unlink_out (schedule, extra);
  gst_element_release_request_pad (schedule->subject, extra->request);
  if (!sink_first)
    remove_element (schedule, extra->sink);
  if (!extra->source)
    give_json (schedule);
  journal_note (hand->name, "gave back %s", GST_OBJECT_NAME (extra->request));
  g_ptr_array_remove_index (hand->pads, i);
}

/* --- in between --- */

static void
relink (Hand *hand, Extra *extra)
{
  GstPad *peer = gst_pad_get_peer (extra->out);

  if (!peer)
    return;
  hand_relink (hand, extra->out, peer);
  gst_object_unref (peer);
}

void
pads_do (Hand *hand)
{
  const char *factory = hand->schedule->factory;
  guint i;

  if (!g_str_equal (factory, "mblmask") && !g_str_equal (factory, "mblmscore"))
    return;
  if (hand->pads->len == 0 ||
      (hand->pads->len < MOST && dice_one_in (&hand->dice, 2))) {
    request (hand);
  } else {
    Extra *extra;

    i = dice_below (&hand->dice, hand->pads->len);
    extra = hand->pads->pdata[i];
    if (dice_one_in (&hand->dice, 3))
      relink (hand, extra);
    else if (extra->source && dice_one_in (&hand->dice, 3))
      source_flush (extra->source, dice_one_in (&hand->dice, 2));
    else
      give_back (hand, i);
  }
}

void
pads_begin (Hand *hand)
{
  hand->pads = g_ptr_array_new_with_free_func (extra_free);
}

void
pads_end (Hand *hand, gboolean all)
{
  for (guint i = hand->pads->len; i > 0; i--)
    if (all || dice_one_in (&hand->dice, 2))
      give_back (hand, i - 1);
  g_ptr_array_unref (hand->pads);
}
