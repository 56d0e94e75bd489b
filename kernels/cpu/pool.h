/* pool.h: the threads of a CPU device.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <stddef.h>

typedef struct _MblmPool MblmPool;

/* One tile of a job; `worker` < mblm_pool_threads is this thread's number. */
typedef void (*MblmTask) (const void *data, size_t tile, unsigned worker);

/* Threads for `threads` in all, the caller's included; 0: the processors this
 * process may use, at most 8. They are started when a job first wants them.
 * NULL: no memory. */
MblmPool *mblm_pool_new (unsigned threads);
void mblm_pool_free (MblmPool *pool);
unsigned mblm_pool_threads (const MblmPool *pool);

/* Runs task (data, 0 .. tiles - 1, worker) in any order and returns when all
 * have run. Any thread may call it at any time: the one that finds the pool busy
 * runs its tiles itself, as worker 0. */
void mblm_pool_run (
    MblmPool *pool, size_t tiles, MblmTask task, const void *data);
