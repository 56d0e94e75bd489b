/* test-formats-convert.c: checkpoints to model folders, in the confined process.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <mblm.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "checkpoint.h"
#include "confine.h"
#include "formats.h"
#include "fresh.h"
#include "model-pack.h"
#include "pth-make.h"
#include "safetensors.h"

static char *folder;

static guint
count_files (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

/* Converts and compares with the model of the same folder. */
static void
check_same (const char *model, const char *checkpoint)
{
  g_autofree char *pth = g_build_filename (model, checkpoint, NULL);
  g_autofree char *yaml = g_build_filename (model, "config.yaml", NULL);
  g_autofree char *expected = g_build_filename (
      model, "model.safetensors", NULL);
  g_autofree char *out = g_build_filename (folder, "model", NULL);
  g_autofree char *weights = g_build_filename (out, "model.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmConfig) before = mblm_config_load (yaml, &error);
  g_autoptr (MblmConfig) after = NULL;

  mblm_checkpoint_convert (pth, yaml, MBLM_PRECISION_F32, out, &error);
  g_assert_no_error (error);
  g_autoptr (GBytes) a = formats_read (expected);
  g_autoptr (GBytes) b = formats_read (weights);
  g_assert_true (g_bytes_equal (a, b));
  g_assert_true (mblm_model_check (out, &after, NULL, &error));
  g_autofree char *x = mblm_config_to_yaml (before);
  g_autofree char *y = mblm_config_to_yaml (after);
  g_assert_cmpstr (x, ==, y);
  g_assert_cmpuint (count_files (folder), ==, 1);
  fresh_remove (g_steal_pointer (&out));
}

static void
test_golden (void)
{
  static const char *const models[] = {"m1-t", "m2-t-t"};
  g_autofree char *m1 = formats_golden ("m1-t");
  g_autofree char *m2 = formats_golden ("m2-t-t");

  check_same (m1, "checkpoint-0.3.pth");
  check_same (m1, "checkpoint-0.4.pth");
  check_same (m2, "checkpoint-0.4.pth");
  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    g_autofree char *name = g_build_filename ("golden", models[i], NULL);
    g_autofree char *path = formats_shared (name);

    if (path != NULL) {
      check_same (path, "checkpoint-0.3.pth");
      check_same (path, "checkpoint-0.4.pth");
    }
  }
}

/* Each tensor of `b` is that of `a`, rounded where it says BF16; returns how many
 * of them do. */
static guint
count_rounded (const char *a, const char *b)
{
  g_autofree char *path_a = g_build_filename (a, "model.safetensors", NULL);
  g_autofree char *path_b = g_build_filename (b, "model.safetensors", NULL);
  g_autoptr (MblmTensorFile) from = mblm_tensor_file_open (path_a, NULL);
  g_autoptr (MblmTensorFile) to = mblm_tensor_file_open (path_b, NULL);
  guint n = mblm_tensor_file_get_n_entries (from), rounded = 0;

  g_assert_cmpuint (n, ==, mblm_tensor_file_get_n_entries (to));
  for (guint i = 0; i < n; i++) {
    const MblmTensorEntry *was = mblm_tensor_file_get_entry (from, i);
    const MblmTensorEntry *is = mblm_tensor_file_lookup (to, was->name);
    gsize size = was->n_elements;
    g_autofree float *x = g_new (float, size), *y = g_new (float, size);

    g_assert_nonnull (is);
    g_assert_true (mblm_tensor_file_read (from, was, 0, size, x, NULL));
    g_assert_true (mblm_tensor_file_read (to, is, 0, size, y, NULL));
    rounded += is->dtype == MBLM_DTYPE_BF16;
    for (gsize k = 0; k < size; k++)
      g_assert_cmpfloat (y[k], ==,
          is->dtype == MBLM_DTYPE_BF16
              ? mblm_float_from_bf16 (mblm_bf16_from_float (x[k]))
              : x[k]);
  }
  return rounded;
}

/* A model again, as it is or in half the size. */
static void
test_pack (void)
{
  static const char json[] =
      "{\"format\": 1, \"name\": \"small\", \"task\": \"text\"}";
  g_autofree char *model = fresh_model (
      folder, "small", 16, FRESH_TRANSFORMER, "fixed");
  g_autofree char *same = g_build_filename (folder, "same", NULL);
  g_autofree char *half = g_build_filename (folder, "half", NULL);
  g_autofree char *info = formats_write (model, "mblm.json", json, -1);
  g_autofree char *file = g_build_filename (model, "model.safetensors", NULL);
  g_autofree char *again = g_build_filename (half, "mblm.json", NULL);
  g_autofree char *text = NULL;
  GError *error = NULL;

  mblm_model_pack (model, MBLM_PRECISION_F32, NULL, same, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (count_rounded (model, same), ==, 0);
  mblm_model_pack (file, MBLM_PRECISION_BF16, NULL, half, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (count_rounded (model, half), >, 20);
  g_assert_true (g_file_get_contents (again, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, json);
  g_assert_true (mblm_model_check (half, NULL, NULL, NULL));

  /* nothing is lost, and nothing left */
  g_assert_false (
      mblm_model_pack (model, MBLM_PRECISION_F32, NULL, half, NULL, &error));
  formats_expect (error, MBLM_ERROR, MBLM_ERROR_INPUT, "is not empty", half);
  error = NULL;
  g_assert_false (mblm_model_pack (
      "/nonexistent", MBLM_PRECISION_F32, NULL, again, NULL, &error));
  formats_expect (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND, "no model", again);
  g_assert_cmpuint (count_files (folder), ==, 3);
  fresh_remove (g_steal_pointer (&model));
  fresh_remove (g_steal_pointer (&same));
  fresh_remove (g_steal_pointer (&half));
}

/* A checkpoint at once in half the size. */
static void
test_rounded (void)
{
  g_autofree char *model = formats_golden ("m1-t");
  g_autofree char *pth = g_build_filename (model, "checkpoint-0.4.pth", NULL);
  g_autofree char *yaml = g_build_filename (model, "config.yaml", NULL);
  g_autofree char *out = g_build_filename (folder, "model", NULL);
  g_autoptr (GError) error = NULL;

  mblm_checkpoint_convert (pth, yaml, MBLM_PRECISION_BF16, out, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (count_rounded (model, out), >, 10);
  fresh_remove (g_steal_pointer (&out));
}

static char *
golden_config (void)
{
  return formats_golden ("m1-t/config.yaml");
}

/* The conversion fails, says so and leaves nothing. */
static void
refuse (const char *pth, const char *yaml, GQuark domain, int code,
    const char *part)
{
  g_autofree char *out = g_build_filename (folder, "model", NULL);
  guint before = count_files (folder);
  GError *error = NULL;

  g_assert_false (
      mblm_checkpoint_convert (pth, yaml, MBLM_PRECISION_F32, out, &error));
  formats_expect (error, domain, code, part, pth);
  g_assert_cmpuint (count_files (folder), ==, before);
}

static void
refuse_archive (GByteArray *archive, const char *part)
{
  g_autofree char *path = formats_write (
      folder, "x.pth", archive->data, (gssize) archive->len);
  g_autofree char *yaml = golden_config ();

  refuse (path, yaml, MBLM_ERROR, MBLM_ERROR_WEIGHTS, part);
  g_unlink (path);
  g_byte_array_unref (archive);
}

static void
test_hostile (void)
{
  g_autofree char *mark = g_build_filename (folder, "mark", NULL);
  g_autofree char *command = g_strdup_printf ("touch %s", mark);
  GByteArray *pickle = g_byte_array_new ();

  pickle_bytes (pickle, "\x80\2cos\nsystem\n(", 14);
  pickle_string (pickle, command);
  pickle_bytes (pickle, "tR.", 3);
  refuse_archive (
      pth_with_pickle (pickle, PTH_DESCRIPTORS | PTH_ZIP64), "os.system");
  g_assert_false (g_file_test (mark, G_FILE_TEST_EXISTS));

  /* a good archive of another model */
  refuse_archive (pth_good (PTH_PLAIN), "is not a model of");

  GByteArray *archive = pth_good (PTH_PLAIN);
  g_byte_array_set_size (archive, archive->len - 1);
  refuse_archive (archive, "cut short");
  archive = g_byte_array_new ();
  refuse_archive (archive, "not a ZIP archive");

  /* control characters in names do not reach the terminal */
  pickle = g_byte_array_new ();
  pickle_bytes (pickle, "\x80\2c\33[31m\nevil\n.", 15);
  refuse_archive (pth_with_pickle (pickle, PTH_PLAIN), "\\u001b[31m.evil");
}

static void
test_arguments (void)
{
  g_autofree char *yaml = golden_config ();
  g_autofree char *pth = formats_golden ("m1-t/checkpoint-0.4.pth");
  g_autofree char *other = formats_golden ("t2/config.yaml");
  g_autofree char *out = g_build_filename (folder, "model", NULL);
  g_autofree char *inside = g_build_filename (out, "config.yaml", NULL);
  g_autofree char *deep = g_build_filename (folder, "no", "model", NULL);
  GError *error = NULL;

  refuse ("/nonexistent", yaml, MBLM_ERROR, MBLM_ERROR_NOT_FOUND, "no such");
  refuse (pth, "/nonexistent", MBLM_ERROR, MBLM_ERROR_NOT_FOUND, "no such");
  refuse (folder, yaml, MBLM_ERROR, MBLM_ERROR_INPUT, "a folder");
  refuse ("/dev/zero", yaml, MBLM_ERROR, MBLM_ERROR_INPUT, "a device");
  refuse (pth, pth, MBLM_ERROR, MBLM_ERROR_CONFIG, "checkpoint-0.4.pth");
  refuse (pth, other, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "is not a model of");
  g_assert_false (
      mblm_checkpoint_convert (pth, yaml, MBLM_PRECISION_F32, deep, &error));
  formats_expect (error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "can't make", deep);

  /* into an empty folder it goes; into one that has something it does not */
  error = NULL;
  g_assert_cmpint (g_mkdir (out, 0755), ==, 0);
  g_assert_true (
      mblm_checkpoint_convert (pth, yaml, MBLM_PRECISION_F32, out, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (count_files (out), ==, 2);
  refuse (pth, yaml, MBLM_ERROR, MBLM_ERROR_INPUT, "is not empty");
  g_assert_true (g_file_test (inside, G_FILE_TEST_IS_REGULAR));
  fresh_remove (g_steal_pointer (&out));
}

/* A reader that is not there, and one that does not do its work. */
static void
test_readers (void)
{
  g_autofree char *before = g_strdup (g_getenv ("MBLM_PTH_READER"));
  g_autofree char *yaml = golden_config ();
  g_autofree char *pth = formats_golden ("m1-t/checkpoint-0.4.pth");

  g_setenv ("MBLM_PTH_READER", "/nonexistent", TRUE);
  refuse (pth, yaml, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED, "MBLM_PTH_READER");
  g_setenv ("MBLM_PTH_READER", "/bin/true", TRUE);
  refuse (pth, yaml, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "shorter than any");
  g_setenv ("MBLM_PTH_READER", "/bin/false", TRUE);
  refuse (pth, yaml, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "was stopped");
  g_setenv ("MBLM_PTH_READER", "/bin/cat", TRUE);
  refuse (pth, yaml, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "larger than 100 MB");

  g_autofree char *loud = formats_write (
      folder, "loud", "#!/bin/sh\nwhile :; do echo y; done >&2\n", -1);
  g_assert_cmpint (g_chmod (loud, 0755), ==, 0);
  g_setenv ("MBLM_PTH_READER", loud, TRUE);
  refuse (pth, yaml, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "was stopped");
  g_unlink (loud);
  if (before != NULL)
    g_setenv ("MBLM_PTH_READER", before, TRUE);
  else
    g_unsetenv ("MBLM_PTH_READER");
}

/* Without a sanitizer's last words, which a confined process can't say. */
static void
leave (int status)
{
  (void) syscall (SYS_exit_group, status);
}

/* What a confined process tries, each in one of its own. */
static void
run_confined (const char *what)
{
  g_autofree char *path = g_build_filename (folder, "big", NULL);
  int fd = open (path, O_RDWR | O_CREAT, 0600);
  char byte = 0;
  const char *problem;

  g_assert_cmpint (dup2 (fd, 0), ==, 0);
  g_assert_cmpint (dup2 (fd, 1), ==, 1);
  problem = mblm_confine (100, (guint64) 1 << 40, 60);
  if (problem != NULL)
    leave (9);
  if (g_str_equal (what, "write")) {
    /* up to its bounds it may */
    g_autofree char *memory = g_malloc0 (10 << 20);
    gboolean ok = write (1, memory, 100) == 100 && write (1, memory, 50) < 0 &&
        errno == EFBIG && pread (0, &byte, 1, 99) == 1;

    leave (ok ? 0 : 6);
  }
  if (g_str_equal (what, "open"))
    leave (open ("/etc/passwd", O_RDONLY) >= 0 ? 0 : 5);
  if (g_str_equal (what, "socket"))
    leave (socket (AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : 5);
  if (g_str_equal (what, "fork"))
    leave (fork () >= 0 ? 0 : 5);
  if (g_str_equal (what, "exec"))
    execl ("/bin/true", "true", NULL);
  if (g_str_equal (what, "elsewhere"))
    leave (pwrite (1, &byte, 1, 0) == 1 ? 0 : 5);
  if (g_str_equal (what, "other"))
    leave (pread (2, &byte, 1, 0) >= 0 ? 0 : 5);
  leave (5);
}

static void
test_confined (gconstpointer data)
{
  const char *what = data;

  if (g_test_subprocess ())
    run_confined (what);
  g_test_trap_subprocess (NULL, 0, 0);
  if (g_str_equal (what, "write"))
    g_test_trap_assert_passed ();
  else
    g_test_trap_assert_failed ();
}

int
main (int argc, char **argv)
{
  static const char *const forbidden[] = {
      "open", "socket", "fork", "exec", "elsewhere", "other"};
  int result;

  g_test_init (&argc, &argv, NULL);
  folder = fresh_folder ();
  g_test_add_func ("/formats/convert/golden", test_golden);
  g_test_add_func ("/formats/convert/pack", test_pack);
  g_test_add_func ("/formats/convert/rounded", test_rounded);
  g_test_add_func ("/formats/convert/hostile", test_hostile);
  g_test_add_func ("/formats/convert/arguments", test_arguments);
  g_test_add_func ("/formats/convert/readers", test_readers);
  g_test_add_data_func (
      "/formats/convert/confined/write", "write", test_confined);
#ifdef HAVE_SECCOMP
  for (guint i = 0; i < G_N_ELEMENTS (forbidden); i++) {
    g_autofree char *path = g_strconcat (
        "/formats/convert/confined/", forbidden[i], NULL);

    g_test_add_data_func (path, forbidden[i], test_confined);
  }
#else
  (void) forbidden;
#endif
  result = g_test_run ();
  fresh_remove (folder);
  return result;
}
