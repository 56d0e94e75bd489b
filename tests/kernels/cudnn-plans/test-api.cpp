/* test-api.cpp: our names of cuDNN's graph API have cuDNN's numbers.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <cudnn.h>

#include "cuda/cudnn-api.h"

/* That it compiles is the test. */
#define COMPARE(name, number)                                                  \
  static_assert ((int) CUDNN_##name == number, "CUDNN_" #name);
MBLM_CUDNN_NAMES (COMPARE)

static_assert (sizeof (cudnnDataType_t) == sizeof (int32_t));
static_assert (sizeof (cudnnBackendAttributeName_t) == sizeof (int));
static_assert (sizeof (cudnnBackendDescriptor_t) == sizeof (void *));
static_assert (sizeof (bool) == 1);

/* And that its functions are called as they are declared. */
template <typename F> struct Arguments;
template <typename R, typename... P> struct Arguments<R (*) (P...)> {
  static constexpr size_t count = sizeof...(P);
  static constexpr size_t size = (sizeof (P) + ... + 0);
};

template <typename F, typename G>
static constexpr bool
are_alike (F, G)
{
  return Arguments<F>::count == Arguments<G>::count &&
      Arguments<F>::size == Arguments<G>::size;
}

static constexpr MblmCudnnCalls calls = {};

static_assert (are_alike (calls.version, &cudnnGetVersion));
static_assert (are_alike (calls.error_string, &cudnnGetErrorString));
static_assert (are_alike (calls.create, &cudnnCreate));
static_assert (are_alike (calls.destroy, &cudnnDestroy));
static_assert (are_alike (calls.set_stream, &cudnnSetStream));
static_assert (
    are_alike (calls.create_descriptor, &cudnnBackendCreateDescriptor));
static_assert (
    are_alike (calls.destroy_descriptor, &cudnnBackendDestroyDescriptor));
static_assert (are_alike (calls.finalize, &cudnnBackendFinalize));
static_assert (are_alike (calls.set_attribute, &cudnnBackendSetAttribute));
static_assert (are_alike (calls.get_attribute, &cudnnBackendGetAttribute));
static_assert (are_alike (calls.execute, &cudnnBackendExecute));

int
main (void)
{
  return 0;
}
