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

/* The next message of these types within a minute, or NULL. */
GstMessage *helper_wait (GstElement *element, GstMessageType types);
/* Messages of these types that are there now. */
guint helper_count (GstElement *element, GstMessageType types);
/* So many warnings and errors are there now, of all messages. */
void helper_check_messages (GstElement *element, guint warnings, guint errors);
/* The next element message with this name within a minute. */
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

/* Lets GStreamer warn, in this test, that its pads are used in the wrong order. */
void helper_allow_disorder (void);
/* Waits until stats has a number that is not less; a minute at most. */
gboolean helper_wait_stat (
    GstElement *element, const char *name, guint64 least);
guint64 helper_stat (GstElement *element, const char *name);
