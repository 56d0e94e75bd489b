/* account.c: nothing of a schedule may be left when it has ended.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "account.h"

#include "journal.h"

static GMutex lock;
static GHashTable *alive; /* where something is to what it is */

static void
add (gpointer thing, const char *what)
{
  g_mutex_lock (&lock);
  if (!alive)
    alive = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  g_hash_table_insert (alive, thing, g_strdup (what));
  g_mutex_unlock (&lock);
}

static void
take_out (gpointer thing)
{
  g_mutex_lock (&lock);
  g_hash_table_remove (alive, thing);
  g_mutex_unlock (&lock);
}

void
account_mini (gpointer mini, const char *what)
{
  GQuark quark = g_quark_from_static_string ("schedules-account");

  add (mini, what);
  gst_mini_object_set_qdata (mini, quark, mini, take_out);
}

static void
on_gone (gpointer data, GObject *where_it_was)
{
  take_out (where_it_was);
}

void
account_object (gpointer object, const char *what)
{
  gboolean known;

  g_mutex_lock (&lock);
  known = alive && g_hash_table_contains (alive, object);
  g_mutex_unlock (&lock);
  if (known)
    return;
  add (object, what);
  g_object_weak_ref (object, on_gone, NULL);
}

static void
account_pads (GstElement *element)
{
  GST_OBJECT_LOCK (element);
  for (GList *link = element->pads; link; link = link->next) {
    g_autofree char *what = g_strdup_printf ("pad %s of %s",
        GST_OBJECT_NAME (link->data), GST_OBJECT_NAME (element));

    account_object (link->data, what);
  }
  GST_OBJECT_UNLOCK (element);
}

void
account_bin (GstBin *bin)
{
  GstIterator *elements = gst_bin_iterate_recurse (bin);
  GValue value = G_VALUE_INIT;

  account_object (bin, "the pipeline");
  while (gst_iterator_next (elements, &value) == GST_ITERATOR_OK) {
    GstElement *element = g_value_get_object (&value);

    account_object (element, GST_OBJECT_NAME (element));
    account_pads (element);
    g_value_reset (&value);
  }
  g_value_unset (&value);
  gst_iterator_free (elements);
}

static guint
count (void)
{
  guint n;

  g_mutex_lock (&lock);
  n = alive ? g_hash_table_size (alive) : 0;
  g_mutex_unlock (&lock);
  return n;
}

void
account_close (void)
{
  GHashTableIter iter;
  gpointer thing, what;

  /* A thread of a pool may be letting go of its last reference. */
  for (guint i = 0; i < 2000 && count () > 0; i++)
    g_usleep (1000);
  if (count () == 0)
    return;
  g_hash_table_iter_init (&iter, alive);
  while (g_hash_table_iter_next (&iter, &thing, &what))
    journal_note ("account", "still there: %s, with %d references",
        (char *) what,
        G_IS_OBJECT (thing) ? (int) G_OBJECT (thing)->ref_count
                            : GST_MINI_OBJECT_REFCOUNT (thing));
  journal_fail ("%u things are still there", count ());
}
