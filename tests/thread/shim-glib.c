/* shim-glib.c: GLib, GObject and GIO, as ThreadSanitizer shall see them.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Not needed, since it is made of what is here or is seen by itself: threads
 * that begin and are joined (pthreads), weak references (a GRWLock of theirs),
 * and atomic operations, which are inlined in our code.
 */

#define _GNU_SOURCE

#include "shim.h"

#include <gio/gio.h>
#include <stdlib.h>

/* --- locks --- */

#define RECURSIVE __tsan_mutex_write_reentrant
#define READER __tsan_mutex_read_lock

static void
before_lock (void *lock, unsigned flags)
{
  if (__tsan_mutex_pre_lock)
    __tsan_mutex_pre_lock (lock, flags);
}

static void
after_lock (void *lock, unsigned flags)
{
  if (__tsan_mutex_post_lock)
    __tsan_mutex_post_lock (lock, flags, 0);
}

static void
before_unlock (void *lock, unsigned flags)
{
  if (__tsan_mutex_pre_unlock)
    __tsan_mutex_pre_unlock (lock, flags);
}

static void
after_unlock (void *lock, unsigned flags)
{
  if (__tsan_mutex_post_unlock)
    __tsan_mutex_post_unlock (lock, flags);
}

#define LOCK(name, Type, flags)                                                \
  void name (Type *lock)                                                       \
  {                                                                            \
    REAL (name);                                                               \
    before_lock (lock, flags);                                                 \
    real (lock);                                                               \
    after_lock (lock, flags);                                                  \
  }

#define TRYLOCK(name, Type, flags)                                             \
  gboolean name (Type *lock)                                                   \
  {                                                                            \
    unsigned all = (flags) | __tsan_mutex_try_lock;                            \
    gboolean got;                                                              \
                                                                               \
    REAL (name);                                                               \
    before_lock (lock, all);                                                   \
    got = real (lock);                                                         \
    after_lock (lock, got ? all : all | __tsan_mutex_try_lock_failed);         \
    return got;                                                                \
  }

#define UNLOCK(name, Type, flags)                                              \
  void name (Type *lock)                                                       \
  {                                                                            \
    REAL (name);                                                               \
    before_unlock (lock, flags);                                               \
    real (lock);                                                               \
    after_unlock (lock, flags);                                                \
  }

/* That a lock begins or ends isn't told: ThreadSanitizer would take it for an
 * access, and how a library hands over its objects, locks and all, isn't always
 * seen. What it knows of a lock goes when its memory is freed. */

LOCK (g_mutex_lock, GMutex, 0)
TRYLOCK (g_mutex_trylock, GMutex, 0)
UNLOCK (g_mutex_unlock, GMutex, 0)

LOCK (g_rec_mutex_lock, GRecMutex, RECURSIVE)
TRYLOCK (g_rec_mutex_trylock, GRecMutex, RECURSIVE)
UNLOCK (g_rec_mutex_unlock, GRecMutex, RECURSIVE)

LOCK (g_rw_lock_writer_lock, GRWLock, 0)
TRYLOCK (g_rw_lock_writer_trylock, GRWLock, 0)
UNLOCK (g_rw_lock_writer_unlock, GRWLock, 0)
LOCK (g_rw_lock_reader_lock, GRWLock, READER)
TRYLOCK (g_rw_lock_reader_trylock, GRWLock, READER)
UNLOCK (g_rw_lock_reader_unlock, GRWLock, READER)

/* A condition orders nothing; the mutex that is let go and taken again does. */

void
g_cond_wait (GCond *cond, GMutex *mutex)
{
  REAL (g_cond_wait);
  before_unlock (mutex, 0);
  after_unlock (mutex, 0);
  real (cond, mutex);
  before_lock (mutex, 0);
  after_lock (mutex, 0);
}

gboolean
g_cond_wait_until (GCond *cond, GMutex *mutex, gint64 end_time)
{
  gboolean woken;

  REAL (g_cond_wait_until);
  before_unlock (mutex, 0);
  after_unlock (mutex, 0);
  woken = real (cond, mutex, end_time);
  before_lock (mutex, 0);
  after_lock (mutex, 0);
  return woken;
}

/* --- what is done once --- */

/* The first look at `location` is an atomic load in our code, which acquires
 * what was released here. */
gboolean (g_once_init_enter) (volatile void *location)
{
  gboolean first;

  REAL (g_once_init_enter);
  first = real (location);
  if (!first)
    acquire ((void *) location);
  return first;
}

void (g_once_init_leave) (volatile void *location, gsize result)
{
  REAL (g_once_init_leave);
  release ((void *) location);
  real (location, result);
}

/* --- queues and pools of threads --- */

void
g_async_queue_lock (GAsyncQueue *queue)
{
  REAL (g_async_queue_lock);
  real (queue);
  acquire (queue);
}

void
g_async_queue_unlock (GAsyncQueue *queue)
{
  REAL (g_async_queue_unlock);
  release (queue);
  real (queue);
}

#define PUSH(name)                                                             \
  void name (GAsyncQueue *queue, gpointer data)                                \
  {                                                                            \
    REAL (name);                                                               \
    release (queue);                                                           \
    real (queue, data);                                                        \
  }

#define POP(name)                                                              \
  gpointer name (GAsyncQueue *queue)                                           \
  {                                                                            \
    gpointer data;                                                             \
                                                                               \
    REAL (name);                                                               \
    data = real (queue);                                                       \
    if (data)                                                                  \
      acquire (queue);                                                         \
    return data;                                                               \
  }

PUSH (g_async_queue_push)
PUSH (g_async_queue_push_unlocked)
PUSH (g_async_queue_push_front)
POP (g_async_queue_pop)
POP (g_async_queue_try_pop)

gpointer
g_async_queue_timeout_pop (GAsyncQueue *queue, guint64 timeout)
{
  gpointer data;

  REAL (g_async_queue_timeout_pop);
  data = real (queue, timeout);
  if (data)
    acquire (queue);
  return data;
}

typedef struct {
  GFunc func;
  gpointer data;
} Work;

static void
do_work (gpointer item, gpointer user_data)
{
  Work *work = user_data;

  acquire (work);
  work->func (item, work->data);
  release (work);
}

/* What stands in the pool instead of the caller's function; kept for good, as
 * threads may run it after the pool is gone. */
GThreadPool *
g_thread_pool_new (GFunc func, gpointer user_data, gint max_threads,
    gboolean exclusive, GError **error)
{
  Work *work = malloc (sizeof *work);

  REAL (g_thread_pool_new);
  *work = (Work){func, user_data};
  return real (do_work, work, max_threads, exclusive, error);
}

gboolean
g_thread_pool_push (GThreadPool *pool, gpointer data, GError **error)
{
  REAL (g_thread_pool_push);
  if (pool->func == do_work)
    release (pool->user_data);
  return real (pool, data, error);
}

void
g_thread_pool_free (GThreadPool *pool, gboolean immediate, gboolean wait)
{
  Work *work = pool->func == do_work ? pool->user_data : NULL;

  REAL (g_thread_pool_free);
  real (pool, immediate, wait);
  if (wait)
    acquire (work);
}

/* --- objects --- */

/* GObject looks for weak references at `qdata` when it has found that this is
 * the last reference: that is the thread which disposes of the object. */
void (g_object_unref) (gpointer object)
{
  REAL (g_object_unref);
  if (object)
    release (&((GObject *) object)->qdata);
  real (object);
}

gpointer (g_datalist_id_get_data) (GData **datalist, GQuark key)
{
  REAL (g_datalist_id_get_data);
  acquire (datalist);
  return real (datalist, key);
}

void
g_cancellable_cancel (GCancellable *cancellable)
{
  REAL (g_cancellable_cancel);
  release (cancellable);
  real (cancellable);
}

gboolean
g_cancellable_is_cancelled (GCancellable *cancellable)
{
  gboolean cancelled;

  REAL (g_cancellable_is_cancelled);
  cancelled = real (cancellable);
  if (cancelled)
    acquire (cancellable);
  return cancelled;
}

gboolean
g_cancellable_set_error_if_cancelled (GCancellable *cancellable, GError **error)
{
  gboolean cancelled;

  REAL (g_cancellable_set_error_if_cancelled);
  cancelled = real (cancellable, error);
  if (cancelled)
    acquire (cancellable);
  return cancelled;
}

/* --- memory --- */

/* GLib often ends in a jump to the C library, which then looks like called by our
 * code. That is looked at only where our code says g_free itself (wrap.c). */

void (g_free) (gpointer memory)
{
  REAL (g_free);
  real (memory);
}

void (g_slice_free1) (gsize size, gpointer memory)
{
  REAL (g_slice_free1);
  real (size, memory);
}
