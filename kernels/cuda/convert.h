/* convert.h: copies of matrices, of another type or better aligned.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "cuda.h"

/* to[i * to_stride + j] = from[i * from_stride + j], i < rows, j < width, each of
 * its type. */
void mblm_cuda_convert (MblmQueue *queue, size_t rows, size_t width,
    const void *from, MblmType from_type, size_t from_stride, void *to,
    MblmType to_type, size_t to_stride);
