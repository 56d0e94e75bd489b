/* sample.cu: drawing an id from a distribution.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A block draws from a row. A logit and its id are one integer that rises as the
 * logit falls; a bitonic sort of these, all in shared memory for usual
 * vocabularies and else in scratch memory, is the order of the reference, ties and
 * all. Ids that are not allowed come last. The weights of the candidates are
 * summed up in double: each thread those of a run of them, and the runs by a scan
 * over the block. A logit that is not a number is minus infinity.
 *
 * A row of decoding is all latency: 45 steps of the sort for 257 ids, and two
 * scans. The largest logit alone needs no sort.
 *
 * What the host is told lies in its own memory, page-locked, where a device can
 * write it: a ring of slots. Each row of a slot has a stamp, written behind all
 * else, and the host looks at the stamps while the device goes on.
 */

#include "reduce.h"

#include <math.h>
#include <string.h>

#define MOST_WARPS (MBLM_CUDA_MOST_THREADS / MBLM_CUDA_WARP)
#define SHARED_VOCABULARY 2048 /* up to this all is in shared memory */
#define SCRATCH_BLOCKS 256     /* otherwise at most so many rows at once */

/* Above the key of every logit. */
#define NOT_ALLOWED 0xffffffffu

struct MblmCudaLeast {
  template <typename T>
  __device__ static T
  join (T a, T b)
  {
    return a < b ? a : b;
  }
};

/* Rises as x falls; equal for equal numbers. */
__device__ static uint32_t
falling_key (float x)
{
  uint32_t bits = __float_as_uint (isnan (x) ? -INFINITY : x + 0.0f);

  return bits & 0x80000000u ? bits : ~bits & 0x7fffffffu;
}

__device__ static float
falling_value (uint64_t entry)
{
  uint32_t key = (uint32_t) (entry >> 32);

  return __uint_as_float (key & 0x80000000u ? key : ~key & 0x7fffffffu);
}

__device__ static uint64_t
entry_of (const MblmSample &a, size_t row, size_t v)
{
  uint32_t key = !a.allowed || a.allowed[v]
      ? falling_key (a.logits[row * a.vocabulary + v])
      : NOT_ALLOWED;

  return (uint64_t) key << 32 | v;
}

/* Sorts list[count], which the block sees, up. Of two entries the lower place gets
 * the lesser one at every step, so that places from `count` on, which would hold
 * infinity, are never looked at. */
__device__ static void
sort (uint64_t *list, size_t count)
{
  for (size_t size = 2; size / 2 < count; size *= 2)
    for (size_t half = size / 2; half > 0; half /= 2) {
      for (size_t i = threadIdx.x; i < count; i += blockDim.x) {
        /* The first step looks at a run and the next one backwards. */
        size_t other = half == size / 2 ? i ^ (size - 1) : i ^ half;

        if (other > i && other < count && list[other] < list[i]) {
          uint64_t swap = list[i];

          list[i] = list[other];
          list[other] = swap;
        }
      }
      __syncthreads ();
    }
}

/* The sum of `value` over the threads before this one; *all gets that of all. */
__device__ static double
sum_before (double value, double *shared, double *all)
{
  unsigned lane = threadIdx.x % MBLM_CUDA_WARP;
  unsigned warp = threadIdx.x / MBLM_CUDA_WARP;
  double sum = value, before = 0.0;

#pragma unroll
  for (unsigned by = 1; by < MBLM_CUDA_WARP; by *= 2) {
    double more = __shfl_up_sync (MBLM_CUDA_EVERY_LANE, sum, by);

    if (lane >= by)
      sum += more;
  }
  __syncthreads ();
  if (lane == MBLM_CUDA_WARP - 1)
    shared[warp] = sum;
  __syncthreads ();
  *all = 0.0;
  for (unsigned w = 0; w < blockDim.x / MBLM_CUDA_WARP; w++) {
    if (w == warp)
      before = *all;
    *all += shared[w];
  }
  sum = __shfl_up_sync (MBLM_CUDA_EVERY_LANE, sum, 1);
  return lane == 0 ? before : before + sum;
}

/* What the threads of a block share. */
struct Shared {
  double sums[MOST_WARPS];
  uint64_t least[MOST_WARPS];
  double kept_sum;
};

/* From `count` sorted candidates; weight [count] becomes theirs. Weights are
 * probabilities times their sum, so that the largest is exactly 1. */
__device__ static int32_t
draw (const MblmSample &a, const uint64_t *list, size_t count, double *weight,
    double uniform, Shared *shared)
{
  size_t run = divide_up (count, blockDim.x);
  size_t first = min_size (threadIdx.x * run, count);
  size_t end = min_size (first + run, count);
  float top = falling_value (list[0]);
  uint64_t kept = count, id = SIZE_MAX;
  double own = 0.0, total, reached, before;

  for (size_t i = first; i < end; i++) {
    float logit = falling_value (list[i]);

    weight[i] = logit == top
        ? 1.0
        : exp (((double) logit - (double) top) / a.temperature);
    own += weight[i];
  }
  before = sum_before (own, shared->sums, &total);

  /* The first that doesn't stay. */
  reached = before;
  for (size_t i = first; i < end && kept == count; i++) {
    if (i > 0 &&
        !(weight[i] >= a.min_p &&
            (a.top_p >= 1.0f || reached < a.top_p * total)))
      kept = i;
    reached += weight[i];
  }
  kept = mblm_cuda_block_reduce<MblmCudaLeast> (kept, shared->least);

  reached = before;
  for (size_t i = first; i < end; i++) {
    reached += weight[i];
    if (i == kept - 1)
      shared->kept_sum = reached;
  }
  __syncthreads ();
  total = shared->kept_sum;

  reached = before;
  for (size_t i = first; i < end && id == SIZE_MAX; i++) {
    reached += weight[i];
    if (i + 1 >= kept || reached > uniform * total)
      id = i;
  }
  id = mblm_cuda_block_reduce<MblmCudaLeast> (id, shared->least);
  return (int32_t) list[min_size (id, kept - 1)];
}

/* The largest logit of the lowest id. */
__device__ static int32_t
largest (const MblmSample &a, size_t row, Shared *shared)
{
  uint64_t best = UINT64_MAX;

  for (size_t v = threadIdx.x; v < a.vocabulary; v += blockDim.x)
    best = MblmCudaLeast::join (best, entry_of (a, row, v));
  best = mblm_cuda_block_reduce<MblmCudaLeast> (best, shared->least);
  return best >> 32 == NOT_ALLOWED ? -1 : (int32_t) best;
}

__device__ static int32_t
sample_row (const MblmSample &a, size_t row, uint64_t *list, double *weight,
    Shared *shared)
{
  int allowed = 0;
  size_t count;

  for (size_t v = threadIdx.x; v < a.vocabulary; v += blockDim.x) {
    list[v] = entry_of (a, row, v);
    allowed += list[v] >> 32 != NOT_ALLOWED;
  }
  count = (size_t) mblm_cuda_block_sum ((uint64_t) allowed, shared->least);
  if (count == 0)
    return -1;
  __syncthreads ();
  sort (list, a.vocabulary);
  if (a.top_k > 0 && a.top_k < count)
    count = a.top_k;
  return draw (a, list, count, weight, a.uniform[row], shared);
}

/* ------------------------------------------------------------------------- */
/* What the host is told                                                     */
/* ------------------------------------------------------------------------- */

/* At a stamp, between two questions whether the device still works. */
#define LOOKS 65536

struct Told {
  uint32_t *stamps; /* [rows]; NULL: nothing is told */
  int32_t *ids;     /* [rows] */
  float *logits;    /* [rows, vocabulary] */
  uint32_t number;  /* what the stamps become */
};

/* Of sample `number`; its slot is in use until it was asked for. */
static Told
slot_of (const MblmQueue *queue, uint32_t number)
{
  size_t rows = queue->told_rows;
  uint32_t *slot = queue->told +
      number % MBLM_MOST_TOLD * (queue->told_size / MBLM_MOST_TOLD);

  return {slot, (int32_t *) slot + rows, (float *) slot + 2 * rows, number};
}

/* Room for samples of this shape; of another there are none then. */
static bool
make_room (MblmQueue *queue, size_t rows, size_t vocabulary)
{
  size_t slot = mblm_cuda_count (rows, max_size (vocabulary, 1) + 2);
  size_t size = mblm_cuda_count (slot, MBLM_MOST_TOLD);
  size_t bytes = mblm_cuda_count (size, sizeof (uint32_t));

  if (queue->told_rows == rows && queue->told_vocabulary == vocabulary)
    return true;
  if (!mblm_cuda_check (queue, cudaStreamSynchronize (queue->stream)))
    return false;
  cudaFreeHost (queue->told);
  queue->told = NULL;
  queue->told_rows = queue->told_vocabulary = 0;
  queue->told_sent = queue->told_taken = 0;
  if (!mblm_cuda_check (queue, cudaMallocHost ((void **) &queue->told, bytes)))
    return false;
  memset (queue->told, 0, bytes); /* sample 0 is nobody's */
  queue->told_size = size;
  queue->told_rows = rows;
  queue->told_vocabulary = vocabulary;
  return true;
}

/* The whole block calls it for a row. */
__device__ static void
tell (const MblmSample &a, const Told &told, size_t row, int32_t id)
{
  for (size_t v = threadIdx.x; v < a.vocabulary; v += blockDim.x)
    told.logits[row * a.vocabulary + v] = a.logits[row * a.vocabulary + v];
  if (threadIdx.x == 0)
    told.ids[row] = id;
  __syncthreads ();
  if (threadIdx.x == 0) {
    /* Behind the barrier, so that it orders what the whole block wrote. */
    __threadfence_system ();
    *(volatile uint32_t *) &told.stamps[row] = told.number;
  }
}

/* False: the device has done all that it was asked to, and this isn't there. */
static bool
wait_for_stamp (MblmQueue *queue, const uint32_t *stamp, uint32_t number)
{
  for (;;) {
    cudaError_t error;

    for (int i = 0; i < LOOKS; i++)
      if (__atomic_load_n (stamp, __ATOMIC_ACQUIRE) == number)
        return true;
    error = cudaStreamQuery (queue->stream);
    if (error == cudaSuccess)
      return __atomic_load_n (stamp, __ATOMIC_ACQUIRE) == number;
    if (error != cudaErrorNotReady)
      return mblm_cuda_check (queue, error);
    cudaGetLastError ();
  }
}

MblmStatus
mblm_cuda_sample_told (MblmQueue *queue, float *logits, int32_t *ids)
{
  size_t rows = queue->told_rows, count = rows * queue->told_vocabulary;
  bool is_here = mblm_cuda_begin (queue);
  MblmStatus status;

  if (!logits && !ids) {
    queue->told_taken = queue->told_sent;
    return MBLM_STATUS_OK;
  }
  Told told = slot_of (queue, queue->told_taken + 1);

  for (size_t i = 0; is_here && i < rows; i++)
    is_here = wait_for_stamp (queue, &told.stamps[i], told.number);
  if (is_here) {
    queue->told_taken++;
    memcpy (logits, told.logits, count * sizeof (float));
    memcpy (ids, told.ids, rows * sizeof (int32_t));
    return MBLM_STATUS_OK;
  }
  status = queue->status;
  queue->status = MBLM_STATUS_OK;
  return status == MBLM_STATUS_OK ? MBLM_STATUS_DEVICE_LOST : status;
}

/* ------------------------------------------------------------------------- */
/* The operation                                                             */
/* ------------------------------------------------------------------------- */

/* `scratch` [blocks, vocabulary] for a list and for weights, or NULL where there
 * is shared memory for them. */
__global__ static void
__launch_bounds__ (MBLM_CUDA_MOST_THREADS)
    sample_kernel (MblmSample a, uint64_t *lists, double *weights, Told told)
{
  MBLM_CUDA_DYNAMIC (uint64_t, dynamic);
  __shared__ Shared shared;
  uint64_t *list = lists ? lists + blockIdx.x * a.vocabulary : dynamic;
  double *weight = lists ? weights + blockIdx.x * a.vocabulary
                         : (double *) (dynamic + a.vocabulary);

  for (size_t row = blockIdx.x; row < a.rows; row += gridDim.x) {
    int32_t id = -1;

    if (a.ids)
      id = a.temperature > 0.0f ? sample_row (a, row, list, weight, &shared)
                                : largest (a, row, &shared);
    if (a.ids && threadIdx.x == 0)
      a.ids[row] = id;
    if (told.stamps)
      tell (a, told, row, id);
    __syncthreads ();
  }
}

void
mblm_cuda_sample (MblmQueue *queue, const MblmSample *a)
{
  MblmCudaScratch scratch = {queue};
  Told told = {};
  bool sorts = a->ids && a->temperature > 0.0f;
  bool is_large = sorts && a->vocabulary > SHARED_VOCABULARY;
  size_t blocks = min_size (a->rows, is_large ? SCRATCH_BLOCKS : INT32_MAX);
  size_t count = is_large ? mblm_cuda_count (blocks, a->vocabulary) : 0;
  size_t lists = mblm_cuda_part (&scratch, count, sizeof (uint64_t));
  size_t weights = mblm_cuda_part (&scratch, count, sizeof (double));
  unsigned threads = (unsigned) min_size (MBLM_CUDA_MOST_THREADS,
      divide_up (max_size (a->vocabulary, 1), MBLM_CUDA_WARP) * MBLM_CUDA_WARP);
  size_t shared = sorts && !is_large
      ? a->vocabulary * (sizeof (uint64_t) + sizeof (double))
      : 0;

  if (!mblm_cuda_begin (queue) || !mblm_cuda_scratch (&scratch) ||
      (a->tells && !make_room (queue, a->rows, a->vocabulary)))
    return;
  if (a->tells)
    told = slot_of (queue, ++queue->told_sent);
  mblm_cuda_launch (queue, sample_kernel, (unsigned) blocks, threads, shared,
      *a, is_large ? mblm_cuda_at<uint64_t> (&scratch, lists) : NULL,
      is_large ? mblm_cuda_at<double> (&scratch, weights) : NULL, told);
}
