/* mblm-kernels.h: the table of operations that a device implements.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One MblmKernels per kind of device: `ref` (plain C, double accumulators: the
 * specification), `cpu` (OpenBLAS, AVX2, AVX-512) and, in a module of its own,
 * `cuda`. The engine is written once over this table; this header knows neither
 * GLib nor CUDA.
 *
 * Conventions
 *
 *  - Activations are float32 where no field says otherwise, row-major; a row is
 *    a time step. Sizes and strides count elements, never bytes. Shapes are
 *    written [batch, rows, width].
 *  - Every operation takes a queue (a CUDA stream; on a CPU the work has been
 *    done when the call returns) and one struct of arguments, so that an
 *    operation can gain a field without changing its callers: a field that is
 *    left out of the designated initialiser is zero, and zero is the plain case.
 *  - Operations return nothing. An error (no memory for scratch space, a lost
 *    device) sticks to the queue: later operations on it do nothing and
 *    `queue_wait` returns and clears it.
 *  - Pointers named in a struct are device memory, except arrays of pointers
 *    and of counts, which are host memory and are read before the call returns.
 *  - Outputs never overlap inputs unless a field says that it works in place.
 *  - Results depend neither on the number of threads nor on what else runs.
 *  - An operation X with a gradient has a sibling X_backward, next to it in the
 *    table and in the same source file, whose struct holds the forward struct
 *    and the gradients. d_y is the gradient of the loss by y, and shaped like
 *    y. Those of activations are written (a field may ask to add), those of
 *    weights and of shared states are added to what is there, in an order that
 *    the shapes alone decide. A NULL gradient that is an output isn't wanted.
 *    Forward outputs that a backward doesn't name may be NULL in its struct.
 *  - Entries marked optional may be NULL; the engine then composes them.
 *
 * The structs are in mblm-operations.h and mblm-scans.h.
 */

#pragma once

#include "mblm-operations.h"
#include "mblm-scans.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MBLM_KERNELS_ABI 7

/* Devices align every allocation, and every row of a weight they pack, to this. */
#define MBLM_ALIGNMENT 64

typedef enum {
  MBLM_STATUS_OK,
  MBLM_STATUS_NO_MEMORY,
  MBLM_STATUS_DEVICE_LOST,
} MblmStatus;

/* What work should be cut by. */
typedef struct {
  size_t rows;     /* from so many on, products of rows are at their best */
  uint64_t memory; /* bytes of the device that are free now; 0: it works in the
                    * memory of the host */
  bool rounds;     /* products of bfloat16 are so much faster, at any number of
                    * rows but a few, that rounding float32 to it pays */
} MblmTraits;

typedef struct _MblmKernelDevice MblmKernelDevice;
typedef struct _MblmQueue MblmQueue;

/* ------------------------------------------------------------------------- */
/* The table                                                                 */
/* ------------------------------------------------------------------------- */

typedef struct _MblmKernels MblmKernels;

struct _MblmKernels {
  uint32_t abi;     /* MBLM_KERNELS_ABI */
  const char *name; /* "ref", "cpu", "cuda" */

  /* Devices. `device_open` returns NULL and fills `message` (an English
   * sentence without a full stop) where device `index` can't be had. `threads`
   * 0 is the device's own choice. Any thread may call these. */
  MblmKernelDevice *(*device_open) (
      unsigned index, unsigned threads, char *message, size_t message_size);
  void (*device_close) (MblmKernelDevice *device);
  /* For people: "AVX-512, 2 threads". Belongs to the device. */
  const char *(*device_describe) (MblmKernelDevice *device);
  unsigned (*device_threads) (MblmKernelDevice *device);
  void (*device_traits) (MblmKernelDevice *device, MblmTraits *traits);

  /* Memory of the device, aligned to MBLM_ALIGNMENT; NULL when there is none. */
  void *(*alloc) (MblmKernelDevice *device, size_t bytes);
  void (*free) (MblmKernelDevice *device, void *memory);
  /* Memory of the host, locked in its place where that speeds up `copy`, which
   * reaches it as it does the device's; no other operation does. NULL when there
   * is none. The host may touch it when the queue has been waited for. */
  void *(*alloc_host) (MblmKernelDevice *device, size_t bytes);
  void (*free_host) (MblmKernelDevice *device, void *memory);

  /* Queues. One thread at a time uses a queue; different queues are used from
   * different threads at once. */
  MblmQueue *(*queue_new) (MblmKernelDevice *device);
  void (*queue_free) (MblmQueue *queue);
  MblmStatus (*queue_wait) (MblmQueue *queue);
  /* Optional. From here on products of float32 may round what they multiply to TF32
   * (ten bits of fraction), or, with false, no longer; their sums are of float32. */
  void (*queue_set_tf32) (MblmQueue *queue, bool tf32);

  /* Transfers, bytes; upload returns when the host memory has been read,
   * download when it is filled. */
  void (*upload) (MblmQueue *queue, void *to, const void *host, size_t bytes);
  void (*download) (
      MblmQueue *queue, void *host, const void *from, size_t bytes);
  void (*copy) (MblmQueue *queue, void *to, const void *from, size_t bytes);
  void (*zero) (MblmQueue *queue, void *to, size_t bytes);

  void (*embed) (MblmQueue *queue, const MblmEmbed *a);
  void (*embed_backward) (MblmQueue *queue, const MblmEmbedBackward *a);
  void (*add_position) (MblmQueue *queue, const MblmAddPosition *a);
  void (*add_position_backward) (
      MblmQueue *queue, const MblmAddPositionBackward *a);
  void (*add) (MblmQueue *queue, const MblmAdd *a);
  void (*copy_rows) (MblmQueue *queue, const MblmCopyRows *a);
  void (*scatter_rows) (MblmQueue *queue, const MblmScatterRows *a);
  void (*sum_rows) (MblmQueue *queue, const MblmSumRows *a);
  void (*dropout) (MblmQueue *queue, const MblmDropout *a);
  void (*linear) (MblmQueue *queue, const MblmLinear *a);
  void (*linear_backward) (MblmQueue *queue, const MblmLinearBackward *a);
  void (*layer_norm) (MblmQueue *queue, const MblmLayerNorm *a);
  void (*layer_norm_backward) (
      MblmQueue *queue, const MblmLayerNormBackward *a);
  void (*rms_norm) (MblmQueue *queue, const MblmRmsNorm *a);
  void (*rms_norm_backward) (MblmQueue *queue, const MblmRmsNormBackward *a);
  void (*shift_norm) (MblmQueue *queue, const MblmShiftNorm *a);
  void (*shift_norm_backward) (
      MblmQueue *queue, const MblmShiftNormBackward *a);
  void (*gated_norm) (MblmQueue *queue, const MblmGatedNorm *a);
  void (*gated_norm_backward) (
      MblmQueue *queue, const MblmGatedNormBackward *a);
  void (*rope_angles) (MblmQueue *queue, const MblmRopeAngles *a);
  void (*rope) (MblmQueue *queue, const MblmRope *a);
  void (*rope_backward) (MblmQueue *queue, const MblmRope *a);
  /* Optional. Whether attention and its gradient would turn these queries and keys,
   * with less work than `rope`; all that the gradient reads and writes is to begin
   * at multiples of 16 bytes then. */
  bool (*attention_turns) (const MblmAttention *a);
  void (*attention) (MblmQueue *queue, const MblmAttention *a);
  void (*attention_backward) (MblmQueue *queue, const MblmAttentionBackward *a);
  /* Optional. False: not a step of this shape, and nothing was done. */
  bool (*transformer_step) (MblmQueue *queue, const MblmTransformerStep *a);
  void (*conv) (MblmQueue *queue, const MblmConv *a);
  void (*conv_backward) (MblmQueue *queue, const MblmConvBackward *a);
  void (*ssd_scan) (MblmQueue *queue, const MblmSsdScan *a);
  void (*ssd_scan_backward) (MblmQueue *queue, const MblmSsdScanBackward *a);
  void (*selective_scan) (MblmQueue *queue, const MblmSelectiveScan *a);
  void (*selective_scan_backward) (
      MblmQueue *queue, const MblmSelectiveScanBackward *a);
  void (*cross_entropy) (MblmQueue *queue, const MblmCrossEntropy *a);
  void (*cross_entropy_backward) (
      MblmQueue *queue, const MblmCrossEntropyBackward *a);
  void (*sample) (MblmQueue *queue, const MblmSample *a);
  /* Optional. What the next of the samples that tell has told, in the order in
   * which they were enqueued: copies of its logits [rows, vocabulary] and of the ids
   * [rows] that it drew. It waits for that sample, not for what is behind it. With
   * NULL for both, all samples until now are forgotten. The status is as that of
   * `queue_wait`. */
  MblmStatus (*sample_told) (MblmQueue *queue, float *logits, int32_t *ids);
  void (*sum_squares) (MblmQueue *queue, const MblmSumSquares *a);
  void (*add_scaled) (MblmQueue *queue, const MblmAddScaled *a);
  void (*convert) (MblmQueue *queue, const MblmConvert *a);
  void (*adam) (MblmQueue *queue, const MblmAdam *a);
};

/* The tables that are always there. */
const MblmKernels *mblm_kernels_ref (void);
const MblmKernels *mblm_kernels_cpu (void);

#ifdef __cplusplus
}
#endif
