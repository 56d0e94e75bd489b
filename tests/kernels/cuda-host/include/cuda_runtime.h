/* cuda_runtime.h: what kernels/cuda uses of CUDA, on the host.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The .cu files compile with this in place of NVIDIA's header. Kernels are plain
 * functions. The threads of a block are fibers of one thread of the system, in an
 * order that a seed decides, and run from one barrier or exchange to the next;
 * blocks run one after the other, in some order, those of a cooperative launch in
 * turns. Memory of the device is memory of the host, and every call is done when it
 * returns.
 *
 * What it finds: wrong results, a missing barrier (other results for other seeds),
 * barriers that not all threads reach, reading what nobody wrote (shared and
 * scratch memory hold NaNs at first), and with AddressSanitizer what lies outside
 * of buffers. What it can't: races between barriers of the same order, speed.
 */

#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__ ((always_inline))
#define __noinline__ __attribute__ ((noinline))
#define __launch_bounds__(...)
#define __align__(n) alignas (n)
/* The thread-local memory of this library is shared memory and nothing else. */
#define __shared__ static thread_local
#define __constant__ static

#include "cuda-types.h"
#include "cuda-calls.h"
#include "cuda-fibers.h"
#include "cuda-math.h"
