/* bf16.h: rounding to bfloat16.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "vec.h"

/* The nearest bfloat16 as a float, of two the even one. */
V_INLINE vf
v_round_bf16 (vf x)
{
  typedef uint32_t vu __attribute__ ((vector_size (4 * VW)));
  vu bits = (vu) x;
  vu rounded = bits + 0x7fff + ((bits >> 16) & 1);
  /* Counting up would make another number of some not-a-numbers. */
  vu nan = (vu) ((vi) (bits & 0x7fffffff) > 0x7f800000);

  rounded = (rounded & ~nan) | ((bits | 0x00400000) & nan);
  return (vf) (rounded & 0xffff0000);
}
