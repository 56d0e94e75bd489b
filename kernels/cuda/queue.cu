/* queue.cu: queues, each a stream of its own, and their errors.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "cuda.h"

#include <stdlib.h>

MblmQueue *
mblm_cuda_queue_new (MblmKernelDevice *device)
{
  MblmQueue *queue = (MblmQueue *) calloc (1, sizeof (*queue));

  if (!queue)
    return NULL;
  queue->device = device;
  /* One that doesn't wait for the default stream, which nobody here uses. */
  if (cudaSetDevice (device->index) == cudaSuccess &&
      cudaStreamCreateWithFlags (&queue->stream, cudaStreamNonBlocking) ==
          cudaSuccess)
    return queue;
  cudaGetLastError ();
  free (queue);
  return NULL;
}

void
mblm_cuda_queue_free (MblmQueue *queue)
{
  if (!queue)
    return;
  cudaSetDevice (queue->device->index);
  cudaStreamSynchronize (queue->stream);
  for (int i = 0; i < MBLM_CUDA_LIBRARIES; i++)
    if (queue->libraries[i].data)
      queue->libraries[i].destroy (queue->libraries[i].data);
  cudaFree (queue->scratch);
  cudaFree (queue->letters);
  cudaFreeHost (queue->staging);
  cudaFreeHost (queue->told);
  for (cudaEvent_t event : queue->staging_read)
    if (event)
      cudaEventDestroy (event);
  cudaStreamDestroy (queue->stream);
  cudaGetLastError ();
  free (queue);
}

MblmStatus
mblm_cuda_queue_wait (MblmQueue *queue)
{
  MblmStatus status;

  if (cudaSetDevice (queue->device->index) == cudaSuccess)
    mblm_cuda_check (queue, cudaStreamSynchronize (queue->stream));
  else
    queue->status = MBLM_STATUS_DEVICE_LOST;
  status = queue->status;
  queue->status = MBLM_STATUS_OK;
  return status;
}

void
mblm_cuda_queue_set_tf32 (MblmQueue *queue, bool tf32)
{
  queue->tf32 = tf32;
}

bool
mblm_cuda_begin (MblmQueue *queue)
{
  return queue->status == MBLM_STATUS_OK &&
      mblm_cuda_check (queue, cudaSetDevice (queue->device->index));
}

bool
mblm_cuda_check (MblmQueue *queue, cudaError_t error)
{
  if (error == cudaSuccess)
    return true;
  /* The first error is the one to report. */
  if (queue->status == MBLM_STATUS_OK)
    queue->status = error == cudaErrorMemoryAllocation
        ? MBLM_STATUS_NO_MEMORY
        : MBLM_STATUS_DEVICE_LOST;
  cudaGetLastError ();
  return false;
}

/* More than the driver allows at first has to be asked for. It is the same, the
 * most there is, in every thread, so that none takes it away from another. */
static bool
allow_shared (MblmQueue *queue, const void *kernel, size_t shared)
{
  cudaFuncAttributes attributes;
  int most;

  if (!mblm_cuda_check (queue, cudaFuncGetAttributes (&attributes, kernel)))
    return false;
  if ((size_t) attributes.maxDynamicSharedSizeBytes >= shared)
    return true;
  most = queue->device->shared_memory - (int) attributes.sharedSizeBytes;
  return mblm_cuda_check (queue,
      cudaFuncSetAttribute (
          kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most));
}

bool
mblm_cuda_may_launch (
    MblmQueue *queue, const void *kernel, dim3 grid, size_t shared)
{
  if (queue->status != MBLM_STATUS_OK || grid.x == 0 || grid.y == 0 ||
      grid.z == 0)
    return false;
  return shared == 0 || allow_shared (queue, kernel, shared);
}
