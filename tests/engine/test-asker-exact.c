/* test-asker-exact.c: choices and shared pictures against full passes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every order of the sample, several kinds of blocks. What a choice must come to
 * is brute force: one full pass over prompt, choice and `end`, the sum of its
 * logarithms of softmax in double precision, normalised over the choices.
 */

#include <math.h>
#include <string.h>

#include "golden.h"
#include "talker.h"

#define LIMIT 1e-5
#define IMAGE_BYTES (8 * 6 * 3)
#define TILES                                                                  \
  "\"image\": { \"width\": 8, \"height\": 6, \"order\": \"tiles\", "           \
  "\"tile\": [4, 2] }"
#define PLAIN "\"image\": { \"width\": 8, \"height\": 6 }"
#define ALIGNED ", \"align\": true, \"segment_bytes\": { \"question\": 48 }"

static const struct {
  const char *name, *block, *sizes, *json;
} kinds[] = {
    {"image-question", FRESH_TRANSFORMER ", pos_emb_type: fixed",
        "[24, 16]\nnum_layers: [2, 1]\nseq_lens: [24, 24]",
        TALKER_TOKENS
        ", " TILES
        ", \"sample\": [\"image\", \"question\", \"answer\"]" ALIGNED},
    {"question-image", FRESH_TRANSFORMER ", pos_emb_type: rope",
        "[24, 16]\nnum_layers: [2, 1]\nseq_lens: [24, 24]",
        TALKER_TOKENS
        ", " TILES
        ", \"sample\": [\"question\", \"image\", \"answer\"]" ALIGNED},
    {"question-image-question", FRESH_MAMBA2 ", pos_emb_type: fixed",
        "[24, 16]\nnum_layers: [2, 1]\nseq_lens: [64, 8]",
        TALKER_TOKENS ", " PLAIN ", \"sample\": [\"question\", \"image\", "
                      "\"question\", \"answer\"]" ALIGNED},
    {"three-stages", FRESH_TRANSFORMER ", pos_emb_type: fixed",
        "[24, 32, 16]\nnum_layers: [2, 1, 1]\nseq_lens: [24, 4, 4]",
        TALKER_TOKENS ", " PLAIN
                      ", \"sample\": [\"image\", \"question\", \"answer\"]"},
    /* nothing but bytes, in no patches that they would keep to */
    {"bare", FRESH_MAMBA1 ", pos_emb_type: null",
        "[24, 16]\nnum_layers: [2, 1]\nseq_lens: [64, 7]",
        "\"tokens\": {}, " PLAIN
        ", \"sample\": [\"image\", \"question\", \"answer\"]"},
    {"one-stage", FRESH_TRANSFORMER ", pos_emb_type: fixed",
        "[24]\nnum_layers: [2]\nseq_lens: [384]",
        TALKER_TOKENS ", " PLAIN
                      ", \"sample\": [\"image\", \"question\", \"answer\"]"},
};

/* Common beginnings, single ones, some longer than a patch, not only ASCII. */
static const char *const choices[] = {"red", "reddish", "re", "r", "green",
    "grey", "great", "1", "10", "100", "11", "\303\244\303\266", "\303\244",
    "a choice that is longer than a patch", "a choice that is longer than this",
    "a", "yes", "no", NULL};

/* A kind of model on a device. */
typedef struct {
  guint kind;
  char *device;
} Case;

typedef struct {
  char *folder;
  MblmModel *model;
  guint vocabulary;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  const Case *c = data;
  guint kind = c->kind;
  gboolean flat = !strchr (kinds[kind].sizes, ',');
  g_autoptr (GError) error = NULL;
  g_autofree char *yaml = NULL, *json = NULL, *path = NULL, *info = NULL;
  g_autoptr (GString) blocks = g_string_new (NULL);

  for (const char *p = kinds[kind].sizes; *p != ']'; p++)
    if (*p == ',')
      g_string_append_printf (blocks, "- { %s }\n", kinds[kind].block);
  g_string_append_printf (blocks, "- { %s }\n",
      flat ? kinds[kind].block : FRESH_TRANSFORMER ", pos_emb_type: fixed");
  yaml = g_strdup_printf ("num_tokens: 260\npad_token_id: 256\nhidden_dims: "
                          "%s\ntrain_checkpoint_chunks: null\nblock:\n%s",
      kinds[kind].sizes, blocks->str);
  json = g_strdup_printf (
      "{ \"format\": 1, \"name\": \"exact\", \"task\": \"qa\", %s }\n",
      kinds[kind].json);
  f->folder = fresh_folder ();
  path = g_build_filename (f->folder, "model", NULL);
  info = g_build_filename (path, "mblm.json", NULL);
  g_autoptr (MblmConfig)
      config = mblm_config_parse (yaml, strlen (yaml), "exact", &error);
  g_assert_no_error (error);
  mblm_model_create (config, 5, path, &error);
  g_assert_no_error (error);
  g_file_set_contents (info, json, -1, &error);
  g_assert_no_error (error);
  g_autoptr (MblmDevice) device = mblm_device_open (c->device, 2, &error);
  g_assert_no_error (error);
  f->model = mblm_model_load (path, device, MBLM_PRECISION_F32, NULL, &error);
  g_assert_no_error (error);
  f->vocabulary = 260;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_object_unref (f->model);
  fresh_remove (f->folder);
}

static GBytes *
new_image (guint seed)
{
  g_autofree gint32 *ids = fresh_ids (IMAGE_BYTES, seed);
  guint8 *bytes = g_new (guint8, IMAGE_BYTES);

  for (guint i = 0; i < IMAGE_BYTES; i++)
    bytes[i] = (guint8) ids[i];
  return g_bytes_new_take (bytes, IMAGE_BYTES);
}

static MblmAsker *
new_asker (Fixture *f, const char *question)
{
  g_autoptr (GError) error = NULL;
  MblmAsker *asker = mblm_asker_new (f->model, &error);

  g_assert_no_error (error);
  mblm_asker_set_question (asker, question, &error);
  g_assert_no_error (error);
  mblm_asker_set_max_bytes (asker, 9);
  return asker;
}

static MblmAnswer *
answer (MblmAsker *asker, GBytes *image)
{
  g_autoptr (GError) error = NULL;
  MblmAnswer *answer = mblm_asker_answer (asker, image, NULL, &error);

  g_assert_no_error (error);
  return answer;
}

/* ------------------------------------------------------------------------- */
/* Choices                                                                   */
/* ------------------------------------------------------------------------- */

/* ln p of ids [first, n) by one full pass over all n. */
static double
score (Fixture *f, const GArray *ids, guint first)
{
  g_autoptr (GError) error = NULL;
  gsize width = f->vocabulary;
  g_autofree float *logits = g_new (float, ids->len *width);
  double log_p = 0.0;

  mblm_model_forward (f->model, (const gint32 *) ids->data, 1, ids->len, NULL,
      logits, NULL, NULL, &error);
  g_assert_no_error (error);
  for (guint i = first; i < ids->len; i++) {
    const float *row = logits + (i - 1) * width;
    double sum = 0.0;

    for (gsize k = 0; k < width; k++)
      sum += exp ((double) row[k]);
    log_p += row[g_array_index (ids, gint32, i)] - log (sum);
  }
  return log_p;
}

/* The probabilities of `texts`, by brute force. */
static void
weigh (Fixture *f, MblmAsker *asker, GBytes *image, const char *const *texts,
    guint n, double *p)
{
  gint32 end = mblm_info_get_token (
      mblm_model_get_info (f->model), MBLM_TOKEN_END);
  double most = -INFINITY, total = 0.0;

  for (guint i = 0; i < n; i++) {
    g_autoptr (GArray) ids = mblm_asker_get_prompt_ids (asker, image, NULL);
    guint first = ids->len;

    for (const char *c = texts[i]; *c; c++) {
      gint32 id = (guint8) *c;
      g_array_append_val (ids, id);
    }
    if (end >= 0)
      g_array_append_val (ids, end);
    p[i] = score (f, ids, first);
    most = MAX (most, p[i]);
  }
  for (guint i = 0; i < n; i++)
    total += exp (p[i] - most);
  for (guint i = 0; i < n; i++)
    p[i] = exp (p[i] - most) / total;
}

static void
check_choices (
    Fixture *f, MblmAsker *asker, GBytes *image, const char *const *texts)
{
  guint n = g_strv_length ((GStrv) texts);
  g_autofree double *wanted = g_new (double, n);
  g_autoptr (GError) error = NULL;
  double sum = 0.0;

  mblm_asker_set_choices (asker, texts, &error);
  g_assert_no_error (error);
  g_autoptr (MblmAnswer) result = answer (asker, image);
  weigh (f, asker, image, texts, n, wanted);
  g_assert_cmpuint (result->n_choices, ==, n);
  for (guint i = 0; i < n; i++) {
    g_assert_cmpstr (result->choices[i].text, ==, texts[i]);
    g_assert_cmpfloat_with_epsilon (
        result->choices[i].probability, wanted[i], LIMIT);
    /* small ones, too, as far as sums of float32 go */
    g_assert_cmpfloat_with_epsilon (
        result->choices[i].probability / wanted[i], 1.0, 10 * LIMIT);
    g_assert_cmpfloat (result->choices[i].probability, <=, result->probability);
    sum += result->choices[i].probability;
  }
  g_assert_cmpfloat_with_epsilon (sum, 1.0, 1e-12);
}

static void
test_choices (Fixture *f, gconstpointer data)
{
  static const char *const questions[] = {"What is it?", NULL, "Which?"};
  static const char *const one[] = {"only this", NULL};
  static const char *const bytes[] = {"a", "b", "c", NULL};

  for (guint i = 0; i < G_N_ELEMENTS (questions); i++) {
    g_autoptr (MblmAsker) asker = new_asker (f, questions[i]);
    g_autoptr (GBytes) image = new_image (i), other = new_image (i + 10);

    check_choices (f, asker, image, choices);
    check_choices (f, asker, other, choices);
    check_choices (f, asker, other, one);
    check_choices (f, asker, image, bytes);
  }
}

/* More than are held at once. */
static void
test_many (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (MblmAsker) asker = new_asker (f, "How many?");
  g_autoptr (GBytes) image = new_image (3);

  for (guint i = 0; i < 70; i++)
    g_ptr_array_add (texts, g_strdup_printf ("%u", i * 7));
  g_ptr_array_add (texts, NULL);
  check_choices (f, asker, image, (const char *const *) texts->pdata);
}

/* ------------------------------------------------------------------------- */
/* Shared pictures                                                           */
/* ------------------------------------------------------------------------- */

/* Asks as one that shares, and alone. */
static void
check_alike (Fixture *f, MblmAsker *sharing, const char *question,
    GBytes *image, gboolean chooses)
{
  g_autoptr (MblmAsker) alone = new_asker (f, question);
  g_autoptr (GError) error = NULL;

  mblm_asker_set_choices (alone, chooses ? choices : NULL, &error);
  g_assert_no_error (error);
  mblm_asker_set_choices (sharing, chooses ? choices : NULL, &error);
  g_assert_no_error (error);
  mblm_asker_set_question (sharing, question, &error);
  g_assert_no_error (error);
  g_autoptr (MblmAnswer) x = answer (sharing, image);
  g_autoptr (MblmAnswer) y = answer (alone, image);
  g_assert_cmpstr (x->text, ==, y->text);
  g_assert_cmpfloat_with_epsilon (x->probability, y->probability, LIMIT);
  for (guint i = 0; chooses && i < x->n_choices; i++)
    g_assert_cmpfloat_with_epsilon (
        x->choices[i].probability, y->choices[i].probability, LIMIT);
}

static void
test_shared (Fixture *f, gconstpointer data)
{
  g_autoptr (MblmAsker) a = new_asker (f, "What?"), b = new_asker (f, NULL);
  MblmAsker *c = new_asker (f, "Where?");

  mblm_asker_share (b, a);
  mblm_asker_share (c, b);
  mblm_asker_share (b, c);
  for (guint i = 0; i < 4; i++) {
    g_autoptr (GBytes) image = new_image (i / 2);

    check_alike (f, a, "What?", image, i % 2);
    check_alike (f, b, i % 2 ? "" : "What colour is it?", image, FALSE);
    check_alike (f, c, "Where?", image, TRUE);
    check_alike (f, a, "And where is that?", image, FALSE);
  }
  /* one that goes, and another group */
  g_autoptr (GBytes) last = new_image (9);
  check_alike (f, c, "Where?", last, FALSE);
  g_object_unref (c);
  check_alike (f, b, "Why?", last, FALSE);
  g_autoptr (MblmAsker) d = new_asker (f, "When?");
  mblm_asker_share (b, d);
  check_alike (f, a, "Why?", last, FALSE);
  check_alike (f, b, "Why?", last, FALSE);
  check_alike (f, d, "Why?", last, TRUE);
  /* one alone, for its next questions */
  g_autoptr (MblmAsker) e = new_asker (f, "What?");
  mblm_asker_share (e, e);
  for (guint i = 0; i < 6; i++) {
    g_autoptr (GBytes) image = new_image (i / 4);

    check_alike (f, e, i % 2 ? "What?" : "And where is it?", image, i % 3 == 0);
  }
}

static gboolean
count_up (gpointer data)
{
  guint *n = data;

  (*n)++;
  return TRUE;
}

/* The next question about a picture is less work, and one about another isn't, where
 * the sample begins with it. */
static void
test_read_once (Fixture *f, gconstpointer data)
{
  g_autoptr (MblmAsker) a = new_asker (f, "What?");
  MblmInfo *info = mblm_model_get_info (f->model);
  guint work[3] = {0}, n;

  if (mblm_info_get_sample (info, &n)[0] != MBLM_SEGMENT_IMAGE)
    return;
  mblm_asker_share (a, a);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GBytes) image = new_image (i / 2);

    mblm_asker_set_progress (a, count_up, &work[i]);
    g_autoptr (MblmAnswer) x = answer (a, image);
    g_assert_cmpstr (x->text, !=, NULL);
  }
  g_assert_cmpuint (work[1], <, work[0]);
  g_assert_cmpuint (work[2], >, work[1]);
}

/* Ends the work when it has counted down. */
static gboolean
count_down (gpointer data)
{
  guint *left = data;

  return *left > 0 && (*left)-- > 0;
}

/* Whoever is ended in the middle leaves nothing behind, nor to the others. */
static void
test_ended (Fixture *f, gconstpointer data)
{
  g_autoptr (MblmAsker) a = new_asker (f, "What?"), b = new_asker (f, "Where?");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  gboolean ended = TRUE;

  mblm_asker_share (a, b);
  for (guint n = 0; ended; n++) {
    g_autoptr (GBytes) image = new_image (n);
    guint left = n;

    mblm_asker_set_progress (a, count_down, &left);
    g_autoptr (MblmAnswer) part = answer (a, image);
    ended = part->partial;
    mblm_asker_set_progress (a, NULL, NULL);
    check_alike (f, b, "Where?", image, n % 2);
    check_alike (f, a, "What?", image, n % 3 == 0);
    mblm_asker_set_choices (a, NULL, NULL);
  }
  g_autoptr (GBytes) image = new_image (99);
  g_cancellable_cancel (cancellable);
  g_assert_null (mblm_asker_answer (a, image, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  check_alike (f, b, "Where?", image, FALSE);
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*func) (Fixture *f, gconstpointer data);
  } tests[] = {
      {"choices", test_choices},
      {"many", test_many},
      {"shared", test_shared},
      {"read-once", test_read_once},
      {"ended", test_ended},
  };

  g_auto (GStrv) devices = golden_get_devices ();
  g_autoptr (GPtrArray) cases = g_ptr_array_new_with_free_func (g_free);

  g_test_init (&argc, &argv, NULL);
  for (guint d = 0; devices[d]; d++)
    for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
      Case c = {i, devices[d]};

      g_ptr_array_add (cases, g_memdup2 (&c, sizeof c));
      for (guint k = 0; k < G_N_ELEMENTS (tests); k++) {
        g_autofree char *path = g_strdup_printf (
            "/asker-exact/%s/%s/%s", devices[d], kinds[i].name, tests[k].name);

        g_test_add (path, Fixture, cases->pdata[cases->len - 1], set_up,
            tests[k].func, tear_down);
      }
    }
  return g_test_run ();
}
