/* cuda-fibers.h: threads, barriers and warps, on the host.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

/* Of the fiber that runs. */
extern dim3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

/* The most bytes that a lane gives away at once. */
#define CUDA_HOST_SLOT 64

/* Runs body (data) as every thread of a grid. With `together`, all blocks are alive
 * at once; they have dynamic shared memory of their own, but no other. */
void cuda_host_run (dim3 grid, dim3 block, size_t shared, bool together,
    void (*body) (void *), void *data);
void *cuda_host_dynamic (void);

template <typename Body>
static inline void
cuda_host_launch (
    dim3 grid, dim3 block, size_t shared, Body body, bool together = false)
{
  cuda_host_run (
      grid, block, shared, together, [] (void *data) { (*(Body *) data) (); },
      &body);
}

/* Waits for all threads of the block that have not ended, each at the same kind
 * of barrier. */
void cuda_host_barrier (void);

/* Waits for all lanes of the mask, at the same `operation`; then each can look at
 * what the others gave, until it waits again. */
void cuda_host_meet (
    unsigned mask, const char *operation, const void *given, size_t bytes);
/* NaNs for a lane that didn't take part. */
const void *cuda_host_given (unsigned lane);
unsigned cuda_host_lane (void);

static inline void
__syncthreads (void)
{
  cuda_host_barrier ();
}

static inline void
__syncwarp (unsigned mask = 0xffffffffu)
{
  cuda_host_meet (mask, "__syncwarp", NULL, 0);
}

/* Fibers see each other's writes at once. */
static inline void
__threadfence (void)
{
}

static inline void
__threadfence_block (void)
{
}

static inline void
__threadfence_system (void)
{
}

/* ------------------------------------------------------------------------- */
/* Exchanges                                                                 */
/* ------------------------------------------------------------------------- */

template <typename T>
static inline T
cuda_host_exchange (
    unsigned mask, const char *operation, const T &value, unsigned source)
{
  T result;

  static_assert (sizeof (T) <= CUDA_HOST_SLOT, "too large for a slot");
  cuda_host_meet (mask, operation, &value, sizeof (T));
  memcpy (&result, cuda_host_given (source), sizeof (T));
  return result;
}

template <typename T>
static inline T
__shfl_sync (unsigned mask, T value, int source, int width = warpSize)
{
  int group = (int) cuda_host_lane () & ~(width - 1);

  return cuda_host_exchange (
      mask, "__shfl_sync", value, group + (source & (width - 1)));
}

template <typename T>
static inline T
__shfl_xor_sync (unsigned mask, T value, int bits, int width = warpSize)
{
  int lane = (int) cuda_host_lane (), source = lane ^ bits;

  if (source >= (lane & ~(width - 1)) + width)
    source = lane;
  return cuda_host_exchange (mask, "__shfl_xor_sync", value, source);
}

template <typename T>
static inline T
__shfl_down_sync (unsigned mask, T value, unsigned by, int width = warpSize)
{
  int lane = (int) cuda_host_lane (), source = lane + (int) by;

  if (source >= (lane & ~(width - 1)) + width)
    source = lane;
  return cuda_host_exchange (mask, "__shfl_down_sync", value, source);
}

template <typename T>
static inline T
__shfl_up_sync (unsigned mask, T value, unsigned by, int width = warpSize)
{
  int lane = (int) cuda_host_lane (), source = lane - (int) by;

  if (source < (lane & ~(width - 1)))
    source = lane;
  return cuda_host_exchange (mask, "__shfl_up_sync", value, source);
}

unsigned cuda_host_ballot (unsigned mask, const char *operation, bool vote);

static inline unsigned
__ballot_sync (unsigned mask, int vote)
{
  return cuda_host_ballot (mask, "__ballot_sync", vote != 0);
}

static inline int
__any_sync (unsigned mask, int vote)
{
  return cuda_host_ballot (mask, "__any_sync", vote != 0) != 0;
}

static inline int
__all_sync (unsigned mask, int vote)
{
  return cuda_host_ballot (mask, "__all_sync", vote == 0) == 0;
}

/* As __syncthreads (), and the number of threads whose vote isn't 0. */
int __syncthreads_count (int vote);

static inline int
__syncthreads_or (int vote)
{
  return __syncthreads_count (vote) > 0;
}

static inline int
__syncthreads_and (int vote)
{
  return __syncthreads_count (vote == 0) == 0;
}

/* Integers alone: sums of floats would be in any order. */
template <typename T>
static inline T
atomicAdd (T *at, T value)
{
  static_assert (T (0.5) == T (0), "only integers");
  T before = *at;

  *at += value;
  return before;
}

template <typename T>
static inline T
atomicMax (T *at, T value)
{
  T before = *at;

  *at = before > value ? before : value;
  return before;
}

/* Lets others run before it looks again at what they may have written. */
void cuda_host_look (const char *operation);

/* kernels/cuda/async.h: copies to shared memory, done when they are waited for.
 * From NULL: zeros. */
void cuda_host_copy_later (void *to, const void *from, size_t bytes);
void cuda_host_copies_begun (void);
void cuda_host_copies_wait (unsigned pending);

/* kernels/cuda/mma.h. */
uint32_t cuda_host_mma_across (uint32_t x);
void cuda_host_mma_bf16 (
    float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
