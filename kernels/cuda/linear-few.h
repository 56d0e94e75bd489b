/* linear-few.h: x W^T for few rows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "cuda.h"

/* Up to so many rows, a row's result is the same whatever their number. */
#define MBLM_CUDA_FEW_ROWS 8

/* Any number of rows, but the weight is read once for every 8 of them. */
void mblm_cuda_linear_few (MblmQueue *queue, const MblmLinear *a);
