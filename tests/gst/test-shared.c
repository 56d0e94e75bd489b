/* test-shared.c: what of a frame is worked out once.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The fake model counts the ids that it is fed: those of questions, pictures and
 * answers are known, so their sum says what was read again.
 */

#include "tap.h"

#include <string.h>

#include "fake.h"

#define RGB "video/x-raw,format=RGB,width=16,height=12,framerate=10/1"
#define TEXT_CAPS "text/x-raw, format=(string)utf8"
#define NONE GST_CLOCK_TIME_NONE
/* Ids: a picture with its two tokens; the token that opens an answer and the two
 * bytes of one, whose end is predicted but not fed. */
#define IMAGE (FAKE_WIDTH * FAKE_HEIGHT * 3 + 2)
#define ANSWER (1 + 2)
#define QUESTION(text) (strlen (text) + 2)

/* An element that plays a fake model with this sample, which answers "ab". */
static void
begin (HelperLine *line, const char *sample, const char *question)
{
  g_autofree char *model = helper_fake_model (
      "shared-qa", MBLM_TASK_QA, "ab", 0.0);
  g_autofree char *path = g_build_filename (model, "mblm.json", NULL);
  g_autofree char *json = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) text = NULL;

  g_file_get_contents (path, &json, NULL, &error);
  g_assert_no_error (error);
  text = g_string_new (json);
  g_assert_cmpuint (g_string_replace (text,
                        "[\"image\", \"question\", \"answer\"]", sample, 1),
      ==, 1);
  g_file_set_contents (path, text->str, -1, &error);
  g_assert_no_error (error);

  line->element = helper_element ("mblmask");
  g_object_set (line->element, "model", model, "question", question, NULL);
  line->feed = helper_feed (line->element, "sink");
  line->tap = helper_tap (line->element, "src");
  g_assert_cmpint (gst_element_set_state (line->element, GST_STATE_PLAYING), !=,
      GST_STATE_CHANGE_FAILURE);
  helper_feed_begin (line->feed, RGB, GST_FORMAT_TIME);
}

/* A question pad and what it is linked to. */
typedef struct {
  GstPad *pad, *feed;
  HelperTap *tap;
} Pad;

static void
pad_new (Pad *pad, GstElement *element, const char *question)
{
  g_autofree char *answer = NULL;

  pad->pad = gst_element_request_pad_simple (element, "question_%u");
  g_assert_nonnull (pad->pad);
  pad->feed = helper_feed (element, GST_OBJECT_NAME (pad->pad));
  helper_feed_begin (pad->feed, TEXT_CAPS, GST_FORMAT_TIME);
  answer = g_strdup_printf (
      "answer%s", strchr (GST_OBJECT_NAME (pad->pad), '_'));
  pad->tap = helper_tap (element, answer);
  g_assert_cmpint (
      gst_pad_push (pad->feed, helper_buffer (question, NONE, NONE)), ==,
      GST_FLOW_OK);
}

static void
pad_free (Pad *pad, GstElement *element)
{
  helper_feed_free (pad->feed);
  gst_element_release_request_pad (element, pad->pad);
  gst_object_unref (pad->pad);
  helper_tap_free (pad->tap);
}

/* Pushes the frame of this seed and takes n messages, all with the answer: the ids
 * that it took. */
static guint64
push (HelperLine *line, guint seed, guint n)
{
  guint64 ids = fake_get_ids ();
  guint64 units = helper_stat (line->element, "units");
  GstClockTime pts = units * 10;

  g_assert_cmpint (
      gst_pad_push (line->feed, helper_frame (16, 12, seed, pts, 10)), ==,
      GST_FLOW_OK);
  g_assert_true (helper_wait_stat (line->element, "units", units + 1));
  for (guint i = 0; i < n; i++) {
    GstMessage *message = helper_wait_named (line->element, "mblmask");

    g_assert_nonnull (message);
    g_assert_cmpstr (gst_structure_get_string (
                         gst_message_get_structure (message), "answer"),
        ==, "ab");
    gst_message_unref (message);
  }
  return fake_get_ids () - ids;
}

/* The first question is read once for all frames, and so is the next one. */
static void
test_question_first (void)
{
  HelperLine line;

  begin (&line, "[\"question\", \"image\", \"answer\"]", "why");
  g_assert_cmpuint (push (&line, 1, 1), ==, QUESTION ("why") + IMAGE + ANSWER);
  for (guint i = 2; i < 6; i++)
    g_assert_cmpuint (push (&line, i, 1), ==, IMAGE + ANSWER);
  g_object_set (line.element, "question", "how so", NULL);
  g_assert_cmpuint (
      push (&line, 6, 1), ==, QUESTION ("how so") + IMAGE + ANSWER);
  g_assert_cmpuint (push (&line, 7, 1), ==, IMAGE + ANSWER);
  helper_line_done (&line);
}

/* Only the question behind the picture is read again. */
static void
test_question_twice (void)
{
  HelperLine line;

  begin (&line, "[\"question\", \"image\", \"question\", \"answer\"]", "where");
  g_assert_cmpuint (
      push (&line, 1, 1), ==, 2 * QUESTION ("where") + IMAGE + ANSWER);
  for (guint i = 2; i < 5; i++)
    g_assert_cmpuint (
        push (&line, i, 1), ==, IMAGE + QUESTION ("where") + ANSWER);
  helper_line_done (&line);
}

/* A picture is read once, however many questions there are. */
static void
test_picture_first (void)
{
  HelperLine line;
  Pad pad[2];
  const guint64 alone = IMAGE + QUESTION ("why") + ANSWER;
  const guint64 others = QUESTION ("where is it") + QUESTION ("how") +
      2 * ANSWER;

  begin (&line, "[\"image\", \"question\", \"answer\"]", "why");
  g_assert_cmpuint (push (&line, 1, 1), ==, alone);
  pad_new (&pad[0], line.element, "where is it");
  pad_new (&pad[1], line.element, "how");
  for (guint i = 2; i < 6; i++)
    g_assert_cmpuint (push (&line, i, 3), ==, alone + others);
  /* nor is one that hasn't changed */
  g_assert_cmpuint (push (&line, 5, 3), ==, alone + others - IMAGE);
  g_assert_cmpuint (push (&line, 6, 3), ==, alone + others);
  for (guint i = 0; i < 2; i++)
    pad_free (&pad[i], line.element);
  g_assert_cmpuint (push (&line, 7, 1), ==, alone);
  helper_line_done (&line);
}

/* Where the question comes first, each question has its pictures. */
static void
test_no_order_for_it (void)
{
  HelperLine line;
  Pad pad;

  begin (&line, "[\"question\", \"image\", \"answer\"]", "why");
  pad_new (&pad, line.element, "how");
  g_assert_cmpuint (push (&line, 1, 2), ==,
      QUESTION ("why") + QUESTION ("how") + 2 * (IMAGE + ANSWER));
  g_assert_cmpuint (push (&line, 2, 2), ==, 2 * (IMAGE + ANSWER));
  pad_free (&pad, line.element);
  helper_line_done (&line);
}

/* Choices go on from the picture and from what they begin with: "a" is fed once. */
static void
test_choices (void)
{
  HelperLine line;

  begin (&line, "[\"image\", \"question\", \"answer\"]", "why");
  g_object_set (line.element, "choices", "ac,ab,a,q", NULL);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpuint (push (&line, i, 1), ==,
        IMAGE + QUESTION ("why") + 1 + strlen ("aq") + strlen ("bc"));
  helper_line_done (&line);
}

/* Without a question there is none to read: the caption. */
static void
test_caption (void)
{
  static const char *const orders[] = {"[\"image\", \"question\", \"answer\"]",
      "[\"question\", \"image\", \"answer\"]",
      "[\"question\", \"image\", \"question\", \"answer\"]"};

  for (guint i = 0; i < G_N_ELEMENTS (orders); i++) {
    HelperLine line;

    begin (&line, orders[i], i == 1 ? "" : NULL);
    for (guint k = 0; k < 3; k++)
      g_assert_cmpuint (push (&line, k, 1), ==, IMAGE + ANSWER);
    g_assert_true (
        helper_tap_wait (line.tap, "buffer@0+10 buffer@10+10 buffer@20+10"));
    helper_line_done (&line);
  }
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/shared/question-first", test_question_first);
  g_test_add_func ("/shared/question-twice", test_question_twice);
  g_test_add_func ("/shared/picture-first", test_picture_first);
  g_test_add_func ("/shared/no-order-for-it", test_no_order_for_it);
  g_test_add_func ("/shared/choices", test_choices);
  g_test_add_func ("/shared/caption", test_caption);
  return helper_end ();
}
