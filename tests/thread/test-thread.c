/* test-thread.c: what ThreadSanitizer must find with the shim, and what not.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Two threads touch the same memory, in order or out of it. What is in order
 * must be so for ThreadSanitizer too: a report makes the program fail. What is
 * not runs in a process of its own, which has to fail.
 */

#include <gio/gio.h>
#include <gst/gst.h>

static gint shared;
static gint slots[2];
static gint *memory; /* under `lock` where there is one */
static GMutex lock, other_lock;
static GRecMutex rec_lock;
static GRWLock rw_lock;
static GCond cond;
static gboolean ready; /* under `lock` */
static gsize once;
static GAsyncQueue *queue;
static GThreadPool *pool;
static GObject *object; /* a reference for each thread */
static GCancellable *cancellable;
static GstBuffer *buffer; /* a reference for each thread */
static GstBus *bus;

static void
touch (void)
{
  shared++;
}

/* --- locks --- */

static void
with_nothing (void)
{
  touch ();
}

static void
with_mutex (void)
{
  g_mutex_lock (&lock);
  touch ();
  g_mutex_unlock (&lock);
}

static void
with_other_mutex (void)
{
  g_mutex_lock (&other_lock);
  touch ();
  g_mutex_unlock (&other_lock);
}

static void
after_mutex (void)
{
  g_mutex_lock (&lock);
  g_mutex_unlock (&lock);
  touch ();
}

static void
with_trylock (void)
{
  while (!g_mutex_trylock (&lock))
    g_thread_yield ();
  touch ();
  g_mutex_unlock (&lock);
}

static void
with_rec_mutex (void)
{
  g_rec_mutex_lock (&rec_lock);
  g_rec_mutex_lock (&rec_lock);
  g_rec_mutex_unlock (&rec_lock);
  touch ();
  g_rec_mutex_unlock (&rec_lock);
}

static void
after_rec_mutex (void)
{
  g_rec_mutex_lock (&rec_lock);
  g_rec_mutex_unlock (&rec_lock);
  touch ();
}

static void
with_writer (void)
{
  g_rw_lock_writer_lock (&rw_lock);
  touch ();
  g_rw_lock_writer_unlock (&rw_lock);
}

/* Readers don't exclude each other. */
static void
with_reader (void)
{
  g_rw_lock_reader_lock (&rw_lock);
  touch ();
  g_rw_lock_reader_unlock (&rw_lock);
}

static void
tell (void)
{
  touch ();
  g_mutex_lock (&lock);
  ready = TRUE;
  g_cond_signal (&cond);
  g_mutex_unlock (&lock);
}

static void
tell_early (void)
{
  g_mutex_lock (&lock);
  ready = TRUE;
  g_cond_signal (&cond);
  g_mutex_unlock (&lock);
  touch ();
}

static void
wait (void)
{
  g_mutex_lock (&lock);
  while (!ready)
    g_cond_wait (&cond, &lock);
  g_mutex_unlock (&lock);
  touch ();
}

static void
wait_until (void)
{
  g_mutex_lock (&lock);
  while (!ready)
    g_cond_wait_until (&cond, &lock, g_get_monotonic_time () + 1000);
  g_mutex_unlock (&lock);
  touch ();
}

static void
with_once (void)
{
  if (g_once_init_enter (&once)) {
    touch ();
    g_once_init_leave (&once, 1);
  }
  g_assert_cmpint (shared, ==, 1);
}

/* --- queues --- */

static void
push (void)
{
  touch ();
  g_async_queue_push (queue, &shared);
}

static void
push_early (void)
{
  g_async_queue_push (queue, &shared);
  touch ();
}

static void
pop (void)
{
  g_async_queue_pop (queue);
  touch ();
}

static void
work (gpointer item, gpointer user_data)
{
  g_assert_true (item == &shared && user_data == &slots);
  touch ();
}

static void
with_pool (void)
{
  pool = g_thread_pool_new (work, &slots, 1, FALSE, NULL);
  touch ();
  g_thread_pool_push (pool, &shared, NULL);
  g_thread_pool_free (pool, FALSE, TRUE);
  touch ();
}

static void
post (void)
{
  touch ();
  gst_bus_post (bus, gst_message_new_eos (NULL));
}

static void
post_early (void)
{
  gst_bus_post (bus, gst_message_new_eos (NULL));
  touch ();
}

static void
take (void)
{
  gst_message_unref (gst_bus_timed_pop (bus, GST_CLOCK_TIME_NONE));
  touch ();
}

static void
task (gpointer data)
{
  touch ();
  gst_task_pause (data);
}

static void
with_task (void)
{
  GstTask *self;
  GRecMutex task_lock;

  g_rec_mutex_init (&task_lock);
  self = gst_task_new (task, NULL, NULL);
  gst_task_set_lock (self, &task_lock);
  g_object_ref (self);
  self->user_data = self;
  touch ();
  gst_task_start (self);
  gst_task_stop (self);
  gst_task_join (self);
  touch ();
  gst_object_unref (self);
  gst_object_unref (self);
  g_rec_mutex_clear (&task_lock);
}

/* --- references and memory --- */

static void
drop_first (void)
{
  slots[0] = 1;
  g_object_unref (object);
}

static void
drop_second (void)
{
  slots[1] = 1;
  g_object_unref (object);
}

/* In the thread that had the last reference. */
static void
end_object (gpointer data)
{
  g_assert_cmpint (slots[0] + slots[1], ==, 2);
}

static void
cancel (void)
{
  touch ();
  g_cancellable_cancel (cancellable);
}

static void
heed (void)
{
  while (!g_cancellable_is_cancelled (cancellable))
    g_thread_yield ();
  touch ();
}

static void
read_buffer (void)
{
  GstMapInfo map;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
  g_assert_cmpint (map.data[0], ==, 0);
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);
}

static void
write_buffer (void)
{
  GstMapInfo map;

  while (!gst_buffer_is_writable (buffer))
    g_thread_yield ();
  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  map.data[0] = 1;
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);
}

static void
look (void)
{
  g_assert_cmpint (*memory, ==, 0);
}

static void
give_up (void)
{
  g_free (memory);
}

static void
look_locked (void)
{
  g_mutex_lock (&lock);
  if (memory)
    look ();
  g_mutex_unlock (&lock);
}

static void
give_up_locked (void)
{
  g_mutex_lock (&lock);
  g_clear_pointer (&memory, g_free);
  g_mutex_unlock (&lock);
}

/* --- the cases --- */

typedef struct {
  const char *name;
  void (*first) (void), (*second) (void); /* NULL: `first` is enough */
} Case;

static const Case ordered[] = {
    {"mutex", with_mutex, with_mutex},
    {"trylock", with_trylock, with_mutex},
    {"rec-mutex", with_rec_mutex, with_rec_mutex},
    {"rw-lock", with_writer, with_writer},
    {"reader", with_writer, with_reader},
    {"cond", tell, wait},
    {"cond-until", tell, wait_until},
    {"once", with_once, with_once},
    {"async-queue", push, pop},
    {"pool", with_pool, NULL},
    {"bus", post, take},
    {"task", with_task, NULL},
    {"object", drop_first, drop_second},
    {"cancellable", cancel, heed},
    {"buffer", read_buffer, write_buffer},
    {"memory", look_locked, give_up_locked},
};

static const Case racing[] = {
    {"nothing", with_nothing, with_nothing},
    {"half", with_mutex, with_nothing},
    {"other-mutex", with_mutex, with_other_mutex},
    {"late-mutex", after_mutex, after_mutex},
    {"late-rec-mutex", after_rec_mutex, after_rec_mutex},
    {"readers", with_reader, with_reader},
    {"cond", tell_early, wait},
    {"async-queue", push_early, pop},
    {"bus", post_early, take},
    {"memory", look, give_up},
};

static gpointer
run_thread (gpointer func)
{
  ((void (*) (void)) func) ();
  return NULL;
}

static void
run (gconstpointer data)
{
  const Case *self = data;
  GThread *first;

  shared = slots[0] = slots[1] = 0;
  once = 0;
  ready = FALSE;
  memory = g_new0 (gint, 1);
  queue = g_async_queue_new ();
  object = g_object_new (G_TYPE_OBJECT, NULL);
  g_object_set_data_full (object, "end", slots, end_object);
  cancellable = g_cancellable_new ();
  buffer = gst_buffer_new_memdup ("\0", 1);
  bus = gst_bus_new ();
  if (self->first == drop_first)
    g_object_ref (object);
  if (self->first == read_buffer)
    gst_buffer_ref (buffer);

  first = g_thread_new ("first", run_thread, self->first);
  if (self->second)
    g_thread_join (g_thread_new ("second", run_thread, self->second));
  g_thread_join (first);

  if (self->second != give_up)
    g_free (memory);
  g_async_queue_unref (queue);
  if (self->first != drop_first) {
    slots[0] = slots[1] = 1;
    g_object_unref (object);
  }
  g_object_unref (cancellable);
  if (self->first != read_buffer)
    gst_buffer_unref (buffer);
  gst_bus_set_flushing (bus, TRUE);
  gst_object_unref (bus);
}

static void
test_ordered (gconstpointer data)
{
  for (guint i = 0; i < 100; i++)
    run (data);
}

static void
test_racing (gconstpointer data)
{
  if (g_test_subprocess ()) {
    run (data);
    return;
  }
  g_test_trap_subprocess (NULL, 30 * G_USEC_PER_SEC, 0);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*WARNING: ThreadSanitizer: *");
}

static void
add (const char *folder, const Case *self, GTestDataFunc func)
{
  g_autofree char *path = g_strdup_printf ("/thread/%s/%s", folder, self->name);

  g_test_add_data_func (path, self, func);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (ordered); i++)
    add ("ordered", &ordered[i], test_ordered);
  for (guint i = 0; i < G_N_ELEMENTS (racing); i++)
    add ("racing", &racing[i], test_racing);
  return g_test_run ();
}
