/* test-sequences.cpp: what sequences carry, in pieces of a batch.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The operation here is one nobody has: each sequence leaves twice what it starts
 * from and its number. Its gradient is twice that of what it leaves.
 */

#include "cuda/sequences.h"
#include "cuda/sums.h"

#include <vector>

extern "C" const MblmKernels *mblm_kernels_cuda (void);

#define SIZE 5
#define MOST 150 /* sequences: three pieces */

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf (stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      exit (1);                                                                \
    }                                                                          \
  } while (0)

enum Kind {
  FRESH,
  ON,
  IN_PLACE,
  SHARED,
  BACK, /* shared, and the last leaves its state there */
  END,
  KINDS,
};

struct Batch {
  Kind kind;
  size_t count;
  float start[MOST][SIZE], left[MOST][SIZE];
  const float *from[MOST];
  float *to[MOST];
  float d_start[MOST][SIZE], d_left[MOST][SIZE];
  float *d_from[MOST];
  const float *d_to[MOST];
  MblmCarry carry;
  MblmCarryGradient gradient;
};

static void
prepare (Batch *batch, Kind kind, size_t count)
{
  bool shared = kind == SHARED || kind == BACK;

  batch->kind = kind;
  batch->count = count;
  for (size_t b = 0; b < count; b++) {
    batch->from[b] = batch->start[shared ? 0 : b];
    batch->to[b] = kind == IN_PLACE || (kind == BACK && b == count - 1)
        ? batch->start[shared ? 0 : b]
        : batch->left[b];
    batch->d_from[b] = batch->d_start[shared ? 0 : b];
    batch->d_to[b] = batch->d_left[b];
    for (size_t j = 0; j < SIZE; j++) {
      batch->start[b][j] = (float) (100 * b + j);
      batch->left[b][j] = -1.0f;
      batch->d_start[b][j] = 1.0f;
      batch->d_left[b][j] = (float) (b % 7 + j);
    }
  }
  batch->carry = {kind == FRESH ? NULL : batch->from,
      kind == END ? NULL : batch->to, shared};
  batch->gradient = {kind == END ? NULL : batch->d_to, batch->d_from};
}

__global__ static void
forward_kernel (MblmCudaCarry carry)
{
  const float *from = carry.from_of (blockIdx.x);
  float *to = carry.to_of (blockIdx.x);
  size_t b = carry.first + blockIdx.x, j = threadIdx.x;

  if (to)
    to[j] = 2.0f * (from ? from[j] : 0.0f) + (float) b;
}

static void
forward (MblmQueue *queue, const Batch *batch)
{
  MblmCudaScratch scratch = {queue};
  size_t part = mblm_cuda_carry_part (
      &scratch, &batch->carry, batch->count, SIZE);
  const float *start;
  MblmCudaCarry carry;

  CHECK (mblm_cuda_begin (queue) && mblm_cuda_scratch (&scratch));
  start = mblm_cuda_carry_start (
      &scratch, part, &batch->carry, batch->count, SIZE);
  for (size_t b = 0; b < batch->count; b += carry.count) {
    mblm_cuda_carry_piece (&carry, &batch->carry, start, b, batch->count);
    mblm_cuda_launch (
        queue, forward_kernel, (unsigned) carry.count, SIZE, 0, carry);
  }
}

static void
check_forward (MblmQueue *queue, Batch *batch)
{
  bool shared = batch->carry.shared;

  forward (queue, batch);
  for (size_t b = 0; b < batch->count; b++)
    for (size_t j = 0; j < SIZE; j++) {
      float from = batch->kind == FRESH ? 0.0f
                                        : (float) (shared ? j : 100 * b + j);

      if (batch->kind == END)
        CHECK (batch->left[b][j] == -1.0f);
      else
        CHECK (batch->to[b][j] == 2.0f * from + (float) b);
    }
}

__global__ static void
backward_kernel (MblmCudaCarryGradient gradient)
{
  const float *to = gradient.to_of (blockIdx.x);

  gradient.give (blockIdx.x, threadIdx.x, to ? 2.0f * to[threadIdx.x] : 0.0f);
}

static void
backward (MblmQueue *queue, const Batch *batch)
{
  MblmCudaScratch scratch = {queue};
  size_t rows_part = mblm_cuda_carry_rows_part (
      &scratch, &batch->carry, &batch->gradient, batch->count, SIZE);
  size_t sum_part = mblm_cuda_sum_rows_part (&scratch, batch->count, SIZE);
  MblmCudaCarry carry;
  MblmCudaCarryGradient gradient;
  float *rows;

  CHECK (mblm_cuda_begin (queue) && mblm_cuda_scratch (&scratch));
  rows = mblm_cuda_at<float> (&scratch, rows_part);
  for (size_t b = 0; b < batch->count; b += carry.count) {
    mblm_cuda_carry_piece (&carry, &batch->carry, NULL, b, batch->count);
    mblm_cuda_carry_gradient_piece (
        &gradient, &batch->carry, &batch->gradient, &carry, rows, SIZE);
    mblm_cuda_launch (
        queue, backward_kernel, (unsigned) carry.count, SIZE, 0, gradient);
  }
  if (mblm_cuda_carry_sums (&batch->carry, &batch->gradient))
    mblm_cuda_sum_rows_to (&scratch, sum_part, rows, batch->count, SIZE, SIZE,
        batch->gradient.from[0]);
}

static void
check_backward (MblmQueue *queue, Batch *batch)
{
  backward (queue, batch);
  for (size_t b = 0; b < batch->count; b++)
    for (size_t j = 0; j < SIZE; j++) {
      float expected = 1.0f;

      if (batch->carry.shared && b == 0)
        for (size_t c = 0; c < batch->count; c++)
          expected += 2.0f * batch->d_left[c][j];
      else if (!batch->carry.shared && batch->kind != FRESH &&
          batch->kind != END)
        expected += 2.0f * batch->d_left[b][j];
      CHECK (batch->d_start[b][j] == expected);
    }
}

int
main (void)
{
  static const size_t counts[] = {0, 1, 2, 63, 64, 65, 128, MOST};
  const MblmKernels *table = mblm_kernels_cuda ();
  char message[200];
  MblmKernelDevice *device = table->device_open (
      0, 0, message, sizeof (message));
  MblmQueue *queue = table->queue_new (device);
  std::vector<Batch> batch (1);

  for (size_t count : counts)
    for (int kind = 0; kind < KINDS; kind++) {
      prepare (&batch[0], (Kind) kind, count);
      check_backward (queue, &batch[0]);
      check_forward (queue, &batch[0]);
    }
  CHECK (table->queue_wait (queue) == MBLM_STATUS_OK);
  table->queue_free (queue);
  table->device_close (device);
  return 0;
}
