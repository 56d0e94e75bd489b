/* cublaslt.cpp: products of cuBLASLt on the host; see cublasLt.h.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Refused is what a GPU's library might refuse: bfloat16 that isn't aligned to 16
 * bytes, a result that isn't to 8, and, with a bias in one column, sums that are
 * pedantic or of TF32. So the ways around them run, too. TF32 is what is left of
 * float32 without its last 13 bits. With the variable CUDA_HOST_CUBLASLT, making a
 * handle and multiplying fail with the status of that number.
 */

#include "cublasLt.h"
#include "cuda_bf16.h"

#include <vector>

#define LANES 16             /* sums at once */
#define TF32_BITS 0xffffe000 /* of a float32 */

struct CudaHostLibrary {
  bool is_open;
};

static void
demand (bool holds, const char *what)
{
  if (holds)
    return;
  fprintf (stderr, "cublasLt: %s\n", what);
  abort ();
}

static cublasStatus_t
ordered_status (void)
{
  const char *text = getenv ("CUDA_HOST_CUBLASLT");

  return (cublasStatus_t) (text ? atoi (text) : CUBLAS_STATUS_SUCCESS);
}

cublasStatus_t
cublasLtCreate (cublasLtHandle_t *handle)
{
  if (ordered_status () != CUBLAS_STATUS_SUCCESS)
    return ordered_status ();
  *handle = new CudaHostLibrary{true};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtDestroy (cublasLtHandle_t handle)
{
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

/* ------------------------------------------------------------------------- */
/* Descriptions                                                              */
/* ------------------------------------------------------------------------- */

cublasStatus_t
cublasLtMatrixLayoutInit (cublasLtMatrixLayout_t layout, cudaDataType_t type,
    uint64_t rows, uint64_t columns, int64_t stride)
{
  demand (rows > 0 && columns > 0, "a matrix is empty");
  *layout = {type, rows, columns, stride};
  return (uint64_t) stride < rows ? CUBLAS_STATUS_INVALID_VALUE
                                  : CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulDescInit (cublasLtMatmulDesc_t desc, cublasComputeType_t compute,
    cudaDataType_t scale)
{
  *desc = {compute, scale, CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT,
      NULL};
  return CUBLAS_STATUS_SUCCESS;
}

static void
put (void *to, size_t size, const void *value, size_t bytes)
{
  demand (size == bytes, "an attribute is of another size");
  memcpy (to, value, bytes);
}

cublasStatus_t
cublasLtMatmulDescSetAttribute (cublasLtMatmulDesc_t desc,
    cublasLtMatmulDescAttributes_t attribute, const void *value, size_t bytes)
{
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      put (&desc->transposes_a, 4, value, bytes);
      break;
    case CUBLASLT_MATMUL_DESC_TRANSB:
      put (&desc->transposes_b, 4, value, bytes);
      break;
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      put (&desc->epilogue, 4, value, bytes);
      break;
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      put (&desc->bias, sizeof (void *), value, bytes);
      break;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceInit (cublasLtMatmulPreference_t preference)
{
  *preference = {0, 7, {256, 256, 256, 256}};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t
cublasLtMatmulPreferenceSetAttribute (cublasLtMatmulPreference_t preference,
    cublasLtMatmulPreferenceAttributes_t attribute, const void *value,
    size_t bytes)
{
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      put (&preference->workspace, 8, value, bytes);
      break;
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      put (&preference->reductions, 4, value, bytes);
      break;
    default:
      put (preference->alignments +
              (attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES),
          4, value, bytes);
  }
  return CUBLAS_STATUS_SUCCESS;
}

/* ------------------------------------------------------------------------- */
/* Algorithms                                                                */
/* ------------------------------------------------------------------------- */

/* Of all that the algorithm is chosen by, but never 0. */
static uint64_t
hash_of (const cublasLtMatmulDescOpaque_t *desc,
    const cublasLtMatrixLayoutOpaque_t *const (&layouts)[4])
{
  uint64_t hash = (uint64_t) desc->compute * 64 + desc->epilogue * 4 +
      (uint64_t) desc->transposes_a * 2 + (uint64_t) desc->transposes_b;

  for (const cublasLtMatrixLayoutOpaque_t *layout : layouts)
    for (uint64_t number : {(uint64_t) layout->type, layout->rows,
             layout->columns, (uint64_t) layout->stride})
      hash = (hash ^ number) * 0x100000001b3u;
  return hash | 1;
}

static uint64_t
alignment_of (const void *address)
{
  return (uintptr_t) address & -(uintptr_t) address;
}

static bool
is_refused (const cublasLtMatmulDescOpaque_t *desc,
    const cublasLtMatrixLayoutOpaque_t *const (&layouts)[4],
    const uint32_t (&alignments)[4])
{
  for (int i = 0; i < 4; i++) {
    if (layouts[i]->type == CUDA_R_16BF &&
        (alignments[i] < 16 || layouts[i]->stride % 8 != 0))
      return true;
    if (i >= 2 && alignments[i] < 8)
      return true;
  }
  return desc->compute != CUBLAS_COMPUTE_32F && desc->bias &&
      layouts[3]->columns == 1;
}

cublasStatus_t
cublasLtMatmulAlgoGetHeuristic (cublasLtHandle_t handle,
    cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
    cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
    cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference,
    int requested, cublasLtMatmulHeuristicResult_t *results, int *found)
{
  const cublasLtMatrixLayoutOpaque_t *const layouts[4] = {a, b, c, d};

  demand (handle->is_open && requested > 0, "nothing is asked for");
  demand ((preference->reductions &
              ~(unsigned) CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE) == 0,
      "sums may be added up in any order");
  *found = 0;
  if (is_refused (desc, layouts, preference->alignments))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  *results = {};
  results->algo.shape = hash_of (desc, layouts);
  results->algo.workspace = preference->workspace;
  memcpy (results->algo.alignments, preference->alignments,
      sizeof (preference->alignments));
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

/* ------------------------------------------------------------------------- */
/* Products                                                                  */
/* ------------------------------------------------------------------------- */

static float
get (cudaDataType_t type, const void *data, size_t i)
{
  return type == CUDA_R_32F
      ? ((const float *) data)[i]
      : __uint_as_float ((unsigned) ((const uint16_t *) data)[i] << 16);
}

static void
set (cudaDataType_t type, void *data, size_t i, float value)
{
  if (type == CUDA_R_32F)
    ((float *) data)[i] = value;
  else
    ((uint16_t *) data)[i] = __float2bfloat16_rn (value).bits;
}

/* The operand with its depth running fastest, [count, length], zeros after `depth`.
 * It lies so where `has_depth_first`. */
static std::vector<float>
pack (const void *data, const cublasLtMatrixLayoutOpaque_t *layout,
    bool has_depth_first, size_t length)
{
  size_t count = has_depth_first ? layout->columns : layout->rows;
  size_t depth = has_depth_first ? layout->rows : layout->columns;
  size_t stride = (size_t) layout->stride;
  std::vector<float> to (count * length);

  for (size_t i = 0; i < count; i++)
    for (size_t k = 0; k < depth; k++)
      to[i * length + k] = get (layout->type, data,
          has_depth_first ? i * stride + k : k * stride + i);
  return to;
}

static void
round_to_tf32 (std::vector<float> *numbers)
{
  for (float &number : *numbers)
    number = __uint_as_float (__float_as_uint (number) & TF32_BITS);
}

static float
dot (const float *a, const float *b, size_t length)
{
  float sums[LANES] = {}, sum = 0.0f;

  for (size_t k = 0; k < length; k += LANES)
    for (size_t lane = 0; lane < LANES; lane++)
      sums[lane] += a[k + lane] * b[k + lane];
  for (size_t lane = 0; lane < LANES; lane++)
    sum += sums[lane];
  return sum;
}

static void
check_call (const cublasLtMatmulDescOpaque_t *desc,
    const cublasLtMatrixLayoutOpaque_t *const (&layouts)[4],
    const void *const (&data)[4], const cublasLtMatmulAlgo_t *algo,
    size_t workspace)
{
  bool has_bias = desc->epilogue == CUBLASLT_EPILOGUE_BIAS;

  demand (algo->shape == hash_of (desc, layouts),
      "the algorithm is one for another product");
  for (int i = 0; i < 4; i++)
    demand (alignment_of (data[i]) >= algo->alignments[i],
        "a matrix is less aligned than was said");
  demand (workspace >= algo->workspace, "the workspace is too small");
  demand (!has_bias || (desc->bias && layouts[3]->type == CUDA_R_32F),
      "there is no such bias");
  demand (layouts[0]->type == layouts[1]->type, "operands of two types");
  demand (desc->compute == CUBLAS_COMPUTE_32F || layouts[0]->type == CUDA_R_32F,
      "operands that can't be computed with so");
  demand (desc->scale == CUDA_R_32F, "factors of another type");
}

cublasStatus_t
cublasLtMatmul (cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
    const void *alpha, const void *a, cublasLtMatrixLayout_t a_layout,
    const void *b, cublasLtMatrixLayout_t b_layout, const void *beta,
    const void *c, cublasLtMatrixLayout_t c_layout, void *d,
    cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algo,
    void *workspace, size_t workspace_bytes, cudaStream_t stream)
{
  bool a_first = desc->transposes_a == CUBLAS_OP_T;
  bool b_first = desc->transposes_b == CUBLAS_OP_N;
  size_t depth = a_first ? a_layout->rows : a_layout->columns;
  size_t length = (depth + LANES - 1) / LANES * LANES;
  float scale = *(const float *) alpha, add = *(const float *) beta;
  std::vector<float> rows, columns;
  CudaHostAccess access;

  if (ordered_status () != CUBLAS_STATUS_SUCCESS)
    return ordered_status ();
  check_call (desc, {a_layout, b_layout, c_layout, d_layout}, {a, b, c, d},
      algo, workspace_bytes);
  demand (depth == (b_first ? b_layout->rows : b_layout->columns) &&
          d_layout->rows == (a_first ? a_layout->columns : a_layout->rows) &&
          d_layout->columns == (b_first ? b_layout->columns : b_layout->rows),
      "the shapes don't fit");
  rows = pack (a, a_layout, a_first, length);
  columns = pack (b, b_layout, b_first, length);
  if (desc->compute == CUBLAS_COMPUTE_32F_FAST_TF32) {
    round_to_tf32 (&rows);
    round_to_tf32 (&columns);
  }
  for (size_t j = 0; j < d_layout->columns; j++)
    for (size_t i = 0; i < d_layout->rows; i++) {
      size_t at = j * (size_t) d_layout->stride + i;
      float sum = scale * dot (&rows[i * length], &columns[j * length], length);

      if (desc->epilogue == CUBLASLT_EPILOGUE_BIAS)
        sum += ((const float *) desc->bias)[i];
      if (add != 0.0f)
        sum += add * get (c_layout->type, c, j * (size_t) c_layout->stride + i);
      set (d_layout->type, d, at, sum);
    }
  return CUBLAS_STATUS_SUCCESS;
}
