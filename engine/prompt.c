/* prompt.c: the ids of a question about a picture.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "prompt.h"

#include <string.h>

#include "mblm-sample.h"

void
mblm_prompt_clear (MblmPrompt *self)
{
  g_clear_pointer (&self->before, g_array_unref);
  g_clear_pointer (&self->rest, g_array_unref);
}

void
mblm_prompt_init (MblmPrompt *self, MblmConfig *config, MblmInfo *info,
    const char *question, GBytes *image)
{
  guint n;
  const MblmSegment *sample = mblm_info_get_sample (info, &n);
  gsize size;
  const guint8 *bytes = g_bytes_get_data (image, &size);

  *self = (MblmPrompt){.before = g_array_new (FALSE, FALSE, sizeof (gint32)),
      .rest = g_array_new (FALSE, FALSE, sizeof (gint32))};
  GArray *ids = self->before;
  for (guint i = 0; i < n && sample[i] != MBLM_SEGMENT_ANSWER; i++) {
    if (sample[i] == MBLM_SEGMENT_IMAGE) {
      ids = self->rest;
      mblm_sample_append (ids, config, info, MBLM_SEGMENT_IMAGE, bytes, size);
      if (self->n_image == 0)
        self->n_image = ids->len;
    } else if (question) {
      mblm_sample_append (ids, config, info, MBLM_SEGMENT_QUESTION,
          (const guint8 *) question, strlen (question));
    }
  }
  mblm_sample_open_answer (self->rest, info);
}

guint64
mblm_prompt_length (
    MblmConfig *config, MblmInfo *info, const char *question, gsize image_size)
{
  guint n;
  const MblmSegment *sample = mblm_info_get_sample (info, &n);
  guint64 length = mblm_info_get_token (info, MBLM_TOKEN_TEXT) >= 0 ? 1 : 0;

  for (guint i = 0; i < n && sample[i] != MBLM_SEGMENT_ANSWER; i++) {
    gsize size = 0;
    if (sample[i] == MBLM_SEGMENT_IMAGE)
      size = image_size;
    else if (question)
      size = strlen (question);
    else
      continue;
    length += mblm_sample_length (config, info, sample[i], size);
  }
  return length;
}
