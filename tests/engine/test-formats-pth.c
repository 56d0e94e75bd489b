/* test-formats-pth.c: the reader of checkpoints, on good and hostile ones.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * In this process and without confinement, so that sanitizers see every step;
 * test-formats-convert.c runs the real thing.
 */

#include <fcntl.h>
#include <mblm.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats.h"
#include "fresh.h"
#include "pth-make.h"
#include "pth.h"
#include "safetensors.h"
#include "zip.h"

static char *folder;

/* Converts to FOLDER/out. */
static gboolean
convert (const guint8 *data, gsize n, GError **error)
{
  g_autofree char *path = formats_write (folder, "in", data, (gssize) n);
  g_autofree char *out_path = g_build_filename (folder, "out", NULL);
  int in = open (path, O_RDONLY | O_CLOEXEC);
  int out = open (out_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  gboolean ok;

  g_assert_cmpint (in, >=, 0);
  g_assert_cmpint (out, >=, 0);
  ok = mblm_pth_convert (in, n, out, error);
  close (in);
  close (out);
  return ok;
}

static MblmTensorFile *
open_out (void)
{
  g_autofree char *path = g_build_filename (folder, "out", NULL);
  g_autoptr (GError) error = NULL;
  MblmTensorFile *file = mblm_tensor_file_open (path, &error);

  g_assert_no_error (error);
  return file;
}

/* The tensor's only or first number. */
static float
first_of (MblmTensorFile *file, const char *name, MblmDtype dtype)
{
  const MblmTensorEntry *entry = mblm_tensor_file_lookup (file, name);
  float x;

  g_assert_nonnull (entry);
  g_assert_cmpint (entry->dtype, ==, dtype);
  g_assert_true (mblm_tensor_file_read (file, entry, 0, 1, &x, NULL));
  return x;
}

static void
test_good (void)
{
  const guint styles[] = {PTH_PLAIN, PTH_DESCRIPTORS, PTH_ZIP64,
      PTH_DESCRIPTORS | PTH_ZIP64, PTH_WIDE, PTH_WIDE | PTH_DESCRIPTORS};

  for (guint i = 0; i < G_N_ELEMENTS (styles); i++) {
    g_autoptr (GByteArray) archive = pth_good (styles[i]);
    g_autoptr (GError) error = NULL;

    convert (archive->data, archive->len, &error);
    g_assert_no_error (error);
    g_autoptr (MblmTensorFile) file = open_out ();
    g_assert_cmpuint (mblm_tensor_file_get_n_entries (file), ==, 3);
    g_assert_cmpfloat (first_of (file, "w", MBLM_DTYPE_F32), ==, 1);
    g_assert_cmpfloat (first_of (file, "b", MBLM_DTYPE_BF16), ==, 0x1p-7f);
    g_assert_cmpfloat (first_of (file, "h", MBLM_DTYPE_F16), ==, 2);
    const MblmTensorEntry *w = mblm_tensor_file_lookup (file, "w");
    g_assert_cmpuint (w->n_dims, ==, 2);
    g_assert_cmpuint (w->shape[1], ==, 3);
  }
}

static void
refuse (GByteArray *archive, const char *part, const char *what)
{
  GError *error = NULL;

  convert (archive->data, archive->len, &error);
  formats_expect (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS, part, what);
  g_byte_array_unref (archive);
}

/* Pickles that are not those of a checkpoint: everything behind PROTO 2. */
static void
test_opcodes (void)
{
#define P(bytes) bytes, sizeof bytes - 1
  static const struct {
    const char *bytes;
    gsize n;
    const char *part;
  } cases[] = {
      {P (""), "cut short"},
      {P ("."), "with values left"},
      {P ("N."), "not a checkpoint"},
      {P ("}."), "not a checkpoint"},
      {P ("}}."), "with values left"},
      {P ("(}."), "with values left"},
      {P ("}.}"), "before its end"},
      {P ("cos\nsystem\n(X\4\0\0\0true\x85R."), "\"os.system\""},
      {P ("cbuiltins\neval\n."), "\"builtins.eval\""},
      {P ("ctorch\nload\n."), "\"torch.load\""},
      {P ("ctorch._utils\n_rebuild_tensor\n."), "don't trust"},
      {P ("c\n\n."), "don't trust"},
      {P ("cos"), "name without an end"},
      {P ("cos\nsystem"), "name without an end"},
      {P ("c\377\n\377\n"), "don't trust"},
      {P ("\x93."), "opcode 0x93"},
      {P ("\x94."), "opcode 0x94"},
      {P ("\x8c\1x."), "opcode 0x8c"},
      {P ("0."), "opcode 0x30"},
      {P ("i1\n."), "opcode 0x69"},
      {P ("o."), "opcode 0x6f"},
      {P ("\x81."), "opcode 0x81"},
      {P ("]."), "opcode 0x5d"},
      {P ("P1\n."), "opcode 0x50"},
      {P ("\x82\1."), "opcode 0x82"},
      {P ("R"), "not there"},
      {P ("}R"), "not there"},
      {P ("})R"), "does not call"},
      {P ("ccollections\nOrderedDict\n}R"), "does not call"},
      {P ("ccollections\nOrderedDict\n}\x85R"), "does not call"},
      {P ("ctorch\nFloatStorage\n)R"), "does not call"},
      {P ("ctorch._utils\n_rebuild_tensor_v2\n)R"), "damaged tensor"},
      {P ("ctorch._utils\n_rebuild_parameter\n)R"), "does not call"},
      {P ("Q"), "not there"},
      {P ("NQ"), "no storage"},
      {P (")Q"), "no storage"},
      {P ("(NNNNNtQ"), "no storage"},
      {P ("(X\7\0\0\0storageNNNNtQ"), "damaged reference"},
      {P ("u"), "closes what is not open"},
      {P ("t"), "closes what is not open"},
      {P ("(u"), "not there"},
      {P ("N(NNu"), "no dictionary"},
      {P ("}(Nu"), "without a value"},
      {P ("s"), "without a value"},
      {P ("NNs"), "not there"},
      {P ("NNNs"), "no dictionary"},
      {P ("}(NNs"), "not there"},
      {P ("b"), "not there"},
      {P ("}}b"), "attributes"},
      {P ("NNb"), "attributes"},
      {P ("\x85"), "not there"},
      {P ("N\x86"), "not there"},
      {P ("N(\x85"), "not there"},
      {P ("h\0"), "not there"},
      {P ("j\0\0\0\0"), "not there"},
      {P ("q\0"), "not there"},
      {P ("Nq\1"), "a hole"},
      {P ("Nr\377\377\377\377"), "a hole"},
      {P ("j\377\377\377\377"), "not there"},
      {P ("K"), "cut short"},
      {P ("M\0"), "cut short"},
      {P ("J\0\0\0"), "cut short"},
      {P ("G\0\0\0\0\0\0\0"), "cut short"},
      {P ("\x8a\377"), "beyond 64 bits"},
      {P ("\x8a\2\0"), "cut short"},
      {P ("X\377\377\377\377x"), "cut short"},
      {P ("X\2\0\0\0\377\377"), "not UTF-8"},
  };
#undef P

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GByteArray *pickle = g_byte_array_new ();

    pickle_bytes (pickle, "\x80\2", 2);
    pickle_bytes (pickle, cases[i].bytes, cases[i].n);
    refuse (pth_with_pickle (pickle, PTH_PLAIN), cases[i].part, cases[i].part);
  }
}

static void
test_protocols (void)
{
  static const char *const starts[] = {"\x80\1", "\x80\3", "\x80\4", "}.", ""};

  for (guint i = 0; i < G_N_ELEMENTS (starts); i++) {
    GByteArray *pickle = g_byte_array_new ();

    pickle_bytes (pickle, starts[i], strlen (starts[i]));
    pickle_bytes (pickle, "}.", i == 4 ? 0 : 2);
    refuse (pth_with_pickle (pickle, PTH_PLAIN),
        i == 4 ? "cut short" : "protocol 2", "protocol");
  }
}

/* Tensors that don't fit their storages. */
static void
test_tensors (void)
{
#define LIST(...)                                                              \
  {                                                                            \
    __VA_ARGS__, -1                                                            \
  }
  static const struct {
    const char *type, *key;
    gint64 numel, offset;
    gint64 shape[10], strides[10];
    const char *part;
  } cases[] = {
      {"FloatStorage", "0", 8, 0, LIST (9), LIST (1), "beyond its storage"},
      {"FloatStorage", "0", 8, 1, LIST (8), LIST (1), "beyond its storage"},
      {"FloatStorage", "0", 8, 9, LIST (0), LIST (1), "beyond its storage"},
      {"FloatStorage", "0", 8, G_MAXINT64, LIST (1), LIST (1),
          "beyond its storage"},
      {"FloatStorage", "0", 9, 0, LIST (8), LIST (1), "which are not 9"},
      {"FloatStorage", "0", 7, 0, LIST (7), LIST (1), "which are not 7"},
      {"FloatStorage", "0", G_MAXINT64, 0, LIST (8), LIST (1), "which are not"},
      {"HalfStorage", "0", 8, 0, LIST (8), LIST (1), "which are not 8"},
      {"FloatStorage", "9", 8, 0, LIST (8), LIST (1), "lacks the numbers"},
      {"FloatStorage", "", 8, 0, LIST (8), LIST (1), "without a key"},
      {"FloatStorage", "../data.pkl", 8, 0, LIST (8), LIST (1),
          "lacks the numbers"},
      {"FloatStorage", "0", 8, 0, LIST (2, 4), LIST (1, 2), "not contiguous"},
      {"FloatStorage", "0", 8, 0, LIST (2, 2), LIST (4, 1), "not contiguous"},
      {"FloatStorage", "0", 8, 0, LIST (8), LIST (0), "not contiguous"},
      {"FloatStorage", "0", 8, 0, LIST (8), {-1}, "different lengths"},
      {"FloatStorage", "0", 8, 0, LIST (1, 1, 1, 1, 1, 1, 1, 1, 1),
          LIST (1, 1, 1, 1, 1, 1, 1, 1, 1), "more than 8 dimensions"},
      {"FloatStorage", "0", 8, 0, LIST (G_MAXINT64, 4), LIST (4, 1),
          "too large"},
      {"FloatStorage", "0", 8, 0, LIST (-2), LIST (1), "no size"},
      {"FloatStorage", "0", 8, -2, LIST (2), LIST (1), "a damaged tensor"},
      {"FloatStorage", "0", -2, 0, LIST (2), LIST (1), "damaged reference"},
      {"DoubleStorage", "2", 4, 0, LIST (4), LIST (1), "float64"},
      {"LongStorage", "2", 4, 0, LIST (4), LIST (1), "int64"},
      {"BoolStorage", "2", 4, 0, LIST (4), LIST (1), "bool"},
      {"UntypedStorage", "2", 4, 0, LIST (4), LIST (1), "don't trust"},
  };
#undef LIST

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GByteArray *pickle = pickle_open ();

    pickle_string (pickle, "t");
    pickle_tensor (pickle, cases[i].type, cases[i].key, cases[i].numel,
        cases[i].offset, cases[i].shape, cases[i].strides);
    pickle_close (pickle);
    refuse (pth_with_pickle (pickle, PTH_PLAIN), cases[i].part, cases[i].part);
  }
}

static void
add_eight (GByteArray *pickle, const char *name)
{
  pickle_string (pickle, name);
  pickle_tensor (pickle, "FloatStorage", "0", 8, 0, (const gint64[]){8, -1},
      (const gint64[]){1, -1});
}

/* What stands in MODEL, and beside it. */
static void
test_models (void)
{
  g_autofree char *many = g_strnfill (600, 'x');
  GByteArray *pickle;

  pickle = pickle_open ();
  add_eight (pickle, "t");
  add_eight (pickle, "t");
  pickle_close (pickle);
  refuse (pth_with_pickle (pickle, PTH_PLAIN), "is there twice", "twice");

  /* the same name in its two forms */
  pickle = pickle_open ();
  add_eight (pickle, "token_embs_rev.0.weight");
  add_eight (pickle, "token_embs_rev.0.embedding.weight");
  pickle_close (pickle);
  refuse (pth_with_pickle (pickle, PTH_PLAIN), "is there twice", "forms");

  pickle = pickle_open ();
  pickle_string (pickle, "t");
  pickle_string (pickle, "no tensor");
  pickle_close (pickle);
  refuse (pth_with_pickle (pickle, PTH_PLAIN), "is no tensor", "string");

  pickle = pickle_open ();
  add_eight (pickle, "");
  pickle_close (pickle);
  refuse (pth_with_pickle (pickle, PTH_PLAIN), "can't be a tensor's", "empty");

  pickle = pickle_open ();
  add_eight (pickle, many);
  pickle_close (pickle);
  refuse (pth_with_pickle (pickle, PTH_PLAIN), "can't be a tensor's", "long");

  pickle = pickle_open ();
  pickle_bytes (pickle, "X\3\0\0\0a\0b", 8);
  pickle_integer (pickle, 3);
  pickle_close (pickle);
  refuse (pth_with_pickle (pickle, PTH_PLAIN), "has a NUL", "NUL");

  /* a small file that would become a large one */
  pickle = pickle_open ();
  for (guint i = 0; i < 2000; i++) {
    g_autofree char *name = g_strdup_printf ("%u", i);

    pickle_string (pickle, name);
    if (i == 0)
      pickle_tensor (pickle, "FloatStorage", "0", 8, 0, (const gint64[]){8, -1},
          (const gint64[]){1, -1});
    if (i == 0)
      pickle_bytes (pickle, "q\0", 2);
    else
      pickle_bytes (pickle, "h\0", 2);
  }
  pickle_close (pickle);
  refuse (pth_with_pickle (pickle, PTH_PLAIN), "share storages", "bomb");
}

/* Containers in themselves, deep ones, many. */
static void
test_bombs (void)
{
  GByteArray *pickle = g_byte_array_new ();

  /* d = {"MODEL": d}: what is in it is no tensor */
  pickle_bytes (pickle, "\x80\2}q\0(", 6);
  pickle_string (pickle, "MODEL");
  pickle_bytes (pickle, "h\0u.", 4);
  refuse (pth_with_pickle (pickle, PTH_PLAIN), "is no tensor", "itself");

  pickle = g_byte_array_new ();
  pickle_bytes (pickle, "\x80\2", 2);
  for (guint i = 0; i < 1000; i++)
    pickle_bytes (pickle, "(", 1);
  refuse (pth_with_pickle (pickle, PTH_PLAIN), "nested more than", "marks");

  /* tuples in tuples are numbers to each other: no depth, no harm */
  pickle = g_byte_array_new ();
  pickle_bytes (pickle, "\x80\2N", 3);
  for (guint i = 0; i < 100000; i++)
    pickle_bytes (pickle, "\x85", 1);
  pickle_bytes (pickle, ".", 1);
  refuse (pth_with_pickle (pickle, PTH_PLAIN), "not a checkpoint", "tuples");

  pickle = g_byte_array_new ();
  pickle_bytes (pickle, "\x80\2", 2);
  for (guint i = 0; i < 70000; i++)
    pickle_bytes (pickle, "N", 1);
  refuse (pth_with_pickle (pickle, PTH_PLAIN), "on the stack", "stack");

  /* (n0, n0), (n1, n1), ...: a billion values for who would count them */
  pickle = g_byte_array_new ();
  pickle_bytes (pickle, "\x80\2N", 3);
  for (guint i = 0; i < 60; i++) {
    const guint8 twice[] = {'q', (guint8) i, 'h', (guint8) i, 0x86};

    pickle_bytes (pickle, twice, sizeof twice);
  }
  pickle_bytes (pickle, ".", 1);
  refuse (pth_with_pickle (pickle, PTH_PLAIN), "not a checkpoint", "laughs");

  pickle = g_byte_array_new ();
  pickle_bytes (pickle, "\x80\2", 2);
  g_byte_array_set_size (pickle, 33 * 1024 * 1024);
  memset (pickle->data + 2, 'N', pickle->len - 2);
  refuse (pth_with_pickle (pickle, PTH_PLAIN), "larger than", "size");
}

/* A good archive with one value in its ZIP records changed. */
static void
test_archives (void)
{
  static const struct {
    enum { LOCAL, CENTRAL, END } where;
    guint entry, at;
    const char *value;
    guint n;
    const char *part;
  } cases[] = {
      {LOCAL, 0, 0, "XX", 2, "local header that disagrees"},
      {LOCAL, 0, 6, "\0\0", 2, "local header that disagrees"},
      {LOCAL, 0, 8, "\10", 1, "local header that disagrees"},
      {LOCAL, 0, 14, "\1\2\3\4", 4, "local header that disagrees"},
      {LOCAL, 2, 18, "\1", 1, "local header that disagrees"},
      {LOCAL, 2, 22, "\1", 1, "local header that disagrees"},
      {LOCAL, 2, 26, "\1", 1, "local header that disagrees"},
      {LOCAL, 2, 30, "y", 1, "local header that disagrees"},
      {CENTRAL, 0, 0, "XX", 2, "directory is damaged"},
      {CENTRAL, 0, 8, "\1", 1, "encrypted"},
      {CENTRAL, 0, 10, "\10", 1, "is compressed"},
      {CENTRAL, 2, 16, "\1\2\3\4", 4, "local header that disagrees"},
      {CENTRAL, 2, 20, "\1", 1, "is compressed"},
      {CENTRAL, 2, 24, "\377\377\377\377", 4, "damaged extra fields"},
      {CENTRAL, 2, 28, "\377\377", 2, "directory is damaged"},
      {CENTRAL, 2, 28, "\0\0", 2, "can't be one"},
      {CENTRAL, 2, 30, "\10", 1, "damaged"},
      {CENTRAL, 2, 32, "\10", 1, "directory is damaged"},
      {CENTRAL, 2, 34, "\1", 1, "directory is damaged"},
      {CENTRAL, 2, 42, "\377\377\377\176", 4, "cut short"},
      {CENTRAL, 2, 42, "\0\0\0\0", 4, "local header that disagrees"},
      {CENTRAL, 2, 46, "\0", 1, "can't be one"},
      {CENTRAL, 2, 46, "\377", 1, "can't be one"},
      {END, 0, 0, "X", 1, "not a ZIP archive"},
      {END, 0, 4, "\1", 1, "several parts"},
      {END, 0, 8, "\1\0\1\0", 4, "directory is damaged"},
      {END, 0, 8, "\7\0\7\0", 4, "directory is damaged"},
      {END, 0, 12, "\1", 1, "not before its end record"},
      {END, 0, 16, "\1", 1, "not before its end record"},
      {END, 0, 20, "\1", 1, "not a ZIP archive"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GByteArray *archive = pth_good (PTH_PLAIN);
    gsize at = archive->len - 22;

    if (cases[i].where == LOCAL)
      at = pth_find_local (archive, cases[i].entry);
    else if (cases[i].where == CENTRAL)
      at = pth_find_central (archive, cases[i].entry);
    memcpy (archive->data + at + cases[i].at, cases[i].value, cases[i].n);
    refuse (archive, cases[i].part, cases[i].part);
  }
}

/* Two entries over each other, two of one name, none, damage in the data. */
static void
test_entries (void)
{
  GByteArray *archive = pth_good (PTH_PLAIN);
  gsize at = pth_find_central (archive, 3);
  gsize first = pth_find_central (archive, 2);
  gsize n = at - first;
  PthMaker *maker;

  /* the record of data/1 becomes that of data/0, offset and all */
  memcpy (archive->data + at, archive->data + first, n);
  refuse (archive, "overlaps", "overlap");

  archive = pth_good (PTH_PLAIN);
  archive->data[pth_find_local (archive, 3) + 30 + 7] = '0';
  archive->data[pth_find_central (archive, 3) + 46 + 7] = '0';
  refuse (archive, "is there twice", "twice");

  archive = pth_good (PTH_PLAIN);
  archive->data[pth_find_local (archive, 2) + 30 + 8 + 5] ^= 1;
  refuse (archive, "checksum", "data");
  archive = pth_good (PTH_PLAIN);
  archive->data[pth_find_local (archive, 5) + 30 + 9] ^= 1;
  refuse (archive, "checksum", "version");

  maker = pth_maker_new (PTH_PLAIN);
  refuse (pth_maker_finish (maker), "no data.pkl", "empty");
  maker = pth_maker_new (PTH_PLAIN);
  pth_maker_add (maker, "a/b/data.pkl", "", 0);
  refuse (pth_maker_finish (maker), "no data.pkl", "deeper");
  maker = pth_maker_new (PTH_PLAIN);
  pth_maker_add (maker, "a/data.pkl", "", 0);
  pth_maker_add (maker, "b/data.pkl", "", 0);
  refuse (pth_maker_finish (maker), "two data.pkl", "two");
  maker = pth_maker_new (PTH_PLAIN);
  pth_maker_add (maker, "a/data.pkl", "\x80\2}.", 4);
  pth_maker_add (maker, "a/byteorder", "big", 3);
  refuse (pth_maker_finish (maker), "not little-endian", "order");

  /* more than one record can say */
  maker = pth_maker_new (PTH_WIDE);
  for (guint i = 0; i <= MBLM_ZIP_MAX_ENTRIES; i++) {
    g_autofree char *name = g_strdup_printf ("%u", i);

    pth_maker_add (maker, name, "", 0);
  }
  refuse (pth_maker_finish (maker), "more than 200000", "many");
}

static void
try_damaged (const guint8 *data, gsize n, gsize at, gpointer user_data)
{
  GError *error = NULL;

  if (convert (data, n, &error)) {
    /* whatever was made of it is a good file */
    g_autoptr (MblmTensorFile) file = open_out ();

    (*(guint *) user_data)++;
    g_assert_cmpuint (mblm_tensor_file_get_n_entries (file), ==, 3);
    return;
  }
  g_assert_cmpint (error->code, ==, MBLM_ERROR_WEIGHTS);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_error_free (error);
}

static void
test_damaged (void)
{
  const guint styles[] = {PTH_PLAIN, PTH_DESCRIPTORS | PTH_ZIP64, PTH_WIDE};

  for (guint i = 0; i < G_N_ELEMENTS (styles); i++) {
    g_autoptr (GByteArray) archive = pth_good (styles[i]);
    guint taken = 0;

    formats_cut (
        archive->data, archive->len, i == 0 ? 1 : 7, try_damaged, &taken);
    g_assert_cmpuint (taken, ==, 0);
    /* versions, times and attributes are nobody's business */
    formats_flip (
        archive->data, archive->len, i == 0 ? 1 : 3, try_damaged, &taken);
    g_assert_cmpuint (taken, <, archive->len);
  }
}

static void
test_crc (void)
{
  guint8 bytes[300];

  g_assert_cmphex (
      mblm_crc32 (0, (const guint8 *) "123456789", 9), ==, 0xcbf43926);
  for (guint i = 0; i < sizeof bytes; i++)
    bytes[i] = (guint8) (i * 7);
  for (guint n = 0; n < sizeof bytes; n += 13)
    g_assert_cmphex (mblm_crc32 (0, bytes, sizeof bytes), ==,
        mblm_crc32 (mblm_crc32 (0, bytes, n), bytes + n, sizeof bytes - n));
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  folder = fresh_folder ();
  g_test_add_func ("/formats/pth/good", test_good);
  g_test_add_func ("/formats/pth/opcodes", test_opcodes);
  g_test_add_func ("/formats/pth/protocols", test_protocols);
  g_test_add_func ("/formats/pth/tensors", test_tensors);
  g_test_add_func ("/formats/pth/models", test_models);
  g_test_add_func ("/formats/pth/bombs", test_bombs);
  g_test_add_func ("/formats/pth/archives", test_archives);
  g_test_add_func ("/formats/pth/entries", test_entries);
  g_test_add_func ("/formats/pth/damaged", test_damaged);
  g_test_add_func ("/formats/pth/crc", test_crc);
  result = g_test_run ();
  fresh_remove (folder);
  return result;
}
