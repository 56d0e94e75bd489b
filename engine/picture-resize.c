/* picture-resize.c: Pillow's resampling, bit by bit.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Two passes, rows first, with 8 bits in between. (So do all versions before
 * 13, which takes some pictures column by column first, with other roundings.)
 * Each output pixel is a weighted sum of input pixels around its centre; when a
 * picture shrinks the filter widens with it. Weights are rounded to 22
 * fractional bits, sums start at one half, are shifted down and clipped
 * (mblm-math section 5.15).
 *
 * A weight has up to 24 bits and a pixel 8. Split into an upper and a lower
 * part of 11 bits, weights fit int16 as widened pixels do, and their products
 * are added in pairs by one instruction (pmaddwd), which a compiler finds by
 * itself where sums run over whole blocks. The sum of both parts is the same
 * integer.
 */

#include "config.h"

#include <math.h>
#include <string.h>

#include "mblm-error.h"
#include "picture-private.h"

#define FRACTION_BITS 22
#define LOW_BITS 11
/* Rows and kernels are padded to whole blocks of this many numbers. */
#define BLOCK 16
/* Products of the low part that an int32 can sum: 2^31 / (255 * 2^11). */
#define MAX_SUM 4096

/* One output position: the inputs first .. first + n, its weights from
 * `weights` on, zero up to a whole block. */
typedef struct {
  guint first, n;
  gsize weights;
} Span;

typedef struct {
  guint n_spans;
  Span *spans;
  gint16 *high, *low; /* weight = high * 2^LOW_BITS + low, low >= 0 */
} Kernel;

static void
kernel_clear (Kernel *self)
{
  g_clear_pointer (&self->spans, g_free);
  g_clear_pointer (&self->high, g_free);
  g_clear_pointer (&self->low, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Kernel, kernel_clear)

/* ------------------------------------------------------------------------- */
/* Weights                                                                   */
/* ------------------------------------------------------------------------- */

static double
sinc (double x)
{
  if (x == 0.0)
    return 1.0;
  x *= G_PI;
  return sin (x) / x;
}

static double
filter_value (MblmFilter filter, double x)
{
  switch (filter) {
    case MBLM_FILTER_AREA:
      return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
    case MBLM_FILTER_BILINEAR:
      x = fabs (x);
      return x < 1.0 ? 1.0 - x : 0.0;
    case MBLM_FILTER_LANCZOS:
      return x >= -3.0 && x < 3.0 ? sinc (x) * sinc (x / 3.0) : 0.0;
  }
  return 0.0;
}

static double
filter_support (MblmFilter filter)
{
  switch (filter) {
    case MBLM_FILTER_AREA:
      return 0.5;
    case MBLM_FILTER_BILINEAR:
      return 1.0;
    case MBLM_FILTER_LANCZOS:
      return 3.0;
  }
  return 0.0;
}

static gsize
round_up (gsize n, gsize block)
{
  return (n + block - 1) / block * block;
}

/* Fills the weights [n] of output position `at`, in floating point. */
static void
fill_span (Span *span, double *weights, guint at, guint from, double scale,
    double stretch, MblmFilter filter)
{
  double support = filter_support (filter) * stretch;
  double centre = (at + 0.5) * scale;
  int first = MAX ((int) (centre - support + 0.5), 0);
  int end = MIN ((int) (centre + support + 0.5), (int) from);
  double sum = 0.0;

  span->first = (guint) first;
  span->n = end > first ? (guint) (end - first) : 0;
  for (guint i = 0; i < span->n; i++) {
    weights[i] = filter_value (
        filter, ((int) i + first - centre + 0.5) * (1.0 / stretch));
    sum += weights[i];
  }
  for (guint i = 0; i < span->n; i++)
    if (sum != 0.0)
      weights[i] /= sum;
}

static void
split_weights (Kernel *self, const Span *span, const double *weights)
{
  for (guint i = 0; i < span->n; i++) {
    double scaled = weights[i] * (1 << FRACTION_BITS);
    gint32 weight = (gint32) (scaled + (scaled < 0 ? -0.5 : 0.5));
    gint32 low = weight & ((1 << LOW_BITS) - 1);

    self->low[span->weights + i] = (gint16) low;
    self->high[span->weights + i] = (gint16) ((weight - low) >> LOW_BITS);
  }
}

/* The weights for `from` inputs and `to` outputs. */
static gboolean
kernel_init (Kernel *self, guint from, guint to, MblmFilter filter)
{
  double scale = (double) from / to;
  double stretch = MAX (scale, 1.0);
  double taps = ceil (filter_support (filter) * stretch) * 2 + 1;
  gsize stride = round_up ((gsize) MIN (taps, (double) from), BLOCK);
  gsize total;

  *self = (Kernel){.n_spans = to};
  if (!g_size_checked_mul (&total, stride, to))
    return FALSE;
  self->spans = g_try_new0 (Span, to);
  self->high = g_try_new0 (gint16, total);
  self->low = g_try_new0 (gint16, total);
  g_autofree double *weights = g_try_new (double, stride);
  if (!self->spans || !self->high || !self->low || !weights)
    return FALSE;
  for (guint i = 0; i < to; i++) {
    self->spans[i].weights = i * stride;
    fill_span (&self->spans[i], weights, i, from, scale, stretch, filter);
    split_weights (self, &self->spans[i], weights);
  }
  return TRUE;
}

static inline guint8
clip (guint32 sum)
{
  gint32 value = (gint32) sum >> FRACTION_BITS;

  return (guint8) CLAMP (value, 0, 255);
}

/* ------------------------------------------------------------------------- */
/* Rows                                                                      */
/* ------------------------------------------------------------------------- */

/* x . weights over whole blocks. */
static inline guint32
dot (const gint16 *x, const gint16 *high, const gint16 *low, gsize n_blocks)
{
  guint32 sum = 0;

  for (gsize done = 0; done < n_blocks;) {
    gsize part = MIN (n_blocks - done, MAX_SUM / BLOCK);
    gint32 upper = 0, lower = 0;

    for (gsize i = 0; i < part * BLOCK; i++) {
      upper += x[i] * high[i];
      lower += x[i] * low[i];
    }
    sum += ((guint32) upper << LOW_BITS) + (guint32) lower;
    x += part * BLOCK;
    high += part * BLOCK;
    low += part * BLOCK;
    done += part;
  }
  return sum;
}

/* One row of packed RGB to three rows of int16, [3, plane]. */
static void
widen (const guint8 *row, gint16 *planes, gsize plane, guint width)
{
  for (guint x = 0; x < width; x++, row += 3) {
    planes[x] = row[0];
    planes[plane + x] = row[1];
    planes[2 * plane + x] = row[2];
  }
}

/* `planes` [3, plane], zero behind the picture's width. */
static void
resize_row (
    const Kernel *kernel, const gint16 *planes, gsize plane, guint8 *out)
{
  for (guint i = 0; i < kernel->n_spans; i++) {
    const Span *span = &kernel->spans[i];
    gsize n_blocks = round_up (span->n, BLOCK) / BLOCK;

    for (guint c = 0; c < 3; c++)
      *out++ = clip (
          dot (planes + c * plane + span->first, kernel->high + span->weights,
              kernel->low + span->weights, n_blocks) +
          (1u << (FRACTION_BITS - 1)));
  }
}

/* ------------------------------------------------------------------------- */
/* Columns                                                                   */
/* ------------------------------------------------------------------------- */

/* Columns that are summed at once; rows in between are padded to it. */
#define STRIP 32

/* rows [span->n] of `stride` bytes to out [n], n <= STRIP. */
static void
resize_strip (const guint8 *rows, gsize stride, const Span *span,
    const gint16 *high, const gint16 *low, guint8 *out, gsize n)
{
  guint32 sums[STRIP];

  for (guint j = 0; j < STRIP; j++)
    sums[j] = 1u << (FRACTION_BITS - 1);
  for (guint i = 0; i < span->n; i++, rows += stride) {
    guint32 weight = ((guint32) high[i] << LOW_BITS) + (guint32) low[i];

    for (guint j = 0; j < STRIP; j++)
      sums[j] += rows[j] * weight;
  }
  for (gsize j = 0; j < n; j++)
    out[j] = clip (sums[j]);
}

/* `middle`: the rows from `first_row` on. */
static void
resize_columns (const Kernel *kernel, const guint8 *middle, gsize stride,
    guint first_row, guint8 *out, gsize row)
{
  for (guint y = 0; y < kernel->n_spans; y++, out += row) {
    const Span *span = &kernel->spans[y];
    const guint8 *rows = middle + (gsize) (span->first - first_row) * stride;

    for (gsize x = 0; x < row; x += STRIP)
      resize_strip (rows + x, stride, span, kernel->high + span->weights,
          kernel->low + span->weights, out + x, MIN (STRIP, row - x));
  }
}

/* ------------------------------------------------------------------------- */

/* Rows [n_rows] of the picture, resized to to_width, `middle_stride` apart. */
static gboolean
resize_rows (const guint8 *rgb, gsize stride, guint width, gsize n_rows,
    guint8 *middle, gsize middle_stride, guint to_width, MblmFilter filter)
{
  g_auto (Kernel) kernel = {0};
  gsize plane = round_up (width, BLOCK) + BLOCK;

  if (width == to_width) {
    for (gsize y = 0; y < n_rows; y++)
      memcpy (middle + y * middle_stride, rgb + y * stride, (gsize) width * 3);
    return TRUE;
  }
  if (!kernel_init (&kernel, width, to_width, filter))
    return FALSE;
  g_autofree gint16 *planes = g_try_new0 (gint16, plane * 3);
  if (!planes)
    return FALSE;
  for (gsize y = 0; y < n_rows; y++) {
    widen (rgb + y * stride, planes, plane, width);
    resize_row (&kernel, planes, plane, middle + y * middle_stride);
  }
  return TRUE;
}

static gboolean
resize (const guint8 *rgb, gsize stride, guint width, guint height, guint8 *out,
    guint to_width, guint to_height, MblmFilter filter)
{
  g_auto (Kernel) kernel = {0};
  gsize row = (gsize) to_width * 3;
  gsize middle_stride = round_up (row, STRIP);
  gsize size;

  if (height == to_height)
    return resize_rows (rgb, stride, width, height, out, row, to_width, filter);

  if (!kernel_init (&kernel, height, to_height, filter))
    return FALSE;
  const Span *last = &kernel.spans[to_height - 1];
  guint first_row = kernel.spans[0].first;
  guint n_rows = last->first + last->n - first_row;
  if (!g_size_checked_mul (&size, middle_stride, n_rows))
    return FALSE;
  g_autofree guint8 *middle = g_try_malloc0 (size);
  if (!middle ||
      !resize_rows (rgb + first_row * stride, stride, width, n_rows, middle,
          middle_stride, to_width, filter))
    return FALSE;
  resize_columns (&kernel, middle, middle_stride, first_row, out, row);
  return TRUE;
}

gboolean
mblm_picture_resize (const guint8 *rgb, gsize stride, guint width, guint height,
    guint8 *out, guint to_width, guint to_height, MblmFilter filter,
    GError **error)
{
  if (resize (rgb, stride, width, height, out, to_width, to_height, filter))
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
      "no memory to resize a picture from %u x %u to %u x %u pixels", width,
      height, to_width, to_height);
  return FALSE;
}
