/* report.c: a page about an examination, for a person to look at.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "report.h"

#include <glib/gi18n.h>

#include "new-folder.h"

/* Wrong answers that are shown. */
#define MAX_SHOWN 100
/* Pixels that small pictures are shown as wide as. */
#define SHOWN_WIDTH 192
/* Rows and columns of a table at most, of what is true and what was said. */
#define MAX_ANSWERS 64

struct _Report {
  MblmNewFolder *folder;
  GString *wrong; /* HTML */
  guint shown;
};

Report *
report_new (const char *path, GError **error)
{
  MblmNewFolder *folder = mblm_new_folder_new (path, error);

  if (!folder)
    return NULL;
  Report *self = g_new0 (Report, 1);
  self->folder = folder;
  self->wrong = g_string_new (NULL);
  return self;
}

void
report_free (Report *self)
{
  mblm_new_folder_free (self->folder);
  g_string_free (self->wrong, TRUE);
  g_free (self);
}

/* What isn't UTF-8 shows as what stands for it. */
static char *
to_html (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text ? text : "", -1);

  return g_markup_escape_text (valid, -1);
}

gboolean
report_add (
    Report *self, const MblmQuizItem *item, const char *answer, GError **error)
{
  g_autofree char *name = g_strdup_printf ("%03u.png", self->shown);
  g_autofree char *question = to_html (item->question);
  g_autofree char *truth = to_html (item->answer);
  g_autofree char *said = to_html (answer);
  gsize size;

  if (self->shown >= MAX_SHOWN)
    return TRUE;
  self->shown++;
  g_autoptr (GBytes) png = mblm_picture_to_png (item->picture, error);
  if (!png)
    return FALSE;
  const void *data = g_bytes_get_data (png, &size);
  g_string_append_printf (self->wrong,
      "<figure><img src=\"%s\" alt=\"\"><figcaption>%s<br><s>%s</s> "
      "<b>%s</b></figcaption></figure>\n",
      name, question, said, truth);
  return mblm_new_folder_write (self->folder, name, data, size, error);
}

/* ------------------------------------------------------------------------- */
/* The page                                                                  */
/* ------------------------------------------------------------------------- */

static void
add_row (GString *page, Tally *tally, const char *type)
{
  TallyCounts counts = tally_get (tally, type);
  g_autofree char *name = to_html (type ? type : "all");
  double low, high, n = (double) counts.n / 100.0;

  tally_interval (counts.right, counts.n, &low, &high);
  g_string_append_printf (page,
      "<tr><th>%s<td>%" G_GUINT64_FORMAT
      "<td>%.1f<td>%.1f \342\200\223 %.1f<td>%.1f<td>%.1f\n",
      name, counts.n, (double) counts.right / n, 100.0 * low, 100.0 * high,
      (double) counts.frequent / n, (double) counts.blind / n);
}

static void
add_rates (GString *page, Tally *tally, const char *const *types)
{
  g_string_append_printf (page,
      "<table>\n<tr><th>%s<th>%s<th>%s<th>%s<th>%s<th>%s\n", _ ("type"),
      _ ("asked"), _ ("right"), _ ("interval"), _ ("often"), _ ("blind"));
  for (guint i = 0; types[i]; i++)
    add_row (page, tally, types[i]);
  add_row (page, tally, NULL);
  g_string_append (page, "</table>\n");
}

/* A row for each true answer, a column for each that was given: the darker, the
 * larger the share of the row. */
static void
add_confusions (GString *page, Tally *tally, const char *type)
{
  g_autofree const char **truths = tally_get_truths (tally, type);
  g_autofree const char **said = tally_get_said (tally, type, NULL);
  g_autofree char *name = to_html (type);

  g_string_append_printf (page, "<h3>%s</h3>\n", name);
  if (g_strv_length ((char **) truths) > MAX_ANSWERS ||
      g_strv_length ((char **) said) > MAX_ANSWERS) {
    g_string_append_printf (
        page, "<p>%s\n", _ ("Too many different answers for a table."));
    return;
  }
  g_string_append (page, "<table>\n<tr><th>");
  for (guint j = 0; said[j]; j++) {
    g_autofree char *answer = to_html (said[j]);
    g_string_append_printf (page, "<th>%s", answer);
  }
  for (guint i = 0; truths[i]; i++) {
    g_autofree char *truth = to_html (truths[i]);
    guint64 sum = 0;

    for (guint j = 0; said[j]; j++)
      sum += tally_count (tally, type, truths[i], said[j]);
    g_string_append_printf (page, "\n<tr><th>%s", truth);
    for (guint j = 0; said[j]; j++) {
      guint64 n = tally_count (tally, type, truths[i], said[j]);
      const char *color = g_str_equal (truths[i], said[j]) ? "0, 128, 0"
                                                           : "192, 0, 0";

      if (n == 0)
        g_string_append (page, "<td>");
      else
        g_string_append_printf (page,
            "<td style=\"background: rgba(%s, %u%%)\">%" G_GUINT64_FORMAT,
            color, 10 + (guint) (60 * n / sum), n);
    }
  }
  g_string_append (page, "\n</table>\n");
}

gboolean
report_end (Report *self, Tally *tally, const char *title, GError **error)
{
  g_autofree const char **types = tally_get_types (tally);
  g_autofree char *name = to_html (title);
  g_autoptr (GString) page = g_string_new (NULL);

  g_string_append_printf (page,
      "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>%s</title>\n"
      "<style>body { font: small sans-serif } table { border-collapse: "
      "collapse } td, th { padding: .2em .6em; text-align: right }\n"
      "figure { display: inline-block; width: %upx; margin: 8px; "
      "vertical-align: top } img { width: %upx; image-rendering: pixelated }"
      "</style>\n<h1>%s</h1>\n",
      name, SHOWN_WIDTH, SHOWN_WIDTH, name);
  add_rates (page, tally, types);
  g_string_append_printf (page, "<h2>%s</h2>\n",
      _ ("What is true (rows), and what was said (columns)"));
  for (guint i = 0; types[i]; i++)
    add_confusions (page, tally, types[i]);
  g_string_append_printf (
      page, "<h2>%s</h2>\n%s", _ ("The first wrong answers"), self->wrong->str);
  return mblm_new_folder_write (
             self->folder, "index.html", page->str, page->len, error) &&
      mblm_new_folder_commit (self->folder, error);
}
