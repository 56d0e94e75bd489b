/* device.cu: finding a GPU, and saying why there is none.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "cuda.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* bfloat16 on tensor cores begins with these. */
#define LOWEST_MAJOR 8

/* On the host everything is small. */
#ifdef __CUDACC__
#define MOST_ROWS 16384
#else
#define MOST_ROWS 1024
#endif

struct Message {
  char *text;
  size_t size;
};

__attribute__ ((format (printf, 2, 3))) static void
say (Message message, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  vsnprintf (message.text, message.size, format, args);
  va_end (args);
}

/* Versions are 1000 * major + 10 * minor. */
static void
say_driver_too_old (Message message)
{
  int driver = 0, runtime = 0;

  cudaDriverGetVersion (&driver);
  cudaRuntimeGetVersion (&runtime);
  if (driver == 0)
    say (message, "there is no NVIDIA driver on this machine");
  else
    say (message,
        "the NVIDIA driver is too old: it knows CUDA up to %d.%d, and this "
        "build needs CUDA %d.%d",
        driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
}

static void
say_error (Message message, cudaError_t error)
{
  switch (error) {
    case cudaErrorInsufficientDriver:
    case cudaErrorUnsupportedPtxVersion:
      say_driver_too_old (message);
      break;
    case cudaErrorStubLibrary:
      say (message,
          "the CUDA driver library that was found is a stub, which "
          "is only for linking: the NVIDIA driver is not installed");
      break;
    case cudaErrorNoDevice:
      say (message, "the NVIDIA driver finds no GPU on this machine");
      break;
    case cudaErrorMemoryAllocation:
      say (message, "the GPU has not enough free memory to begin with");
      break;
    default:
      say (message, "the GPU can't be used: %s", cudaGetErrorString (error));
  }
  /* An error is also kept for the next who asks. */
  cudaGetLastError ();
}

/* Whether this build has code for the device, which is current. */
__global__ static void
any_kernel (int *out)
{
  *out = 1;
}

static bool
has_code (const MblmKernelDevice *device, Message message)
{
  cudaFuncAttributes attributes;
  cudaError_t error = cudaFuncGetAttributes (
      &attributes, (const void *) any_kernel);

  if (error == cudaSuccess)
    return true;
  if (error == cudaErrorNoKernelImageForDevice ||
      error == cudaErrorInvalidDeviceFunction) {
    say (message, "this build has no code for GPUs of compute capability %d.%d",
        device->major, device->minor);
    cudaGetLastError ();
  } else {
    say_error (message, error);
  }
  return false;
}

static bool
find_device (unsigned index, Message message)
{
  int count = 0;
  cudaError_t error = cudaGetDeviceCount (&count);

  if (error == cudaSuccess && count == 0)
    error = cudaErrorNoDevice;
  if (error != cudaSuccess) {
    say_error (message, error);
    return false;
  }
  if (index >= (unsigned) count) {
    say (message, "there is no GPU number %u: this machine has %d, from 0 on",
        index, count);
    return false;
  }
  return true;
}

static bool
describe (MblmKernelDevice *device, Message message)
{
  cudaDeviceProp properties;
  cudaError_t error = cudaGetDeviceProperties (&properties, device->index);

  if (error == cudaSuccess)
    error = cudaSetDevice (device->index);
  /* The first call that needs a context makes it. */
  if (error == cudaSuccess && properties.major >= LOWEST_MAJOR)
    error = cudaFree (NULL);
  if (error != cudaSuccess) {
    say_error (message, error);
    return false;
  }
  device->multiprocessors = properties.multiProcessorCount;
  device->major = properties.major;
  device->minor = properties.minor;
  device->shared_memory = (int) properties.sharedMemPerBlockOptin;
  snprintf (device->description, sizeof (device->description),
      "%s, %d multiprocessors, compute capability %d.%d", properties.name,
      device->multiprocessors, device->major, device->minor);
  if (device->major >= LOWEST_MAJOR)
    return true;
  say (message,
      "%s has compute capability %d.%d, and at least %d.0 is needed: a GPU of "
      "2020 or later",
      properties.name, device->major, device->minor, LOWEST_MAJOR);
  return false;
}

MblmKernelDevice *
mblm_cuda_device_open (
    unsigned index, unsigned threads, char *message, size_t message_size)
{
  Message why = {message, message_size};
  MblmKernelDevice *device;

  if (!find_device (index, why))
    return NULL;
  device = (MblmKernelDevice *) calloc (1, sizeof (*device));
  if (!device) {
    say (why, "there is not enough memory");
    return NULL;
  }
  device->index = (int) index;
  if (!describe (device, why) || !has_code (device, why)) {
    free (device);
    return NULL;
  }
  return device;
}

void
mblm_cuda_device_close (MblmKernelDevice *device)
{
  free (device);
}

const char *
mblm_cuda_device_describe (MblmKernelDevice *device)
{
  return device->description;
}

/* Of the host: a queue is driven by the thread that calls. */
unsigned
mblm_cuda_device_threads (MblmKernelDevice *device)
{
  return 1;
}

/* Products of 16384 rows by 1024 columns are some tiles for each multiprocessor,
 * and what passes over them takes longer than its launch. */
void
mblm_cuda_device_traits (MblmKernelDevice *device, MblmTraits *traits)
{
  size_t free_bytes = 0, all = 0;

  if (cudaSetDevice (device->index) != cudaSuccess ||
      cudaMemGetInfo (&free_bytes, &all) != cudaSuccess)
    cudaGetLastError ();
  *traits = {.rows = MOST_ROWS, .memory = free_bytes, .rounds = true};
}
