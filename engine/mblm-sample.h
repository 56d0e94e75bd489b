/* mblm-sample.h: how question, picture and answer become ids.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A segment is its start token (text or image), its bytes, and `end`; tokens
 * that a model has not are not written. With `align` each is padded to a whole
 * number of outermost patches, and first up to its `segment_bytes`.
 */

#pragma once

#include "mblm-config.h"
#include "mblm-info.h"

G_BEGIN_DECLS

/* Ids that a segment of n bytes takes, tokens and padding included. */
guint64 mblm_sample_length (
    MblmConfig *config, MblmInfo *info, MblmSegment segment, gsize n);
/* Appends a whole segment to `ids`, a GArray of gint32, which must have room
 * for it: 2^31 ids in all. */
void mblm_sample_append (GArray *ids, MblmConfig *config, MblmInfo *info,
    MblmSegment segment, const guint8 *bytes, gsize n);
/* Appends the start token that opens an answer. */
void mblm_sample_open_answer (GArray *ids, MblmInfo *info);

G_END_DECLS
