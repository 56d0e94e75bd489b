/* test-loss-plot.c: the losses of a run as a picture.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <loss-plot.h>
#include <mblm.h>
#include <string.h>

#include "formats.h"
#include "fresh.h"

#define HEADER                                                                 \
  "gpu_rank,timestamp,elements_seen,kind,epoch,batch,cum_batch,loss,lr,"       \
  "avg_grad,avg_grad_clipped\n"

static char *
write_csv (const char *folder, guint n_train, guint n_valid)
{
  GString *text = g_string_new (HEADER);
  char *path;

  for (guint i = 0; i < n_train; i++)
    g_string_append_printf (
        text, "0,now,1,train,0,%u,%u,%g,1e-3,1,1\n", i, i, 5.0 / (i + 1));
  for (guint i = 0; i < n_valid; i++)
    g_string_append_printf (
        text, "0,now,1,valid,0,%u,%u,%g,-1,-1,-1\n", i, i, 4.0 / (i + 1));
  /* neither of these is drawn */
  g_string_append (text,
      "0,now,1,train,0,1,1,nan,1e-3,1,1\nshort,row\n"
      "0,now,-1,test,-1,-1,-1,1.5,-1,-1,-1\n");
  path = formats_write (folder, "loss.csv", text->str, -1);
  g_string_free (text, TRUE);
  return path;
}

/* Well-formed XML, with every number in it finite. */
static void
check_svg (const char *path)
{
  static const GMarkupParser nothing = {NULL};
  g_autoptr (GMarkupParseContext)
      context = g_markup_parse_context_new (&nothing, 0, NULL, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  gsize size;

  g_file_get_contents (path, &text, &size, &error);
  g_assert_no_error (error);
  g_markup_parse_context_parse (context, text, (gssize) size, &error);
  g_assert_no_error (error);
  g_markup_parse_context_end_parse (context, &error);
  g_assert_no_error (error);
  g_assert_nonnull (strstr (text, "<svg"));
  g_assert_null (strstr (text, "nan"));
  g_assert_null (strstr (text, "inf"));
}

static void
test_drawn (void)
{
  static const struct {
    guint train, valid;
  } cases[] = {{2, 0}, {0, 2}, {1, 1}, {50, 5}, {5000, 100}};

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *folder = fresh_folder ();
    g_autofree char *csv = write_csv (folder, cases[i].train, cases[i].valid);
    g_autofree char *svg = g_build_filename (folder, "loss.svg", NULL);
    g_autoptr (GError) error = NULL;

    g_assert_true (mblm_loss_plot (csv, svg, "a <b> & \"c\"", &error));
    g_assert_no_error (error);
    check_svg (svg);
    fresh_remove (g_steal_pointer (&folder));
  }
}

/* Numbers that no run has: the picture is poor, but it comes to an end. */
static void
test_far (void)
{
  static const char *const rows[][2] = {{"1e18,3", "1e18,3"},
      {"9007199254740993,1", "9007199254740999,2"}, {"1,1e299", "2,1e299"},
      {"-1e300,-1e299", "1e300,1e299"}, {"1,1e15", "2,1000000000000001"},
      {"0,1e-300", "1e-300,2e-300"}, {"1,1e308", "2,2"}};

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *folder = fresh_folder ();
    g_autofree char *text = g_strdup_printf (HEADER
        "0,now,1,train,0,1,%s,1e-3,1,1\n"
        "0,now,1,valid,0,1,%s,1e-3,1,1\n"
        "0,now,1,valid,0,1,5,2,1e-3,1,1\n",
        rows[i][0], rows[i][1]);
    g_autofree char *csv = formats_write (folder, "loss.csv", text, -1);
    g_autofree char *svg = g_build_filename (folder, "loss.svg", NULL);
    g_autoptr (GError) error = NULL;

    g_assert_true (mblm_loss_plot (csv, svg, "far", &error));
    g_assert_no_error (error);
    check_svg (svg);
    fresh_remove (g_steal_pointer (&folder));
  }
}

static void
test_nothing (void)
{
  g_autofree char *folder = fresh_folder ();
  g_autofree char *csv = write_csv (folder, 1, 0);
  g_autofree char *svg = g_build_filename (folder, "loss.svg", NULL);
  g_autofree char *none = g_build_filename (folder, "none.csv", NULL);
  GError *error = NULL;

  g_assert_false (mblm_loss_plot (csv, svg, "x", &error));
  formats_expect (error, MBLM_ERROR, MBLM_ERROR_INPUT, "no losses", "one row");
  error = NULL;
  g_assert_false (mblm_loss_plot (none, svg, "x", &error));
  formats_expect (
      error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND, "none.csv", "no file");
  g_assert_false (g_file_test (svg, G_FILE_TEST_EXISTS));
  fresh_remove (g_steal_pointer (&folder));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/loss-plot/drawn", test_drawn);
  g_test_add_func ("/loss-plot/far", test_far);
  g_test_add_func ("/loss-plot/nothing", test_nothing);
  return g_test_run ();
}
