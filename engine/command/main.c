/* main.c: the `mblm` command.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SIGINT and SIGTERM are taken by a thread of their own: the first cancels what
 * runs, and the process then ends by that signal as if it had not been caught,
 * which a shell shows as 130 or 143; a second one, or five seconds, ends it at
 * once. A subcommand may ask for the time to finish (command_let_finish). All our
 * threads block these signals; threads that a library has made before main (as
 * OpenBLAS does) don't, and hand on what they get.
 */

#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "output.h"

#define GRACE_SECONDS 5

static int caught_signal; /* atomic */
static int let_finish;    /* atomic: the subcommand ends by itself */
static pthread_t waiter;  /* the thread that takes signals */

static const CommandEntry entries[] = {
    {"info", N_ ("Describe a model"), command_info},
    {"generate", N_ ("Continue a text or any bytes"), command_generate},
    {"score", N_ ("Bits per byte of files"), command_score},
    {"ask", N_ ("Answer a question about pictures"), command_ask},
    {"eval", N_ ("How many answers of a model are right"), command_eval},
    {"scenes", N_ ("Made pictures with questions, to look at"), command_scenes},
    {"convert", N_ ("A published checkpoint to a model folder"),
        command_convert},
    {"init", N_ ("A model folder with fresh weights"), command_init},
    {"embed", N_ ("Hidden states of the innermost stage"), command_embed},
    {"fill", N_ ("Fill masked bytes with an encoder"), command_fill},
    {"train", N_ ("Train a model"), command_train},
    {"bench", N_ ("Measure speed beside what the machine can do"),
        command_bench},
    {"debug", N_ ("Logits, losses and ids for tests"), command_debug},
};

static void
die_by (int number)
{
  sigset_t set;

  signal (number, SIG_DFL);
  sigemptyset (&set);
  sigaddset (&set, number);
  raise (number);
  pthread_sigmask (SIG_UNBLOCK, &set, NULL);
  _exit (128 + number);
}

static void *
wait_for_signals (void *data)
{
  GCancellable *cancellable = data;
  struct timespec grace = {.tv_sec = GRACE_SECONDS};
  sigset_t set;
  int number;

  sigemptyset (&set);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGTERM);
  if (sigwait (&set, &number))
    return NULL;
  g_atomic_int_set (&caught_signal, number);
  g_cancellable_cancel (cancellable);
  if (g_atomic_int_get (&let_finish))
    sigwait (&set, &number);
  else
    while (sigtimedwait (&set, NULL, &grace) < 0 && errno == EINTR)
      ;
  die_by (number);
  return NULL;
}

/* Runs in threads that don't block the signal: not in ours. */
static void
hand_on (int number)
{
  pthread_kill (waiter, number);
}

/* Who was started with SIGINT ignored (nohup, a shell's background) keeps it so. */
static gboolean
is_ignored (int number)
{
  struct sigaction now;

  return !sigaction (number, NULL, &now) && now.sa_handler == SIG_IGN;
}

/* Blocks the signals before any thread of ours exists, so that all inherit it. */
static void
catch_signals (GCancellable *cancellable)
{
  struct sigaction handed = {.sa_handler = hand_on, .sa_flags = SA_RESTART};
  gboolean interrupts = !is_ignored (SIGINT);
  sigset_t set;

  signal (SIGPIPE, SIG_IGN);
  sigemptyset (&set);
  if (interrupts)
    sigaddset (&set, SIGINT);
  sigaddset (&set, SIGTERM);
  pthread_sigmask (SIG_BLOCK, &set, NULL);
  if (pthread_create (&waiter, NULL, wait_for_signals, cancellable)) {
    pthread_sigmask (SIG_UNBLOCK, &set, NULL);
    return;
  }
  if (interrupts)
    sigaction (SIGINT, &handed, NULL);
  sigaction (SIGTERM, &handed, NULL);
  pthread_detach (waiter);
}

void
command_let_finish (void)
{
  g_atomic_int_set (&let_finish, TRUE);
}

void
command_allow_interrupts (void)
{
  sigset_t set;

  if (!is_ignored (SIGINT))
    signal (SIGINT, SIG_DFL);
  signal (SIGTERM, SIG_DFL);
  sigemptyset (&set);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGTERM);
  pthread_sigmask (SIG_UNBLOCK, &set, NULL);
}

/* A file that is opened must not get the number of a closed stdout and be
 * written to; the wrong direction makes every use an error. */
static void
hold_standard_files (void)
{
  for (int fd = 0; fd < 3; fd++)
    if (fcntl (fd, F_GETFD) < 0)
      open ("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

static int
run (Command *self, char **argv)
{
  g_autoptr (GError) error = NULL;
  gboolean version = FALSE;
  CommandUsage usage = {
      .parameters = _ ("COMMAND …"),
      .summary = _ ("Multiscale byte language models: continue bytes, measure "
                    "them, answer questions about pictures."),
      .description = _ (
          "`mblm COMMAND --help` tells more about each. A MODEL is "
          "a folder, or the name of an installed model: text, "
          "scenes."),
  };
  int status;
  g_auto (GStrv)
      rest = command_parse_global (self, &usage, argv, &version, &status);

  if (!rest)
    return status;
  if (version) {
    if (!output_print (&error, "mblm %s\n", PACKAGE_VERSION))
      return command_fail (self, g_steal_pointer (&error));
    return COMMAND_OK;
  }
  return command_dispatch (self, entries, G_N_ELEMENTS (entries), &usage, rest);
}

int
main (int argc, char **argv)
{
  g_autoptr (GCancellable) cancellable = NULL;
  g_autoptr (GError) error = NULL;

  hold_standard_files ();
  setlocale (LC_ALL, "");
  /* Numbers are for programs too: as the options take them. */
  setlocale (LC_NUMERIC, "C");
#ifdef ENABLE_NLS
  bindtextdomain (GETTEXT_PACKAGE, LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
#endif
  cancellable = g_cancellable_new ();
  catch_signals (cancellable);

  Command self = {.cancellable = cancellable};
  int status = run (&self, argv);

  if (!output_close (&error) && status == COMMAND_OK)
    status = command_fail (&self, g_steal_pointer (&error));
  progress_clear ();
  g_free (self.device);
  g_free (self.precision);
  g_free (self.threads);
  if (g_atomic_int_get (&caught_signal) && !g_atomic_int_get (&let_finish))
    die_by (g_atomic_int_get (&caught_signal));
  return status;
}
