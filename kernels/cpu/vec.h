/* vec.h: vectors of VW floats in the instruction set of this compilation.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * vf is a vector of floats, vi one of as many 32-bit integers; +, -, * and / work
 * on both as operators. v_fma rounds once where the instruction set can; nothing
 * else is contracted (the build says -ffp-contract=off), so that the same
 * operations give the same bits wherever they are inlined. A vm selects the
 * first n of VW lanes: the others are not read (they become zero) and not
 * written. v_max and v_min return the second argument if one is not a number.
 * v_sum8 stores the sums of eight vectors, each bitwise equal to v_sum's.
 */

#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define V_INLINE static inline __attribute__ ((always_inline, unused))

#if defined(__AVX512F__)

#include <immintrin.h>

#define VW 16
typedef __m512 vf;
typedef int32_t vi __attribute__ ((vector_size (64)));
typedef __mmask16 vm;

V_INLINE vf
v_set1 (float x)
{
  return _mm512_set1_ps (x);
}
V_INLINE vf
v_load (const float *p)
{
  return _mm512_loadu_ps (p);
}
V_INLINE void
v_store (float *p, vf x)
{
  _mm512_storeu_ps (p, x);
}
V_INLINE vm
v_first (size_t n)
{
  return (vm) ((1u << n) - 1);
}
V_INLINE vf
v_load_m (const float *p, vm m)
{
  return _mm512_maskz_loadu_ps (m, p);
}
V_INLINE void
v_store_m (float *p, vm m, vf x)
{
  _mm512_mask_storeu_ps (p, m, x);
}
V_INLINE vf
v_fma (vf a, vf b, vf c)
{
  return _mm512_fmadd_ps (a, b, c);
}
V_INLINE vf
v_fnma (vf a, vf b, vf c)
{
  return _mm512_fnmadd_ps (a, b, c);
}
V_INLINE vf
v_max (vf a, vf b)
{
  return _mm512_max_ps (a, b);
}
V_INLINE vf
v_min (vf a, vf b)
{
  return _mm512_min_ps (a, b);
}
V_INLINE vf
v_sqrt (vf a)
{
  return _mm512_sqrt_ps (a);
}
/* 1 / a for finite a, to one unit in the last place: a division of so many
 * lanes takes longer than all the rest of an activation. */
V_INLINE vf
v_reciprocal (vf a)
{
  vf r = _mm512_rcp14_ps (a);

  return _mm512_fmadd_ps (r, _mm512_fnmadd_ps (a, r, _mm512_set1_ps (1.0f)), r);
}
V_INLINE vf
v_round (vf a)
{
  return _mm512_roundscale_ps (a, 8);
}
V_INLINE vi
v_to_int (vf a)
{
  return (vi) _mm512_cvtps_epi32 (a);
}
V_INLINE vf
v_to_float (vi a)
{
  return _mm512_cvtepi32_ps ((__m512i) a);
}
V_INLINE vf
v_as_float (vi a)
{
  return (vf) a;
}
V_INLINE vi
v_as_int (vf a)
{
  return (vi) a;
}
/* x < y ? a : b */
V_INLINE vf
v_select_lt (vf x, vf y, vf a, vf b)
{
  return _mm512_mask_blend_ps (_mm512_cmp_ps_mask (x, y, _CMP_LT_OQ), b, a);
}
V_INLINE vf
v_bf16 (const uint16_t *p)
{
  __m256i raw = _mm256_loadu_si256 ((const __m256i *) p);

  return (vf) _mm512_slli_epi32 (_mm512_cvtepu16_epi32 (raw), 16);
}
/* 2 VW bfloat16 as they lie in memory: those with even numbers are the upper
 * halves of the words below, those with odd numbers the upper halves here. */
V_INLINE vi
v_bf16_pairs (const uint16_t *p)
{
  return (vi) _mm512_loadu_si512 (p);
}
V_INLINE vi
v_bf16_pairs_n (const uint16_t *p, size_t n)
{
  return (vi) _mm512_maskz_loadu_epi16 ((__mmask32) ((1ull << n) - 1), p);
}
V_INLINE float
v_sum (vf x)
{
  __m256 a = _mm256_add_ps (
      _mm512_castps512_ps256 (x), _mm512_extractf32x8_ps (x, 1));

  a = _mm256_add_ps (a, _mm256_permute_ps (a, 0x0e));
  a = _mm256_add_ps (a, _mm256_movehdup_ps (a));
  return _mm_cvtss_f32 (
      _mm_add_ss (_mm256_castps256_ps128 (a), _mm256_extractf128_ps (a, 1)));
}
/* a + b, halves of a and b folded: [a.lo + a.hi, b.lo + b.hi] */
V_INLINE vf
v_fold_halves (vf a, vf b)
{
  return _mm512_add_ps (
      _mm512_shuffle_f32x4 (a, b, 0x44), _mm512_shuffle_f32x4 (a, b, 0xee));
}
V_INLINE void
v_sum8 (const vf v[8], float out[8])
{
  vf ab = v_fold_halves (v[0], v[4]), cd = v_fold_halves (v[1], v[5]);
  vf ef = v_fold_halves (v[2], v[6]), gh = v_fold_halves (v[3], v[7]);
  vf p = _mm512_add_ps (
      _mm512_unpacklo_ps (ab, cd), _mm512_unpackhi_ps (ab, cd));
  vf q = _mm512_add_ps (
      _mm512_unpacklo_ps (ef, gh), _mm512_unpackhi_ps (ef, gh));
  vf s = _mm512_add_ps (
      _mm512_shuffle_ps (p, q, 0x44), _mm512_shuffle_ps (p, q, 0xee));
  __m256 lo = _mm512_castps512_ps256 (s), hi = _mm512_extractf32x8_ps (s, 1);

  _mm256_storeu_ps (out,
      _mm256_add_ps (_mm256_permute2f128_ps (lo, hi, 0x20),
          _mm256_permute2f128_ps (lo, hi, 0x31)));
}
/* Rows become columns. */
V_INLINE void
v_transpose (vf r[16])
{
  vf a[16], b[16];

  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps (r[i], r[i + 1]);
    a[i + 1] = _mm512_unpackhi_ps (r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    b[i] = _mm512_shuffle_ps (a[i], a[i + 2], 0x44);
    b[i + 1] = _mm512_shuffle_ps (a[i], a[i + 2], 0xee);
    b[i + 2] = _mm512_shuffle_ps (a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm512_shuffle_ps (a[i + 1], a[i + 3], 0xee);
  }
  for (int i = 0; i < 4; i++) {
    a[i] = _mm512_shuffle_f32x4 (b[i], b[i + 4], 0x88);
    a[i + 4] = _mm512_shuffle_f32x4 (b[i], b[i + 4], 0xdd);
    a[i + 8] = _mm512_shuffle_f32x4 (b[i + 8], b[i + 12], 0x88);
    a[i + 12] = _mm512_shuffle_f32x4 (b[i + 8], b[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; i++) {
    r[i] = _mm512_shuffle_f32x4 (a[i], a[i + 8], 0x88);
    r[i + 4] = _mm512_shuffle_f32x4 (a[i + 4], a[i + 12], 0x88);
    r[i + 8] = _mm512_shuffle_f32x4 (a[i], a[i + 8], 0xdd);
    r[i + 12] = _mm512_shuffle_f32x4 (a[i + 4], a[i + 12], 0xdd);
  }
}
V_INLINE float
v_max_lane (vf x)
{
  return _mm512_reduce_max_ps (x);
}

#elif defined(__AVX2__) && defined(__FMA__)

#include <immintrin.h>

#define VW 8
typedef __m256 vf;
typedef int32_t vi __attribute__ ((vector_size (32)));
typedef struct {
  __m256i lanes;
} vm;

V_INLINE vf
v_set1 (float x)
{
  return _mm256_set1_ps (x);
}
V_INLINE vf
v_load (const float *p)
{
  return _mm256_loadu_ps (p);
}
V_INLINE void
v_store (float *p, vf x)
{
  _mm256_storeu_ps (p, x);
}
V_INLINE vm
v_first (size_t n)
{
  static const int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

  return (vm){_mm256_loadu_si256 ((const __m256i *) (ones + 8 - n))};
}
V_INLINE vf
v_load_m (const float *p, vm m)
{
  return _mm256_maskload_ps (p, m.lanes);
}
V_INLINE void
v_store_m (float *p, vm m, vf x)
{
  _mm256_maskstore_ps (p, m.lanes, x);
}
V_INLINE vf
v_fma (vf a, vf b, vf c)
{
  return _mm256_fmadd_ps (a, b, c);
}
V_INLINE vf
v_fnma (vf a, vf b, vf c)
{
  return _mm256_fnmadd_ps (a, b, c);
}
V_INLINE vf
v_max (vf a, vf b)
{
  return _mm256_max_ps (a, b);
}
V_INLINE vf
v_min (vf a, vf b)
{
  return _mm256_min_ps (a, b);
}
V_INLINE vf
v_sqrt (vf a)
{
  return _mm256_sqrt_ps (a);
}
/* 1 / a for finite a. */
V_INLINE vf
v_reciprocal (vf a)
{
  return v_set1 (1.0f) / a;
}
V_INLINE vf
v_round (vf a)
{
  return _mm256_round_ps (a, 8);
}
V_INLINE vi
v_to_int (vf a)
{
  return (vi) _mm256_cvtps_epi32 (a);
}
V_INLINE vf
v_to_float (vi a)
{
  return _mm256_cvtepi32_ps ((__m256i) a);
}
V_INLINE vf
v_as_float (vi a)
{
  return (vf) a;
}
V_INLINE vi
v_as_int (vf a)
{
  return (vi) a;
}
V_INLINE vf
v_select_lt (vf x, vf y, vf a, vf b)
{
  return _mm256_blendv_ps (b, a, _mm256_cmp_ps (x, y, _CMP_LT_OQ));
}
V_INLINE vf
v_bf16 (const uint16_t *p)
{
  __m128i raw = _mm_loadu_si128 ((const __m128i *) p);

  return (vf) _mm256_slli_epi32 (_mm256_cvtepu16_epi32 (raw), 16);
}
V_INLINE vi
v_bf16_pairs (const uint16_t *p)
{
  return (vi) _mm256_loadu_si256 ((const __m256i *) p);
}
V_INLINE vi
v_bf16_pairs_n (const uint16_t *p, size_t n)
{
  vi raw = {0};

  memcpy (&raw, p, n * sizeof (*p));
  return raw;
}
V_INLINE float
v_sum (vf a)
{
  a = _mm256_add_ps (a, _mm256_permute_ps (a, 0x0e));
  a = _mm256_add_ps (a, _mm256_movehdup_ps (a));
  return _mm_cvtss_f32 (
      _mm_add_ss (_mm256_castps256_ps128 (a), _mm256_extractf128_ps (a, 1)));
}
V_INLINE vf
v_fold_quarters (vf a, vf b)
{
  return _mm256_add_ps (_mm256_unpacklo_ps (a, b), _mm256_unpackhi_ps (a, b));
}
V_INLINE void
v_sum8 (const vf v[8], float out[8])
{
  vf ab = v_fold_quarters (v[0], v[1]), cd = v_fold_quarters (v[2], v[3]);
  vf ef = v_fold_quarters (v[4], v[5]), gh = v_fold_quarters (v[6], v[7]);
  vf lo = _mm256_add_ps (
      _mm256_shuffle_ps (ab, cd, 0x44), _mm256_shuffle_ps (ab, cd, 0xee));
  vf hi = _mm256_add_ps (
      _mm256_shuffle_ps (ef, gh, 0x44), _mm256_shuffle_ps (ef, gh, 0xee));

  _mm256_storeu_ps (out,
      _mm256_add_ps (_mm256_permute2f128_ps (lo, hi, 0x20),
          _mm256_permute2f128_ps (lo, hi, 0x31)));
}
/* Rows become columns. */
V_INLINE void
v_transpose (vf r[8])
{
  vf a[8], b[8];

  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps (r[i], r[i + 1]);
    a[i + 1] = _mm256_unpackhi_ps (r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_shuffle_ps (a[i], a[i + 2], 0x44);
    b[i + 1] = _mm256_shuffle_ps (a[i], a[i + 2], 0xee);
    b[i + 2] = _mm256_shuffle_ps (a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm256_shuffle_ps (a[i + 1], a[i + 3], 0xee);
  }
  for (int i = 0; i < 4; i++) {
    r[i] = _mm256_permute2f128_ps (b[i], b[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps (b[i], b[i + 4], 0x31);
  }
}
V_INLINE float
v_max_lane (vf a)
{
  __m128 b = _mm_max_ps (
      _mm256_castps256_ps128 (a), _mm256_extractf128_ps (a, 1));

  b = _mm_max_ps (b, _mm_movehl_ps (b, b));
  b = _mm_max_ss (b, _mm_movehdup_ps (b));
  return _mm_cvtss_f32 (b);
}

#else /* any processor: the compiler's own vectors */

#define VW 4
typedef float vf __attribute__ ((vector_size (16)));
typedef int32_t vi __attribute__ ((vector_size (16)));
typedef size_t vm;

V_INLINE vf
v_set1 (float x)
{
  return (vf){x, x, x, x};
}
V_INLINE vf
v_load (const float *p)
{
  vf x;

  memcpy (&x, p, sizeof (x));
  return x;
}
V_INLINE void
v_store (float *p, vf x)
{
  memcpy (p, &x, sizeof (x));
}
V_INLINE vm
v_first (size_t n)
{
  return n;
}
V_INLINE vf
v_load_m (const float *p, vm m)
{
  vf x = {0};

  for (size_t i = 0; i < m; i++)
    x[i] = p[i];
  return x;
}
V_INLINE void
v_store_m (float *p, vm m, vf x)
{
  for (size_t i = 0; i < m; i++)
    p[i] = x[i];
}
V_INLINE vf
v_fma (vf a, vf b, vf c)
{
  return a * b + c;
}
V_INLINE vf
v_fnma (vf a, vf b, vf c)
{
  return c - a * b;
}
V_INLINE vf
v_as_float (vi a)
{
  return (vf) a;
}
V_INLINE vi
v_as_int (vf a)
{
  return (vi) a;
}
V_INLINE vf
v_select_lt (vf x, vf y, vf a, vf b)
{
  vi m = x < y;

  return (vf) (((vi) a & m) | ((vi) b & ~m));
}
V_INLINE vf
v_max (vf a, vf b)
{
  return v_select_lt (b, a, a, b);
}
V_INLINE vf
v_min (vf a, vf b)
{
  return v_select_lt (a, b, a, b);
}
V_INLINE vf
v_sqrt (vf a)
{
  return (vf){sqrtf (a[0]), sqrtf (a[1]), sqrtf (a[2]), sqrtf (a[3])};
}
/* 1 / a for finite a. */
V_INLINE vf
v_reciprocal (vf a)
{
  return v_set1 (1.0f) / a;
}
/* Only for values well inside the range of an int32_t. */
V_INLINE vf
v_round (vf a)
{
  vf magic = v_set1 (12582912.0f); /* 1.5 2^23: halves go to even */

  return (a + magic) - magic;
}
V_INLINE vi
v_to_int (vf a)
{
  return v_as_int (a + v_set1 (12582912.0f)) - v_as_int (v_set1 (12582912.0f));
}
V_INLINE vf
v_to_float (vi a)
{
  return (vf){(float) a[0], (float) a[1], (float) a[2], (float) a[3]};
}
V_INLINE vf
v_bf16 (const uint16_t *p)
{
  vi x = {p[0], p[1], p[2], p[3]};

  return (vf) (x << 16);
}
V_INLINE vi
v_bf16_pairs (const uint16_t *p)
{
  vi raw;

  memcpy (&raw, p, sizeof (raw));
  return raw;
}
V_INLINE vi
v_bf16_pairs_n (const uint16_t *p, size_t n)
{
  uint16_t raw[2 * VW] = {0};

  for (size_t i = 0; i < n; i++)
    raw[i] = p[i];
  return v_bf16_pairs (raw);
}
V_INLINE float
v_sum (vf a)
{
  return (a[0] + a[2]) + (a[1] + a[3]);
}
V_INLINE void
v_sum8 (const vf v[8], float out[8])
{
  for (int i = 0; i < 8; i++)
    out[i] = v_sum (v[i]);
}
/* Rows become columns. */
V_INLINE void
v_transpose (vf r[4])
{
  vf a = r[0], b = r[1], c = r[2], d = r[3];

  for (int i = 0; i < 4; i++)
    r[i] = (vf){a[i], b[i], c[i], d[i]};
}
V_INLINE float
v_max_lane (vf a)
{
  float b = a[0] > a[2] ? a[0] : a[2], c = a[1] > a[3] ? a[1] : a[3];

  return b > c ? b : c;
}

#endif

V_INLINE vf
v_zero (void)
{
  return v_set1 (0.0f);
}

/* The two halves of the pairs; the order of bytes is little-endian, elsewhere
 * they change places. */
V_INLINE vf
v_bf16_even (vi pairs)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return (vf) (pairs << 16);
#else
  return (vf) (pairs & (int32_t) 0xffff0000);
#endif
}
V_INLINE vf
v_bf16_odd (vi pairs)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return (vf) (pairs & (int32_t) 0xffff0000);
#else
  return (vf) (pairs << 16);
#endif
}

/* The first n <= VW bfloat16 of p as floats, then zeros. */
V_INLINE vf
v_bf16_n (const uint16_t *p, size_t n)
{
  uint16_t part[VW] = {0};

  memcpy (part, p, n * sizeof (*p));
  return v_bf16 (part);
}

/* For loops over [0, n) in steps of VW: the whole vectors, then the rest. */
V_INLINE vf
v_load_n (const float *p, size_t n)
{
  return n >= VW ? v_load (p) : v_load_m (p, v_first (n));
}
V_INLINE void
v_store_n (float *p, size_t n, vf x)
{
  if (n >= VW)
    v_store (p, x);
  else
    v_store_m (p, v_first (n), x);
}
