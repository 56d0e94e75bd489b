/* runtime.cpp: CUDA's runtime without a device.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "cuda_runtime.h"

#include <atomic>

/* A driver that is new enough. */
#define DRIVER 99000
#define RUNTIME 13000

struct CudaHostStream {
  bool is_open;
};

struct CudaHostEvent {
  bool is_open;
};

/* CUDA keeps the last error for each thread; only code that fails reads it. */
static std::atomic<cudaError_t> last_error = cudaSuccess;

static cudaError_t
fail (cudaError_t error)
{
  last_error = error;
  return error;
}

static int
number_of (const char *variable, int other)
{
  const char *text = getenv (variable);

  return text ? atoi (text) : other;
}

cudaError_t
cudaGetDeviceCount (int *count)
{
  cudaError_t error = (cudaError_t) number_of ("CUDA_HOST_ERROR", cudaSuccess);

  *count = error == cudaSuccess ? 1 : 0;
  return error == cudaSuccess ? error : fail (error);
}

cudaError_t
cudaGetDeviceProperties (cudaDeviceProp *properties, int device)
{
  if (device != 0)
    return fail (cudaErrorInvalidDevice);
  *properties = {};
  snprintf (properties->name, sizeof (properties->name), "fibers of the host");
  properties->multiProcessorCount = 3;
  properties->major = number_of ("CUDA_HOST_MAJOR", 9);
  properties->sharedMemPerBlockOptin = 227 * 1024;
  return cudaSuccess;
}

cudaError_t
cudaSetDevice (int device)
{
  return device == 0 ? cudaSuccess : fail (cudaErrorInvalidDevice);
}

cudaError_t
cudaGetDevice (int *device)
{
  *device = 0;
  return cudaSuccess;
}

/* As if nothing were taken of so many GiB. */
cudaError_t
cudaMemGetInfo (size_t *free_bytes, size_t *all)
{
  *free_bytes = *all = (size_t) number_of ("CUDA_HOST_GIB", 8) << 30;
  return cudaSuccess;
}

cudaError_t
cudaDriverGetVersion (int *version)
{
  *version = number_of ("CUDA_HOST_DRIVER", DRIVER);
  return cudaSuccess;
}

cudaError_t
cudaRuntimeGetVersion (int *version)
{
  *version = RUNTIME;
  return cudaSuccess;
}

cudaError_t
cudaGetLastError (void)
{
  return last_error.exchange (cudaSuccess);
}

cudaError_t
cudaPeekAtLastError (void)
{
  return last_error;
}

const char *
cudaGetErrorString (cudaError_t error)
{
  return error == cudaSuccess ? "no error" : "an error that the host made up";
}

/* ------------------------------------------------------------------------- */
/* Streams and events                                                        */
/* ------------------------------------------------------------------------- */

cudaError_t
cudaStreamCreateWithFlags (cudaStream_t *stream, unsigned flags)
{
  *stream = new CudaHostStream{true};
  return cudaSuccess;
}

cudaError_t
cudaStreamDestroy (cudaStream_t stream)
{
  delete stream;
  return cudaSuccess;
}

cudaError_t
cudaStreamSynchronize (cudaStream_t stream)
{
  return stream && stream->is_open ? cudaSuccess : fail (cudaErrorInvalidValue);
}

cudaError_t
cudaStreamQuery (cudaStream_t stream)
{
  return cudaStreamSynchronize (stream);
}

cudaError_t
cudaStreamWaitEvent (cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
  return event && event->is_open ? cudaSuccess : fail (cudaErrorInvalidValue);
}

cudaError_t
cudaEventCreateWithFlags (cudaEvent_t *event, unsigned flags)
{
  *event = new CudaHostEvent{true};
  return cudaSuccess;
}

cudaError_t
cudaEventDestroy (cudaEvent_t event)
{
  delete event;
  return cudaSuccess;
}

cudaError_t
cudaEventRecord (cudaEvent_t event, cudaStream_t stream)
{
  return cudaStreamSynchronize (stream);
}

cudaError_t
cudaEventSynchronize (cudaEvent_t event)
{
  return event && event->is_open ? cudaSuccess : fail (cudaErrorInvalidValue);
}

cudaError_t
cudaEventQuery (cudaEvent_t event)
{
  return cudaEventSynchronize (event);
}

/* ------------------------------------------------------------------------- */
/* Kernels                                                                   */
/* ------------------------------------------------------------------------- */

cudaError_t
cudaFuncGetAttributes (cudaFuncAttributes *attributes, const void *kernel)
{
  *attributes = {};
  return cudaSuccess;
}

cudaError_t
cudaFuncSetAttribute (
    const void *kernel, cudaFuncAttribute attribute, int value)
{
  cudaDeviceProp properties;

  cudaGetDeviceProperties (&properties, 0);
  if (value < 0 || (size_t) value > properties.sharedMemPerBlockOptin)
    return fail (cudaErrorInvalidValue);
  return cudaSuccess;
}
