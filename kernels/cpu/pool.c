/* pool.c: the threads of a CPU device.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A job is a number of tiles. Each thread has a range of them, one atomic word,
 * and takes from its beginning; who has none left takes from the ends of the
 * others'. So a thread meets the same tiles of the same weight again in the next
 * step, where they may still be in its own cache, and yet nobody waits for one
 * that is late or doesn't run at all: the caller takes tiles like everybody
 * else. A taken tile always belongs to the job which the other fields describe:
 * a job ends only when each taken tile has run, and only then may they change.
 *
 * Steps of decoding are made of jobs of a few microseconds, much less than it
 * takes to wake a thread. Who waits therefore spins, but for SPIN_NS at most,
 * by the clock; then it sleeps. Where another process has the second core, the
 * caller so loses nothing but what a worker was interrupted in.
 */

#define _GNU_SOURCE

#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_DEFAULT_THREADS 8
#define MAX_THREADS 256
#define SPIN_NS 40000
#define LINE 64

typedef struct {
  MblmPool *pool;
  unsigned number; /* from 1 */
  pthread_t thread;
} Worker;

typedef struct {
  _Alignas(LINE) _Atomic uint64_t word; /* first << 32 | end */
} Range;

struct _MblmPool {
  unsigned threads; /* with the caller */
  unsigned started; /* entries of `workers`; under `busy` */
  bool tried;       /* to start them; under `busy` */
  Worker *workers;  /* [threads - 1] */
  Range *ranges;    /* [threads] */

  pthread_mutex_t lock;    /* of the sleep of both sides */
  pthread_cond_t wake;     /* there is a job, or `quit` */
  pthread_cond_t finished; /* `done` has reached `tiles` */

  _Alignas(LINE) atomic_flag busy; /* a caller has the pool */

  /* The job; written by its caller, who holds `busy`, before the ranges. */
  _Alignas(LINE) _Atomic uint32_t job; /* its number, written last */
  uint32_t tiles;
  MblmTask task;
  const void *data;
  atomic_bool quit;

  _Alignas(LINE) _Atomic uint32_t done; /* tiles that have run */
  atomic_bool waiting;                  /* the caller sleeps until `finished` */
  atomic_uint sleepers;                 /* workers that need waking */
};

static inline void
pause_cpu (void)
{
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause ();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int64_t
now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool
is_complete (MblmPool *pool, uint32_t unused)
{
  return atomic_load (&pool->done) == pool->tiles;
}

static bool
has_work (MblmPool *pool, uint32_t seen)
{
  return atomic_load (&pool->job) != seen || atomic_load (&pool->quit);
}

/* Waits for a condition for SPIN_NS; returns whether it has come. */
static bool
spin (MblmPool *pool, bool (*condition) (MblmPool *, uint32_t), uint32_t seen)
{
  int64_t end = 0;

  for (unsigned i = 1;; i++) {
    if (condition (pool, seen))
      return true;
    pause_cpu ();
    if (i % 16 == 0) {
      int64_t t = now ();

      if (end == 0)
        end = t + SPIN_NS;
      else if (t >= end)
        return false;
    }
  }
}

/* Takes a tile from the beginning or the end of a range. */
static bool
take (Range *range, bool own, uint32_t *tile)
{
  uint64_t word = atomic_load (&range->word);

  for (;;) {
    uint32_t first = (uint32_t) (word >> 32), end = (uint32_t) word;

    if (first >= end)
      return false;
    *tile = own ? first : end - 1;
    if (atomic_compare_exchange_weak (
            &range->word, &word, own ? word + ((uint64_t) 1 << 32) : word - 1))
      return true;
  }
}

/* Takes and runs tiles until none is left. */
static void
run_tiles (MblmPool *pool, unsigned worker)
{
  uint32_t count = 0, tiles = 0, tile;

  for (unsigned i = 0; i < pool->threads; i++) {
    Range *range = &pool->ranges[(worker + i) % pool->threads];

    while (take (range, i == 0, &tile)) {
      /* Within one call all tiles are of one job: while a thread has not added
       * its count to `done`, the job can't end and no other can begin. */
      tiles = pool->tiles;
      pool->task (pool->data, tile, worker);
      count++;
    }
  }
  if (count > 0 && atomic_fetch_add (&pool->done, count) + count == tiles &&
      atomic_load (&pool->waiting)) {
    pthread_mutex_lock (&pool->lock);
    pthread_cond_signal (&pool->finished);
    pthread_mutex_unlock (&pool->lock);
  }
}

static void *
run_worker (void *data)
{
  Worker *self = data;
  MblmPool *pool = self->pool;

  while (!atomic_load (&pool->quit)) {
    uint32_t seen = atomic_load (&pool->job);

    run_tiles (pool, self->number);
    if (spin (pool, has_work, seen))
      continue;
    pthread_mutex_lock (&pool->lock);
    atomic_fetch_add (&pool->sleepers, 1);
    while (!has_work (pool, seen))
      pthread_cond_wait (&pool->wake, &pool->lock);
    atomic_fetch_sub (&pool->sleepers, 1);
    pthread_mutex_unlock (&pool->lock);
  }
  return NULL;
}

/* Under `busy`. Signals are for the application's threads. */
static void
start_workers (MblmPool *pool)
{
  sigset_t all, old;

  pool->tried = true;
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &old);
  while (pool->started < pool->threads - 1) {
    Worker *worker = &pool->workers[pool->started];

    worker->pool = pool;
    worker->number = pool->started + 1;
    if (pthread_create (&worker->thread, NULL, run_worker, worker) != 0)
      break;
#ifdef __linux__
    pthread_setname_np (worker->thread, "mblm-cpu");
#endif
    pool->started++;
  }
  pthread_sigmask (SIG_SETMASK, &old, NULL);
}

static void
wake_workers (MblmPool *pool, uint32_t tiles)
{
  unsigned asleep = atomic_load (&pool->sleepers);

  if (asleep == 0)
    return;
  pthread_mutex_lock (&pool->lock);
  if (tiles - 1 >= asleep)
    pthread_cond_broadcast (&pool->wake);
  else
    for (uint32_t i = 0; i < tiles - 1; i++)
      pthread_cond_signal (&pool->wake);
  pthread_mutex_unlock (&pool->lock);
}

static void
wait_for_completion (MblmPool *pool)
{
  if (spin (pool, is_complete, 0))
    return;
  pthread_mutex_lock (&pool->lock);
  atomic_store (&pool->waiting, true);
  while (!is_complete (pool, 0))
    pthread_cond_wait (&pool->finished, &pool->lock);
  atomic_store (&pool->waiting, false);
  pthread_mutex_unlock (&pool->lock);
}

void
mblm_pool_run (MblmPool *pool, size_t tiles, MblmTask task, const void *data)
{
  if (tiles < 2 || tiles > UINT32_MAX || pool->threads < 2 ||
      atomic_flag_test_and_set (&pool->busy)) {
    for (size_t i = 0; i < tiles; i++)
      task (data, i, 0);
    return;
  }
  if (!pool->tried)
    start_workers (pool);
  pool->task = task;
  pool->data = data;
  pool->tiles = (uint32_t) tiles;
  atomic_store (&pool->done, 0);
  for (unsigned i = 0; i < pool->threads; i++) {
    uint64_t first = (uint64_t) tiles * i / pool->threads;
    uint64_t end = (uint64_t) tiles * (i + 1) / pool->threads;

    atomic_store (&pool->ranges[i].word, first << 32 | end);
  }
  atomic_fetch_add (&pool->job, 1);
  wake_workers (pool, pool->tiles);
  run_tiles (pool, 0);
  wait_for_completion (pool);
  atomic_flag_clear (&pool->busy);
}

#ifdef __linux__
/* Whether another hardware thread of the same core comes before `cpu` in the
 * set. Where the system doesn't tell, no. */
static bool
is_second_thread (int cpu, const cpu_set_t *set)
{
  char path[96];
  FILE *file;
  int first = cpu;

  snprintf (path, sizeof (path),
      "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
  file = fopen (path, "re");
  if (!file)
    return false;
  if (fscanf (file, "%d", &first) != 1)
    first = cpu;
  fclose (file);
  return first >= 0 && first < cpu && CPU_ISSET (first, set);
}

static unsigned
default_threads (void)
{
  unsigned count = 0;
  cpu_set_t set;

  if (sched_getaffinity (0, sizeof (set), &set) != 0)
    return 1;
  for (int cpu = 0; cpu < CPU_SETSIZE && count < MAX_DEFAULT_THREADS; cpu++)
    if (CPU_ISSET (cpu, &set) && !is_second_thread (cpu, &set))
      count++;
  return count;
}
#else
static unsigned
default_threads (void)
{
  return 2;
}
#endif

MblmPool *
mblm_pool_new (unsigned threads)
{
  MblmPool *pool = aligned_alloc (LINE, sizeof (*pool));

  if (!pool)
    return NULL;
  *pool = (MblmPool){.threads = threads > 0 ? threads : default_threads ()};
  if (pool->threads < 1)
    pool->threads = 1;
  if (pool->threads > MAX_THREADS)
    pool->threads = MAX_THREADS;
  pool->workers = calloc (pool->threads, sizeof (*pool->workers));
  pool->ranges = aligned_alloc (LINE, pool->threads * sizeof (*pool->ranges));
  if (!pool->workers || !pool->ranges) {
    free (pool->ranges);
    free (pool->workers);
    free (pool);
    return NULL;
  }
  memset (pool->ranges, 0, pool->threads * sizeof (*pool->ranges));
  atomic_flag_clear (&pool->busy);
  pthread_mutex_init (&pool->lock, NULL);
  pthread_cond_init (&pool->wake, NULL);
  pthread_cond_init (&pool->finished, NULL);
  return pool;
}

void
mblm_pool_free (MblmPool *pool)
{
  if (!pool)
    return;
  pthread_mutex_lock (&pool->lock);
  atomic_store (&pool->quit, true);
  pthread_cond_broadcast (&pool->wake);
  pthread_mutex_unlock (&pool->lock);
  for (unsigned i = 0; i < pool->started; i++)
    pthread_join (pool->workers[i].thread, NULL);
  pthread_cond_destroy (&pool->finished);
  pthread_cond_destroy (&pool->wake);
  pthread_mutex_destroy (&pool->lock);
  free (pool->ranges);
  free (pool->workers);
  free (pool);
}

unsigned
mblm_pool_threads (const MblmPool *pool)
{
  return pool->threads;
}
