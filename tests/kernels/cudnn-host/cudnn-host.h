/* cudnn-host.h: a cuDNN that computes graphs on the host.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * It is opened in place of the real one, and does what a graph says, operation by
 * operation, with everything in memory. So results show whether the graphs, the
 * layouts and the pieces are right, though not whether cuDNN has a way to them (that
 * is cudnn-plans/test-plans.cpp).
 *
 * The variable CUDNN_HOST_FAILURE names what fails:
 *
 *  version    it is an old one
 *  handle     there can be none
 *  graph      it is no graph that is known
 *  ways       there are none
 *  plan       a way can't be followed
 *  workspace  a plan needs more memory than anybody has
 *  run        a plan fails, and has left something
 */

#pragma once

#include "cuda/cudnn-api.h"

#include <map>
#include <vector>

#define FAILED 3000

/* Whatever its type is. */
struct Descriptor {
  int type;
  bool is_final;
  int way;                 /* of a configuration, an engine or a plan */
  const Descriptor *graph; /* of the same */
  std::map<int, std::vector<char>> attributes;

  /* Value i of an attribute, which has to be there. */
  template <typename T>
  T
  get (int name, size_t i = 0) const
  {
    return ((const T *) attributes.at (name).data ())[i];
  }

  bool
  has (int name) const
  {
    return attributes.count (name) > 0;
  }

  const Descriptor *
  other (int name, size_t i = 0) const
  {
    return get<const Descriptor *> (name, i);
  }
};

/* The way that a graph's results are the same each time by; the other isn't. */
#define STEADY_WAY 1

[[noreturn]] void cudnn_host_die (const char *what);
bool cudnn_host_fails (const char *what);

/* Computes a graph; `pack` says where its memory is. */
void cudnn_host_compute (const Descriptor *graph, const Descriptor *pack);

extern "C" {
/* How many plans have been run, and how many descriptors there are. */
__attribute__ ((visibility ("default"))) extern int cudnn_host_runs;
__attribute__ ((visibility ("default"))) extern int cudnn_host_descriptors;
}
