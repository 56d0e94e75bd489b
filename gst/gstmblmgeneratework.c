/* gstmblmgeneratework.c: the task of mblmgenerate: prompts to text.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A prompt, of which the last context bytes are kept, is fed to a session; then
 * bytes are drawn one by one, and each is sent once it completes a character.
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <string.h>

#include "gstmblmgenerateprivate.h"

/* State that one stream may hold where the model's context has no end. */
#define MEMORY_BOUND ((guint64) 1 << 30)

/* Between two pieces of work. The deadline is for the bytes drawn: a prompt is
 * read to its end, or the context would be lost for those that follow. */
static gboolean
progress (gpointer user_data)
{
  GstMblmGenerate *self = user_data;

  gst_mblm_base_breathe (&self->parent, self->cancellable);
  return TRUE;
}

static gboolean
gst_mblm_generate_set_load (GstMblmBase *base, GstMblmLoad *load)
{
  GstMblmGenerate *self = GST_MBLM_GENERATE (base);
  g_autoptr (GError) error = NULL;

  g_clear_object (&self->generator);
  g_clear_object (&self->sampler);
  g_clear_object (&self->session);
  self->sampling_known = FALSE;
  if (!load)
    return TRUE;
  self->session = mblm_session_new (load->model, &error);
  if (!self->session) {
    gst_mblm_base_fault (base, gst_mblm_fault_from_error (error, load->name));
    return FALSE;
  }
  mblm_session_set_memory_bound (self->session, MEMORY_BOUND);
  mblm_session_set_progress (self->session, progress, self);
  self->sampler = mblm_sampler_new ();
  self->generator = mblm_generator_new (self->session, self->sampler);
  return TRUE;
}

static void
set_up_generator (GstMblmGenerate *self)
{
  const GstMblmGenerateSettings *now = &self->now;
  g_autoptr (GBytes) stop = NULL;

  gst_mblm_sampling_apply (&now->sampling,
      self->sampling_known ? &self->sampling : NULL, self->sampler);
  self->sampling = now->sampling;
  self->sampling_known = TRUE;
  mblm_session_set_context_full (self->session,
      now->full == GST_MBLM_CONTEXT_FULL_ERROR ? MBLM_CONTEXT_FULL_ERROR
                                               : MBLM_CONTEXT_FULL_RESTART);
  mblm_generator_set_max (self->generator, now->max_bytes);
  if (now->stop && *now->stop)
    stop = g_bytes_new (now->stop, strlen (now->stop));
  mblm_generator_set_stop (self->generator, stop ? &stop : NULL, stop ? 1 : 0);
}

/* The model's context in bytes, as a size. */
static gsize
context_of (GstMblmLoad *load)
{
  return MIN (mblm_config_get_context (load->config), (guint64) G_MAXINT);
}

/* Whether nothing was said yet, to the session as the next prompt finds it. */
static gboolean
is_fresh (GstMblmGenerate *self)
{
  return self->now.policy == GST_MBLM_CONTEXT_RESET ||
      mblm_session_get_position (self->session) == 0;
}

/* Feeds the prompt, with the property `prompt` before it where nothing was said
 * yet; of both the last context bytes. */
static gboolean
feed (GstMblmGenerate *self, const guint8 *bytes, gsize n, GError **error)
{
  GCancellable *cancellable = self->cancellable;
  gsize context = context_of (self->parent.load);
  const char *prompt = self->now.prompt;
  gsize n_prompt = 0;

  n = MIN (n, G_MAXINT);
  if (n > context) {
    bytes += n - context;
    n = context;
  }
  if (prompt && is_fresh (self))
    n_prompt = strlen (prompt);
  if (n_prompt > context - n) {
    prompt += n_prompt - (context - n);
    n_prompt = context - n;
  }
  return (n_prompt == 0 ||
             mblm_session_feed_bytes (self->session, (const guint8 *) prompt,
                 n_prompt, cancellable, error)) &&
      (n == 0 ||
          mblm_session_feed_bytes (
              self->session, bytes, n, cancellable, error));
}

/* Draws bytes up to the end of the continuation; `partial`: or of its time. */
static GstFlowReturn
draw (GstMblmGenerate *self, gboolean *partial)
{
  GstMblmBase *base = &self->parent;
  g_autoptr (GByteArray) out = g_byte_array_new ();
  GstFlowReturn ret = GST_FLOW_OK;
  GError *error = NULL;
  gboolean more;

  *partial = FALSE;
  mblm_generator_start (self->generator);
  do {
    more = mblm_generator_next (
        self->generator, out, self->cancellable, &error);
    if (error)
      return gst_mblm_base_failure (base, error);
    if (more && gst_mblm_base_is_late (base)) {
      *partial = TRUE;
      more = FALSE;
      mblm_generator_end (self->generator, out);
    }
    if (out->len > 0)
      ret = gst_mblm_emitter_push (&self->emitter, out->data, out->len);
    g_byte_array_set_size (out, 0);
  } while (more && ret == GST_FLOW_OK);
  if (ret != GST_FLOW_OK)
    return ret;
  if (!mblm_generator_settle (self->generator, self->cancellable, &error))
    return gst_mblm_base_failure (base, error);
  return base->breath;
}

static GstFlowReturn
echo (GstMblmGenerate *self, const guint8 *bytes, gsize n)
{
  GstFlowReturn ret = GST_FLOW_OK;
  const char *prompt = self->now.prompt;

  if (!self->now.echo)
    return GST_FLOW_OK;
  if (prompt && is_fresh (self))
    ret = gst_mblm_emitter_push_whole (
        &self->emitter, (const guint8 *) prompt, strlen (prompt));
  if (ret == GST_FLOW_OK && n > 0)
    ret = gst_mblm_emitter_push_whole (&self->emitter, bytes, n);
  return ret;
}

/* Makes ready for text of a unit with this time. */
static GstFlowReturn
begin (GstMblmGenerate *self, GstClockTime start, GstClockTime end)
{
  GstFlowReturn ret = gst_mblm_text_pad_prepare (self->emitter.pad);

  if (ret == GST_FLOW_OK)
    gst_mblm_emitter_begin (
        &self->emitter, self->now.emit, self->now.byte_duration, start, end);
  return ret;
}

/* The same for the next part of a stream, or what continues it. */
static GstFlowReturn
go_on (GstMblmGenerate *self)
{
  GstFlowReturn ret = gst_mblm_text_pad_prepare (self->emitter.pad);

  if (ret == GST_FLOW_OK)
    gst_mblm_emitter_extend (&self->emitter, self->now.emit,
        self->now.byte_duration, self->stream_end);
  return ret;
}

/* Says that a continuation was cut short. */
static void
post_partial (GstMblmGenerate *self)
{
  const GstMblmEmitter *emitter = &self->emitter;
  const GstSegment *segment = gst_mblm_text_pad_get_segment (emitter->pad);
  GstClockTime start = emitter->start, duration = GST_CLOCK_TIME_NONE;
  GstStructure *structure;

  if (GST_CLOCK_TIME_IS_VALID (start) &&
      GST_CLOCK_TIME_IS_VALID (emitter->end) && emitter->end >= start)
    duration = emitter->end - start;
  structure = gst_structure_new ("mblmgenerate", "timestamp", G_TYPE_UINT64,
      start, "stream-time", G_TYPE_UINT64,
      gst_segment_to_stream_time (segment, GST_FORMAT_TIME, start),
      "running-time", G_TYPE_UINT64, gst_mblm_to_running_time (segment, start),
      "duration", G_TYPE_UINT64, duration, "bytes", G_TYPE_UINT64,
      mblm_generator_get_drawn (self->generator), "partial", G_TYPE_BOOLEAN,
      TRUE, NULL);
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self), structure));
}

/* Continues one prompt; `echoed`: it was sent already. */
static GstFlowReturn
continue_prompt (
    GstMblmGenerate *self, const guint8 *bytes, gsize n, gboolean echoed)
{
  GstMblmBase *base = &self->parent;
  GstFlowReturn ret = GST_FLOW_OK;
  GError *error = NULL;
  gboolean partial;

  if (self->now.policy == GST_MBLM_CONTEXT_RESET)
    mblm_session_reset (self->session);
  if (!echoed)
    ret = echo (self, bytes, n);
  if (ret != GST_FLOW_OK)
    return ret;
  set_up_generator (self);
  gst_mblm_base_begin_answer (base);
  if (!feed (self, bytes, n, &error))
    return gst_mblm_base_failure (base, error);
  ret = draw (self, &partial);
  if (ret != GST_FLOW_OK)
    return ret;
  ret = gst_mblm_emitter_end (&self->emitter, self->now.separator, partial);
  gst_mblm_base_end_answer (base, partial);
  if (partial)
    post_partial (self);
  return ret;
}

static GstClockTime
end_of (GstClockTime pts, GstClockTime duration)
{
  if (!GST_CLOCK_TIME_IS_VALID (pts) || !GST_CLOCK_TIME_IS_VALID (duration))
    return GST_CLOCK_TIME_NONE;
  return pts + duration;
}

/* Whether text of this part begins where that does: at the first, and where an echo
 * comes behind a SEGMENT, in which the last text has no place. */
static gboolean
begins_here (GstMblmGenerate *self)
{
  return !self->begun ||
      (self->now.echo &&
          !GST_CLOCK_TIME_IS_VALID (
              gst_mblm_text_pad_get_position (self->emitter.pad)));
}

static void
forget_stream (GstMblmGenerate *self)
{
  g_byte_array_set_size (self->stream, 0);
  self->begun = FALSE;
}

/* Adds to the end of the stream, of which no more than a context is kept. */
static GstFlowReturn
gather (GstMblmGenerate *self, GstMblmItem *item)
{
  gsize n, context = context_of (self->parent.load);
  const guint8 *bytes = g_bytes_get_data (item->bytes, &n);
  GstClockTime end = end_of (item->pts, item->duration);
  GstFlowReturn ret;

  if (!self->begun)
    self->stream_end = GST_CLOCK_TIME_NONE;
  if (GST_CLOCK_TIME_IS_VALID (end))
    self->stream_end = end;
  ret = begins_here (self) ? begin (self, item->pts, end) : go_on (self);
  if (ret == GST_FLOW_OK && !self->begun)
    ret = echo (self, bytes, n);
  else if (ret == GST_FLOW_OK && self->now.echo)
    ret = gst_mblm_emitter_push_whole (&self->emitter, bytes, n);
  self->begun = TRUE;

  if (n > context) {
    bytes += n - context;
    n = context;
  }
  if (self->stream->len > context - n)
    g_byte_array_remove_range (
        self->stream, 0, self->stream->len - (context - n));
  g_byte_array_append (self->stream, bytes, n);
  /* Nobody wants the rest, and upstream's own end is not told. */
  if (ret == GST_FLOW_EOS)
    forget_stream (self);
  return ret;
}

static GstFlowReturn
gst_mblm_generate_work (
    GstMblmBase *base, GstMblmItem *item, GCancellable *cancellable)
{
  GstMblmGenerate *self = GST_MBLM_GENERATE (base);
  const guint8 *bytes;
  GstFlowReturn ret;
  gsize n;

  gst_mblm_generate_take_settings (self);
  self->cancellable = cancellable;
  if (!item->extra)
    return gather (self, item);
  ret = begin (self, item->pts, end_of (item->pts, item->duration));
  if (ret != GST_FLOW_OK)
    return ret;
  bytes = g_bytes_get_data (item->bytes, &n);
  return continue_prompt (self, bytes, n, FALSE);
}

static GstFlowReturn
gst_mblm_generate_finish (GstMblmBase *base, GCancellable *cancellable)
{
  GstMblmGenerate *self = GST_MBLM_GENERATE (base);
  GstFlowReturn ret;

  if (!self->begun)
    return GST_FLOW_OK;
  gst_mblm_generate_take_settings (self);
  self->cancellable = cancellable;
  ret = go_on (self);
  if (ret == GST_FLOW_OK)
    ret = continue_prompt (self, self->stream->data, self->stream->len, TRUE);
  forget_stream (self);
  return ret;
}

static GstFlowReturn
gst_mblm_generate_skip (GstMblmBase *base, GstMblmItem *item)
{
  GstMblmGenerate *self = GST_MBLM_GENERATE (base);
  GstClockTime end = end_of (item->pts, item->duration);

  if (!self->begun)
    return gst_mblm_text_pad_gap (
        GST_MBLM_TEXT_PAD (base->srcpad), item->pts, item->duration);
  /* The text of the stream is still to come, and begins where that began. */
  if (GST_CLOCK_TIME_IS_VALID (end))
    self->stream_end = end;
  return GST_FLOW_OK;
}

static GstFlowReturn
gst_mblm_generate_advance (GstMblmBase *base, const GstMblmNewest *newest)
{
  return gst_mblm_emitter_follow_clock (&GST_MBLM_GENERATE (base)->emitter);
}

static void
gst_mblm_generate_reset_task (GstMblmBase *base)
{
  GstMblmGenerate *self = GST_MBLM_GENERATE (base);

  gst_mblm_emitter_reset (&self->emitter);
  forget_stream (self);
  self->stream_end = GST_CLOCK_TIME_NONE;
  self->sampling_known = FALSE;
  if (self->session)
    mblm_session_reset (self->session);
}

void
gst_mblm_generate_class_init_work (GstMblmBaseClass *klass)
{
  klass->set_load = gst_mblm_generate_set_load;
  klass->work = gst_mblm_generate_work;
  klass->finish = gst_mblm_generate_finish;
  klass->skip = gst_mblm_generate_skip;
  klass->advance = gst_mblm_generate_advance;
  klass->reset_task = gst_mblm_generate_reset_task;
}

void
gst_mblm_generate_init_work (GstMblmGenerate *self)
{
  self->stream = g_byte_array_new ();
  gst_mblm_emitter_init (&self->emitter, GST_MBLM_BASE (self));
}

void
gst_mblm_generate_clear_work (GstMblmGenerate *self)
{
  gst_mblm_generate_set_load (GST_MBLM_BASE (self), NULL);
  gst_mblm_emitter_clear (&self->emitter);
  g_byte_array_unref (self->stream);
}
