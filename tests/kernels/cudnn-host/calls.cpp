/* calls.cpp: the functions of cuDNN's graph API, on the host.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "cudnn-host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 91900
#define OLD_VERSION 90000
#define EXPORT extern "C" __attribute__ ((visibility ("default")))

int cudnn_host_runs;
int cudnn_host_descriptors;

struct Handle {
  void *stream;
};

void
cudnn_host_die (const char *what)
{
  fprintf (stderr, "cudnn-host: %s\n", what);
  abort ();
}

bool
cudnn_host_fails (const char *what)
{
  const char *failure = getenv ("CUDNN_HOST_FAILURE");

  return failure && strcmp (failure, what) == 0;
}

static void
demand (bool holds, const char *what)
{
  if (!holds)
    cudnn_host_die (what);
}

/* ------------------------------------------------------------------------- */
/* The library                                                               */
/* ------------------------------------------------------------------------- */

EXPORT size_t
cudnnGetVersion (void)
{
  return cudnn_host_fails ("version") ? OLD_VERSION : VERSION;
}

EXPORT const char *
cudnnGetErrorString (MblmCudnnStatus status)
{
  return status ? "an error that the host made up" : "no error";
}

EXPORT MblmCudnnStatus
cudnnCreate (MblmCudnnHandle *handle)
{
  if (cudnn_host_fails ("handle"))
    return FAILED;
  *handle = new Handle{};
  return 0;
}

EXPORT MblmCudnnStatus
cudnnDestroy (MblmCudnnHandle handle)
{
  delete (Handle *) handle;
  return 0;
}

EXPORT MblmCudnnStatus
cudnnSetStream (MblmCudnnHandle handle, void *stream)
{
  ((Handle *) handle)->stream = stream;
  return 0;
}

/* ------------------------------------------------------------------------- */
/* Descriptors                                                               */
/* ------------------------------------------------------------------------- */

EXPORT MblmCudnnStatus
cudnnBackendCreateDescriptor (int type, MblmCudnnDescriptor *descriptor)
{
  *descriptor = new Descriptor{type};
  cudnn_host_descriptors++;
  return 0;
}

EXPORT MblmCudnnStatus
cudnnBackendDestroyDescriptor (MblmCudnnDescriptor descriptor)
{
  delete (Descriptor *) descriptor;
  cudnn_host_descriptors--;
  return 0;
}

static size_t
size_of_type (int type)
{
  switch (type) {
    case MBLM_CUDNN_TYPE_BOOLEAN:
    case MBLM_CUDNN_TYPE_CHAR:
      return 1;
    case MBLM_CUDNN_TYPE_HANDLE:
    case MBLM_CUDNN_TYPE_INT64:
    case MBLM_CUDNN_TYPE_VOID_PTR:
    case MBLM_CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return 8;
    default:
      return 4;
  }
}

EXPORT MblmCudnnStatus
cudnnBackendSetAttribute (MblmCudnnDescriptor descriptor, int name, int type,
    int64_t count, const void *values)
{
  Descriptor *d = (Descriptor *) descriptor;
  const char *bytes = (const char *) values;

  demand (!d->is_final, "an attribute of what is finalised is set");
  if (type == MBLM_CUDNN_TYPE_BACKEND_DESCRIPTOR)
    for (int64_t i = 0; i < count; i++)
      demand (((Descriptor *const *) values)[i]->is_final,
          "what isn't finalised is used");
  d->attributes[name].assign (
      bytes, bytes + (size_t) count * size_of_type (type));
  return 0;
}

static void
follow (Descriptor *plan)
{
  const Descriptor *way = plan->other (
      MBLM_CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);

  demand (way->way == STEADY_WAY, "a way with other results each time is used");
  plan->graph = way->graph;
}

EXPORT MblmCudnnStatus
cudnnBackendFinalize (MblmCudnnDescriptor descriptor)
{
  Descriptor *d = (Descriptor *) descriptor;

  demand (!d->is_final, "what is finalised is finalised again");
  if (d->type == MBLM_CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) {
    if (cudnn_host_fails ("graph"))
      return FAILED;
    demand (d->has (MBLM_CUDNN_ATTR_OPERATIONGRAPH_HANDLE),
        "a graph is of no device");
  }
  if (d->type == MBLM_CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    if (cudnn_host_fails ("plan"))
      return FAILED;
    follow (d);
  }
  d->is_final = true;
  return 0;
}

/* ------------------------------------------------------------------------- */
/* Ways                                                                      */
/* ------------------------------------------------------------------------- */

static int64_t
give_ways (const Descriptor *search, int64_t requested, Descriptor **ways)
{
  int64_t count = cudnn_host_fails ("ways") ? 0 : STEADY_WAY + 1;

  demand (search->get<int32_t> (MBLM_CUDNN_ATTR_ENGINEHEUR_MODE) ==
          MBLM_CUDNN_HEUR_MODE_A,
      "ways are looked for otherwise");
  for (int64_t i = 0; i < count && i < requested; i++) {
    ways[i]->way = (int) i;
    ways[i]->graph = search->other (MBLM_CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    ways[i]->is_final = true;
  }
  return count;
}

/* As the real one: gradients of all scores, in bfloat16. */
static int64_t
workspace_of (const Descriptor *graph)
{
  size_t last =
      graph->attributes.at (MBLM_CUDNN_ATTR_OPERATIONGRAPH_OPS).size () /
          sizeof (void *) -
      1;
  const Descriptor *product = graph->other (
      MBLM_CUDNN_ATTR_OPERATIONGRAPH_OPS, last);
  const Descriptor *scores = product->other (
      MBLM_CUDNN_ATTR_OPERATION_MATMUL_ADESC);
  int64_t bytes = 2;

  if (cudnn_host_fails ("workspace"))
    return INT64_MAX;
  for (size_t i = 0; i < 4; i++) {
    int64_t size = scores->get<int64_t> (MBLM_CUDNN_ATTR_TENSOR_DIMENSIONS, i);

    bytes *= i < 2 ? size : (size + 127) / 128 * 128;
  }
  return last > 14 ? bytes + 256 : 256;
}

EXPORT MblmCudnnStatus
cudnnBackendGetAttribute (const void *descriptor, int name, int type,
    int64_t requested, int64_t *count, void *values)
{
  const Descriptor *d = (const Descriptor *) descriptor;

  demand (d->is_final, "an attribute of what isn't finalised is asked for");
  *count = 1;
  switch (name) {
    case MBLM_CUDNN_ATTR_ENGINEHEUR_RESULTS:
      *count = give_ways (d, requested, (Descriptor **) values);
      break;
    case MBLM_CUDNN_ATTR_ENGINECFG_ENGINE:
      (*(Descriptor **) values)->way = d->way;
      (*(Descriptor **) values)->is_final = true;
      break;
    case MBLM_CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
      ((int32_t *) values)[0] = d->way == STEADY_WAY
          ? 0
          : MBLM_CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
      break;
    case MBLM_CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
      *(int64_t *) values = workspace_of (d->graph);
      break;
    default:
      cudnn_host_die ("an attribute is asked for that isn't known");
  }
  return 0;
}

/* ------------------------------------------------------------------------- */
/* Running                                                                   */
/* ------------------------------------------------------------------------- */

EXPORT MblmCudnnStatus
cudnnBackendExecute (MblmCudnnHandle handle, MblmCudnnDescriptor plan,
    MblmCudnnDescriptor variant_pack)
{
  const Descriptor *p = (const Descriptor *) plan;
  const Descriptor *pack = (const Descriptor *) variant_pack;
  int64_t bytes = workspace_of (p->graph);

  demand (handle && ((Handle *) handle)->stream, "no stream is set");
  demand (p->is_final && pack->is_final, "what isn't finalised is run");
  /* It is for the library's use, all of it. */
  memset (pack->get<void *> (MBLM_CUDNN_ATTR_VARIANT_PACK_WORKSPACE), 0xff,
      (size_t) bytes);
  cudnn_host_compute (p->graph, pack);
  cudnn_host_runs++;
  return cudnn_host_fails ("run") ? FAILED : 0;
}
