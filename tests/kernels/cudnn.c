/* cudnn.c: which attention cuDNN computes, and that others do where it fails.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The kernels of the host open a cuDNN of the host (cudnn-host/cudnn-host.h), which
 * counts what it is asked for. That its results are right is what the checks of
 * attention say, which run with it, too.
 */

#include <dlfcn.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "mblm-kernels.h"

const MblmKernels *mblm_kernels_cuda (void);

/* A case; what isn't there is the plain one. */
typedef struct {
  gsize batch, rows, heads, head_dim;
  gsize more;  /* entries between rows */
  gsize shift; /* entries that memory begins later */
  gsize past;
  MblmType type, product;
  gboolean is_open; /* not causal */
  gboolean no_key;  /* its gradient isn't wanted */
  int runs;         /* of cuDNN's, forward and then backward */
  int runs_back;
} Shape;

static MblmKernelDevice *device;
static const int *runs, *descriptors; /* NULL: there is no such library */

/* ------------------------------------------------------------------------- */
/* Attention                                                                 */
/* ------------------------------------------------------------------------- */

enum { QUERY, KEY, VALUE, OUT, D_OUT, D_QUERY, D_KEY, D_VALUE, BUFFERS };

typedef struct {
  MblmQueue *queue;
  const Shape *shape;
  gsize stride, count; /* numbers in a buffer */
  char *memory[BUFFERS];
  float *log_sum, *past[2];
} Work;

static gsize
entry_size (const Shape *s)
{
  return s->type == MBLM_TYPE_BF16 ? 2 : 4;
}

static float
number (gsize buffer, gsize i)
{
  return (float) (((i * 2654435761u + buffer * 40503u) >> 7) % 2001) / 1000.f -
      1.f;
}

static void *
fill (Work *w, gsize buffer)
{
  gsize bytes = (w->count + 64) * entry_size (w->shape);
  g_autofree char *host = g_malloc0 (bytes);
  char *memory = mblm_kernels_cuda ()->alloc (device, bytes);

  for (gsize i = 0; i < w->count; i++) {
    float x = number (buffer, i);
    guint32 bits;

    memcpy (&bits, &x, sizeof bits);
    if (w->shape->type == MBLM_TYPE_BF16)
      ((guint16 *) host)[w->shape->shift + i] = bits >> 16;
    else
      ((float *) host)[w->shape->shift + i] = x;
  }
  mblm_kernels_cuda ()->upload (w->queue, memory, host, bytes);
  return memory;
}

static void
work_begin (Work *w, const Shape *s)
{
  const MblmKernels *k = mblm_kernels_cuda ();
  gsize width = s->heads * s->head_dim;

  w->queue = k->queue_new (device);
  w->shape = s;
  w->stride = width + s->more;
  w->count = s->batch * s->rows * w->stride;
  for (gsize i = 0; i < BUFFERS; i++)
    w->memory[i] = fill (w, i);
  w->log_sum = k->alloc (
      device, s->batch * s->rows * s->heads * sizeof (float));
  for (gsize i = 0; i < 2; i++) {
    gsize bytes = MAX (s->past, 1) * width * sizeof (float);

    w->past[i] = k->alloc (device, bytes);
    k->zero (w->queue, w->past[i], bytes);
  }
}

static void
work_end (Work *w)
{
  const MblmKernels *k = mblm_kernels_cuda ();

  g_assert_cmpint (k->queue_wait (w->queue), ==, MBLM_STATUS_OK);
  for (gsize i = 0; i < BUFFERS; i++)
    k->free (device, w->memory[i]);
  for (gsize i = 0; i < 2; i++)
    k->free (device, w->past[i]);
  k->free (device, w->log_sum);
  k->queue_free (w->queue);
}

static char *
at (Work *w, gsize buffer)
{
  return w->memory[buffer] + w->shape->shift * entry_size (w->shape);
}

/* Forward, then backward; how often each used cuDNN. */
static void
work_run (Work *w, int *forward, int *backward)
{
  const MblmKernels *k = mblm_kernels_cuda ();
  const Shape *s = w->shape;
  const float *key[] = {w->past[0]}, *value[] = {w->past[1]};
  int before = runs ? *runs : 0;
  MblmAttentionBackward g = {
      .forward =
          {
              .batch = s->batch,
              .rows = s->rows,
              .heads = s->heads,
              .head_dim = s->head_dim,
              .type = s->type,
              .product = s->product,
              .query = at (w, QUERY),
              .query_stride = w->stride,
              .key = at (w, KEY),
              .value = at (w, VALUE),
              .key_stride = w->stride,
              .causal = !s->is_open,
              .past = s->past ? &s->past : NULL,
              .past_key = s->past ? key : NULL,
              .past_value = s->past ? value : NULL,
              .past_shared = s->past > 0,
              .out = at (w, OUT),
              .log_sum = w->log_sum,
          },
      .d_out = at (w, D_OUT),
      .d_query = at (w, D_QUERY),
      .d_key = s->no_key ? NULL : at (w, D_KEY),
      .d_value = at (w, D_VALUE),
  };

  k->attention (w->queue, &g.forward);
  *forward = (runs ? *runs : 0) - before;
  k->attention_backward (w->queue, &g);
  *backward = (runs ? *runs : 0) - before - *forward;
}

/* The bytes that a case leaves: the buffers and log_sum. */
static GBytes *
result_of (Work *w)
{
  const MblmKernels *k = mblm_kernels_cuda ();
  const Shape *s = w->shape;
  gsize each = (w->count + 64) * entry_size (s);
  gsize sums = s->batch * s->rows * s->heads * sizeof (float);
  char *bytes = g_malloc (BUFFERS * each + sums);

  for (gsize i = 0; i < BUFFERS; i++)
    k->download (w->queue, bytes + i * each, w->memory[i], each);
  k->download (w->queue, bytes + BUFFERS * each, w->log_sum, sums);
  return g_bytes_new_take (bytes, BUFFERS * each + sums);
}

/* With a queue of its own. */
static GBytes *
run_case (const Shape *s, int *forward, int *backward)
{
  Work w;
  GBytes *result;

  work_begin (&w, s);
  work_run (&w, forward, backward);
  result = result_of (&w);
  work_end (&w);
  return result;
}

/* Without cuDNN. */
static GBytes *
run_plain (const Shape *s)
{
  int forward, backward;
  GBytes *result;

  g_unsetenv ("MBLM_CUDNN");
  result = run_case (s, &forward, &backward);
  g_assert_cmpint (forward + backward, ==, 0);
  return result;
}

/* ------------------------------------------------------------------------- */
/* Tests                                                                     */
/* ------------------------------------------------------------------------- */

#define PLAIN .type = MBLM_TYPE_BF16, .product = MBLM_TYPE_BF16

static const Shape served = {2, 70, 3, 16, PLAIN};

/* Memory for gradients of scores is limited to seven heads of 128 rows here. */
static const Shape shapes[] = {
    {1, 64, 1, 8, PLAIN, .runs = 1, .runs_back = 1},
    {2, 70, 3, 16, PLAIN, .runs = 1, .runs_back = 1},
    {1, 65, 2, 128, .more = 24, PLAIN, .runs = 1, .runs_back = 1},
    {3, 100, 4, 24, PLAIN, .runs = 1, .runs_back = 3},
    {1, 67, 12, 8, PLAIN, .runs = 1, .runs_back = 2},
    {2, 129, 3, 16, PLAIN, .runs = 1, .runs_back = 6},
    {1, 300, 1, 8, PLAIN, .runs = 1, .runs_back = 0},
    /* others */
    {1, 63, 1, 8, PLAIN},
    {1, 70, 1, 136, PLAIN},
    {1, 70, 2, 20, PLAIN},
    {1, 70, 2, 16, .more = 4, PLAIN},
    {1, 70, 2, 16, .shift = 4, PLAIN},
    {1, 70, 2, 16, .past = 1, PLAIN},
    {1, 70, 2, 16, .is_open = TRUE, PLAIN},
    {1, 70, 2, 16, .type = MBLM_TYPE_F32, .product = MBLM_TYPE_BF16},
    {1, 70, 2, 16, .type = MBLM_TYPE_F32, .product = MBLM_TYPE_F32},
    {1, 70, 2, 16, .no_key = TRUE, PLAIN, .runs = 1},
};

static void
test_shapes (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++) {
    g_autoptr (GBytes) plain = run_plain (&shapes[i]);
    g_autoptr (GBytes) result = NULL;
    int forward, backward;

    g_setenv ("MBLM_CUDNN", "1", TRUE);
    result = run_case (&shapes[i], &forward, &backward);
    g_test_message (
        "shape %" G_GSIZE_FORMAT ": %d and %d runs", i, forward, backward);
    g_assert_cmpint (forward, ==, shapes[i].runs);
    g_assert_cmpint (backward, ==, shapes[i].runs_back);
    if (forward + backward == 0)
      g_assert_true (g_bytes_equal (plain, result));
  }
}

static void
test_values (void)
{
  static const char *const values[] = {
      "", "0", "11", "1 ", " 1", "yes", "\xff", "%s%n", "1\n"};

  for (gsize i = 0; i < G_N_ELEMENTS (values); i++) {
    int forward, backward;

    g_setenv ("MBLM_CUDNN", values[i], TRUE);
    g_bytes_unref (run_case (&served, &forward, &backward));
    g_assert_cmpint (forward + backward, ==, 0);
  }
}

/* Same bits, from the same plan; and everything is given back. */
static void
test_twice (void)
{
  g_autoptr (GBytes) first = NULL;
  g_autoptr (GBytes) second = NULL;
  int forward, backward, made;
  Work w;

  g_setenv ("MBLM_CUDNN", "1", TRUE);
  work_begin (&w, &served);
  work_run (&w, &forward, &backward);
  g_assert_cmpint (forward + backward, ==, 2);
  first = result_of (&w);
  made = *descriptors;
  g_assert_cmpint (made, >, 0);
  work_run (&w, &forward, &backward);
  g_assert_cmpint (forward + backward, ==, 2);
  second = result_of (&w);
  g_assert_cmpint (*descriptors, ==, made);
  g_assert_true (g_bytes_equal (first, second));
  work_end (&w);
  g_assert_cmpint (*descriptors, ==, 0);
}

/* What was computed is what is computed without cuDNN. */
static void
expect_plain (void)
{
  g_autoptr (GBytes) plain = run_plain (&served);
  g_autoptr (GBytes) result = NULL;
  int forward, backward;

  g_setenv ("MBLM_CUDNN", "1", TRUE);
  result = run_case (&served, &forward, &backward);
  g_assert_true (g_bytes_equal (plain, result));
}

static void
test_failures (void)
{
  static const char *const failures[] = {
      "handle", "graph", "ways", "plan", "workspace", "run"};

  for (gsize i = 0; i < G_N_ELEMENTS (failures); i++) {
    g_test_message ("%s", failures[i]);
    g_setenv ("CUDNN_HOST_FAILURE", failures[i], TRUE);
    expect_plain ();
    g_assert_cmpint (*descriptors, ==, 0);
  }
  g_unsetenv ("CUDNN_HOST_FAILURE");
}

/* What a process finds out once needs a process of its own. */
static void
expect_message (const char *test, const char *message)
{
  g_setenv ("G_MESSAGES_DEBUG", "all", TRUE);
  g_test_trap_subprocess (test, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_unsetenv ("G_MESSAGES_DEBUG");
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr (message);
}

static void
test_old (void)
{
  g_setenv ("CUDNN_HOST_FAILURE", "version", TRUE);
  expect_message ("/cudnn/plain/subprocess", "*version 90000 is older than*");
  g_unsetenv ("CUDNN_HOST_FAILURE");
}

/* A file that is no library. */
static void
test_missing (void)
{
  g_autofree char *before = g_strdup (g_getenv ("LD_LIBRARY_PATH"));
  g_autofree char *folder = g_dir_make_tmp ("mblm-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "libcudnn.so.9", NULL);
  g_autofree char *both = g_strdup_printf ("%s:%s", folder, before);

  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  g_setenv ("LD_LIBRARY_PATH", both, TRUE);
  expect_message (
      "/cudnn/plain/subprocess", "*no attention by cuDNN: *libcudnn.so.9*");
  g_setenv ("LD_LIBRARY_PATH", before, TRUE);
  g_remove (path);
  g_rmdir (folder);
}

static void
test_messages (void)
{
  expect_message ("/cudnn/served/subprocess",
      "*attention of 70 rows, 3 heads of 16, by cuDNN 91900*");
}

static void
test_served (void)
{
  int forward, backward;

  g_setenv ("MBLM_CUDNN", "1", TRUE);
  g_bytes_unref (run_case (&served, &forward, &backward));
  g_assert_cmpint (forward + backward, ==, 2);
}

int
main (int argc, char **argv)
{
  char message[256];
  void *library = dlopen ("libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);

  g_test_init (&argc, &argv, NULL);
  device = mblm_kernels_cuda ()->device_open (0, 0, message, sizeof (message));
  g_assert_nonnull (device);
  if (library) {
    runs = dlsym (library, "cudnn_host_runs");
    descriptors = dlsym (library, "cudnn_host_descriptors");
    g_assert_true (runs && descriptors);
  }
  g_test_add_func ("/cudnn/shapes", test_shapes);
  g_test_add_func ("/cudnn/values", test_values);
  g_test_add_func ("/cudnn/twice", test_twice);
  g_test_add_func ("/cudnn/failures", test_failures);
  g_test_add_func ("/cudnn/old", test_old);
  g_test_add_func ("/cudnn/missing", test_missing);
  g_test_add_func ("/cudnn/messages", test_messages);
  g_test_add_func ("/cudnn/plain/subprocess", expect_plain);
  g_test_add_func ("/cudnn/served/subprocess", test_served);
  return g_test_run ();
}
