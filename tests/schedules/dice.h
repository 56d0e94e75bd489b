/* dice.h: every choice of a schedule comes from its seed.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Each thread has dice of its own (splitmix64), so that a seed gives each of
 * them the same choices again, however the threads interleave.
 */

#pragma once

#include <glib.h>

typedef struct {
  guint64 state;
} Dice;

static inline guint64
dice_next (Dice *self)
{
  guint64 z = (self->state += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15));

  z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return z ^ (z >> 31);
}

/* 0 to n - 1. */
static inline guint
dice_below (Dice *self, guint n)
{
  return dice_next (self) % n;
}

static inline gboolean
dice_one_in (Dice *self, guint n)
{
  return dice_below (self, n) == 0;
}

/* Dice for another thread. */
static inline Dice
dice_fork (Dice *self)
{
  return (Dice){dice_next (self)};
}

/* A rest that was drawn: where the dice are under a lock, it is taken without. */
typedef struct {
  guint kind, us;
} DiceRest;

/* Mostly nothing, often a yield, now and then up to `ms` milliseconds. */
static inline DiceRest
dice_draw_rest (Dice *self, guint ms)
{
  guint kind = dice_below (self, 24);

  return (DiceRest){kind, dice_below (self, ms * 1000)};
}

static inline void
dice_take_rest (DiceRest rest)
{
  if (rest.kind == 0)
    g_usleep (rest.us);
  else if (rest.kind < 4)
    g_usleep (rest.us / 20);
  else if (rest.kind < 12)
    g_thread_yield ();
}

static inline void
dice_rest (Dice *self, guint ms)
{
  dice_take_rest (dice_draw_rest (self, ms));
}
