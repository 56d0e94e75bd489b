/* test-plans.cpp: cuDNN makes plans for our graphs, without a device.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The devices are files that describe one, named as arguments, and the driver is
 * one that does nothing (driver.c).
 */

#include "cuda/cudnn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <string>

#define SKIPPED 77
#define MOST_WORKSPACE ((size_t) 1 << 30)

/* cuDNN, and the compiler that it opens, keep memory that is no leak of ours. */
extern "C" int
__lsan_is_turned_off (void)
{
  return 1;
}

static int failures;

static void
expect (bool holds, const char *what)
{
  printf ("%s %s\n", holds ? "  ok" : "FAIL", what);
  failures += !holds;
}

static std::string
contents_of (const char *path)
{
  std::string text;
  FILE *file = fopen (path, "r");
  int c;

  while (file && (c = getc (file)) != EOF)
    text += (char) c;
  if (file)
    fclose (file);
  return text;
}

/* NULL where cuDNN doesn't understand the description. */
static MblmCudnnDescriptor
describe_device (const MblmCudnnCalls *c, const char *path)
{
  std::string text = contents_of (path);
  MblmCudnnDescriptor device = NULL;

  if (c->create_descriptor (MBLM_CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &device))
    return NULL;
  if (c->set_attribute (device, MBLM_CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
          MBLM_CUDNN_TYPE_CHAR, (int64_t) text.size (), text.data ()) == 0 &&
      c->finalize (device) == 0)
    return device;
  c->destroy_descriptor (device);
  return NULL;
}

/* Queries, keys and values side by side in a row, as the engine has them. */
static MblmCudnnShape
shape_of (
    size_t batch, size_t heads, size_t rows, size_t head_dim, bool is_backward)
{
  size_t width = heads * head_dim;

  return {
      batch, heads, rows, head_dim, 3 * width, 3 * width, width, is_backward};
}

/* The most that is expected for gradients: those of all scores, and a little. */
static size_t
most_workspace (const MblmCudnnShape *s)
{
  size_t rows = (s->rows + 127) / 128 * 128;

  return s->is_backward ? s->batch * s->heads * rows * rows * 2 + 65536 : 65536;
}

static void
test_shape (MblmCudnnPlans *plans, const MblmCudnnShape &shape)
{
  MblmCudnnPlan *plan = mblm_cudnn_plan (plans, &shape);
  char what[160];

  snprintf (what, sizeof (what),
      "%s of %d x %d rows, %d heads of %d: workspace %zu",
      shape.is_backward ? "gradients" : "attention", (int) shape.batch,
      (int) shape.rows, (int) shape.heads, (int) shape.head_dim,
      plan ? plan->workspace : 0);
  expect (
      plan && plan->plan && plan->workspace <= most_workspace (&shape), what);
}

static void
test_shapes (MblmCudnnPlans *plans)
{
  static const size_t shapes[][4] = {{1, 4, 1024, 64}, {6, 8, 1024, 128},
      {1, 7, 8192, 64}, {2, 2, 8192, 128}, {1, 3, 1030, 72}};

  for (const size_t (&s)[4] : shapes)
    for (int is_backward = 0; is_backward < 2; is_backward++)
      test_shape (plans, shape_of (s[0], s[1], s[2], s[3], is_backward));
}

static int waits;

static void
count_wait (void *data)
{
  waits++;
}

/* A shape keeps its plan until others have needed the place. */
static void
test_cache (MblmCudnnPlans *plans)
{
  MblmCudnnShape first = shape_of (1, 2, 1024, 64, false);
  MblmCudnnPlan *plan = mblm_cudnn_plan (plans, &first);
  MblmCudnnDescriptor made = plan ? plan->plan : NULL;
  int count;

  plans->wait = count_wait;
  waits = 0;
  expect (made && mblm_cudnn_plan (plans, &first) == plan && plan->plan == made,
      "the same shape has the same plan");
  if (!made)
    return;
  /* What is refused, by a head size that is none of its, takes a place as well. */
  for (count = 0; count < MBLM_CUDNN_MOST_PLANS - 1; count++) {
    MblmCudnnShape other = shape_of (1, 2, 1024 + 64 * count, 65, false);

    if (mblm_cudnn_plan (plans, &other))
      break;
  }
  expect (count == MBLM_CUDNN_MOST_PLANS - 1, "heads of 65 have no plan");
  expect (plan->plan == made && mblm_cudnn_plan (plans, &first) == plan,
      "a plan that was used of late is kept");
  for (count = 0; count < MBLM_CUDNN_MOST_PLANS; count++) {
    MblmCudnnShape other = shape_of (2, 2, 1024 + 64 * count, 65, false);

    mblm_cudnn_plan (plans, &other);
  }
  expect (plan->shape.head_dim == 65 && waits > 0,
      "others take the place of it, when nothing runs");
}

static void
test_limit (MblmCudnnPlans *plans)
{
  MblmCudnnShape shape = shape_of (1, 4, 1024, 64, true);

  plans->most_workspace = 4 * 1024 * 1024;
  expect (!mblm_cudnn_plan (plans, &shape),
      "a plan that needs more memory than there may be is none");
}

int
main (int argc, char **argv)
{
  const MblmCudnnCalls *calls;

  setenv ("G_MESSAGES_DEBUG", "all", 1);
  calls = mblm_cudnn_calls ();
  if (!calls)
    return SKIPPED;
  for (int i = 1; i < argc; i++) {
    static MblmCudnnPlans plans;

    plans = {calls, NULL, describe_device (calls, argv[i]), MOST_WORKSPACE};
    printf ("%s, cuDNN %zu\n", argv[i], calls->version ());
    expect (plans.device, "the description is understood");
    if (!plans.device)
      continue;
    test_shapes (&plans);
    mblm_cudnn_plans_clear (&plans);
    test_cache (&plans);
    test_limit (&plans);
    mblm_cudnn_plans_clear (&plans);
    calls->destroy_descriptor (plans.device);
  }
  return failures > 0;
}
