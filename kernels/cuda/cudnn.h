/* cudnn.h: attention as a graph of cuDNN's.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *  - cudnn-library.cu opens the library, where it is wanted
 *  - cudnn-graph.cu describes attention and its gradients as operations
 *  - cudnn-plan.cu lets cuDNN find a way to compute them, and keeps it
 *  - attention-cudnn.cu uses that
 *
 * All but the last need no device: a plan can be made for one that is described, and
 * then isn't run (tests/kernels/cudnn-plans/test-plans.cpp).
 */

#pragma once

#include "cudnn-api.h"

/* ------------------------------------------------------------------------- */
/* The library                                                               */
/* ------------------------------------------------------------------------- */

/* Whether the variable MBLM_CUDNN asks for it. */
bool mblm_cudnn_is_wanted (void);

/* NULL: there is none, or one that is too old. Any thread may call. */
const MblmCudnnCalls *mblm_cudnn_calls (void);

/* For whoever asks for such messages (G_MESSAGES_DEBUG=all). */
__attribute__ ((format (printf, 1, 2))) void mblm_cudnn_say (
    const char *format, ...);

/* ------------------------------------------------------------------------- */
/* Plans                                                                     */
/* ------------------------------------------------------------------------- */

/* What a plan is made for: causal attention of bfloat16 in sequences of equal
 * length, laid out as in MblmAttention, or its gradients. */
struct MblmCudnnShape {
  uint64_t batch, heads, rows, head_dim;
  uint64_t query_stride, key_stride; /* from row to row */
  uint64_t out_stride;
  uint64_t is_backward;
};

/* What a graph reads and writes. */
enum MblmCudnnPart {
  MBLM_CUDNN_QUERY,
  MBLM_CUDNN_KEY,
  MBLM_CUDNN_VALUE,
  MBLM_CUDNN_OUT,
  MBLM_CUDNN_LOG_SUM, /* [batch, heads, rows], float32 */
  MBLM_CUDNN_D_OUT,   /* from here on only backward */
  MBLM_CUDNN_D_QUERY,
  MBLM_CUDNN_D_KEY,
  MBLM_CUDNN_D_VALUE,
  MBLM_CUDNN_DELTA, /* d_out . out; [batch, heads, rows], float32, for its use */
  MBLM_CUDNN_PARTS,
};

struct MblmCudnnMemory {
  void *at[MBLM_CUDNN_PARTS];
  void *workspace;
};

/* A graph, with what it needs: they are destroyed together. */
#define MBLM_CUDNN_MOST_DESCRIPTORS 128

struct MblmCudnnPlan {
  MblmCudnnShape shape;
  uint64_t used;    /* the time of it; 0: never */
  bool is_refused;  /* there is no way */
  size_t workspace; /* bytes that it needs */
  MblmCudnnDescriptor graph, plan;
  int count;
  MblmCudnnDescriptor descriptors[MBLM_CUDNN_MOST_DESCRIPTORS];
};

/* Making a plan takes a second: the latest are kept. */
#define MBLM_CUDNN_MOST_PLANS 16

struct MblmCudnnPlans {
  const MblmCudnnCalls *calls;
  MblmCudnnHandle handle;     /* of the device that runs them; or NULL, and */
  MblmCudnnDescriptor device; /* the description of one */
  size_t most_workspace;      /* of a plan, in bytes */
  void (*wait) (void *data);  /* until none is running; or NULL */
  void *data;
  uint64_t time;
  MblmCudnnPlan plans[MBLM_CUDNN_MOST_PLANS];
};

/* The plan for a shape, new or known; NULL where there is none. */
MblmCudnnPlan *mblm_cudnn_plan (
    MblmCudnnPlans *self, const MblmCudnnShape *shape);
void mblm_cudnn_plans_clear (MblmCudnnPlans *self);

/* Begins to compute; the first call that failed, if any, says what. */
MblmCudnnStatus mblm_cudnn_run (MblmCudnnPlans *self, const MblmCudnnPlan *plan,
    const MblmCudnnMemory *memory);

/* ------------------------------------------------------------------------- */
/* Graphs                                                                    */
/* ------------------------------------------------------------------------- */

/* Each of the parts has a number; factors, which are host memory, the numbers after
 * them. */
enum {
  MBLM_CUDNN_SCALE = MBLM_CUDNN_PARTS,
  MBLM_CUDNN_HIDDEN, /* the score of a key that isn't seen */
  MBLM_CUDNN_ONE,    /* only backward */
  MBLM_CUDNN_IDS,
};

/* cuDNN takes no 0 for one. */
static inline int64_t
mblm_cudnn_id (int part)
{
  return part + 1;
}

/* Describes plan->shape; `handle` may be NULL. */
MblmCudnnStatus mblm_cudnn_describe (
    const MblmCudnnCalls *calls, MblmCudnnHandle handle, MblmCudnnPlan *plan);

/* A descriptor of the plan's; NULL where there is none, and `status` says why. */
MblmCudnnDescriptor mblm_cudnn_add (const MblmCudnnCalls *calls,
    MblmCudnnPlan *plan, int type, MblmCudnnStatus *status);
