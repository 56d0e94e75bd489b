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

bool
mblm_cuda_may_launch (
    MblmQueue *queue, const void *kernel, dim3 grid, size_t shared)
{
  if (queue->status != MBLM_STATUS_OK || grid.x == 0 || grid.y == 0 ||
      grid.z == 0)
    return false;
  if (shared <= MBLM_CUDA_PLAIN_SHARED)
    return true;
  return mblm_cuda_check (queue,
      cudaFuncSetAttribute (
          kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int) shared));
}
