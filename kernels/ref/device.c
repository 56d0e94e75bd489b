/* device.c: the device of the reference: one thread and host memory.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

#include <stdio.h>
#include <stdlib.h>

MblmKernelDevice *
ref_device_open (
    unsigned index, unsigned threads, char *message, size_t message_size)
{
  MblmKernelDevice *device;

  if (index != 0) {
    snprintf (message, message_size, "the reference has one device, number 0");
    return NULL;
  }
  device = calloc (1, sizeof (*device));
  if (!device) {
    snprintf (message, message_size, "there is not enough memory");
    return NULL;
  }
  snprintf (device->description, sizeof (device->description),
      "plain C in double precision, 1 thread");
  return device;
}

void
ref_device_close (MblmKernelDevice *device)
{
  free (device);
}

const char *
ref_device_describe (MblmKernelDevice *device)
{
  return device->description;
}

unsigned
ref_device_threads (MblmKernelDevice *device)
{
  return 1;
}

void
ref_device_traits (MblmKernelDevice *device, MblmTraits *traits)
{
  *traits = (MblmTraits){.rows = 1024};
}

void *
ref_alloc (MblmKernelDevice *device, size_t bytes)
{
  size_t padded;

  /* aligned_alloc () wants a multiple of the alignment; an allocation of no
   * bytes is one all the same, for NULL means that there is no memory. */
  if (__builtin_add_overflow (bytes, MBLM_ALIGNMENT - 1, &padded))
    return NULL;
  padded -= padded % MBLM_ALIGNMENT;
  return aligned_alloc (MBLM_ALIGNMENT, padded ? padded : MBLM_ALIGNMENT);
}

void
ref_free (MblmKernelDevice *device, void *memory)
{
  free (memory);
}

MblmQueue *
ref_queue_new (MblmKernelDevice *device)
{
  return calloc (1, sizeof (MblmQueue));
}

void
ref_queue_free (MblmQueue *queue)
{
  free (queue);
}

MblmStatus
ref_queue_wait (MblmQueue *queue)
{
  MblmStatus status = queue->status;

  queue->status = MBLM_STATUS_OK;
  return status;
}

void
ref_copy (MblmQueue *queue, void *to, const void *from, size_t bytes)
{
  if (queue->status == MBLM_STATUS_OK && bytes > 0)
    memcpy (to, from, bytes);
}

void
ref_zero (MblmQueue *queue, void *to, size_t bytes)
{
  if (queue->status == MBLM_STATUS_OK && bytes > 0)
    memset (to, 0, bytes);
}
