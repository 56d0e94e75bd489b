/* embed.cu: embeddings.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Backward, a block has one id, some columns and a part of the rows: it lists
 * which of these have the id, in their order, and adds them up. So nothing is
 * sorted, and no two blocks write to the same place.
 */

#include "bf16.h"
#include "plane.h"
#include "reduce.h"

#define THREADS 128
#define LISTED 512 /* rows that are looked at, at once */
#define LOOKED (LISTED / THREADS)
#define PART_ROWS 1024
#define MOST_PARTS 32

/* V is float or float4, which the width counts. */
template <typename T, typename V>
__global__ static void
embed_kernel (
    const T *table, const int32_t *ids, size_t rows, size_t width, V *out)
{
  constexpr size_t lanes = sizeof (V) / sizeof (float);

  for (size_t i = mblm_cuda_row (); i < rows; i += mblm_cuda_row_step ()) {
    const T *row = table + ids[i] * width * lanes;

    for (size_t j = mblm_cuda_column (); j < width;
         j += mblm_cuda_column_step ())
      out[i * width + j] = mblm_cuda_weight_column<V> (row, j);
  }
}

template <typename T, typename V>
static void
run_embed (MblmQueue *queue, const MblmEmbed *a, size_t lanes)
{
  size_t width = a->table.cols / lanes;
  MblmCudaPlane plane = mblm_cuda_plane (a->rows, width);

  mblm_cuda_launch (queue, embed_kernel<T, V>, plane.grid, plane.block, 0,
      (const T *) a->table.data, a->ids, a->rows, width, (V *) a->out);
}

template <typename T>
static void
embed (MblmQueue *queue, const MblmEmbed *a)
{
  if (mblm_cuda_aligned (a->table.cols, (const float *) a->table.data, a->out))
    run_embed<T, float4> (queue, a, 4);
  else
    run_embed<T, float> (queue, a, 1);
}

void
mblm_cuda_embed (MblmQueue *queue, const MblmEmbed *a)
{
  if (!mblm_cuda_begin (queue))
    return;
  if (a->table.type == MBLM_TYPE_F32)
    embed<float> (queue, a);
  else
    embed<uint16_t> (queue, a);
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

struct EmbedBack {
  const int32_t *ids;
  const float *d_out;
  size_t rows, width, vocabulary;
  size_t part_rows;
  int64_t padding; /* an id, or -1 */
  float *d_table;
  double *partial; /* [parts, vocabulary, width], or NULL: there is one part */
};

/* How many threads before this one have how many in all; *total is the sum. */
__device__ static unsigned
count_before (unsigned found, unsigned *total)
{
  __shared__ unsigned counts[THREADS / MBLM_CUDA_WARP];
  unsigned lane = threadIdx.x % MBLM_CUDA_WARP, sum = found, before = 0;

  for (unsigned offset = 1; offset < MBLM_CUDA_WARP; offset *= 2) {
    unsigned other = __shfl_up_sync (MBLM_CUDA_EVERY_LANE, sum, offset);

    sum += lane >= offset ? other : 0;
  }
  if (lane == MBLM_CUDA_WARP - 1)
    counts[threadIdx.x / MBLM_CUDA_WARP] = sum;
  __syncthreads ();
  *total = 0;
  for (unsigned w = 0; w < THREADS / MBLM_CUDA_WARP; w++) {
    before += w < threadIdx.x / MBLM_CUDA_WARP ? counts[w] : 0;
    *total += counts[w];
  }
  return before + sum - found;
}

/* Lists the rows first .. end - 1 that have the id, counted from `first`; returns
 * how many. */
__device__ static unsigned
list_rows (
    const int32_t *ids, size_t first, size_t end, int32_t id, uint16_t *list)
{
  unsigned mine[LOOKED], found = 0, total, at;

  for (unsigned k = 0; k < LOOKED; k++) {
    unsigned i = threadIdx.x * LOOKED + k;

    mine[k] = first + i < end && ids[first + i] == id;
    found += mine[k];
  }
  at = count_before (found, &total);
  for (unsigned k = 0; k < LOOKED; k++)
    if (mine[k])
      list[at++] = (uint16_t) (threadIdx.x * LOOKED + k);
  __syncthreads ();
  return total;
}

__global__ static void
embed_backward_kernel (EmbedBack a, size_t first_id)
{
  __shared__ uint16_t list[LISTED];
  size_t id = first_id + blockIdx.y;
  size_t j = (size_t) blockIdx.x * THREADS + threadIdx.x;
  size_t end = min_size (a.rows, (blockIdx.z + 1) * a.part_rows);
  double sum = 0.0;

  if ((int64_t) id == a.padding)
    return;
  for (size_t first = blockIdx.z * a.part_rows; first < end; first += LISTED) {
    const float *d_out = a.d_out + first * a.width + j;
    unsigned listed = list_rows (
        a.ids, first, min_size (end, first + LISTED), (int32_t) id, list);

    if (j < a.width) {
#pragma unroll 4
      for (unsigned i = 0; i < listed; i++)
        sum += d_out[list[i] * a.width];
    }
    __syncthreads ();
  }
  if (j >= a.width)
    return;
  if (a.partial)
    a.partial[(blockIdx.z * a.vocabulary + id) * a.width + j] = sum;
  else
    a.d_table[id * a.width + j] = (float) (a.d_table[id * a.width + j] + sum);
}

__global__ static void
add_parts_kernel (EmbedBack a, size_t parts)
{
  size_t size = a.vocabulary * a.width;

  for (size_t i = mblm_cuda_thread (); i < size; i += mblm_cuda_threads ()) {
    double sum = 0.0;

    if ((int64_t) (i / a.width) == a.padding)
      continue;
    for (size_t part = 0; part < parts; part++)
      sum += a.partial[part * size + i];
    a.d_table[i] = (float) (a.d_table[i] + sum);
  }
}

static void
run_embed_backward (MblmQueue *queue, const EmbedBack *a, size_t parts)
{
  unsigned columns = (unsigned) divide_up (a->width, THREADS);
  size_t size = a->vocabulary * a->width;

  for (size_t id = 0; id < a->vocabulary; id += 65535) {
    unsigned ids = (unsigned) min_size (a->vocabulary - id, 65535);

    mblm_cuda_launch (queue, embed_backward_kernel,
        dim3 (columns, ids, (unsigned) parts), THREADS, 0, *a, id);
  }
  if (a->partial)
    mblm_cuda_launch (queue, add_parts_kernel, mblm_cuda_blocks (size, THREADS),
        THREADS, 0, *a, parts);
}

void
mblm_cuda_embed_backward (MblmQueue *queue, const MblmEmbedBackward *a)
{
  const MblmEmbed *f = &a->forward;
  MblmCudaScratch scratch = {queue};
  EmbedBack b = {.ids = f->ids,
      .d_out = a->d_out,
      .rows = f->rows,
      .width = f->table.cols,
      .vocabulary = f->table.rows,
      .padding = a->has_padding ? a->padding : -1,
      .d_table = a->d_table};
  size_t parts = divide_up (f->rows, PART_ROWS), part;

  if (!a->d_table || f->rows == 0 || !mblm_cuda_begin (queue))
    return;
  /* What the parts hold is never much more than what they read. */
  parts = min_size (parts, max_size (f->rows / max_size (b.vocabulary, 1), 1));
  parts = min_size (parts, MOST_PARTS);
  b.part_rows = divide_up (f->rows, parts);
  part = mblm_cuda_part (&scratch,
      parts > 1 ? mblm_cuda_count (parts, b.vocabulary, b.width) : 0,
      sizeof (double));
  if (!mblm_cuda_scratch (&scratch))
    return;
  if (parts > 1)
    b.partial = mblm_cuda_at<double> (&scratch, part);
  run_embed_backward (queue, &b, parts);
}
