/* schedules.c: random schedules: what several threads may do to a pipeline.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Every seed is a schedule. The same seed makes the same choices again, but the
 * threads interleave otherwise each time. Processes take turns with batches of
 * seeds, so that a crash ends one batch, and a leak is found at the end of one.
 */

#include "journal.h"
#include "models.h"
#include "schedule.h"

#include "gstmblmask.h"
#include "gstmblmaskoverlay.h"
#include "gstmblmenums.h"
#include "gstmblmgenerate.h"
#include "gstmblmmeta.h"
#include "gstmblmscore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Seeds that one process runs. */
#define BATCH 50
#define MOST_JOBS 16

static gint64 first_seed = 1, n_seeds = 100;
static gint jobs = 1, seconds, patience = 30;
static gboolean verbose, same, keep_going;
static char *list;

static const GOptionEntry options[] = {
    {"seed", 's', 0, G_OPTION_ARG_INT64, &first_seed, "The first seed (1)",
        "S"},
    {"count", 'n', 0, G_OPTION_ARG_INT64, &n_seeds,
        "So many seeds from there on (100)", "N"},
    {"same", 0, 0, G_OPTION_ARG_NONE, &same,
        "The same seed each time, for what fails by chance", NULL},
    {"list", 'l', 0, G_OPTION_ARG_FILENAME, &list,
        "First the seeds that the lines of this file begin with", "FILE"},
    {"jobs", 'j', 0, G_OPTION_ARG_INT, &jobs, "Processes at a time (1)", "J"},
    {"seconds", 't', 0, G_OPTION_ARG_INT, &seconds,
        "Begin no batch after so long", "T"},
    {"patience", 'p', 0, G_OPTION_ARG_INT, &patience,
        "Seconds without a sign of life that are a hang (30)", "P"},
    {"keep-going", 'k', 0, G_OPTION_ARG_NONE, &keep_going,
        "Don't stop at the first that fails", NULL},
    {"verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose, "Tell all that is done",
        NULL},
    {NULL}};

/* A batch in a process of its own. */
typedef struct {
  pid_t pid; /* 0: none */
  GArray *seeds;
  int result; /* reads the number of seeds that are done */
} Worker;

static GArray *seeds; /* of guint64: what is left to do, in order */
static guint64 done;
static GArray *failed;

/* --- the seeds --- */

static void
read_list (void)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (list, &text, NULL, &error)) {
    fprintf (stderr, "%s\n", error->message);
    exit (2);
  }
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    guint64 seed = g_ascii_strtoull (lines[i], NULL, 10);

    if (seed > 0)
      g_array_append_val (seeds, seed);
  }
}

static void
make_seeds (void)
{
  seeds = g_array_new (FALSE, FALSE, sizeof (guint64));
  failed = g_array_new (FALSE, FALSE, sizeof (guint64));
  if (list)
    read_list ();
  for (gint64 i = 0; i < n_seeds; i++) {
    guint64 seed = same ? first_seed : first_seed + i;

    g_array_append_val (seeds, seed);
  }
}

/* --- a worker --- */

/* Never returns: the end of the process looks for leaks. */
static void
work (const GArray *batch, int result)
{
  journal_open (patience, verbose);
  for (guint i = 0; i < batch->len; i++) {
    schedule_run (g_array_index (batch, guint64, i));
    if (write (result, "", 1) != 1)
      _exit (2);
  }
  close (result);
  gst_deinit ();
  exit (0);
}

static void
start (Worker *self, GArray *batch)
{
  int ends[2];

  fflush (stdout);
  fflush (stderr);
  if (pipe (ends) < 0 || (self->pid = fork ()) < 0) {
    perror ("schedules");
    exit (2);
  }
  if (self->pid == 0) {
    close (ends[0]);
    work (batch, ends[1]);
  }
  close (ends[1]);
  self->result = ends[0];
  self->seeds = batch;
}

static guint
count_done (Worker *self)
{
  char bytes[BATCH];
  guint n = 0;
  gssize got;

  while ((got = read (self->result, bytes, sizeof bytes)) > 0)
    n += got;
  close (self->result);
  return n;
}

/* A batch has ended. FALSE: badly. */
static gboolean
finish (Worker *self, int status)
{
  guint n = count_done (self), length = self->seeds->len;
  guint64 first = g_array_index (self->seeds, guint64, 0);

  done += n;
  self->pid = 0;
  if (n < length) {
    guint64 seed = g_array_index (self->seeds, guint64, n);

    g_array_append_val (failed, seed);
    printf (
        "schedule %" G_GUINT64_FORMAT " failed (status %#x)\n", seed, status);
  } else if (status != 0) {
    g_array_append_val (failed, first);
    printf ("one of the %u schedules from %" G_GUINT64_FORMAT
            " leaves something behind (status %#x)\n",
        length, first, status);
  }
  g_array_unref (self->seeds);
  return n == length && status == 0;
}

/* --- all of them --- */

static GArray *
next_batch (guint *at, guint size)
{
  GArray *batch = g_array_new (FALSE, FALSE, sizeof (guint64));
  guint n = MIN (size, seeds->len - *at);

  g_array_append_vals (batch, &g_array_index (seeds, guint64, *at), n);
  *at += n;
  return batch;
}

static Worker *
find (Worker *workers, pid_t pid)
{
  for (gint i = 0; i < jobs; i++)
    if (workers[i].pid == pid)
      return &workers[i];
  return NULL;
}

static void
run_all (void)
{
  Worker workers[MOST_JOBS] = {{0}};
  gint64 began = g_get_monotonic_time (), told = began, now;
  guint at = 0, running = 0;
  guint size = CLAMP (seeds->len / jobs, 1, BATCH);
  gboolean more = TRUE;
  Worker *idle;

  while (running > 0 || (more && at < seeds->len)) {
    int status;

    while (more && at < seeds->len && (idle = find (workers, 0))) {
      start (idle, next_batch (&at, size));
      running++;
    }
    idle = find (workers, wait (&status));
    running--;
    more = (finish (idle, status) || keep_going) && more;
    now = g_get_monotonic_time ();
    if (seconds > 0 && now - began > seconds * G_USEC_PER_SEC)
      more = FALSE;
    if (now - told > 10 * G_USEC_PER_SEC || (running == 0 && !more)) {
      printf ("%" G_GUINT64_FORMAT " schedules, %.1f a second\n", done,
          done * 1e6 / MAX (now - began, 1));
      fflush (stdout);
      told = now;
    }
  }
}

/* The elements are part of this program: a scan that opened the plugin, too, would
 * bring their types a second time. What it finds is kept apart from what others
 * find. */
static void
leave_plugin_out (void)
{
  const char *registry = g_getenv ("GST_REGISTRY");
  g_autofree char *own = registry ? g_strconcat (registry, ".schedules", NULL)
                                  : NULL;

  g_unsetenv ("GST_PLUGIN_PATH_1_0");
  g_unsetenv ("GST_PLUGIN_PATH");
  if (own)
    g_setenv ("GST_REGISTRY", own, TRUE);
}

static void
register_elements (void)
{
  gst_mblm_enums_register ();
  gst_mblm_answer_meta_register ();
  if (!GST_ELEMENT_REGISTER (mblmgenerate, NULL) ||
      !GST_ELEMENT_REGISTER (mblmscore, NULL) ||
      !GST_ELEMENT_REGISTER (mblmask, NULL) ||
      !GST_ELEMENT_REGISTER (mblmaskoverlay, NULL))
    exit (2);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext)
      context = g_option_context_new ("- random schedules for the elements");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    fprintf (stderr, "%s\n", error->message);
    return 2;
  }
  jobs = CLAMP (jobs, 1, MOST_JOBS);
  leave_plugin_out ();
  gst_init (NULL, NULL);
  register_elements ();
  models_make ();
  make_seeds ();
  run_all ();
  models_remove ();
  printf ("%" G_GUINT64_FORMAT " schedules ran, %u failed\n",
      done + failed->len, failed->len);
  for (guint i = 0; i < failed->len; i++)
    printf ("again: schedules --seed %" G_GUINT64_FORMAT " --count 1\n",
        g_array_index (failed, guint64, i));
  return failed->len > 0;
}
