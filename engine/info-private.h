/* info-private.h: what the files of MblmInfo share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "mblm-info.h"

G_BEGIN_DECLS

#define MBLM_INFO_MAX_BYTES (1024 * 1024)
#define MBLM_INFO_MAX_SAMPLE 8

struct _MblmInfo {
  GObject parent;
  char *name;
  MblmTask task;
  char *licence;
  char *trained_on;
  char *figures; /* JSON text */
  gboolean is_explicit;
  gint tokens[MBLM_N_TOKENS]; /* -1: none */
  gboolean has_image;
  MblmImageLayout image;
  MblmSegment sample[MBLM_INFO_MAX_SAMPLE];
  guint n_sample;
  gboolean align;
  gsize segment_bytes[MBLM_N_SEGMENTS];
  char **answers; /* or NULL */
};

/* The words of the file, in the order of the enumerations. */
extern const char *const mblm_task_names[];
extern const char *const mblm_token_names[];
extern const char *const mblm_filter_names[];
extern const char *const mblm_order_names[];
extern const char *const mblm_segment_names[];

G_END_DECLS
