/* journal.c: what a schedule did, told when it fails.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "journal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES 6000
#define WIDTH 160
/* A schedule may take so many times the watchdog's patience as a whole. */
#define WHOLE 4

static struct {
  GMutex lock;
  char lines[LINES][WIDTH];
  guint n; /* notes so far; the last LINES are kept */
  guint64 seed;
  gint64 began;
  gint since; /* atomic: the same in seconds */
  gint ticks; /* atomic */
  gint running;
  gint failed; /* somebody tells already */
  gboolean verbose;
  guint patience;
  void (*tell) (gpointer data);
  gpointer tell_data;
} journal;

/* Prints the notes; a lock that can't be had is done without. */
static void
print_notes (void)
{
  gboolean locked = g_mutex_trylock (&journal.lock);
  guint first = journal.n > LINES ? journal.n - LINES : 0;

  fprintf (stderr, "--- schedule %" G_GUINT64_FORMAT ": %u notes\n",
      journal.seed, journal.n);
  for (guint i = first; i < journal.n; i++)
    fprintf (stderr, "%s\n", journal.lines[i % LINES]);
  fprintf (stderr,
      "--- again, with the same choices but other timing: schedules --seed "
      "%" G_GUINT64_FORMAT " --count 20 --same\n",
      journal.seed);
  fflush (stderr);
  if (locked)
    g_mutex_unlock (&journal.lock);
}

/* TRUE for the first thread that comes here; others wait for the end. */
static void
be_the_one (void)
{
  if (g_atomic_int_compare_and_exchange (&journal.failed, 0, 1))
    return;
  for (;;)
    g_usleep (G_USEC_PER_SEC);
}

/* What every thread is at, if there is a debugger. */
static void
print_threads (void)
{
  g_autofree char *line = g_strdup_printf (
      "command -v gdb >/dev/null && timeout 60 gdb -p %d -batch "
      "-ex 'thread apply all bt 40' 2>/dev/null | grep -v '^\\[New' >&2",
      (int) getpid ());

  if (system (line) != 0)
    fprintf (stderr, "(no debugger: no backtraces)\n");
}

void
journal_fail (const char *format, ...)
{
  va_list arguments;

  be_the_one ();
  fprintf (stderr, "schedule %" G_GUINT64_FORMAT ": FAILED: ", journal.seed);
  va_start (arguments, format);
  vfprintf (stderr, format, arguments);
  va_end (arguments);
  fprintf (stderr, "\n");
  print_notes ();
  if (g_getenv ("SCHEDULES_THREADS"))
    print_threads ();
  _exit (1);
}

void
journal_note (const char *who, const char *format, ...)
{
  va_list arguments;
  gint64 now = g_get_monotonic_time ();
  char *line;
  int n;

  g_atomic_int_inc (&journal.ticks);
  g_mutex_lock (&journal.lock);
  line = journal.lines[journal.n++ % LINES];
  n = g_snprintf (
      line, WIDTH, "%9.3f ms %-10s ", (now - journal.began) / 1000.0, who);
  va_start (arguments, format);
  g_vsnprintf (line + n, WIDTH - n, format, arguments);
  va_end (arguments);
  if (journal.verbose)
    fprintf (stderr, "%s\n", line);
  g_mutex_unlock (&journal.lock);
}

void
journal_tick (void)
{
  g_atomic_int_inc (&journal.ticks);
}

void
journal_set_witness (void (*tell) (gpointer data), gpointer data)
{
  g_mutex_lock (&journal.lock);
  journal.tell = tell;
  journal.tell_data = data;
  g_mutex_unlock (&journal.lock);
}

void
journal_begin (guint64 seed)
{
  g_mutex_lock (&journal.lock);
  journal.seed = seed;
  journal.n = 0;
  journal.began = g_get_monotonic_time ();
  g_atomic_int_set (&journal.since, journal.began / G_USEC_PER_SEC);
  g_mutex_unlock (&journal.lock);
  g_atomic_int_inc (&journal.ticks);
  g_atomic_int_set (&journal.running, 1);
}

void
journal_end (void)
{
  g_atomic_int_set (&journal.running, 0);
  journal_set_witness (NULL, NULL);
}

/* --- what kills --- */

static void
hang (const char *what)
{
  be_the_one ();
  fprintf (stderr, "schedule %" G_GUINT64_FORMAT ": HANGS: %s\n", journal.seed,
      what);
  print_notes ();
  if (journal.tell)
    journal.tell (journal.tell_data);
  print_threads ();
  _exit (3);
}

static gpointer
watch (gpointer data)
{
  gint last = -1;
  guint quiet = 0;

  for (;;) {
    gint ticks = g_atomic_int_get (&journal.ticks);

    if (g_atomic_int_get (&journal.running)) {
      quiet = ticks == last ? quiet + 1 : 0;
      if (quiet > journal.patience)
        hang ("nothing goes on");
      if (g_get_monotonic_time () / G_USEC_PER_SEC -
              g_atomic_int_get (&journal.since) >
          (gint64) WHOLE * journal.patience)
        hang ("it doesn't come to an end");
    }
    last = ticks;
    g_usleep (G_USEC_PER_SEC);
  }
  return NULL;
}

static void
on_log (const char *domain, GLogLevelFlags level, const char *message,
    gpointer data)
{
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING))
    journal_fail ("%s: %s", domain ? domain : "?", message);
  g_log_default_handler (domain, level, message, NULL);
}

static void
on_signal (int number)
{
  signal (number, SIG_DFL);
  fprintf (stderr, "schedule %" G_GUINT64_FORMAT ": FAILED: %s\n", journal.seed,
      strsignal (number));
  print_notes ();
  raise (number);
}

/* With a sanitizer, which catches signals itself. */
void __sanitizer_set_death_callback (void (*callback) (void))
    __attribute__ ((weak));

static void
on_death (void)
{
  if (g_atomic_int_get (&journal.running))
    print_notes ();
}

void
journal_open (guint seconds, gboolean verbose)
{
  static const int signals[] = {
      SIGABRT, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  /* AddressSanitizer catches all but the first two. */
  guint n = __sanitizer_set_death_callback ? 2 : G_N_ELEMENTS (signals);

  journal.patience = seconds;
  journal.verbose = verbose;
  g_log_set_default_handler (on_log, NULL);
  g_log_set_always_fatal (
      G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);
  for (guint i = 0; i < n; i++)
    signal (signals[i], on_signal);
  if (__sanitizer_set_death_callback)
    __sanitizer_set_death_callback (on_death);
  g_thread_unref (g_thread_new ("watchdog", watch, NULL));
}
