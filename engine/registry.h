/* registry.h: classes by their names, built in or brought by modules.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Classes stay for the length of the process. Any thread. Private to the engine.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  const char *what;    /* "block type" */
  const char *another; /* what to choose where there are two: "name" */
  guint abi;           /* version of the interface that classes must fit */
  /* Class `i` that is built in, and its name; NULL behind the last. */
  gconstpointer (*built_in) (guint i, const char **name);

  GMutex lock;
  GHashTable *classes; /* name to class; NULL: nobody has asked yet */
} MblmRegistry;

/* Error: MBLM_ERROR_INPUT where the name is taken, or `abi` another. */
gboolean mblm_registry_add (MblmRegistry *self, const char *name, guint abi,
    gconstpointer klass, GError **error);
/* NULL where there is none, even in the modules, which it opens. */
gconstpointer mblm_registry_lookup (MblmRegistry *self, const char *name);
/* The names, sorted, with commas in between. */
char *mblm_registry_list (MblmRegistry *self);

G_END_DECLS
