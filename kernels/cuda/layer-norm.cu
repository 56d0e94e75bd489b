/* layer-norm.cu: PyTorch's LayerNorm.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A warp or a block has a row, see norms.h. The floor is memory: 8 bytes an entry
 * forward; backward 12, or 16 where d_x is added to.
 */

#include "norms.h"

template <typename V>
__global__ static void
__launch_bounds__ (NORM_THREADS) layer_norm_kernel (const V *x, const V *gain,
    const V *bias, size_t rows, size_t columns, float epsilon, V *out)
{
  NormRow<V> gains (gain, columns), biases (bias, columns);
  double part = 1.0 / (double) (columns * norm_lanes<V>);

  for (size_t i = mblm_cuda_row (); i < rows; i += mblm_cuda_row_step ()) {
    NormRow<V> row (x + i * columns, columns);
    float sum[1] = {0.0f}, squares[1] = {0.0f}, mean, scale;

    norm_each<V> (columns,
        [&] (int k, size_t j) { sum[0] += norm_total (row.get (k, j)); });
    norm_sum (sum);
    mean = (float) (sum[0] * part);
    norm_each<V> (columns, [&] (int k, size_t j) {
      squares[0] += norm_total (norm_map (
          [=] (float v) { return (v - mean) * (v - mean); }, row.get (k, j)));
    });
    norm_sum (squares);
    scale = (float) norm_rsqrt (squares[0] * part + epsilon);
    norm_each<V> (columns, [&] (int k, size_t j) {
      out[i * columns + j] = norm_map (
          [=] (float v, float g, float b) {
            return fmaf ((v - mean) * scale, g, b);
          },
          row.get (k, j), gains.get (k, j), biases.get (k, j));
    });
  }
}

template <typename V>
static void
run_forward (MblmQueue *queue, const MblmLayerNorm *a)
{
  MblmCudaPlane plane = norm_plane (a->rows, a->width);

  mblm_cuda_launch (queue, layer_norm_kernel<V>, plane.grid, plane.block, 0,
      (const V *) a->x, (const V *) a->gain, (const V *) a->bias, a->rows,
      a->width / norm_lanes<V>, a->epsilon, (V *) a->out);
}

void
mblm_cuda_layer_norm (MblmQueue *queue, const MblmLayerNorm *a)
{
  if (!mblm_cuda_begin (queue))
    return;
  if (mblm_cuda_aligned (a->width, a->x, a->gain, a->bias, a->out))
    run_forward<float4> (queue, a);
  else
    run_forward<float> (queue, a);
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

template <typename V> struct LayerBack {
  const V *x, *gain, *d_out;
  size_t rows, columns;
  float epsilon;
  bool accumulate;
  V *d_x;
  V *gain_rows, *bias_rows; /* [blocks, columns]; NULL: not wanted */
};

/* What a row's gradient is made of. */
struct Moments {
  float mean, scale, mean_g, mean_gn;

  __device__ float
  n (float x) const
  {
    return (x - mean) * scale;
  }
};

template <typename V>
__device__ static Moments
moments_of (const NormRow<V> &x, const NormRow<V> &d, const NormRow<V> &gain,
    size_t columns, float epsilon)
{
  double part = 1.0 / (double) (columns * norm_lanes<V>), scale;
  float sum[1] = {0.0f}, sums[3] = {0.0f, 0.0f, 0.0f}, mean;
  auto times = [] (float v, float w) { return v * w; };
  Moments m;

  norm_each<V> (
      columns, [&] (int k, size_t j) { sum[0] += norm_total (x.get (k, j)); });
  norm_sum (sum);
  mean = (float) (sum[0] * part);
  norm_each<V> (columns, [&] (int k, size_t j) {
    V p = norm_map ([=] (float v) { return v - mean; }, x.get (k, j));
    V g = norm_map (times, d.get (k, j), gain.get (k, j));

    sums[0] += norm_total (norm_map (times, p, p));
    sums[1] += norm_total (g);
    sums[2] += norm_total (norm_map (times, g, p));
  });
  norm_sum (sums);
  m.mean = mean;
  scale = norm_rsqrt (sums[0] * part + epsilon);
  m.scale = (float) scale;
  m.mean_g = (float) (sums[1] * part);
  m.mean_gn = (float) (scale * part * sums[2]);
  return m;
}

template <typename V>
__global__ static void
__launch_bounds__ (NORM_BACK_THREADS)
    layer_norm_backward_kernel (LayerBack<V> a)
{
  size_t columns = a.columns;
  NormRow<V> gain (a.gain, columns);
  NormTotals<V> gains (a.gain_rows, columns), biases (a.bias_rows, columns);

  for (size_t i = mblm_cuda_row (); i < a.rows; i += mblm_cuda_row_step ()) {
    NormRow<V> x (a.x + i * columns, columns);
    NormRow<V> d (a.d_out + i * columns, columns);
    Moments m = moments_of (x, d, gain, columns, a.epsilon);

    norm_each<V> (columns, [&] (int k, size_t j) {
      gains.add (k, j,
          norm_map ([=] (float u, float v) { return u * m.n (v); },
              d.get (k, j), x.get (k, j)));
      biases.add (k, j, d.get (k, j));
    });
    if (!a.d_x)
      continue;
    norm_give<V> (
        columns, a.accumulate,
        [&] (size_t j) { return a.d_x + i * columns + j; },
        [&] (int k, size_t j) {
          return norm_map (
              [=] (float u, float v, float g) {
                return m.scale * (u * g - m.mean_g - m.n (v) * m.mean_gn);
              },
              d.get (k, j), x.get (k, j), gain.get (k, j));
        });
  }
  gains.finish (columns);
  biases.finish (columns);
}

template <typename V>
static void
run_backward (MblmQueue *queue, const MblmLayerNormBackward *a,
    const MblmCudaPlane *plane, float *gain_rows, float *bias_rows)
{
  const MblmLayerNorm *f = &a->forward;
  LayerBack<V> args = {(const V *) f->x, (const V *) f->gain,
      (const V *) a->d_out, f->rows, f->width / norm_lanes<V>, f->epsilon,
      a->accumulate, (V *) a->d_x, (V *) gain_rows, (V *) bias_rows};

  mblm_cuda_launch (
      queue, layer_norm_backward_kernel<V>, plane->grid, plane->block, 0, args);
}

void
mblm_cuda_layer_norm_backward (MblmQueue *queue, const MblmLayerNormBackward *a)
{
  const MblmLayerNorm *f = &a->forward;
  MblmCudaPlane plane = norm_back_plane (f->rows, f->width);
  MblmCudaScratch scratch = {queue};
  size_t gain_part = norm_part (&scratch, &plane, f->width, a->d_gain);
  size_t bias_part = norm_part (&scratch, &plane, f->width, a->d_bias);
  size_t part = mblm_cuda_sum_rows_part (&scratch, plane.grid.x, f->width);
  float *gain_rows, *bias_rows;

  if (!mblm_cuda_begin (queue) || !mblm_cuda_scratch (&scratch))
    return;
  gain_rows = a->d_gain ? mblm_cuda_at<float> (&scratch, gain_part) : NULL;
  bias_rows = a->d_bias ? mblm_cuda_at<float> (&scratch, bias_part) : NULL;
  if (mblm_cuda_aligned (f->width, f->x, f->gain, a->d_out, a->d_x))
    run_backward<float4> (queue, a, &plane, gain_rows, bias_rows);
  else
    run_backward<float> (queue, a, &plane, gain_rows, bias_rows);
  mblm_cuda_sum_rows_to (
      &scratch, part, gain_rows, plane.grid.x, f->width, f->width, a->d_gain);
  mblm_cuda_sum_rows_to (
      &scratch, part, bias_rows, plane.grid.x, f->width, f->width, a->d_bias);
}
