/* dropout.c: dropout by a stream of random numbers that has a number for each
 * entry.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Philox4x32-10 (J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2,
 * 3", 2011) computes any part of the stream from its number alone, so that the
 * backward pass drops the same entries and nothing is kept.
 */

#include "ref.h"

#define ROUNDS 10

/* out[4] from a counter and a key, which are the numbers of the block and of the
 * stream, low words first. */
static void
philox (uint64_t counter, uint64_t key, uint32_t out[4])
{
  uint32_t key0 = (uint32_t) key, key1 = (uint32_t) (key >> 32);

  out[0] = (uint32_t) counter;
  out[1] = (uint32_t) (counter >> 32);
  out[2] = out[3] = 0;
  for (int round = 0; round < ROUNDS; round++) {
    uint64_t p0 = (uint64_t) 0xd2511f53 * out[0];
    uint64_t p1 = (uint64_t) 0xcd9e8d57 * out[2];

    out[0] = (uint32_t) (p1 >> 32) ^ out[1] ^ key0;
    out[1] = (uint32_t) p1;
    out[2] = (uint32_t) (p0 >> 32) ^ out[3] ^ key1;
    out[3] = (uint32_t) p0;
    key0 += 0x9e3779b9;
    key1 += 0xbb67ae85;
  }
}

void
ref_dropout (MblmQueue *queue, const MblmDropout *a)
{
  double probability = a->probability;

  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t i = 0; i < a->count; i++) {
    uint64_t number = a->first + i;
    uint32_t words[4];

    philox (number / 4, a->seed, words);
    if ((words[number % 4] + 0.5) / 4294967296.0 < probability)
      a->x[i] = 0.0f;
    else
      a->x[i] = (float) (a->x[i] / (1.0 - probability));
  }
}
