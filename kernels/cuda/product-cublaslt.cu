/* product-cublaslt.cu: products of two matrices by cuBLASLt.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuBLASLt's matrices are column-major: a row-major one is to it the transpose. So
 * it is asked for the transpose of the result, b times the transpose of a.
 *
 * Its heuristics are asked once for each shape; a queue keeps the answers. Sums over
 * the depth may be cut into parts, where these are kept as float32 and added up in a
 * step of their own: the order is then that of the algorithm, whatever else runs.
 */

#include "product.h"

#include <cublasLt.h>

#include <stdlib.h>
#include <string.h>

/* Plans that a queue keeps: in each set of a hash the latest. */
#define SETS 64
#define WAYS 4

/* NVIDIA's advice, for Hopper and later and for what was before. */
#define WORKSPACE_HOPPER ((size_t) 32 << 20)
#define WORKSPACE ((size_t) 4 << 20)

/* Addresses tell no more than this of their alignment. */
#define MOST_ALIGNMENT 16

/* All that an algorithm is chosen by. */
struct Key {
  uint64_t rows, columns, depth;
  uint64_t a_stride, b_stride, out_stride;
  uint64_t compute; /* which decides the type of the operands */
  uint64_t rest;    /* the other type, what lies across, and alignments */
};

struct Plan {
  Key key;
  uint64_t used;   /* the time of it; 0: never */
  bool is_refused; /* there is no algorithm */
  cublasLtMatmulDescOpaque_t product;
  cublasLtMatrixLayoutOpaque_t a, b, out;
  cublasLtMatmulAlgo_t algorithm;
};

struct Library {
  cublasLtHandle_t handle;
  void *workspace;
  size_t workspace_size;
  uint64_t time;
  Plan plans[SETS][WAYS];
};

/* ------------------------------------------------------------------------- */
/* The handle                                                                */
/* ------------------------------------------------------------------------- */

static bool
check (MblmQueue *queue, cublasStatus_t status)
{
  return mblm_cuda_check (queue,
      status == CUBLAS_STATUS_SUCCESS            ? cudaSuccess
          : status == CUBLAS_STATUS_ALLOC_FAILED ? cudaErrorMemoryAllocation
                                                 : cudaErrorUnknown);
}

static void
library_free (void *data)
{
  Library *self = (Library *) data;

  if (self->handle)
    cublasLtDestroy (self->handle);
  cudaFree (self->workspace);
  free (self);
}

/* NULL: the queue knows. */
static Library *
library_of (MblmQueue *queue)
{
  MblmCudaHandle *handle = &queue->libraries[MBLM_CUDA_CUBLASLT];
  Library *self = (Library *) handle->data;

  if (self)
    return self;
  self = (Library *) calloc (1, sizeof (*self));
  if (!self) {
    mblm_cuda_check (queue, cudaErrorMemoryAllocation);
    return NULL;
  }
  self->workspace_size = queue->device->major >= 9 ? WORKSPACE_HOPPER
                                                   : WORKSPACE;
  if (!check (queue, cublasLtCreate (&self->handle)) ||
      !mblm_cuda_check (
          queue, cudaMalloc (&self->workspace, self->workspace_size))) {
    library_free (self);
    return NULL;
  }
  *handle = {self, library_free};
  return self;
}

/* ------------------------------------------------------------------------- */
/* Plans                                                                     */
/* ------------------------------------------------------------------------- */

/* The largest power of two that the address is a multiple of. */
static uint32_t
alignment_of (const void *address)
{
  uintptr_t bits = (uintptr_t) address | MOST_ALIGNMENT;

  return (uint32_t) (bits & -bits);
}

/* What cuBLASLt adds to, or, with a factor of 0, looks away from. */
static const void *
added_to (const MblmCudaProduct *p)
{
  return p->addend ? p->addend : p->out;
}

/* Pedantic sums of float32 can't be turned into others by a variable of the
 * environment. */
static cublasComputeType_t
compute_of (const MblmQueue *queue, const MblmCudaProduct *p)
{
  if (p->a.type != MBLM_TYPE_F32)
    return CUBLAS_COMPUTE_32F;
  return queue->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                     : CUBLAS_COMPUTE_32F_PEDANTIC;
}

static Key
key_of (const MblmQueue *queue, const MblmCudaProduct *p)
{
  const uint64_t numbers[] = {p->out_type == MBLM_TYPE_BF16, p->a.across,
      p->b.across, p->bias != NULL, alignment_of (p->a.data),
      alignment_of (p->b.data), alignment_of (p->out),
      alignment_of (added_to (p)), alignment_of (p->bias)};
  Key key = {p->rows, p->columns, p->depth, p->a.stride, p->b.stride,
      p->out_stride, (uint64_t) compute_of (queue, p), 0};

  for (uint64_t number : numbers)
    key.rest = key.rest * (2 * MOST_ALIGNMENT) + number;
  return key;
}

static size_t
set_of (const Key *key)
{
  const uint64_t numbers[] = {key->rows, key->columns, key->depth,
      key->a_stride, key->b_stride, key->out_stride, key->compute, key->rest};
  uint64_t hash = 0;

  for (uint64_t number : numbers)
    hash = (hash ^ number) * 0x9e3779b97f4a7c15u;
  return (size_t) (hash >> 32) % SETS;
}

static cudaDataType_t
type_of (MblmType type)
{
  return type == MBLM_TYPE_F32 ? CUDA_R_32F : CUDA_R_16BF;
}

/* The operand as cuBLASLt sees it: depth x count, or, across, count x depth. */
static cublasStatus_t
make_layout (cublasLtMatrixLayout_t layout, const MblmCudaOperand *operand,
    size_t count, size_t depth)
{
  return cublasLtMatrixLayoutInit (layout, type_of (operand->type),
      operand->across ? count : depth, operand->across ? depth : count,
      (int64_t) operand->stride);
}

template <typename T>
static void
set (Plan *plan, cublasLtMatmulDescAttributes_t attribute, T value,
    cublasStatus_t *status)
{
  if (*status == CUBLAS_STATUS_SUCCESS)
    *status = cublasLtMatmulDescSetAttribute (
        &plan->product, attribute, &value, sizeof (value));
}

/* b is the first operand, and a transpose to it unless it lies across. */
static cublasStatus_t
describe (Plan *plan, const MblmCudaProduct *p, cublasComputeType_t compute)
{
  cublasOperation_t a = p->a.across ? CUBLAS_OP_T : CUBLAS_OP_N;
  cublasOperation_t b = p->b.across ? CUBLAS_OP_N : CUBLAS_OP_T;
  cublasStatus_t status = cublasLtMatmulDescInit (
      &plan->product, compute, CUDA_R_32F);

  set<int32_t> (plan, CUBLASLT_MATMUL_DESC_TRANSA, b, &status);
  set<int32_t> (plan, CUBLASLT_MATMUL_DESC_TRANSB, a, &status);
  if (p->bias) {
    set<uint32_t> (
        plan, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS, &status);
    set (plan, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p->bias, &status);
  }
  if (status == CUBLAS_STATUS_SUCCESS)
    status = make_layout (&plan->b, &p->b, p->columns, p->depth);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = make_layout (&plan->a, &p->a, p->rows, p->depth);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = cublasLtMatrixLayoutInit (&plan->out, type_of (p->out_type),
        p->columns, p->rows, (int64_t) p->out_stride);
  return status;
}

template <typename T>
static void
prefer (cublasLtMatmulPreference_t preference,
    cublasLtMatmulPreferenceAttributes_t attribute, T value,
    cublasStatus_t *status)
{
  if (*status == CUBLAS_STATUS_SUCCESS)
    *status = cublasLtMatmulPreferenceSetAttribute (
        preference, attribute, &value, sizeof (value));
}

static cublasStatus_t
choose (Library *self, Plan *plan, const MblmCudaProduct *p)
{
  cublasLtMatmulPreferenceOpaque_t preference;
  cublasLtMatmulHeuristicResult_t result = {};
  cublasStatus_t status = cublasLtMatmulPreferenceInit (&preference);
  int found = 0;

  prefer<uint64_t> (&preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
      self->workspace_size, &status);
  prefer<uint32_t> (&preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, &status);
  prefer (&preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
      alignment_of (p->b.data), &status);
  prefer (&preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
      alignment_of (p->a.data), &status);
  prefer (&preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
      alignment_of (added_to (p)), &status);
  prefer (&preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
      alignment_of (p->out), &status);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = cublasLtMatmulAlgoGetHeuristic (self->handle, &plan->product,
        &plan->b, &plan->a, &plan->out, &plan->out, &preference, 1, &result,
        &found);
  if (status == CUBLAS_STATUS_SUCCESS)
    status = found > 0 ? result.state : CUBLAS_STATUS_NOT_SUPPORTED;
  plan->algorithm = result.algo;
  return status;
}

/* What says that a product is beyond cuBLASLt, and nothing of the device. */
static bool
is_refusal (cublasStatus_t status)
{
  return status == CUBLAS_STATUS_NOT_SUPPORTED ||
      status == CUBLAS_STATUS_INVALID_VALUE ||
      status == CUBLAS_STATUS_ARCH_MISMATCH;
}

static cublasStatus_t
try_plan (Library *self, Plan *plan, const MblmCudaProduct *p,
    cublasComputeType_t compute)
{
  cublasStatus_t status = describe (plan, p, compute);

  return status == CUBLAS_STATUS_SUCCESS ? choose (self, plan, p) : status;
}

/* Where there is no other way, plain sums of float32 don't round either. */
static cublasStatus_t
make_plan (Library *self, Plan *plan, const MblmCudaProduct *p)
{
  cublasComputeType_t compute = (cublasComputeType_t) plan->key.compute;
  cublasStatus_t status = try_plan (self, plan, p, compute);

  if (is_refusal (status) && compute != CUBLAS_COMPUTE_32F)
    status = try_plan (self, plan, p, CUBLAS_COMPUTE_32F);
  return status;
}

/* The plan, new or known; NULL: the queue knows. */
static Plan *
plan_for (MblmQueue *queue, Library *self, const MblmCudaProduct *p)
{
  Key key = key_of (queue, p);
  Plan *ways = self->plans[set_of (&key)], *plan = ways;
  cublasStatus_t status;

  self->time++;
  for (Plan *way = ways; way < ways + WAYS; way++) {
    if (way->used > 0 && memcmp (&way->key, &key, sizeof (key)) == 0) {
      way->used = self->time;
      return way;
    }
    if (way->used < plan->used)
      plan = way;
  }
  memset (plan, 0, sizeof (*plan));
  plan->key = key;
  status = make_plan (self, plan, p);
  plan->is_refused = is_refusal (status);
  if (!plan->is_refused && !check (queue, status))
    return NULL;
  plan->used = self->time;
  return plan;
}

/* ------------------------------------------------------------------------- */
/* The product                                                               */
/* ------------------------------------------------------------------------- */

static cublasStatus_t
multiply (MblmQueue *queue, Library *self, Plan *plan, const MblmCudaProduct *p)
{
  float alpha = 1.0f, beta = p->addend ? 1.0f : 0.0f;
  cublasStatus_t status = CUBLAS_STATUS_SUCCESS;

  if (p->bias)
    set (plan, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p->bias, &status);
  if (status != CUBLAS_STATUS_SUCCESS)
    return status;
  return cublasLtMatmul (self->handle, &plan->product, &alpha, p->b.data,
      &plan->b, p->a.data, &plan->a, &beta, added_to (p), &plan->out, p->out,
      &plan->out, &plan->algorithm, self->workspace, self->workspace_size,
      queue->stream);
}

bool
mblm_cuda_product_library (MblmQueue *queue, const MblmCudaProduct *p)
{
  Library *self = library_of (queue);
  Plan *plan = self ? plan_for (queue, self, p) : NULL;
  cublasStatus_t status;

  if (!plan)
    return true;
  if (plan->is_refused)
    return false;
  status = multiply (queue, self, plan, p);
  plan->is_refused = is_refusal (status);
  if (!plan->is_refused)
    check (queue, status);
  return !plan->is_refused;
}
