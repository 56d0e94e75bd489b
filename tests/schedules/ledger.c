/* ledger.c: what went in must come out, once and in order.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ledger.h"

#include "journal.h"

typedef struct {
  guint64 token;
  guint breaks; /* before it */
} Entry;

void
ledger_init (Ledger *self)
{
  *self = (Ledger){.strict = FALSE};
  g_mutex_init (&self->lock);
  g_queue_init (&self->entries);
}

void
ledger_clear (Ledger *self)
{
  g_queue_clear_full (&self->entries, g_free);
  g_mutex_clear (&self->lock);
}

void
ledger_reset (Ledger *self, gboolean strict)
{
  g_mutex_lock (&self->lock);
  g_queue_clear_full (&self->entries, g_free);
  self->strict = strict;
  self->in = self->out = 0;
  self->newest_end = self->newest_running = 0;
  g_mutex_unlock (&self->lock);
}

void
ledger_enter (Ledger *self, guint64 token)
{
  g_mutex_lock (&self->lock);
  if (self->strict) {
    Entry *entry = g_new (Entry, 1);

    entry->token = token;
    entry->breaks = self->breaks;
    g_queue_push_tail (&self->entries, entry);
    self->in++;
  }
  g_mutex_unlock (&self->lock);
}

void
ledger_break (Ledger *self, const char *why)
{
  g_mutex_lock (&self->lock);
  self->breaks++;
  g_mutex_unlock (&self->lock);
  journal_note ("ledger", "break: %s", why);
}

void
ledger_loosen (Ledger *self)
{
  g_mutex_lock (&self->lock);
  self->strict = FALSE;
  g_queue_clear_full (&self->entries, g_free);
  g_mutex_unlock (&self->lock);
}

void
ledger_leave (Ledger *self, guint64 token)
{
  guint64 missing = 0;
  Entry *entry;
  gboolean found = FALSE, lost = FALSE, loose;

  g_mutex_lock (&self->lock);
  loose = !self->strict;
  while (!loose && !found && !lost &&
      (entry = g_queue_peek_head (&self->entries))) {
    found = entry->token == token;
    lost = !found && entry->breaks == self->breaks;
    missing = entry->token;
    if (!lost)
      g_free (g_queue_pop_head (&self->entries));
  }
  self->out++;
  g_mutex_unlock (&self->lock);
  if (lost)
    journal_fail ("%" G_GUINT64_FORMAT " came out before %" G_GUINT64_FORMAT,
        token, missing);
  if (!loose && !found)
    journal_fail ("%" G_GUINT64_FORMAT " came out and never went in, came "
                  "twice, or came after what went in later",
        token);
}

guint
ledger_owing (Ledger *self)
{
  guint n = 0;

  g_mutex_lock (&self->lock);
  for (GList *link = self->entries.head; link; link = link->next)
    n += ((Entry *) link->data)->breaks == self->breaks;
  g_mutex_unlock (&self->lock);
  return n;
}

static GstClockTime
running_end (
    const GstSegment *segment, GstClockTime start, GstClockTime duration)
{
  GstClockTime first, last;

  /* backwards, time runs from the end, where there is one */
  if (!GST_CLOCK_TIME_IS_VALID (start) || !GST_CLOCK_TIME_IS_VALID (duration) ||
      segment->format != GST_FORMAT_TIME ||
      (segment->rate < 0 && !GST_CLOCK_TIME_IS_VALID (segment->stop)))
    return GST_CLOCK_TIME_NONE;
  first = gst_segment_to_running_time (segment, GST_FORMAT_TIME, start);
  last = gst_segment_to_running_time (
      segment, GST_FORMAT_TIME, MIN (start + duration, segment->stop));
  /* ... and what starts later comes first */
  return GST_CLOCK_TIME_IS_VALID (first) && GST_CLOCK_TIME_IS_VALID (last)
      ? MAX (first, last)
      : GST_CLOCK_TIME_NONE;
}

static GstClockTime
position_end (GstClockTime start, GstClockTime duration)
{
  return GST_CLOCK_TIME_IS_VALID (start) && GST_CLOCK_TIME_IS_VALID (duration)
      ? start + duration
      : GST_CLOCK_TIME_NONE;
}

void
ledger_reach (Ledger *self, const GstSegment *segment, GstClockTime start,
    GstClockTime duration)
{
  g_mutex_lock (&self->lock);
  /* NONE is the largest of all, and stays. */
  self->newest_end = MAX (self->newest_end, position_end (start, duration));
  self->newest_running = MAX (
      self->newest_running, running_end (segment, start, duration));
  g_mutex_unlock (&self->lock);
}

void
ledger_check_end (Ledger *self, const GstSegment *segment, GstClockTime start,
    GstClockTime duration)
{
  GstClockTime end = position_end (start, duration);
  GstClockTime running = running_end (segment, start, duration);
  GstClockTime newest, newest_running;

  g_mutex_lock (&self->lock);
  newest = self->newest_end;
  newest_running = self->newest_running;
  g_mutex_unlock (&self->lock);
  if (end > newest && running > newest_running)
    journal_fail ("output lasts to %" GST_TIME_FORMAT
                  ", the newest input to %" GST_TIME_FORMAT,
        GST_TIME_ARGS (end), GST_TIME_ARGS (newest));
}
