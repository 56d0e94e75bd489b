/* mblm-sample.c: how question, picture and answer become ids.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "mblm-sample.h"

static gint
start_token (MblmInfo *info, MblmSegment segment)
{
  return mblm_info_get_token (
      info, segment == MBLM_SEGMENT_IMAGE ? MBLM_TOKEN_IMAGE : MBLM_TOKEN_TEXT);
}

guint64
mblm_sample_length (
    MblmConfig *config, MblmInfo *info, MblmSegment segment, gsize n)
{
  guint64 least = mblm_info_get_segment_bytes (info, segment);
  guint64 length = (guint64) n + (start_token (info, segment) >= 0) +
      (mblm_info_get_token (info, MBLM_TOKEN_END) >= 0);

  length = MAX (length, least);
  if (mblm_info_get_align (info)) {
    guint64 patch = mblm_config_get_patch (config, 0);
    length += (patch - length % patch) % patch;
  }
  return length;
}

/**
 * mblm_sample_append: (skip)
 */
void
mblm_sample_append (GArray *ids, MblmConfig *config, MblmInfo *info,
    MblmSegment segment, const guint8 *bytes, gsize n)
{
  guint before = ids->len;
  gint start = start_token (info, segment);
  gint end = mblm_info_get_token (info, MBLM_TOKEN_END);
  gint pad = mblm_info_get_token (info, MBLM_TOKEN_PAD);

  if (pad < 0)
    pad = mblm_config_get_pad_id (config);
  g_array_set_size (
      ids, before + (guint) mblm_sample_length (config, info, segment, n));
  gint32 *out = &g_array_index (ids, gint32, before);
  gint32 *stop = &g_array_index (ids, gint32, 0) + ids->len;

  if (start >= 0)
    *out++ = start;
  for (gsize i = 0; i < n; i++)
    *out++ = bytes[i];
  if (end >= 0)
    *out++ = end;
  while (out < stop)
    *out++ = pad;
}

/**
 * mblm_sample_open_answer: (skip)
 */
void
mblm_sample_open_answer (GArray *ids, MblmInfo *info)
{
  gint32 start = start_token (info, MBLM_SEGMENT_ANSWER);

  if (start >= 0)
    g_array_append_val (ids, start);
}
