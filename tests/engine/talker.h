/* talker.h: small models that know special tokens, for tests of the jobs.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <mblm.h>

#include "fresh.h"

#define TALKER_VOCABULARY 260
#define TALKER_CONTEXT 256
#define TALKER_PATCH 8
#define TALKER_PAD 256
#define TALKER_END 257
#define TALKER_TEXT 258
#define TALKER_IMAGE 259

/* What goes into mblm.json behind its first keys. */
#define TALKER_TOKENS                                                          \
  "\"tokens\": { \"pad\": 256, \"end\": 257, \"text\": 258, \"image\": 259 }"
#define TALKER_QA                                                              \
  "\"task\": \"qa\", " TALKER_TOKENS ", \"image\": { \"width\": 4, "           \
  "\"height\": 3 }, \"sample\": [\"question\", \"image\", \"question\", "      \
  "\"answer\"], \"align\": true, \"segment_bytes\": { \"question\": 16 }"

/* A model of 32 patches of 8 ids with fresh weights, in FOLDER/NAME; `json`
 * NULL leaves out the mblm.json. */
MblmModel *talker_new (
    const char *folder, const char *name, guint threads, const char *json);
/* The one that the published implementation trained, which has samples and what that
 * gave for them. */
MblmModel *talker_load_published (void);

/* ln p of every id under the prediction of a session [TALKER_VOCABULARY]. */
double talker_log_p (MblmSession *session, MblmStart start, gint id);
/* The largest. */
gint talker_best (MblmSession *session, MblmStart start);
