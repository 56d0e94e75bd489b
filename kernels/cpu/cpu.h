/* cpu.h: what the files of the CPU implementation share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every operation is written once, over the small vectors of vec.h, and compiled
 * once for each instruction set, with that set's compiler flags and a name of
 * its own (see isa.h). A device picks the highest set which the processor and
 * the operating system support and fills its MblmCpuOps from the lowest set to
 * that one; the table's entries go through it.
 */

#pragma once

#include "mblm-kernels.h"
#include "pool.h"

/* In rising order; each has all that the ones before it have. */
typedef enum {
  MBLM_CPU_GENERIC,
  MBLM_CPU_AVX2,   /* with FMA */
  MBLM_CPU_AVX512, /* F, BW, DQ and VL */
  MBLM_CPU_AVX512BF16,
  MBLM_CPU_AMX, /* with BF16 */
  MBLM_CPU_LEVELS,
} MblmCpuLevel;

/* The best level of this machine, lowered by the environment variable MBLM_CPU.
 * Returns false and fills `message` where that names no level. */
bool mblm_cpu_detect (MblmCpuLevel *level, char *message, size_t message_size);
const char *mblm_cpu_level_describe (MblmCpuLevel level);

/* How operands rounded to bfloat16 are multiplied, see product.h. */
typedef struct _MblmBlocks MblmBlocks;

typedef struct {
  const MblmBlocks *blocks_bf16;
  /* The nearest bfloat16 of n numbers. */
  void (*round_bf16) (uint16_t *to, const float *from, size_t n);
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
  void (*rope) (MblmQueue *queue, const MblmRope *a);
  void (*rope_backward) (MblmQueue *queue, const MblmRope *a);
  void (*attention) (MblmQueue *queue, const MblmAttention *a);
  void (*attention_backward) (MblmQueue *queue, const MblmAttentionBackward *a);
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
  void (*sum_squares) (MblmQueue *queue, const MblmSumSquares *a);
  void (*add_scaled) (MblmQueue *queue, const MblmAddScaled *a);
  void (*convert) (MblmQueue *queue, const MblmConvert *a);
  void (*adam) (MblmQueue *queue, const MblmAdam *a);
} MblmCpuOps;

/* Replace the entries that the instruction set has code of its own for. */
void mblm_cpu_fill_generic (MblmCpuOps *ops);
void mblm_cpu_fill_avx2 (MblmCpuOps *ops);
void mblm_cpu_fill_avx512 (MblmCpuOps *ops);
void mblm_cpu_fill_avx512bf16 (MblmCpuOps *ops);
void mblm_cpu_fill_amx (MblmCpuOps *ops);

struct _MblmKernelDevice {
  MblmCpuOps ops;
  MblmCpuLevel level;
  MblmPool *pool;
  char description[64];
};

struct _MblmQueue {
  MblmKernelDevice *device;
  MblmStatus status; /* sticks until queue_wait */
  void *scratch;     /* [scratch_size] bytes or NULL */
  size_t scratch_size;
};

/* Memory for the operation that runs, aligned to MBLM_ALIGNMENT, not
 * initialised, valid up to the next call; at least `shared` bytes followed by
 * `each` bytes for every worker: worker w's begin `*each * w` bytes after
 * `*workers`, where `*each` has been rounded up. NULL makes
 * MBLM_STATUS_NO_MEMORY stick to the queue. */
void *mblm_cpu_scratch (
    MblmQueue *queue, size_t shared, size_t *each, char **workers);

/* count * size bytes rounded up to MBLM_ALIGNMENT, SIZE_MAX on overflow (which
 * mblm_cpu_scratch then refuses). */
size_t mblm_cpu_bytes (size_t count, size_t size);

/* Memory aligned to MBLM_ALIGNMENT; what is large is backed by huge pages where
 * the system has some. */
void *mblm_cpu_alloc (size_t bytes);
void mblm_cpu_free (void *memory);

/* The same for all instruction sets. */
void mblm_cpu_sample (MblmQueue *queue, const MblmSample *a);

/* Runs task (data, tile, worker) for each of `tiles`, on several threads where
 * `work`, the estimated time of all tiles in nanoseconds on one thread, is worth
 * waking them. */
void mblm_cpu_run (MblmQueue *queue, size_t tiles, double work, MblmTask task,
    const void *data);
