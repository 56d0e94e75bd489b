/* carry.h: the states that sequences carry, where tiles run in any order.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "cpu.h"

#include <string.h>

/* Scratch memory for an operation with a carry of `size` floats: what
 * mblm_cpu_scratch gives each worker, and in *start the shared state to start
 * from, or NULL. It is a copy where a sequence of several leaves its own state
 * in the same memory. False: no memory, and the queue knows. */
static inline bool
carry_begin (MblmQueue *queue, const MblmCarry *carry, size_t size,
    size_t batch, const float **start, size_t *each, char **workers)
{
  bool shared = carry->from && carry->shared && batch > 0, clash = false;
  size_t bytes = 0;
  float *copy;

  for (size_t b = 0; shared && carry->to && batch > 1 && b < batch; b++)
    clash |= carry->to[b] == carry->from[0];
  if (clash)
    bytes = mblm_cpu_bytes (size, sizeof (float));
  copy = mblm_cpu_scratch (queue, bytes, each, workers);
  if (!copy)
    return false;
  if (clash)
    memcpy (copy, carry->from[0], size * sizeof (float));
  *start = clash ? copy : shared ? carry->from[0] : NULL;
  return true;
}

/* The state that sequence b starts from, or NULL for zeros. */
static inline const float *
carry_from (const MblmCarry *carry, const float *start, size_t b)
{
  if (!carry->from)
    return NULL;
  return carry->shared ? start : carry->from[b];
}
