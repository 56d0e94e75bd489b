/* fake-clock.c: what a test has told the fake models, and the time they take.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "fake-clock.h"

#include "fake.h"

/* How often a model that waits looks whether it is to stop (us). */
#define LOOK 1000

static GMutex lock;
static GCond cond;
/* Under `lock`: */
static gboolean stopped; /* time goes by only as `now` says */
static gint64 now;       /* ns */
static gint64 speed[FAKE_N_TIMES] = {-1, -1, -1};
static char *text;
static gint failure = -1;
static guint64 chunks, ids;
static guint busy;

void
fake_stop_clock (void)
{
  g_mutex_lock (&lock);
  if (!stopped)
    now = g_get_monotonic_time () * 1000;
  stopped = TRUE;
  g_mutex_unlock (&lock);
}

void
fake_advance (gint64 nanoseconds)
{
  g_mutex_lock (&lock);
  now += nanoseconds;
  g_cond_broadcast (&cond);
  g_mutex_unlock (&lock);
}

void
fake_start_clock (void)
{
  g_mutex_lock (&lock);
  stopped = FALSE;
  g_cond_broadcast (&cond);
  g_mutex_unlock (&lock);
}

void
fake_set_speed (gint64 prompt, gint64 byte, gint64 load)
{
  g_mutex_lock (&lock);
  speed[FAKE_PROMPT] = prompt;
  speed[FAKE_BYTE] = byte;
  speed[FAKE_LOAD] = load;
  g_mutex_unlock (&lock);
}

void
fake_set_text (const char *other)
{
  g_mutex_lock (&lock);
  g_free (text);
  text = g_strdup (other);
  g_mutex_unlock (&lock);
}

void
fake_set_failure (gint code)
{
  g_mutex_lock (&lock);
  failure = code;
  g_mutex_unlock (&lock);
}

void
fake_reset (void)
{
  fake_start_clock ();
  fake_set_speed (-1, -1, -1);
  fake_set_text (NULL);
  fake_set_failure (-1);
}

guint64
fake_get_chunks (void)
{
  guint64 n;

  g_mutex_lock (&lock);
  n = chunks;
  g_mutex_unlock (&lock);
  return n;
}

void
fake_count_ids (guint64 n)
{
  g_mutex_lock (&lock);
  ids += n;
  g_mutex_unlock (&lock);
}

guint64
fake_get_ids (void)
{
  guint64 n;

  g_mutex_lock (&lock);
  n = ids;
  g_mutex_unlock (&lock);
  return n;
}

guint
fake_get_busy (void)
{
  guint n;

  g_mutex_lock (&lock);
  n = busy;
  g_mutex_unlock (&lock);
  return n;
}

gboolean
fake_wait_busy (void)
{
  for (guint i = 0; i < 5000; i++) {
    if (fake_get_busy () > 0)
      return TRUE;
    g_usleep (1000);
  }
  return FALSE;
}

char *
fake_choose_text (const char *own)
{
  char *chosen;

  g_mutex_lock (&lock);
  chosen = g_strdup (text != NULL ? text : own);
  g_mutex_unlock (&lock);
  return chosen;
}

/* The lock is held. */
static gint64
get_time (void)
{
  return stopped ? now : g_get_monotonic_time () * 1000;
}

/* Waits until `end` (ns), looking up now and then. With the lock, which is let
 * go while others are told. */
static gboolean
wait_until (MblmRun *run, gint64 end, GError **error)
{
  gboolean ok = TRUE;

  busy++;
  while (ok && get_time () < end) {
    gint64 look = g_get_monotonic_time () + LOOK;

    if (!stopped)
      look = MIN (look, end / 1000 + 1);
    g_cond_wait_until (&cond, &lock, look);
    g_mutex_unlock (&lock);
    ok = mblm_run_check (run, error);
    g_mutex_lock (&lock);
  }
  busy--;
  return ok;
}

gboolean
fake_work (MblmRun *run, FakeTime kind, gint64 own, GError **error)
{
  gboolean ok = TRUE;
  gint64 left, from;

  g_mutex_lock (&lock);
  left = speed[kind] >= 0 ? speed[kind] : own;
  from = get_time ();
  do {
    gint64 piece = MIN (left, FAKE_CHUNK);

    chunks++;
    if (failure >= 0) {
      g_set_error (error, MBLM_ERROR, failure, "the test wants it to fail");
      ok = FALSE;
    } else if (piece > 0) {
      from += piece;
      ok = wait_until (run, from, error);
    }
    left -= piece;
  } while (ok && left > 0);
  g_mutex_unlock (&lock);
  return ok;
}
