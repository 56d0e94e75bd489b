/* sums.cu: sums over the rows of a matrix.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The rows are cut into parts, whose number their count decides; blocks add up a
 * part of 32 columns each in double, or of 128 where these can be had in fours, and
 * a second launch the sums of the parts. The floor is the matrix, read once.
 */

#include "sums.h"

#include "typed.h"

#define COLUMNS 32
#define LANES 8      /* rows at once */
#define PART_ROWS 64 /* at least */
#define MOST_PARTS 256

static size_t
rows_of_part (size_t rows)
{
  return max_size (PART_ROWS, divide_up (rows, MOST_PARTS));
}

/* Entries i .. i + lanes - 1. */
template <int lanes>
__device__ static void
add_entries (double (&sum)[lanes], const double *x, size_t i)
{
  static_assert (lanes == 1, "sums come one by one");
  sum[0] += x[i];
}

template <int lanes, typename T>
__device__ static void
add_entries (double (&sum)[lanes], const T *x, size_t i)
{
  float values[lanes];

  mblm_cuda_get<lanes> (
      sizeof (T) == sizeof (float) ? MBLM_TYPE_F32 : MBLM_TYPE_BF16, x, i,
      values);
#pragma unroll
  for (int n = 0; n < lanes; n++)
    sum[n] += values[n];
}

/* The sums of columns j .. j + lanes - 1 over the rows first .. end - 1; thread
 * (., 0) gets them. */
template <int lanes, typename T>
__device__ static void
sum_columns (double (&sum)[lanes], const T *x, size_t j, size_t first,
    size_t end, size_t stride, bool is_in)
{
  __shared__ double sums[LANES][lanes][COLUMNS];

  if (is_in) {
#pragma unroll 4
    for (size_t i = first + threadIdx.y; i < end; i += LANES)
      add_entries<lanes> (sum, x, i * stride + j);
  }
#pragma unroll
  for (int n = 0; n < lanes; n++)
    sums[threadIdx.y][n][threadIdx.x] = sum[n];
  __syncthreads ();
  if (threadIdx.y == 0)
#pragma unroll
    for (int n = 0; n < lanes; n++)
      for (int lane = 1; lane < LANES; lane++)
        sum[n] += sums[lane][n][threadIdx.x];
  __syncthreads ();
}

/* To `partial` [parts, width], or added to `out` where there is one part. */
template <typename T, int lanes>
__global__ static void
sum_kernel (const T *x, size_t rows, size_t width, size_t stride,
    size_t part_rows, double *partial, float *out)
{
  size_t first = blockIdx.y * part_rows;

  for (size_t tile = blockIdx.x; tile < divide_up (width, COLUMNS * lanes);
       tile += gridDim.x) {
    size_t j = (tile * COLUMNS + threadIdx.x) * lanes;
    double sum[lanes] = {};

    sum_columns<lanes> (sum, x, j, first, min_size (rows, first + part_rows),
        stride, j < width);
    if (threadIdx.y != 0 || j >= width)
      continue;
#pragma unroll
    for (int n = 0; n < lanes; n++)
      if (gridDim.y > 1) {
        partial[blockIdx.y * width + j + n] = sum[n];
      } else {
        out[j + n] = (float) (out[j + n] + sum[n]);
      }
  }
}

template <typename T, int lanes>
static void
launch_sums (MblmQueue *queue, const T *x, size_t rows, size_t width,
    size_t stride, size_t part_rows, double *partial, float *out)
{
  size_t tiles = divide_up (width, COLUMNS * lanes);
  dim3 grid ((unsigned) min_size (tiles, 1u << 20),
      (unsigned) divide_up (rows, part_rows));

  mblm_cuda_launch (queue, sum_kernel<T, lanes>, grid, dim3 (COLUMNS, LANES), 0,
      x, rows, width, stride, part_rows, partial, out);
}

template <typename T>
static void
run_sums (MblmQueue *queue, const T *x, size_t rows, size_t width,
    size_t stride, size_t part_rows, double *partial, float *out)
{
  if constexpr (sizeof (T) < sizeof (double)) {
    MblmType type = sizeof (T) == sizeof (float) ? MBLM_TYPE_F32
                                                 : MBLM_TYPE_BF16;

    if (width % 4 == 0 && mblm_cuda_in_fours (type, x, stride)) {
      launch_sums<T, 4> (
          queue, x, rows, width, stride, part_rows, partial, out);
      return;
    }
  }
  launch_sums<T, 1> (queue, x, rows, width, stride, part_rows, partial, out);
}

size_t
mblm_cuda_sum_rows_part (MblmCudaScratch *scratch, size_t rows, size_t width)
{
  /* enough for fewer rows, too, whose parts may be more */
  size_t parts = min_size (divide_up (rows, PART_ROWS), MOST_PARTS);

  return mblm_cuda_part (
      scratch, parts > 1 ? mblm_cuda_count (parts, width) : 0, sizeof (double));
}

/* In one launch or two. */
template <typename T>
static void
sum_rows_to (MblmCudaScratch *scratch, size_t part, const T *x, size_t rows,
    size_t width, size_t stride, float *out)
{
  size_t part_rows = rows_of_part (rows), parts = divide_up (rows, part_rows);
  double *partial = mblm_cuda_at<double> (scratch, part);

  if (!out || rows == 0 || width == 0)
    return;
  run_sums (scratch->queue, x, rows, width, stride, part_rows, partial, out);
  if (parts > 1)
    run_sums<double> (
        scratch->queue, partial, parts, width, width, parts, NULL, out);
}

void
mblm_cuda_sum_rows_to (MblmCudaScratch *scratch, size_t part, const float *x,
    size_t rows, size_t width, size_t stride, float *out)
{
  sum_rows_to (scratch, part, x, rows, width, stride, out);
}

void
mblm_cuda_sum_rows_of_bf16_to (MblmCudaScratch *scratch, size_t part,
    const uint16_t *x, size_t rows, size_t width, size_t stride, float *out)
{
  sum_rows_to (scratch, part, x, rows, width, stride, out);
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
