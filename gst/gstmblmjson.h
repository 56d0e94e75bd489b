/* gstmblmjson.h: a message as a line of JSON.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* One line without its end: the fields in their order, their names with
 * underscores. Numbers, strings, booleans, structures and arrays of these; a
 * time that is not known and a number that is none are null. Free with g_free.
 * */
char *gst_mblm_structure_to_json (const GstStructure *structure);

G_END_DECLS
