/* model-resize.c: a model for pictures of another size, or of another context.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "model-resize.h"

#include <math.h>
#include <string.h>

#include "config-private.h"
#include "info-private.h"
#include "mblm-error.h"
#include "mblm-sample.h"
#include "model-private.h"

/* Whether a sample begins with its only picture, which has patches of its own. */
static gboolean
begins_with_picture (MblmModel *model)
{
  const MblmImageLayout *image = mblm_info_get_image (model->info);
  guint n, pictures = 0;
  const MblmSegment *sample = mblm_info_get_sample (model->info, &n);

  for (guint i = 0; i < n; i++)
    pictures += sample[i] == MBLM_SEGMENT_IMAGE;
  return image && !image->jpeg && mblm_info_get_align (model->info) &&
      pictures == 1 && sample[0] == MBLM_SEGMENT_IMAGE;
}

/* Whether a patch is a tile of a picture. A start token before it moves all by one
 * byte, which does no harm. */
static gboolean
sees_tiles (MblmModel *model)
{
  const MblmImageLayout *image = mblm_info_get_image (model->info);

  return begins_with_picture (model) && image->order == MBLM_ORDER_TILES &&
      (gsize) image->tile_w * image->tile_h * 3 == model->stage[0].patch;
}

static gsize
count_patches (MblmConfig *config, MblmInfo *info)
{
  const MblmImageLayout *image = mblm_info_get_image (info);
  gsize bytes = (gsize) image->width * image->height * 3;

  return (gsize) (mblm_sample_length (config, info, MBLM_SEGMENT_IMAGE, bytes) /
      mblm_config_get_patch (config, 0));
}

/* What describes the resized model, its limits those of a file. The figures were of
 * the other size. */
static MblmInfo *
resize_info (MblmModel *model, const MblmModelSize *size, GError **error)
{
  g_autofree char *json = mblm_info_to_json (model->info);
  g_autoptr (MblmInfo) info = mblm_info_parse (
      json, strlen (json), "mblm.json", model->vocabulary, error);

  if (!info)
    return NULL;
  g_clear_pointer (&info->figures, g_free);
  if (size->width > 0) {
    info->image.width = size->width;
    info->image.height = size->height;
  }

  g_autofree char *resized = mblm_info_to_json (info);
  return mblm_info_parse (resized, strlen (resized), "the resized mblm.json",
      model->vocabulary, error);
}

static gboolean
resize_config (MblmResize *self, gsize patches, GError **error)
{
  g_autoptr (MblmConfig) config = NULL;
  g_autofree char *yaml = mblm_config_to_yaml (self->from);

  config = mblm_config_parse (yaml, strlen (yaml), "config.yaml", error);
  if (!config)
    return FALSE;
  config->seq_lens[0] = patches;
  config->input_length = config->context; /* not a shorter one, for training */

  /* All limits are those of a file. */
  g_autofree char *resized = mblm_config_to_yaml (config);
  self->config = mblm_config_parse (
      resized, strlen (resized), "the resized model", error);
  return self->config != NULL;
}

/* Patches of pictures, and the tiles that they are. */
static void
count (MblmResize *self, MblmModel *model, gboolean tiles)
{
  const MblmImageLayout *was = mblm_info_get_image (model->info);
  const MblmImageLayout *is = mblm_info_get_image (self->info);

  self->from_picture = count_patches (model->config, model->info);
  self->picture = count_patches (model->config, self->info);
  if (!tiles)
    return;
  self->from_columns = was->width / was->tile_w;
  self->from_rows = was->height / was->tile_h;
  self->columns = is->width / is->tile_w;
  self->rows = is->height / is->tile_h;
}

MblmResize *
mblm_resize_new (MblmModel *model, const MblmModelSize *size, GError **error)
{
  g_autoptr (MblmResize) self = g_new0 (MblmResize, 1);
  gsize patches = size->patches, had = model->stage[0].seq_len;
  gboolean tiles = sees_tiles (model);

  self->from = model->config;
  if (size->width > 0 && !tiles) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "pictures of another size need a model whose samples begin with a "
        "picture, their only one, aligned and in tiles, one in a patch: "
        "mblm.json says otherwise");
    return NULL;
  }
  if (mblm_info_is_explicit (model->info) &&
      !(self->info = resize_info (model, size, error)))
    return NULL;
  if (begins_with_picture (model))
    count (self, model, tiles);
  if (patches == 0)
    patches = had - MIN (had, self->from_picture) + self->picture;
  if (had <= self->from_picture || patches <= self->picture) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "a picture takes %" G_GSIZE_FORMAT " patches: %" G_GSIZE_FORMAT
        " leave no room for an answer",
        had <= self->from_picture ? self->from_picture : self->picture,
        had <= self->from_picture ? had : patches);
    return NULL;
  }
  return resize_config (self, patches, error) ? g_steal_pointer (&self) : NULL;
}

void
mblm_resize_free (MblmResize *self)
{
  g_clear_object (&self->config);
  g_clear_object (&self->info);
  g_free (self);
}

/* ------------------------------------------------------------------------- */
/* Rows of positions                                                         */
/* ------------------------------------------------------------------------- */

/* The two places of `from` that place i of n lies between, and how far it is on
 * its way to the second. */
typedef struct {
  gsize first, second;
  float share;
} Between;

static Between
find_between (gsize i, gsize n, gsize from)
{
  double at = ((double) i + 0.5) * (double) from / (double) n - 0.5;

  at = CLAMP (at, 0.0, (double) from - 1.0);
  gsize first = (gsize) at;
  return (Between){first, MIN (first + 1, from - 1), (float) (at - floor (at))};
}

static void
interpolate (const MblmResize *self, const float *from, gsize dim, gsize tile,
    float *out)
{
  Between y = find_between (tile / self->columns, self->rows, self->from_rows);
  Between x = find_between (
      tile % self->columns, self->columns, self->from_columns);
  const float *above = from + y.first * self->from_columns * dim;
  const float *below = from + y.second * self->from_columns * dim;

  for (gsize d = 0; d < dim; d++) {
    float a = above[x.first * dim + d] * (1 - x.share) +
        above[x.second * dim + d] * x.share;
    float b = below[x.first * dim + d] * (1 - x.share) +
        below[x.second * dim + d] * x.share;

    out[d] = a * (1 - y.share) + b * y.share;
  }
}

float *
mblm_resize_positions (const MblmResize *self, const float *from, gsize dim)
{
  gsize had = self->from->seq_lens[0], n = self->config->seq_lens[0];
  gsize tiles = self->columns * self->rows;
  gsize from_tiles = self->from_columns * self->from_rows;
  float *out = g_try_new (float, n *dim);

  for (gsize i = 0; out && i < n; i++) {
    gsize row;

    if (i >= self->picture)
      row = self->from_picture +
          (i - self->picture) % (had - self->from_picture);
    else /* what pads a picture, or one without tiles */
      row = MIN (from_tiles + i - MIN (i, tiles), self->from_picture - 1);
    if (i < tiles)
      interpolate (self, from, dim, i, out + i * dim);
    else
      memcpy (out + i * dim, from + row * dim, dim * sizeof *out);
  }
  return out;
}
