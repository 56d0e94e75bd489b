/* gstmblmaskoverlay.c: mblmaskoverlay, video in, video with the answer out.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 *            +--> queue --------------------> video_sink \
 *   sink -> tee                                         textoverlay -> src
 *            +--> queue --> mblmask ("ask") -> text_sink /
 *
 * The first queue lets the frames wait for their text. mblmask says where the text
 * has got to even while it works, so a live picture goes on with the last answer,
 * and a file gets an answer for each frame that is asked about.
 *
 * Only the video holds upstream up. The overlay takes no text before the last one
 * has ended, so mblmask may have to wait for the video (when times go back, say),
 * and the video must not wait for mblmask then: the second queue drops the oldest
 * frames where there would be more than a video that waits for its text ever makes.
 * It also takes the conversion of frames off the thread of a camera.
 *
 * What has no property here is reached through the children, which are named "ask"
 * and "overlay".
 */

/**
 * SECTION:element-mblmaskoverlay
 *
 * Puts the answer to #GstMblmAskOverlay:question on the video, as one element:
 * mblmask and textoverlay in a bin. The properties of the two are those of its
 * children `ask` and `overlay`, for instance `ask::temperature` or
 * `overlay::color`.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 v4l2src ! mblmaskoverlay question="What color is the object?" \
 *   ! videoconvert ! autovideosink
 * ]|
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>
#include <gst/video/video.h>

#include "gstmblmask.h"
#include "gstmblmaskoverlay.h"
#include "gstmblmenums.h"

/* Frames that may wait for their text. */
#define MAX_FRAMES 4
/* Frames that may wait to be asked about: more than that, and those on their way. */
#define MAX_ASKED 16

struct _GstMblmAskOverlay {
  GstBin parent;

  GstElement *ask;     /* owned by the bin */
  GstElement *overlay; /* owned by the bin; NULL: there is no textoverlay */
  GstFlowReturn flow;  /* what `src` failed with; under the object lock */
};

/* Properties that are those of a child under the same name: first those of
 * mblmask, then the style of the text, which is textoverlay's. */
static const char *const of_ask[] = {"model", "device", "question", "choices",
    "interval", "frame-interval", "leaky", "timing", "deadline"};
#define N_OF_ASK G_N_ELEMENTS (of_ask)

enum {
  PROP_FONT_DESC = N_OF_ASK + 1,
  PROP_COLOR,
  PROP_OUTLINE_COLOR,
  PROP_HALIGNMENT,
  PROP_VALIGNMENT,
  PROP_XPAD,
  PROP_YPAD,
  PROP_SHADED_BACKGROUND,
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL)));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL)));

#define gst_mblm_ask_overlay_parent_class parent_class
G_DEFINE_TYPE (GstMblmAskOverlay, gst_mblm_ask_overlay, GST_TYPE_BIN)
GST_ELEMENT_REGISTER_DEFINE (
    mblmaskoverlay, "mblmaskoverlay", GST_RANK_NONE, GST_TYPE_MBLM_ASK_OVERLAY)

/* NULL: there is no such child. */
static GObject *
child_of (GstMblmAskOverlay *self, guint id)
{
  GstElement *child = id > N_OF_ASK ? self->overlay : self->ask;

  return child ? G_OBJECT (child) : NULL;
}

static void
gst_mblm_ask_overlay_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GObject *child = child_of (GST_MBLM_ASK_OVERLAY (object), id);

  if (child == NULL)
    return;
  /* Pango is critical of a font that is NULL; "" is its own choice. */
  if (id == PROP_FONT_DESC && g_value_get_string (value) == NULL)
    g_object_set (child, pspec->name, "", NULL);
  else if (id == PROP_HALIGNMENT || id == PROP_VALIGNMENT)
    gst_util_set_object_arg (child, pspec->name,
        g_enum_get_value (
            G_PARAM_SPEC_ENUM (pspec)->enum_class, g_value_get_enum (value))
            ->value_nick);
  else
    g_object_set_property (child, pspec->name, value);
}

/* An enumeration of textoverlay's as one of ours, by its nick; what has none here
 * (a position that the child was given) is the default. */
static void
get_alignment (GObject *child, GValue *value, GParamSpec *pspec)
{
  GParamSpec *theirs = g_object_class_find_property (
      G_OBJECT_GET_CLASS (child), pspec->name);
  GValue their_value = G_VALUE_INIT;
  const GEnumValue *their_choice, *ours = NULL;

  g_value_init (&their_value, theirs->value_type);
  g_object_get_property (child, pspec->name, &their_value);
  their_choice = g_enum_get_value (
      G_PARAM_SPEC_ENUM (theirs)->enum_class, g_value_get_enum (&their_value));
  if (their_choice)
    ours = g_enum_get_value_by_nick (
        G_PARAM_SPEC_ENUM (pspec)->enum_class, their_choice->value_nick);
  g_value_set_enum (
      value, ours ? ours->value : G_PARAM_SPEC_ENUM (pspec)->default_value);
  g_value_unset (&their_value);
}

static void
gst_mblm_ask_overlay_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GObject *child = child_of (GST_MBLM_ASK_OVERLAY (object), id);

  if (child == NULL)
    g_param_value_set_default (pspec, value);
  else if (id == PROP_HALIGNMENT || id == PROP_VALIGNMENT)
    get_alignment (child, value, pspec);
  else
    g_object_get_property (child, pspec->name, value);
}

/* --- flow --- */

static GstFlowReturn
get_flow (GstMblmAskOverlay *self)
{
  GstFlowReturn flow;

  GST_OBJECT_LOCK (self);
  flow = self->flow;
  GST_OBJECT_UNLOCK (self);
  return flow;
}

static void
set_flow (GstMblmAskOverlay *self, GstFlowReturn flow)
{
  GST_OBJECT_LOCK (self);
  self->flow = flow;
  GST_OBJECT_UNLOCK (self);
}

/* Where the video goes no further the overlay takes no text; mblmask would wait
 * for it to, and the tee for mblmask. `parent` is the ghost pad. */
static GstFlowReturn
src_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstMblmAskOverlay *self = GST_MBLM_ASK_OVERLAY (GST_OBJECT_PARENT (parent));
  GstFlowReturn ret = gst_proxy_pad_chain_default (pad, parent, buffer);

  if (ret < GST_FLOW_OK && ret != GST_FLOW_FLUSHING) {
    g_autoptr (GstPad)
        text = gst_element_get_static_pad (self->overlay, "text_sink");

    set_flow (self, ret);
    gst_pad_send_event (text, gst_event_new_flush_start ());
  }
  return ret;
}

static GstFlowReturn
sink_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstFlowReturn ret = gst_proxy_pad_chain_default (pad, parent, buffer);
  GstFlowReturn flow = get_flow (GST_MBLM_ASK_OVERLAY (parent));

  return flow != GST_FLOW_OK ? flow : ret;
}

static GstFlowReturn
sink_chain_list (GstPad *pad, GstObject *parent, GstBufferList *list)
{
  GstFlowReturn ret = gst_proxy_pad_chain_list_default (pad, parent, list);
  GstFlowReturn flow = get_flow (GST_MBLM_ASK_OVERLAY (parent));

  return flow != GST_FLOW_OK ? flow : ret;
}

static gboolean
sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  gboolean flushed = GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP;
  gboolean ret = gst_pad_event_default (pad, parent, event);

  /* Only now is no frame from before the flush under way, which would say again
   * how it fared. */
  if (flushed)
    set_flow (GST_MBLM_ASK_OVERLAY (parent), GST_FLOW_OK);
  return ret;
}

/* A property that a child has changed by itself: mblmask takes back a model that
 * can't be used. */
static void
forward_notify (GObject *child, GParamSpec *pspec, gpointer user_data)
{
  GObject *self = user_data;
  GParamSpec *ours = g_object_class_find_property (
      G_OBJECT_GET_CLASS (self), pspec->name);

  if (ours != NULL && ours->owner_type == GST_TYPE_MBLM_ASK_OVERLAY)
    g_object_notify_by_pspec (self, ours);
}

/* The text is drawn by an element of another package. */
static GstStateChangeReturn
gst_mblm_ask_overlay_change_state (
    GstElement *element, GstStateChange transition)
{
  GstMblmAskOverlay *self = GST_MBLM_ASK_OVERLAY (element);

  if (transition == GST_STATE_CHANGE_NULL_TO_READY && self->overlay == NULL) {
    GST_ELEMENT_ERROR (self, CORE, MISSING_PLUGIN,
        (_ ("There is no element “textoverlay”. Install GStreamer's pango "
            "plugin; on Debian it is in gstreamer1.0-x.")),
        (NULL));
    return GST_STATE_CHANGE_FAILURE;
  }
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    set_flow (self, GST_FLOW_OK);
  return GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);
}

/* A property of the bin that looks like that of a child. */
static void
install_proxy (GObjectClass *klass, guint id, GObjectClass *child)
{
  GParamSpec *spec = g_object_class_find_property (child, of_ask[id - 1]);
  GParamFlags flags = (spec->flags & ~GST_PARAM_CONTROLLABLE) |
      G_PARAM_STATIC_STRINGS;
  const char *name = spec->name, *nick = g_param_spec_get_nick (spec);
  const char *blurb = g_param_spec_get_blurb (spec);
  GParamSpec *proxy;

  if (G_IS_PARAM_SPEC_STRING (spec)) {
    proxy = g_param_spec_string (
        name, nick, blurb, G_PARAM_SPEC_STRING (spec)->default_value, flags);
  } else if (G_IS_PARAM_SPEC_ENUM (spec)) {
    proxy = g_param_spec_enum (name, nick, blurb, spec->value_type,
        G_PARAM_SPEC_ENUM (spec)->default_value, flags);
  } else if (G_IS_PARAM_SPEC_UINT64 (spec)) {
    GParamSpecUInt64 *u = G_PARAM_SPEC_UINT64 (spec);
    proxy = g_param_spec_uint64 (
        name, nick, blurb, u->minimum, u->maximum, u->default_value, flags);
  } else {
    GParamSpecUInt *u = G_PARAM_SPEC_UINT (spec);
    proxy = g_param_spec_uint (
        name, nick, blurb, u->minimum, u->maximum, u->default_value, flags);
  }
  g_object_class_install_property (klass, id, proxy);
}

/* Defaults are textoverlay's, which is of another plugin and may not be there. */
static void
install_style (GObjectClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
      GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (klass, PROP_FONT_DESC,
      g_param_spec_string ("font-desc", "Font description",
          "Font of the answer, as Pango describes it (\"Sans, 24\"); NULL: "
          "textoverlay's own choice",
          NULL, flags & ~G_PARAM_READABLE));
  g_object_class_install_property (klass, PROP_COLOR,
      g_param_spec_uint ("color", "Color",
          "Color of the answer (0xAARRGGBB: opacity, red, green, blue)", 0,
          G_MAXUINT, 0xffffffff, flags));
  g_object_class_install_property (klass, PROP_OUTLINE_COLOR,
      g_param_spec_uint ("outline-color", "Outline color",
          "Color of the outline of the answer (0xAARRGGBB)", 0, G_MAXUINT,
          0xff000000, flags));
  g_object_class_install_property (klass, PROP_HALIGNMENT,
      g_param_spec_enum ("halignment", "Horizontal alignment",
          "Where the answer is from left to right", GST_TYPE_MBLM_HALIGN,
          GST_MBLM_HALIGN_CENTER, flags));
  g_object_class_install_property (klass, PROP_VALIGNMENT,
      g_param_spec_enum ("valignment", "Vertical alignment",
          "Where the answer is from top to bottom", GST_TYPE_MBLM_VALIGN,
          GST_MBLM_VALIGN_BASELINE, flags));
  g_object_class_install_property (klass, PROP_XPAD,
      g_param_spec_int ("xpad", "Horizontal padding",
          "Distance of the answer from the left or right edge (pixels)", 0,
          G_MAXINT, 25, flags));
  g_object_class_install_property (klass, PROP_YPAD,
      g_param_spec_int ("ypad", "Vertical padding",
          "Distance of the answer from the top or bottom edge (pixels)", 0,
          G_MAXINT, 25, flags));
  g_object_class_install_property (klass, PROP_SHADED_BACKGROUND,
      g_param_spec_boolean ("shaded-background", "Shaded background",
          "Darken the picture behind the answer", FALSE, flags));
}

static void
gst_mblm_ask_overlay_class_init (GstMblmAskOverlayClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GObjectClass *ask = g_type_class_ref (GST_TYPE_MBLM_ASK);

  object_class->set_property = gst_mblm_ask_overlay_set_property;
  object_class->get_property = gst_mblm_ask_overlay_get_property;
  element_class->change_state = GST_DEBUG_FUNCPTR (
      gst_mblm_ask_overlay_change_state);
  for (guint id = 1; id <= N_OF_ASK; id++)
    install_proxy (object_class, id, ask);
  g_type_class_unref (ask);
  install_style (object_class);

  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "MBLM asker overlay",
      "Filter/Editor/Video",
      "Puts the answer to a question about the frames on the video; the "
      "children are named \"ask\" and \"overlay\" (ask::temperature, ...)",
      "The gst-mblm authors");
}

static GstPad *
add_ghost (GstMblmAskOverlay *self, const char *name, GstElement *child,
    const char *pad_name, GstStaticPadTemplate *pad_template)
{
  GstPad *target = gst_element_get_static_pad (child, pad_name);
  GstPadTemplate *template = gst_static_pad_template_get (pad_template);
  GstPad *pad = gst_ghost_pad_new_from_template (name, target, template);

  gst_element_add_pad (GST_ELEMENT (self), pad);
  gst_object_unref (template);
  gst_object_unref (target);
  return pad;
}

/* The pads of the bin, which let upstream know what comes of the video. */
static void
add_pads (GstMblmAskOverlay *self, GstElement *tee)
{
  GstPad *sink = add_ghost (self, "sink", tee, "sink", &sink_template);
  GstPad *src = add_ghost (self, "src", self->overlay, "src", &src_template);
  g_autoptr (GstProxyPad)
      inner = gst_proxy_pad_get_internal (GST_PROXY_PAD (src));

  gst_pad_set_chain_function (sink, GST_DEBUG_FUNCPTR (sink_chain));
  gst_pad_set_chain_list_function (sink, GST_DEBUG_FUNCPTR (sink_chain_list));
  gst_pad_set_event_function (sink, GST_DEBUG_FUNCPTR (sink_event));
  gst_pad_set_chain_function (GST_PAD (inner), GST_DEBUG_FUNCPTR (src_chain));
}

static void
gst_mblm_ask_overlay_init (GstMblmAskOverlay *self)
{
  GstBin *bin = GST_BIN (self);
  GstElement *tee = gst_element_factory_make ("tee", NULL);
  GstElement *queue = gst_element_factory_make ("queue", NULL);
  GstElement *asked = gst_element_factory_make ("queue", NULL);

  self->ask = g_object_new (GST_TYPE_MBLM_ASK, "name", "ask", NULL);
  self->overlay = gst_element_factory_make ("textoverlay", "overlay");
  g_signal_connect_object (
      self->ask, "notify", G_CALLBACK (forward_notify), self, 0);
  gst_bin_add (bin, self->ask);
  if (tee == NULL || queue == NULL || asked == NULL || self->overlay == NULL) {
    g_clear_object (&tee);
    g_clear_object (&queue);
    g_clear_object (&asked);
    g_clear_object (&self->overlay);
    return;
  }
  /* A line of text needs no end of line. */
  g_object_set (self->ask, "separator", "", NULL);
  g_object_set (queue, "max-size-buffers", MAX_FRAMES, "max-size-bytes", 0,
      "max-size-time", (guint64) 0, NULL);
  g_object_set (asked, "max-size-buffers", MAX_ASKED, "max-size-bytes", 0,
      "max-size-time", (guint64) 0, NULL);
  gst_util_set_object_arg (G_OBJECT (asked), "leaky", "downstream");
  gst_bin_add_many (bin, tee, queue, asked, self->overlay, NULL);
  gst_element_link_pads (tee, "src_%u", queue, "sink");
  gst_element_link_pads (queue, "src", self->overlay, "video_sink");
  gst_element_link_pads (tee, "src_%u", asked, "sink");
  gst_element_link_pads (asked, "src", self->ask, "sink");
  gst_element_link_pads (self->ask, "src", self->overlay, "text_sink");
  add_pads (self, tee);
}
