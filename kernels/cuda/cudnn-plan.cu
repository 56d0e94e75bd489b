/* cudnn-plan.cu: ways to compute a graph, found once for each shape.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuDNN names ways, the best first; the first is taken that is the same every time,
 * needs no more memory than there may be, and can be made. Where there is none, that
 * is kept, too.
 */

#include "cudnn.h"

#include <math.h>
#include <string.h>

#include <atomic>

#define MOST_WAYS 8   /* that are looked at */
#define MOST_NOTES 32 /* of a way */

/* ------------------------------------------------------------------------- */
/* Making a plan                                                             */
/* ------------------------------------------------------------------------- */

static void
forget (const MblmCudnnCalls *calls, MblmCudnnPlan *plan)
{
  for (int i = plan->count; i-- > 0;)
    calls->destroy_descriptor (plan->descriptors[i]);
  plan->count = 0;
  plan->graph = plan->plan = NULL;
}

/* The ways that there are, as descriptors of the plan. */
static MblmCudnnStatus
find_ways (MblmCudnnPlans *self, MblmCudnnPlan *plan, int64_t *count,
    MblmCudnnDescriptor *ways)
{
  const MblmCudnnCalls *c = self->calls;
  const int32_t mode = MBLM_CUDNN_HEUR_MODE_A;
  MblmCudnnStatus status;
  MblmCudnnDescriptor search = mblm_cudnn_add (
      c, plan, MBLM_CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &status);

  *count = 0;
  if (status == 0)
    status = c->set_attribute (search,
        MBLM_CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
        MBLM_CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &plan->graph);
  if (status == 0)
    status = c->set_attribute (search, MBLM_CUDNN_ATTR_ENGINEHEUR_MODE,
        MBLM_CUDNN_TYPE_HEUR_MODE, 1, &mode);
  if (status == 0 && self->device)
    status = c->set_attribute (search, MBLM_CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
        MBLM_CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &self->device);
  if (status == 0)
    status = c->finalize (search);
  for (int i = 0; status == 0 && i < MOST_WAYS; i++)
    ways[i] = mblm_cudnn_add (
        c, plan, MBLM_CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &status);
  if (status == 0)
    status = c->get_attribute (search, MBLM_CUDNN_ATTR_ENGINEHEUR_RESULTS,
        MBLM_CUDNN_TYPE_BACKEND_DESCRIPTOR, MOST_WAYS, count, ways);
  return status;
}

/* Whether nothing says that a way has other results each time. */
static bool
is_same_each_time (
    MblmCudnnPlans *self, MblmCudnnPlan *plan, MblmCudnnDescriptor way)
{
  const MblmCudnnCalls *c = self->calls;
  int32_t notes[MOST_NOTES];
  int64_t count = 0;
  MblmCudnnStatus status;
  MblmCudnnDescriptor engine = mblm_cudnn_add (
      c, plan, MBLM_CUDNN_BACKEND_ENGINE_DESCRIPTOR, &status);

  if (status == 0)
    status = c->get_attribute (way, MBLM_CUDNN_ATTR_ENGINECFG_ENGINE,
        MBLM_CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine);
  if (status == 0)
    status = c->get_attribute (engine, MBLM_CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
        MBLM_CUDNN_TYPE_NUMERICAL_NOTE, MOST_NOTES, &count, notes);
  for (int64_t i = 0; status == 0 && i < count && i < MOST_NOTES; i++)
    if (notes[i] == MBLM_CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)
      return false;
  return status == 0;
}

static MblmCudnnStatus
follow (MblmCudnnPlans *self, MblmCudnnPlan *plan, MblmCudnnDescriptor way)
{
  const MblmCudnnCalls *c = self->calls;
  int64_t count = 0, workspace = -1;
  MblmCudnnStatus status;

  plan->plan = mblm_cudnn_add (
      c, plan, MBLM_CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &status);
  if (status == 0)
    status = c->set_attribute (plan->plan,
        MBLM_CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
        MBLM_CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &way);
  if (status == 0 && self->device)
    status = c->set_attribute (plan->plan,
        MBLM_CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
        MBLM_CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &self->device);
  if (status == 0)
    status = c->finalize (plan->plan);
  if (status == 0)
    status = c->get_attribute (plan->plan,
        MBLM_CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, MBLM_CUDNN_TYPE_INT64, 1,
        &count, &workspace);
  plan->workspace = workspace < 0 ? SIZE_MAX : (size_t) workspace;
  return status;
}

/* Once: that it works, or why it didn't. */
static void
say_outcome (
    MblmCudnnPlans *self, const MblmCudnnPlan *plan, MblmCudnnStatus status)
{
  static std::atomic_flag worked, failed;
  const MblmCudnnShape *s = &plan->shape;
  const char *what = s->is_backward ? "gradients of attention" : "attention";

  if (!plan->is_refused && !worked.test_and_set ())
    mblm_cudnn_say ("%s of %zu rows, %zu heads of %zu, by cuDNN %zu", what,
        (size_t) s->rows, (size_t) s->heads, (size_t) s->head_dim,
        self->calls->version ());
  if (plan->is_refused && !failed.test_and_set ())
    mblm_cudnn_say ("no %s of %zu rows, %zu heads of %zu, by cuDNN: %s", what,
        (size_t) s->rows, (size_t) s->heads, (size_t) s->head_dim,
        status ? self->calls->error_string (status)
               : "no way that may be used");
}

static void
make (MblmCudnnPlans *self, MblmCudnnPlan *plan)
{
  MblmCudnnDescriptor ways[MOST_WAYS];
  int64_t count = 0;
  MblmCudnnStatus status = mblm_cudnn_describe (
      self->calls, self->handle, plan);

  plan->is_refused = true;
  if (status == 0)
    status = find_ways (self, plan, &count, ways);
  for (int64_t i = 0; i < count && i < MOST_WAYS && plan->is_refused; i++)
    if (is_same_each_time (self, plan, ways[i])) {
      status = follow (self, plan, ways[i]);
      plan->is_refused = status != 0 || plan->workspace > self->most_workspace;
    }
  say_outcome (self, plan, status);
  if (plan->is_refused)
    forget (self->calls, plan);
}

/* ------------------------------------------------------------------------- */
/* Keeping plans                                                             */
/* ------------------------------------------------------------------------- */

MblmCudnnPlan *
mblm_cudnn_plan (MblmCudnnPlans *self, const MblmCudnnShape *shape)
{
  MblmCudnnPlan *oldest = self->plans;

  self->time++;
  for (MblmCudnnPlan &plan : self->plans) {
    if (plan.used > 0 && memcmp (&plan.shape, shape, sizeof (*shape)) == 0) {
      plan.used = self->time;
      return plan.is_refused ? NULL : &plan;
    }
    if (plan.used < oldest->used)
      oldest = &plan;
  }
  if (oldest->count > 0) {
    if (self->wait)
      self->wait (self->data);
    forget (self->calls, oldest);
  }
  memset (oldest, 0, sizeof (*oldest));
  oldest->shape = *shape;
  oldest->used = self->time;
  make (self, oldest);
  return oldest->is_refused ? NULL : oldest;
}

void
mblm_cudnn_plans_clear (MblmCudnnPlans *self)
{
  for (MblmCudnnPlan &plan : self->plans)
    forget (self->calls, &plan);
  memset (self->plans, 0, sizeof (self->plans));
}

/* ------------------------------------------------------------------------- */
/* Running one                                                               */
/* ------------------------------------------------------------------------- */

static MblmCudnnStatus
fill (const MblmCudnnCalls *c, MblmCudnnDescriptor pack, int64_t count,
    const int64_t *ids, void *const *at, void *const *workspace)
{
  MblmCudnnStatus status = c->set_attribute (pack,
      MBLM_CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, MBLM_CUDNN_TYPE_INT64, count,
      ids);

  if (status == 0)
    status = c->set_attribute (pack, MBLM_CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
        MBLM_CUDNN_TYPE_VOID_PTR, count, at);
  if (status == 0)
    status = c->set_attribute (pack, MBLM_CUDNN_ATTR_VARIANT_PACK_WORKSPACE,
        MBLM_CUDNN_TYPE_VOID_PTR, 1, workspace);
  return status == 0 ? c->finalize (pack) : status;
}

MblmCudnnStatus
mblm_cudnn_run (MblmCudnnPlans *self, const MblmCudnnPlan *plan,
    const MblmCudnnMemory *memory)
{
  const MblmCudnnCalls *c = self->calls;
  bool is_backward = plan->shape.is_backward != 0;
  float scale = (float) (1.0 / sqrt ((double) plan->shape.head_dim));
  float hidden = -INFINITY, one = 1.0f;
  void *at[MBLM_CUDNN_IDS];
  int64_t ids[MBLM_CUDNN_IDS], count = 0;
  MblmCudnnDescriptor pack = NULL;
  MblmCudnnStatus status;

  for (int i = 0; i < MBLM_CUDNN_IDS; i++) {
    void *const here = i == MBLM_CUDNN_SCALE ? &scale
        : i == MBLM_CUDNN_HIDDEN             ? &hidden
        : i == MBLM_CUDNN_ONE                ? &one
                                             : memory->at[i];

    if (!is_backward &&
        (i == MBLM_CUDNN_ONE ||
            (i >= MBLM_CUDNN_D_OUT && i < MBLM_CUDNN_PARTS)))
      continue;
    ids[count] = mblm_cudnn_id (i);
    at[count++] = here;
  }
  status = c->create_descriptor (
      MBLM_CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
  if (status != 0)
    return status;
  status = fill (c, pack, count, ids, at, &memory->workspace);
  if (status == 0)
    status = c->execute (self->handle, plan->plan, pack);
  c->destroy_descriptor (pack);
  return status;
}
