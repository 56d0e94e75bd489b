/* schedule.c: how long a training run is, and what happens when in it.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "schedule.h"

#include <math.h>

guint64
mblm_schedule_count_batches (
    guint64 target, gboolean sequence, guint64 batch_size, guint64 length)
{
  guint64 elements = batch_size;

  if (sequence && __builtin_mul_overflow (batch_size, length, &elements))
    return 0;
  return target / elements + (target % elements != 0);
}

guint64
mblm_schedule_count_warmup (guint64 steps, double share)
{
  return (guint64) floor ((double) steps * share);
}

double
mblm_schedule_get_rate (
    double base, guint64 warmup, guint64 steps, guint64 taken)
{
  double after;

  if (taken < warmup)
    return base * (0.1 + 0.9 * (double) taken / (double) warmup);
  after = (double) (taken - warmup) / (double) (steps - warmup);
  return base * (1 + cos (G_PI * after)) / 2;
}

gboolean
mblm_schedule_is_point (guint64 batches, guint64 amount, guint64 index)
{
  unsigned __int128 span, point;

  if (amount == 0 || index >= batches)
    return FALSE;
  if (amount >= batches)
    return TRUE;
  if (amount == 1)
    return index == batches - 1;
  /* Point i is floor (i * (batches - 1) / (amount - 1)): the first that is not
   * before `index` has to be it. */
  span = batches - 1;
  point = ((unsigned __int128) index * (amount - 1) + span - 1) / span;
  return point * span / (amount - 1) == index;
}
