/* test-formats-config.c: model configurations.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <mblm.h>
#include <string.h>

#include "formats.h"
#include "fresh.h"

#define BLOCK "{attn_head_dims: 8, attn_num_heads: 2, attn_use_rot_embs: true}"

/* A good configuration of two stages with some keys given otherwise: "key: value"
 * strings, NULL-terminated; "-key" leaves one out. */
static char *
document (const char *const *changes)
{
  static const struct {
    const char *key, *value;
  } lines[] = {
      {"num_tokens", "257"},
      {"pad_token_id", "256"},
      {"hidden_dims", "[32, 16]"},
      {"num_layers", "[2, 1]"},
      {"seq_lens", "[16, 8]"},
      {"train_checkpoint_chunks", "null"},
      {"block", BLOCK},
  };
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++) {
    gboolean changed = FALSE;

    for (guint k = 0; changes[k] != NULL; k++) {
      const char *name = changes[k] + (changes[k][0] == '-');
      gsize n = strlen (lines[i].key);

      changed |= strncmp (name, lines[i].key, n) == 0 &&
          (name[n] == ':' || name[n] == '\0');
    }
    if (!changed)
      g_string_append_printf (out, "%s: %s\n", lines[i].key, lines[i].value);
  }
  for (guint k = 0; changes[k] != NULL; k++)
    if (changes[k][0] != '-')
      g_string_append_printf (out, "%s\n", changes[k]);
  return g_string_free (out, FALSE);
}

static MblmConfig *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  MblmConfig *config = mblm_config_parse (
      text, strlen (text), "test.yaml", &error);

  if (error != NULL)
    g_test_message ("%s", text);
  g_assert_no_error (error);
  return config;
}

static MblmConfig *
parse_changed (const char *const *changes)
{
  g_autofree char *text = document (changes);

  return parse (text);
}

static void
refuse (const char *text, gssize n, const char *part)
{
  GError *error = NULL;
  MblmConfig *config = mblm_config_parse (
      text, n < 0 ? strlen (text) : (gsize) n, "test.yaml", &error);

  formats_expect (error, MBLM_ERROR, MBLM_ERROR_CONFIG, part, text);
  g_assert_null (config);
}

/* Written and read again it is the same. */
static void
check_written (MblmConfig *config)
{
  g_autofree char *yaml = mblm_config_to_yaml (config);
  g_autoptr (MblmConfig) again = parse (yaml);
  g_autofree char *twice = mblm_config_to_yaml (again);

  g_assert_cmpstr (yaml, ==, twice);
  g_assert_cmpuint (
      mblm_config_get_n_stages (config), ==, mblm_config_get_n_stages (again));
  g_assert_cmpuint (
      mblm_config_get_context (config), ==, mblm_config_get_context (again));
  g_assert_cmpuint (mblm_config_get_input_length (config), ==,
      mblm_config_get_input_length (again));
  g_assert_cmpint (
      mblm_config_get_mask_id (config), ==, mblm_config_get_mask_id (again));
  for (guint k = 0; k < mblm_config_get_n_stages (config); k++) {
    g_assert_cmpstr (mblm_config_get_block_type (config, k), ==,
        mblm_config_get_block_type (again, k));
    g_assert_true (g_variant_equal (mblm_config_get_block_options (config, k),
        mblm_config_get_block_options (again, k)));
  }
}

static void
read_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;
  guint n = 0;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *yaml = g_str_has_suffix (name, ".yaml")
        ? g_build_filename (path, name, NULL)
        : g_build_filename (path, name, "config.yaml", NULL);
    g_autoptr (GError) error = NULL;

    if (!g_file_test (yaml, G_FILE_TEST_IS_REGULAR))
      continue;
    g_autoptr (MblmConfig) config = mblm_config_load (yaml, &error);
    g_assert_no_error (error);
    check_written (config);
    n++;
  }
  g_assert_cmpuint (n, >, 1);
}

static void
test_golden (void)
{
  static const char *const folders[] = {
      "golden", "golden/published", "models", NULL};
  g_autofree char *own = formats_golden (".");
  g_autofree char *published = formats_golden ("published");

  read_folder (own);
  read_folder (published);
  for (guint i = 0; folders[i] != NULL; i++) {
    g_autofree char *path = formats_shared (folders[i]);

    if (path != NULL)
      read_folder (path);
  }
}

static void
test_published (void)
{
  g_autofree char *path = formats_golden (
      "published/pg19_200bb_360m_3d_stt.yaml");
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmConfig) config = mblm_config_load (path, &error);
  gint64 integer;
  gboolean boolean;

  g_assert_no_error (error);
  g_assert_cmpuint (mblm_config_get_n_stages (config), ==, 3);
  g_assert_cmpuint (mblm_config_get_context (config), ==, 1048576);
  g_assert_cmpuint (mblm_config_get_input_length (config), ==, 1048576);
  g_assert_cmpuint (mblm_config_get_patch (config, 0), ==, 128);
  g_assert_cmpuint (mblm_config_get_patch (config, 1), ==, 8);
  g_assert_cmpuint (mblm_config_get_patch (config, 2), ==, 1);
  g_assert_cmpuint (mblm_config_get_n_layers (config, 0), ==, 9);
  g_assert_cmpuint (mblm_config_get_hidden_dim (config, 2), ==, 1024);
  g_assert_cmpuint (mblm_config_get_vocabulary (config), ==, 256);
  g_assert_cmpint (mblm_config_get_pad_id (config), ==, 0);
  g_assert_cmpstr (mblm_config_get_block_type (config, 0), ==, "mamba2");
  g_assert_false (mblm_config_has_block_type (config, 0));
  g_assert_cmpstr (mblm_config_get_block_type (config, 1), ==, "transformer");
  g_assert_cmpint (
      mblm_config_get_position (config, 0), ==, MBLM_POSITION_NONE);
  g_assert_cmpint (
      mblm_config_get_position (config, 1), ==, MBLM_POSITION_FIXED);
  g_assert_false (mblm_config_is_encoder (config));
  g_assert_true (g_variant_lookup (mblm_config_get_block_options (config, 1),
      "attn_num_heads", "x", &integer));
  g_assert_cmpint (integer, ==, 16);
  g_assert_true (g_variant_lookup (mblm_config_get_block_options (config, 1),
      "use_flash_attn", "b", &boolean));
  g_assert_true (boolean);
  g_assert_null (g_variant_lookup_value (
      mblm_config_get_block_options (config, 0), "pos_emb_type", NULL));
}

static void
test_encoder (void)
{
  g_autofree char *path = formats_golden ("encoder-all/config.yaml");
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmConfig) config = mblm_config_load (path, &error);

  g_assert_no_error (error);
  g_assert_true (mblm_config_is_encoder (config));
  g_assert_cmpint (mblm_config_get_mask_id (config), ==, 257);
  g_assert_true (mblm_config_get_mask_reduce_all (config));
  g_assert_true (mblm_config_has_block_type (config, 0));

  /* as the params of a training file, with the default strategy */
  g_autoptr (MblmConfig) train = parse (
      "params:\n"
      "  input_seq_len: 100\n"
      "  mask_token_id: 5\n"
      "  mblm_config:\n"
      "    {num_tokens: 8, pad_token_id: 0, hidden_dims: [4], num_layers: [1],"
      " seq_lens: [128], block: " BLOCK "}\n"
      "train: {batch_size: 1, masking_proba: 0.15}\n"
      "io: {name_model: x, dataset_args: {anything: [1, 2]}}\n");
  g_assert_true (mblm_config_is_encoder (train));
  g_assert_false (mblm_config_get_mask_reduce_all (train));
  g_assert_cmpuint (mblm_config_get_input_length (train), ==, 100);
  check_written (train);
}

/* Every way to write a number and a block. */
static void
test_forms (void)
{
  static const char *const numbers[] = {"0x101", "257", "2_57", "0401", "+257",
      "0b100000001", "257.0", "2.57e2", "!!int 257", NULL};
  const char *json = "{\"num_tokens\": 257, \"pad_token_id\": 256, "
                     "\"hidden_dims\": [32], \"num_layers\": [2], "
                     "\"seq_lens\": [16], \"train_checkpoint_chunks\": [], "
                     "\"block\": {\"block_type\": \"custom\", \"x\": 1e-3, "
                     "\"s\": \"1\", \"n\": null, \"b\": false}}";
  double number;
  const char *string;

  for (guint i = 0; numbers[i] != NULL; i++) {
    g_autofree char *line = g_strconcat ("num_tokens: ", numbers[i], NULL);
    g_autoptr (MblmConfig)
        config = parse_changed ((const char *[]){line, NULL});

    g_assert_cmpuint (mblm_config_get_vocabulary (config), ==, 257);
  }

  g_autoptr (MblmConfig) config = parse (json);
  GVariant *options = mblm_config_get_block_options (config, 0);

  g_assert_cmpstr (mblm_config_get_block_type (config, 0), ==, "custom");
  g_assert_true (g_variant_lookup (options, "x", "d", &number));
  g_assert_cmpfloat (number, ==, 1e-3);
  g_assert_true (g_variant_lookup (options, "s", "&s", &string));
  g_assert_cmpstr (string, ==, "1");
  g_assert_cmpuint (g_variant_n_children (options), ==, 3);
  check_written (config);
}

static void
test_aliases (void)
{
  g_autoptr (MblmConfig) config = parse_changed ((const char *[]){
      "block:\n- &a {d_state: 8, x: &v 3}\n"
      "- {<<: *a, d_state: 16, y: *v, \"quoted key\": \"a\\tb\\u20ac\"}",
      NULL});
  gint64 x, y, state;

  g_assert_true (g_variant_lookup (
      mblm_config_get_block_options (config, 1), "x", "x", &x));
  g_assert_true (g_variant_lookup (
      mblm_config_get_block_options (config, 1), "y", "x", &y));
  g_assert_true (g_variant_lookup (
      mblm_config_get_block_options (config, 1), "d_state", "x", &state));
  g_assert_cmpint (x, ==, 3);
  g_assert_cmpint (y, ==, 3);
  g_assert_cmpint (state, ==, 16);
  check_written (config);
}

/* Changes of the good document that make it a bad one, and what is said. */
static void
test_refused (void)
{
  static const struct {
    const char *changes[4];
    const char *part;
  } cases[] = {
      {{"num_token: 257"}, "did you mean \"num_tokens\""},
      {{"colour: 1"}, "line 8: a model configuration has no key \"colour\""},
      {{"-num_tokens"}, "the key \"num_tokens\" is missing"},
      {{"-block"}, "\"block\" is missing"},
      {{"num_tokens: 1"}, "from 2 to 65536"},
      {{"num_tokens: 65537"}, "from 2 to 65536"},
      {{"num_tokens: -257"}, "from 2 to 65536"},
      {{"num_tokens: '257'"}, "not a string"},
      {{"num_tokens: two"}, "not a string"},
      {{"num_tokens: true"}, "not a truth value"},
      {{"num_tokens: .inf"}, "whole number"},
      {{"num_tokens: .nan"}, "whole number"},
      {{"num_tokens: 257.5"}, "whole number"},
      {{"num_tokens: 1e400"}, "whole number"},
      {{"num_tokens: 99999999999999999999"}, "beyond 64 bits"},
      {{"num_tokens: 0xfffffffffffffffff"}, "beyond 64 bits"},
      {{"num_tokens: !!python/object:os.system 3"}, "is not allowed"},
      {{"num_tokens: !!int x"}, "not of its tag"},
      {{"num_tokens: [257]"}, "not a list"},
      {{"num_tokens:"}, "not null"},
      {{"pad_token_id: 257"}, "from 0 to 256"},
      {{"pad_token_id: -1"}, "from 0 to 256"},
      {{"hidden_dims: 32"}, "must be a list"},
      {{"hidden_dims: []"}, "0 entries"},
      {{"hidden_dims: [1, 1, 1, 1, 1, 1, 1, 1, 1]"}, "9 entries"},
      {{"hidden_dims: [0, 16]"}, "hidden_dims[0] is 0"},
      {{"hidden_dims: [32, 65537]"}, "hidden_dims[1] is 65537"},
      {{"num_layers: [1]"}, "one per stage"},
      {{"num_layers: [1, 1025]"}, "from 1 to 1024"},
      {{"seq_lens: [16, 8, 4]"}, "one per stage"},
      {{"seq_lens: [0, 8]"}, "from 1 to"},
      {{"seq_lens: [2147483649, 8]"}, "from 1 to 2147483648"},
      {{"seq_lens: [2147483648, 2147483648]"}, "beyond 2^48"},
      {{"seq_lens: [16, 2147483648]"}, "too large to be embedded"},
      {{"hidden_dims: [65536, 1]", "seq_lens: [2, 16777217]"},
          "too large to be embedded"},
      {{"seq_lens: [2147483648, 8]", "hidden_dims: [65536, 16]",
           "block: {attn_head_dims: 8, pos_emb_type: fixed}"},
          "table of positions"},
      {{"train_checkpoint_chunks: [1, 2]"}, "one for each stage but the first"},
      {{"train_checkpoint_chunks: [0]"}, "from 1 to"},
      {{"train_checkpoint_chunks: 3"}, "must be a list"},
      {{"input_seq_len: 0"}, "from 1 to"},
      {{"mask_token_id: 3"}, "has no key"},
      {{"block: 3"}, "must be a mapping"},
      {{"block: [" BLOCK "]"}, "one per stage"},
      {{"block: [" BLOCK ", 3]"}, "must be a mapping"},
      {{"block: {x: 1}"}, "set block_type"},
      {{"block: {d_state: null, block_type: ~}"}, "set block_type"},
      {{"block: {block_type: 3}"}, "must be the name"},
      {{"block: {block_type: ''}"}, "must be the name"},
      {{"block: {d_state: 8, pos_emb_type: rotary}"}, "fixed, rope or null"},
      {{"block: {d_state: 8, x: .inf}"}, "not a finite number"},
      {{"block: {d_state: 8, x: -1e999}"}, "not a finite number"},
      {{"block: {d_state: [1]}"}, "single value"},
      {{"block: {d_state: 8, d_state: 9}"}, "is there twice"},
      {{"num_tokens: 257", "num_tokens: 257"}, "is there twice"},
      {{"block: *nowhere"}, "there is no anchor"},
      {{"block: &a {x: *a}"}, "contains itself"},
      {{"block: &a {d_state: 8, <<: *a}"}, "contains itself"},
      {{"block: {d_state: 8, <<: 3}"}, "takes a mapping"},
      {{"? [a]\n: 3"}, "plain word"},
      {{"block: {d_state: 8"}, "not valid YAML"},
      {{"block:\n\t- 3"}, "not valid YAML"},
      {{"\n---\nx: 1"}, "second document"},
      {{"io: {}"}, "\"params\" is missing"},
      {{"params: {}"}, "has no key \"num_tokens\""},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *text = document (cases[i].changes);

    refuse (text, -1, cases[i].part);
  }
  refuse ("", -1, "empty");
  refuse ("# nothing\n", -1, "empty");
  refuse ("3", -1, "must be a mapping");
  refuse ("params: 3", -1, "params must be a mapping");
  refuse ("[1]", -1, "must be a mapping");
  refuse ("a: \"\\0\"", -1, "NUL");
  refuse ("a: \0", 4, "not valid YAML");
  refuse ("\377\376\n", -1, "not valid YAML");
  refuse ("{num_tokens: 3, mblm_config: {}}", -1, "has no key \"num_tokens\"");
}

/* The other sections of a training file. */
static void
test_sections (void)
{
  static const struct {
    const char *section, *part;
  } cases[] = {
      {"io: {name_modell: x}", "did you mean \"name_model\""},
      {"train: {learning_rat: 1}", "did you mean \"learning_rate\""},
      {"resume: {x: 1}", "resume has no key"},
      {"summary: {x: 1}", "summary has no key"},
      {"train: 3", "train must be a mapping"},
      {"training: {}", "did you mean \"train\""},
  };
  g_autofree char *model = document ((const char *[]){NULL});
  g_auto (GStrv) lines = g_strsplit (g_strchomp (model), "\n", -1);
  g_autofree char *indented = g_strjoinv ("\n  ", lines);
  g_autofree char *good = g_strdup_printf (
      "params:\n  %s\nresume: null\n", indented);
  g_autoptr (MblmConfig) config = parse (good);

  g_assert_cmpuint (mblm_config_get_context (config), ==, 128);
  g_assert_cmpuint (mblm_config_get_input_length (config), ==, 128);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *text = g_strdup_printf (
        "params:\n  %s\n%s\n", indented, cases[i].section);

    refuse (text, -1, cases[i].part);
  }
}

/* Documents that would take very long or much memory. */
static void
test_bombs (void)
{
  GString *text = g_string_new ("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");

  for (guint i = 1; i < 30; i++) {
    g_string_append_printf (text, "a%u: &a%u [", i, i);
    for (guint k = 0; k < 10; k++)
      g_string_append_printf (text, "*a%u, ", i - 1);
    g_string_append (text, "]\n");
  }
  refuse (text->str, -1, "every alias written out");

  g_string_assign (text, "a: ");
  for (guint i = 0; i < 100000; i++)
    g_string_append_c (text, '[');
  refuse (text->str, -1, "nested more than 32 deep");

  g_string_assign (text, "a0: &a0 [x]\n");
  for (guint i = 1; i < 40; i++)
    g_string_append_printf (text, "a%u: &a%u [*a%u]\n", i, i, i - 1);
  refuse (text->str, -1, "nested more than 32 deep");

  g_string_assign (text, "a: [");
  for (guint i = 0; i < 100000; i++)
    g_string_append (text, "x, ");
  g_string_append (text, "]\n");
  refuse (text->str, -1, "more than 20000 values");

  g_string_assign (text, "a: \"");
  while (text->len < 1024 * 1024)
    g_string_append (text, "0123456789abcdef");
  g_string_append (text, "\"\n");
  refuse (text->str, -1, "larger than 1048576 bytes");

  g_string_truncate (text, 100000);
  g_string_append (text, "\"\n");
  refuse (text->str, -1, "more than 65536 bytes");

  g_string_assign (text, "block: {d_state: 8");
  for (guint i = 0; i < 100; i++)
    g_string_append_printf (text, ", f%u: 1", i);
  g_string_append_c (text, '}');
  g_autofree char *many = document ((const char *[]){text->str, NULL});
  refuse (many, -1, "at most 64");
  g_string_free (text, TRUE);
}

/* Whatever it makes of it, it neither crashes nor lies. */
static void
try_damaged (const guint8 *data, gsize n, gsize at, gpointer user_data)
{
  guint *taken = user_data;
  GError *error = NULL;
  g_autoptr (MblmConfig)
      config = mblm_config_parse ((const char *) data, n, "test.yaml", &error);

  g_assert_true ((config == NULL) == (error != NULL));
  if (config != NULL) {
    g_autofree char *yaml = mblm_config_to_yaml (config);

    (*taken)++;
    g_assert_nonnull (yaml);
    return;
  }
  g_assert_true (error->domain == MBLM_ERROR);
  g_assert_cmpint (error->code, ==, MBLM_ERROR_CONFIG);
  g_error_free (error);
}

static void
test_damaged (void)
{
  g_autofree char *path = formats_golden ("m2-t-t/config.yaml");
  g_autoptr (GBytes) bytes = formats_read (path);
  gsize n;
  const guint8 *data = g_bytes_get_data (bytes, &n);
  guint taken = 0;

  formats_cut (data, n, 1, try_damaged, &taken);
  /* the last keys are optional: most prefixes are errors */
  g_assert_cmpuint (taken, <, n / 2);
  formats_flip (data, n, 1, try_damaged, &taken);
}

static void
test_files (void)
{
  g_autofree char *folder = fresh_folder ();
  g_autofree char *nowhere = g_build_filename (folder, "nowhere.yaml", NULL);
  g_autofree char *large = g_malloc0 (1024 * 1024 + 1);
  g_autofree char *path = formats_write (
      folder, "large.yaml", large, 1024 * 1024 + 1);
  GError *error = NULL;

  g_assert_null (mblm_config_load (nowhere, &error));
  formats_expect (
      error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND, "no such file", nowhere);
  error = NULL;
  g_assert_null (mblm_config_load (folder, &error));
  formats_expect (error, MBLM_ERROR, MBLM_ERROR_INPUT, "a folder", folder);
  error = NULL;
  g_assert_null (mblm_config_load ("/dev/zero", &error));
  formats_expect (error, MBLM_ERROR, MBLM_ERROR_INPUT, "a device", "/dev/zero");
  error = NULL;
  g_assert_null (mblm_config_load (path, &error));
  formats_expect (error, MBLM_ERROR, MBLM_ERROR_INPUT, "at most 1048576", path);
  fresh_remove (g_steal_pointer (&folder));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/formats/config/golden", test_golden);
  g_test_add_func ("/formats/config/published", test_published);
  g_test_add_func ("/formats/config/encoder", test_encoder);
  g_test_add_func ("/formats/config/forms", test_forms);
  g_test_add_func ("/formats/config/aliases", test_aliases);
  g_test_add_func ("/formats/config/refused", test_refused);
  g_test_add_func ("/formats/config/sections", test_sections);
  g_test_add_func ("/formats/config/bombs", test_bombs);
  g_test_add_func ("/formats/config/damaged", test_damaged);
  g_test_add_func ("/formats/config/files", test_files);
  return g_test_run ();
}
