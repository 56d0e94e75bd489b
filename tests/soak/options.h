/* options.h: what a soak is told.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Parts of the pipeline, as bits. */
typedef enum {
  SOAK_PART_OVERLAY = 1 << 0,  /* mblmaskoverlay */
  SOAK_PART_TEE = 1 << 1,      /* mblmask and textoverlay behind a tee */
  SOAK_PART_SCORE = 1 << 2,    /* mblmscore with a pad for JSON */
  SOAK_PART_GENERATE = 1 << 3, /* mblmgenerate continues the answers */
} SoakPart;

typedef struct {
  int seconds;
  int warm_up;
  double interval; /* s */
  int fps;
  gboolean sync;
  int allow;          /* KiB */
  int mmap_threshold; /* KiB; 0: malloc's own */
  guint parts;
  char *output;
  char *model;
  char *question;
} SoakOptions;

/* FALSE: the arguments are wrong. With --help it prints that and ends the
 * process. */
gboolean soak_options_parse (
    SoakOptions *self, int *argc, char ***argv, GError **error);
void soak_options_clear (SoakOptions *self);
/* The parts' names, with blanks between them. */
char *soak_options_list_parts (const SoakOptions *self);
/* The command line that says all this, without the places of this machine. */
char *soak_options_to_line (const SoakOptions *self);
/* The last part of a path that may name a folder. */
char *soak_options_base_name (const char *path);

G_END_DECLS
