/* run.c: what arithmetic runs with: a table, a queue, working memory.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "run.h"

#define BLOCK_BYTES ((gsize) 1 << 20)

typedef struct {
  guint8 *data; /* device memory */
  gsize size;
} Block;

gboolean
mblm_run_init (MblmRun *self, MblmDevice *device, GError **error)
{
  MblmTraits traits;

  memset (self, 0, sizeof *self);
  self->k = mblm_device_get_kernels (device);
  self->memory = mblm_device_get_memory (device);
  self->q = self->k->queue_new (self->memory);
  if (self->q == NULL) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "%s: no memory for a queue", mblm_device_get_name (device));
    return FALSE;
  }
  mblm_device_get_traits (device, &traits);
  self->rows = traits.rows;
  self->rounds = traits.rounds;
  self->device = g_object_ref (device);
  self->blocks = g_ptr_array_new ();
  return TRUE;
}

static void
free_blocks_from (MblmRun *self, gsize first)
{
  while (self->blocks->len > first) {
    Block *block = g_ptr_array_index (self->blocks, self->blocks->len - 1);
    self->k->free (self->memory, block->data);
    g_free (block);
    g_ptr_array_set_size (self->blocks, self->blocks->len - 1);
  }
}

void
mblm_run_clear (MblmRun *self)
{
  if (self->device == NULL)
    return;
  self->k->queue_wait (self->q);
  free_blocks_from (self, 0);
  g_ptr_array_unref (self->blocks);
  self->k->queue_free (self->q);
  g_object_unref (self->device);
  memset (self, 0, sizeof *self);
}

void
mblm_run_set_tf32 (MblmRun *self, gboolean tf32)
{
  if (self->k->queue_set_tf32 != NULL)
    self->k->queue_set_tf32 (self->q, tf32);
}

MblmRunMark
mblm_run_mark (MblmRun *self)
{
  return (MblmRunMark){self->block, self->used};
}

void
mblm_run_release (MblmRun *self, MblmRunMark mark)
{
  self->block = mark.block;
  self->used = mark.used;
}

/* Makes block number `self->block` one of at least `bytes`: the blocks behind
 * the top of the stack are free, and one that is too small makes way. */
static gboolean
provide_block (MblmRun *self, gsize bytes)
{
  if (self->block < self->blocks->len) {
    Block *block = g_ptr_array_index (self->blocks, self->block);
    if (block->size >= bytes)
      return TRUE;
    mblm_run_settle (self);
    free_blocks_from (self, self->block);
  }
  gsize size = MAX (bytes, BLOCK_BYTES);
  guint8 *data = self->k->alloc (self->memory, size);
  if (data == NULL)
    return FALSE;
  Block *block = g_new (Block, 1);
  *block = (Block){data, size};
  g_ptr_array_add (self->blocks, block);
  return TRUE;
}

static void *
run_alloc (MblmRun *self, gsize n, gsize size)
{
  gsize bytes;
  if (!g_size_checked_mul (&bytes, n, size) ||
      !g_size_checked_add (&bytes, bytes, MBLM_ALIGNMENT - 1))
    goto failed;
  bytes = MAX (bytes & ~(gsize) (MBLM_ALIGNMENT - 1), MBLM_ALIGNMENT);

  if (self->block < self->blocks->len) {
    Block *top = g_ptr_array_index (self->blocks, self->block);
    if (top->size - self->used < bytes && self->used > 0) {
      self->block++;
      self->used = 0;
    }
  }
  if (!provide_block (self, bytes))
    goto failed;

  Block *block = g_ptr_array_index (self->blocks, self->block);
  void *memory = block->data + self->used;
  self->used += bytes;
  return memory;

failed:
  self->failed = TRUE;
  return NULL;
}

guint64
mblm_run_get_bytes (const MblmRun *self)
{
  guint64 bytes = 0;

  for (guint i = 0; i < self->blocks->len; i++)
    bytes += ((const Block *) g_ptr_array_index (self->blocks, i))->size;
  return bytes;
}

float *
mblm_run_floats (MblmRun *self, gsize n)
{
  return run_alloc (self, n, sizeof (float));
}

int32_t *
mblm_run_upload_ids (MblmRun *self, const gint32 *ids, gsize n)
{
  int32_t *memory = run_alloc (self, n, sizeof (int32_t));
  if (memory != NULL && n > 0)
    self->k->upload (self->q, memory, ids, n * sizeof (int32_t));
  return memory;
}

void
mblm_run_settle (MblmRun *self)
{
  MblmStatus status = self->k->queue_wait (self->q);

  if (self->status == MBLM_STATUS_OK)
    self->status = status;
}

/* FALSE with what went wrong since the last time, which is then forgotten. */
static gboolean
report (MblmRun *self, GError **error)
{
  MblmStatus status = self->failed ? MBLM_STATUS_NO_MEMORY : self->status;

  self->failed = FALSE;
  self->status = MBLM_STATUS_OK;
  switch (status) {
    case MBLM_STATUS_OK:
      return TRUE;
    case MBLM_STATUS_NO_MEMORY:
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
          "%s: not enough memory for this computation; use a smaller model, "
          "batch or context",
          mblm_device_get_name (self->device));
      return FALSE;
    default:
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_DEVICE,
          "%s: the device was lost; start again, or use device cpu",
          mblm_device_get_name (self->device));
      return FALSE;
  }
}

gboolean
mblm_run_check (MblmRun *self, GError **error)
{
  if (!report (self, error))
    return FALSE;
  if (self->progress != NULL && !self->progress (self->progress_data)) {
    g_set_error_literal (
        error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the work was ended");
    return FALSE;
  }
  return !g_cancellable_set_error_if_cancelled (self->cancellable, error);
}

gboolean
mblm_run_wait (MblmRun *self, GError **error)
{
  mblm_run_settle (self);
  return report (self, error);
}
