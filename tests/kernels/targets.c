/* targets.c: the devices that are compared with the reference.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The kernels for NVIDIA GPUs are two variants: `cuda` is a GPU, `cuda-host` the
 * same kernels compiled for the host (cuda-host/include/cuda_runtime.h), which is
 * slow and only taken where it is asked for.
 */

#include "check.h"

#include <gmodule.h>
#include <string.h>

#define CHECK_THREADS 3 /* from 1 */
#define BENCH_THREADS 2

#ifdef HAVE_CUDA_HOST
const MblmKernels *mblm_kernels_cuda (void);
#endif

/* What the environment variable MBLM_CPU takes, in rising order. */
static const char *const cpu_variants[] = {
    "generic", "avx2", "avx512", "avx512bf16", "amx"};

void
target_free (void *data)
{
  Target *target = data;

  target->table->queue_free (target->queue);
  target->table->device_close (target->device);
  g_free (target->variant);
  g_free (target);
}

/* NULL, and why, where the device can't be had. */
static Target *
target_new (const MblmKernels *table, const char *variant, guint threads,
    char *message, size_t message_size)
{
  MblmKernelDevice *device = table->device_open (
      0, threads, message, message_size);
  Target *target;

  if (!device)
    return NULL;
  target = g_new0 (Target, 1);
  target->table = table;
  target->device = device;
  target->queue = table->queue_new (device);
  g_assert_nonnull (target->queue);
  target->variant = g_strdup (variant);
  target->threads = threads;
  return target;
}

/* The same for one that is always there. */
static Target *
target_must (const MblmKernels *table, const char *variant, guint threads)
{
  char message[256] = "";
  Target *target = target_new (
      table, variant, threads, message, sizeof (message));

  if (!target)
    g_print ("%s: %s\n", variant, message);
  return target;
}

/* ------------------------------------------------------------------------- */
/* CPU                                                                       */
/* ------------------------------------------------------------------------- */

/* A variant that this machine lacks is a lower one by another name, which its
 * description gives away. */
static bool
add_cpu_variant (
    Check *check, const char *variant, guint most_threads, GHashTable *seen)
{
  g_setenv ("MBLM_CPU", variant, TRUE);
  for (guint threads = 1; threads <= most_threads; threads++) {
    Target *target = target_must (mblm_kernels_cpu (), variant, threads);
    const char *description;

    if (!target)
      return false;
    description = target->table->device_describe (target->device);
    if (threads == 1 && g_hash_table_contains (seen, description)) {
      g_print ("%s: this machine has none, skipped\n", variant);
      target_free (target);
      return true;
    }
    g_print ("%s: %s\n", variant, description);
    g_hash_table_add (seen, g_strdup (description));
    g_ptr_array_add (check->targets, target);
  }
  return true;
}

/* Adds those that are wanted; false where one can't be had. */
static bool
add_cpu (Check *check, const char *wanted, bool bench, bool *known)
{
  g_autoptr (GHashTable)
      seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cpu_variants); i++) {
    if (wanted && strcmp (wanted, cpu_variants[i]) != 0)
      continue;
    *known = true;
    if (!add_cpu_variant (check, cpu_variants[i],
            bench ? BENCH_THREADS : CHECK_THREADS, seen))
      return false;
  }
  return true;
}

/* ------------------------------------------------------------------------- */
/* CUDA                                                                      */
/* ------------------------------------------------------------------------- */

/* The table of the module in the folder that MBLM_KERNELS_PATH names, as for the
 * engine, or else in the build folder. */
static const MblmKernels *
open_cuda (char *message, size_t message_size)
{
  const char *folder = g_getenv ("MBLM_KERNELS_PATH");
  g_autofree char *path = g_build_filename (
      folder ? folder : CUDA_FOLDER, "libmblm-cuda.so", NULL);
  const MblmKernels *(*get) (void) = NULL;
  GModule *module = g_module_open (
      path, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);

  if (module &&
      g_module_symbol (module, "mblm_kernels_cuda", (gpointer *) &get)) {
    g_module_make_resident (module);
    return get ();
  }
  g_snprintf (message, message_size, "%s", g_module_error ());
  return NULL;
}

static bool
add_cuda (Check *check, bool is_asked_for)
{
  char message[512] = "";
  const MblmKernels *table = open_cuda (message, sizeof (message));
  Target *target = NULL;

  if (table)
    target = target_new (table, "cuda", 1, message, sizeof (message));
  if (!target) {
    if (is_asked_for)
      g_print ("cuda: %s\n", message);
    return false;
  }
  g_print ("cuda: %s\n", target->table->device_describe (target->device));
  g_ptr_array_add (check->targets, target);
  return true;
}

/* The order of its threads follows from the seed. */
static bool
add_cuda_host (Check *check)
{
#ifdef HAVE_CUDA_HOST
  g_autofree char *seed = g_strdup_printf ("%u", check->seed);
  Target *target;

  g_setenv ("CUDA_HOST_SEED", seed, TRUE);
  target = target_must (mblm_kernels_cuda (), "cuda-host", 1);
  if (!target)
    return false;
  target->is_slow = true;
  g_print ("cuda-host: %s\n", target->table->device_describe (target->device));
  g_ptr_array_add (check->targets, target);
  return true;
#else
  g_print ("cuda-host: this build has none\n");
  return false;
#endif
}

TargetsFound
find_targets (Check *check, const char *variant, bool bench)
{
  bool known = !variant || strcmp (variant, "ref") == 0;

  check->ref = target_must (mblm_kernels_ref (), "ref", 1);
  if (!check->ref)
    return TARGETS_NONE;
  if (bench && known && variant)
    g_ptr_array_add (
        check->targets, target_must (mblm_kernels_ref (), "ref", 1));
  if (!add_cpu (check, variant, bench, &known))
    return TARGETS_NONE;
  if (variant && strcmp (variant, "cuda-host") == 0)
    return add_cuda_host (check) ? TARGETS_FOUND : TARGETS_NOT_HERE;
  if (variant && strcmp (variant, "cuda") == 0)
    return add_cuda (check, true) ? TARGETS_FOUND : TARGETS_NOT_HERE;
  if (!variant)
    add_cuda (check, false);
  if (!known)
    g_printerr ("There is no variant %s.\n", variant);
  return known ? TARGETS_FOUND : TARGETS_NONE;
}
