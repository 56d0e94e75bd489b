/* convert.cu: copies of matrices, of another type or better aligned.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Threads next to each other take entries next to each other, four where all is
 * aligned, in blocks over rows and columns (plane.h). The floor is what is read and
 * written: 6 bytes an entry from float32 to bfloat16.
 */

#include "convert.h"
#include "plane.h"
#include "typed.h"

struct Convert {
  size_t rows, width;
  const void *from;
  MblmType from_type;
  size_t from_stride;
  void *to;
  MblmType to_type;
  size_t to_stride;
};

template <int lanes>
__global__ static void
convert_kernel (Convert a)
{
  for (size_t i = mblm_cuda_row (); i < a.rows; i += mblm_cuda_row_step ())
    for (size_t j = mblm_cuda_column () * lanes; j < a.width;
         j += mblm_cuda_column_step () * lanes) {
      float values[lanes];

      mblm_cuda_get<lanes> (a.from_type, a.from, i * a.from_stride + j, values);
      mblm_cuda_put<lanes> (a.to_type, a.to, i * a.to_stride + j, values);
    }
}

template <int lanes>
static void
run_convert (MblmQueue *queue, const Convert *a)
{
  MblmCudaPlane plane = mblm_cuda_plane (a->rows, a->width / lanes);

  mblm_cuda_launch (
      queue, convert_kernel<lanes>, plane.grid, plane.block, 0, *a);
}

void
mblm_cuda_convert (MblmQueue *queue, size_t rows, size_t width,
    const void *from, MblmType from_type, size_t from_stride, void *to,
    MblmType to_type, size_t to_stride)
{
  Convert a = {
      rows, width, from, from_type, from_stride, to, to_type, to_stride};

  if (width % 4 == 0 && mblm_cuda_in_fours (from_type, from, from_stride) &&
      mblm_cuda_in_fours (to_type, to, to_stride))
    run_convert<4> (queue, &a);
  else
    run_convert<1> (queue, &a);
}
