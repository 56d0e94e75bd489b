/* test-dataset-scenes.c: pictures and questions made while training.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib/gstdio.h>
#include <string.h>

#include "formats.h"
#include "sets.h"

#define WIDTH 16
#define HEIGHT 12
#define END 257
#define TEXT 258
#define IMAGE 259

static MblmDatasetOptions
options_new (
    MblmSplit split, gsize length, const char *sample, const char *args)
{
  g_autofree char *info = g_strdup_printf (
      "\"task\": \"qa\", \"tokens\": { \"pad\": 256, \"end\": 257, \"text\": "
      "258, \"image\": 259 }, \"image\": { \"width\": %u, \"height\": %u }, "
      "\"sample\": [%s], \"align\": true, \"segment_bytes\": { \"question\": "
      "64 }",
      WIDTH, HEIGHT, sample);
  MblmDatasetOptions options = sets_options (".", split, length, info);

  options.args = args ? sets_args (args) : NULL;
  return options;
}

#define QIQA "\"question\", \"image\", \"question\", \"answer\""
#define IQA "\"image\", \"question\", \"answer\""

static void
assert_same (const SetsSample *a, const SetsSample *b)
{
  g_assert_cmpmem (a->sample.ids, a->length * 4, b->sample.ids, b->length * 4);
  g_assert_cmpmem (
      a->sample.loss_mask, a->length * 4, b->sample.loss_mask, b->length * 4);
}

static gboolean
is_same (const SetsSample *a, const SetsSample *b)
{
  return memcmp (a->sample.ids, b->sample.ids, a->length * 4) == 0;
}

/* A place is always the same, and no two places are. */
static void
test_places (void)
{
  MblmDatasetOptions options = options_new (
      MBLM_SPLIT_TRAIN, 1600, QIQA, "{'samples': <int64 10>}");
  g_autoptr (MblmDataset) set = sets_open ("scenes", &options);
  g_autoptr (SetsSample) first = sets_read (set, 0, 3);

  g_assert_cmpuint (mblm_dataset_count (set, 0), ==, 10);
  g_assert_cmpuint (mblm_dataset_count (set, 7), ==, 10);
  for (guint i = 0; i < 10; i++) {
    g_autoptr (SetsSample) other = sets_read (set, 0, i);
    g_autoptr (SetsSample) later = sets_read (set, 1, i);

    g_assert_true (is_same (first, other) == (i == 3));
    g_assert_false (is_same (first, later));
  }
  g_autoptr (MblmDataset) again = sets_open ("scenes", &options);
  g_autoptr (SetsSample) same = sets_read (again, 0, 3);
  assert_same (first, same);
}

/* Training follows the seed; validation doesn't. */
static void
test_splits (void)
{
  SetsSample *samples[3][2];

  for (guint split = 0; split < 3; split++)
    for (guint seed = 0; seed < 2; seed++) {
      MblmDatasetOptions options = options_new (
          (MblmSplit) split, 1600, QIQA, NULL);
      options.seed = seed;
      g_autoptr (MblmDataset) set = sets_open ("scenes", &options);
      samples[split][seed] = sets_read (set, 0, 0);
    }
  g_assert_false (is_same (samples[0][0], samples[0][1]));
  g_assert_true (is_same (samples[1][0], samples[1][1]));
  g_assert_true (is_same (samples[2][0], samples[2][1]));
  g_assert_false (is_same (samples[0][0], samples[1][0]));
  g_assert_false (is_same (samples[1][0], samples[2][0]));
  for (guint i = 0; i < 6; i++)
    sets_sample_free (samples[i / 2][i % 2]);
}

/* Where the next segment begins, and what it holds. */
static gsize
read_segment (const SetsSample *sample, gsize at, gint32 start, GString *text)
{
  const gint32 *ids = sample->sample.ids;

  g_assert_cmpint (ids[at], ==, start);
  g_string_truncate (text, 0);
  for (at++; ids[at] != END; at++) {
    g_assert_cmpint (ids[at], <, 256);
    g_string_append_c (text, (char) ids[at]);
  }
  for (at++; at < sample->length && ids[at] == 256; at++)
    g_assert_cmpfloat (sample->sample.loss_mask[at], ==, 0.0f);
  return at;
}

/* The picture once, and questions with their answers behind it until there are
 * enough or there is no room; the loss is that of the answers. */
static void
check_turns (gsize length, const char *args, guint least, guint most)
{
  MblmDatasetOptions options = options_new (
      MBLM_SPLIT_TRAIN, length, IQA, args);
  g_autoptr (MblmDataset) set = sets_open ("scenes", &options);

  for (guint i = 0; i < 50; i++) {
    g_autoptr (SetsSample) sample = sets_read (set, 0, i);
    g_autoptr (GString) text = g_string_new (NULL);
    gsize at = read_segment (sample, 0, IMAGE, text);
    guint turns = 0;
    double counted = 0.0;
    gsize wanted = 0;

    g_assert_cmpuint (text->len, ==, WIDTH * HEIGHT * 3);
    while (at < length) {
      at = read_segment (sample, at, TEXT, text);
      g_assert_cmpuint (text->len, >, 4);
      at = read_segment (sample, at, TEXT, text);
      g_assert_cmpuint (text->len, >, 0);
      wanted += text->len + 1; /* and its end */
      turns++;
    }
    for (gsize j = 0; j < length; j++)
      counted += sample->sample.loss_mask[j];
    g_assert_cmpfloat (counted, ==, (double) wanted);
    g_assert_cmpuint (turns, >=, least);
    g_assert_cmpuint (turns, <=, most);
  }
}

static void
test_turns (void)
{
  check_turns (800, NULL, 1, 1);
  check_turns (1600, "{'questions': <int64 4>}", 1, 4);
  check_turns (1600, "{'questions': <int64 1000>}", 2, 15);
  check_turns (800, "{'questions': <int64 1000>}", 1, 3);
}

/* The next question and its answer; FALSE: the rest is padding. */
static gboolean
read_turn (
    const SetsSample *sample, gsize *at, GString *question, GString *answer)
{
  if (*at == sample->length || sample->sample.ids[*at] != TEXT)
    return FALSE;
  *at = read_segment (sample, *at, TEXT, question);
  *at = read_segment (sample, *at, TEXT, answer);
  return TRUE;
}

/* How many of `n` samples from `first` on say of their picture how many objects it
 * has, and how many that it has one. */
static void
count_objects (
    MblmDataset *set, gsize first, gsize n, guint *told, guint *single)
{
  *told = *single = 0;
  for (gsize i = first; i < first + n; i++) {
    g_autoptr (SetsSample) sample = sets_read (set, 0, i);
    g_autoptr (GString) question = g_string_new (NULL);
    g_autoptr (GString) answer = g_string_new (NULL);
    gsize at = read_segment (sample, 0, IMAGE, question);

    while (read_turn (sample, &at, question, answer)) {
      gboolean asks = strstr (question->str, "any objects ") != NULL ||
          strstr (question->str, "the objects.") != NULL;

      *told += asks;
      *single += asks && g_str_equal (answer->str, "1");
    }
  }
}

/* Plain scenes become fewer, and are for training. */
static void
test_plain (void)
{
  static const struct {
    MblmSplit split;
    const char *args;
    gboolean first, last; /* only single objects among the first, the last */
  } cases[] = {
      {MBLM_SPLIT_TRAIN, "{'questions': <int64 20>}", FALSE, FALSE},
      {MBLM_SPLIT_TRAIN, "{'questions': <int64 20>, 'plain': <1.0>}", TRUE,
          TRUE},
      {MBLM_SPLIT_VALID, "{'questions': <int64 20>, 'plain': <1.0>}", FALSE,
          FALSE},
      {MBLM_SPLIT_TRAIN,
          "{'questions': <int64 20>, 'plain': <1.0>, 'plain_until': <int64 "
          "40000>}",
          TRUE, FALSE},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    MblmDatasetOptions options = options_new (
        cases[i].split, 4000, IQA, cases[i].args);
    g_autoptr (MblmDataset) set = sets_open ("scenes", &options);
    guint told, single;

    count_objects (set, 0, 60, &told, &single);
    g_assert_cmpuint (told, >, 10);
    g_assert_true ((told == single) == cases[i].first);
    count_objects (set, 40000, 60, &told, &single);
    g_assert_cmpuint (told, >, 10);
    g_assert_true ((told == single) == cases[i].last);
  }
}

/* Relations that 60 samples ask about. */
static guint
count_relations (MblmSplit split, const char *args)
{
  MblmDatasetOptions options = options_new (split, 6000, IQA, args);
  g_autoptr (MblmDataset) set = sets_open ("scenes", &options);
  guint n = 0;

  for (guint i = 0; i < 60; i++) {
    g_autoptr (SetsSample) sample = sets_read (set, 0, i);
    g_autoptr (GString) question = g_string_new (NULL);
    g_autoptr (GString) answer = g_string_new (NULL);
    gsize at = read_segment (sample, 0, IMAGE, question);

    while (read_turn (sample, &at, question, answer))
      n += g_regex_match_simple (
          "^Is the .* (left of|right of|above|below) the ", question->str, 0,
          0);
  }
  return n;
}

/* Hard scenes ask for more relations, and are for training; plain ones go first. */
static void
test_hard (void)
{
  guint usual = count_relations (MBLM_SPLIT_TRAIN, "{'questions': <int64 20>}");
  guint hard = count_relations (
      MBLM_SPLIT_TRAIN, "{'questions': <int64 20>, 'hard': <1.0>}");
  guint some = count_relations (
      MBLM_SPLIT_TRAIN, "{'questions': <int64 20>, 'hard': <0.5>}");

  g_assert_cmpuint (hard, >, 2 * usual);
  g_assert_cmpuint (some, <, hard);
  g_assert_cmpuint (some, >, usual);
  g_assert_cmpuint (
      count_relations (MBLM_SPLIT_TRAIN,
          "{'questions': <int64 20>, 'hard': <1.0>, 'plain': <1.0>}"),
      ==, 0);
  g_assert_cmpuint (count_relations (MBLM_SPLIT_VALID,
                        "{'questions': <int64 20>, 'hard': <1.0>}"),
      ==, count_relations (MBLM_SPLIT_VALID, "{'questions': <int64 20>}"));
}

/* Where there is no room for all questions, it isn't their kind that decides. */
static void
test_room (void)
{
  MblmDatasetOptions options = options_new (
      MBLM_SPLIT_TRAIN, 800, IQA, "{'questions': <int64 1000>}");
  g_autoptr (MblmDataset) set = sets_open ("scenes", &options);
  guint counts = 0;

  for (guint i = 0; i < 300; i++) {
    g_autoptr (SetsSample) sample = sets_read (set, 0, i);
    g_autoptr (GString) text = g_string_new (NULL);
    gsize at = read_segment (sample, 0, IMAGE, text);

    at = read_segment (sample, at, TEXT, text);
    read_segment (sample, at, TEXT, text);
    counts += g_ascii_isdigit (text->str[0]);
  }
  g_assert_cmpuint (counts, >, 30);
  g_assert_cmpuint (counts, <, 120);
}

/* A caption is an answer without a question. */
static void
test_captions (void)
{
  MblmDatasetOptions options = options_new (
      MBLM_SPLIT_TRAIN, 1600, QIQA, "{'captions': <1.0>}");
  g_autoptr (MblmDataset) set = sets_open ("scenes", &options);

  for (guint i = 0; i < 20; i++) {
    g_autoptr (SetsSample) sample = sets_read (set, 0, i);
    g_autoptr (GString) text = g_string_new (NULL);
    gsize at = read_segment (sample, 0, IMAGE, text);

    at = read_segment (sample, at, TEXT, text);
    g_assert_cmpuint (at, ==, sample->length);
    g_assert_true (g_utf8_validate (text->str, (gssize) text->len, NULL));
    g_assert_cmpuint (text->len, >, 4);
  }
}

/* Of 400 samples: how many have a caption, nothing behind it, and how many of these
 * no question before it. */
static guint
count_captions (gsize length, const char *args, guint *lone)
{
  MblmDatasetOptions options = options_new (
      MBLM_SPLIT_TRAIN, length, IQA, args);
  g_autoptr (MblmDataset) set = sets_open ("scenes", &options);
  guint captions = 0;

  *lone = 0;
  for (guint i = 0; i < 400; i++) {
    g_autoptr (SetsSample) sample = sets_read (set, 0, i);
    g_autoptr (GString) text = g_string_new (NULL);
    gsize at = read_segment (sample, 0, IMAGE, text);

    for (guint turns = 0; at < length; turns++) {
      at = read_segment (sample, at, TEXT, text);
      if (text->str[0] == 'a') { /* no question begins like that */
        g_assert_cmpuint (at, ==, length);
        captions++;
        *lone += turns == 0;
      } else {
        at = read_segment (sample, at, TEXT, text);
      }
    }
  }
  return captions;
}

/* Among questions a caption comes last, and there is room for it. */
static void
test_captions_last (void)
{
  guint lone,
      captions = count_captions (
          3200, "{'questions': <int64 5>, 'captions': <0.1>}", &lone);

  g_assert_cmpuint (captions, >, 160);
  g_assert_cmpuint (captions, <, 240);
  g_assert_cmpuint (lone, >, 8);
  g_assert_cmpuint (lone, <, 50);
  captions = count_captions (
      1000, "{'questions': <int64 60>, 'captions': <0.1>}", &lone);
  g_assert_cmpuint (captions, ==, 400);
  g_assert_cmpuint (lone, <, 100);
  /* one question, which is a caption every other time */
  captions = count_captions (
      1600, "{'questions': <int64 1>, 'captions': <0.5>}", &lone);
  g_assert_cmpuint (captions, >, 160);
  g_assert_cmpuint (captions, <, 240);
  g_assert_cmpuint (captions, ==, lone);
  /* where there is none for it, questions have the room */
  captions = count_captions (
      832, "{'questions': <int64 9>, 'captions': <0.1>}", &lone);
  g_assert_cmpuint (captions, <, 400);
}

/* All cores give what one gives. */
static void
test_concurrent (void)
{
  enum { N = 40, LENGTH = 1600 };
  MblmDatasetOptions options = options_new (
      MBLM_SPLIT_TRAIN, LENGTH, QIQA, NULL);
  g_autoptr (MblmDataset) set = sets_open ("scenes", &options);
  g_autofree gint32 *ids = g_new (gint32, N * LENGTH);
  g_autofree gint32 *labels = g_new (gint32, N * LENGTH);
  g_autofree float *loss = g_new (float, N *LENGTH);
  g_autofree guint8 *attention = g_new (guint8, N * LENGTH);
  g_autoptr (GError) error = NULL;
  MblmTrainingSample samples[N];
  guint64 indices[N];

  for (guint i = 0; i < N; i++) {
    indices[i] = i * 3;
    samples[i] = (MblmTrainingSample){ids + i * LENGTH, loss + i * LENGTH,
        labels + i * LENGTH, attention + i * LENGTH};
  }
  g_assert_true (
      mblm_dataset_read_many (set, 2, indices, samples, N, NULL, NULL, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < N; i++) {
    g_autoptr (SetsSample) one = sets_read (set, 2, i * 3);

    g_assert_cmpmem (one->sample.ids, LENGTH * 4, samples[i].ids, LENGTH * 4);
  }
}

static void
test_errors (void)
{
  static const struct {
    const char *args, *part;
  } cases[] = {
      {"{'family': <'round'>}", "flat"},
      {"{'samples': <int64 0>}", "samples"},
      {"{'scale': <int64 17>}", "scale"},
      {"{'captions': <2.0>}", "captions"},
      {"{'question': <int64 2>}", "question"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    MblmDatasetOptions options = options_new (
        MBLM_SPLIT_TRAIN, 512, QIQA, cases[i].args);

    sets_expect (
        "scenes", &options, MBLM_ERROR, MBLM_ERROR_CONFIG, cases[i].part);
  }
  MblmDatasetOptions text = sets_options (".", MBLM_SPLIT_TRAIN, 512, NULL);
  sets_expect ("scenes", &text, MBLM_ERROR, MBLM_ERROR_CONFIG, "answer");

  /* no room for a sample, a picture too small, photographs that are not there */
  MblmDatasetOptions tight = options_new (MBLM_SPLIT_TRAIN, 100, QIQA, NULL);
  sets_expect ("scenes", &tight, MBLM_ERROR, MBLM_ERROR_INPUT, "input_seq_len");
  MblmDatasetOptions small = options_new (
      MBLM_SPLIT_TRAIN, 1600, QIQA, "{'scale': <int64 1>}");
  sets_expect ("scenes", &small, MBLM_ERROR, MBLM_ERROR_INPUT, "no room");
  g_autofree char *empty = g_dir_make_tmp ("mblm-XXXXXX", NULL);
  MblmDatasetOptions none = options_new (
      MBLM_SPLIT_TRAIN, 1600, QIQA, "{'photographs': <true>}");
  none.dir = empty;
  sets_expect ("scenes", &none, MBLM_ERROR, MBLM_ERROR_NOT_FOUND, "photograph");
  g_rmdir (empty);
  MblmDatasetOptions solid = options_new (MBLM_SPLIT_TRAIN, 1600, QIQA,
      "{'photographs': <true>, 'family': <'clevr'>}");
  sets_expect ("scenes", &solid, MBLM_ERROR, MBLM_ERROR_CONFIG, "flat");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataset/scenes/places", test_places);
  g_test_add_func ("/dataset/scenes/splits", test_splits);
  g_test_add_func ("/dataset/scenes/turns", test_turns);
  g_test_add_func ("/dataset/scenes/plain", test_plain);
  g_test_add_func ("/dataset/scenes/hard", test_hard);
  g_test_add_func ("/dataset/scenes/room", test_room);
  g_test_add_func ("/dataset/scenes/captions", test_captions);
  g_test_add_func ("/dataset/scenes/captions-last", test_captions_last);
  g_test_add_func ("/dataset/scenes/concurrent", test_concurrent);
  g_test_add_func ("/dataset/scenes/errors", test_errors);
  return g_test_run ();
}
