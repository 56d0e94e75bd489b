/* schedule.c: one schedule, from its seed to its end.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A pipeline is built; some threads do to it what they like; then it stops, and
 * nothing is left. Every other time it first has to show that it works as if
 * nothing had been.
 */

#include "schedule.h"

#include "account.h"
#include "gstmblmbase.h"
#include "journal.h"
#include "values.h"

#include <stdio.h>

#define MOST_HANDS 3

static void
schedule_init (Schedule *self, guint64 seed)
{
  *self = (Schedule){.dice = {seed}};
  ledger_init (&self->ledger);
  ledger_init (&self->loose);
  g_rw_lock_init (&self->alone);
  g_mutex_init (&self->relinking);
  g_mutex_init (&self->lock);
  self->sources = g_ptr_array_new_with_free_func (gst_object_unref);
  self->curious = dice_one_in (&self->dice, 4);
}

static void
schedule_clear (Schedule *self)
{
  g_ptr_array_unref (self->sources);
  gst_clear_object (&self->source);
  gst_clear_object (&self->sink);
  gst_clear_object (&self->subject);
  gst_clear_object (&self->pipeline);
  account_close ();
  g_mutex_clear (&self->lock);
  g_mutex_clear (&self->relinking);
  g_rw_lock_clear (&self->alone);
  ledger_clear (&self->loose);
  ledger_clear (&self->ledger);
}

static void
tell_state (const GValue *value, gpointer data)
{
  GstElement *element = g_value_get_object (value);

  fprintf (stderr, "--- %s: %s, next %s, pending %s\n",
      GST_OBJECT_NAME (element),
      gst_element_state_get_name (GST_STATE (element)),
      gst_element_state_get_name (GST_STATE_NEXT (element)),
      gst_element_state_get_name (GST_STATE_PENDING (element)));
}

/* What a hang looks like from inside. */
static void
tell_inside (gpointer data)
{
  Schedule *self = data;
  GstIterator *elements = gst_bin_iterate_recurse (GST_BIN (self->pipeline));
  GstMblmBase *base;

  while (
      gst_iterator_foreach (elements, tell_state, NULL) == GST_ITERATOR_RESYNC)
    gst_iterator_resync (elements);
  gst_iterator_free (elements);
  if (!G_TYPE_CHECK_INSTANCE_TYPE (self->subject, GST_TYPE_MBLM_BASE))
    return;
  base = GST_MBLM_BASE (self->subject);
  fprintf (stderr,
      "--- flushing %d, eos %d, srcresult %s, items %u, buffers %u, "
      "segments %u, live %d, arrival %d, faulted %d\n",
      base->flushing, base->eos, gst_flow_get_name (base->srcresult),
      base->queue.items.length, base->queue.level.buffers,
      base->segments_waiting, base->live, base->arrival, base->faulted);
}

/* --- messages --- */

static GstBusSyncReply
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Schedule *self = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, &debug);
  else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING)
    gst_message_parse_warning (message, &error, &debug);
  if (error)
    journal_note ("bus", "%s: %s (%s)", GST_MESSAGE_TYPE_NAME (message),
        error->message, debug ? debug : "");
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    g_atomic_int_inc (&self->errors);
  /* An application may do this from here. */
  if (self->curious && g_atomic_int_add (&self->messages, 1) % 4 == 0)
    values_read (self->subject);
  gst_message_unref (message);
  return GST_BUS_DROP;
}

static void
watch_bus (Schedule *self)
{
  GstBus *bus = gst_element_get_bus (self->pipeline);

  gst_bus_set_sync_handler (bus, on_message, self, NULL);
  gst_object_unref (bus);
}

/* Before the element knows of the pad, so that nothing is missed. */
static void
on_pad_added (GstElement *element, GstPad *pad, gpointer data)
{
  account_object (pad, GST_OBJECT_NAME (pad));
  if (g_str_has_prefix (GST_OBJECT_NAME (pad), "answer_"))
    witness_add (pad, WITNESS_ANSWER, NULL);
  else if (g_str_equal (GST_OBJECT_NAME (pad), "json"))
    witness_add (pad, WITNESS_JSON, NULL);
  pads_link_new (data, pad);
}

static void
watch_output (Schedule *self)
{
  GstPad *pad = gst_element_get_static_pad (self->subject, "src");

  /* What leaves mblmaskoverlay is what textoverlay sends. */
  if (!g_str_equal (self->factory, "mblmaskoverlay"))
    witness_add (pad, self->kind, &self->ledger);
  g_signal_connect (
      self->subject, "pad-added", G_CALLBACK (on_pad_added), self);
  gst_object_unref (pad);
}

/* --- hands --- */

static gpointer
run_hand (gpointer data)
{
  Hand *self = data;

  for (guint i = 0; i < self->deeds; i++) {
    hand_do (self);
    dice_rest (&self->dice, 3);
  }
  return NULL;
}

static void
hand_init (Hand *self, Schedule *schedule, guint i)
{
  *self = (Hand){.schedule = schedule, .dice = dice_fork (&schedule->dice)};
  g_snprintf (self->name, sizeof self->name, "hand %u", i);
  self->deeds = 3 + dice_below (&self->dice, 16);
  pads_begin (self);
}

/* All hands at once, and then what they have left. */
static void
disturb (Schedule *self, gboolean tidy)
{
  guint n = 1 + dice_below (&self->dice, MOST_HANDS);
  GThread *threads[MOST_HANDS];
  Hand hands[MOST_HANDS];

  for (guint i = 0; i < n; i++)
    hand_init (&hands[i], self, i);
  for (guint i = 0; i < n; i++)
    threads[i] = g_thread_new (hands[i].name, run_hand, &hands[i]);
  for (guint i = 0; i < n; i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < n; i++)
    pads_end (&hands[i], tidy);
}

/* --- afterwards --- */

/* A hand may have failed to link a pad again, while caps were refused. */
static void
link_again (GstElement *from, GstElement *to)
{
  GstPad *src = gst_element_get_static_pad (from, "src");

  if (!gst_pad_is_linked (src) &&
      !gst_element_link_pads (from, "src", to, "sink"))
    journal_fail ("%s can't be linked again", GST_OBJECT_NAME (from));
  gst_object_unref (src);
}

static void
set_state (Schedule *self, GstState state)
{
  journal_note ("main", "to %s", gst_element_state_get_name (state));
  if (gst_element_set_state (self->pipeline, state) == GST_STATE_CHANGE_FAILURE)
    journal_fail ("can't go to %s", gst_element_state_get_name (state));
}

static void
expect_everything (Schedule *self, gint errors)
{
  sink_wait_eos (self->sink);
  if (ledger_owing (&self->ledger) > 0)
    journal_fail ("%u are missing at EOS", ledger_owing (&self->ledger));
  if (g_atomic_int_get (&self->errors) != errors)
    journal_fail ("an error afterwards");
}

static void
link_both (Schedule *self)
{
  if (self->video)
    return;
  link_again (GST_ELEMENT (self->source), self->subject);
  link_again (self->subject, GST_ELEMENT (self->sink));
}

/* From NULL, with good settings, all that goes in comes out. */
static void
prove_that_it_works (Schedule *self)
{
  gint errors = g_atomic_int_get (&self->errors);

  journal_note ("main", "afterwards");
  schedule_make_calm (self);
  link_both (self);
  set_state (self, GST_STATE_PLAYING);
  expect_everything (self, errors);
  set_state (self, GST_STATE_NULL);
}

/* Nothing but what a flush mends can be wrong. */
static gboolean
is_sound (Schedule *self)
{
  GstMblmBase *base = (GstMblmBase *) self->subject;
  gboolean loaded;

  if (!self->source || self->video || self->plan.live ||
      GST_STATE (self->pipeline) != GST_STATE_PLAYING ||
      GST_STATE (self->subject) != GST_STATE_PLAYING ||
      GST_STATE (self->source) != GST_STATE_PLAYING)
    return FALSE;
  g_mutex_lock (&base->lock);
  loaded = base->loader.current &&
      base->loader.current->state == GST_MBLM_LOAD_READY;
  g_mutex_unlock (&base->lock);
  return loaded;
}

static void
make_calm (gpointer user_data)
{
  schedule_make_calm (user_data);
}

/* As it is, with good settings: a flush, and the stream goes on. */
static void
prove_that_it_goes_on (Schedule *self)
{
  gint errors;

  journal_note ("main", "a flush, and on");
  values_make_sane (self->subject, self->factory);
  sink_set_plan (self->sink, TRUE, dice_fork (&self->dice));
  link_both (self);
  source_begin_again (self->source, make_calm, self);
  errors = g_atomic_int_get (&self->errors);
  expect_everything (self, errors);
}

void
schedule_run (guint64 seed)
{
  Schedule schedule;
  gboolean afterwards;

  journal_begin (seed);
  schedule_init (&schedule, seed);
  schedule_build (&schedule);
  account_bin (GST_BIN (schedule.pipeline));
  journal_set_witness (tell_inside, &schedule);
  watch_bus (&schedule);
  watch_output (&schedule);
  afterwards = dice_one_in (&schedule.dice, 2) && schedule.source;

  if (!dice_one_in (&schedule.dice, 4))
    gst_element_set_state (schedule.pipeline, GST_STATE_PLAYING);
  disturb (&schedule, afterwards);
  if (afterwards && is_sound (&schedule))
    prove_that_it_goes_on (&schedule);
  schedule_set_state (&schedule, "main", GST_STATE_NULL);
  if (afterwards)
    prove_that_it_works (&schedule);
  schedule_clear (&schedule);
  journal_end ();
}
