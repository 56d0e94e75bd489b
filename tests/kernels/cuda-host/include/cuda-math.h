/* cuda-math.h: CUDA's functions of numbers, on the host.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Those of the C library have the same names. The fast ones are less exact on a
 * GPU than here.
 */

#pragma once

#include <type_traits>

template <typename To, typename From>
static inline To
cuda_host_bits (From from)
{
  static_assert (sizeof (To) == sizeof (From), "other sizes");
  To to;

  memcpy (&to, &from, sizeof (to));
  return to;
}

static inline float
__uint_as_float (unsigned bits)
{
  return cuda_host_bits<float> (bits);
}

static inline float
__int_as_float (int bits)
{
  return cuda_host_bits<float> (bits);
}

static inline unsigned
__float_as_uint (float x)
{
  return cuda_host_bits<unsigned> (x);
}

static inline int
__float_as_int (float x)
{
  return cuda_host_bits<int> (x);
}

static inline float
rsqrtf (float x)
{
  return 1.0f / sqrtf (x);
}

/* The C library has these names for itself. */
#define __expf(x) expf (x)
#define __logf(x) logf (x)
#define __sinf(x) sinf (x)
#define __cosf(x) cosf (x)

static inline float
__fdividef (float x, float y)
{
  return x / y;
}

static inline float
__frcp_rn (float x)
{
  return 1.0f / x;
}

static inline float
__fadd_rn (float x, float y)
{
  return x + y;
}

static inline float
__fmul_rn (float x, float y)
{
  return x * y;
}

/* The upper half of the product. */
static inline unsigned
__umulhi (unsigned a, unsigned b)
{
  return (unsigned) (((uint64_t) a * b) >> 32);
}

static inline int
__popc (unsigned x)
{
  return __builtin_popcount (x);
}

static inline int
__ffs (unsigned x)
{
  return __builtin_ffs ((int) x);
}

static inline int
__clz (unsigned x)
{
  return x ? __builtin_clz (x) : 32;
}

template <typename T>
static inline T
__ldg (const T *x)
{
  return *x;
}

template <typename T>
static inline T
__ldcs (const T *x)
{
  return *x;
}

template <typename T>
static inline void
__stcs (T *to, T x)
{
  *to = x;
}

template <typename A, typename B>
static inline std::common_type_t<A, B>
min (A a, B b)
{
  using T = std::common_type_t<A, B>;

  return (T) b < (T) a ? (T) b : (T) a;
}

template <typename A, typename B>
static inline std::common_type_t<A, B>
max (A a, B b)
{
  using T = std::common_type_t<A, B>;

  return (T) a < (T) b ? (T) b : (T) a;
}
