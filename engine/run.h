/* run.h: what arithmetic runs with: a table, a queue, working memory.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A run belongs to one session, model load or full pass, and so to one thread at
 * a time. Its working memory is a stack: mark, allocate, release. Allocation
 * failure sticks, so that a function allocates all it needs and asks once.
 *
 * Not part of the public interface: for modules, which include mblm-extension.h;
 * MBLM_BLOCK_ABI is its version too.
 */

#pragma once

#include <gio/gio.h>
#include <mblm-kernels.h>

#include "mblm-device.h"
#include "mblm-error.h"
#include "mblm-session.h"

G_BEGIN_DECLS

typedef struct {
  const MblmKernels *k;
  MblmKernelDevice *memory; /* of the device */
  MblmQueue *q;
  MblmDevice *device;        /* owned */
  MblmType product;          /* of products of blocks */
  gsize rows;                /* to work on at a time, where there are many */
  gboolean rounds;           /* as in MblmTraits */
  GCancellable *cancellable; /* borrowed for the length of a call; or NULL */
  MblmProgress progress;     /* between pieces of work; or NULL */
  gpointer progress_data;
  GPtrArray *blocks; /* of working memory */
  gsize block, used; /* the top of the stack */
  gboolean failed;   /* an allocation failed since the last check */
  MblmStatus status; /* of a wait that nobody was told of yet */
} MblmRun;

typedef struct {
  gsize block, used;
} MblmRunMark;

/* Error: MBLM_ERROR_MEMORY. */
gboolean mblm_run_init (MblmRun *self, MblmDevice *device, GError **error);
void mblm_run_clear (MblmRun *self);
/* Whether products of float32 may be in TF32, where the device has that. */
void mblm_run_set_tf32 (MblmRun *self, gboolean tf32);

MblmRunMark mblm_run_mark (MblmRun *self);
void mblm_run_release (MblmRun *self, MblmRunMark mark);
/* Bytes of device memory that the stack has come to hold. */
guint64 mblm_run_get_bytes (const MblmRun *self);
/* Device memory for n floats, not initialised. NULL sets `failed`. */
float *mblm_run_floats (MblmRun *self, gsize n);
/* Device memory that holds n ids of the host. */
int32_t *mblm_run_upload_ids (MblmRun *self, const gint32 *ids, gsize n);
/* FALSE with MBLM_ERROR_MEMORY if an allocation failed, as mblm_run_wait if a
 * settled queue had failed, or with G_IO_ERROR_CANCELLED; call it between pieces
 * of work. Tells the progress. */
gboolean mblm_run_check (MblmRun *self, GError **error);
/* Waits for the queue where no error can be given: the next check or wait does. */
void mblm_run_settle (MblmRun *self);
/* Waits for the queue: FALSE with MBLM_ERROR_MEMORY or MBLM_ERROR_DEVICE. */
gboolean mblm_run_wait (MblmRun *self, GError **error);

/* Of a device; private to the engine. */
void mblm_device_get_traits (MblmDevice *self, MblmTraits *traits);
const MblmKernels *mblm_device_get_kernels (MblmDevice *self);
MblmKernelDevice *mblm_device_get_memory (MblmDevice *self);

G_END_DECLS
