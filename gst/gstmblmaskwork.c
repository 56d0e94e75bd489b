/* gstmblmaskwork.c: the task of mblmask: questions to answers.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Every source pad has an asker of its own; they share what a frame is to all of
 * them. In frame timing a pad sends one
 * buffer or GAP for each frame; in arrival timing an answer is offered, and
 * goes out with the newest frame.
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <string.h>

#include <glib/gi18n-lib.h>

#include "gstmblmaskprivate.h"
#include "gstmblmmeta.h"
#include "gstmblmvoice.h"

/* --- flows --- */

/* What pushing on several pads comes to: pads that are not linked, or have seen
 * enough, stop nobody while another goes on. */
typedef struct {
  gboolean ok, eos, flushing;
  GstFlowReturn failure;
} Flows;

#define FLOWS_INIT                                                             \
  {                                                                            \
    FALSE, FALSE, FALSE, GST_FLOW_OK                                           \
  }

static void
flows_add (
    Flows *self, GstMblmBase *base, GstMblmTextPad *pad, GstFlowReturn ret)
{
  /* One that was released meanwhile flushes, and ends nothing: the next frame is
   * judged by those that are left. */
  if (ret == GST_FLOW_OK ||
      (ret == GST_FLOW_FLUSHING && !gst_mblm_base_has_text_pad (base, pad)))
    self->ok = TRUE;
  else if (ret == GST_FLOW_EOS)
    self->eos = TRUE;
  else if (ret == GST_FLOW_FLUSHING && GST_PAD (pad) != base->srcpad)
    self->flushing = TRUE;
  else if (ret != GST_FLOW_NOT_LINKED && self->failure == GST_FLOW_OK)
    self->failure = ret;
}

static GstFlowReturn
flows_result (const Flows *self)
{
  if (self->failure != GST_FLOW_OK)
    return self->failure;
  if (self->ok)
    return GST_FLOW_OK;
  /* As at a change of state, which is no error. */
  if (self->flushing)
    return GST_FLOW_FLUSHING;
  return self->eos ? GST_FLOW_EOS : GST_FLOW_NOT_LINKED;
}

/* --- answers --- */

static gboolean
progress (gpointer user_data)
{
  GstMblmAsk *self = user_data;
  GstMblmBase *base = &self->parent;

  gst_mblm_base_breathe (base, self->cancellable);
  return !gst_mblm_base_is_late (base);
}

static gboolean
gst_mblm_ask_set_load (GstMblmBase *base, GstMblmLoad *load)
{
  g_hash_table_remove_all (GST_MBLM_ASK (base)->voices);
  return TRUE;
}

static GstMblmVoice *
find_voice (GstMblmAsk *self, GstMblmTextPad *pad, GError **error)
{
  GstMblmVoice *voice = g_hash_table_lookup (self->voices, pad);
  GHashTableIter iter;
  gpointer other = NULL;

  if (voice)
    return voice;
  voice = gst_mblm_voice_new (
      self->parent.load->model, pad, progress, self, error);
  if (!voice)
    return NULL;
  g_hash_table_iter_init (&iter, self->voices);
  if (g_hash_table_iter_next (&iter, NULL, &other))
    gst_mblm_voice_share (voice, other);
  g_hash_table_insert (self->voices, pad, voice);
  return voice;
}

/* Forgets the askers of pads that were released. */
static gboolean
is_gone (gpointer pad, gpointer voice, gpointer user_data)
{
  return GST_PAD_PARENT (pad) == NULL;
}

static void
post_answer (GstMblmAsk *self, const GstMblmItem *item, GstMblmTextPad *pad,
    const char *question, const MblmAnswer *answer)
{
  GstStructure *structure = gst_structure_new ("mblmask", "timestamp",
      G_TYPE_UINT64, item->pts, "stream-time", G_TYPE_UINT64, item->stream_time,
      "running-time", G_TYPE_UINT64, item->running_time, "duration",
      G_TYPE_UINT64, item->duration, "pad", G_TYPE_STRING,
      GST_OBJECT_NAME (pad), "question", G_TYPE_STRING,
      question ? question : "", "answer", G_TYPE_STRING, answer->text,
      "probability", G_TYPE_DOUBLE, answer->probability, "partial",
      G_TYPE_BOOLEAN, answer->partial, NULL);

  gst_mblm_answer_set_choices (structure, answer);
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self), structure));
}

/* Up to the newest input. */
static GstFlowReturn
advance_on (GstMblmTextPad *pad, const GstMblmNewest *newest, gboolean repeat)
{
  GstClockTime start, end;

  if (!gst_mblm_newest_find (
          newest, gst_mblm_text_pad_get_segment (pad), &start, &end))
    return GST_FLOW_OK;
  return gst_mblm_text_pad_advance (pad, start, end, repeat);
}

static GstFlowReturn
send_answer (GstMblmAsk *self, const GstMblmItem *item, GstMblmTextPad *pad,
    const char *question, const MblmAnswer *answer)
{
  GstMblmBase *base = &self->parent;
  char *text = g_strconcat (answer->text, self->now.separator, NULL);
  GstBuffer *buffer = gst_buffer_new_wrapped (text, strlen (text));
  GstMblmNewest newest;

  gst_mblm_base_count_out (base, gst_buffer_get_size (buffer));
  gst_mblm_answer_meta_add (buffer, question, answer, item->running_time);
  if (!gst_mblm_base_is_arrival (base))
    return gst_mblm_text_pad_answer (
        pad, buffer, item->pts, item->duration, self->now.on_change);

  gst_mblm_text_pad_offer (
      pad, buffer, gst_mblm_base_now (base, pad), self->now.on_change);
  g_mutex_lock (&base->lock);
  newest = gst_mblm_base_get_newest (base);
  g_mutex_unlock (&base->lock);
  return advance_on (pad, &newest, self->now.hold && !self->now.on_change);
}

/* Input that gets no answer on this pad. */
static GstFlowReturn
skip_on (GstMblmAsk *self, const GstMblmItem *item, GstMblmTextPad *pad,
    gboolean failed)
{
  gboolean repeat = self->now.hold && !self->now.on_change && !failed;

  if (gst_mblm_base_is_arrival (&self->parent))
    return GST_FLOW_OK;
  return gst_mblm_text_pad_skip (pad, item->pts, item->duration, repeat);
}

/* The question can't be asked: at `src` an error, unless another one holds. */
static GstFlowReturn
refuse_question (GstMblmAsk *self, const GstMblmVoice *voice, GError *error)
{
  GstMblmBase *base = &self->parent;
  gboolean main = GST_PAD (voice->pad) == base->srcpad;
  GstMblmFault *fault = gst_mblm_fault_new (GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_SETTINGS,
      g_strdup_printf (_ ("This can't be asked on pad “%s”. Make the question "
                          "shorter, or correct the choices."),
          GST_OBJECT_NAME (voice->pad)),
      error->message);

  g_error_free (error);
  if (main && !voice->asked)
    return gst_mblm_base_fault (base, fault);
  gst_mblm_base_warn (base, fault);
  return GST_FLOW_OK;
}

/* The frame itself is the problem: it gets a warning and a GAP. */
static gboolean
is_frame_error (const GError *error)
{
  return g_error_matches (error, MBLM_ERROR, MBLM_ERROR_INPUT) ||
      g_error_matches (error, MBLM_ERROR, MBLM_ERROR_CONTEXT);
}

static GstFlowReturn
fail_frame (GstMblmAsk *self, const GstMblmItem *item, GstMblmTextPad *pad,
    GError *error)
{
  GstMblmBase *base = &self->parent;

  g_mutex_lock (&base->lock);
  base->stats.failed++;
  g_mutex_unlock (&base->lock);
  gst_mblm_base_warn (
      base, gst_mblm_fault_from_error (error, base->load->name));
  g_error_free (error);
  return skip_on (self, item, pad, TRUE);
}

static GstFlowReturn
answer_on (GstMblmAsk *self, const GstMblmItem *item, GstMblmTextPad *pad,
    const char *question, const char *choices)
{
  GstMblmBase *base = &self->parent;
  g_autoptr (MblmAnswer) answer = NULL;
  GError *error = NULL;
  GstMblmVoice *voice = find_voice (self, pad, &error);
  GstFlowReturn ret;

  if (!voice)
    return gst_mblm_base_failure (base, error);
  if (!gst_mblm_voice_set_question (voice, question, choices, &error)) {
    ret = refuse_question (self, voice, error);
    if (ret != GST_FLOW_OK)
      return ret;
    error = NULL;
  }
  if (!voice->asked)
    return skip_on (self, item, pad, TRUE);
  gst_mblm_voice_set_sampling (voice, &self->now.sampling, self->now.max_bytes);

  gst_mblm_base_begin_answer (base);
  answer = mblm_asker_answer (
      voice->asker, item->bytes, self->cancellable, &error);
  if (!answer && is_frame_error (error))
    return fail_frame (self, item, pad, error);
  if (!answer)
    return gst_mblm_base_failure (base, error);
  gst_mblm_base_end_answer (base, answer->partial);
  post_answer (self, item, pad, voice->question, answer);
  /* The time was up before there was anything to say: the last answer holds. */
  if (answer->partial && *answer->text == '\0')
    return skip_on (self, item, pad, FALSE);
  return send_answer (self, item, pad, voice->question, answer);
}

/* The question that a frame brings for a pad, or NULL. */
static const char *
find_asked (const GPtrArray *list, GstMblmTextPad *pad)
{
  for (guint i = 0; list && i < list->len; i++) {
    const GstMblmAsked *asked = list->pdata[i];

    if (asked->pad == pad)
      return asked->question;
  }
  return NULL;
}

/* Nobody hears the answer. With `src` alone, pushing says so. */
static gboolean
is_unheard (const GPtrArray *pads, GstMblmTextPad *pad)
{
  return pads->len > 1 && !gst_pad_is_linked (GST_PAD (pad));
}

/* The askers of all that is asked about a frame, before the first of them reads it,
 * so that they share it. What goes wrong does so again when the asker is needed. */
static void
gather_voices (GstMblmAsk *self, const GstMblmItem *item, const GPtrArray *pads)
{
  for (guint i = 0; i < pads->len; i++) {
    GstMblmTextPad *pad = pads->pdata[i];

    if (!is_unheard (pads, pad) &&
        (GST_PAD (pad) == self->parent.srcpad || find_asked (item->extra, pad)))
      find_voice (self, pad, NULL);
  }
}

static GstFlowReturn
gst_mblm_ask_work (
    GstMblmBase *base, GstMblmItem *item, GCancellable *cancellable)
{
  GstMblmAsk *self = GST_MBLM_ASK (base);
  g_autoptr (GPtrArray) pads = gst_mblm_base_list_text_pads (base);
  Flows flows = FLOWS_INIT;

  gst_mblm_ask_take_settings (self);
  self->cancellable = cancellable;
  g_hash_table_foreach_remove (self->voices, is_gone, NULL);
  gather_voices (self, item, pads);
  for (guint i = 0; i < pads->len && flows.failure == GST_FLOW_OK; i++) {
    GstMblmTextPad *pad = pads->pdata[i];
    const char *question = find_asked (item->extra, pad);
    GstFlowReturn ret;

    if (is_unheard (pads, pad))
      ret = GST_FLOW_NOT_LINKED;
    else if (GST_PAD (pad) == base->srcpad)
      ret = answer_on (self, item, pad, self->now.question, self->now.choices);
    else if (question)
      ret = answer_on (self, item, pad, question, NULL);
    else
      ret = skip_on (self, item, pad, FALSE);
    flows_add (&flows, base, pad, ret);
  }
  self->cancellable = NULL;
  return flows_result (&flows);
}

static GstFlowReturn
gst_mblm_ask_skip (GstMblmBase *base, GstMblmItem *item)
{
  GstMblmAsk *self = GST_MBLM_ASK (base);
  g_autoptr (GPtrArray) pads = gst_mblm_base_list_text_pads (base);
  Flows flows = FLOWS_INIT;

  gst_mblm_ask_take_settings (self);
  for (guint i = 0; i < pads->len; i++)
    flows_add (&flows, base, pads->pdata[i],
        skip_on (self, item, pads->pdata[i], item->failed));
  return flows_result (&flows);
}

static GstFlowReturn
gst_mblm_ask_advance (GstMblmBase *base, const GstMblmNewest *newest)
{
  GstMblmAsk *self = GST_MBLM_ASK (base);
  g_autoptr (GPtrArray) pads = gst_mblm_base_list_text_pads (base);
  Flows flows = FLOWS_INIT;
  gboolean repeat;

  GST_OBJECT_LOCK (self);
  repeat = self->settings.hold && !self->settings.on_change;
  GST_OBJECT_UNLOCK (self);
  for (guint i = 0; i < pads->len; i++)
    flows_add (&flows, base, pads->pdata[i],
        advance_on (pads->pdata[i], newest, repeat));
  return flows_result (&flows);
}

/* The askers keep the states of their questions, and nothing else: the same input
 * gives the same answers again. */
static void
gst_mblm_ask_reset_task (GstMblmBase *base)
{
  GHashTableIter iter;
  gpointer voice;

  g_hash_table_iter_init (&iter, GST_MBLM_ASK (base)->voices);
  while (g_hash_table_iter_next (&iter, NULL, &voice))
    gst_mblm_voice_reseed (voice);
}

void
gst_mblm_ask_class_init_work (GstMblmBaseClass *klass)
{
  klass->set_load = gst_mblm_ask_set_load;
  klass->work = gst_mblm_ask_work;
  klass->skip = gst_mblm_ask_skip;
  klass->advance = gst_mblm_ask_advance;
  klass->reset_task = gst_mblm_ask_reset_task;
}

void
gst_mblm_ask_init_work (GstMblmAsk *self)
{
  self->voices = g_hash_table_new_full (NULL, NULL, NULL, gst_mblm_voice_free);
}

void
gst_mblm_ask_clear_work (GstMblmAsk *self)
{
  g_hash_table_unref (self->voices);
}
