/* mma.cpp: products of small matrices by a warp; see kernels/cuda/mma.h.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "cuda_bf16.h"

struct Operands {
  uint32_t a[4], b[2];
};

static const Operands *
operands_of (unsigned lane)
{
  return (const Operands *) cuda_host_given (lane);
}

/* The two of a word, to `to`. */
static void
spread (uint32_t word, float *to)
{
  to[0] = __uint_as_float (word << 16);
  to[1] = __uint_as_float (word & 0xffff0000u);
}

/* d (row, column) needs a row of a and a column of b, of four lanes each. */
void
cuda_host_mma_bf16 (
    float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
  unsigned group = cuda_host_lane () / 4, lane = cuda_host_lane () % 4;
  Operands mine = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  float rows[2][16], columns[2][16];

  cuda_host_meet (0xffffffffu, "mma_bf16", &mine, sizeof (mine));
  for (unsigned t = 0; t < 4; t++)
    for (unsigned half = 0; half < 2; half++) {
      unsigned k = 2 * t + 8 * half;
      const Operands *row = operands_of (4 * group + t);

      spread (row->a[2 * half], rows[0] + k);
      spread (row->a[2 * half + 1], rows[1] + k);
      for (unsigned c = 0; c < 2; c++)
        spread (operands_of (4 * (2 * lane + c) + t)->b[half], columns[c] + k);
    }
  for (unsigned i = 0; i < 4; i++)
    for (unsigned k = 0; k < 16; k++)
      d[i] += rows[i / 2][k] * columns[i % 2][k];
}

uint32_t
cuda_host_mma_across (uint32_t x)
{
  unsigned group = cuda_host_lane () / 4, lane = cuda_host_lane () % 4;
  uint32_t mine = x, word[2];

  cuda_host_meet (0xffffffffu, "mma_across", &mine, sizeof (mine));
  for (unsigned i = 0; i < 2; i++) {
    unsigned from = 4 * (2 * lane + i) + group / 2;
    uint32_t pair = *(const uint32_t *) cuda_host_given (from);

    word[i] = pair >> 16 * (group % 2) & 0xffff;
  }
  return word[0] | word[1] << 16;
}
