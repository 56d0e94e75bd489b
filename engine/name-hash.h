/* name-hash.h: a hash of names that a file can't foresee.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * g_str_hash is known to everybody: a file may hold a hundred thousand names with
 * one hash, and looking each up among the others then takes minutes. Private to the
 * engine.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* For GHashTable, with g_str_equal. */
guint mblm_name_hash (gconstpointer name);

G_END_DECLS
