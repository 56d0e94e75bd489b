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

static gsize
count_tiles (const MblmImageLayout *image, gsize *columns, gsize *rows)
{
  *columns = image->width / image->tile_w;
  *rows = image->height / image->tile_h;
  return *columns * *rows;
}

/* Whether patches of the model, but for the last, are tiles of a picture. A start
 * token before it moves all by one byte, which does no harm. */
static gboolean
sees_tiles (MblmModel *model)
{
  const MblmImageLayout *image = mblm_info_get_image (model->info);
  guint n;
  const MblmSegment *sample = mblm_info_get_sample (model->info, &n);

  return image && !image->jpeg && image->order == MBLM_ORDER_TILES &&
      (gsize) image->tile_w * image->tile_h * 3 == model->stage[0].patch &&
      mblm_info_get_align (model->info) && n > 0 &&
      sample[0] == MBLM_SEGMENT_IMAGE;
}

static gsize
count_patches (MblmConfig *config, MblmInfo *info)
{
  const MblmImageLayout *image = mblm_info_get_image (info);
  gsize bytes = (gsize) image->width * image->height * 3;

  return (gsize) (mblm_sample_length (config, info, MBLM_SEGMENT_IMAGE, bytes) /
      mblm_config_get_patch (config, 0));
}

static gboolean
resize_info (MblmResize *self, MblmModel *model, const MblmModelSize *size,
    GError **error)
{
  g_autofree char *json = mblm_info_to_json (model->info);

  self->info = mblm_info_parse (
      json, strlen (json), "mblm.json", model->vocabulary, error);
  if (!self->info)
    return FALSE;
  /* They were of the other size. */
  g_clear_pointer (&self->info->figures, g_free);

  MblmImageLayout *image = &self->info->image;
  if (size->width > 0) {
    if (size->width % image->tile_w != 0 || size->height % image->tile_h != 0) {
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
          "pictures of %ux%u pixels are no whole number of tiles of %ux%u",
          size->width, size->height, image->tile_w, image->tile_h);
      return FALSE;
    }
    image->width = size->width;
    image->height = size->height;
  }
  return TRUE;
}

static gboolean
resize_config (MblmResize *self, gsize patches, GError **error)
{
  g_autoptr (MblmConfig) config = NULL;
  g_autofree char *yaml = mblm_config_to_yaml ((MblmConfig *) self->from);

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
        "picture, "
        "aligned and in tiles, one in a patch: mblm.json says otherwise");
    return NULL;
  }
  if (!resize_info (self, model, size, error))
    return NULL;
  if (tiles) {
    count_tiles (&model->info->image, &self->from_columns, &self->from_rows);
    count_tiles (&self->info->image, &self->columns, &self->rows);
    self->from_picture = count_patches (model->config, model->info);
    self->picture = count_patches (model->config, self->info);
  }
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
  float *out = g_try_new (float, n *dim);

  for (gsize i = 0; out && i < n; i++) {
    /* Behind the tiles are the end token and what was padded. */
    gsize row = i < self->picture
        ? self->from_picture - 1
        : self->from_picture + (i - self->picture) % (had - self->from_picture);

    if (i < tiles)
      interpolate (self, from, dim, i, out + i * dim);
    else
      memcpy (out + i * dim, from + row * dim, dim * sizeof *out);
  }
  return out;
}
