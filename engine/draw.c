/* draw.c: numbers that look random and follow from where they are drawn.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "draw.h"

#define ROUNDS 6

/* The finaliser of splitmix64: a bijection of 64 bits. */
static guint64
mix (guint64 x)
{
  x = (x ^ x >> 30) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return x ^ x >> 31;
}

guint64
mblm_draw_next (guint64 *key)
{
  *key += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
  return mix (*key);
}

guint64
mblm_draw_key (guint64 seed, guint64 epoch, guint64 index)
{
  guint64 key = seed;

  key = mblm_draw_next (&key) ^ epoch;
  key = mblm_draw_next (&key) ^ index;
  return mblm_draw_next (&key);
}

guint64
mblm_draw_permute (guint64 key, guint64 n, guint64 index)
{
  guint half = 1;

  while (half < 32 && (n - 1) >> (2 * half) != 0)
    half++;

  guint64 mask = (G_GUINT64_CONSTANT (1) << half) - 1;
  do {
    guint64 left = index >> half, right = index & mask;

    for (guint round = 0; round < ROUNDS; round++) {
      guint64 place = right ^ (guint64) round << 56;
      guint64 next = left ^ (mix (key ^ mix (place)) & mask);

      left = right;
      right = next;
    }
    index = left << half | right;
  } while (index >= n);
  return index;
}
