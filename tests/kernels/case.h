/* case.h: what case.c and compare.c share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "check.h"

typedef struct {
  size_t offset, count; /* in bytes; in entries, the space between rows too */
  MblmType type;
} Input;

typedef struct {
  size_t offset, bytes;
} Extent;

struct _Case {
  Check *check;
  Fill fill;
  bool is_aligned; /* all buffers are */
  char *title;     /* the shape, for messages */
  GByteArray *image;
  GArray *extents; /* of Extent: where the buffers lie, in rising order */
  GArray *inputs;  /* of Input */
  GArray *outputs; /* of Output */
  CaseRun run;     /* while case_run () runs */
  bool (*takes) (const Target *target, char *memory, const void *data);
};

/* Whether an entry, or one of two bytes, is what fills buffers at first. Of two
 * of the latter one is; that is a number, if not a likely one. */
bool is_poison (const void *entry);
bool is_half_poison (const void *entry);
