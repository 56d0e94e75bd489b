/* test-asker.c: questions about pictures.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>
#include <string.h>

#include <json-glib/json-glib.h>

#include "talker.h"

typedef struct {
  char *folder;
  MblmModel *model;
  MblmAsker *asker;
  GBytes *image, *other; /* 36 bytes each */
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  guint8 pixels[36];

  f->folder = fresh_folder ();
  f->model = talker_new (f->folder, "qa", 1, TALKER_QA);
  f->asker = mblm_asker_new (f->model, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 36; i++)
    pixels[i] = (guint8) (i * 7);
  f->image = g_bytes_new (pixels, 36);
  pixels[20] ^= 255;
  f->other = g_bytes_new (pixels, 36);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_bytes_unref (f->image);
  g_bytes_unref (f->other);
  g_object_unref (f->asker);
  g_object_unref (f->model);
  fresh_remove (f->folder);
}

static void
set_question (Fixture *f, const char *question)
{
  g_autoptr (GError) error = NULL;
  mblm_asker_set_question (f->asker, question, &error);
  g_assert_no_error (error);
}

static MblmAnswer *
answer (Fixture *f, GBytes *image)
{
  g_autoptr (GError) error = NULL;
  MblmAnswer *answer = mblm_asker_answer (f->asker, image, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_utf8_validate (answer->text, -1, NULL));
  g_assert_cmpfloat (answer->probability, >=, 0);
  g_assert_cmpfloat (answer->probability, <=, 1);
  return answer;
}

/* A session that was fed the prompt. */
static MblmSession *
prompt (Fixture *f, GBytes *image)
{
  g_autoptr (GError) error = NULL;
  MblmSession *session = fresh_session (f->model);
  g_autoptr (GArray) ids = mblm_asker_get_prompt_ids (f->asker, image, &error);
  g_assert_no_error (error);
  mblm_session_feed (
      session, (const gint32 *) ids->data, ids->len, NULL, &error);
  g_assert_no_error (error);
  return session;
}

static void
test_prompt (Fixture *f, gconstpointer data)
{
  const gint32 *id;

  set_question (f, "what?");
  g_autoptr (GArray) ids = mblm_asker_get_prompt_ids (f->asker, f->image, NULL);
  /* 16 of each question, 38 of the picture up to whole patches, the start */
  g_assert_cmpuint (ids->len, ==, 16 + 40 + 16 + 1);
  id = &g_array_index (ids, gint32, 0);
  g_assert_cmpint (id[0], ==, TALKER_TEXT);
  g_assert_cmpint (id[1], ==, 'w');
  g_assert_cmpint (id[6], ==, TALKER_END);
  g_assert_cmpint (id[7], ==, TALKER_PAD);
  g_assert_cmpint (id[16], ==, TALKER_IMAGE);
  g_assert_cmpint (id[18], ==, 7);
  g_assert_cmpint (id[53], ==, TALKER_END);
  g_assert_cmpmem (id + 56, 64, id, 64);
  g_assert_cmpint (id[72], ==, TALKER_TEXT);

  /* the caption */
  for (guint i = 0; i < 2; i++) {
    set_question (f, i ? "" : NULL);
    g_autoptr (GArray)
        caption = mblm_asker_get_prompt_ids (f->asker, f->image, NULL);
    g_assert_cmpuint (caption->len, ==, 40 + 1);
    g_assert_cmpint (g_array_index (caption, gint32, 0), ==, TALKER_IMAGE);
  }
}

/* Greedy answers, by hand, for one picture after the other. */
static void
test_generate (Fixture *f, gconstpointer data)
{
  static const char *questions[] = {"what?", "what?", NULL, "Where is it?"};

  mblm_asker_set_max_bytes (f->asker, 12);
  for (guint i = 0; i < 8; i++) {
    GBytes *image = i % 3 ? f->image : f->other;
    MblmUtf8 utf8 = MBLM_UTF8_INIT;
    g_autoptr (GString) expected = g_string_new (NULL);
    double log_p = 0;

    set_question (f, questions[i / 2]);
    g_autoptr (MblmSession) session = prompt (f, image);
    for (guint k = 0; k < 12; k++) {
      gint best = -1;
      for (gint id = 0; id <= TALKER_END; id++)
        if (id != TALKER_PAD &&
            (best < 0 ||
                talker_log_p (session, MBLM_START_CHAINED, id) >
                    talker_log_p (session, MBLM_START_CHAINED, best)))
          best = id;
      log_p += talker_log_p (session, MBLM_START_CHAINED, best);
      if (best == TALKER_END)
        break;
      guint8 byte = (guint8) best;
      mblm_utf8_push (&utf8, &byte, 1, expected);
      mblm_session_feed_bytes (session, &byte, 1, NULL, NULL);
    }
    mblm_utf8_finish (&utf8, expected);

    g_autoptr (MblmAnswer) result = answer (f, image);
    g_assert_cmpstr (result->text, ==, expected->str);
    g_assert_cmpfloat_with_epsilon (log (result->probability), log_p, 1e-3);
    g_assert_null (result->choices);
  }
}

/* ln p of the bytes of a choice and `end`. */
static double
log_p_by_hand (Fixture *f, GBytes *image, const char *choice)
{
  g_autoptr (MblmSession) session = prompt (f, image);
  double log_p = 0;

  for (const char *p = choice; *p; p++) {
    guint8 byte = (guint8) *p;
    log_p += talker_log_p (session, MBLM_START_BARE, byte);
    mblm_session_feed_bytes (session, &byte, 1, NULL, NULL);
  }
  return log_p + talker_log_p (session, MBLM_START_BARE, TALKER_END);
}

/* More choices than a group, of many lengths. */
static void
test_choices (Fixture *f, gconstpointer data)
{
  static const char *const choices[] = {"red", "green", "b", "1", "10", "100",
      "a rather long one", "\303\244\303\266", "red ", "xyz", "no", "yes",
      "circle", "square", "triangle", "left", "right", "x", NULL};
  enum { N = G_N_ELEMENTS (choices) - 1 };
  g_autoptr (GError) error = NULL;

  set_question (f, "which?");
  mblm_asker_set_choices (f->asker, choices, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 3; i++) {
    GBytes *image = i == 1 ? f->other : f->image;
    g_autoptr (MblmAnswer) result = answer (f, image);
    double log_p[N], total = 0, sum = 0;
    guint best = 0;

    g_assert_cmpuint (result->n_choices, ==, N);
    for (guint k = 0; k < N; k++) {
      log_p[k] = log_p_by_hand (f, image, choices[k]);
      total += exp (log_p[k]);
      if (log_p[k] > log_p[best])
        best = k;
    }
    for (guint k = 0; k < N; k++) {
      g_assert_cmpstr (result->choices[k].text, ==, choices[k]);
      g_assert_cmpfloat_with_epsilon (
          result->choices[k].probability / (exp (log_p[k]) / total), 1.0, 1e-3);
      sum += result->choices[k].probability;
    }
    g_assert_cmpfloat_with_epsilon (sum, 1.0, 1e-9);
    g_assert_cmpstr (result->text, ==, choices[best]);
    g_assert_cmpfloat (
        result->probability, ==, result->choices[best].probability);

    g_autoptr (MblmAnswer) copy = mblm_answer_copy (result);
    g_assert_cmpstr (copy->choices[3].text, ==, "1");
    g_assert_true (copy->choices[3].text != result->choices[3].text);
  }

  /* without choices it is free again */
  g_assert_true (mblm_asker_set_choices (f->asker, NULL, &error));
  g_autoptr (MblmAnswer) freely = answer (f, f->image);
  g_assert_null (freely->choices);
}

/* The company of a choice doesn't change the ratio of two others at all. */
static void
test_company (Fixture *f, gconstpointer data)
{
  static const char *const few[] = {"red", "green", NULL};
  static const char *const many[] = {"a", "bcd", "red", "e", "f", "ghij", "k",
      "l", "m", "n", "green", "opqrst", NULL};

  set_question (f, "which?");
  g_assert_true (mblm_asker_set_choices (f->asker, few, NULL));
  g_autoptr (MblmAnswer) a = answer (f, f->image);
  g_assert_true (mblm_asker_set_choices (f->asker, many, NULL));
  g_autoptr (MblmAnswer) b = answer (f, f->image);
  g_assert_cmpfloat_with_epsilon (
      a->choices[0].probability / a->choices[1].probability,
      b->choices[2].probability / b->choices[10].probability, 1e-5);
}

static void
assert_no_choices (Fixture *f, const char *const *choices, const char *word)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (mblm_asker_set_choices (f->asker, choices, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_assert_nonnull (strstr (error->message, word));
}

static void
test_bad_input (Fixture *f, gconstpointer data)
{
  static const char *const none[] = {NULL};
  static const char *const empty[] = {"a", "", NULL};
  static const char *const twice[] = {"a", "b", "a", NULL};
  static const char *const broken[] = {"a", "\377", NULL};
  g_autofree char *huge = g_strnfill (1000, 'x');
  const char *const longer[] = {"a", huge, NULL};
  g_autoptr (GError) error = NULL;

  set_question (f, "what?");
  g_assert_false (mblm_asker_set_question (f->asker, "\303(", &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_clear_error (&error);
  g_assert_false (mblm_asker_set_question (f->asker, huge, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_test_message ("%s", error->message);
  /* 1008 twice, 40, the start, and one id of an answer; 256 fit */
  g_assert_nonnull (strstr (error->message, "2057"));
  g_assert_nonnull (strstr (error->message, "1802 more"));
  g_clear_error (&error);

  assert_no_choices (f, none, "empty");
  assert_no_choices (f, empty, "choice 2");
  assert_no_choices (f, twice, "twice");
  assert_no_choices (f, broken, "UTF-8");
  assert_no_choices (f, longer, "too long");

  /* all is as it was */
  g_autoptr (GArray)
      ids = mblm_asker_get_prompt_ids (f->asker, f->image, &error);
  g_assert_cmpuint (ids->len, ==, 73);
  g_autoptr (MblmAnswer) result = answer (f, f->image);
  g_assert_null (result->choices);

  g_autoptr (GBytes) small = g_bytes_new ("abc", 3);
  g_assert_null (mblm_asker_answer (f->asker, small, NULL, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
}

/* What fits to the last id is taken. */
static void
test_context (Fixture *f, gconstpointer data)
{
  g_autofree char *question = g_strnfill (102, 'x');
  g_autofree char *choice = g_strnfill (6, 'y');
  const char *choices[] = {"a", choice, NULL};
  g_autoptr (GError) error = NULL;

  /* 104 twice, 40, the start: 249; 6 bytes and `end` fill the 256 */
  set_question (f, question);
  g_assert_true (mblm_asker_set_choices (f->asker, choices, &error));
  g_assert_no_error (error);
  g_autoptr (MblmAnswer) chosen = answer (f, f->image);
  g_assert_cmpuint (chosen->n_choices, ==, 2);
  g_assert_true (mblm_asker_set_choices (f->asker, NULL, &error));
  mblm_asker_set_max_bytes (f->asker, G_MAXUINT);
  g_autoptr (MblmAnswer) freely = answer (f, f->image);
  g_assert_cmpuint (strlen (freely->text), <=, 3 * 8);

  choices[1] = "yyyyyyy";
  assert_no_choices (f, choices, "1 more");
}

static gboolean
count (gpointer data)
{
  (*(guint *) data)++;
  return TRUE;
}

/* Ends the work when it has counted down. */
static gboolean
count_down (gpointer data)
{
  guint *left = data;

  return *left > 0 && (*left)-- > 0;
}

static void
test_cancel (Fixture *f, gconstpointer data)
{
  static const char *const choices[] = {"red", "green", NULL};
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  guint calls = 0;

  set_question (f, "what?");
  g_autoptr (MblmAnswer) before = answer (f, f->image);
  g_cancellable_cancel (cancellable);
  g_assert_null (mblm_asker_answer (f->asker, f->image, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  set_question (f, "what else?");
  g_assert_null (mblm_asker_answer (f->asker, f->image, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  set_question (f, "what?");
  mblm_asker_set_progress (f->asker, count, &calls);
  g_autoptr (MblmAnswer) after = answer (f, f->image);
  g_assert_cmpstr (after->text, ==, before->text);
  g_assert_cmpuint (calls, >, 0);
  calls = 0;
  g_assert_true (mblm_asker_set_choices (f->asker, choices, NULL));
  g_autoptr (MblmAnswer) chosen = answer (f, f->image);
  g_assert_cmpuint (calls, >, 2);
}

/* Ended after any number of pieces of work, an answer is what there was: of the
 * bytes the first ones, of the choices what is known of all of them. */
static void
test_partial (Fixture *f, gconstpointer data)
{
  static const char *const choices[] = {
      "red", "green", "r", "blue", "a", "b", "c", "d", "e", "black", NULL};
  guint calls = 0;

  set_question (f, "what?");
  /* The question is fed with the first picture alone. */
  g_autoptr (MblmAnswer) first = answer (f, f->image);
  for (guint ranked = 0; ranked < 2; ranked++) {
    g_assert_true (
        mblm_asker_set_choices (f->asker, ranked ? choices : NULL, NULL));
    mblm_asker_set_progress (f->asker, count, &calls);
    calls = 0;
    g_autoptr (MblmAnswer) whole = answer (f, f->image);
    guint all = calls;
    g_assert_false (whole->partial);

    for (guint n = 0; n <= all; n += 1 + n / 8) {
      guint left = n;
      mblm_asker_set_progress (f->asker, count_down, &left);
      g_autoptr (MblmAnswer) part = answer (f, f->image);
      g_assert_cmpint (part->partial, ==, n < all);
      g_assert_cmpfloat (part->probability, >=, 0.0);
      g_assert_cmpfloat (part->probability, <=, 1.0);
      if (!ranked && !strstr (whole->text, "\xef\xbf\xbd"))
        g_assert_true (g_str_has_prefix (whole->text, part->text));
      if (part->n_choices > 0) {
        double sum = 0.0;
        for (guint i = 0; i < part->n_choices; i++)
          sum += part->choices[i].probability;
        g_assert_cmpfloat_with_epsilon (sum, 1.0, 1e-9);
      }
    }
    mblm_asker_set_progress (f->asker, NULL, NULL);
    g_autoptr (MblmAnswer) again = answer (f, f->image);
    g_assert_cmpstr (again->text, ==, whole->text);
    g_assert_cmpfloat (again->probability, ==, whole->probability);
  }
}

static void
test_other_models (Fixture *f, gconstpointer data)
{
  g_autoptr (MblmModel) text = talker_new (
      f->folder, "text", 1, "\"task\": \"text\", " TALKER_TOKENS);
  g_autoptr (GError) error = NULL;

  g_assert_null (mblm_asker_new (text, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "text"));
  g_clear_error (&error);

  /* the picture first, then the question, no alignment, no tokens at all */
  g_autoptr (MblmModel) bare = talker_new (f->folder, "bare", 1,
      "\"task\": \"qa\", \"tokens\": {}, \"image\": { \"width\": 4, "
      "\"height\": 3 }, \"sample\": [\"image\", \"question\", \"answer\"]");
  g_autoptr (MblmAsker) asker = mblm_asker_new (bare, &error);
  g_assert_no_error (error);
  g_assert_true (mblm_asker_set_question (asker, "abc", &error));
  g_autoptr (GArray) ids = mblm_asker_get_prompt_ids (asker, f->image, NULL);
  g_assert_cmpuint (ids->len, ==, 39);
  mblm_asker_set_max_bytes (asker, 5);
  for (guint i = 0; i < 2; i++) {
    g_autoptr (MblmAnswer)
        result = mblm_asker_answer (asker, f->image, NULL, &error);
    g_assert_no_error (error);
  }
}

static void
test_split (void)
{
  static const struct {
    const char *text, *parts[5];
  } cases[] = {
      {"", {NULL}},
      {" \t", {NULL}},
      {"red", {"red"}},
      {"red,green,blue", {"red", "green", "blue"}},
      {" red , light green,\tblue ", {"red", "light green", "blue"}},
      {"a\\,b,c\\\\d,\\e", {"a,b", "c\\d", "\\e"}},
      {"a,,b", {"a", "", "b"}},
      {",", {"", ""}},
      {"a\\", {"a\\"}},
      {"a\\\\ , b", {"a\\", "b"}},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (GStrv) parts = mblm_asker_split_choices (cases[i].text);
    guint n = 0;
    while (cases[i].parts[n])
      n++;
    g_assert_cmpuint (g_strv_length (parts), ==, n);
    for (guint k = 0; k < n; k++)
      g_assert_cmpstr (parts[k], ==, cases[i].parts[k]);
  }
  g_auto (GStrv) none = mblm_asker_split_choices (NULL);
  g_assert_cmpuint (g_strv_length (none), ==, 0);
}

/* What the published code answers with its model. */
static void
test_published (void)
{
  g_autoptr (MblmModel) model = talker_load_published ();
  MblmInfo *info = mblm_model_get_info (model);
  g_autofree char *samples = g_build_filename (
      mblm_model_get_path (model), "samples", NULL);
  g_autofree char *list = g_build_filename (samples, "questions.json", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmAsker) asker = mblm_asker_new (model, &error);
  g_assert_no_error (error);

  json_parser_load_from_file (parser, list, &error);
  g_assert_no_error (error);
  JsonArray *questions = json_node_get_array (json_parser_get_root (parser));
  for (guint i = 0; i < json_array_get_length (questions) * 2; i++) {
    JsonObject *entry = json_array_get_object_element (questions, i / 2);
    const char *expected = json_object_get_string_member (entry, "answer");
    g_autofree char *file = g_build_filename (
        samples, json_object_get_string_member (entry, "picture"), NULL);
    g_autoptr (MblmPicture) picture = mblm_picture_load (file, &error);
    g_assert_no_error (error);
    g_autoptr (GBytes) bytes = mblm_picture_to_bytes (
        picture, mblm_info_get_image (info), &error);

    mblm_asker_set_question (
        asker, json_object_get_string_member (entry, "question"), &error);
    g_assert_no_error (error);
    mblm_asker_set_choices (
        asker, i % 2 ? mblm_info_get_answers (info) : NULL, &error);
    g_assert_no_error (error);
    g_autoptr (MblmAnswer)
        result = mblm_asker_answer (asker, bytes, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (result->text, ==, expected);
    g_assert_cmpfloat (result->probability, >, 0.2);
  }
}

#define ADD(name, function)                                                    \
  g_test_add ("/asker/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("prompt", test_prompt);
  ADD ("generate", test_generate);
  ADD ("choices", test_choices);
  ADD ("company", test_company);
  ADD ("bad-input", test_bad_input);
  ADD ("context", test_context);
  ADD ("cancel", test_cancel);
  ADD ("partial", test_partial);
  ADD ("other-models", test_other_models);
  g_test_add_func ("/asker/split", test_split);
  g_test_add_func ("/asker/published", test_published);
  return g_test_run ();
}
