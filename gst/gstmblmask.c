/* gstmblmask.c: mblmask, frames or pictures in, answers out.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * `src` answers the property `question`; each requested pad `question_%u` has a
 * pad `answer_%u`. A unit of work is a frame with the questions that held when
 * it came in.
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <string.h>

#include <glib/gi18n-lib.h>

#include "gstmblmaskprivate.h"
#include "gstmblmquestion.h"

#define GST_CAT_DEFAULT gst_mblm_debug

#define DEFAULT_SEPARATOR "\n"
#define DEFAULT_MAX_BYTES 256

enum {
  PROP_QUESTION = GST_MBLM_PROP_LAST,
  PROP_CHOICES,
  PROP_SEPARATOR,
  PROP_MAX_BYTES,
  PROP_HOLD,
  PROP_ON_CHANGE,
  PROP_INTERVAL,
  PROP_FRAME_INTERVAL,
  PROP_SAMPLING, /* and those after it */
};

G_DEFINE_TYPE (GstMblmAsk, gst_mblm_ask, GST_TYPE_MBLM_BASE)
GST_ELEMENT_REGISTER_DEFINE (
    mblmask, "mblmask", GST_RANK_NONE, GST_TYPE_MBLM_ASK)
#define parent_class gst_mblm_ask_parent_class

#define TEXT_CAPS "text/x-raw, format=(string)utf8"

/* Without sizes and framerates, so that what is wrong with them is said in an
 * error of its own, and caps without a framerate pass. */
static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("video/x-raw, format=(string)" GST_VIDEO_FORMATS_ALL
                     "; image/jpeg; image/png"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (TEXT_CAPS));
static GstStaticPadTemplate question_template = GST_STATIC_PAD_TEMPLATE (
    "question_%u", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS (TEXT_CAPS));
static GstStaticPadTemplate answer_template = GST_STATIC_PAD_TEMPLATE (
    "answer_%u", GST_PAD_SRC, GST_PAD_SOMETIMES, GST_STATIC_CAPS (TEXT_CAPS));

/* --- properties --- */

static void
settings_clear (GstMblmAskSettings *self)
{
  g_clear_pointer (&self->question, g_free);
  g_clear_pointer (&self->choices, g_free);
  g_clear_pointer (&self->separator, g_free);
}

void
gst_mblm_ask_take_settings (GstMblmAsk *self)
{
  const GstMblmAskSettings *settings = &self->settings;

  settings_clear (&self->now);
  GST_OBJECT_LOCK (self);
  self->now = *settings;
  self->now.question = g_strdup (settings->question);
  self->now.choices = g_strdup (settings->choices);
  /* It goes out with the answer, which is UTF-8. */
  self->now.separator = g_utf8_make_valid (
      settings->separator ? settings->separator : "", -1);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_mblm_ask_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstMblmAsk *self = GST_MBLM_ASK (object);
  GstMblmAskSettings *settings = &self->settings;

  if (id < GST_MBLM_PROP_LAST) {
    G_OBJECT_CLASS (parent_class)->set_property (object, id, value, pspec);
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_QUESTION:
      g_free (settings->question);
      settings->question = g_value_dup_string (value);
      break;
    case PROP_CHOICES:
      g_free (settings->choices);
      settings->choices = g_value_dup_string (value);
      break;
    case PROP_SEPARATOR:
      g_free (settings->separator);
      settings->separator = g_value_dup_string (value);
      break;
    case PROP_MAX_BYTES:
      settings->max_bytes = g_value_get_uint (value);
      break;
    case PROP_HOLD:
      settings->hold = g_value_get_boolean (value);
      break;
    case PROP_ON_CHANGE:
      settings->on_change = g_value_get_boolean (value);
      break;
    case PROP_INTERVAL:
      settings->interval = g_value_get_uint64 (value);
      break;
    case PROP_FRAME_INTERVAL:
      settings->frame_interval = g_value_get_uint (value);
      break;
    default:
      if (!gst_mblm_sampling_set (
              &settings->sampling, id - PROP_SAMPLING, value))
        G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_mblm_ask_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstMblmAsk *self = GST_MBLM_ASK (object);
  const GstMblmAskSettings *settings = &self->settings;

  if (id < GST_MBLM_PROP_LAST) {
    G_OBJECT_CLASS (parent_class)->get_property (object, id, value, pspec);
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_QUESTION:
      g_value_set_string (value, settings->question);
      break;
    case PROP_CHOICES:
      g_value_set_string (value, settings->choices);
      break;
    case PROP_SEPARATOR:
      g_value_set_string (value, settings->separator);
      break;
    case PROP_MAX_BYTES:
      g_value_set_uint (value, settings->max_bytes);
      break;
    case PROP_HOLD:
      g_value_set_boolean (value, settings->hold);
      break;
    case PROP_ON_CHANGE:
      g_value_set_boolean (value, settings->on_change);
      break;
    case PROP_INTERVAL:
      g_value_set_uint64 (value, settings->interval);
      break;
    case PROP_FRAME_INTERVAL:
      g_value_set_uint (value, settings->frame_interval);
      break;
    default:
      if (!gst_mblm_sampling_get (
              &settings->sampling, id - PROP_SAMPLING, value))
        G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static GstMblmFault *
bad_setting (char *text)
{
  return gst_mblm_fault_new (
      GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, text, NULL);
}

/* Before a model is there: what can't be right with any. */
static GstMblmFault *
gst_mblm_ask_check (GstMblmBase *base)
{
  GstMblmAsk *self = GST_MBLM_ASK (base);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_auto (GStrv) choices = NULL;

  gst_mblm_ask_take_settings (self);
  if (self->now.question && !g_utf8_validate (self->now.question, -1, NULL))
    return bad_setting (g_strdup (
        _ ("The property “question” is not UTF-8. Set it to text that is.")));
  if (!self->now.choices || !*self->now.choices)
    return NULL;
  if (!g_utf8_validate (self->now.choices, -1, NULL))
    return bad_setting (g_strdup (
        _ ("The property “choices” is not UTF-8. Set it to text that is.")));
  choices = mblm_asker_split_choices (self->now.choices);
  for (guint i = 0; choices[i]; i++) {
    if (!*choices[i])
      return bad_setting (
          g_strdup_printf (_ ("Choice %u of the property “choices” is empty. "
                              "Take the comma out, "
                              "or write “\\,” for a comma in a choice."),
              i + 1));
    if (!g_hash_table_add (seen, choices[i]))
      return bad_setting (g_strdup_printf (
          _ ("The property “choices” has “%s” twice. Take one of them out."),
          choices[i]));
  }
  return NULL;
}

/* --- input --- */

static void
asked_free (gpointer data)
{
  GstMblmAsked *asked = data;

  gst_object_unref (asked->pad);
  g_free (asked->question);
  g_free (asked);
}

/* The questions of the pads that hold for a frame. */
static GPtrArray *
list_asked (GstMblmAsk *self, GstClockTime running_time)
{
  GstMblmBase *base = &self->parent;
  g_autoptr (GPtrArray)
      pads = g_ptr_array_new_with_free_func (gst_object_unref);
  GPtrArray *list = g_ptr_array_new_with_free_func (asked_free);

  g_mutex_lock (&base->lock);
  for (guint i = 0; i < self->questions->len; i++)
    g_ptr_array_add (pads, gst_object_ref (self->questions->pdata[i]));
  g_mutex_unlock (&base->lock);
  for (guint i = 0; i < pads->len; i++) {
    char *question = gst_mblm_question_pad_ask (pads->pdata[i], running_time);
    GstMblmAsked *asked;

    if (!question)
      continue;
    asked = g_new (GstMblmAsked, 1);
    asked->pad = gst_object_ref (
        gst_mblm_question_pad_get_answer (pads->pdata[i]));
    asked->question = question;
    g_ptr_array_add (list, asked);
  }
  return list;
}

static GstFlowReturn
submit_picture (GstMblmBase *base, GstMblmItem *item)
{
  if (item->kind == GST_MBLM_ITEM_WORK) {
    item->extra = list_asked (GST_MBLM_ASK (base), item->running_time);
    item->extra_free = (GDestroyNotify) g_ptr_array_unref;
  }
  return gst_mblm_base_submit (base, item);
}

static GstFlowReturn
gst_mblm_ask_chain (GstMblmBase *base, GstBuffer *buffer)
{
  GstMblmAsk *self = GST_MBLM_ASK (base);

  GST_OBJECT_LOCK (self);
  self->pictures.interval = self->settings.interval;
  self->pictures.frame_interval = self->settings.frame_interval;
  GST_OBJECT_UNLOCK (self);
  return gst_mblm_pictures_push (&self->pictures, buffer);
}

static gboolean
gst_mblm_ask_set_caps (GstMblmBase *base, GstCaps *caps)
{
  return gst_mblm_pictures_set_caps (&GST_MBLM_ASK (base)->pictures, caps);
}

static void
gst_mblm_ask_sink_event (GstMblmBase *base, GstEvent *event)
{
  GstMblmPictures *pictures = &GST_MBLM_ASK (base)->pictures;
  GstTagList *tags;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
      gst_mblm_pictures_drain (pictures);
      gst_mblm_pictures_begin_stream (pictures);
      break;
    case GST_EVENT_SEGMENT:
    case GST_EVENT_EOS:
      gst_mblm_pictures_drain (pictures);
      break;
    case GST_EVENT_TAG:
      gst_event_parse_tag (event, &tags);
      gst_mblm_pictures_set_tags (pictures, tags);
      break;
    default:
      break;
  }
}

static gboolean
gst_mblm_ask_propose_allocation (GstMblmBase *base, GstQuery *query)
{
  gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  gst_query_add_allocation_meta (query, GST_VIDEO_CROP_META_API_TYPE, NULL);
  return TRUE;
}

static void
gst_mblm_ask_reset_input (GstMblmBase *base)
{
  GstMblmPictures *pictures = &GST_MBLM_ASK (base)->pictures;

  gst_mblm_pictures_reset (pictures);
  /* A flush keeps the caps. */
  if (!gst_pad_is_active (base->sinkpad)) {
    pictures->raw = FALSE;
    gst_mblm_pictures_begin_stream (pictures);
  }
}

/* --- pads --- */

static void
activate (GstElement *element, GstPad *pad)
{
  if (GST_STATE (element) > GST_STATE_READY ||
      GST_STATE_PENDING (element) > GST_STATE_READY)
    gst_pad_set_active (pad, TRUE);
}

/* The number of a pad by the name that was asked for, else the next free one.
 * */
static guint
find_number (GstMblmAsk *self, const char *name)
{
  guint64 number;
  guint n;

  g_mutex_lock (&self->parent.lock);
  if (name && g_str_has_prefix (name, "question_") &&
      g_ascii_string_to_unsigned (
          name + strlen ("question_"), 10, 0, G_MAXINT, &number, NULL))
    n = number;
  else
    n = self->next_pad;
  self->next_pad = MAX (self->next_pad, n + 1);
  g_mutex_unlock (&self->parent.lock);
  return n;
}

static GstPad *
gst_mblm_ask_request_new_pad (GstElement *element, GstPadTemplate *template,
    const gchar *name, const GstCaps *caps)
{
  GstMblmAsk *self = GST_MBLM_ASK (element);
  GstMblmBase *base = GST_MBLM_BASE (element);
  guint n = find_number (self, name);
  g_autofree char *question_name = g_strdup_printf ("question_%u", n);
  g_autofree char *answer_name = g_strdup_printf ("answer_%u", n);
  g_autoptr (GstPad)
      other = gst_element_get_static_pad (element, question_name);
  GstMblmQuestionPad *question;
  GstMblmTextPad *answer;

  if (other) {
    GST_WARNING_OBJECT (element, "there is a pad %s already", question_name);
    return NULL;
  }
  answer = gst_mblm_text_pad_new (
      gst_element_get_pad_template (element, "answer_%u"), answer_name);
  gst_mblm_base_set_up_src (base, GST_PAD (answer));
  question = gst_mblm_question_pad_new (template, question_name, answer);
  activate (element, GST_PAD (question));
  if (!gst_element_add_pad (element, GST_PAD (question))) {
    gst_object_unref (gst_object_ref_sink (answer));
    return NULL;
  }
  g_mutex_lock (&base->lock);
  g_ptr_array_add (self->questions, gst_object_ref (question));
  g_mutex_unlock (&base->lock);

  activate (element, GST_PAD (answer));
  gst_element_add_pad (element, GST_PAD (answer));
  gst_mblm_base_add_text_pad (base, answer);
  return GST_PAD (question);
}

static void
gst_mblm_ask_release_pad (GstElement *element, GstPad *pad)
{
  GstMblmAsk *self = GST_MBLM_ASK (element);
  GstMblmBase *base = GST_MBLM_BASE (element);
  GstMblmTextPad *answer = gst_object_ref (
      gst_mblm_question_pad_get_answer (GST_MBLM_QUESTION_PAD (pad)));

  g_mutex_lock (&base->lock);
  g_ptr_array_remove (self->questions, pad);
  g_mutex_unlock (&base->lock);
  gst_mblm_base_remove_text_pad (base, answer);
  gst_pad_set_active (pad, FALSE);
  gst_element_remove_pad (element, pad);
  gst_pad_set_active (GST_PAD (answer), FALSE);
  gst_element_remove_pad (element, GST_PAD (answer));
  gst_object_unref (answer);
}

/* --- class --- */

static void
gst_mblm_ask_finalize (GObject *object)
{
  GstMblmAsk *self = GST_MBLM_ASK (object);

  gst_mblm_ask_clear_work (self);
  gst_mblm_pictures_clear (&self->pictures);
  g_ptr_array_unref (self->questions);
  settings_clear (&self->now);
  settings_clear (&self->settings);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
      GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (klass, PROP_QUESTION,
      g_param_spec_string ("question", "Question",
          "What is asked about each frame, for the pad src; without it, the "
          "frame's caption is sent",
          NULL, flags));
  g_object_class_install_property (klass, PROP_CHOICES,
      g_param_spec_string ("choices", "Choices",
          "Answers to choose from by their exact probability, for the pad src: "
          "separated by commas, \\, is a comma; without it, answers are "
          "generated",
          NULL, flags));
  g_object_class_install_property (klass, PROP_SEPARATOR,
      g_param_spec_string ("separator", "Separator",
          "Text that is sent after each answer", DEFAULT_SEPARATOR, flags));
  g_object_class_install_property (klass, PROP_MAX_BYTES,
      g_param_spec_uint ("max-bytes", "Max. bytes",
          "Bytes of a generated answer at most (bytes)", 1, G_MAXUINT,
          DEFAULT_MAX_BYTES, flags | GST_PARAM_CONTROLLABLE));
  g_object_class_install_property (klass, PROP_HOLD,
      g_param_spec_boolean ("hold", "Hold",
          "Send the last answer again for each later frame that has none of "
          "its "
          "own, so that an overlay neither flickers nor waits",
          TRUE, flags));
  g_object_class_install_property (klass, PROP_ON_CHANGE,
      g_param_spec_boolean ("on-change", "On change",
          "Send an answer only when it differs from the last one, and none "
          "again, whatever hold says",
          FALSE, flags));
  g_object_class_install_property (klass, PROP_INTERVAL,
      g_param_spec_uint64 ("interval", "Interval",
          "Time from one frame that is answered to the next at least (ns, 0 = "
          "every frame)",
          0, G_MAXUINT64, 0, flags | GST_PARAM_CONTROLLABLE));
  g_object_class_install_property (klass, PROP_FRAME_INTERVAL,
      g_param_spec_uint ("frame-interval", "Frame interval",
          "Answer one frame out of so many (frames, 1 = every frame)", 1,
          G_MAXUINT, 1, flags | GST_PARAM_CONTROLLABLE));
  gst_mblm_sampling_install (klass, PROP_SAMPLING);
}

static void
gst_mblm_ask_class_init (GstMblmAskClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstMblmBaseClass *base_class = GST_MBLM_BASE_CLASS (klass);

  object_class->finalize = gst_mblm_ask_finalize;
  object_class->set_property = gst_mblm_ask_set_property;
  object_class->get_property = gst_mblm_ask_get_property;
  gst_mblm_base_class_set_defaults (
      base_class, "scenes", GST_MBLM_LEAKY_AUTO, 1);
  gst_mblm_base_class_install_timing (base_class);
  install_properties (object_class);

  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_add_static_pad_template_with_gtype (
      element_class, &question_template, GST_TYPE_MBLM_QUESTION_PAD);
  gst_element_class_add_static_pad_template_with_gtype (
      element_class, &answer_template, GST_TYPE_MBLM_TEXT_PAD);
  gst_element_class_set_static_metadata (element_class, "MBLM asker",
      "Converter/Video/Text",
      "Answers questions about frames or pictures with a multiscale byte "
      "language model",
      "The gst-mblm authors");
  element_class->request_new_pad = GST_DEBUG_FUNCPTR (
      gst_mblm_ask_request_new_pad);
  element_class->release_pad = GST_DEBUG_FUNCPTR (gst_mblm_ask_release_pad);

  base_class->task = MBLM_TASK_QA;
  base_class->check = gst_mblm_ask_check;
  base_class->set_caps = gst_mblm_ask_set_caps;
  base_class->chain = gst_mblm_ask_chain;
  base_class->sink_event = gst_mblm_ask_sink_event;
  base_class->propose_allocation = gst_mblm_ask_propose_allocation;
  base_class->reset_input = gst_mblm_ask_reset_input;
  gst_mblm_ask_class_init_work (base_class);
}

static void
gst_mblm_ask_init (GstMblmAsk *self)
{
  GstMblmAskSettings *settings = &self->settings;

  settings->separator = g_strdup (DEFAULT_SEPARATOR);
  settings->max_bytes = DEFAULT_MAX_BYTES;
  settings->hold = TRUE;
  settings->frame_interval = 1;
  settings->sampling = (GstMblmSampling) GST_MBLM_SAMPLING_INIT;
  self->questions = g_ptr_array_new_with_free_func (gst_object_unref);
  gst_mblm_ask_init_work (self);
  gst_mblm_base_set_up (GST_MBLM_BASE (self));
  gst_mblm_pictures_init (
      &self->pictures, GST_MBLM_BASE (self), submit_picture);
}
