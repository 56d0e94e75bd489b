/* device.c: the CPU as a device: its table, memory and queues.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#define _GNU_SOURCE

#include "cpu.h"
#include "tile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t) 2 << 20)
#define MAPPED_BYTES ((size_t) 1 << 20)

/* What starting a job costs; below this the caller is done sooner alone. */
#define MIN_SHARED_WORK 2000.0

/* Bytes of a tile of a transfer, nanoseconds for a byte. */
#define TRANSFER_TILE ((size_t) 1 << 16)
#define TRANSFER_WORK 0.05

/* ------------------------------------------------------------------------- */
/* Memory                                                                    */
/* ------------------------------------------------------------------------- */

/* Stands before each block. */
typedef struct {
  _Alignas(MBLM_ALIGNMENT) void *base;
  size_t mapped; /* bytes from base on; 0: from the heap */
} BlockHeader;

/* A large block is a mapping of its own, which goes back to the system when it
 * is freed: the heap would keep what a growing state leaves behind. */
static void *
map_block (size_t bytes)
{
  size_t alignment = bytes >= 2 * HUGE_PAGE ? HUGE_PAGE : MBLM_ALIGNMENT;
  size_t length = bytes + sizeof (BlockHeader) + alignment - 1;
  char *base = mmap (
      NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *memory;

  if (base == MAP_FAILED)
    return NULL;
  memory = base + sizeof (BlockHeader) + alignment - 1;
  memory -= (uintptr_t) memory % alignment;
  ((BlockHeader *) memory)[-1] = (BlockHeader){base, length};
#ifdef MADV_HUGEPAGE
  /* Not its end: a huge page there would be memory that nobody uses. */
  if (alignment == HUGE_PAGE)
    madvise (memory, bytes - bytes % HUGE_PAGE, MADV_HUGEPAGE);
#endif
  return memory;
}

void *
mblm_cpu_alloc (size_t bytes)
{
  size_t padded;
  char *base;

  if (bytes > SIZE_MAX / 2)
    return NULL;
  if (bytes >= MAPPED_BYTES)
    return map_block (bytes);
  /* aligned_alloc wants a multiple of the alignment. */
  padded = mblm_cpu_bytes (bytes, 1) + sizeof (BlockHeader);
  base = aligned_alloc (MBLM_ALIGNMENT, padded);
  if (!base)
    return NULL;
  *(BlockHeader *) base = (BlockHeader){base, 0};
  return base + sizeof (BlockHeader);
}

void
mblm_cpu_free (void *memory)
{
  BlockHeader header;

  if (!memory)
    return;
  header = ((BlockHeader *) memory)[-1];
  if (header.mapped > 0)
    munmap (header.base, header.mapped);
  else
    free (header.base);
}

size_t
mblm_cpu_bytes (size_t count, size_t size)
{
  size_t bytes;

  if (__builtin_mul_overflow (count, size, &bytes) ||
      __builtin_add_overflow (bytes, MBLM_ALIGNMENT - 1, &bytes))
    return SIZE_MAX;
  return bytes - bytes % MBLM_ALIGNMENT;
}

void *
mblm_cpu_scratch (MblmQueue *queue, size_t shared, size_t *each, char **workers)
{
  unsigned threads = mblm_pool_threads (queue->device->pool);
  size_t size, all = 0;

  shared = mblm_cpu_bytes (shared, 1);
  if (each) {
    *each = mblm_cpu_bytes (*each, 1);
    if (__builtin_mul_overflow (*each, (size_t) threads, &all))
      all = SIZE_MAX;
  }
  if (__builtin_add_overflow (shared, all, &size) || size > SIZE_MAX / 2) {
    queue->status = MBLM_STATUS_NO_MEMORY;
    return NULL;
  }
  if (size > queue->scratch_size || !queue->scratch) {
    mblm_cpu_free (queue->scratch);
    queue->scratch = mblm_cpu_alloc (size);
    queue->scratch_size = queue->scratch ? size : 0;
  }
  if (!queue->scratch) {
    queue->status = MBLM_STATUS_NO_MEMORY;
    return NULL;
  }
  if (workers)
    *workers = (char *) queue->scratch + shared;
  return queue->scratch;
}

static void *
cpu_alloc (MblmKernelDevice *device, size_t bytes)
{
  return mblm_cpu_alloc (bytes);
}

static void
cpu_free (MblmKernelDevice *device, void *memory)
{
  mblm_cpu_free (memory);
}

/* ------------------------------------------------------------------------- */
/* Devices and queues                                                        */
/* ------------------------------------------------------------------------- */

static void
cpu_device_close (MblmKernelDevice *device)
{
  if (!device)
    return;
  mblm_pool_free (device->pool);
  free (device);
}

static MblmKernelDevice *
cpu_device_open (
    unsigned index, unsigned threads, char *message, size_t message_size)
{
  MblmKernelDevice *device;
  MblmCpuLevel level;
  unsigned count;

  if (index != 0) {
    snprintf (message, message_size,
        "the processor is one device with the number 0, there is no number %u",
        index);
    return NULL;
  }
  if (!mblm_cpu_detect (&level, message, message_size))
    return NULL;
  device = calloc (1, sizeof (*device));
  if (device)
    device->pool = mblm_pool_new (threads);
  if (!device || !device->pool) {
    snprintf (message, message_size, "there is not enough memory");
    cpu_device_close (device);
    return NULL;
  }
  device->level = level;
  mblm_cpu_fill_generic (&device->ops);
#ifdef __x86_64__
  if (level >= MBLM_CPU_AVX2)
    mblm_cpu_fill_avx2 (&device->ops);
  if (level >= MBLM_CPU_AVX512)
    mblm_cpu_fill_avx512 (&device->ops);
  if (level >= MBLM_CPU_AVX512BF16)
    mblm_cpu_fill_avx512bf16 (&device->ops);
  if (level >= MBLM_CPU_AMX)
    mblm_cpu_fill_amx (&device->ops);
#endif
  count = mblm_pool_threads (device->pool);
  snprintf (device->description, sizeof (device->description),
      "%s, %u thread%s", mblm_cpu_level_describe (level), count,
      count == 1 ? "" : "s");
  return device;
}

static const char *
cpu_device_describe (MblmKernelDevice *device)
{
  return device->description;
}

static unsigned
cpu_device_threads (MblmKernelDevice *device)
{
  return mblm_pool_threads (device->pool);
}

/* What more rows keep falls out of the caches. */
static void
cpu_device_traits (MblmKernelDevice *device, MblmTraits *traits)
{
  *traits = (MblmTraits){.rows = 1024};
}

static void
cpu_queue_free (MblmQueue *queue)
{
  if (!queue)
    return;
  mblm_cpu_free (queue->scratch);
  free (queue);
}

static MblmQueue *
cpu_queue_new (MblmKernelDevice *device)
{
  MblmQueue *queue = calloc (1, sizeof (*queue));

  if (queue)
    queue->device = device;
  return queue;
}

static MblmStatus
cpu_queue_wait (MblmQueue *queue)
{
  MblmStatus status = queue->status;

  queue->status = MBLM_STATUS_OK;
  return status;
}

void
mblm_cpu_run (MblmQueue *queue, size_t tiles, double work, MblmTask task,
    const void *data)
{
  if (work >= MIN_SHARED_WORK) {
    mblm_pool_run (queue->device->pool, tiles, task, data);
    return;
  }
  for (size_t i = 0; i < tiles; i++)
    task (data, i, 0);
}

/* ------------------------------------------------------------------------- */
/* Transfers, and operations that no instruction set makes faster            */
/* ------------------------------------------------------------------------- */

typedef struct {
  char *to;
  const char *from; /* NULL: zeros */
  size_t bytes;
} Transfer;

static void
transfer_tile (const void *data, size_t tile, unsigned worker)
{
  const Transfer *self = data;
  size_t first = tile * TRANSFER_TILE;
  size_t bytes = min_size (TRANSFER_TILE, self->bytes - first);

  if (self->from)
    memcpy (self->to + first, self->from + first, bytes);
  else
    memset (self->to + first, 0, bytes);
}

static void
transfer (MblmQueue *queue, void *to, const void *from, size_t bytes)
{
  Transfer self = {to, from, bytes};

  if (queue->status == MBLM_STATUS_OK)
    mblm_cpu_run (queue, divide_up (bytes, TRANSFER_TILE),
        TRANSFER_WORK * (double) bytes, transfer_tile, &self);
}

static void
cpu_copy (MblmQueue *queue, void *to, const void *from, size_t bytes)
{
  transfer (queue, to, from, bytes);
}

static void
cpu_zero (MblmQueue *queue, void *to, size_t bytes)
{
  transfer (queue, to, NULL, bytes);
}

/* One tile is one row of angles. The C library's sine and cosine reduce any
 * float32 exactly. */
static void
rope_angles_tile (const void *data, size_t tile, unsigned worker)
{
  const MblmRopeAngles *a = data;
  size_t first = a->first ? a->first[tile / a->rows] : 0;
  float position = (float) (first + tile % a->rows);
  float *cosine = a->cosine + tile * a->half, *sine = a->sine + tile * a->half;

  for (size_t j = 0; j < a->half; j++)
    sincosf (position * a->frequency[j], &sine[j], &cosine[j]);
}

static void
cpu_rope_angles (MblmQueue *queue, const MblmRopeAngles *a)
{
  if (queue->status == MBLM_STATUS_OK)
    mblm_cpu_run (queue, a->batch * a->rows,
        20.0 * (double) (a->batch * a->rows) * (double) a->half,
        rope_angles_tile, a);
}

static void
cpu_sample (MblmQueue *queue, const MblmSample *a)
{
  if (queue->status == MBLM_STATUS_OK)
    mblm_cpu_sample (queue, a);
}

/* ------------------------------------------------------------------------- */
/* The table                                                                 */
/* ------------------------------------------------------------------------- */

#define FORWARD(name, Type)                                                    \
  static void cpu_##name (MblmQueue *queue, const Type *a)                     \
  {                                                                            \
    if (queue->status == MBLM_STATUS_OK)                                       \
      queue->device->ops.name (queue, a);                                      \
  }

FORWARD (embed, MblmEmbed)
FORWARD (embed_backward, MblmEmbedBackward)
FORWARD (add_position, MblmAddPosition)
FORWARD (add_position_backward, MblmAddPositionBackward)
FORWARD (add, MblmAdd)
FORWARD (copy_rows, MblmCopyRows)
FORWARD (scatter_rows, MblmScatterRows)
FORWARD (sum_rows, MblmSumRows)
FORWARD (dropout, MblmDropout)
FORWARD (linear, MblmLinear)
FORWARD (linear_backward, MblmLinearBackward)
FORWARD (layer_norm, MblmLayerNorm)
FORWARD (layer_norm_backward, MblmLayerNormBackward)
FORWARD (rms_norm, MblmRmsNorm)
FORWARD (rms_norm_backward, MblmRmsNormBackward)
FORWARD (shift_norm, MblmShiftNorm)
FORWARD (shift_norm_backward, MblmShiftNormBackward)
FORWARD (gated_norm, MblmGatedNorm)
FORWARD (gated_norm_backward, MblmGatedNormBackward)
FORWARD (rope, MblmRope)
FORWARD (rope_backward, MblmRope)
FORWARD (attention, MblmAttention)
FORWARD (attention_backward, MblmAttentionBackward)
FORWARD (conv, MblmConv)
FORWARD (conv_backward, MblmConvBackward)
FORWARD (ssd_scan, MblmSsdScan)
FORWARD (ssd_scan_backward, MblmSsdScanBackward)
FORWARD (selective_scan, MblmSelectiveScan)
FORWARD (selective_scan_backward, MblmSelectiveScanBackward)
FORWARD (cross_entropy, MblmCrossEntropy)
FORWARD (cross_entropy_backward, MblmCrossEntropyBackward)
FORWARD (sum_squares, MblmSumSquares)
FORWARD (add_scaled, MblmAddScaled)
FORWARD (convert, MblmConvert)
FORWARD (adam, MblmAdam)

const MblmKernels *
mblm_kernels_cpu (void)
{
  static const MblmKernels kernels = {
      .abi = MBLM_KERNELS_ABI,
      .name = "cpu",
      .device_open = cpu_device_open,
      .device_close = cpu_device_close,
      .device_describe = cpu_device_describe,
      .device_threads = cpu_device_threads,
      .device_traits = cpu_device_traits,
      .alloc = cpu_alloc,
      .free = cpu_free,
      .alloc_host = cpu_alloc,
      .free_host = cpu_free,
      .queue_new = cpu_queue_new,
      .queue_free = cpu_queue_free,
      .queue_wait = cpu_queue_wait,
      .upload = cpu_copy,
      .download = cpu_copy,
      .copy = cpu_copy,
      .zero = cpu_zero,
      .embed = cpu_embed,
      .embed_backward = cpu_embed_backward,
      .add_position = cpu_add_position,
      .add_position_backward = cpu_add_position_backward,
      .add = cpu_add,
      .copy_rows = cpu_copy_rows,
      .scatter_rows = cpu_scatter_rows,
      .sum_rows = cpu_sum_rows,
      .dropout = cpu_dropout,
      .linear = cpu_linear,
      .linear_backward = cpu_linear_backward,
      .layer_norm = cpu_layer_norm,
      .layer_norm_backward = cpu_layer_norm_backward,
      .rms_norm = cpu_rms_norm,
      .rms_norm_backward = cpu_rms_norm_backward,
      .shift_norm = cpu_shift_norm,
      .shift_norm_backward = cpu_shift_norm_backward,
      .gated_norm = cpu_gated_norm,
      .gated_norm_backward = cpu_gated_norm_backward,
      .rope_angles = cpu_rope_angles,
      .rope = cpu_rope,
      .rope_backward = cpu_rope_backward,
      .attention = cpu_attention,
      .attention_backward = cpu_attention_backward,
      .conv = cpu_conv,
      .conv_backward = cpu_conv_backward,
      .ssd_scan = cpu_ssd_scan,
      .ssd_scan_backward = cpu_ssd_scan_backward,
      .selective_scan = cpu_selective_scan,
      .selective_scan_backward = cpu_selective_scan_backward,
      .cross_entropy = cpu_cross_entropy,
      .cross_entropy_backward = cpu_cross_entropy_backward,
      .sample = cpu_sample,
      .sum_squares = cpu_sum_squares,
      .add_scaled = cpu_add_scaled,
      .convert = cpu_convert,
      .adam = cpu_adam,
  };

  return &kernels;
}
