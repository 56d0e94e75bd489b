/* mblm-device.c: devices by name, and the modules that bring them.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * "ref" and "cpu" are part of this library. "cuda:N" is a module of its own,
 * opened when somebody asks for it, so that neither the library nor the plugin
 * ever links CUDA and a machine without a driver just has no such device.
 */

#include "config.h"

#include "mblm-device.h"

#include <gmodule.h>
#include <stdlib.h>

#include "mblm-error.h"
#include "run.h"

#define MAX_THREADS 1024

struct _MblmDevice {
  GObject parent;

  const MblmKernels *kernels;
  MblmKernelDevice *memory;
  char *name; /* "cuda:0" */
  char *description;
  guint threads; /* as asked for */
};

G_DEFINE_FINAL_TYPE (MblmDevice, mblm_device, G_TYPE_OBJECT)

/* Open devices by "name/threads", weak: the key is taken out when the device
 * goes. Protected by `lock`. */
static GMutex lock;
static GHashTable *devices;

static void
mblm_device_finalize (GObject *object)
{
  MblmDevice *self = MBLM_DEVICE (object);

  if (self->memory != NULL)
    self->kernels->device_close (self->memory);
  g_free (self->name);
  g_free (self->description);
  G_OBJECT_CLASS (mblm_device_parent_class)->finalize (object);
}

static void
mblm_device_class_init (MblmDeviceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mblm_device_finalize;
}

static void
mblm_device_init (MblmDevice *self)
{
}

/* The table of the CUDA module; it stays loaded once it was opened. */
static const MblmKernels *
open_cuda (GError **error)
{
  static const MblmKernels *table;
  if (g_once_init_enter (&table)) {
    const char *dir = g_getenv ("MBLM_KERNELS_PATH");
    g_autofree char *path = g_build_filename (
        dir != NULL ? dir : MBLM_KERNELS_DIR, "libmblm-cuda.so", NULL);
    const MblmKernels *(*get) (void) = NULL;
    GModule *module = g_module_open (
        path, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
    if (module != NULL &&
        g_module_symbol (module, "mblm_kernels_cuda", (gpointer *) &get)) {
      g_module_make_resident (module);
      g_once_init_leave (&table, get ());
    } else {
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_DEVICE,
          "device cuda can't be used: %s; install the CUDA kernels, or use "
          "device cpu",
          g_module_error ());
      g_clear_pointer (&module, g_module_close);
      g_once_init_leave (&table, (const MblmKernels *) -1);
    }
  }
  if (table != (const MblmKernels *) -1)
    return table;
  if (error != NULL && *error == NULL)
    g_set_error_literal (error, MBLM_ERROR, MBLM_ERROR_DEVICE,
        "device cuda can't be used: its kernels are not installed; install "
        "them, or use device cpu");
  return NULL;
}

/* Splits "cuda:1" into kind and index. */
static gboolean
parse_name (const char *name, char **kind, guint *index, GError **error)
{
  const char *colon = strchr (name, ':');
  guint64 number = 0;

  *index = 0;
  *kind = colon != NULL ? g_strndup (name, colon - name) : g_strdup (name);
  gboolean known = g_str_equal (*kind, "cpu") || g_str_equal (*kind, "ref");
  gboolean cuda = g_str_equal (*kind, "cuda");
  if ((known && colon == NULL) ||
      (cuda &&
          (colon == NULL ||
              g_ascii_string_to_unsigned (
                  colon + 1, 10, 0, 255, &number, NULL)))) {
    *index = number;
    return TRUE;
  }
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "device \"%s\" is not known: use auto, cpu, ref or cuda:N", name);
  return FALSE;
}

static MblmDevice *
device_new (const char *name, guint threads, GError **error)
{
  g_autofree char *kind = NULL;
  guint index;
  char reason[256] = "";

  if (!parse_name (name, &kind, &index, error))
    return NULL;
  const MblmKernels *kernels = g_str_equal (kind, "cuda") ? open_cuda (error)
      : g_str_equal (kind, "ref")                         ? mblm_kernels_ref ()
                                                          : mblm_kernels_cpu ();
  if (kernels == NULL)
    return NULL;
  if (kernels->abi != MBLM_KERNELS_ABI) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_DEVICE,
        "device %s can't be used: its kernels are of version %u, this library "
        "needs %u; install both from the same release",
        name, kernels->abi, MBLM_KERNELS_ABI);
    return NULL;
  }
  MblmKernelDevice *memory = kernels->device_open (
      index, threads, reason, sizeof reason);
  if (memory == NULL) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_DEVICE,
        "device %s can't be used: %s; use another device", name, reason);
    return NULL;
  }

  MblmDevice *self = g_object_new (MBLM_TYPE_DEVICE, NULL);
  self->kernels = kernels;
  self->memory = memory;
  self->name = g_str_equal (kind, "cuda") ? g_strdup_printf ("cuda:%u", index)
                                          : g_strdup (kind);
  self->description = g_strdup_printf (
      "%s (%s)", self->name, kernels->device_describe (memory));
  self->threads = threads;
  return self;
}

/* The best device there is: a GPU where its kernels and its driver are, else the
 * CPU. Without a driver the kernels aren't looked at, as they bring libraries of
 * half a gigabyte. */
static MblmDevice *
open_best (guint threads, GError **error)
{
  static gsize said;
  g_autoptr (GError) reason = NULL;
  GModule *driver = g_module_open (
      "libcuda.so.1", G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);

  if (driver != NULL) {
    MblmDevice *cuda = mblm_device_open ("cuda:0", threads, &reason);
    g_module_close (driver);
    if (cuda != NULL)
      return cuda;
    if (g_once_init_enter (&said)) {
      g_info ("using the CPU: %s", reason->message);
      g_once_init_leave (&said, 1);
    }
  }
  return mblm_device_open ("cpu", threads, error);
}

/* A weak reference that outlives its object is cleaned up at the next open. */
static void
free_weak_ref (gpointer data)
{
  g_weak_ref_clear (data);
  g_free (data);
}

/**
 * mblm_device_open:
 * @name: (nullable): the device
 * @threads: threads of a CPU, or 0
 *
 * Opens a device.
 *
 * Returns: (transfer full): the device
 */
MblmDevice *
mblm_device_open (const char *name, guint threads, GError **error)
{
  if (threads > MAX_THREADS) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%u threads are too many: use 1 to %u, or 0 for the device's choice",
        threads, MAX_THREADS);
    return NULL;
  }
  if (name == NULL || *name == '\0' || g_str_equal (name, "auto"))
    return open_best (threads, error);

  g_autofree char *key = g_strdup_printf ("%s/%u", name, threads);
  g_mutex_lock (&lock);
  if (devices == NULL)
    devices = g_hash_table_new_full (
        g_str_hash, g_str_equal, g_free, free_weak_ref);
  GWeakRef *weak = g_hash_table_lookup (devices, key);
  MblmDevice *self = weak != NULL ? g_weak_ref_get (weak) : NULL;
  if (self == NULL) {
    self = device_new (name, threads, error);
    if (self != NULL) {
      weak = g_new0 (GWeakRef, 1);
      g_weak_ref_init (weak, self);
      g_hash_table_replace (devices, g_steal_pointer (&key), weak);
    }
  }
  g_mutex_unlock (&lock);
  return self;
}

const char *
mblm_device_get_name (MblmDevice *self)
{
  return self->name;
}

const char *
mblm_device_get_description (MblmDevice *self)
{
  return self->description;
}

guint
mblm_device_get_threads (MblmDevice *self)
{
  return self->kernels->device_threads (self->memory);
}

void
mblm_device_get_traits (MblmDevice *self, MblmTraits *traits)
{
  self->kernels->device_traits (self->memory, traits);
}

const MblmKernels *
mblm_device_get_kernels (MblmDevice *self)
{
  return self->kernels;
}

MblmKernelDevice *
mblm_device_get_memory (MblmDevice *self)
{
  return self->memory;
}
