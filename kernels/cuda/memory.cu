/* memory.cu: memory of the device, transfers, and the scratch memory of queues.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "cuda.h"

#include <string.h>

/* Parts of scratch memory begin at multiples of this, as allocations do. */
#define PART_ALIGNMENT 256

/* Staging memory of a queue, and what uploads are aligned to there. */
#define STAGING_HALF ((size_t) 1 << 20)
#define STAGING_BYTES (2 * STAGING_HALF)
#define STAGING_STEP 64

/* Scratch memory grows in steps of this at least. */
#define SCRATCH_STEP ((size_t) 1 << 20)

/* ------------------------------------------------------------------------- */
/* Allocations                                                               */
/* ------------------------------------------------------------------------- */

void *
mblm_cuda_alloc (MblmKernelDevice *device, size_t bytes)
{
  void *memory = NULL;

  if (cudaSetDevice (device->index) == cudaSuccess &&
      cudaMalloc (&memory, bytes ? bytes : 1) == cudaSuccess)
    return memory;
  /* Who gets NULL knows; the error must not be taken for a launch's. */
  cudaGetLastError ();
  return NULL;
}

void
mblm_cuda_free (MblmKernelDevice *device, void *memory)
{
  if (!memory)
    return;
  cudaSetDevice (device->index);
  cudaFree (memory);
  cudaGetLastError ();
}

/* The driver gives no address that isn't aligned to a page. */
void *
mblm_cuda_alloc_host (MblmKernelDevice *device, size_t bytes)
{
  void *memory = NULL;

  if (cudaSetDevice (device->index) == cudaSuccess &&
      cudaMallocHost (&memory, bytes ? bytes : 1) == cudaSuccess)
    return memory;
  cudaGetLastError ();
  return NULL;
}

void
mblm_cuda_free_host (MblmKernelDevice *device, void *memory)
{
  if (!memory)
    return;
  cudaSetDevice (device->index);
  cudaFreeHost (memory);
  cudaGetLastError ();
}

/* ------------------------------------------------------------------------- */
/* Transfers                                                                 */
/* ------------------------------------------------------------------------- */

static void
transfer (MblmQueue *queue, void *to, const void *from, size_t bytes,
    cudaMemcpyKind kind)
{
  mblm_cuda_check (
      queue, cudaMemcpyAsync (to, from, bytes, kind, queue->stream));
}

/* The staging memory, which the driver knows: transfers from and to it go on while
 * the host does other things. */
static bool
has_staging (MblmQueue *queue)
{
  bool ok = true;

  if (queue->staging)
    return true;
  for (cudaEvent_t &event : queue->staging_read)
    if (!event)
      ok = ok &&
          mblm_cuda_check (
              queue, cudaEventCreateWithFlags (&event, cudaEventDisableTiming));
  return ok &&
      mblm_cuda_check (queue, cudaMallocHost (&queue->staging, STAGING_BYTES));
}

/* At most so many bytes, to the end of the half of the staging memory that is being
 * filled; before a half is filled again, what it had must have been read. */
static size_t
upload_some (MblmQueue *queue, void *to, const void *host, size_t bytes)
{
  size_t half = queue->staged / STAGING_HALF;
  size_t room = (half + 1) * STAGING_HALF - queue->staged;
  size_t some = min_size (bytes, room);
  char *staging = (char *) queue->staging + queue->staged;

  if (room == STAGING_HALF &&
      !mblm_cuda_check (
          queue, cudaEventSynchronize (queue->staging_read[half])))
    return bytes;
  memcpy (staging, host, some);
  transfer (queue, to, staging, some, cudaMemcpyHostToDevice);
  queue->staged += divide_up (some, STAGING_STEP) * STAGING_STEP;
  if (queue->staged % STAGING_HALF == 0)
    mblm_cuda_check (
        queue, cudaEventRecord (queue->staging_read[half], queue->stream));
  queue->staged %= STAGING_BYTES;
  return some;
}

void
mblm_cuda_upload (MblmQueue *queue, void *to, const void *host, size_t bytes)
{
  if (bytes == 0 || !mblm_cuda_begin (queue) || !has_staging (queue))
    return;
  for (size_t i = 0; i < bytes;)
    i += upload_some (
        queue, (char *) to + i, (const char *) host + i, bytes - i);
}

/* When it is done, so is all that was uploaded. */
void
mblm_cuda_download (
    MblmQueue *queue, void *host, const void *from, size_t bytes)
{
  bool is_staged = bytes <= STAGING_BYTES;

  if (bytes == 0 || !mblm_cuda_begin (queue) || !has_staging (queue))
    return;
  transfer (queue, is_staged ? queue->staging : host, from, bytes,
      cudaMemcpyDeviceToHost);
  if (mblm_cuda_check (queue, cudaStreamSynchronize (queue->stream)) &&
      is_staged)
    memcpy (host, queue->staging, bytes);
  queue->staged = 0;
}

/* The addresses tell which memory is the host's. */
void
mblm_cuda_copy (MblmQueue *queue, void *to, const void *from, size_t bytes)
{
  if (bytes > 0 && mblm_cuda_begin (queue))
    transfer (queue, to, from, bytes, cudaMemcpyDefault);
}

void
mblm_cuda_zero (MblmQueue *queue, void *to, size_t bytes)
{
  if (bytes > 0 && mblm_cuda_begin (queue))
    mblm_cuda_check (queue, cudaMemsetAsync (to, 0, bytes, queue->stream));
}

/* ------------------------------------------------------------------------- */
/* Scratch memory                                                            */
/* ------------------------------------------------------------------------- */

size_t
mblm_cuda_part (MblmCudaScratch *self, size_t count, size_t entry_size)
{
  size_t offset = self->size, bytes = mblm_cuda_count (count, entry_size);

  if (__builtin_add_overflow (bytes, PART_ALIGNMENT - 1, &bytes) ||
      __builtin_add_overflow (
          self->size, bytes - bytes % PART_ALIGNMENT, &self->size))
    self->size = SIZE_MAX;
  return offset;
}

/* What ran before may still use the old memory. */
static bool
grow (MblmQueue *queue, size_t bytes)
{
  size_t size = max_size (bytes, SCRATCH_STEP);

  if (!mblm_cuda_check (queue, cudaStreamSynchronize (queue->stream)))
    return false;
  cudaFree (queue->scratch);
  queue->scratch = NULL;
  queue->scratch_size = 0;
  /* A little more, so that a batch which grows row by row rarely waits. */
  if (__builtin_add_overflow (size, size / 8, &size))
    size = bytes;
  if (cudaMalloc (&queue->scratch, size) != cudaSuccess) {
    cudaGetLastError ();
    size = bytes;
    if (!mblm_cuda_check (queue, cudaMalloc (&queue->scratch, size)))
      return false;
  }
  queue->scratch_size = size;
  return true;
}

bool
mblm_cuda_scratch (MblmCudaScratch *self)
{
  MblmQueue *queue = self->queue;

  if (self->size > queue->scratch_size && !grow (queue, self->size))
    return false;
  self->memory = (char *) queue->scratch;
#ifndef __CUDACC__
  cuda_host_poison (self->memory, self->size);
#endif
  return true;
}
