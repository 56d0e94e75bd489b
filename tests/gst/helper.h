/* helper.h: small models and harnesses for the tests of elements.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gst/check/gstharness.h>
#include <gst/gst.h>
#include <mblm.h>

/* Context of the small models, in bytes. */
#define HELPER_CONTEXT 256
/* Size of a picture of the small model for pictures. */
#define HELPER_WIDTH 4
#define HELPER_HEIGHT 3

/* Before anything else: GStreamer, GTest, a temporary folder with two models of
 * fresh weights that lasts until helper_end, which gives the result of main. */
void helper_begin (int *argc, char ***argv);
int helper_end (void);
/* The models alone, for a program that is no test. */
void helper_make_models (void);
void helper_remove_models (void);

/* Paths of the models: one that continues text, one that is asked. */
const char *helper_text_model (void);
const char *helper_qa_model (void);
/* A path in the temporary folder; free with g_free. */
char *helper_path (const char *name);

/* The path of a fake model (tests/fake) in the temporary folder, written anew
 * under this name; free with g_free. `text` NULL is the fake's own. */
char *helper_fake_model (
    const char *name, MblmTask task, const char *text, double prompt);
/* An element with its small model, a bus of its own, not live-minded:
 * timing=frame and leaky=no where it has them. */
GstElement *helper_element (const char *factory);
/* A harness around it, PLAYING, whose element the harness owns. */
GstHarness *helper_harness (GstElement *element);
/* NULL, and the element and its bus go. */
void helper_done (GstHarness *harness);
/* The same for an element that is in no harness. */
void helper_drop (GstElement *element);

/* The next message of these types within five seconds, or NULL. */
GstMessage *helper_wait (GstElement *element, GstMessageType types);
/* Messages of these types that are there now. */
guint helper_count (GstElement *element, GstMessageType types);
/* So many warnings and errors are there now, of all messages. */
void helper_check_messages (GstElement *element, guint warnings, guint errors);
/* The next element message with this name within five seconds. */
GstMessage *helper_wait_named (GstElement *element, const char *name);

/* Whether the error of a message is this one. */
gboolean helper_is_error (GstMessage *message, GQuark domain, gint code);

GstBuffer *helper_buffer (
    const char *text, GstClockTime pts, GstClockTime duration);
/* All that the harness got, up to EOS, as one string. */
char *helper_pull_text (GstHarness *harness);
/* Waits until the harness has seen EOS, five seconds at most. */
gboolean helper_wait_eos (GstHarness *harness);
/* The sticky event of the harness's sink pad. */
GstEvent *helper_sticky (GstHarness *harness, GstEventType type);

/* The text of a buffer; free with g_free. */
char *helper_text (GstBuffer *buffer);

/* A frame of WIDTH x HEIGHT packed RGB from a seed. */
GstBuffer *helper_frame (guint width, guint height, guint seed,
    GstClockTime pts, GstClockTime duration);

/* --- pads of the test's own, which send and take what they are told to --- */

/* An active source pad, linked to a sink pad of the element, that has sent
 * nothing, not even stream-start. */
GstPad *helper_feed (GstElement *element, const char *pad);
/* Stream-start, caps and a segment of this format; what is 0 is left out. */
void helper_feed_begin (GstPad *feed, const char *caps, GstFormat format);
/* Unlinked, and gone. */
void helper_feed_free (GstPad *feed);

/* A sink pad that writes down what comes, in order, as words: an event's name
 * ("gap@0+5" with its time), "buffer@0+5", "none" for no time. */
typedef struct {
  GstPad *pad;
  GMutex lock;
  GCond cond;
  GString *log;         /* each word ends in a blank */
  GPtrArray *buffers;   /* that came */
  GstSegment segment;   /* the last one that came */
  guint32 seqnum;       /* ... and of the last serialized event with one */
  GstFlowReturn answer; /* to buffers from now on */
  gboolean refuses;     /* caps events */
  gboolean holds;       /* buffers, in chain, until this is FALSE */
  guint held;           /* buffers that are held now */
} HelperTap;

/* Linked to a source pad of the element, and active. */
HelperTap *helper_tap (GstElement *element, const char *pad);
/* The pad is unlinked first. */
void helper_tap_free (HelperTap *tap);
void helper_tap_set_answer (HelperTap *tap, GstFlowReturn answer);
void helper_tap_hold (HelperTap *tap, gboolean hold);
/* What came so far; free with g_free. */
char *helper_tap_read (HelperTap *tap);
/* Waits until these words were written, one after the other, with or without
 * others between; ten seconds at most. */
gboolean helper_tap_wait (HelperTap *tap, const char *words);
/* Waits until a buffer is held. */
gboolean helper_tap_wait_held (HelperTap *tap);

/* Lets GStreamer warn, in this test, that its pads are used in the wrong order. */
void helper_allow_disorder (void);
/* Waits until stats has a number that is not less; ten seconds at most. */
gboolean helper_wait_stat (
    GstElement *element, const char *name, guint64 least);
guint64 helper_stat (GstElement *element, const char *name);

/* An element of which each buffer in makes one buffer out, between a feed and a
 * tap; PLAYING. */
typedef struct {
  GstElement *element;
  GstPad *feed;
  HelperTap *tap;
} HelperLine;

void helper_line (HelperLine *line, const char *factory);
/* NULL, and all of it goes. */
void helper_line_done (HelperLine *line);
