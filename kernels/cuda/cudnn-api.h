/* cudnn-api.h: what is used of cuDNN's graph API, in its C form.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuDNN is opened where it is wanted and never linked, so a build needs none of its
 * headers: the numbers of its names are here, those of version 9. Where the headers
 * are installed a test compares them (tests/kernels/cudnn-plans/test-api.cpp).
 *
 * Everything is a descriptor, of which attributes are set and which is finalised
 * then. Numbers that stand for names are four bytes, as enumerations are in C.
 */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NAME (name without CUDNN_, number) of each. */
#define MBLM_CUDNN_NAMES(NAME)                                                 \
  NAME (DATA_FLOAT, 0)                                                         \
  NAME (DATA_INT32, 4)                                                         \
  NAME (DATA_BFLOAT16, 9)                                                      \
  NAME (DATA_BOOLEAN, 11)                                                      \
                                                                               \
  NAME (BACKEND_POINTWISE_DESCRIPTOR, 0)                                       \
  NAME (BACKEND_ENGINE_DESCRIPTOR, 2)                                          \
  NAME (BACKEND_ENGINECFG_DESCRIPTOR, 3)                                       \
  NAME (BACKEND_ENGINEHEUR_DESCRIPTOR, 4)                                      \
  NAME (BACKEND_EXECUTION_PLAN_DESCRIPTOR, 5)                                  \
  NAME (BACKEND_OPERATION_POINTWISE_DESCRIPTOR, 13)                            \
  NAME (BACKEND_OPERATIONGRAPH_DESCRIPTOR, 15)                                 \
  NAME (BACKEND_VARIANT_PACK_DESCRIPTOR, 16)                                   \
  NAME (BACKEND_TENSOR_DESCRIPTOR, 17)                                         \
  NAME (BACKEND_MATMUL_DESCRIPTOR, 18)                                         \
  NAME (BACKEND_OPERATION_MATMUL_DESCRIPTOR, 19)                               \
  NAME (BACKEND_REDUCTION_DESCRIPTOR, 21)                                      \
  NAME (BACKEND_OPERATION_REDUCTION_DESCRIPTOR, 22)                            \
  NAME (BACKEND_OPERATION_RESHAPE_DESCRIPTOR, 31)                              \
  NAME (BACKEND_DEVICEPROP_DESCRIPTOR, 38)                                     \
                                                                               \
  NAME (TYPE_HANDLE, 0)                                                        \
  NAME (TYPE_DATA_TYPE, 1)                                                     \
  NAME (TYPE_BOOLEAN, 2)                                                       \
  NAME (TYPE_INT64, 3)                                                         \
  NAME (TYPE_VOID_PTR, 6)                                                      \
  NAME (TYPE_HEUR_MODE, 8)                                                     \
  NAME (TYPE_NUMERICAL_NOTE, 11)                                               \
  NAME (TYPE_POINTWISE_MODE, 14)                                               \
  NAME (TYPE_BACKEND_DESCRIPTOR, 15)                                           \
  NAME (TYPE_REDUCTION_OPERATOR_TYPE, 18)                                      \
  NAME (TYPE_CHAR, 24)                                                         \
                                                                               \
  NAME (POINTWISE_ADD, 0)                                                      \
  NAME (POINTWISE_MUL, 1)                                                      \
  NAME (POINTWISE_DIV, 6)                                                      \
  NAME (POINTWISE_SUB, 9)                                                      \
  NAME (POINTWISE_EXP, 13)                                                     \
  NAME (POINTWISE_LOG, 15)                                                     \
  NAME (POINTWISE_CMP_GE, 303)                                                 \
  NAME (POINTWISE_GEN_INDEX, 501)                                              \
  NAME (POINTWISE_BINARY_SELECT, 601)                                          \
                                                                               \
  NAME (REDUCE_TENSOR_ADD, 0)                                                  \
  NAME (REDUCE_TENSOR_MAX, 3)                                                  \
  NAME (HEUR_MODE_A, 3)                                                        \
  NAME (NUMERICAL_NOTE_NONDETERMINISTIC, 4)                                    \
                                                                               \
  NAME (ATTR_POINTWISE_MODE, 0)                                                \
  NAME (ATTR_POINTWISE_MATH_PREC, 1)                                           \
  NAME (ATTR_POINTWISE_AXIS, 9)                                                \
  NAME (ATTR_ENGINEHEUR_MODE, 200)                                             \
  NAME (ATTR_ENGINEHEUR_OPERATION_GRAPH, 201)                                  \
  NAME (ATTR_ENGINEHEUR_RESULTS, 202)                                          \
  NAME (ATTR_ENGINEHEUR_DEVICEPROP, 204)                                       \
  NAME (ATTR_ENGINECFG_ENGINE, 300)                                            \
  NAME (ATTR_EXECUTION_PLAN_ENGINE_CONFIG, 401)                                \
  NAME (ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, 402)                               \
  NAME (ATTR_EXECUTION_PLAN_DEVICEPROP, 407)                                   \
  NAME (ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, 750)                           \
  NAME (ATTR_OPERATION_POINTWISE_XDESC, 751)                                   \
  NAME (ATTR_OPERATION_POINTWISE_BDESC, 752)                                   \
  NAME (ATTR_OPERATION_POINTWISE_YDESC, 753)                                   \
  NAME (ATTR_OPERATION_POINTWISE_TDESC, 758)                                   \
  NAME (ATTR_OPERATIONGRAPH_HANDLE, 800)                                       \
  NAME (ATTR_OPERATIONGRAPH_OPS, 801)                                          \
  NAME (ATTR_TENSOR_BYTE_ALIGNMENT, 900)                                       \
  NAME (ATTR_TENSOR_DATA_TYPE, 901)                                            \
  NAME (ATTR_TENSOR_DIMENSIONS, 902)                                           \
  NAME (ATTR_TENSOR_STRIDES, 903)                                              \
  NAME (ATTR_TENSOR_UNIQUE_ID, 906)                                            \
  NAME (ATTR_TENSOR_IS_VIRTUAL, 907)                                           \
  NAME (ATTR_TENSOR_IS_BY_VALUE, 908)                                          \
  NAME (ATTR_VARIANT_PACK_UNIQUE_IDS, 1000)                                    \
  NAME (ATTR_VARIANT_PACK_DATA_POINTERS, 1001)                                 \
  NAME (ATTR_VARIANT_PACK_WORKSPACE, 1003)                                     \
  NAME (ATTR_ENGINE_NUMERICAL_NOTE, 1303)                                      \
  NAME (ATTR_MATMUL_COMP_TYPE, 1500)                                           \
  NAME (ATTR_OPERATION_MATMUL_ADESC, 1520)                                     \
  NAME (ATTR_OPERATION_MATMUL_BDESC, 1521)                                     \
  NAME (ATTR_OPERATION_MATMUL_CDESC, 1522)                                     \
  NAME (ATTR_OPERATION_MATMUL_DESC, 1523)                                      \
  NAME (ATTR_REDUCTION_OPERATOR, 1600)                                         \
  NAME (ATTR_REDUCTION_COMP_TYPE, 1601)                                        \
  NAME (ATTR_OPERATION_REDUCTION_XDESC, 1610)                                  \
  NAME (ATTR_OPERATION_REDUCTION_YDESC, 1611)                                  \
  NAME (ATTR_OPERATION_REDUCTION_DESC, 1612)                                   \
  NAME (ATTR_OPERATION_RESHAPE_XDESC, 2200)                                    \
  NAME (ATTR_OPERATION_RESHAPE_YDESC, 2201)                                    \
  NAME (ATTR_DEVICEPROP_JSON_REPRESENTATION, 2702)

#define MBLM_CUDNN_NAME(name, number) MBLM_CUDNN_##name = number,
enum { MBLM_CUDNN_NAMES (MBLM_CUDNN_NAME) };
#undef MBLM_CUDNN_NAME

/* 0 where all is well. */
typedef int MblmCudnnStatus;
typedef void *MblmCudnnDescriptor;
typedef void *MblmCudnnHandle;

/* The functions, without their prefix. */
struct MblmCudnnCalls {
  size_t (*version) (void); /* 10000 * major + 100 * minor + patch */
  const char *(*error_string) (MblmCudnnStatus status);
  MblmCudnnStatus (*create) (MblmCudnnHandle *handle);
  MblmCudnnStatus (*destroy) (MblmCudnnHandle handle);
  MblmCudnnStatus (*set_stream) (MblmCudnnHandle handle, void *stream);
  MblmCudnnStatus (*create_descriptor) (
      int type, MblmCudnnDescriptor *descriptor);
  MblmCudnnStatus (*destroy_descriptor) (MblmCudnnDescriptor descriptor);
  MblmCudnnStatus (*finalize) (MblmCudnnDescriptor descriptor);
  MblmCudnnStatus (*set_attribute) (MblmCudnnDescriptor descriptor, int name,
      int type, int64_t count, const void *values);
  MblmCudnnStatus (*get_attribute) (const void *descriptor, int name, int type,
      int64_t requested, int64_t *count, void *values);
  MblmCudnnStatus (*execute) (MblmCudnnHandle handle, MblmCudnnDescriptor plan,
      MblmCudnnDescriptor variant_pack);
};
