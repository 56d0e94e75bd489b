/* bf16.h: bfloat16 in memory, and rounding to it.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "mblm-kernels.h"
#include "vec.h"

typedef uint32_t vu __attribute__ ((vector_size (4 * VW)));

/* The bits of the nearest bfloat16, of two the even one, in the upper halves; the
 * lower halves are of no use. */
V_INLINE vu
v_round_bits (vf x)
{
  vu bits = (vu) x;
  vu rounded = bits + 0x7fff + ((bits >> 16) & 1);
  /* Counting up would make another number of some not-a-numbers. */
#ifdef __AVX512F__
  __mmask16 nan = _mm512_cmp_ps_mask (x, x, _CMP_UNORD_Q);

  return (vu) _mm512_mask_or_epi32 (
      (__m512i) rounded, nan, (__m512i) bits, _mm512_set1_epi32 (0x00400000));
#else
  vu nan = (vu) ((vi) (bits & 0x7fffffff) > 0x7f800000);

  return (rounded & ~nan) | ((bits | 0x00400000) & nan);
#endif
}

/* The nearest bfloat16 as a float. */
V_INLINE vf
v_round_bf16 (vf x)
{
  return (vf) (v_round_bits (x) & 0xffff0000);
}

/* For loops over [0, n) in steps of VW, as v_load_n: elements from `at` on of
 * memory of either type. */
V_INLINE vf
v_load_as (MblmType type, const void *data, size_t at, size_t n)
{
  const uint16_t *p = (const uint16_t *) data + at;

  if (type == MBLM_TYPE_F32)
    return v_load_n ((const float *) data + at, n);
  return n >= VW ? v_bf16 (p) : v_bf16_n (p, n);
}

/* The same for v_store_n. */
V_INLINE void
v_store_as (MblmType type, void *data, size_t at, size_t n, vf x)
{
  typedef uint16_t vh __attribute__ ((vector_size (2 * VW)));
  uint16_t *p = (uint16_t *) data + at, part[VW];
  vh half;

  if (type == MBLM_TYPE_F32) {
    v_store_n ((float *) data + at, n, x);
    return;
  }
#ifdef __AVX512F__
  half = (vh) _mm512_cvtepi32_epi16 ((__m512i) (v_round_bits (x) >> 16));
#else
  half = __builtin_convertvector(v_round_bits (x) >> 16, vh);
#endif
  if (n >= VW) {
    memcpy (p, &half, sizeof (half));
    return;
  }
  memcpy (part, &half, sizeof (half));
  memcpy (p, part, n * sizeof (*p));
}
