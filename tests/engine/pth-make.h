/* pth-make.h: checkpoints, good and hostile, made byte by byte.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

/* How an archive is written. */
typedef enum {
  PTH_PLAIN = 0,
  PTH_DESCRIPTORS = 1 << 0, /* sizes behind the data, as torch does */
  PTH_ZIP64 = 1 << 1,       /* 64-bit records at the end, as torch does */
  PTH_WIDE = 1 << 2,        /* 64-bit sizes in extra fields everywhere */
} PthStyle;

typedef struct _PthMaker PthMaker;

PthMaker *pth_maker_new (PthStyle style);
/* Adds an entry; its data is copied. */
void pth_maker_add (
    PthMaker *self, const char *name, const void *data, gsize n);
/* The whole archive; frees the maker. */
GByteArray *pth_maker_finish (PthMaker *self);

/* Where the local header of the entry added as number `i` begins, and its record
 * in the central directory of a finished archive. */
gsize pth_find_local (const GByteArray *archive, guint i);
gsize pth_find_central (const GByteArray *archive, guint i);

/* Parts of a pickle, appended to `out`. */
void pickle_string (GByteArray *out, const char *text);
void pickle_integer (GByteArray *out, gint64 value);
void pickle_bytes (GByteArray *out, const void *bytes, gsize n);
/* A tensor: `type` a class of torch such as "FloatStorage", `shape` and `strides`
 * -1-terminated. */
void pickle_tensor (GByteArray *out, const char *type, const char *key,
    gint64 numel, gint64 offset, const gint64 *shape, const gint64 *strides);
/* PROTO 2 up to the opened MODEL dictionary, and from there to STOP. */
GByteArray *pickle_open (void);
void pickle_close (GByteArray *out);

/* An archive of this pickle (freed) and of storages "0" (8 float32), "1" (4 16-bit
 * numbers) and "2" (4 float64). */
GByteArray *pth_with_pickle (GByteArray *pickle, PthStyle style);
/* A good one: float32 "w" [2, 3] in the middle of storage 0, bfloat16 "b" [4],
 * and float16 "h" [] in storage 1 as its third number, OrderedDict attributes. */
GByteArray *pth_good (PthStyle style);
