/* cudnn-library.cu: opening cuDNN.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "cudnn.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Graphs were tried with this version and later ones. */
#define NAME "libcudnn.so.9"
#define LOWEST_VERSION 91900

bool
mblm_cudnn_is_wanted (void)
{
  const char *value = getenv ("MBLM_CUDNN");

  return value && strcmp (value, "1") == 0;
}

void
mblm_cudnn_say (const char *format, ...)
{
  const char *wanted = getenv ("G_MESSAGES_DEBUG");
  va_list args;

  if (!wanted || strcmp (wanted, "all") != 0)
    return;
  va_start (args, format);
  fprintf (stderr, "mblm-cuda: ");
  vfprintf (stderr, format, args);
  fprintf (stderr, "\n");
  va_end (args);
}

/* Finds a function of any type. */
template <typename F>
static bool
find (void *library, const char *name, F *function)
{
  *function = (F) dlsym (library, name);
  return *function != NULL;
}

static bool
find_all (void *library, MblmCudnnCalls *calls)
{
  return find (library, "cudnnGetVersion", &calls->version) &&
      find (library, "cudnnGetErrorString", &calls->error_string) &&
      find (library, "cudnnCreate", &calls->create) &&
      find (library, "cudnnDestroy", &calls->destroy) &&
      find (library, "cudnnSetStream", &calls->set_stream) &&
      find (
          library, "cudnnBackendCreateDescriptor", &calls->create_descriptor) &&
      find (library, "cudnnBackendDestroyDescriptor",
          &calls->destroy_descriptor) &&
      find (library, "cudnnBackendFinalize", &calls->finalize) &&
      find (library, "cudnnBackendSetAttribute", &calls->set_attribute) &&
      find (library, "cudnnBackendGetAttribute", &calls->get_attribute) &&
      find (library, "cudnnBackendExecute", &calls->execute);
}

/* It is never closed: what it has begun may outlive every queue. */
static bool
open_library (MblmCudnnCalls *calls)
{
  void *library = dlopen (NAME, RTLD_NOW | RTLD_LOCAL);
  size_t version;

  if (!library) {
    mblm_cudnn_say ("no attention by cuDNN: %s", dlerror ());
    return false;
  }
  if (!find_all (library, calls)) {
    mblm_cudnn_say ("no attention by cuDNN: %s", dlerror ());
    return false;
  }
  version = calls->version ();
  if (version < LOWEST_VERSION)
    mblm_cudnn_say ("no attention by cuDNN: version %zu is older than %d",
        version, LOWEST_VERSION);
  return version >= LOWEST_VERSION;
}

const MblmCudnnCalls *
mblm_cudnn_calls (void)
{
  static MblmCudnnCalls calls;
  static const bool is_open = open_library (&calls);

  return is_open ? &calls : NULL;
}
