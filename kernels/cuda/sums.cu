/* sums.cu: sums over the rows of a matrix.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The rows are cut into parts, whose number their count decides; blocks add up a
 * part of 32 columns each in double, and a second launch the sums of the parts.
 */

#include "sums.h"

#include "bf16.h"

#define COLUMNS 32
#define LANES 8      /* rows at once */
#define PART_ROWS 64 /* at least */
#define MOST_PARTS 256

static size_t
rows_of_part (size_t rows)
{
  return max_size (PART_ROWS, divide_up (rows, MOST_PARTS));
}

/* What the sums are added to: entry (first + j) % period. */
struct Ring {
  float *out;
  size_t first, period;
};

__device__ static double
number (double x)
{
  return x;
}

__device__ static double
number (float x)
{
  return x;
}

__device__ static double
number (uint16_t x)
{
  return mblm_cuda_from_bf16 (x);
}

/* The sum of a column over the rows first .. end - 1; thread (., 0) gets it. */
template <typename T>
__device__ static double
sum_of_column (const T *x, size_t first, size_t end, size_t stride, bool is_in)
{
  __shared__ double sums[LANES][COLUMNS];
  double sum = 0.0;

  if (is_in) {
#pragma unroll 4
    for (size_t i = first + threadIdx.y; i < end; i += LANES)
      sum += number (x[i * stride]);
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads ();
  if (threadIdx.y == 0)
    for (int lane = 1; lane < LANES; lane++)
      sum += sums[lane][threadIdx.x];
  __syncthreads ();
  return sum;
}

/* To `partial` [parts, width], or to the ring where there is one part. */
template <typename T>
__global__ static void
sum_kernel (const T *x, size_t rows, size_t width, size_t stride,
    size_t part_rows, double *partial, Ring ring)
{
  size_t first = blockIdx.y * part_rows;

  for (size_t tile = blockIdx.x; tile < divide_up (width, COLUMNS);
       tile += gridDim.x) {
    size_t j = tile * COLUMNS + threadIdx.x;
    double sum = sum_of_column (
        x + j, first, min_size (rows, first + part_rows), stride, j < width);

    if (threadIdx.y != 0 || j >= width)
      continue;
    if (gridDim.y > 1) {
      partial[blockIdx.y * width + j] = sum;
    } else {
      float *out = ring.out + (ring.first + j) % ring.period;

      *out = (float) (*out + sum);
    }
  }
}

template <typename T>
static void
run_sums (MblmQueue *queue, const T *x, size_t rows, size_t width,
    size_t stride, size_t part_rows, double *partial, const Ring *ring)
{
  dim3 grid ((unsigned) min_size (divide_up (width, COLUMNS), 1u << 20),
      (unsigned) divide_up (rows, part_rows));

  mblm_cuda_launch (queue, sum_kernel<T>, grid, dim3 (COLUMNS, LANES), 0, x,
      rows, width, stride, part_rows, partial, *ring);
}

size_t
mblm_cuda_sum_rows_part (MblmCudaScratch *scratch, size_t rows, size_t width)
{
  /* enough for fewer rows, too, whose parts may be more */
  size_t parts = min_size (divide_up (rows, PART_ROWS), MOST_PARTS);

  return mblm_cuda_part (
      scratch, parts > 1 ? mblm_cuda_count (parts, width) : 0, sizeof (double));
}

/* To the ring, in one launch or two. */
template <typename T>
static void
sum_rows_to_ring (MblmCudaScratch *scratch, size_t part, const T *x,
    size_t rows, size_t width, size_t stride, const Ring *ring)
{
  size_t part_rows = rows_of_part (rows), parts = divide_up (rows, part_rows);
  double *partial = mblm_cuda_at<double> (scratch, part);

  if (!ring->out || rows == 0 || width == 0)
    return;
  run_sums (scratch->queue, x, rows, width, stride, part_rows, partial, ring);
  if (parts > 1)
    run_sums<double> (
        scratch->queue, partial, parts, width, width, parts, NULL, ring);
}

void
mblm_cuda_sum_rows_around (MblmCudaScratch *scratch, size_t part,
    const float *x, size_t rows, size_t width, size_t stride, float *out,
    size_t first, size_t period)
{
  Ring ring = {out, first, period};

  sum_rows_to_ring (scratch, part, x, rows, width, stride, &ring);
}

void
mblm_cuda_sum_rows_to (MblmCudaScratch *scratch, size_t part, const float *x,
    size_t rows, size_t width, size_t stride, float *out)
{
  mblm_cuda_sum_rows_around (
      scratch, part, x, rows, width, stride, out, 0, width);
}

void
mblm_cuda_sum_rows_of_bf16_to (MblmCudaScratch *scratch, size_t part,
    const uint16_t *x, size_t rows, size_t width, size_t stride, float *out)
{
  Ring ring = {out, 0, width};

  sum_rows_to_ring (scratch, part, x, rows, width, stride, &ring);
}

void
mblm_cuda_sum_rows (MblmQueue *queue, const MblmSumRows *a)
{
  MblmCudaScratch scratch = {queue};
  size_t part = mblm_cuda_sum_rows_part (&scratch, a->batch, a->width);

  if (mblm_cuda_begin (queue) && mblm_cuda_scratch (&scratch))
    mblm_cuda_sum_rows_to (
        &scratch, part, a->x, a->batch, a->width, a->x_stride, a->out);
}
