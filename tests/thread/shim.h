/* shim.h: what tells ThreadSanitizer how GLib and GStreamer synchronise.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The libraries of the distribution are not built for ThreadSanitizer, which so
 * doesn't see that a GMutex is a lock. The shim is preloaded: it stands before
 * the functions that programs and libraries call in another library, and says
 * what they do. What a library calls in itself passes it by.
 *
 * Where the libraries' own counters order what threads do (the last reference
 * frees), the thread that lets go says release, and the one that then has the
 * object to itself says acquire, as the atomic operation in between does. No
 * edge is told that isn't there.
 */

#pragma once

#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

/* Programs that are not built for it, and run with the shim nevertheless. */
#pragma weak __tsan_acquire
#pragma weak __tsan_release
#pragma weak __tsan_mutex_pre_lock
#pragma weak __tsan_mutex_post_lock
#pragma weak __tsan_mutex_pre_unlock
#pragma weak __tsan_mutex_post_unlock

/* Declares `real`: the function of that name that the shim stands before. */
#define REAL(name)                                                             \
  static __typeof__ (&(name)) real;                                            \
  if (real == NULL)                                                            \
  real = (__typeof__ (&(name))) dlsym (RTLD_NEXT, #name)

static inline void
acquire (const void *address)
{
  if (address && __tsan_acquire)
    __tsan_acquire ((void *) address);
}

static inline void
release (const void *address)
{
  if (address && __tsan_release)
    __tsan_release ((void *) address);
}
