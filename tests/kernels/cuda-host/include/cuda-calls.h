/* cuda-calls.h: the calls of CUDA's runtime that kernels/cuda makes, on the host.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The device is one of compute capability 9.0. The variable CUDA_HOST_ERROR makes
 * every look for a device fail with the error of that number, CUDA_HOST_DRIVER is
 * the version of the driver then, and CUDA_HOST_MAJOR the major number of the
 * compute capability.
 */

#pragma once

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorStubLibrary = 34,
  cudaErrorInsufficientDriver = 35,
  cudaErrorInvalidDeviceFunction = 98,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorUnsupportedPtxVersion = 222,
  cudaErrorNotReady = 600,
  cudaErrorCooperativeLaunchTooLarge = 720,
  cudaErrorUnknown = 999,
};

enum cudaMemcpyKind {
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDefault = 4,
};

enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
};

struct cudaFuncAttributes {
  int numRegs;
  size_t sharedSizeBytes;
  int maxDynamicSharedSizeBytes;
};

struct cudaDeviceProp {
  char name[256];
  int multiProcessorCount;
  int major, minor;
  size_t sharedMemPerBlockOptin;
};

typedef struct CudaHostStream *cudaStream_t;
typedef struct CudaHostEvent *cudaEvent_t;

#define cudaStreamNonBlocking 1u
#define cudaEventDisableTiming 2u

cudaError_t cudaGetDeviceCount (int *count);
cudaError_t cudaGetDeviceProperties (cudaDeviceProp *properties, int device);
cudaError_t cudaSetDevice (int device);
cudaError_t cudaGetDevice (int *device);
cudaError_t cudaMemGetInfo (size_t *free_bytes, size_t *all);
cudaError_t cudaDriverGetVersion (int *version);
cudaError_t cudaRuntimeGetVersion (int *version);
cudaError_t cudaGetLastError (void);
cudaError_t cudaPeekAtLastError (void);
const char *cudaGetErrorString (cudaError_t error);

/* Memory is aligned as NVIDIA's is, and filled with NaNs. */
cudaError_t cuda_host_malloc (void **memory, size_t bytes);
cudaError_t cudaFree (void *memory);
cudaError_t cudaMallocHost (void **memory, size_t bytes);
cudaError_t cudaFreeHost (void *memory);
cudaError_t cudaMemcpyAsync (void *to, const void *from, size_t bytes,
    cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync (
    void *to, int value, size_t bytes, cudaStream_t stream);

cudaError_t cudaStreamCreateWithFlags (cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamDestroy (cudaStream_t stream);
cudaError_t cudaStreamSynchronize (cudaStream_t stream);
cudaError_t cudaStreamQuery (cudaStream_t stream);
cudaError_t cudaStreamWaitEvent (
    cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventCreateWithFlags (cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy (cudaEvent_t event);
cudaError_t cudaEventRecord (cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize (cudaEvent_t event);
cudaError_t cudaEventQuery (cudaEvent_t event);

cudaError_t cudaFuncGetAttributes (
    cudaFuncAttributes *attributes, const void *kernel);
cudaError_t cudaFuncSetAttribute (
    const void *kernel, cudaFuncAttribute attribute, int value);

template <typename T>
static inline cudaError_t
cudaMalloc (T **memory, size_t bytes)
{
  return cuda_host_malloc ((void **) memory, bytes);
}

/* Not CUDA's: whoever touches a device's memory, as only a device may, has one of
 * these meanwhile (memory.cpp). */
struct CudaHostAccess {
  CudaHostAccess ();
  ~CudaHostAccess ();
  CudaHostAccess (const CudaHostAccess &) = delete;
  CudaHostAccess &operator= (const CudaHostAccess &) = delete;
};

/* Nor this: NaNs, in what must not be read before it is written. */
void cuda_host_poison (void *memory, size_t bytes);
