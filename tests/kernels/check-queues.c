/* check-queues.c: memory, transfers, and queues in several threads.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check.h"

#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>

/* An allocation that can't be had is NULL, not an error. */
const char *
__asan_default_options (void)
{
  return "allocator_may_return_null=1";
}
#endif

#define BYTES 1000
#define QUEUES 3 /* used at once */
#define TIMES 40 /* that each runs its operation */

/* ------------------------------------------------------------------------- */
/* Memory                                                                    */
/* ------------------------------------------------------------------------- */

static void
check_transfers (Check *check, const Target *t)
{
  const MblmKernels *k = t->table;
  guint8 sent[BYTES], received[BYTES], zeros[BYTES] = {0};
  char *from = k->alloc (t->device, BYTES), *to = k->alloc (t->device, BYTES);

  for (int i = 0; i < BYTES; i++)
    sent[i] = (guint8) g_rand_int (check->rand);
  k->upload (t->queue, from, sent, BYTES);
  k->copy (t->queue, to, from, BYTES);
  k->zero (t->queue, from, BYTES - 1);
  k->download (t->queue, received, to, BYTES);
  if (memcmp (sent, received, BYTES) != 0)
    check_failed (check, t, "transfers", "what comes back is something else");
  k->download (t->queue, received, from, BYTES);
  if (memcmp (zeros, received, BYTES - 1) != 0 ||
      received[BYTES - 1] != sent[BYTES - 1])
    check_failed (check, t, "zero", "too little or too much is cleared");

  k->upload (t->queue, NULL, NULL, 0);
  k->download (t->queue, NULL, NULL, 0);
  k->copy (t->queue, NULL, NULL, 0);
  k->zero (t->queue, NULL, 0);
  if (k->queue_wait (t->queue) != MBLM_STATUS_OK)
    check_failed (check, t, "transfers", "the queue reports an error");
  k->free (t->device, from);
  k->free (t->device, to);
}

/* Memory of the host is copied from and to like the device's. */
static void
check_host_memory (Check *check, const Target *t)
{
  const MblmKernels *k = t->table;
  char *host = k->alloc_host (t->device, BYTES);
  char *to = k->alloc_host (t->device, BYTES);
  char *memory = k->alloc (t->device, BYTES);

  if (!host || !to || (size_t) host % MBLM_ALIGNMENT != 0)
    check_failed (check, t, "alloc_host", "%d bytes are at %p", BYTES, host);
  for (int i = 0; i < BYTES; i++)
    host[i] = (char) g_rand_int (check->rand);
  k->copy (t->queue, memory, host, BYTES);
  k->copy (t->queue, to, memory, BYTES - 1);
  if (k->queue_wait (t->queue) != MBLM_STATUS_OK ||
      memcmp (host, to, BYTES - 1) != 0)
    check_failed (check, t, "alloc_host", "a copy is something else");
  k->free (t->device, memory);
  k->free_host (t->device, host);
  k->free_host (t->device, to);
  if (k->alloc_host (t->device, SIZE_MAX))
    check_failed (check, t, "alloc_host", "there are %zu bytes", SIZE_MAX);
  k->free_host (t->device, NULL);
}

static void
check_allocations (Check *check, const Target *t)
{
  static const size_t sizes[] = {0, 1, 63, 64, 65, 4096, 3000001};
  static const size_t refused[] = {SIZE_MAX, SIZE_MAX - 63, SIZE_MAX / 2};

  for (size_t i = 0; i < G_N_ELEMENTS (sizes); i++) {
    void *memory = t->table->alloc (t->device, sizes[i]);

    if (!memory || (size_t) memory % MBLM_ALIGNMENT != 0)
      check_failed (check, t, "alloc", "%zu bytes are at %p", sizes[i], memory);
    t->table->free (t->device, memory);
  }
  for (size_t i = 0; i < G_N_ELEMENTS (refused); i++)
    if (t->table->alloc (t->device, refused[i]))
      check_failed (check, t, "alloc", "there are %zu bytes", refused[i]);
  t->table->free (t->device, NULL);
}

static void
check_device (Check *check, const Target *t)
{
  char message[200] = "";

  check->cases++;
  if (t->table->abi != MBLM_KERNELS_ABI)
    check_failed (check, t, "table", "its version is %u", t->table->abi);
  if (t->table->device_threads (t->device) != t->threads)
    check_failed (check, t, "device", "it has %u threads",
        t->table->device_threads (t->device));
  if (t->table->device_open (1000, 0, message, sizeof (message)) ||
      !message[0] || g_str_has_suffix (message, "."))
    check_failed (check, t, "device", "number 1000: \"%s\"", message);
  check_allocations (check, t);
  check_transfers (check, t);
  check_host_memory (check, t);
}

void
check_memory (Check *check)
{
  check_device (check, check->ref);
  for (guint i = 0; i < check->targets->len; i++)
    check_device (check, g_ptr_array_index (check->targets, i));
}

/* ------------------------------------------------------------------------- */
/* Queues                                                                    */
/* ------------------------------------------------------------------------- */

/* A product large enough for several threads. */
typedef struct {
  size_t rows, n, k;
  size_t weight, x, out; /* offsets */
} Product;

typedef struct {
  Target target; /* with a queue of its own */
  Case *c;
  const Product *product;
  const char *expected;
  bool differs;
} Worker;

static void
run_product (const Target *t, char *memory, const void *data)
{
  const Product *s = data;

  t->table->linear (t->queue,
      &(MblmLinear){
          .weight = matrix_at (memory, s->weight, MBLM_TYPE_F32, s->n, s->k),
          .rows = s->rows,
          .x = AT (memory, s->x),
          .x_stride = s->k,
          .out = AT (memory, s->out),
          .out_stride = s->n,
      });
}

static void *
work (void *data)
{
  Worker *worker = data;

  for (int i = 0; i < TIMES; i++) {
    g_autofree char *result = case_result (
        worker->c, &worker->target, run_product, worker->product);

    if (memcmp (result, worker->expected, case_size (worker->c)) != 0)
      worker->differs = true;
  }
  return NULL;
}

/* Several threads use a device at once, each with a queue of its own. */
static void
check_at_once (Check *check, const Target *t, Case *c, const Product *product)
{
  g_autofree char *expected = case_result (c, t, run_product, product);
  Worker workers[QUEUES];
  GThread *threads[QUEUES];

  for (int i = 0; i < QUEUES; i++) {
    workers[i] = (Worker){*t, c, product, expected, false};
    workers[i].target.queue = t->table->queue_new (t->device);
    threads[i] = g_thread_new ("check", work, &workers[i]);
  }
  for (int i = 0; i < QUEUES; i++) {
    g_thread_join (threads[i]);
    t->table->queue_free (workers[i].target.queue);
    if (workers[i].differs)
      check_failed (check, t, case_title (c),
          "the result is another one while other queues are in use");
  }
}

void
check_queues (Check *check)
{
  static const size_t rows[] = {1, 64};

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    Product s = {rows[i], 300, 250, 0, 0, 0};
    Case *c = case_new (
        check, FILL_RANDOM, "%d queues, rows %zu", QUEUES, s.rows);

    s.weight = case_matrix (c, MBLM_TYPE_F32, s.n, s.k, -9.f, 9.f);
    s.x = case_input (c, s.rows, s.k, s.k, -9.f, 9.f);
    s.out = case_output (c, "out", s.rows, s.n, s.n, s.k);
    for (guint j = 0; j < check->targets->len; j++) {
      const Target *target = g_ptr_array_index (check->targets, j);

      if (target->threads > 1 || strcmp (target->table->name, "cuda") == 0)
        check_at_once (check, target, c, &s);
    }
    case_free (c);
  }
}
