/* attention-cudnn.cu: attention of many rows, by cuDNN.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where the variable MBLM_CUDNN asks for it, the library is there, and the case is
 * one of those it is best at: causal, no past, memory of bfloat16. Everything else,
 * and what fails here, is computed by the other kernels: both leave the same
 * log_sum, so that one may be forward and the other backward.
 *
 * The workspace of the gradients grows with the square of the rows (cudnn-graph.cu):
 * a batch is cut into pieces, of sequences or of heads of one, that have room.
 * cuDNN's log_sum has rows running fastest, ours heads: it is turned on its way.
 */

#include "attention.h"
#include "cudnn.h"

#include <stdlib.h>

/* Fewer rows are not worth it; on the host everything is small. */
#ifdef __CUDACC__
#define LEAST_ROWS 1024
#define MOST_WORKSPACE ((size_t) 1 << 30)
#else
#define LEAST_ROWS 64
#define MOST_WORKSPACE ((size_t) 256 << 10)
#endif

#define MOST_HEAD_DIM 128
#define MOST_NUMBERS INT32_MAX /* that a piece reaches over */
#define MOST_HEADS 65535       /* of a piece, in all its sequences */
#define PITCH 64               /* what begins at multiples of so many floats */

struct CudnnLibrary {
  bool is_off; /* not wanted, or there is none */
  MblmCudnnPlans plans;
  char *memory;
  size_t size; /* of it, in bytes */
};

/* How a batch is cut: all heads of some sequences, or some heads of one. */
struct Pieces {
  size_t sequences, heads;
};

/* ------------------------------------------------------------------------- */
/* The library                                                               */
/* ------------------------------------------------------------------------- */

static void
wait_for_queue (void *data)
{
  cudaStreamSynchronize (((MblmQueue *) data)->stream);
}

static void
library_free (void *data)
{
  CudnnLibrary *self = (CudnnLibrary *) data;

  if (self->plans.calls)
    mblm_cudnn_plans_clear (&self->plans);
  if (self->plans.handle)
    self->plans.calls->destroy (self->plans.handle);
  cudaFree (self->memory);
  free (self);
}

/* Whether there is one. */
static bool
open_library (MblmQueue *queue, CudnnLibrary *self)
{
  MblmCudnnPlans *plans = &self->plans;
  MblmCudnnStatus status;

  if (!mblm_cudnn_is_wanted ())
    return false;
  plans->calls = mblm_cudnn_calls ();
  if (!plans->calls)
    return false;
  status = plans->calls->create (&plans->handle);
  if (status == 0)
    status = plans->calls->set_stream (plans->handle, queue->stream);
  if (status != 0)
    mblm_cudnn_say (
        "no attention by cuDNN: %s", plans->calls->error_string (status));
  plans->most_workspace = MOST_WORKSPACE;
  plans->wait = wait_for_queue;
  plans->data = queue;
  return status == 0;
}

/* NULL: it isn't used. */
static CudnnLibrary *
library_of (MblmQueue *queue)
{
  MblmCudaHandle *handle = &queue->libraries[MBLM_CUDA_CUDNN];
  CudnnLibrary *self = (CudnnLibrary *) handle->data;

  if (!self) {
    self = (CudnnLibrary *) calloc (1, sizeof (*self));
    if (!self)
      return NULL;
    *handle = {self, library_free};
    self->is_off = !open_library (queue, self);
    /* The error must not be taken for a launch's. */
    cudaGetLastError ();
  }
  return self->is_off ? NULL : self;
}

/* Has memory of so many bytes; what ran before may still use the old one. */
static bool
reserve (MblmQueue *queue, CudnnLibrary *self, size_t size)
{
  if (size <= self->size)
    return true;
  wait_for_queue (queue);
  cudaFree (self->memory);
  self->memory = NULL;
  self->size = 0;
  if (cudaMalloc (&self->memory, size) != cudaSuccess) {
    cudaGetLastError ();
    return false;
  }
  self->size = size;
  return true;
}

/* ------------------------------------------------------------------------- */
/* What it takes                                                             */
/* ------------------------------------------------------------------------- */

template <typename... P>
static bool
is_whole (const P *...rows)
{
  return (rows && ...) && (((uintptr_t) rows | ...) & 15) == 0;
}

static bool
takes (const MblmAttention *a)
{
  return a->type == MBLM_TYPE_BF16 && a->product == MBLM_TYPE_BF16 &&
      a->causal && !a->cosine && a->rows >= LEAST_ROWS &&
      a->head_dim <= MOST_HEAD_DIM &&
      (a->head_dim | a->query_stride | a->key_stride) % 8 == 0 &&
      is_whole (a->query, a->key, a->value, a->out) &&
      attention_longest_past (a) == 0;
}

/* From compute capability 10 on, gradients that are the same bits each time are a
 * matter of settings of a way, and not of this graph. */
static bool
takes_backward (const MblmQueue *queue, const MblmAttentionBackward *g)
{
  return queue->device->major < 10 && takes (&g->forward) &&
      is_whole (g->d_out, g->d_query, g->d_key, g->d_value);
}

/* Bytes for the gradients of the scores of a head. */
static size_t
workspace_of (size_t rows)
{
  size_t whole = divide_up (rows, 128) * 128;

  return mblm_cuda_count (whole, whole, 2);
}

static bool
has_room (
    const MblmAttention *a, bool is_backward, size_t sequences, size_t heads)
{
  size_t stride = max_size (max_size (a->query_stride, a->key_stride),
      mblm_cuda_count (a->heads, a->head_dim));
  size_t all = mblm_cuda_count (sequences, heads);

  /* something is left for what else is in the workspace */
  return all <= MOST_HEADS &&
      mblm_cuda_count (sequences, a->rows, stride) <= MOST_NUMBERS &&
      (!is_backward ||
          mblm_cuda_count (all, workspace_of (a->rows)) <=
              MOST_WORKSPACE - MOST_WORKSPACE / 64);
}

/* The largest pieces, all of one size. False: not even one head has room. */
static bool
cut (const MblmAttention *a, bool is_backward, Pieces *pieces)
{
  size_t parts = 1;

  for (; parts <= a->batch; parts++)
    if (a->batch % parts == 0 &&
        has_room (a, is_backward, a->batch / parts, a->heads)) {
      *pieces = {a->batch / parts, a->heads};
      return true;
    }
  for (parts = 2; parts <= a->heads; parts++)
    if (a->heads % parts == 0 &&
        has_room (a, is_backward, 1, a->heads / parts)) {
      *pieces = {1, a->heads / parts};
      return true;
    }
  return false;
}

static MblmCudnnPlan *
plan_for (CudnnLibrary *self, const MblmAttention *a, bool is_backward,
    const Pieces *pieces)
{
  MblmCudnnShape shape = {pieces->sequences, pieces->heads, a->rows,
      a->head_dim, a->query_stride, a->key_stride, a->heads * a->head_dim,
      is_backward};

  return mblm_cudnn_plan (&self->plans, &shape);
}

/* ------------------------------------------------------------------------- */
/* Running                                                                   */
/* ------------------------------------------------------------------------- */

/* cuDNN's log_sum is [batch, heads, rows], but each piece of `count` numbers of it
 * begins `pitch` numbers behind the one before. */
struct Pitch {
  size_t rows, heads, count, pitch, all;

  /* Where number i of it lies; and in ours, [batch, rows, heads]. */
  __device__ size_t
  theirs (size_t i) const
  {
    return i / count * pitch + i % count;
  }

  __device__ size_t
  ours (size_t i) const
  {
    size_t row = i % rows, head = i / rows % heads, b = i / rows / heads;

    return (b * rows + row) * heads + head;
  }
};

static Pitch
pitch_of (const MblmAttention *a, const Pieces *pieces)
{
  size_t count = pieces->sequences * pieces->heads * a->rows;

  return {a->rows, a->heads, count, divide_up (count, PITCH) * PITCH,
      a->batch * a->heads * a->rows};
}

__global__ static void
give_kernel (const float *from, float *to, const Pitch pitch)
{
  for (size_t i = mblm_cuda_thread (); i < pitch.all; i += mblm_cuda_threads ())
    to[pitch.theirs (i)] = from[pitch.ours (i)];
}

__global__ static void
take_kernel (const float *from, float *to, const Pitch pitch)
{
  for (size_t i = mblm_cuda_thread (); i < pitch.all; i += mblm_cuda_threads ())
    to[pitch.ours (i)] = from[pitch.theirs (i)];
}

/* The memory of the piece that begins with these. */
static MblmCudnnMemory
memory_at (const MblmCudnnMemory *all, const MblmAttention *a,
    const Pieces *pieces, size_t sequence, size_t head)
{
  Pitch pitch = pitch_of (a, pieces);
  size_t row = sequence * a->rows, at = head * a->head_dim;
  size_t query = row * a->query_stride + at, key = row * a->key_stride + at;
  size_t out = row * a->heads * a->head_dim + at;
  size_t sums = (sequence * a->heads + head) * a->rows / pitch.count *
      pitch.pitch;
  const size_t offsets[MBLM_CUDNN_PARTS] = {query * 2, key * 2, key * 2,
      out * 2, sums * 4, /* forward */
      out * 2, query * 2, key * 2, key * 2, 0};
  MblmCudnnMemory memory = *all;

  for (int i = 0; i < MBLM_CUDNN_PARTS; i++)
    if (all->at[i])
      memory.at[i] = (char *) all->at[i] + offsets[i];
  return memory;
}

/* False: it can't be done, and won't be tried again. */
static bool
run (CudnnLibrary *self, MblmCudnnPlan *plan, const MblmAttention *a,
    const Pieces *pieces, const MblmCudnnMemory *all)
{
  for (size_t b = 0; b < a->batch; b += pieces->sequences)
    for (size_t h = 0; h < a->heads; h += pieces->heads) {
      MblmCudnnMemory memory = memory_at (all, a, pieces, b, h);
      MblmCudnnStatus status = mblm_cudnn_run (&self->plans, plan, &memory);

      if (status == 0)
        continue;
      mblm_cudnn_say ("attention by cuDNN fails: %s",
          self->plans.calls->error_string (status));
      plan->is_refused = true;
      /* what is wrong with the device shows again */
      cudaGetLastError ();
      return false;
    }
  return true;
}

/* Where a call keeps its own: log_sum of all pieces, delta of the one that is being
 * computed, the workspace. False: no memory. */
static bool
place (MblmQueue *queue, CudnnLibrary *self, MblmCudnnPlan *plan,
    const Pitch *pitch, MblmCudnnMemory *memory)
{
  size_t piece = pitch->pitch * sizeof (float);
  size_t all = pitch->all / pitch->count * piece;
  size_t size = all + piece + plan->workspace;

  if (!reserve (queue, self, size)) {
    mblm_cudnn_say (
        "no attention by cuDNN: there are no %zu bytes for it", size);
    plan->is_refused = true;
    return false;
  }
  memory->at[MBLM_CUDNN_LOG_SUM] = self->memory;
  memory->at[MBLM_CUDNN_DELTA] = self->memory + all;
  memory->workspace = self->memory + all + piece;
#ifndef __CUDACC__
  cuda_host_poison (self->memory, size);
#endif
  return true;
}

bool
attention_cudnn (MblmQueue *queue, const MblmAttention *a)
{
  CudnnLibrary *self = takes (a) ? library_of (queue) : NULL;
  MblmCudnnMemory memory = {
      {(void *) a->query, (void *) a->key, (void *) a->value, a->out}};
  MblmCudnnPlan *plan;
  Pieces pieces;
  Pitch pitch;

  if (!self || !cut (a, false, &pieces))
    return false;
  pitch = pitch_of (a, &pieces);
  plan = plan_for (self, a, false, &pieces);
  if (!plan || !place (queue, self, plan, &pitch, &memory) ||
      !run (self, plan, a, &pieces, &memory))
    return false;
  if (a->log_sum)
    mblm_cuda_launch (queue, take_kernel, mblm_cuda_blocks (pitch.all, 256),
        256, 0, (const float *) memory.at[MBLM_CUDNN_LOG_SUM], a->log_sum,
        pitch);
  return true;
}

bool
attention_cudnn_backward (MblmQueue *queue, const MblmAttentionBackward *g)
{
  const MblmAttention *a = &g->forward;
  CudnnLibrary *self = takes_backward (queue, g) ? library_of (queue) : NULL;
  MblmCudnnMemory memory = {
      {(void *) a->query, (void *) a->key, (void *) a->value, a->out, NULL,
          (void *) g->d_out, g->d_query, g->d_key, g->d_value}};
  MblmCudnnPlan *plan;
  Pieces pieces;
  Pitch pitch;

  if (!self || !cut (a, true, &pieces))
    return false;
  pitch = pitch_of (a, &pieces);
  plan = plan_for (self, a, true, &pieces);
  if (!plan || !place (queue, self, plan, &pitch, &memory))
    return false;
  mblm_cuda_launch (queue, give_kernel, mblm_cuda_blocks (pitch.all, 256), 256,
      0, a->log_sum, (float *) memory.at[MBLM_CUDNN_LOG_SUM], pitch);
  return run (self, plan, a, &pieces, &memory);
}
