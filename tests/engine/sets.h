/* sets.h: small data sets, made for a test.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <mblm.h>

#include "dataset.h"

/* Options with a vocabulary of 260, pad 256 and the fields of mblm.json that
 * `info` gives (NULL: as without one). What these functions give stays to the
 * end of the program. */
MblmDatasetOptions sets_options (
    const char *dir, MblmSplit split, gsize length, const char *info);
/* The args of a text like "{'valid_share': <0.5>}". */
GVariant *sets_args (const char *text);
/* A configuration out of its lines, and the info of one out of its keys. */
MblmConfig *sets_config (const char *yaml);
MblmInfo *sets_info (const char *keys, guint vocabulary);
/* Takes a reference of the caller's, sinking it, and keeps it as long. */
GVariant *sets_keep_args (GVariant *args);
gpointer sets_keep_object (gpointer object);

/* Opens, or fails the test; or expects an error that says `part`. */
MblmDataset *sets_open (const char *id, const MblmDatasetOptions *options);
void sets_expect (const char *id, const MblmDatasetOptions *options,
    GQuark domain, int code, const char *part);

/* One sample with memory of its own. */
typedef struct {
  MblmTrainingSample sample;
  gsize length;
} SetsSample;
SetsSample *sets_read (MblmDataset *set, guint64 epoch, guint64 index);
void sets_sample_free (SetsSample *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SetsSample, sets_sample_free)
/* The ids of a whole epoch, as gint32. */
GArray *sets_ids (MblmDataset *set, guint64 epoch);

/* Bytes from a seed. */
GByteArray *sets_noise (gsize n, guint32 seed);
/* Writes a file, with the folders on its way; gives its path. */
char *sets_write (
    const char *folder, const char *name, const void *data, gssize n);
