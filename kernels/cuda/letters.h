/* letters.h: numbers that blocks of a running grid send each other.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A letter is one word: a float, and the stamp of the launch that wrote it. Who
 * needs the number reads the word until the stamp is that of its own launch. So the
 * number comes as soon as it can, with no barrier and no fence: a word is written
 * and read as one, and says itself that it is there. A grid writes each of its
 * letters once, and all of its blocks have to be on the device at once (see
 * mblm_cuda_launch_together).
 */

#pragma once

#include "cuda.h"

typedef uint64_t MblmCudaLetter;

__device__ static inline void
mblm_cuda_send (MblmCudaLetter *to, float value, uint32_t stamp)
{
  MblmCudaLetter letter = (MblmCudaLetter) stamp << 32 |
      __float_as_uint (value);

#ifdef __CUDACC__
  asm volatile("st.relaxed.gpu.global.u64 [%0], %1;"
               :
               : "l"(to), "l"(letter)
               : "memory");
#else
  *to = letter;
#endif
}

/* Two letters that lie beside each other, aligned to 16 bytes, as they are now. */
__device__ static inline void
letters_look (const MblmCudaLetter *from, MblmCudaLetter (&now)[2])
{
#ifdef __CUDACC__
  asm volatile("ld.relaxed.gpu.global.v2.u64 {%0, %1}, [%2];"
               : "=l"(now[0]), "=l"(now[1])
               : "l"(from)
               : "memory");
#else
  now[0] = from[0];
  now[1] = from[1];
#endif
}

__device__ static inline void
letters_look (const MblmCudaLetter *from, MblmCudaLetter (&now)[1])
{
#ifdef __CUDACC__
  asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];"
               : "=l"(now[0])
               : "l"(from)
               : "memory");
#else
  now[0] = from[0];
#endif
}

/* Before the next look. */
__device__ static inline void
letters_rest (void)
{
#ifndef __CUDACC__
  cuda_host_look ("a letter");
#endif
}

/* `count` numbers that lie beside each other: two at a time, from addresses that
 * are aligned so, or one. */
template <int count>
__device__ static inline void
mblm_cuda_receive (
    const MblmCudaLetter *from, uint32_t stamp, float (&values)[count])
{
  constexpr int at_once = count % 2 == 0 ? 2 : 1;
  MblmCudaLetter now[count / at_once][at_once];
  bool is_here;

  for (;;) {
    is_here = true;
#pragma unroll
    for (int i = 0; i < count / at_once; i++)
      letters_look (from + i * at_once, now[i]);
#pragma unroll
    for (int i = 0; i < count; i++)
      is_here &= (uint32_t) (now[i / at_once][i % at_once] >> 32) == stamp;
    if (is_here)
      break;
    letters_rest ();
  }
#pragma unroll
  for (int i = 0; i < count; i++)
    values[i] = __uint_as_float ((uint32_t) now[i / at_once][i % at_once]);
}
