/* cuda.h: what the files of the CUDA device share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One operation, or one close family, a file, forward and backward side by side.
 * All of it is C++20 for nvcc, and compiles for the host too, where a shim runs
 * the threads of a block as fibers (tests/kernels/cuda-host): so kernels use no
 * inline assembler, but for what headers here wrap. Products are fused with
 * additions only where fmaf () says so, on either compiler.
 *
 * An operation looks like this:
 *
 *   void
 *   mblm_cuda_x (MblmQueue *queue, const MblmX *a)
 *   {
 *     if (!mblm_cuda_begin (queue) || a->rows == 0)
 *       return;
 *     mblm_cuda_launch (queue, x_kernel, mblm_cuda_blocks (count, 256), 256, 0,
 *         a->x, count);
 *   }
 *
 * Nothing waits for the device but what has to (see mblm-kernels.h). There are no
 * atomic additions of floating point numbers: the shapes alone decide the order
 * of every sum.
 */

#pragma once

#include <cuda_runtime.h>

#include <stdint.h>
#include <type_traits>

#include "mblm-kernels.h"
#include "operations.h"

#define MBLM_CUDA_WARP 32

/* Launches name a size of block up to this. */
#define MBLM_CUDA_MOST_THREADS 1024

/* Libraries that a queue has a handle of. */
enum MblmCudaLibrary {
  MBLM_CUDA_CUBLASLT,
  MBLM_CUDA_CUDNN,
  MBLM_CUDA_LIBRARIES,
};

/* A handle with all that belongs to it; made by the file that needs it. */
struct MblmCudaHandle {
  void *data;
  void (*destroy) (void *data); /* the device is current */
};

struct _MblmKernelDevice {
  int index;
  int multiprocessors;
  int major, minor;  /* the compute capability */
  int shared_memory; /* bytes that a block may ask for */
  char description[320];
};

struct _MblmQueue {
  MblmKernelDevice *device;
  cudaStream_t stream;
  MblmStatus status; /* sticks until `queue_wait` clears it */
  bool tf32;         /* products of float32 may round their operands to it */
  void *scratch;
  size_t scratch_size; /* in bytes */
  void *staging; /* between host and device; NULL before the first transfer */
  size_t staged; /* where the next upload goes there */
  cudaEvent_t staging_read[2]; /* each half of it, by the device */
  MblmCudaHandle libraries[MBLM_CUDA_LIBRARIES];
  /* What a step of a Transformer sends between blocks (letters.h). */
  uint64_t *letters; /* zeros at first */
  size_t letters_count;
  uint32_t stamp; /* of the last launch that used them */
  /* What samples tell the host (sample.cu). */
  uint32_t *told;   /* MBLM_MOST_TOLD slots in memory that both see */
  size_t told_size; /* words of all that */
  size_t told_rows, told_vocabulary; /* of the samples that are outstanding */
  uint32_t told_sent, told_taken;    /* samples so far */
};

/* ------------------------------------------------------------------------- */
/* Errors                                                                    */
/* ------------------------------------------------------------------------- */

/* Makes the queue's device that of this thread. False: the queue has failed, and
 * the operation does nothing. */
bool mblm_cuda_begin (MblmQueue *queue);

/* Lets an error stick to the queue; true where there is none. */
bool mblm_cuda_check (MblmQueue *queue, cudaError_t error);

/* ------------------------------------------------------------------------- */
/* Sizes                                                                     */
/* ------------------------------------------------------------------------- */

__host__ __device__ constexpr size_t
divide_up (size_t n, size_t by)
{
  return n / by + (n % by != 0);
}

__host__ __device__ constexpr size_t
min_size (size_t a, size_t b)
{
  return a < b ? a : b;
}

__host__ __device__ constexpr size_t
max_size (size_t a, size_t b)
{
  return a > b ? a : b;
}

/* a * b * c; SIZE_MAX where that is no size_t. Scratch memory of such a size can't
 * be had, so nothing else needs to look. */
static inline size_t
mblm_cuda_count (size_t a, size_t b, size_t c = 1)
{
  size_t product;

  if (__builtin_mul_overflow (a, b, &product) ||
      __builtin_mul_overflow (product, c, &product))
    return SIZE_MAX;
  return product;
}

/* The most blocks of a kernel that walks over its data in strides of the whole
 * grid: several for each multiprocessor of any device. No result depends on it. */
#define MBLM_CUDA_BLOCKS 2048

/* The blocks of `threads` that walk so over `count` items. */
static inline unsigned
mblm_cuda_blocks (size_t count, unsigned threads)
{
  return (unsigned) min_size (divide_up (count, threads), MBLM_CUDA_BLOCKS);
}

/* The item of this thread, and how many threads there are: x only. */
__device__ static inline size_t
mblm_cuda_thread (void)
{
  return (size_t) blockIdx.x * blockDim.x + threadIdx.x;
}

__device__ static inline size_t
mblm_cuda_threads (void)
{
  return (size_t) gridDim.x * blockDim.x;
}

/* True where every one of these addresses allows loads of 16 bytes, and `sizes`,
 * all widths and strides joined by |, are whole groups of four floats. */
template <typename... P>
static inline bool
mblm_cuda_aligned (size_t sizes, const P *...pointers)
{
  return sizes % 4 == 0 && ((((uintptr_t) pointers | ...) & 15) == 0);
}

/* ------------------------------------------------------------------------- */
/* Scratch memory                                                            */
/* ------------------------------------------------------------------------- */

/* An operation has one piece of scratch memory, until the next operation of the
 * same queue; it is not initialised. Adds a part of `count` entries to it:
 *
 *   MblmCudaScratch scratch = {queue};
 *   size_t sums = mblm_cuda_part (&scratch, count, sizeof (float));
 *   size_t more = ...
 *   if (!mblm_cuda_scratch (&scratch))
 *     return;
 *   float *s = mblm_cuda_at<float> (&scratch, sums);
 */
struct MblmCudaScratch {
  MblmQueue *queue;
  size_t size; /* in bytes */
  char *memory;
};

size_t mblm_cuda_part (MblmCudaScratch *self, size_t count, size_t entry_size);
/* False: no memory, and the queue knows. */
bool mblm_cuda_scratch (MblmCudaScratch *self);

template <typename T>
static inline T *
mblm_cuda_at (const MblmCudaScratch *self, size_t part)
{
  return (T *) (self->memory + part);
}

/* ------------------------------------------------------------------------- */
/* Launches                                                                  */
/* ------------------------------------------------------------------------- */

/* Whether a launch may go on: the queue is well and there are blocks. */
bool mblm_cuda_may_launch (
    MblmQueue *queue, const void *kernel, dim3 grid, size_t shared);

/* Runs kernel (args...) in blocks of `block` with `shared` bytes of dynamic
 * shared memory. An empty grid is no error. */
template <typename... P>
static inline void
mblm_cuda_launch (MblmQueue *queue, void (*kernel) (P...), dim3 grid,
    dim3 block, size_t shared, std::type_identity_t<P>... args)
{
  static_assert ((sizeof (P) + ... + 0) <= 4096, "too many arguments");

  if (!mblm_cuda_may_launch (queue, (const void *) kernel, grid, shared))
    return;
#ifdef __CUDACC__
  kernel<<<grid, block, shared, queue->stream>>> (args...);
#else
  cuda_host_launch (grid, block, shared, [&] { kernel (args...); });
#endif
  mblm_cuda_check (queue, cudaGetLastError ());
}

/* The same with all blocks on the device at once, so that they may wait for each
 * other. False: so many are too many, and nothing has happened. */
template <typename... P>
static inline bool
mblm_cuda_launch_together (MblmQueue *queue, void (*kernel) (P...), dim3 grid,
    dim3 block, size_t shared, std::type_identity_t<P>... args)
{
  static_assert ((sizeof (P) + ... + 0) <= 4096, "too many arguments");
  cudaError_t error = cudaSuccess;

  if (!mblm_cuda_may_launch (queue, (const void *) kernel, grid, shared))
    return true;
#ifdef __CUDACC__
  void *pointers[] = {&args...};

  error = cudaLaunchCooperativeKernel (
      (const void *) kernel, grid, block, pointers, shared, queue->stream);
#else
  cuda_host_launch (
      grid, block, shared, [&] { kernel (args...); }, true);
#endif
  if (error == cudaErrorCooperativeLaunchTooLarge) {
    cudaGetLastError ();
    return false;
  }
  mblm_cuda_check (queue, error);
  return true;
}

/* The dynamic shared memory of a block: MBLM_CUDA_DYNAMIC (float, tile); */
#ifdef __CUDACC__
#define MBLM_CUDA_DYNAMIC(type, name)                                          \
  extern __shared__ __align__ (16) unsigned char mblm_cuda_dynamic[];          \
  type *name = reinterpret_cast<type *> (mblm_cuda_dynamic)
#else
#define MBLM_CUDA_DYNAMIC(type, name)                                          \
  type *name = reinterpret_cast<type *> (cuda_host_dynamic ())
#endif
