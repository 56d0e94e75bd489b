/* chaos.c: threads lose their turn where it hurts.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Most mistakes between threads need another one to come in just after a lock
 * was let go. So these two, which GLib, GStreamer and the elements call, let
 * others in there now and then. They stand in for those of GLib, because the
 * program is looked through first.
 */

#include "dice.h"

#include <dlfcn.h>
#include <sched.h>

static gint threads;             /* atomic */
static __thread Dice dice = {0}; /* of this thread */
static __thread guint until = 0; /* so many more calls do nothing */
static __thread gboolean known = FALSE;

static void
let_others_in (void)
{
  if (!known) {
    known = TRUE;
    dice.state = g_atomic_int_add (&threads, 1);
  }
  if (until-- > 0)
    return;
  until = dice_below (&dice, 60);
  if (dice_one_in (&dice, 3))
    g_usleep (dice_below (&dice, 100));
  else
    sched_yield ();
}

void
g_mutex_unlock (GMutex *mutex)
{
  static void (*real) (GMutex * mutex);

  if (!real)
    real = (void (*) (GMutex *)) dlsym (RTLD_NEXT, "g_mutex_unlock");
  real (mutex);
  let_others_in ();
}

void
g_rec_mutex_unlock (GRecMutex *mutex)
{
  static void (*real) (GRecMutex * mutex);

  if (!real)
    real = (void (*) (GRecMutex *)) dlsym (RTLD_NEXT, "g_rec_mutex_unlock");
  real (mutex);
  let_others_in ();
}
