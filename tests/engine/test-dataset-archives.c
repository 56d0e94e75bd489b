/* test-dataset-archives.c: the data sets of files, in archives.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <archive.h>
#include <archive_entry.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
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

/* Adds a member; a `target` makes it a link. */
static void
add_member (struct archive *archive, const char *name, const void *data,
    gsize n, const char *target)
{
  struct archive_entry *entry = archive_entry_new ();

  archive_entry_set_pathname (entry, name);
  archive_entry_set_perm (entry, 0644);
  archive_entry_set_filetype (entry, target ? AE_IFLNK : AE_IFREG);
  if (target)
    archive_entry_set_symlink (entry, target);
  archive_entry_set_size (entry, (gint64) n);
  g_assert_cmpint (archive_write_header (archive, entry), ==, ARCHIVE_OK);
  if (n > 0)
    g_assert_cmpint (archive_write_data (archive, data, n), ==, n);
  archive_entry_free (entry);
}

static struct archive *
archive_begin (const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  struct archive *archive = archive_write_new ();

  archive_write_set_format_filter_by_ext (archive, path);
  g_assert_cmpint (archive_write_open_filename (archive, path), ==, ARCHIVE_OK);
  return archive;
}

static void
archive_end (struct archive *archive)
{
  g_assert_cmpint (archive_write_close (archive), ==, ARCHIVE_OK);
  archive_write_free (archive);
}

/* Of this archive the letters from c to f come first, then a and b. */
static void
make_archive (const char *name)
{
  struct archive *archive = archive_begin (name);

  add_member (archive, "books/2", "cdef", 4, NULL);
  add_member (archive, "books/3", NULL, 0, "/etc/passwd");
  add_member (archive, "../1", "ab", 2, NULL);
  add_member (archive, "books/4", NULL, 0, NULL);
  add_member (archive, "books/5", "gh", 2, NULL);
  archive_end (archive);
}

static void
test_archives (void)
{
  static const char *const names[] = {"x.tar", "x.tar.gz", "x.tgz", "x.tar.xz",
      "x.tar.bz2", "x.zip", "x.7z", NULL};

  for (guint i = 0; names[i]; i++) {
    MblmDatasetOptions options = sets_options (
        folder, MBLM_SPLIT_TRAIN, 2, NULL);
    g_autofree char *path = g_build_filename (folder, names[i], NULL);

    g_test_message ("%s", names[i]);
    options.args = sets_args ("{'valid_share': <0.25>}");
    make_archive (names[i]);
    /* as they come in the archive, whatever their names are read as */
    assert_holds ("files", &options, "cdefab");
    /* the archive itself in place of a folder */
    options.dir = path;
    options.split = MBLM_SPLIT_VALID;
    assert_holds ("files", &options, "gh");
    g_unlink (path);
  }
}

/* Archives as splits, and among files; one by one as they are where told so. */
static void
test_archives_in_folders (void)
{
  MblmDatasetOptions options = sets_options (folder, MBLM_SPLIT_TRAIN, 1, NULL);
  g_autofree char *archive = g_build_filename (folder, "train.tar", NULL);
  g_autofree char *moved = g_build_filename (folder, "valid/b.tar", NULL);
  struct stat status;

  make_archive ("train.tar");
  put ("valid/a", "0", 1);
  put ("valid/c", "9", 1);
  assert_holds ("files", &options, "cdefabgh");
  g_assert_cmpint (stat (archive, &status), ==, 0);
  g_assert_cmpint (g_rename (archive, moved), ==, 0);
  put ("train/x", "x", 1);
  options.split = MBLM_SPLIT_VALID;
  assert_holds ("files", &options, "0cdefabgh9");

  options.args = sets_args ("{'unpack': <false>}");
  g_autoptr (MblmDataset) plain = sets_open ("files", &options);
  g_assert_cmpuint (
      mblm_dataset_count (plain, 0), ==, (guint64) status.st_size + 2);
}

static void
put_gzip (const char *name, const void *data, gsize n)
{
  g_autoptr (GZlibCompressor)
      gzip = g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, -1);
  guint8 packed[4096];
  gsize read, written;

  g_assert_cmpint (
      g_converter_convert (G_CONVERTER (gzip), data, n, packed, sizeof (packed),
          G_CONVERTER_INPUT_AT_END, &read, &written, NULL),
      ==, G_CONVERTER_FINISHED);
  put (name, packed, (gssize) written);
}

/* What is in it, whatever that looks like, and whatever folders are called. */
static void
test_compressed_file (void)
{
  MblmDatasetOptions options = sets_options (folder, MBLM_SPLIT_TRAIN, 1, NULL);
  g_autofree char *tar = g_build_filename (folder, "t.tar", NULL);
  g_autofree char *data = NULL;
  guint8 zeros[1024] = {0};
  gsize n;

  put_gzip ("train/a.tar.d/a.txt.gz", "hello", 5);
  assert_holds ("files", &options, "hello");
  put_gzip ("train/b.gz", "", 0);
  assert_holds ("files", &options, "hello");
  put_gzip ("train/b.gz", zeros, sizeof zeros);
  g_autoptr (MblmDataset) set = sets_open ("files", &options);
  g_assert_cmpuint (mblm_dataset_count (set, 0), ==, 5 + sizeof zeros);

  make_archive ("t.tar");
  g_assert_true (g_file_get_contents (tar, &data, &n, NULL));
  put_gzip ("train/b.gz", data, n);
  g_autoptr (MblmDataset) packed = sets_open ("files", &options);
  g_assert_cmpuint (mblm_dataset_count (packed, 0), ==, 5 + n);
}

/* A member of a .cpio, of which there are `links`. */
static void
append_cpio (
    GString *out, const char *name, guint inode, guint links, const char *data)
{
  gsize n = strlen (data);

  g_string_append_printf (out,
      "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", inode,
      0100644, 0, 0, links, 0, n, 0, 0, 0, 0, strlen (name) + 1, 0);
  g_string_append_len (out, name, (gssize) strlen (name) + 1);
  while (out->len % 4 != 0)
    g_string_append_c (out, '\0');
  g_string_append (out, data);
  while (out->len % 4 != 0)
    g_string_append_c (out, '\0');
}

/* Of links to one file the last has the data in a .cpio, the first in a .tar. */
static void
test_hard_links (void)
{
  MblmDatasetOptions options = sets_options (folder, MBLM_SPLIT_TRAIN, 1, NULL);
  g_autoptr (GString) cpio = g_string_new (NULL);

  append_cpio (cpio, "a", 7, 2, "");
  append_cpio (cpio, "b", 7, 2, "linked");
  append_cpio (cpio, "c", 8, 1, "+");
  append_cpio (cpio, "TRAILER!!!", 0, 1, "");
  put ("train/x.cpio", cpio->str, (gssize) cpio->len);
  assert_holds ("files", &options, "linked+");

  struct archive *archive = archive_begin ("train/y.tar");
  struct archive_entry *entry = archive_entry_new ();
  add_member (archive, "a", "tar", 3, NULL);
  archive_entry_set_pathname (entry, "b");
  archive_entry_set_filetype (entry, AE_IFREG);
  archive_entry_set_perm (entry, 0644);
  archive_entry_set_hardlink (entry, "a");
  g_assert_cmpint (archive_write_header (archive, entry), ==, ARCHIVE_OK);
  archive_entry_free (entry);
  archive_end (archive);
  assert_holds ("files", &options, "linked+tar");
}

static void
test_hostile_archives (void)
{
  MblmDatasetOptions options = sets_options (folder, MBLM_SPLIT_TRAIN, 1, NULL);
  g_autofree guint8 *zeros = g_malloc0 (1 << 20);
  g_autofree char *path = g_build_filename (folder, "train/b.tar.xz", NULL);
  g_autofree char *data = NULL;
  gsize n;

  /* more than it may unpack to */
  put ("train/a", "good", 4);
  struct archive *archive = archive_begin ("train/b.tar.xz");
  for (guint i = 0; i < 4; i++)
    add_member (archive, "zeros", zeros, 1 << 20, NULL);
  archive_end (archive);
  options.args = sets_args ("{'max_unpacked': <int64 4194303>}");
  sets_expect ("files", &options, MBLM_ERROR, MBLM_ERROR_INPUT, "max_unpacked");
  options.args = sets_args ("{'max_unpacked': <int64 4194304>}");
  g_autoptr (MblmDataset) all = sets_open ("files", &options);
  g_assert_cmpuint (mblm_dataset_count (all, 0), ==, (4 << 20) + 4);

  /* cut short, and not an archive at all */
  g_assert_true (g_file_get_contents (path, &data, &n, NULL));
  put ("train/b.tar.xz", data, (gssize) n / 2);
  sets_expect ("files", &options, MBLM_ERROR, MBLM_ERROR_INPUT, "b.tar.xz");
  put ("train/b.tar.xz", "hello", 5);
  sets_expect ("files", &options, MBLM_ERROR, MBLM_ERROR_INPUT, "b.tar.xz");
  options.skip_unreadable = TRUE;
  g_test_expect_message ("mblm", G_LOG_LEVEL_WARNING, "*b.tar.xz*left out*");
  assert_holds ("files", &options, "good");
  g_test_assert_expected_messages ();
}

/* Where the disk, here a bound on the size of files, is full. */
static void
test_full_disk (void)
{
  MblmDatasetOptions options = sets_options (folder, MBLM_SPLIT_TRAIN, 1, NULL);
  g_autofree guint8 *zeros = g_malloc0 (1 << 20);
  struct rlimit before, bound;
  struct archive *archive = archive_begin ("train.tar.xz");

  add_member (archive, "zeros", zeros, 1 << 20, NULL);
  archive_end (archive);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &before), ==, 0);
  bound = before;
  bound.rlim_cur = 1 << 19;
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &bound), ==, 0);
  sets_expect ("files", &options, G_FILE_ERROR, G_FILE_ERROR_FAILED, "TMPDIR");
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &before), ==, 0);
  g_autoptr (MblmDataset) set = sets_open ("files", &options);
  g_assert_cmpuint (mblm_dataset_count (set, 0), ==, 1 << 20);
}

static guint64 free_blocks = G_MAXUINT64;

/* Instead of the C library's: a disk with few free blocks. */
int
fstatvfs (int fd, struct statvfs *status)
{
  memset (status, 0, sizeof *status);
  status->f_frsize = 1000;
  status->f_bavail = MIN (free_blocks, 1u << 31);
  return 0;
}

/* No more is unpacked than there is room for, unless that is asked for. */
static void
test_room (void)
{
  MblmDatasetOptions options = sets_options (folder, MBLM_SPLIT_TRAIN, 1, NULL);
  g_autofree guint8 *zeros = g_malloc0 (100000);
  struct archive *archive = archive_begin ("train.tar.xz");

  add_member (archive, "zeros", zeros, 100000, NULL);
  archive_end (archive);
  free_blocks = 100;
  sets_expect ("files", &options, G_FILE_ERROR, G_FILE_ERROR_NOSPC,
      "more than the 95000 bytes that are free");
  options.args = sets_args ("{'max_unpacked': <int64 100000>}");
  g_autoptr (MblmDataset) set = sets_open ("files", &options);
  g_assert_cmpuint (mblm_dataset_count (set, 0), ==, 100000);
  free_blocks = G_MAXUINT64;
}

/* Where there is no place to unpack to. */
static void
test_no_place (void)
{
  MblmDatasetOptions options = sets_options (folder, MBLM_SPLIT_TRAIN, 1, NULL);
  g_autofree char *before = g_strdup (g_getenv ("TMPDIR"));

  make_archive ("train.zip");
  g_setenv ("TMPDIR", "/nonexistent", TRUE);
  sets_expect ("files", &options, G_FILE_ERROR, G_FILE_ERROR_NOENT, "TMPDIR");
  /* no fault of the archive's, which is not left out for it */
  options.skip_unreadable = TRUE;
  sets_expect ("files", &options, G_FILE_ERROR, G_FILE_ERROR_NOENT, "TMPDIR");
  if (before)
    g_setenv ("TMPDIR", before, TRUE);
  else
    g_unsetenv ("TMPDIR");
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
      {"archives", test_archives},
      {"archives-in-folders", test_archives_in_folders},
      {"compressed-file", test_compressed_file},
      {"hard-links", test_hard_links},
      {"hostile-archives", test_hostile_archives},
      {"full-disk", test_full_disk},
      {"room", test_room},
      {"no-place", test_no_place},
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++) {
    g_autofree char *name = g_strconcat (
        "/dataset-archives/", tests[i].name, NULL);
    g_test_add_data_func (name, (gconstpointer) tests[i].func, run);
  }
  return g_test_run ();
}
