/* loss-plot.c: the losses of a run as a picture, drawn by cairo.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "loss-plot.h"

#include <cairo-svg.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "atomic-file.h"
#include "mblm-error.h"
#include "read-file.h"

#define WIDTH 960.0
#define HEIGHT 480.0
#define LEFT 72.0
#define RIGHT 24.0
#define TOP 56.0
#define BOTTOM 56.0
/* A line has no more points than that: each is the mean of several rows. */
#define POINTS 900
/* Rows that the smoothed line averages over: a fiftieth of all. */
#define SMOOTHING 50
/* Marks of an axis at most. */
#define MARKS 32
/* What an axis covers at least, of its largest number. */
#define LEAST_SHARE 1e-9
/* No number of a run is beyond it; their differences stay finite. */
#define MAX_NUMBER 1e300
#define MAX_CSV ((gsize) 1 << 30)

typedef struct {
  double x; /* batches over all epochs */
  double y; /* bits per byte */
} Point;

typedef struct {
  cairo_t *cr;
  GArray *train, *valid; /* of Point */
  double x_low, x_high, y_low, y_high;
} Plot;

/* ------------------------------------------------------------------------- */
/* Points                                                                    */
/* ------------------------------------------------------------------------- */

/* One line of loss.csv; others than losses of batches and validations, and those
 * that are not finite or beyond MAX_NUMBER, are passed over. */
static void
read_row (Plot *self, const char *line)
{
  g_auto (GStrv) fields = g_strsplit (line, ",", 9);
  GArray *to;
  Point point;

  if (g_strv_length (fields) != 9)
    return;
  if (g_str_equal (fields[3], "train"))
    to = self->train;
  else if (g_str_equal (fields[3], "valid"))
    to = self->valid;
  else
    return;
  point.x = g_ascii_strtod (fields[6], NULL);
  point.y = g_ascii_strtod (fields[7], NULL) / G_LN2;
  if (fabs (point.x) <= MAX_NUMBER && fabs (point.y) <= MAX_NUMBER)
    g_array_append_val (to, point);
}

static gboolean
read_rows (Plot *self, const char *csv, GError **error)
{
  gsize length;
  g_autofree char *text = mblm_read_file (csv, MAX_CSV, &length, error);
  char *line = text, *end;

  if (text == NULL)
    return FALSE;
  for (; (end = strchr (line, '\n')) != NULL; line = end + 1) {
    *end = '\0';
    read_row (self, line);
  }
  if (self->train->len + self->valid->len > 1)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: there are no losses to draw yet", csv);
  return FALSE;
}

static Point
get_point (GArray *points, guint i)
{
  return g_array_index (points, Point, i);
}

/* An average that follows the points, forgetting what is far behind. */
static GArray *
smooth (GArray *points)
{
  GArray *out = g_array_new (FALSE, FALSE, sizeof (Point));
  double share = 1 / (1 + (double) points->len / SMOOTHING);
  double mean = 0, weight = 0;

  for (guint i = 0; i < points->len; i++) {
    Point point = get_point (points, i);

    /* divided by the weight, the first points count in full */
    mean += share * (point.y - mean);
    weight += share * (1 - weight);
    point.y = mean / weight;
    g_array_append_val (out, point);
  }
  return out;
}

/* At most POINTS points, each the mean of as many rows. */
static GArray *
thin (GArray *points)
{
  GArray *out = g_array_new (FALSE, FALSE, sizeof (Point));
  guint step = points->len / POINTS + 1;

  for (guint i = 0; i < points->len; i += step) {
    Point mean = {0, 0};
    guint n = MIN (step, points->len - i);

    for (guint k = 0; k < n; k++) {
      mean.x += get_point (points, i + k).x / n;
      mean.y += get_point (points, i + k).y / n;
    }
    g_array_append_val (out, mean);
  }
  return out;
}

/* ------------------------------------------------------------------------- */
/* Axes                                                                      */
/* ------------------------------------------------------------------------- */

/* 1, 2 or 5 of some power of ten: about eight of them fill the range. */
static double
step_of (double range)
{
  double raw = range / 8, power = pow (10.0, floor (log10 (raw)));
  double first = raw / power;

  return power * (first <= 1 ? 1 : first <= 2 ? 2 : first <= 5 ? 5 : 10);
}

static void
extend (Plot *self, GArray *points)
{
  for (guint i = 0; i < points->len; i++) {
    Point point = get_point (points, i);

    self->x_low = MIN (self->x_low, point.x);
    self->x_high = MAX (self->x_high, point.x);
    self->y_low = MIN (self->y_low, point.y);
    self->y_high = MAX (self->y_high, point.y);
  }
}

static void
find_range (Plot *self)
{
  double step;

  self->x_low = self->y_low = INFINITY;
  self->x_high = self->y_high = -INFINITY;
  extend (self, self->train);
  extend (self, self->valid);
  if (self->x_high <= self->x_low)
    self->x_high = self->x_low + MAX (1, fabs (self->x_low) * LEAST_SHARE);
  step = step_of (MAX (self->y_high - self->y_low, 0.01));
  self->y_low = floor (self->y_low / step) * step;
  self->y_high = ceil (self->y_high / step) * step;
  if (self->y_high <= self->y_low)
    self->y_high = self->y_low + MAX (step, fabs (self->y_low) * LEAST_SHARE);
}

static double
x_of (const Plot *self, double x)
{
  return LEFT +
      (WIDTH - LEFT - RIGHT) * (x - self->x_low) / (self->x_high - self->x_low);
}

static double
y_of (const Plot *self, double y)
{
  return HEIGHT - BOTTOM -
      (HEIGHT - TOP - BOTTOM) * (y - self->y_low) /
      (self->y_high - self->y_low);
}

/* Text of which the point is the left end (0), the middle (0.5) or the right end
 * (1) of the base line. */
static void
draw_text (cairo_t *cr, double x, double y, double align, const char *text)
{
  cairo_text_extents_t extents;

  cairo_text_extents (cr, text, &extents);
  cairo_move_to (cr, x - align * extents.x_advance, y);
  cairo_show_text (cr, text);
}

static void
draw_mark (cairo_t *cr, double x0, double y0, double x1, double y1)
{
  cairo_set_source_rgb (cr, 0.88, 0.88, 0.88);
  cairo_move_to (cr, x0, y0);
  cairo_line_to (cr, x1, y1);
  cairo_stroke (cr);
  cairo_set_source_rgb (cr, 0.2, 0.2, 0.2);
}

/* Marks of an axis, which may have none: between numbers that are large and close
 * together a step would be lost in rounding. */
static guint
count_marks (double first, double step, double low, double high)
{
  guint n = 0;

  if (step < 4 * DBL_EPSILON * MAX (fabs (low), fabs (high)))
    return 0;
  while (n < MARKS && (first + n) * step <= high)
    n++;
  return n;
}

static void
draw_axes (const Plot *self)
{
  cairo_t *cr = self->cr;
  double x_step = step_of (self->x_high - self->x_low);
  double y_step = step_of (self->y_high - self->y_low);
  double x_first = ceil (self->x_low / x_step);
  double y_first = round (self->y_low / y_step);
  guint x_marks = count_marks (x_first, x_step, self->x_low, self->x_high);
  guint y_marks = count_marks (
      y_first, y_step, self->y_low, self->y_high + y_step / 2);

  for (guint i = 0; i < x_marks; i++) {
    double number = (x_first + i) * x_step, x = x_of (self, number);
    g_autofree char *text = g_strdup_printf ("%.12g", number);

    draw_mark (cr, x, TOP, x, HEIGHT - BOTTOM);
    draw_text (cr, x, HEIGHT - BOTTOM + 18, 0.5, text);
  }
  for (guint i = 0; i < y_marks; i++) {
    double number = (y_first + i) * y_step, y = y_of (self, number);
    g_autofree char *text = g_strdup_printf ("%.6g", number);

    draw_mark (cr, LEFT, y, WIDTH - RIGHT, y);
    draw_text (cr, LEFT - 8, y + 4, 1.0, text);
  }
  draw_text (
      cr, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 40, 0.5, "batches");
  cairo_save (cr);
  cairo_translate (cr, 20, (TOP + HEIGHT - BOTTOM) / 2);
  cairo_rotate (cr, -G_PI / 2);
  draw_text (cr, 0, 0, 0.5, "loss (bits per byte)");
  cairo_restore (cr);
}

/* ------------------------------------------------------------------------- */
/* Lines                                                                     */
/* ------------------------------------------------------------------------- */

static void
draw_line (const Plot *self, GArray *points, double width)
{
  g_autoptr (GArray) thinned = thin (points);

  cairo_new_path (self->cr);
  cairo_set_line_width (self->cr, width);
  for (guint i = 0; i < thinned->len; i++) {
    Point point = get_point (thinned, i);

    cairo_line_to (self->cr, x_of (self, point.x), y_of (self, point.y));
  }
  cairo_stroke (self->cr);
}

static void
draw_points (const Plot *self, GArray *points)
{
  for (guint i = 0; i < points->len; i++) {
    Point point = get_point (points, i);

    cairo_arc (
        self->cr, x_of (self, point.x), y_of (self, point.y), 2.5, 0, 2 * G_PI);
    cairo_fill (self->cr);
  }
}

static void
draw_name (const Plot *self, double x, const char *name)
{
  cairo_t *cr = self->cr;

  cairo_set_line_width (cr, 3);
  cairo_move_to (cr, x, TOP - 14);
  cairo_line_to (cr, x + 24, TOP - 14);
  cairo_stroke (cr);
  cairo_set_source_rgb (cr, 0.1, 0.1, 0.1);
  draw_text (cr, x + 32, TOP - 10, 0, name);
}

static void
draw (const Plot *self, const char *title)
{
  cairo_t *cr = self->cr;
  g_autoptr (GArray) smoothed = smooth (self->train);

  cairo_select_font_face (
      cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_source_rgb (cr, 1, 1, 1);
  cairo_paint (cr);
  cairo_set_line_width (cr, 1);
  cairo_set_font_size (cr, 12);
  draw_axes (self);
  cairo_set_source_rgb (cr, 0.72, 0.80, 0.92);
  draw_line (self, self->train, 1);
  draw_name (self, LEFT, "batch");
  cairo_set_source_rgb (cr, 0.12, 0.35, 0.70);
  draw_line (self, smoothed, 2);
  draw_name (self, LEFT + 120, "batches, smoothed");
  cairo_set_source_rgb (cr, 0.80, 0.30, 0.10);
  draw_line (self, self->valid, 1);
  draw_points (self, self->valid);
  draw_name (self, LEFT + 320, "validation");
  cairo_set_font_size (cr, 15);
  draw_text (cr, LEFT, 26, 0, title);
}

static cairo_status_t
append (void *data, const unsigned char *bytes, unsigned int n)
{
  g_string_append_len (data, (const char *) bytes, n);
  return CAIRO_STATUS_SUCCESS;
}

static GString *
render (Plot *self, const char *title)
{
  GString *out = g_string_new (NULL);
  cairo_surface_t *surface = cairo_svg_surface_create_for_stream (
      append, out, WIDTH, HEIGHT);

  self->cr = cairo_create (surface);
  draw (self, title);
  cairo_destroy (self->cr);
  cairo_surface_finish (surface);
  cairo_surface_destroy (surface);
  return out;
}

gboolean
mblm_loss_plot (
    const char *csv, const char *svg, const char *title, GError **error)
{
  g_autoptr (GArray) train = g_array_new (FALSE, FALSE, sizeof (Point));
  g_autoptr (GArray) valid = g_array_new (FALSE, FALSE, sizeof (Point));
  Plot plot = {.train = train, .valid = valid};
  GString *text;
  gboolean ok;

  if (!read_rows (&plot, csv, error))
    return FALSE;
  find_range (&plot);
  text = render (&plot, title);
  ok = mblm_atomic_file_save (svg, text->str, text->len, error);
  g_string_free (text, TRUE);
  return ok;
}
