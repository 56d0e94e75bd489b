/* registry.c: classes by their names, built in or brought by modules.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "registry.h"

#include <string.h>

#include "mblm-error.h"
#include "module.h"

/* Called with `lock` held. */
static GHashTable *
ensure (MblmRegistry *self)
{
  gconstpointer klass;
  const char *name;

  if (self->classes != NULL)
    return self->classes;
  self->classes = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; (klass = self->built_in (i, &name)) != NULL; i++)
    g_hash_table_insert (self->classes, (char *) name, (gpointer) klass);
  return self->classes;
}

gboolean
mblm_registry_add (MblmRegistry *self, const char *name, guint abi,
    gconstpointer klass, GError **error)
{
  gboolean is_free;

  if (abi != self->abi) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%s %s is made for version %u of the interface, this library has %u; "
        "build it again",
        self->what, name, abi, self->abi);
    return FALSE;
  }
  g_mutex_lock (&self->lock);
  is_free = !g_hash_table_contains (ensure (self), name);
  if (is_free)
    g_hash_table_insert (self->classes, (char *) name, (gpointer) klass);
  g_mutex_unlock (&self->lock);
  if (!is_free)
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%s %s is registered already; choose another %s", self->what, name,
        self->another);
  return is_free;
}

static gconstpointer
find (MblmRegistry *self, const char *name)
{
  gconstpointer klass;

  g_mutex_lock (&self->lock);
  klass = g_hash_table_lookup (ensure (self), name);
  g_mutex_unlock (&self->lock);
  return klass;
}

gconstpointer
mblm_registry_lookup (MblmRegistry *self, const char *name)
{
  gconstpointer klass = find (self, name);

  if (klass != NULL)
    return klass;
  mblm_modules_open ();
  return find (self, name);
}

char *
mblm_registry_list (MblmRegistry *self)
{
  GString *text = g_string_new (NULL);
  GList *names;

  g_mutex_lock (&self->lock);
  names = g_list_sort (
      g_hash_table_get_keys (ensure (self)), (GCompareFunc) strcmp);
  for (GList *l = names; l != NULL; l = l->next)
    g_string_append_printf (
        text, "%s%s", text->len > 0 ? ", " : "", (const char *) l->data);
  g_list_free (names);
  g_mutex_unlock (&self->lock);
  return g_string_free (text, FALSE);
}
