/* plot.c: the picture of a soak, drawn by cairo.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "plot.h"

#include <cairo-svg.h>
#include <gio/gio.h>
#include <math.h>

#include "camera.h"

#define WIDTH 960.0
#define LEFT 84.0
#define RIGHT 200.0 /* for the names of the lines */
#define TOP 64.0
#define PANEL 230.0
#define GAP 62.0
#define HEIGHT (TOP + 3 * PANEL + 2 * GAP + 44.0)
/* A line has no more points than that: of several rows the largest is drawn. */
#define POINTS 900

typedef struct {
  const char *name;
  SoakColumn column;
  double r, g, b;
} Line;

typedef enum {
  AS_DIFFERENCE, /* from the lowest of the first window; linear */
  AS_TIME,       /* as it is; logarithmic */
  AS_RATE,       /* of an interval; linear */
} Scale;

typedef struct {
  const char *title, *axis;
  Scale scale;
  const Line *lines;
  guint n_lines;
} Panel;

static const Line memory_lines[] = {
    {"resident", SOAK_RESIDENT, 0.12, 0.35, 0.70},
    {"malloc: heap", SOAK_HEAP, 0.85, 0.50, 0.10},
    {"malloc: used of it", SOAK_USED, 0.70, 0.20, 0.15},
    {"malloc: mapped", SOAK_MAPPED, 0.45, 0.45, 0.45},
};
static const Line time_lines[] = {
    {"frame late, p50", SOAK_LATENESS, 0.60, 0.80, 0.62},
    {"frame late, p95", SOAK_LATENESS + 1, 0.20, 0.62, 0.30},
    {"frame late, max", SOAK_LATENESS + 3, 0.05, 0.35, 0.12},
    {"answer after, p50", SOAK_LATENCY, 0.75, 0.65, 0.90},
    {"answer after, p95", SOAK_LATENCY + 1, 0.52, 0.32, 0.75},
    {"answer after, max", SOAK_LATENCY + 3, 0.28, 0.10, 0.45},
};
static const Line count_lines[] = {
    {"frames in", SOAK_FRAMES_IN, 0.60, 0.60, 0.60},
    {"frames out", SOAK_FRAMES_OUT, 0.12, 0.35, 0.70},
    {"frames with text", SOAK_WITH_TEXT, 0.20, 0.62, 0.30},
    {"answers", SOAK_ANSWERS, 0.52, 0.32, 0.75},
    {"frames not asked", SOAK_DROPPED, 0.80, 0.15, 0.15},
    {"scores", SOAK_SCORES, 0.85, 0.50, 0.10},
    {"continuations", SOAK_CONTINUATIONS, 0.45, 0.30, 0.15},
};

static const Panel panels[] = {
    {"Memory, against that after the warm-up", "KiB more or less",
        AS_DIFFERENCE, memory_lines, G_N_ELEMENTS (memory_lines)},
    {"Lateness of frames at the sink, and of answers after their frame",
        "ms (logarithmic)", AS_TIME, time_lines, G_N_ELEMENTS (time_lines)},
    {"Counts", "per second", AS_RATE, count_lines, G_N_ELEMENTS (count_lines)},
};

typedef struct {
  cairo_t *cr;
  const SoakResult *result;
  const SoakRows *rows;
  const Panel *panel;
  double y;                  /* top of the panel */
  double until;              /* the end of the time axis, in s */
  double low, high;          /* of the other axis */
  double base[SOAK_COLUMNS]; /* what differences are from */
} Plot;

gboolean
soak_plot_is_there (void)
{
  return TRUE;
}

/* --- numbers to places --- */

/* What came in an interval, by its length. The last one, which the end cuts off,
 * may be too short to say. */
static double
rate_at (const Plot *plot, guint row, SoakColumn column)
{
  const double *now = soak_rows_get (plot->rows, row), *before;
  double length;

  if (row == 0)
    return NAN;
  before = soak_rows_get (plot->rows, row - 1);
  length = now[SOAK_TIME] - before[SOAK_TIME];
  if (length < plot->result->options->interval / 2)
    return NAN;
  return (now[column] - before[column]) / length;
}

static double
value_at (const Plot *plot, guint row, SoakColumn column)
{
  if (plot->panel->scale == AS_RATE)
    return rate_at (plot, row, column);
  return soak_rows_get (plot->rows, row)[column] - plot->base[column];
}

static double
x_of (const Plot *plot, double seconds)
{
  return LEFT + (WIDTH - LEFT - RIGHT) * seconds / plot->until;
}

static double
y_of (const Plot *plot, double value)
{
  double share;

  value = CLAMP (value, plot->low, plot->high);
  if (plot->panel->scale == AS_TIME)
    share = log (value / plot->low) / log (plot->high / plot->low);
  else
    share = (value - plot->low) / (plot->high - plot->low);
  return plot->y + PANEL * (1.0 - share);
}

/* 1, 2 or 5 of some power of ten: about eight of them fill the range. */
static double
step_of (double range)
{
  double raw = range / 8, power = pow (10.0, floor (log10 (raw)));
  double first = raw / power;

  return power * (first <= 1 ? 1 : first <= 2 ? 2 : first <= 5 ? 5 : 10);
}

/* The extremes of what is drawn; FALSE: there is nothing. What memory was during
 * the warm-up may lie outside. */
static gboolean
find_extremes (const Plot *plot, double *low, double *high)
{
  double from = plot->panel->scale == AS_DIFFERENCE
      ? plot->result->options->warm_up
      : 0.0;

  *low = INFINITY;
  *high = -INFINITY;
  for (guint i = 0; i < plot->panel->n_lines; i++)
    for (guint row = 0; row < plot->rows->length; row++) {
      double value = value_at (plot, row, plot->panel->lines[i].column);

      if (isnan (value) || soak_rows_get (plot->rows, row)[SOAK_TIME] < from)
        continue;
      *low = MIN (*low, value);
      *high = MAX (*high, value);
    }
  return *low <= *high;
}

static void
find_range (Plot *plot)
{
  double allow = plot->result->options->allow, low, high, step;

  if (!find_extremes (plot, &low, &high))
    low = high = 0.0;
  if (plot->panel->scale == AS_TIME) {
    plot->low = pow (10.0, floor (log10 (MAX (low, 0.1))));
    plot->high = pow (10.0, ceil (log10 (MAX (high, plot->low * 1.01))));
    return;
  }
  if (plot->panel->scale == AS_RATE) {
    low = 0.0;
    high = MAX (high * 1.05, 1.0);
  } else {
    low = MIN (low, -MAX (allow, 64) * 1.5);
    high = MAX (high, MAX (allow, 64) * 1.5);
  }
  step = step_of (high - low);
  plot->low = floor (low / step) * step;
  plot->high = ceil (high / step) * step;
}

static void
find_base (Plot *plot)
{
  SoakSpan span;

  for (guint i = 0; i < SOAK_COLUMNS; i++) {
    plot->base[i] = 0.0;
    if (plot->panel->scale == AS_DIFFERENCE &&
        soak_rows_span (plot->rows, i, plot->result->options->warm_up, &span))
      plot->base[i] = span.first_lowest;
  }
}

/* --- drawing --- */

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
draw_mark (const Plot *plot, double value)
{
  cairo_t *cr = plot->cr;
  double y = y_of (plot, value);
  g_autofree char *text = g_strdup_printf ("%g", value);

  cairo_set_source_rgb (cr, 0.88, 0.88, 0.88);
  cairo_move_to (cr, LEFT, y);
  cairo_line_to (cr, WIDTH - RIGHT, y);
  cairo_stroke (cr);
  cairo_set_source_rgb (cr, 0.2, 0.2, 0.2);
  draw_text (cr, LEFT - 8, y + 4, 1.0, text);
}

static void
draw_values (const Plot *plot)
{
  cairo_t *cr = plot->cr;
  double step = step_of (plot->high - plot->low);

  if (plot->panel->scale == AS_TIME)
    for (double value = plot->low; value < plot->high * 1.01; value *= 10)
      draw_mark (plot, value);
  else
    for (guint i = 0; plot->low + i * step < plot->high + step / 2; i++)
      draw_mark (plot, plot->low + i * step);
  cairo_save (cr);
  cairo_translate (cr, 24, plot->y + PANEL / 2);
  cairo_rotate (cr, -G_PI / 2);
  draw_text (cr, 0, 0, 0.5, plot->panel->axis);
  cairo_restore (cr);
}

static void
draw_times (const Plot *plot)
{
  cairo_t *cr = plot->cr;
  gboolean minutes = plot->until > 180;
  double unit = minutes ? 60 : 1;
  double step = step_of (plot->until / unit);

  for (guint i = 0; i * step * unit <= plot->until * 1.0001; i++) {
    double x = x_of (plot, i * step * unit);
    g_autofree char *text = g_strdup_printf ("%g", i * step);

    cairo_set_source_rgb (cr, 0.88, 0.88, 0.88);
    cairo_move_to (cr, x, plot->y);
    cairo_line_to (cr, x, plot->y + PANEL);
    cairo_stroke (cr);
    cairo_set_source_rgb (cr, 0.2, 0.2, 0.2);
    draw_text (cr, x, plot->y + PANEL + 16, 0.5, text);
  }
  draw_text (cr, (LEFT + WIDTH - RIGHT) / 2, plot->y + PANEL + 32, 0.5,
      minutes ? "time (min)" : "time (s)");
}

static void
draw_line (const Plot *plot, const Line *line)
{
  cairo_t *cr = plot->cr;
  guint step = plot->rows->length / POINTS + 1;
  gboolean pen_down = FALSE;

  cairo_set_source_rgb (cr, line->r, line->g, line->b);
  cairo_set_line_width (cr, 1.4);
  for (guint row = 0; row < plot->rows->length; row += step) {
    double largest = NAN;

    for (guint i = row; i < MIN (row + step, plot->rows->length); i++) {
      double value = value_at (plot, i, line->column);

      if (!isnan (value) && !(value < largest))
        largest = value;
    }
    if (isnan (largest)) {
      pen_down = FALSE;
      continue;
    }
    double x = x_of (plot, soak_rows_get (plot->rows, row)[SOAK_TIME]);
    if (pen_down)
      cairo_line_to (cr, x, y_of (plot, largest));
    else
      cairo_move_to (cr, x, y_of (plot, largest));
    pen_down = TRUE;
  }
  cairo_stroke (cr);
}

static void
draw_names (const Plot *plot)
{
  cairo_t *cr = plot->cr;
  double y = plot->y + 12;

  for (guint i = 0; i < plot->panel->n_lines; i++) {
    const Line *line = plot->panel->lines + i;

    cairo_set_source_rgb (cr, line->r, line->g, line->b);
    cairo_set_line_width (cr, 3);
    cairo_move_to (cr, WIDTH - RIGHT + 16, y - 4);
    cairo_line_to (cr, WIDTH - RIGHT + 40, y - 4);
    cairo_stroke (cr);
    cairo_set_source_rgb (cr, 0.1, 0.1, 0.1);
    draw_text (cr, WIDTH - RIGHT + 48, y, 0.0, line->name);
    if (plot->base[line->column] > 0) {
      g_autofree char *base = g_strdup_printf (
          "0 is %.1f MiB", plot->base[line->column] / 1024);

      y += 16;
      draw_text (cr, WIDTH - RIGHT + 48, y, 0.0, base);
    }
    y += 20;
  }
}

/* Memory counts from here on. */
static void
draw_warm_up (const Plot *plot)
{
  static const double dashes[] = {4, 4};
  cairo_t *cr = plot->cr;
  double x = x_of (plot, plot->result->options->warm_up);

  if (plot->result->options->warm_up > plot->until)
    return;
  cairo_save (cr);
  cairo_set_source_rgb (cr, 0.4, 0.4, 0.4);
  cairo_set_dash (cr, dashes, G_N_ELEMENTS (dashes), 0);
  cairo_move_to (cr, x, plot->y);
  cairo_line_to (cr, x, plot->y + PANEL);
  cairo_stroke (cr);
  cairo_restore (cr);
}

/* How far the lowest rows may rise. */
static void
draw_allowed (const Plot *plot)
{
  const SoakResult *result = plot->result;
  double top, left;

  if (plot->panel->scale != AS_DIFFERENCE || !result->has_memory)
    return;
  top = y_of (plot, result->options->allow);
  left = x_of (plot, result->options->warm_up);
  cairo_set_source_rgba (plot->cr, 0.12, 0.35, 0.70, 0.10);
  cairo_rectangle (
      plot->cr, left, top, WIDTH - RIGHT - left, y_of (plot, 0.0) - top);
  cairo_fill (plot->cr);
}

static void
draw_panel (Plot *plot)
{
  cairo_t *cr = plot->cr;

  find_base (plot);
  find_range (plot);
  cairo_set_line_width (cr, 1);
  draw_values (plot);
  draw_times (plot);
  draw_warm_up (plot);
  draw_allowed (plot);
  for (guint i = 0; i < plot->panel->n_lines; i++)
    draw_line (plot, plot->panel->lines + i);
  cairo_set_source_rgb (cr, 0.3, 0.3, 0.3);
  cairo_set_line_width (cr, 1);
  cairo_rectangle (cr, LEFT, plot->y, WIDTH - LEFT - RIGHT, PANEL);
  cairo_stroke (cr);
  draw_names (plot);
  cairo_set_source_rgb (cr, 0.1, 0.1, 0.1);
  cairo_set_font_size (cr, 13);
  draw_text (cr, LEFT, plot->y - 8, 0.0, plot->panel->title);
  cairo_set_font_size (cr, 12);
}

static void
draw_title (cairo_t *cr, const SoakResult *result)
{
  g_autofree char *parts = soak_options_list_parts (result->options);
  g_autofree char *model = soak_options_base_name (result->options->model);
  g_autofree char *text = g_strdup_printf (
      "A live pipeline (%s): %d x %d at %d frames a second, model %s", parts,
      SOAK_WIDTH, SOAK_HEIGHT, result->options->fps, model);

  cairo_set_source_rgb (cr, 0.1, 0.1, 0.1);
  cairo_set_font_size (cr, 16);
  draw_text (cr, LEFT, 28, 0.0, text);
  cairo_set_font_size (cr, 12);
}

gboolean
soak_plot (const SoakResult *result, const char *path, GError **error)
{
  cairo_surface_t *surface = cairo_svg_surface_create (path, WIDTH, HEIGHT);
  cairo_t *cr = cairo_create (surface);
  guint n = result->rows->length;
  cairo_status_t status;

  cairo_set_source_rgb (cr, 1, 1, 1);
  cairo_paint (cr);
  cairo_select_font_face (
      cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
  draw_title (cr, result);
  for (guint i = 0; i < G_N_ELEMENTS (panels); i++) {
    Plot plot = {
        .cr = cr, .result = result, .rows = result->rows, .panel = panels + i};

    plot.y = TOP + i * (PANEL + GAP);
    plot.until = n > 0 ? soak_rows_get (result->rows, n - 1)[SOAK_TIME] : 1.0;
    plot.until = MAX (plot.until, 1.0);
    draw_panel (&plot);
  }
  cairo_destroy (cr);
  cairo_surface_finish (surface);
  status = cairo_surface_status (surface);
  cairo_surface_destroy (surface);
  if (status != CAIRO_STATUS_SUCCESS)
    g_set_error_literal (
        error, G_IO_ERROR, G_IO_ERROR_FAILED, cairo_status_to_string (status));
  return status == CAIRO_STATUS_SUCCESS;
}
