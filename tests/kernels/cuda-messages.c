/* cuda-messages.c: what is said where there is no GPU to use, or a library fails.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The kernels of the host fail as they are told to (cuda-host/include/cuda-calls.h).
 */

#include <glib.h>

#include "mblm-kernels.h"

const MblmKernels *mblm_kernels_cuda (void);

typedef struct {
  const char *path;
  const char *error, *driver, *major; /* of the machine, or NULL */
  guint index;
  const char *message; /* a part of it */
} Machine;

static const Machine machines[] = {
    {"/cuda/no-driver", "35", "0", NULL, 0, "no NVIDIA driver"},
    {"/cuda/old-driver", "35", "12020", NULL, 0,
        "up to 12.2, and this build needs CUDA 13.0"},
    {"/cuda/stub", "34", NULL, NULL, 0, "is a stub"},
    {"/cuda/no-device", "100", NULL, NULL, 0, "finds no GPU"},
    {"/cuda/other", "999", NULL, NULL, 0, "the GPU can't be used: "},
    {"/cuda/index", NULL, NULL, NULL, 3, "no GPU number 3: this machine has 1"},
    {"/cuda/old-device", NULL, NULL, "7", 0,
        "has compute capability 7.0, and at least 8.0 is needed"},
};

static void
set (const char *variable, const char *value)
{
  if (value)
    g_setenv (variable, value, TRUE);
  else
    g_unsetenv (variable);
}

static void
test_machine (gconstpointer data)
{
  const Machine *machine = data;
  char message[256] = "";

  set ("CUDA_HOST_ERROR", machine->error);
  set ("CUDA_HOST_DRIVER", machine->driver);
  set ("CUDA_HOST_MAJOR", machine->major);
  g_assert_null (mblm_kernels_cuda ()->device_open (
      machine->index, 0, message, sizeof (message)));
  g_test_message ("%s", message);
  g_assert_nonnull (strstr (message, machine->message));
  g_assert_false (g_str_has_suffix (message, "."));
}

/* A product of so many rows that cuBLASLt is asked. */
static MblmStatus
status_of_product (MblmKernelDevice *device, MblmQueue *queue)
{
  const MblmKernels *k = mblm_kernels_cuda ();
  float ones[64], out = 0.f, *memory = k->alloc (device, sizeof (ones));
  MblmStatus status;

  for (gsize i = 0; i < G_N_ELEMENTS (ones); i++)
    ones[i] = 1.f;
  k->upload (queue, memory, ones, sizeof (ones));
  k->linear (queue,
      &(MblmLinear){
          .weight = {memory, MBLM_TYPE_F32, 1, 2},
          .rows = 20,
          .x = memory,
          .x_stride = 2,
          .out = memory + 40,
          .out_stride = 1,
      });
  k->download (queue, &out, memory + 59, sizeof (out));
  status = k->queue_wait (queue);
  g_assert_true (out == 2.f || status != MBLM_STATUS_OK);
  k->free (device, memory);
  return status;
}

/* What cuBLASLt says sticks to the queue, until somebody asks; only a product that
 * it has no way to is computed otherwise. */
static void
test_library (void)
{
  static const struct {
    const char *status;
    MblmStatus expected;
  } steps[] = {
      {"3", MBLM_STATUS_NO_MEMORY}, /* no handle */
      {"1", MBLM_STATUS_DEVICE_LOST}, {NULL, MBLM_STATUS_OK},
      {"13", MBLM_STATUS_DEVICE_LOST},                /* a product fails */
      {NULL, MBLM_STATUS_OK}, {"15", MBLM_STATUS_OK}, /* and is refused */
  };
  const MblmKernels *k = mblm_kernels_cuda ();
  char message[256];
  MblmKernelDevice *device;
  MblmQueue *queue;

  set ("CUDA_HOST_ERROR", NULL);
  set ("CUDA_HOST_MAJOR", NULL);
  device = k->device_open (0, 0, message, sizeof (message));
  g_assert_nonnull (device);
  queue = k->queue_new (device);
  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++) {
    set ("CUDA_HOST_CUBLASLT", steps[i].status);
    g_assert_cmpint (status_of_product (device, queue), ==, steps[i].expected);
  }
  set ("CUDA_HOST_CUBLASLT", NULL);
  k->queue_free (queue);
  k->device_close (device);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (machines); i++)
    g_test_add_data_func (machines[i].path, &machines[i], test_machine);
  g_test_add_func ("/cuda/library", test_library);
  return g_test_run ();
}
