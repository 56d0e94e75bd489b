/* test-train-published.c: the published training files, with small sizes and as
 * they are.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib/gstdio.h>
#include <mblm.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../engine/pictures.h"
#include "../engine/runs.h"
#include "spawn.h"

/* A published file, and what it gets in the place of its sizes. */
typedef struct {
  const char *name;
  const char *length, *lengths, *dims, *layers, *target;
  gint64 steps, parameters; /* of the file as it is */
} Published;

static const Published all[] = {
    {"pg19_200bb_360m_3d_stt", "128", "[8, 4, 4]", "[32, 32, 32]", "[2, 1, 1]",
        "24576", 3973, 362870112},
    {"pg19_30bb_360m_1d_t", "128", "[128]", "[32]", "[2]", "24576", 76294,
        361451776},
    {"pg19_30bb_360m_2d_ss", "128", "[32, 4]", "[32, 32]", "[2, 1]", "24576",
        76294, 360850560},
    {"pg19_30bb_360m_2d_st", "128", "[32, 4]", "[32, 32]", "[2, 1]", "24576",
        76294, 358898528},
    {"clevr_7mi_360m_1d_s_ft", "128", "[128]", "[32]", "[2]", "1152", 24305,
        356983616},
};

/* Lines that begin with a key, behind spaces and a dash, get another value. */
typedef struct {
  const char *key, *value;
} Change;

static const Change sizes[] = {
    {"name_model", "run"},
    {"validate_amount", "3"},
    {"log_train_loss_amount", "12"},
    {"num_models_to_save", "2"},
    {"max_eval_steps", "3"},
    {"d_state", "16"},
    {"headdim", "8"},
    {"attn_head_dims", "8"},
    {"attn_num_heads", "2"},
    {"resize_to_w", "6"},
    {"resize_to_h", "4"},
    {"learning_rate", "0.01"},
};

static const char *
find_change (const Change *changes, guint n, const char *key, gsize length)
{
  for (guint i = 0; i < n; i++)
    if (strlen (changes[i].key) == length &&
        strncmp (changes[i].key, key, length) == 0)
      return changes[i].value;
  return NULL;
}

static char *
change (const char *text, const Change *changes, guint n)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  GString *out = g_string_new (NULL);

  for (guint i = 0; lines[i]; i++) {
    const char *key = lines[i] + strspn (lines[i], " -");
    const char *end = strchr (key, ':');
    const char *value = end ? find_change (changes, n, key, (gsize) (end - key))
                            : NULL;

    if (value)
      g_string_append_printf (
          out, "%.*s: %s\n", (int) (end - lines[i]), lines[i], value);
    else
      g_string_append_printf (out, "%s\n", lines[i]);
  }
  return g_string_free (out, FALSE);
}

static char *
read_published (const Published *p)
{
  g_autofree char *name = g_strdup_printf ("published/%s.yaml", p->name);
  g_autofree char *path = g_build_filename (
      g_getenv ("MBLM_TEST_GOLDEN"), name, NULL);
  g_autoptr (GError) error = NULL;
  char *text;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

/* Takes what the file says of the weights that it starts from. */
static void
cut_resume (char *text)
{
  char *resume = strstr (text, "\nresume:");

  if (resume)
    resume[1] = '\0';
}

/* ------------------------------------------------------------------------- */
/* Data                                                                      */
/* ------------------------------------------------------------------------- */

static void
write_books (const char *folder)
{
  static const char *const splits[] = {"train", "validation", "test"};

  for (guint i = 0; i < G_N_ELEMENTS (splits); i++) {
    g_autofree char *name = g_strdup_printf ("data/%s/a.txt", splits[i]);
    GString *text = g_string_new (NULL);

    while (text->len < (i == 0 ? 30000 : 1500))
      g_string_append_printf (text, "word %u, ", (guint) text->len % 7);
    g_free (folder_write (folder, name, text->str, (gssize) text->len));
    g_string_free (text, TRUE);
  }
}

/* The published data set has no test split that could be scored. */
static void
write_clevr (const char *folder)
{
  static const char *const splits[] = {"train", "val"};
  static const char *const answers[] = {"yes", "no", "cube", "3"};

  for (guint i = 0; i < G_N_ELEMENTS (splits); i++) {
    g_autoptr (MblmPicture) picture = test_picture (15, 10, FALSE);
    g_autoptr (GByteArray) png = test_png_rgb (picture);
    g_autofree char *image = g_strdup_printf (
        "data/images/%s/a.png", splits[i]);
    g_autofree char *list = g_strdup_printf (
        "data/questions/CLEVR_%s_questions.json", splits[i]);
    GString *text = g_string_new ("{\"questions\": [");

    for (guint k = 0; k < (i == 0 ? 600 : 24); k++)
      g_string_append_printf (text,
          "%s{\"image_filename\": \"a.png\", \"question\": \"Is it %u?\", "
          "\"program\": [], \"answer\": \"%s\"}",
          k > 0 ? ", " : "", k, answers[k % G_N_ELEMENTS (answers)]);
    g_string_append (text, "], \"info\": {}}");
    g_free (folder_write (folder, image, png->data, (gssize) png->len));
    g_free (folder_write (folder, list, text->str, (gssize) text->len));
    g_string_free (text, TRUE);
  }
}

static void
write_data (const Published *p, const char *folder)
{
  if (g_str_has_prefix (p->name, "clevr"))
    write_clevr (folder);
  else
    write_books (folder);
}

/* ------------------------------------------------------------------------- */
/* Runs                                                                      */
/* ------------------------------------------------------------------------- */

static char *
find_output (const char *folder, const char *out)
{
  g_autofree char *path = g_build_filename (folder, out, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name = dir ? g_dir_read_name (dir) : NULL;

  return name ? g_build_filename (path, name, NULL) : NULL;
}

/* FOLDER/NAME.yaml with small sizes, which writes to FOLDER/NAME. */
static char *
write_config (const Published *p, const char *folder, const char *name,
    const char *checkpoint)
{
  g_autofree char *text = read_published (p);
  g_autofree char *out = g_build_filename (folder, name, NULL);
  g_autofree char *data = g_build_filename (folder, "data", NULL);
  g_autofree char *file = g_strconcat (name, ".yaml", NULL);
  g_autofree char *small = NULL;
  g_autofree char *whole = NULL;
  const Change own[] = {
      {"output_dir", out},
      {"dataset_dir", data},
      {"input_seq_len", p->length},
      {"seq_lens", p->lengths},
      {"hidden_dims", p->dims},
      {"num_layers", p->layers},
      {"target_elements", p->target},
      {"checkpoint_file", checkpoint ? checkpoint : ""},
  };

  if (!checkpoint)
    cut_resume (text);
  small = change (text, sizes, G_N_ELEMENTS (sizes));
  whole = change (small, own, G_N_ELEMENTS (own));
  return folder_write (folder, file, whole, -1);
}

static void
run (const char *config, const char *option)
{
  g_autoptr (Spawned)
      s = spawn ("train", config, "--threads", "1", option, NULL);

  spawned_assert_ok (s);
}

/* Interrupts a run once it has begun. */
static void
run_a_while (const char *config)
{
  g_autoptr (GSubprocessLauncher)
      launcher = spawn_launcher (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_launcher_spawn (
      launcher, &error, spawn_path (), "train", config, "--threads", "1", NULL);

  g_assert_no_error (error);
  g_autoptr (GDataInputStream)
      lines = g_data_input_stream_new (g_subprocess_get_stdout_pipe (process));
  g_autofree char *first = g_data_input_stream_read_line (
      lines, NULL, NULL, NULL);
  g_assert_nonnull (first);
  g_subprocess_send_signal (process, SIGINT);
  for (char *line; (line = g_data_input_stream_read_line (
                        lines, NULL, NULL, NULL)) != NULL;)
    g_free (line);
  g_assert_cmpint (spawn_wait (process), ==, 0);
}

/* What a validation has written. */
static guint
count_losses (const char *output, const char *kind)
{
  g_autofree char *losses = runs_read_losses (output);
  g_autofree char *field = g_strdup_printf (",%s,", kind);
  guint n = 0;

  for (const char *at = losses; (at = strstr (at, field)) != NULL; at++)
    n++;
  return n;
}

static void
assert_plays (const char *output)
{
  g_autofree char *model = g_build_filename (output, "run_top1", NULL);
  g_autoptr (Spawned)
      s = spawn ("generate", model, "-n", "20", "--prompt", "word", NULL);

  spawned_assert_ok (s);
  g_assert_cmpuint (s->out_size, >=, 20);
}

/* Runs, validates, and goes on after a stop as if there had been none. */
static void
test_small (gconstpointer data)
{
  const Published *p = data;
  char *folder = folder_new ();
  g_autofree char *checkpoint = NULL;

  write_data (p, folder);
  if (g_str_has_prefix (p->name, "clevr")) {
    /* it is about a model that was trained before */
    g_autofree char *first = write_config (p, folder, "first", NULL);
    g_autofree char *output = NULL;

    run (first, NULL);
    output = find_output (folder, "first");
    checkpoint = g_build_filename (output, "run_top1", NULL);
  }
  g_autofree char *whole = write_config (p, folder, "whole", checkpoint);
  g_autofree char *parts = write_config (p, folder, "parts", checkpoint);

  run (whole, NULL);
  run_a_while (parts);
  run (parts, "--resume");
  g_autofree char *a = find_output (folder, "whole");
  g_autofree char *b = find_output (folder, "parts");

  g_assert_cmpuint (count_losses (a, "train"), >=, 12);
  g_assert_cmpuint (count_losses (a, "valid"), >=, 3);
  runs_assert_same (a, b);
  assert_plays (a);
  folder_remove (folder);
}

/* A corpus of the least size, all holes. */
static void
write_large_books (const char *folder)
{
  static const char *const splits[] = {"train", "validation", "test"};

  write_books (folder);
  for (guint i = 0; i < G_N_ELEMENTS (splits); i++) {
    g_autofree char *name = g_strdup_printf ("data/%s/a.txt", splits[i]);
    g_autofree char *path = g_build_filename (folder, name, NULL);

    g_assert_cmpint (truncate (path, i == 0 ? 64 << 20 : 4 << 20), ==, 0);
  }
}

/* As it is, but for the paths. */
static void
test_dry_run (gconstpointer data)
{
  const Published *p = data;
  char *folder = folder_new ();
  g_autofree char *out = g_build_filename (folder, "out", NULL);
  g_autofree char *set = g_build_filename (folder, "data", NULL);
  g_autofree char *text = read_published (p);
  const Change paths[] = {{"output_dir", out}, {"dataset_dir", set}};

  if (g_str_has_prefix (p->name, "clevr"))
    write_clevr (folder);
  else
    write_large_books (folder);
  cut_resume (text); /* its checkpoint is nobody's */
  g_autofree char *changed = change (text, paths, G_N_ELEMENTS (paths));
  g_autofree char *config = folder_write (folder, "run.yaml", changed, -1);
  g_autoptr (Spawned) s = spawn ("train", config, "--dry-run", "--json", NULL);
  g_autoptr (JsonObject) object = NULL;

  spawned_assert_ok (s);
  object = spawned_get_object (s, 0);
  g_assert_cmpint (
      json_object_get_int_member (object, "parameters"), ==, p->parameters);
  g_assert_cmpint (json_object_get_int_member (object, "steps"), ==, p->steps);
  g_assert_cmpint (json_object_get_int_member (object, "memory_bytes"), >,
      16 * p->parameters);
  g_assert_false (g_file_test (out, G_FILE_TEST_EXISTS));
  folder_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (all); i++) {
    g_autofree char *small = g_strdup_printf (
        "/command/train/published/small/%s", all[i].name);
    g_autofree char *dry = g_strdup_printf (
        "/command/train/published/dry-run/%s", all[i].name);

    g_test_add_data_func (small, &all[i], test_small);
    g_test_add_data_func (dry, &all[i], test_dry_run);
  }
  return g_test_run ();
}
