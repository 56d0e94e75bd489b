/* machine.h: what this machine can move and compute.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "mblm.h"

G_BEGIN_DECLS

/* Bytes, bytes per second, operations per second. */
typedef struct {
  MblmDevice *device; /* borrowed */
  guint threads;
  double memory_bandwidth;  /* read out of more than any cache holds */
  gsize cache_set;          /* bytes */
  double cache_bandwidth;   /* read over and over out of that set */
  double set_bandwidth[64]; /* by the logarithm of the set; 0: unknown */
  double product_roof;      /* a large matrix product of the device */
} Machine;

/* The roof is that of weights in `precision` or, where it `trains`, of products
 * in it. Measures with as many threads as the device uses: the best of several runs
 * each, in about a second. Error: MBLM_ERROR_MEMORY. */
gboolean machine_measure (Machine *self, MblmDevice *device,
    MblmPrecision precision, gboolean trains, gsize cache_set, GError **error);

/* Bytes per second of reading a set of `size` bytes over and over; measured once
 * for each power of two. Error: MBLM_ERROR_MEMORY. */
gboolean machine_measure_set (
    Machine *self, gsize size, double *bandwidth, GError **error);

/* Resident memory of this process in bytes; 0 where it can't be told. */
guint64 machine_resident_bytes (void);
/* The middle of values [n], which are sorted. */
double machine_median (double *values, guint n);

G_END_DECLS
