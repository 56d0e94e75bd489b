/* cuda_bf16.h: what kernels/cuda uses of CUDA's bfloat16, on the host.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "cuda_runtime.h"

struct __nv_bfloat16 {
  unsigned short bits;
};

struct alignas (4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};

static inline float
__bfloat162float (__nv_bfloat16 x)
{
  return __uint_as_float ((unsigned) x.bits << 16);
}

/* To nearest, ties to even; NaNs become one. */
static inline __nv_bfloat16
__float2bfloat16_rn (float x)
{
  unsigned bits = __float_as_uint (x);

  if (x != x)
    return {0x7fff};
  return {(unsigned short) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

static inline __nv_bfloat16
__float2bfloat16 (float x)
{
  return __float2bfloat16_rn (x);
}

static inline __nv_bfloat162
__floats2bfloat162_rn (float x, float y)
{
  return {__float2bfloat16_rn (x), __float2bfloat16_rn (y)};
}

static inline float2
__bfloat1622float2 (__nv_bfloat162 x)
{
  return {__bfloat162float (x.x), __bfloat162float (x.y)};
}

static inline unsigned short
__bfloat16_as_ushort (__nv_bfloat16 x)
{
  return x.bits;
}

static inline __nv_bfloat16
__ushort_as_bfloat16 (unsigned short bits)
{
  return {bits};
}
