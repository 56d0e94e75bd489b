/* test-formats-safetensors.c: weights in files, and JSON under them.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <mblm.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats.h"
#include "fresh.h"
#include "json.h"
#include "safetensors-private.h"

/* A file of this header (padded by nothing) and n bytes of data. */
static char *
write_file (const char *folder, const char *header, gsize n)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint64 length = GUINT64_TO_LE (strlen (header));

  g_byte_array_append (bytes, (const guint8 *) &length, 8);
  g_byte_array_append (bytes, (const guint8 *) header, (guint) strlen (header));
  for (gsize i = 0; i < n; i++)
    g_byte_array_append (bytes, (const guint8[]){(guint8) i}, 1);
  return formats_write (folder, "x.safetensors", bytes->data, bytes->len);
}

static void
test_good (void)
{
  g_autofree char *folder = fresh_folder ();
  g_autofree char *path = write_file (folder,
      "{\"__metadata__\":{\"format\":\"pt\"},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[4,12]},"
      "\"empty\":{\"dtype\":\"F16\",\"shape\":[0,7],\"data_offsets\":[4,4]},"
      "\"half\":{\"data_offsets\":[0,2],\"dtype\":\"F16\",\"shape\":[]},"
      "\"brain \\u20ac\":{\"dtype\":\"BF16\",\"shape\":[1],"
      "\"data_offsets\":[2,4]}}   ",
      12);
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmTensorFile) file = mblm_tensor_file_open (path, &error);
  float out[2];

  g_assert_no_error (error);
  g_assert_cmpuint (mblm_tensor_file_get_n_entries (file), ==, 4);
  g_assert_cmpstr (mblm_tensor_file_get_entry (file, 0)->name, ==, "half");
  g_assert_null (mblm_tensor_file_lookup (file, "none"));

  const MblmTensorEntry *half = mblm_tensor_file_lookup (file, "half");
  g_assert_true (mblm_tensor_file_read (file, half, 0, 1, out, &error));
  g_assert_cmpfloat (out[0], ==, mblm_float_from_f16 (0x0100));
  const MblmTensorEntry *brain = mblm_tensor_file_lookup (
      file, "brain \342\202\254");
  g_assert_true (mblm_tensor_file_read (file, brain, 0, 1, out, &error));
  g_assert_cmpfloat (out[0], ==, mblm_float_from_bf16 (0x0302));
  const MblmTensorEntry *b = mblm_tensor_file_lookup (file, "b");
  g_assert_cmpuint (b->n_dims, ==, 2);
  g_assert_cmpuint (b->n_elements, ==, 2);
  g_assert_true (mblm_tensor_file_read (file, b, 1, 1, out, &error));
  guint32 bits;
  memcpy (&bits, out, 4);
  g_assert_cmphex (bits, ==, 0x0b0a0908);
  const MblmTensorEntry *empty = mblm_tensor_file_lookup (file, "empty");
  g_assert_cmpuint (empty->n_elements, ==, 0);
  g_assert_true (mblm_tensor_file_read (file, empty, 0, 0, out, &error));
  fresh_remove (g_steal_pointer (&folder));
}

#define T(body) "{\"t\":{" body "}}"
#define F32 "\"dtype\":\"F32\","
#define TWO "\"data_offsets\":[0,8]"

static void
test_refused (void)
{
  static const struct {
    const char *header;
    gsize data;
    const char *part;
  } cases[] = {
      {"", 0, "does not begin with {"},
      {" {}", 0, "does not begin with {"},
      {"[]", 0, "does not begin with {"},
      {"{", 0, "not valid"},
      {"{}x", 0, "behind the end"},
      {"{}{}", 0, "behind the end"},
      {"{}", 1, "1 bytes behind the last tensor"},
      {"{\"t\":3}", 0, "not valid"},
      {"{\"t\":null}", 0, "not valid"},
      {T (""), 0, "are missing"},
      {T (F32 "\"shape\":[2]"), 8, "are missing"},
      {T (F32 TWO), 8, "are missing"},
      {T ("\"shape\":[2]," TWO), 8, "are missing"},
      {T (F32 "\"shape\":[2]," TWO ",\"x\":1"), 8, "it can't have the key"},
      {T (F32 F32 "\"shape\":[2]," TWO), 8, "it has twice the key"},
      {T (F32 "\"shape\":[2],\"data_offsets\":[0]"), 8, "are missing"},
      {T (F32 "\"shape\":[2],\"data_offsets\":[0,8,9]"), 8, "more than 2"},
      {T (F32 "\"shape\":[2],\"data_offsets\":[8,0]"), 8, "span -8 bytes"},
      {T (F32 "\"shape\":[2],\"data_offsets\":[0,7]"), 7, "span 7 bytes"},
      {T (F32 "\"shape\":[3]," TWO), 8, "ask for 12"},
      {T (F32 "\"shape\":[2]," TWO), 7, "truncated"},
      {T (F32 "\"shape\":[2],\"data_offsets\":[4,12]"), 12, "a hole before"},
      {T (F32 "\"shape\":[2]," TWO), 9, "behind the last tensor"},
      {T (F32 "\"shape\":[-2]," TWO), 8, "whole number"},
      {T (F32 "\"shape\":[2.0]," TWO), 8, "whole number"},
      {T (F32 "\"shape\":[2e0]," TWO), 8, "whole number"},
      {T (F32 "\"shape\":[99999999999999999999]," TWO), 8, "whole number"},
      {T (F32 "\"shape\":[\"2\"]," TWO), 8, "not valid"},
      {T (F32 "\"shape\":[4611686018427387905]," TWO), 8, "too large"},
      {T (F32 "\"shape\":[4294967296,4294967296]," TWO), 8, "too large"},
      {T (F32 "\"shape\":[1,1,1,1,1,1,1,1,1]," TWO), 8, "more than 8"},
      {T ("\"dtype\":\"I64\",\"shape\":[1]," TWO), 8, "dtype is \"I64\""},
      {T ("\"dtype\":\"f32\",\"shape\":[2]," TWO), 8, "F32, BF16 and F16"},
      {T ("\"dtype\":32,\"shape\":[2]," TWO), 8, "not valid"},
      {"{\"\":{" F32 "\"shape\":[2]," TWO "}}", 8, "from 1 to 512"},
      {"{\"a\":{" F32 "\"shape\":[2]," TWO "},\"a\":{" F32
       "\"shape\":[2],\"data_offsets\":[8,16]}}",
          16, "is there twice"},
      {"{\"a\":{" F32 "\"shape\":[2]," TWO "},\"\\u0061\":{" F32
       "\"shape\":[2],\"data_offsets\":[8,16]}}",
          16, "is there twice"},
      {"{\"a\":{" F32 "\"shape\":[2]," TWO "},\"b\":{" F32
       "\"shape\":[2],\"data_offsets\":[4,12]}}",
          12, "overlaps"},
      {"{\"a\":{" F32 "\"shape\":[2]," TWO "},\"b\":{" F32
       "\"shape\":[2],\"data_offsets\":[0,8]}}",
          8, "overlaps"},
      {"{\"a\":{" F32 "\"shape\":[2]," TWO "},\"b\":{" F32
       "\"shape\":[2],\"data_offsets\":[12,20]}}",
          20, "a hole before"},
      {T (F32 "\"shape\":[0],\"data_offsets\":[18446744073709551615,"
              "18446744073709551615]"),
          0, "a hole before"},
      {"{\"__metadata__\":{\"a\":1}}", 0, "not valid"},
      {"{\"__metadata__\":3}", 0, "not valid"},
      {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "is there twice"},
      {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "is there twice"},
      {"{\"t\\u0000\":{" F32 "\"shape\":[2]," TWO "}}", 8, "a NUL"},
      {"{\"t\\ud800\":{" F32 "\"shape\":[2]," TWO "}}", 8, "surrogate"},
      {"{\"t\377\":{" F32 "\"shape\":[2]," TWO "}}", 8, "not UTF-8"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *folder = fresh_folder ();
    g_autofree char *path = write_file (folder, cases[i].header, cases[i].data);
    GError *error = NULL;
    g_autoptr (MblmTensorFile) file = mblm_tensor_file_open (path, &error);

    formats_expect (
        error, MBLM_ERROR, MBLM_ERROR_WEIGHTS, cases[i].part, cases[i].header);
    g_assert_null (file);
    fresh_remove (g_steal_pointer (&folder));
  }
}

static void
refuse_bytes (const char *folder, const void *data, gsize n, const char *part)
{
  g_autofree char *path = formats_write (folder, "y", data, (gssize) n);
  GError *error = NULL;
  MblmTensorFile *file = mblm_tensor_file_open (path, &error);

  formats_expect (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS, part, part);
  g_assert_null (file);
}

static void
test_lengths (void)
{
  g_autofree char *folder = fresh_folder ();
  guint8 bytes[16] = {0};
  guint64 length;
  GError *error = NULL;

  refuse_bytes (folder, bytes, 0, "shorter than any");
  refuse_bytes (folder, bytes, 7, "shorter than any");
  refuse_bytes (folder, bytes, 8, "does not begin");
  length = GUINT64_TO_LE (9);
  memcpy (bytes, &length, 8);
  refuse_bytes (folder, bytes, 16, "ends in its header");
  length = GUINT64_TO_LE (100000001);
  memcpy (bytes, &length, 8);
  refuse_bytes (folder, bytes, 16, "larger than 100 MB");
  memset (bytes, 0xff, 8);
  refuse_bytes (folder, bytes, 16, "larger than 100 MB");

  g_assert_null (mblm_tensor_file_open ("/dev/zero", &error));
  formats_expect (error, MBLM_ERROR, MBLM_ERROR_INPUT, "not a regular", "dev");
  error = NULL;
  g_assert_null (mblm_tensor_file_open (folder, &error));
  formats_expect (error, MBLM_ERROR, MBLM_ERROR_INPUT, "a folder", "folder");
  error = NULL;
  g_assert_null (mblm_tensor_file_open ("/nonexistent", &error));
  formats_expect (
      error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND, "no such file", "path");

  /* a pipe that nobody writes to must not make it wait */
  g_autofree char *pipe_path = g_build_filename (folder, "pipe", NULL);
  error = NULL;
  g_assert_cmpint (mkfifo (pipe_path, 0600), ==, 0);
  g_assert_null (mblm_tensor_file_open (pipe_path, &error));
  formats_expect (error, MBLM_ERROR, MBLM_ERROR_INPUT, "not a regular", "pipe");
  fresh_remove (g_steal_pointer (&folder));
}

/* Many tensors, long names, deep nesting. */
static void
test_bounds (void)
{
  g_autofree char *folder = fresh_folder ();
  GString *header = g_string_new ("{");
  GError *error = NULL;

  for (guint i = 0; i <= MBLM_TENSOR_MAX_COUNT; i++)
    g_string_append_printf (header,
        "%s\"%u\":{\"dtype\":\"F32\",\"shape\":[0],"
        "\"data_offsets\":[0,0]}",
        i > 0 ? "," : "", i);
  g_string_append_c (header, '}');
  g_assert_null (mblm_tensor_header_parse (
      header->str, header->len, 0, 0, "many", &error));
  formats_expect (
      error, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "more than 131072", "many");

  g_string_assign (header, "{\"__metadata__\":{\"\":\"\"");
  for (guint i = 0; i < 65536; i++)
    g_string_append_printf (header, ",\"%u\":\"\"", i);
  g_string_append (header, "}}");
  error = NULL;
  g_assert_null (mblm_tensor_header_parse (
      header->str, header->len, 0, 0, "metadata", &error));
  formats_expect (
      error, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "more than 65536", "metadata");

  g_string_assign (header, "{\"");
  for (guint i = 0; i <= MBLM_TENSOR_MAX_NAME; i++)
    g_string_append_c (header, 'x');
  g_string_append (header, "\":{}}");
  error = NULL;
  g_assert_null (mblm_tensor_header_parse (
      header->str, header->len, 0, 0, "long", &error));
  formats_expect (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "from 1 to", "long");

  g_string_assign (header, "{\"a\":");
  for (guint i = 0; i < 1000000; i++)
    g_string_append_c (header, '[');
  error = NULL;
  g_assert_null (mblm_tensor_header_parse (
      header->str, header->len, 0, 0, "deep", &error));
  formats_expect (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "not valid", "deep");
  g_string_free (header, TRUE);
  fresh_remove (g_steal_pointer (&folder));
}

/* Reads every tensor; the sum of all, so that the reading is not left out. */
static double
read_all (MblmTensorFile *file, GError **error)
{
  double sum = 0;

  for (guint i = 0; i < mblm_tensor_file_get_n_entries (file); i++) {
    const MblmTensorEntry *entry = mblm_tensor_file_get_entry (file, i);
    g_autofree float *data = g_new (float, MAX (entry->n_elements, 1));

    if (!mblm_tensor_file_read (file, entry, 0, entry->n_elements, data, error))
      return NAN;
    for (gsize k = 0; k < entry->n_elements; k++)
      sum += data[k];
  }
  return sum;
}

typedef struct {
  const char *folder;
  guint taken;
  gsize header; /* bytes of length and header */
} Damage;

static void
try_damaged (const guint8 *data, gsize n, gsize at, gpointer user_data)
{
  Damage *damage = user_data;
  g_autofree char *path = formats_write (
      damage->folder, "damaged", data, (gssize) n);
  GError *error = NULL;
  g_autoptr (MblmTensorFile) file = mblm_tensor_file_open (path, &error);

  if (file == NULL) {
    g_assert_cmpint (error->code, ==, MBLM_ERROR_WEIGHTS);
    g_error_free (error);
    return;
  }
  damage->taken++;
  read_all (file, &error);
  g_assert_no_error (error);
}

/* A small file with all there is. */
static GBytes *
small_file (const char *folder, gsize *header)
{
  static const float data[] = {1, -2, 0.5f, 3e38f, -0.0f, 1e-40f};
  g_autofree char *path = g_build_filename (folder, "small", NULL);
  g_autoptr (MblmTensorWriter) writer = mblm_tensor_writer_new ();
  g_autoptr (GError) error = NULL;
  guint64 length;

  mblm_tensor_writer_add (
      writer, "b", MBLM_DTYPE_F32, 2, (const gsize[]){2, 3}, data);
  mblm_tensor_writer_add (
      writer, "a", MBLM_DTYPE_BF16, 1, (const gsize[]){3}, data);
  mblm_tensor_writer_add (writer, "s", MBLM_DTYPE_F16, 0, NULL, data);
  g_assert_true (mblm_tensor_writer_finish (writer, path, &error));
  g_assert_no_error (error);

  GBytes *bytes = formats_read (path);
  memcpy (&length, g_bytes_get_data (bytes, NULL), 8);
  *header = 8 + (gsize) GUINT64_FROM_LE (length);
  g_assert_cmpuint (*header % 8, ==, 0);
  return bytes;
}

static void
test_damaged (void)
{
  g_autofree char *folder = fresh_folder ();
  Damage damage = {.folder = folder};
  g_autoptr (GBytes) bytes = small_file (folder, &damage.header);
  gsize n;
  const guint8 *data = g_bytes_get_data (bytes, &n);

  formats_cut (data, n, 1, try_damaged, &damage);
  g_assert_cmpuint (damage.taken, ==, 0);
  formats_flip (data, damage.header, 1, try_damaged, &damage);
  /* the only bytes whose change can go unnoticed are those of names, blanks and
   * numbers that still agree */
  g_assert_cmpuint (damage.taken, <, 40);
  fresh_remove (g_steal_pointer (&folder));
}

/* Another file in its place, or another content, is noticed. */
static void
test_changed (void)
{
  g_autofree char *folder = fresh_folder ();
  gsize header;
  g_autoptr (GBytes) bytes = small_file (folder, &header);
  g_autofree char *path = g_build_filename (folder, "small", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmTensorFile) file = mblm_tensor_file_open (path, &error);
  g_autofree char *before = g_strdup (mblm_tensor_file_get_identity (file));
  float out[6];
  const MblmTensorEntry *b = mblm_tensor_file_lookup (file, "b");
  struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

  g_assert_no_error (error);
  g_assert_true (mblm_tensor_file_read (file, b, 0, 6, out, &error));
  g_assert_cmpint (utimensat (AT_FDCWD, path, times, 0), ==, 0);
  g_assert_false (mblm_tensor_file_read (file, b, 0, 6, out, &error));
  formats_expect (g_steal_pointer (&error), MBLM_ERROR, MBLM_ERROR_WEIGHTS,
      "changed since it was opened", "time");

  g_autoptr (MblmTensorFile) again = mblm_tensor_file_open (path, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (before, !=, mblm_tensor_file_get_identity (again));
  g_assert_cmpint (truncate (path, (off_t) header + 4), ==, 0);
  b = mblm_tensor_file_lookup (again, "b");
  g_assert_false (mblm_tensor_file_read (again, b, 0, 6, out, &error));
  formats_expect (g_steal_pointer (&error), MBLM_ERROR, MBLM_ERROR_WEIGHTS,
      "became shorter", "length");
  fresh_remove (g_steal_pointer (&folder));
}

/* Written again, each golden model is the same file. */
static void
test_golden (void)
{
  static const char *const names[] = {"t2/model.safetensors",
      "m1-t/model.safetensors", "m1-t/model-0.3-names.safetensors",
      "m2-t-t/model.safetensors", "encoder-any/model.safetensors"};
  g_autofree char *folder = fresh_folder ();
  g_autofree char *copy = g_build_filename (folder, "copy", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = formats_golden (names[i]);
    g_autoptr (GError) error = NULL;
    g_autoptr (MblmTensorFile) file = mblm_tensor_file_open (path, &error);
    g_assert_no_error (error);
    g_autoptr (MblmTensorWriter) writer = mblm_tensor_writer_new ();
    g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_free);

    for (guint k = 0; k < mblm_tensor_file_get_n_entries (file); k++) {
      const MblmTensorEntry *entry = mblm_tensor_file_get_entry (file, k);
      float *data = g_new (float, entry->n_elements);
      gsize half = entry->n_elements / 2;

      g_ptr_array_add (all, data);
      mblm_tensor_file_read (file, entry, 0, half, data, &error);
      g_assert_no_error (error);
      mblm_tensor_file_read (
          file, entry, half, entry->n_elements - half, data + half, &error);
      g_assert_no_error (error);
      mblm_tensor_writer_add (
          writer, entry->name, entry->dtype, entry->n_dims, entry->shape, data);
    }
    g_assert_true (mblm_tensor_writer_finish (writer, copy, &error));
    g_autoptr (GBytes) before = formats_read (path);
    g_autoptr (GBytes) after = formats_read (copy);
    g_assert_true (g_bytes_equal (before, after));
  }
  fresh_remove (g_steal_pointer (&folder));
}

static void
test_write_errors (void)
{
  g_autofree char *folder = fresh_folder ();
  g_autofree char *path = g_build_filename (folder, "none", "x", NULL);
  g_autofree char *good = g_build_filename (folder, "x", NULL);
  g_autoptr (MblmTensorWriter) writer = mblm_tensor_writer_new ();
  GError *error = NULL;
  const float one = 1;

  mblm_tensor_writer_add (writer, "a", MBLM_DTYPE_F32, 0, NULL, &one);
  g_assert_false (mblm_tensor_writer_finish (writer, path, &error));
  formats_expect (error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "can't write", path);
  error = NULL;
  mblm_tensor_writer_add (writer, "b", MBLM_DTYPE_BF16, 0, NULL, &one);
  mblm_tensor_writer_add (writer, "a", MBLM_DTYPE_BF16, 0, NULL, &one);
  g_assert_false (mblm_tensor_writer_finish (writer, good, &error));
  formats_expect (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "two tensors", good);
  g_assert_false (g_file_test (good, G_FILE_TEST_EXISTS));

  /* nothing is left beside it */
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_assert_null (g_dir_read_name (dir));
  fresh_remove (g_steal_pointer (&folder));
}

static void
test_names (void)
{
  static const char *const names[][2] = {
      {"token_embs_rev.0.weight", "token_embs_rev.0.embedding.weight"},
      {"token_embs_rev.1.0.weight", "token_embs_rev.1.embedding.weight"},
      {"token_embs_rev.12.0.weight", "token_embs_rev.12.embedding.weight"},
      {"token_embs_rev.1.2.weight", "token_embs_rev.1._post.1.weight"},
      {"token_embs_rev.1.2.bias", "token_embs_rev.1._post.1.bias"},
      {"token_embs_rev.2.3.weight", "token_embs_rev.2._post.2.weight"},
      {"token_embs_rev.1.4.bias", "token_embs_rev.1._post.3.bias"},
      {"token_embs_rev.1.5.bias", NULL},
      {"token_embs_rev.1.weight", NULL},
      {"token_embs_rev.0.embedding.weight", NULL},
      {"token_embs_rev.1._post.2.bias", NULL},
      {"token_embs_rev.", NULL},
      {"token_embs_rev.1", NULL},
      {"to_next_stage_proj.0.1.weight", NULL},
      {"stage_models.0.layers.0.1.4.bias", NULL},
      {"", NULL},
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *name = mblm_tensor_name_modernise (names[i][0]);

    g_assert_cmpstr (name, ==, names[i][1] != NULL ? names[i][1] : names[i][0]);
  }
}

/* The old names of a golden model are the new ones of the other. */
static void
test_golden_names (void)
{
  g_autofree char *old_path = formats_golden (
      "m1-t/model-0.3-names.safetensors");
  g_autofree char *new_path = formats_golden ("m1-t/model.safetensors");
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmTensorFile) old = mblm_tensor_file_open (old_path, &error);
  g_autoptr (MblmTensorFile) new = mblm_tensor_file_open (new_path, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (mblm_tensor_file_get_n_entries (old), ==,
      mblm_tensor_file_get_n_entries (new));
  for (guint i = 0; i < mblm_tensor_file_get_n_entries (old); i++) {
    g_autofree char *name = mblm_tensor_name_modernise (
        mblm_tensor_file_get_entry (old, i)->name);

    g_assert_nonnull (mblm_tensor_file_lookup (new, name));
  }
}

/* Every float16 and bfloat16 comes back as it was; rounding is to even. */
static void
test_numbers (void)
{
  static const struct {
    float x;
    guint16 bf16, f16;
  } cases[] = {
      {0, 0, 0},
      {-0.0f, 0x8000, 0x8000},
      {1, 0x3f80, 0x3c00},
      {65504, 0x4780, 0x7bff},
      {65519, 0x4780, 0x7bff},
      {65520, 0x4780, 0x7c00},
      {1e30f, 0x714a, 0x7c00},
      {INFINITY, 0x7f80, 0x7c00},
      {-INFINITY, 0xff80, 0xfc00},
      {0x1.01p0f, 0x3f80, 0x3c04}, /* a tie in bfloat16, to even */
      {0x1.03p0f, 0x3f82, 0x3c0c},
      {0x1.002p0f, 0x3f80, 0x3c00}, /* a tie in float16, to even */
      {0x1.006p0f, 0x3f80, 0x3c02},
      {0x1p-24f, 0x3380, 0x0001},
      {0x1p-25f, 0x3300, 0x0000},
      {0x1.8p-25f, 0x3340, 0x0001},
      {0x1.ff8p-15f, 0x3880, 0x03ff},
      {0x1.ffcp-15f, 0x3880, 0x0400},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_assert_cmphex (mblm_bf16_from_float (cases[i].x), ==, cases[i].bf16);
    g_assert_cmphex (mblm_f16_from_float (cases[i].x), ==, cases[i].f16);
  }
  for (guint bits = 0; bits < 65536; bits++) {
    float b = mblm_float_from_bf16 ((guint16) bits);
    float h = mblm_float_from_f16 ((guint16) bits);

    if (isnan (b))
      g_assert_true (isnan (mblm_float_from_bf16 (mblm_bf16_from_float (b))));
    else
      g_assert_cmphex (mblm_bf16_from_float (b), ==, bits);
    if (isnan (h))
      g_assert_true (isnan (mblm_float_from_f16 (mblm_f16_from_float (h))));
    else
      g_assert_cmphex (mblm_f16_from_float (h), ==, bits);
  }
}

/* What is JSON and what is not. */
static void
test_json (void)
{
  static const char *const good[] = {"{}", " [ ] ", "1", "-0.5e+10", "\"x\"",
      "[1,[2,{\"a\":null}],true,false]", "\"\\ud83d\\ude00\\n\\/\"",
      "{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":1}]}", NULL};
  static const char *const bad[] = {"", " ", "{", "[1,]", "{\"a\":1,}", "{a:1}",
      "{\"a\" 1}", "{\"a\":1 \"b\":2}", "[1 2]", "01", "1.", ".5", "1e", "+1",
      "-", "NaN", "nul", "truex", "'a'", "\"a", "\"\\x\"", "\"\\u12g4\"",
      "\"\\udc00\"", "\"\\ud800x\"", "\"\t\"", "[1]]", "//",
      "{\"a\":1,\"a\":2}", "[{\"a\":[],\"b\":0,\"a\":2}]", "\"\\u0000\"", "]",
      "}", ",", "[,1]", "{,}", "\357\273\277{}", NULL};

  for (guint i = 0; good[i] != NULL; i++) {
    g_auto (MblmJson) json;

    mblm_json_init (&json, good[i], strlen (good[i]));
    g_assert_true (mblm_json_skip (&json));
    g_assert_cmpint (mblm_json_next (&json), ==, MBLM_JSON_END);
  }
  for (guint i = 0; bad[i] != NULL; i++) {
    g_auto (MblmJson) json;

    mblm_json_init (&json, bad[i], strlen (bad[i]));
    if (mblm_json_skip (&json) && mblm_json_next (&json) == MBLM_JSON_END)
      g_error ("%s was taken", bad[i]);
    g_assert_nonnull (json.problem);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/formats/safetensors/good", test_good);
  g_test_add_func ("/formats/safetensors/refused", test_refused);
  g_test_add_func ("/formats/safetensors/lengths", test_lengths);
  g_test_add_func ("/formats/safetensors/bounds", test_bounds);
  g_test_add_func ("/formats/safetensors/damaged", test_damaged);
  g_test_add_func ("/formats/safetensors/changed", test_changed);
  g_test_add_func ("/formats/safetensors/golden", test_golden);
  g_test_add_func ("/formats/safetensors/write-errors", test_write_errors);
  g_test_add_func ("/formats/safetensors/names", test_names);
  g_test_add_func ("/formats/safetensors/golden-names", test_golden_names);
  g_test_add_func ("/formats/safetensors/numbers", test_numbers);
  g_test_add_func ("/formats/safetensors/json", test_json);
  return g_test_run ();
}
