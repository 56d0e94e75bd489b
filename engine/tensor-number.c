/* tensor-number.c: float32, bfloat16 and float16.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "safetensors-private.h"

#include <string.h>

static guint32
bits_of (float x)
{
  guint32 bits;

  memcpy (&bits, &x, 4);
  return bits;
}

static float
float_of (guint32 bits)
{
  float x;

  memcpy (&x, &bits, 4);
  return x;
}

guint16
mblm_bf16_from_float (float x)
{
  guint32 bits = bits_of (x);

  /* a NaN whose payload lies in the lower half must not become infinite */
  if ((bits & 0x7fffffff) > 0x7f800000)
    return (guint16) (bits >> 16 | 0x40);
  return (guint16) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float
mblm_float_from_bf16 (guint16 x)
{
  return float_of ((guint32) x << 16);
}

float
mblm_float_from_f16 (guint16 x)
{
  guint32 sign = (guint32) (x & 0x8000) << 16;
  guint32 exponent = x >> 10 & 0x1f;
  guint32 mantissa = x & 0x3ff;

  if (exponent == 0x1f)
    return float_of (sign | 0x7f800000 | mantissa << 13);
  if (exponent != 0)
    return float_of (sign | (exponent + 112) << 23 | mantissa << 13);
  /* zero and subnormal numbers: mantissa * 2^-24 is exact in float32 */
  return float_of (sign | bits_of ((float) mantissa * 0x1p-24f));
}

guint16
mblm_f16_from_float (float x)
{
  guint32 bits = bits_of (x);
  guint16 sign = (guint16) (bits >> 16 & 0x8000);
  guint32 magnitude = bits & 0x7fffffff;

  if (magnitude > 0x7f800000)
    return (guint16) (sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) /* from 65520 on: infinite */
    return sign | 0x7c00;
  if (magnitude < 0x38800000)
    /* below 2^-14: adding 0.5 rounds to a multiple of 2^-24, ties to even */
    return (guint16) (sign |
        (bits_of (float_of (magnitude) + 0.5f) - bits_of (0.5f)));
  magnitude += 0xfff + (magnitude >> 13 & 1);
  return (guint16) (sign | (magnitude - 0x38000000) >> 13);
}
