/* memory.h: the memory of this process, as the kernel and as malloc count it.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* All in KiB. */
typedef struct {
  double resident;  /* pages that are in memory */
  double anonymous; /* ... that are of no file: heaps and stacks */
  double heap;   /* what malloc has taken from the system, but for mappings */
  double used;   /* ... of which somebody holds so much */
  double mapped; /* mappings of malloc, one for each large block */
} SoakMemory;

/* The size in KiB from which malloc maps each block by itself; before threads are
 * there. */
void soak_memory_set_mmap_threshold (guint kib);
/* Takes no memory itself. Zeroes where the system doesn't say. */
void soak_memory_read (SoakMemory *self);

G_END_DECLS
