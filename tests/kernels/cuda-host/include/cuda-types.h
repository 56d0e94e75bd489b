/* cuda-types.h: CUDA's vectors, on the host.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#define CUDA_HOST_VECTORS(type, name, align2, align4)                          \
  struct alignas (align2) name##2                                              \
  {                                                                            \
    type x, y;                                                                 \
  };                                                                           \
  struct name##3                                                               \
  {                                                                            \
    type x, y, z;                                                              \
  };                                                                           \
  struct alignas (align4) name##4                                              \
  {                                                                            \
    type x, y, z, w;                                                           \
  };                                                                           \
  static inline name##2 make_##name##2(type x, type y)                         \
  {                                                                            \
    return {x, y};                                                             \
  }                                                                            \
  static inline name##3 make_##name##3(type x, type y, type z)                 \
  {                                                                            \
    return {x, y, z};                                                          \
  }                                                                            \
  static inline name##4 make_##name##4(type x, type y, type z, type w)         \
  {                                                                            \
    return {x, y, z, w};                                                       \
  }

CUDA_HOST_VECTORS (float, float, 8, 16)
CUDA_HOST_VECTORS (int, int, 8, 16)
CUDA_HOST_VECTORS (unsigned, uint, 8, 16)
CUDA_HOST_VECTORS (unsigned short, ushort, 4, 8)
CUDA_HOST_VECTORS (unsigned char, uchar, 2, 4)
CUDA_HOST_VECTORS (double, double, 16, 16)

#undef CUDA_HOST_VECTORS

struct dim3 {
  unsigned x, y, z;

  constexpr dim3 (unsigned x = 1, unsigned y = 1, unsigned z = 1)
      : x (x), y (y), z (z)
  {
  }
};
