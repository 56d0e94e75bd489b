/* memory.c: the memory of this process, as the kernel and as malloc count it.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The two are told apart because they mean different things: what is used and
 * grows is a leak, or a list that nobody bounds; a heap that grows while what is
 * used does not is malloc's, which gives each thread an arena and keeps holes;
 * and resident memory without either is code that ran for the first time.
 *
 * glibc begins with mapping blocks of 128 KiB and more by themselves, and moves
 * that limit up to the largest block that was ever freed. Frames of 450 KiB then
 * lie in heaps, and how many of them one thread or another held at the same time
 * decides how far each heap has grown: 1 MiB more in a minute on a busy machine,
 * with nothing of it in use. A limit that is set stays where it is.
 */

#include "config.h"

#include "memory.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

/* The first numbers of a small file; those that aren't there stay as they are. */
static void
read_numbers (const char *path, gint64 *numbers, guint n)
{
  char text[256];
  char *at = text, *end;
  int file = open (path, O_RDONLY | O_CLOEXEC);
  gssize size;

  if (file < 0)
    return;
  size = read (file, text, sizeof (text) - 1);
  close (file);
  text[MAX (size, 0)] = '\0';
  for (guint i = 0; i < n; i++, at = end) {
    gint64 number = strtoll (at, &end, 10);

    if (end == at)
      return;
    numbers[i] = number;
  }
}

void
soak_memory_set_mmap_threshold (guint kib)
{
#ifdef M_MMAP_THRESHOLD
  mallopt (M_MMAP_THRESHOLD, (int) kib * 1024);
#endif
}

void
soak_memory_read (SoakMemory *self)
{
  /* size, resident, shared; in pages */
  gint64 pages[3] = {0, 0, 0};
  double page = sysconf (_SC_PAGESIZE) / 1024.0;

  read_numbers ("/proc/self/statm", pages, G_N_ELEMENTS (pages));
  *self = (SoakMemory){0};
  self->resident = pages[1] * page;
  self->anonymous = (pages[1] - pages[2]) * page;
#ifdef HAVE_MALLINFO2
  struct mallinfo2 info = mallinfo2 (); /* of all arenas */
  self->heap = info.arena / 1024.0;
  self->used = info.uordblks / 1024.0;
  self->mapped = info.hblkhd / 1024.0;
#endif
}
