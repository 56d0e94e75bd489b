/* fuzz-element.c: what reaches an element: caps, bytes in any pieces, times,
 * events in the middle.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The first byte chooses the element, the second its caps; then each piece has a
 * length, a byte of what else to do, and its bytes.
 */

#include "../gst/helper.h"
#include "fuzz.h"
#include "gstmblmask.h"
#include "gstmblmenums.h"
#include "gstmblmgenerate.h"
#include "gstmblmmeta.h"
#include "gstmblmscore.h"

int LLVMFuzzerInitialize (int *argc, char ***argv);

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  gst_init (NULL, NULL);
  /* GStreamer warns where an element breaks its rules. */
  g_log_set_always_fatal (
      G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);
  gst_mblm_enums_register ();
  gst_mblm_answer_meta_register ();
  FUZZ_CHECK (GST_ELEMENT_REGISTER (mblmgenerate, NULL) &&
      GST_ELEMENT_REGISTER (mblmscore, NULL) &&
      GST_ELEMENT_REGISTER (mblmask, NULL));
  helper_make_models ();
  atexit (helper_remove_models);
  return 0;
}

static GstHarness *
new_harness (guint choice, guint caps_choice)
{
  static const char *const factories[] = {
      "mblmgenerate", "mblmscore", "mblmask"};
  static const char *const byte_caps[] = {"text/x-raw,format=utf8",
      "application/octet-stream", "video/x-raw,format=I420,width=3,height=2"};
  static const char *const picture_caps[] = {"image/png", "image/jpeg",
      "video/x-raw,format=RGB,width=5,height=3,framerate=0/1",
      "video/x-raw,format=NV12,width=16384,height=1,framerate=30/1"};
  const char *factory = factories[choice % G_N_ELEMENTS (factories)];
  GstElement *element = helper_element (factory);
  gboolean ask = g_str_equal (factory, "mblmask");

  if (ask)
    g_object_set (element, "question", "a", "choices", "b,c", NULL);
  else if (g_str_equal (factory, "mblmgenerate"))
    g_object_set (element, "max-bytes", 3, NULL);
  else
    gst_util_set_object_arg (G_OBJECT (element), "per", "stream");
  GstHarness *h = helper_harness (element);
  gst_harness_set_src_caps_str (h,
      ask ? picture_caps[caps_choice % G_N_ELEMENTS (picture_caps)]
          : byte_caps[caps_choice % G_N_ELEMENTS (byte_caps)]);
  return h;
}

/* What a byte asks for before a piece goes in. */
static void
disturb (GstHarness *h, guint8 what)
{
  GstSegment segment;

  switch (what % 16) {
    case 0:
      gst_harness_push_event (h, gst_event_new_flush_start ());
      gst_harness_push_event (h, gst_event_new_flush_stop (what & 16));
      /* fallthrough */
    case 1:
      gst_segment_init (
          &segment, what & 32 ? GST_FORMAT_BYTES : GST_FORMAT_TIME);
      gst_harness_push_event (h, gst_event_new_segment (&segment));
      break;
    case 2:
      gst_harness_push_event (h, gst_event_new_gap (what, what & 64 ? 1 : 0));
      break;
    case 3:
      gst_harness_push_event (
          h, gst_event_new_tag (gst_tag_list_new (GST_TAG_TITLE, "x", NULL)));
      break;
    default:
      break;
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t n)
{
  GstClockTime time = 0;
  GstBuffer *out;

  if (n < 2 || n > 4096)
    return 0;
  GstHarness *h = new_harness (data[0], data[1]);
  data += 2;
  n -= 2;
  while (n >= 2) {
    size_t size = MIN ((size_t) data[0] + 1, n - 2);
    GstBuffer *buffer = size > 0 ? gst_buffer_new_memdup (data + 2, size)
                                 : gst_buffer_new ();

    disturb (h, data[1]);
    if (data[1] & 128) {
      GST_BUFFER_PTS (buffer) = time;
      GST_BUFFER_DURATION (buffer) = data[1] & 64 ? GST_SECOND : 0;
      time += GST_SECOND;
    }
    gst_harness_push (h, buffer);
    data += 2 + size;
    n -= 2 + size;
  }
  gst_harness_push_event (h, gst_event_new_eos ());
  helper_wait_eos (h);
  while ((out = gst_harness_try_pull (h)))
    gst_buffer_unref (out);
  helper_done (h);
  return 0;
}
