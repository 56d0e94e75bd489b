/* test-formats-npy.c: arrays in files.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <mblm.h>
#include <string.h>

#include "formats.h"
#include "fresh.h"
#include "npy.h"

static char *folder;

/* A file of format `version` with this header and n bytes of data. */
static char *
write_version (guint version, const char *header, const void *data, gsize n)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  gsize length = strlen (header);
  guint8 head[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', (guint8) version, 0,
      (guint8) length, (guint8) (length >> 8), (guint8) (length >> 16), 0};

  g_byte_array_append (bytes, head, version == 1 ? 10 : 12);
  g_byte_array_append (bytes, (const guint8 *) header, (guint) length);
  g_byte_array_append (bytes, data, (guint) n);
  return formats_write (folder, "x.npy", bytes->data, bytes->len);
}

#define HEADER(descr, shape)                                                   \
  "{'descr': '" descr "', 'fortran_order': False, 'shape': " shape ", }\n"

static void
test_versions (void)
{
  const gint32 ids[] = {1, -2, 300};

  for (guint version = 1; version <= 3; version++) {
    g_autofree char *path = write_version (
        version, HEADER ("<i4", "(1, 3)"), ids, 12);
    g_autoptr (GError) error = NULL;
    g_auto (MblmNpy) npy = {0};

    g_assert_true (mblm_npy_load_ids (path, &npy, &error));
    g_assert_no_error (error);
    g_assert_cmpuint (npy.n_dims, ==, 2);
    g_assert_cmpuint (npy.shape[0], ==, 1);
    g_assert_cmpuint (npy.shape[1], ==, 3);
    g_assert_cmpuint (npy.n_elements, ==, 3);
    g_assert_cmpmem (npy.data, 12, ids, 12);
  }
}

static void
test_forms (void)
{
  const gint64 wide[] = {1, G_MININT32, G_MAXINT32};
  const gint32 narrow[] = {1, G_MININT32, G_MAXINT32};
  const guint8 mask[] = {0, 1, 255};
  const char *loose = "{\"shape\":(3,),'fortran_order':False,'descr':\"<i8\"}";
  g_autoptr (GError) error = NULL;
  g_auto (MblmNpy) ids = {0};
  g_auto (MblmNpy) bytes = {0};
  g_auto (MblmNpy) empty = {0};
  g_auto (MblmNpy) single = {0};
  g_autofree char *path = write_version (1, loose, wide, 24);

  g_assert_true (mblm_npy_load_ids (path, &ids, &error));
  g_assert_cmpmem (ids.data, 12, narrow, 12);
  g_free (write_version (1, HEADER ("|b1", "(3,)"), mask, 3));
  mblm_npy_load_mask (path, &bytes, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (bytes.data, 3, "\0\1\1", 3);
  g_free (write_version (1, HEADER ("<i4", "(1, 0)"), "", 0));
  g_assert_true (mblm_npy_load_ids (path, &empty, &error));
  g_assert_cmpuint (empty.n_elements, ==, 0);
  g_assert_nonnull (empty.data);
  g_free (write_version (1, HEADER ("<f4", "()"), "\0\0\200\77", 4));
  g_assert_true (mblm_npy_load_floats (path, &single, &error));
  g_assert_cmpuint (single.n_dims, ==, 0);
  g_assert_cmpfloat (*(float *) single.data, ==, 1);
  g_assert_no_error (error);
}

static void
test_refused (void)
{
  static const struct {
    const char *header;
    gsize data;
    const char *part;
  } cases[] = {
      {"", 12, "header"},
      {"{}", 12, "header"},
      {"{'descr': '<i4'}", 12, "header"},
      {"{'descr': '<i4', 'shape': (3,)}", 12, "header"},
      {HEADER ("<i4", "(3,)") "x", 12, "header"},
      {"{'descr': '<i4', 'descr': '<i4', 'fortran_order': False, 'shape': "
       "(3,)}",
          12, "header"},
      {"{'descr': '<i4', 'fortran_order': False, 'shape': (3,), 'x': 1}", 12,
          "header"},
      {"{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (3,)}", 12,
          "header"},
      {"{'descr': '<i4', 'fortran_order': 0, 'shape': (3,)}", 12, "header"},
      {HEADER ("<i4", "(3)"), 12, "header"},
      {HEADER ("<i4", "(3"), 12, "header"},
      {HEADER ("<i4", "(-3,)"), 12, "header"},
      {HEADER ("<i4", "(3L,)"), 12, "header"},
      {HEADER ("<i4", "(1,1,1,1,1,1,1,1,3)"), 12, "at most 8"},
      {HEADER ("<i4", "(99999999999999999999,)"), 12, "header"},
      {HEADER ("<i4", "(4294967296,4294967296,2)"), 12, "too large"},
      {HEADER ("<i4", "(9223372036854775808,)"), 12, "not that of its shape"},
      {"{'descr': '<i4', 'fortran_order': True, 'shape': (1, 3)}", 12,
          "Fortran"},
      {HEADER (">i4", "(3,)"), 12, "<i4 or <i8 is wanted"},
      {HEADER ("<u4", "(3,)"), 12, "<i4 or <i8 is wanted"},
      {HEADER ("|O", "(3,)"), 12, "<i4 or <i8 is wanted"},
      {HEADER ("<i4", "(3,)"), 11, "not that of its shape"},
      {HEADER ("<i4", "(3,)"), 13, "not that of its shape"},
      {HEADER ("<i4", "(4,)"), 12, "not that of its shape"},
      {HEADER ("<i8", "(2,)"), 16, "beyond 32 bits"},
  };
  static const guint8 data[] = {
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = write_version (
        1, cases[i].header, data, cases[i].data);
    GError *error = NULL;
    MblmNpy npy;

    g_assert_false (mblm_npy_load_ids (path, &npy, &error));
    g_assert_null (npy.data);
    formats_expect (
        error, MBLM_ERROR, MBLM_ERROR_INPUT, cases[i].part, cases[i].header);
  }
  for (guint version = 0; version < 6; version += version == 0 ? 4 : 1) {
    g_autofree char *path = write_version (
        version, HEADER ("<i4", "(1,)"), data, 4);
    GError *error = NULL;
    MblmNpy npy;

    g_assert_false (mblm_npy_load_ids (path, &npy, &error));
    formats_expect (error, MBLM_ERROR, MBLM_ERROR_INPUT, "version", "version");
  }
}

static void
try_damaged (const guint8 *data, gsize n, gsize at, gpointer user_data)
{
  g_autofree char *path = formats_write (folder, "damaged", data, (gssize) n);
  GError *error = NULL;
  g_auto (MblmNpy) npy = {0};

  if (mblm_npy_load_ids (path, &npy, &error)) {
    (*(guint *) user_data)++;
    return;
  }
  g_assert_null (npy.data);
  g_assert_cmpint (error->code, ==, MBLM_ERROR_INPUT);
  g_error_free (error);
}

static void
test_damaged (void)
{
  g_autofree char *path = formats_golden ("t2/ids-7.npy");
  g_autoptr (GBytes) bytes = formats_read (path);
  gsize n;
  const guint8 *data = g_bytes_get_data (bytes, &n);
  guint taken = 0;

  formats_cut (data, n, 1, try_damaged, &taken);
  g_assert_cmpuint (taken, ==, 0);
  formats_flip (data, 128, 1, try_damaged, &taken);
  g_assert_cmpuint (taken, <, 40);
}

/* What numpy wrote is what we write. */
static void
test_golden (void)
{
  g_autofree char *ids_path = formats_golden ("t2/ids-60.npy");
  g_autofree char *logits_path = formats_golden ("t2/logits-7.npy");
  g_autofree char *mask_path = formats_golden (
      "encoder-any/attention-mask-31.npy");
  g_autofree char *out = g_build_filename (folder, "out.npy", NULL);
  g_autoptr (GError) error = NULL;
  g_auto (MblmNpy) ids = {0};
  g_auto (MblmNpy) logits = {0};
  g_auto (MblmNpy) mask = {0};

  g_assert_true (mblm_npy_load_ids (ids_path, &ids, &error));
  g_assert_true (
      mblm_npy_save_ids (out, ids.data, ids.n_dims, ids.shape, &error));
  g_autoptr (GBytes) a = formats_read (ids_path);
  g_autoptr (GBytes) b = formats_read (out);
  g_assert_true (g_bytes_equal (a, b));
  g_assert_true (mblm_npy_load_floats (logits_path, &logits, &error));
  g_assert_true (mblm_npy_save_floats (
      out, logits.data, logits.n_dims, logits.shape, &error));
  g_autoptr (GBytes) c = formats_read (logits_path);
  g_autoptr (GBytes) d = formats_read (out);
  g_assert_true (g_bytes_equal (c, d));
  g_assert_true (mblm_npy_load_mask (mask_path, &mask, &error));
  g_assert_no_error (error);

  g_assert_false (mblm_npy_save_ids (
      "/nonexistent/x.npy", ids.data, ids.n_dims, ids.shape, &error));
  formats_expect (g_steal_pointer (&error), G_FILE_ERROR, G_FILE_ERROR_NOENT,
      "can't write", "path");
  MblmNpy none;
  g_assert_false (mblm_npy_load_ids ("/nonexistent/x.npy", &none, &error));
  formats_expect (g_steal_pointer (&error), MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
      "no such file", "path");
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  folder = fresh_folder ();
  g_test_add_func ("/formats/npy/versions", test_versions);
  g_test_add_func ("/formats/npy/forms", test_forms);
  g_test_add_func ("/formats/npy/refused", test_refused);
  g_test_add_func ("/formats/npy/damaged", test_damaged);
  g_test_add_func ("/formats/npy/golden", test_golden);
  result = g_test_run ();
  fresh_remove (folder);
  return result;
}
