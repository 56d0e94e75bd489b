/* async.h: copies from memory to shared memory that nobody waits for at once.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A thread starts copies, closes a group of them, and waits until no more than a
 * number of its last groups are on their way. Then it sees what the others brought,
 * and other threads do after a barrier. Needs compute capability 8.0.
 */

#pragma once

#include "cuda.h"

/* What the second level cache gives up first. */
typedef uint64_t MblmCudaPolicy;

__device__ static inline MblmCudaPolicy
mblm_cuda_policy_first (void)
{
  MblmCudaPolicy policy = 0;

#ifdef __CUDACC__
  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
#endif
  return policy;
}

/* 16 bytes, aligned to that; zeros where not `is_there`. They pass by the first
 * level cache. */
__device__ static inline void
mblm_cuda_async_copy (
    void *shared, const void *from, bool is_there, MblmCudaPolicy policy)
{
#ifdef __CUDACC__
  asm volatile(
      "cp.async.cg.shared.global.L2::cache_hint [%0], [%1], 16, %2, %3;"
      :
      : "r"((unsigned) __cvta_generic_to_shared (shared)), "l"(from),
      "r"(is_there ? 16 : 0), "l"(policy)
      : "memory");
#else
  cuda_host_copy_later (shared, is_there ? from : NULL, 16);
#endif
}

__device__ static inline void
mblm_cuda_async_close (void)
{
#ifdef __CUDACC__
  asm volatile("cp.async.commit_group;" : : : "memory");
#else
  cuda_host_copies_begun ();
#endif
}

template <int pending>
__device__ static inline void
mblm_cuda_async_wait (void)
{
#ifdef __CUDACC__
  asm volatile("cp.async.wait_group %0;" : : "n"(pending) : "memory");
#else
  cuda_host_copies_wait (pending);
#endif
}

/* For a number that only the threads know, up to `most`: any larger one is that. */
template <int most>
__device__ static inline void
mblm_cuda_async_wait_for (int pending)
{
  if constexpr (most == 0)
    mblm_cuda_async_wait<0> ();
  else if (pending >= most)
    mblm_cuda_async_wait<most> ();
  else
    mblm_cuda_async_wait_for<most - 1> (pending);
}
