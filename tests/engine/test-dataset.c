/* test-dataset.c: the data sets of files, in folders.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fresh.h"
#include "sets.h"

static char *folder; /* of the test that runs */

/* Writes a file whose path nobody needs. */
static void
put (const char *name, const void *data, gssize n)
{
  g_free (sets_write (folder, name, data, n));
}

/* Adds noise as a file NAME to `all` too. */
static void
put_noise (const char *name, gsize n, guint32 seed, GByteArray *all)
{
  g_autoptr (GByteArray) noise = sets_noise (n, seed);

  put (name, noise->data, noise->len);
  g_byte_array_append (all, noise->data, noise->len);
}

/* The rule of mblm-math section 2.12, on bytes in memory. */
static void
assert_windows (MblmDataset *set, const GByteArray *all, guint64 epoch)
{
  gsize length = set->options.length, offset = epoch % length;
  g_autoptr (GArray) ids = sets_ids (set, epoch);

  g_assert_cmpuint (
      mblm_dataset_count (set, epoch), ==, (all->len - offset) / length);
  for (gsize i = 0; i < ids->len; i++)
    g_assert_cmpint (g_array_index (ids, gint32, i), ==, all->data[offset + i]);
}

/* The ids of epoch 0 are these bytes; what makes no sample is missing. */
static void
assert_bytes (MblmDataset *set, const char *text)
{
  g_autoptr (GArray) ids = sets_ids (set, 0);

  g_assert_cmpuint (
      ids->len, ==, strlen (text) - strlen (text) % set->options.length);
  for (guint i = 0; i < ids->len; i++)
    g_assert_cmpint (g_array_index (ids, gint32, i), ==, (guint8) text[i]);
}

static void
assert_holds (
    const char *id, const MblmDatasetOptions *options, const char *text)
{
  g_autoptr (MblmDataset) set = sets_open (id, options);
  assert_bytes (set, text);
}

static void
test_pg19 (void)
{
  g_autoptr (GByteArray) all = g_byte_array_new ();
  g_autoptr (GByteArray) valid = g_byte_array_new ();

  /* sorted by name, whatever their sizes; one file spans several samples */
  put_noise ("train/1.txt", 5, 1, all);
  put_noise ("train/10.txt", 61, 2, all);
  put_noise ("train/2.txt", 1, 3, all);
  put ("train/empty.txt", "", 0);
  put_noise ("train/z.txt", 40, 4, all);
  put ("train/.hidden", "hidden", 6);
  put_noise ("validation/v.txt", 20, 5, valid);

  MblmDatasetOptions options = sets_options (
      folder, MBLM_SPLIT_TRAIN, 12, NULL);
  g_autoptr (MblmDataset) set = sets_open ("pg19", &options);
  for (guint64 epoch = 0; epoch < 26; epoch++)
    assert_windows (set, all, epoch);
  assert_windows (set, all, G_GUINT64_CONSTANT (1) << 62);

  g_autoptr (SetsSample) sample = sets_read (set, 3, 2);
  for (gsize i = 0; i < 12; i++) {
    g_assert_cmpfloat (sample->sample.loss_mask[i], ==, 1.0f);
    g_assert_cmpint (sample->sample.labels[i], ==, sample->sample.ids[i]);
    g_assert_cmpuint (sample->sample.attention_mask[i], ==, 1);
  }

  options.split = MBLM_SPLIT_VALID;
  g_autoptr (MblmDataset) validation = sets_open ("pg19", &options);
  assert_windows (validation, valid, 0);
  options.split = MBLM_SPLIT_TEST;
  sets_expect ("pg19", &options, MBLM_ERROR, MBLM_ERROR_NOT_FOUND, "test");
  options.args = sets_args ("{'valid_share': <0.5>}");
  sets_expect (
      "pg19", &options, MBLM_ERROR, MBLM_ERROR_CONFIG, "there are none");
}

/* Data that are just enough have a sample in every epoch. */
static void
test_short (void)
{
  put ("train/a", "0123456", -1);
  for (gsize length = 1; length <= 7; length++) {
    MblmDatasetOptions options = sets_options (
        folder, MBLM_SPLIT_TRAIN, length, NULL);
    g_autoptr (MblmDataset) set = sets_open ("pg19", &options);

    for (guint64 epoch = 0; epoch < 16; epoch++) {
      g_assert_cmpuint (mblm_dataset_count (set, epoch), >=, 1);
      g_autoptr (GArray) ids = sets_ids (set, epoch);
      g_assert_cmpint (g_array_index (ids, gint32, 0), <, '0' + 7);
    }
  }
  MblmDatasetOptions options = sets_options (folder, MBLM_SPLIT_TRAIN, 8, NULL);
  sets_expect ("pg19", &options, MBLM_ERROR, MBLM_ERROR_INPUT, "7 ids");
  options.length = 0;
  sets_expect ("pg19", &options, MBLM_ERROR, MBLM_ERROR_CONFIG, "0 ids");
}

/* Each file between its tokens, in all epochs. */
static void
test_segments (void)
{
  const gint32 row[] = {258, 'a', 'b', 'c', 257, 258, 'd', 257, 258, 'e', 'f',
      'g', 'h', 'i', 'j', 257};

  put ("train/1", "abc", 3);
  put ("train/2", "d", 1);
  put ("train/3", "efghij", 6);
  for (gsize length = 1; length <= 5; length++) {
    MblmDatasetOptions options = sets_options (folder, MBLM_SPLIT_TRAIN, length,
        "\"task\": \"text\", \"tokens\": { \"pad\": 256, \"end\": 257, "
        "\"text\": 258 }");
    g_autoptr (MblmDataset) set = sets_open ("files", &options);

    for (guint64 epoch = 0; epoch < length; epoch++) {
      g_autoptr (GArray) ids = sets_ids (set, epoch);
      gsize n = (G_N_ELEMENTS (row) - epoch) / length * length;
      g_assert_cmpmem (ids->data, ids->len * 4, row + epoch, n * 4);
    }
  }
  /* one of the two is no segment */
  MblmDatasetOptions options = sets_options (folder, MBLM_SPLIT_TRAIN, 5,
      "\"task\": \"text\", \"tokens\": { \"end\": 257 }");
  assert_holds ("files", &options, "abcdefghij");
}

static void
test_shares (void)
{
  MblmDatasetOptions options = sets_options (folder, MBLM_SPLIT_TRAIN, 1, NULL);

  for (char c = 'a'; c < 'k'; c++) {
    g_autofree char *name = g_strdup_printf ("%c/x", c);
    g_autofree char *text = g_strnfill (10, c);
    put (name, text, 10);
  }
  /* 5 of 100 bytes: half a file, which is cut */
  assert_holds ("files", &options,
      "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"
      "gggggggggghhhhhhhhhhiiiiiiiiiijjjjj");
  options.split = MBLM_SPLIT_VALID;
  assert_holds ("files", &options, "jjjjj");
  /* 22 bytes are near enough to two files */
  options.args = sets_args ("{'valid_share': <0.22>, 'test_share': <0.1>}");
  assert_holds ("files", &options, "hhhhhhhhhhiiiiiiiiii");
  options.split = MBLM_SPLIT_TEST;
  assert_holds ("files", &options, "jjjjjjjjjj");
  options.args = NULL;
  sets_expect ("files", &options, MBLM_ERROR, MBLM_ERROR_NOT_FOUND, "test");
  options.args = sets_args ("{'valid_share': <0.5>, 'test_share': <0.5>}");
  sets_expect ("files", &options, MBLM_ERROR, MBLM_ERROR_CONFIG, "nothing");
  options.args = sets_args ("{'valid_share': <int64 1>}");
  sets_expect ("files", &options, MBLM_ERROR, MBLM_ERROR_CONFIG, "0.9");
  options.args = sets_args ("{'valid_shar': <0.5>}");
  sets_expect ("files", &options, MBLM_ERROR, MBLM_ERROR_CONFIG, "valid_share");
  /* a folder of tests is no split; one to train on makes it one */
  options.args = NULL;
  put ("test/y", "t", 1);
  options.split = MBLM_SPLIT_VALID;
  assert_holds ("files", &options, "jjjjt");
  put ("train/y", "y", 1);
  options.split = MBLM_SPLIT_TEST;
  assert_holds ("files", &options, "t");
  options.split = MBLM_SPLIT_TRAIN;
  assert_holds ("files", &options, "y");
  options.split = MBLM_SPLIT_VALID;
  sets_expect ("files", &options, MBLM_ERROR, MBLM_ERROR_NOT_FOUND, "valid");
}

/* Links are followed but never in a circle, and what is no file is no data. */
static void
test_odd_files (void)
{
  MblmDatasetOptions options = sets_options (folder, MBLM_SPLIT_TRAIN, 1, NULL);
  g_autofree char *inside = g_build_filename (folder, "train/b/c", NULL);
  g_autofree char *loop = g_build_filename (inside, "loop", NULL);
  g_autofree char *pipe = g_build_filename (inside, "pipe", NULL);
  g_autofree char *link = g_build_filename (folder, "train/d", NULL);
  g_autofree char *device = g_build_filename (folder, "train/null", NULL);
  g_autofree char *dangling = g_build_filename (folder, "train/e", NULL);

  put ("train/b/c/1", "1", 1);
  put ("train/a", "0", 1);
  put ("elsewhere/2", "2", 1);
  g_assert_cmpint (symlink ("../../../train", loop), ==, 0);
  g_assert_cmpint (mkfifo (pipe, 0600), ==, 0);
  g_assert_cmpint (symlink ("../elsewhere", link), ==, 0);
  g_assert_cmpint (symlink ("/dev/zero", device), ==, 0);
  assert_holds ("files", &options, "012");

  /* what should be there and is not */
  g_assert_cmpint (symlink ("nowhere", dangling), ==, 0);
  sets_expect ("files", &options, MBLM_ERROR, MBLM_ERROR_NOT_FOUND, "train/e");
  options.skip_unreadable = TRUE;
  g_test_expect_message ("mblm", G_LOG_LEVEL_WARNING, "*train/e*left out*");
  assert_holds ("files", &options, "012");
  g_test_assert_expected_messages ();
}

static void
test_change (void)
{
  MblmDatasetOptions options = sets_options (folder, MBLM_SPLIT_TRAIN, 4, NULL);
  g_autofree char *path = sets_write (folder, "train/b", "01234567", 8);
  gint32 ids[4], labels[4];
  float loss[4];
  guint8 attention[4];
  MblmTrainingSample sample = {ids, loss, labels, attention};
  g_autoptr (GError) error = NULL;

  put ("train/a", "abcd", 4);
  g_autoptr (MblmDataset) set = sets_open ("files", &options);
  assert_bytes (set, "abcd01234567");
  g_assert_cmpint (truncate (path, 6), ==, 0);
  g_assert_true (mblm_dataset_read (set, 0, 0, &sample, &error));
  g_assert_true (mblm_dataset_read (set, 0, 1, &sample, &error));
  g_assert_false (mblm_dataset_read (set, 0, 2, &sample, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_assert_nonnull (strstr (error->message, "train/b"));
  g_assert_nonnull (strstr (error->message, "shorter"));
  g_clear_error (&error);

  g_assert_true (mblm_dataset_read (set, 0, 0, &sample, &error));
  g_unlink (path);
  g_assert_false (mblm_dataset_read (set, 0, 1, &sample, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "train/b"));
}

/* ------------------------------------------------------------------------- */
/* The registry                                                              */
/* ------------------------------------------------------------------------- */

static MblmDataset *
constant_open (const MblmDatasetOptions *options, GError **error)
{
  return g_new0 (MblmDataset, 1);
}

static void
constant_free (MblmDataset *self)
{
  g_free (self);
}

static guint64
constant_count (MblmDataset *self, guint64 epoch)
{
  return 1;
}

/* The id of sample 0 is the number of the epoch. */
static gboolean
constant_read (MblmDataset *self, guint64 epoch, guint64 index,
    MblmTrainingSample *sample, GError **error)
{
  for (gsize i = 0; i < self->options.length; i++)
    sample->ids[i] = (gint32) epoch;
  return TRUE;
}

static void
test_registry (void)
{
  static const MblmDatasetClass klass = {MBLM_DATASET_ABI, "constant",
      constant_open, constant_free, constant_count, constant_read};
  static const MblmDatasetClass old = {MBLM_DATASET_ABI + 1, "old"};
  MblmDatasetOptions options = sets_options ("x", MBLM_SPLIT_TRAIN, 3, NULL);
  g_autoptr (GError) error = NULL;

  sets_expect ("constant", &options, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "clevr, files, maskedPG19, pg19, pg19masked, qa");
  g_assert_true (mblm_dataset_register (&klass, &error));
  g_assert_false (mblm_dataset_register (&klass, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_clear_error (&error);
  g_assert_false (mblm_dataset_register (&old, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_clear_error (&error);

  g_autoptr (MblmDataset) set = sets_open ("constant", &options);
  g_autoptr (SetsSample) sample = sets_read (set, 259, 0);
  g_assert_cmpint (sample->sample.labels[2], ==, 259);
  g_assert_false (mblm_dataset_read (set, 260, 0, &sample->sample, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_assert_nonnull (strstr (error->message, "num_tokens"));
}

/* The books beside the checkout, where they are. */
static void
test_books (void)
{
  g_autofree char *books = g_build_filename (
      g_getenv ("MBLM_TEST_SHARED"), "data/text", NULL);
  MblmDatasetOptions options = sets_options (
      books, MBLM_SPLIT_VALID, 4096, NULL);

  if (!g_file_test (books, G_FILE_TEST_IS_DIR)) {
    g_test_skip ("the books are not here");
    return;
  }
  g_autoptr (MblmDataset) set = sets_open ("files", &options);
  g_autoptr (SetsSample)
      last = sets_read (set, 0, mblm_dataset_count (set, 0) - 1);
  g_assert_cmpuint (mblm_dataset_count (set, 0), >, 2000);
  g_assert_cmpint (last->sample.ids[4095], <, 256);
}

static void
run (gconstpointer data)
{
  folder = fresh_folder ();
  ((GTestFunc) data) ();
  fresh_remove (folder);
}

int
main (int argc, char **argv)
{
  const struct {
    const char *name;
    GTestFunc func;
  } tests[] = {
      {"pg19", test_pg19},
      {"short", test_short},
      {"segments", test_segments},
      {"shares", test_shares},
      {"odd-files", test_odd_files},
      {"change", test_change},
      {"registry", test_registry},
      {"books", test_books},
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++) {
    g_autofree char *name = g_strconcat ("/dataset/", tests[i].name, NULL);
    g_test_add_data_func (name, (gconstpointer) tests[i].func, run);
  }
  return g_test_run ();
}
