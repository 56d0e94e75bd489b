/* machine.c: what this machine can move and compute.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bandwidth is that of reading alone: each thread adds up its own share of a
 * buffer, again and again, in the widest registers that the processor has. Of a
 * device with memory of its own it is that of a copy there, read and written. The
 * roof is that of the device's own matrix product on a large square.
 */

#include "config.h"

#include "machine.h"

#include <glib/gi18n.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define MEMORY_SET ((gsize) 256 << 20)
#define MIN_CACHE_SET ((gsize) 64 << 10)
/* Bytes that one run reads at least, all threads together. */
#define RUN_BYTES ((gsize) 1 << 30)
#define RUNS 5
/* Of the square: half of the rows that the device likes, between these. */
#define SIDE 1024
#define MOST_SIDE 8192
#define DEVICE_SET ((gsize) 1 << 30)

static gboolean
has_memory (MblmDevice *device)
{
  MblmTraits traits;

  mblm_device_get_traits (device, &traits);
  return traits.memory > 0;
}

/* ------------------------------------------------------------------------- */
/* Reading                                                                   */
/* ------------------------------------------------------------------------- */

typedef guint64 Lanes __attribute__ ((vector_size (64)));

/* Whole times four lanes; what is left is not read. */
#define DEFINE_READ(name, attribute)                                           \
  attribute static guint64 name (const void *data, gsize size)                 \
  {                                                                            \
    const Lanes *p = data;                                                     \
    Lanes a = {0}, b = {0}, c = {0}, d = {0};                                  \
    for (gsize i = 0; i + 4 <= size / sizeof (Lanes); i += 4) {                \
      a += p[i];                                                               \
      b += p[i + 1];                                                           \
      c += p[i + 2];                                                           \
      d += p[i + 3];                                                           \
    }                                                                          \
    a += b + c + d;                                                            \
    return a[0] + a[1] + a[2] + a[3] + a[4] + a[5] + a[6] + a[7];              \
  }

DEFINE_READ (read_plain, )
#ifdef __x86_64__
DEFINE_READ (read_avx2, __attribute__ ((target ("avx2"))))
DEFINE_READ (read_avx512, __attribute__ ((target ("avx512f"))))
#endif

typedef guint64 (*ReadFunction) (const void *data, gsize size);

static ReadFunction
choose_read (void)
{
#ifdef __x86_64__
  if (__builtin_cpu_supports ("avx512f"))
    return read_avx512;
  if (__builtin_cpu_supports ("avx2"))
    return read_avx2;
#endif
  return read_plain;
}

typedef struct {
  const guint8 *data; /* this thread's share, aligned */
  gsize size;
  guint repeats;
  ReadFunction read;
  pthread_barrier_t *start;
  guint64 sum; /* so that the reading is not left out */
  gint64 begin, end;
} Reader;

static gpointer
read_share (gpointer data)
{
  Reader *self = data;

  self->sum = self->read (self->data, self->size);
  pthread_barrier_wait (self->start);
  self->begin = g_get_monotonic_time ();
  for (guint i = 0; i < self->repeats; i++)
    self->sum += self->read (self->data, self->size);
  self->end = g_get_monotonic_time ();
  return NULL;
}

/* Bytes per second of one run over `size` bytes shared by the threads. */
static double
read_once (const guint8 *data, gsize size, guint n_threads)
{
  gsize share = size / n_threads / 256 * 256;
  guint repeats = MAX (RUN_BYTES / MAX (size, 1), 1);
  g_autofree Reader *readers = g_new0 (Reader, n_threads);
  g_autofree GThread **threads = g_new0 (GThread *, n_threads);
  pthread_barrier_t start;
  gint64 begin = G_MAXINT64, end = 0;

  pthread_barrier_init (&start, NULL, n_threads);
  for (guint i = 0; i < n_threads; i++) {
    readers[i] = (Reader){
        .data = data + i * share,
        .size = share,
        .repeats = repeats,
        .read = choose_read (),
        .start = &start,
    };
    threads[i] = g_thread_new ("read", read_share, &readers[i]);
  }
  for (guint i = 0; i < n_threads; i++) {
    g_thread_join (threads[i]);
    begin = MIN (begin, readers[i].begin);
    end = MAX (end, readers[i].end);
  }
  pthread_barrier_destroy (&start);
  return (double) share * n_threads * repeats * G_USEC_PER_SEC /
      MAX (end - begin, 1);
}

static gboolean
measure_reading (gsize size, guint n_threads, double *best, GError **error)
{
  void *data = NULL;

  size = (size + 255) / 256 * 256;
  if (posix_memalign (&data, 64, size)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        _ ("not enough memory to measure: %zu MiB are needed"), size >> 20);
    return FALSE;
  }
  memset (data, 1, size);
  *best = 0;
  for (guint i = 0; i < RUNS; i++)
    *best = MAX (*best, read_once (data, size, n_threads));
  free (data);
  return TRUE;
}

/* One run of copies from one half of a set of `size` bytes to the other. */
static gboolean
copy_once (
    MblmRun *run, void *set, gsize size, double *bandwidth, GError **error)
{
  gsize half = size / 2, repeats = MAX (RUN_BYTES / MAX (size, 1), 1);
  gint64 begin = g_get_monotonic_time ();

  for (gsize i = 0; i < repeats; i++)
    run->k->copy (run->q, (char *) set + half, set, half);
  if (!mblm_run_wait (run, error))
    return FALSE;
  *bandwidth = 2.0 * half * repeats * G_USEC_PER_SEC /
      MAX (g_get_monotonic_time () - begin, 1);
  return TRUE;
}

static gboolean
measure_copying (MblmDevice *device, gsize size, double *best, GError **error)
{
  MblmRun run;

  if (!mblm_run_init (&run, device, error))
    return FALSE;
  void *set = mblm_run_floats (&run, size / sizeof (float));
  gboolean ok = mblm_run_check (&run, error);

  *best = 0;
  for (guint i = 0; ok && i < RUNS; i++) {
    double once = 0;

    ok = copy_once (&run, set, size, &once, error);
    *best = MAX (*best, once);
  }
  mblm_run_clear (&run);
  return ok;
}

/* ------------------------------------------------------------------------- */
/* Products                                                                  */
/* ------------------------------------------------------------------------- */

/* A weight of n small numbers in device memory. */
static void *
new_weight (MblmRun *run, MblmType type, gsize n)
{
  gsize size = n * (type == MBLM_TYPE_BF16 ? 2 : 4);
  g_autofree guint8 *host = g_malloc0 (size);
  void *weight = run->k->alloc (run->memory, size);

  /* 1.0 and 0.5 in turn: the upper half of a float is its bfloat16. */
  for (gsize i = 0; i < n; i++) {
    guint32 bits = i % 3 ? 0x3f800000 : 0x3f000000;
    guint16 upper = bits >> 16;

    if (type == MBLM_TYPE_BF16)
      memcpy (host + 2 * i, &upper, 2);
    else
      memcpy (host + 4 * i, &bits, 4);
  }
  if (weight)
    run->k->upload (run->q, weight, host, size);
  return weight;
}

static double
measure_products (MblmRun *run, gsize side, MblmType type, MblmType product,
    void *weight, float *x, float *out, GError **error)
{
  double best = 0;

  run->k->zero (run->q, x, side * side * sizeof (float));
  for (guint i = 0; i < RUNS + 1; i++) {
    gint64 begin = g_get_monotonic_time ();

    run->k->linear (run->q,
        &(MblmLinear){
            .weight = {weight, type, side, side},
            .rows = side,
            .x = x,
            .x_stride = side,
            .out = out,
            .out_stride = side,
            .product = product,
        });
    if (!mblm_run_wait (run, error))
      return 0;

    gint64 took = MAX (g_get_monotonic_time () - begin, 1);

    best = MAX (best, 2.0 * side * side * side * G_USEC_PER_SEC / took);
  }
  return best;
}

static gboolean
measure_roof (MblmDevice *device, MblmPrecision precision, gboolean trains,
    double *roof, GError **error)
{
  MblmType type = precision == MBLM_PRECISION_BF16 ? MBLM_TYPE_BF16
                                                   : MBLM_TYPE_F32;
  MblmRun run;

  if (!mblm_run_init (&run, device, error))
    return FALSE;
  mblm_run_set_tf32 (&run, precision == MBLM_PRECISION_TF32);

  MblmType product = trains || run.rounds ? type : MBLM_TYPE_F32;
  gsize side = CLAMP (run.rows / 2, SIDE, MOST_SIDE), n = side * side;
  /* whoever trains in bfloat16 has rounded where that pays */
  void *weight = new_weight (
      &run, trains && !run.rounds ? MBLM_TYPE_F32 : type, n);
  float *x = mblm_run_floats (&run, n);
  float *out = mblm_run_floats (&run, n);

  *roof = 0;
  run.failed |= !weight;
  if (mblm_run_check (&run, error))
    *roof = measure_products (&run, side,
        trains && !run.rounds ? MBLM_TYPE_F32 : type, product, weight, x, out,
        error);
  if (weight)
    run.k->free (run.memory, weight);
  mblm_run_clear (&run);
  return *roof > 0;
}

/* ------------------------------------------------------------------------- */

static gboolean
measure_set (Machine *self, gsize size, double *bandwidth, GError **error)
{
  return has_memory (self->device)
      ? measure_copying (self->device, size, bandwidth, error)
      : measure_reading (size, self->threads, bandwidth, error);
}

gboolean
machine_measure (Machine *self, MblmDevice *device, MblmPrecision precision,
    gboolean trains, gsize cache_set, GError **error)
{
  self->device = device;
  self->threads = MAX (mblm_device_get_threads (device), 1);
  self->cache_set = CLAMP (cache_set, MIN_CACHE_SET, MEMORY_SET);
  return measure_set (self, has_memory (device) ? DEVICE_SET : MEMORY_SET,
             &self->memory_bandwidth, error) &&
      measure_set (self, self->cache_set, &self->cache_bandwidth, error) &&
      measure_roof (device, precision, trains, &self->product_roof, error);
}

gboolean
machine_measure_set (
    Machine *self, gsize size, double *bandwidth, GError **error)
{
  guint log = g_bit_storage (CLAMP (size, MIN_CACHE_SET, MEMORY_SET) - 1);
  double *known = &self->set_bandwidth[log];

  if (*known == 0 && !measure_set (self, (gsize) 1 << log, known, error))
    return FALSE;
  *bandwidth = *known;
  return TRUE;
}

guint64
machine_resident_bytes (void)
{
  g_autofree char *text = NULL;
  const char *space;

  if (!g_file_get_contents ("/proc/self/statm", &text, NULL, NULL) ||
      !(space = strchr (text, ' ')))
    return 0;
  return g_ascii_strtoull (space, NULL, 10) * sysconf (_SC_PAGESIZE);
}

static int
compare_doubles (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

double
machine_median (double *values, guint n)
{
  qsort (values, n, sizeof (double), compare_doubles);
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}
