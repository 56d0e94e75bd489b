/* gated-norm.cu: the gate and norm before Mamba-2's output projection.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A warp or a block has a row, see norms.h. The floor is memory: 12 bytes an entry
 * forward and 20 backward. Backward, the gate is computed again rather than held: an
 * exponential costs less than the registers.
 */

#include "norms.h"

/* exp (x) for x <= 0; below -87, where floats become subnormal, that of -87. It is
 * a power of two times the polynomial of kernels/cpu/vecmath.h. An error of u comes
 * back several times in a gradient, and that of the library's exponential may be
 * larger. */
__device__ static inline float
exponential (float x)
{
  float n, r, p;

  x = fmaxf (x, -87.0f);
  n = rintf (x * 1.44269504f);
  r = fmaf (n, -1.42860677e-6f, fmaf (n, -0.693145752f, x));
  p = 1.38145557e-3f;
  p = fmaf (p, r, 8.36873599e-3f);
  p = fmaf (p, r, 0.0416683899f);
  p = fmaf (p, r, 0.166665205f);
  p = fmaf (p, r, 0.499999934f);
  p = fmaf (p, r * r, r) + 1.0f;
  return p * __uint_as_float ((unsigned) ((int) n + 127) << 23);
}

/* s = 1 / (1 + exp (-z)), and 1 - s. */
struct Sigmoid {
  float s, rest;
};

/* The sum, and its reciprocal, are corrected by what they have rounded away. */
__device__ static inline Sigmoid
sigmoid (float z)
{
  float e = exponential (-fabsf (z)), sum = 1.0f + e, lost = e - (sum - 1.0f);
  float r = __fdividef (1.0f, sum);

  r = fmaf (r, fmaf (-lost, r, fmaf (-sum, r, 1.0f)), r);
  return z > 0.0f ? Sigmoid{r, e * r} : Sigmoid{e * r, r};
}

__device__ static inline float
silu (float z)
{
  return z * sigmoid (z).s;
}

/* The derivative of silu. */
__device__ static inline float
silu_slope (float z)
{
  Sigmoid a = sigmoid (z);

  return a.s * fmaf (z, a.rest, 1.0f);
}

/* The entries of u = y silu (z). */
template <typename V> struct Gated {
  const V *y, *z; /* a row */

  __device__ V
  operator[] (size_t j) const
  {
    return norm_map (
        [] (float p, float q) { return p * silu (q); }, y[j], z[j]);
  }
};

/* Strides count V. */
template <typename V> struct GatedNorm {
  const V *y, *z, *gain;
  size_t rows, columns, y_stride, z_stride;
  float epsilon;
  V *out;
};

template <typename V>
__global__ static void
__launch_bounds__ (NORM_THREADS) gated_norm_kernel (GatedNorm<V> a)
{
  size_t columns = a.columns;
  NormRow<V> gain (a.gain, columns);
  double part = 1.0 / (double) (columns * norm_lanes<V>);

  for (size_t i = mblm_cuda_row (); i < a.rows; i += mblm_cuda_row_step ()) {
    Gated<V> gated = {a.y + i * a.y_stride, a.z + i * a.z_stride};
    NormRow<V, Gated<V>> u (gated, columns);
    float squares[1] = {0.0f}, scale;

    norm_each<V> (columns, [&] (int k, size_t j) {
      squares[0] += norm_total (
          norm_map ([] (float v) { return v * v; }, u.get (k, j)));
    });
    norm_sum (squares);
    scale = (float) norm_rsqrt (squares[0] * part + a.epsilon);
    norm_each<V> (columns, [&] (int k, size_t j) {
      a.out[i * columns + j] = norm_map (
          [=] (float v, float g) { return v * scale * g; }, u.get (k, j),
          gain.get (k, j));
    });
  }
}

template <typename V>
static GatedNorm<V>
args_of (const MblmGatedNorm *a)
{
  constexpr size_t lanes = norm_lanes<V>;

  return {(const V *) a->y, (const V *) a->z, (const V *) a->gain, a->rows,
      a->width / lanes, a->y_stride / lanes, a->z_stride / lanes, a->epsilon,
      (V *) a->out};
}

template <typename V>
static void
run_forward (MblmQueue *queue, const MblmGatedNorm *a)
{
  MblmCudaPlane plane = norm_plane (a->rows, a->width);

  mblm_cuda_launch (
      queue, gated_norm_kernel<V>, plane.grid, plane.block, 0, args_of<V> (a));
}

void
mblm_cuda_gated_norm (MblmQueue *queue, const MblmGatedNorm *a)
{
  if (!mblm_cuda_begin (queue))
    return;
  if (mblm_cuda_aligned (
          a->width | a->y_stride | a->z_stride, a->y, a->z, a->gain, a->out))
    run_forward<float4> (queue, a);
  else
    run_forward<float> (queue, a);
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

/* The same u, of rows that are held. */
template <typename V> struct GatedRow {
  const NormRow<V> &y, &z;

  __device__ V
  get (int k, size_t j) const
  {
    return norm_map ([] (float p, float q) { return p * silu (q); },
        y.get (k, j), z.get (k, j));
  }
};

template <typename V> struct GatedBack {
  GatedNorm<V> forward;
  const V *d_out;
  V *d_y, *d_z; /* NULL: not wanted */
  size_t d_y_stride, d_z_stride;
  V *gain_rows; /* [blocks, columns]; NULL: not wanted */
};

template <typename V>
__global__ static void
__launch_bounds__ (NORM_BACK_THREADS)
    gated_norm_backward_kernel (GatedBack<V> a)
{
  const GatedNorm<V> &f = a.forward;
  size_t columns = f.columns;
  NormRow<V> gain (f.gain, columns);
  NormTotals<V> gains (a.gain_rows, columns);

  for (size_t i = mblm_cuda_row (); i < f.rows; i += mblm_cuda_row_step ()) {
    NormRow<V> y (f.y + i * f.y_stride, columns);
    NormRow<V> z (f.z + i * f.z_stride, columns);
    NormRow<V> d (a.d_out + i * columns, columns);
    GatedRow<V> u = {y, z};
    NormBack back = norm_back (u, d, gain, columns, f.epsilon);

    norm_each<V> (columns, [&] (int k, size_t j) {
      V p = y.get (k, j), q = z.get (k, j), v = u.get (k, j), w = d.get (k, j);
      V d_u = norm_map (back, v, w, gain.get (k, j));

      gains.add (k, j,
          norm_map (
              [=] (float r, float s) { return r * s * back.scale; }, w, v));
      if (a.d_y)
        a.d_y[i * a.d_y_stride + j] = norm_map (
            [] (float r, float s) { return r * silu (s); }, d_u, q);
      if (a.d_z)
        a.d_z[i * a.d_z_stride + j] = norm_map (
            [] (float r, float s, float t) { return r * t * silu_slope (s); },
            d_u, q, p);
    });
  }
  gains.finish (columns);
}

template <typename V>
static void
run_backward (MblmQueue *queue, const MblmGatedNormBackward *a,
    const MblmCudaPlane *plane, float *gain_rows)
{
  constexpr size_t lanes = norm_lanes<V>;
  GatedBack<V> args = {args_of<V> (&a->forward), (const V *) a->d_out,
      (V *) a->d_y, (V *) a->d_z, a->d_y_stride / lanes, a->d_z_stride / lanes,
      (V *) gain_rows};

  mblm_cuda_launch (
      queue, gated_norm_backward_kernel<V>, plane->grid, plane->block, 0, args);
}

static bool
is_aligned (const MblmGatedNormBackward *a)
{
  const MblmGatedNorm *f = &a->forward;
  size_t sizes = f->width | f->y_stride | f->z_stride;

  if (a->d_y)
    sizes |= a->d_y_stride;
  if (a->d_z)
    sizes |= a->d_z_stride;
  return mblm_cuda_aligned (
      sizes, f->y, f->z, f->gain, a->d_out, a->d_y, a->d_z);
}

void
mblm_cuda_gated_norm_backward (MblmQueue *queue, const MblmGatedNormBackward *a)
{
  const MblmGatedNorm *f = &a->forward;
  MblmCudaPlane plane = norm_back_plane (f->rows, f->width);
  MblmCudaScratch scratch = {queue};
  size_t gain_part = norm_part (&scratch, &plane, f->width, a->d_gain);
  size_t part = mblm_cuda_sum_rows_part (&scratch, plane.grid.x, f->width);
  float *gain_rows;

  if (!mblm_cuda_begin (queue) || !mblm_cuda_scratch (&scratch))
    return;
  gain_rows = a->d_gain ? mblm_cuda_at<float> (&scratch, gain_part) : NULL;
  if (is_aligned (a))
    run_backward<float4> (queue, a, &plane, gain_rows);
  else
    run_backward<float> (queue, a, &plane, gain_rows);
  mblm_cuda_sum_rows_to (
      &scratch, part, gain_rows, plane.grid.x, f->width, f->width, a->d_gain);
}
