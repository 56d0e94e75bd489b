/* vecmath.h: exponential, logarithm and what is made of them, on vectors.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Each is accurate to about one unit in the last place. The polynomials are
 * minimax fits (of the relative error) of our own. Not-a-numbers stay what they
 * are.
 */

#pragma once

#include "vec.h"

/* 2^n for n in [-126, 127]. */
V_INLINE vf
v_power_of_2 (vi n)
{
  return v_as_float ((n + 127) << 23);
}

/* exp (x) = that times 2^n. */
V_INLINE vf
v_exp_parts (vf x, vf *n)
{
  vf r, p;

  *n = v_round (x * v_set1 (1.44269504f));
  r = v_fnma (*n, v_set1 (0.693145752f), x);
  r = v_fnma (*n, v_set1 (1.42860677e-6f), r);
  p = v_set1 (0.00138145557f);
  p = v_fma (p, r, v_set1 (0.00836873599f));
  p = v_fma (p, r, v_set1 (0.0416683899f));
  p = v_fma (p, r, v_set1 (0.166665205f));
  p = v_fma (p, r, v_set1 (0.499999934f));
  return v_fma (p, r * r, r) + v_set1 (1.0f);
}

/* Below -87.3, where floats become subnormal, the result is 2^-126; above 88.7
 * it is 2^127 sqrt 2: callers divide by 1 + that, or have arguments <= 0. */
V_INLINE vf
v_exp_bounded (vf x)
{
  vf n, p;

  x = v_min (v_set1 (88.37f), v_max (v_set1 (-87.33f), x));
  p = v_exp_parts (x, &n);
  return p * v_power_of_2 (v_to_int (n));
}

/* For x <= 0 (or not a number): 0 where the result would be subnormal. */
V_INLINE vf
v_exp (vf x)
{
#if VW == 16
  /* The same in fewer steps. */
  __mmask16 normal = _mm512_cmp_ps_mask (x, v_set1 (-87.33f), _CMP_NLT_UQ);
  vf n, p = v_exp_parts (v_max (v_set1 (-88.0f), x), &n);

  return _mm512_maskz_scalef_ps (normal, p, n);
#else
  return v_select_lt (x, v_set1 (-87.33f), v_zero (), v_exp_bounded (x));
#endif
}

/* For normal x > 0. */
V_INLINE vf
v_log (vf x)
{
  /* x = m 2^n with m in [sqrt 1/2, sqrt 2) */
  vi bits = v_as_int (x) - 0x3f3504f3;
  vf n = v_to_float (bits >> 23);
  vf m = v_as_float ((bits & 0x007fffff) + 0x3f3504f3);
  vf f = m - v_set1 (1.0f);
  vf s = f / (m + v_set1 (1.0f));
  vf z = s * s, p;

  /* log (1 + f) = 2 s + s z p = f - s (f - z p), the series of atanh */
  p = v_set1 (0.2222222f);
  p = v_fma (p, z, v_set1 (0.2857143f));
  p = v_fma (p, z, v_set1 (0.4f));
  p = v_fma (p, z, v_set1 (0.6666667f));
  p = f - s * (f - z * p);
  return v_fma (
      n, v_set1 (0.693145752f), v_fma (n, v_set1 (1.42860677e-6f), p));
}

/* log (1 + exp (x)), x itself above 20. */
V_INLINE vf
v_softplus (vf x)
{
  vf e = v_exp_bounded (v_min (v_set1 (20.0f), x));
  vf u = e + v_set1 (1.0f);
  /* what the sum has rounded away, to first order */
  vf y = v_log (u) + (e - (u - v_set1 (1.0f))) / u;

  return v_select_lt (v_set1 (20.0f), x, x, y);
}

/* x / (1 + exp (-x)) */
V_INLINE vf
v_silu (vf x)
{
  return x * v_reciprocal (v_set1 (1.0f) + v_exp_bounded (v_zero () - x));
}

/* The derivative of v_silu, s (1 + x (1 - s)); 1 - s is exp (-x) s. */
V_INLINE vf
v_silu_slope (vf x)
{
  vf one = v_set1 (1.0f), e = v_exp_bounded (v_zero () - x);
  vf s = v_reciprocal (one + e);

  return s * v_fma (x, e * s, one);
}

/* The derivative of v_softplus, 1 / (1 + exp (-x)), and 1 above 20. */
V_INLINE vf
v_softplus_slope (vf x)
{
  vf one = v_set1 (1.0f);
  vf s = v_reciprocal (one + v_exp_bounded (v_zero () - x));

  return v_select_lt (v_set1 (20.0f), x, one, s);
}

/* The lower tail of the normal distribution, P (-a) for a >= 0, is this times
 * exp (-a^2 / 2): a polynomial in 1 / (1 + 0.35 a), relatively accurate up to
 * where the tail is subnormal: nothing is lost by 1 + erf near -1. */
V_INLINE vf
v_normal_tail (vf a)
{
  vf t = v_reciprocal (v_fma (v_set1 (0.35f), a, v_set1 (1.0f))), p;

  p = v_set1 (-0.0291260732f);
  p = v_fma (p, t, v_set1 (0.143873217f));
  p = v_fma (p, t, v_set1 (-0.25550652f));
  p = v_fma (p, t, v_set1 (0.158931428f));
  p = v_fma (p, t, v_set1 (-0.0229385321f));
  p = v_fma (p, t, v_set1 (0.105433489f));
  p = v_fma (p, t, v_set1 (0.119852308f));
  p = v_fma (p, t, v_set1 (0.139859098f));
  p = v_fma (p, t, v_set1 (0.139621569f));
  return p * t;
}

/* x times the normal distribution function of x. Beyond 14.5 the tail is 0 in
 * float32, and infinity times it must not come up. */
V_INLINE vf
v_gelu (vf x)
{
  vf a = v_min (v_set1 (14.5f), v_max (x, v_zero () - x));
  vf p = v_normal_tail (a) * v_exp (v_set1 (-0.5f) * a * a) * a;

  return v_select_lt (x, v_zero (), v_zero () - p, x - p);
}

/* Its derivative P (x) + x p (x), p the density; beyond 14.5 the density is 0 in
 * float32. */
V_INLINE vf
v_gelu_slope (vf x)
{
  vf a = v_min (v_set1 (14.5f), v_max (x, v_zero () - x));
  vf p = v_fnma (v_set1 (0.39894228f), a, v_normal_tail (a));

  p = p * v_exp (v_set1 (-0.5f) * a * a);
  return v_select_lt (x, v_zero (), p, v_set1 (1.0f) - p);
}
