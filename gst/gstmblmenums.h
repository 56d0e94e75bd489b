/* gstmblmenums.h: the choices that properties offer.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/**
 * GstMblmLeaky:
 * @GST_MBLM_LEAKY_AUTO: downstream if upstream is live, else no
 * @GST_MBLM_LEAKY_NO: a full queue blocks upstream
 * @GST_MBLM_LEAKY_UPSTREAM: a full queue drops what arrives
 * @GST_MBLM_LEAKY_DOWNSTREAM: a full queue drops what waits longest
 *
 * The nicks are those of `queue`, whose own type is private.
 */
typedef enum {
  GST_MBLM_LEAKY_AUTO,
  GST_MBLM_LEAKY_NO,
  GST_MBLM_LEAKY_UPSTREAM,
  GST_MBLM_LEAKY_DOWNSTREAM,
} GstMblmLeaky;

/**
 * GstMblmTiming:
 * @GST_MBLM_TIMING_AUTO: arrival if upstream is live, else frame
 * @GST_MBLM_TIMING_FRAME: the time of the input that is answered
 * @GST_MBLM_TIMING_ARRIVAL: the running time at which the answer is there
 */
typedef enum {
  GST_MBLM_TIMING_AUTO,
  GST_MBLM_TIMING_FRAME,
  GST_MBLM_TIMING_ARRIVAL,
} GstMblmTiming;

/**
 * GstMblmPrecision:
 * @GST_MBLM_PRECISION_F32: products of float32 weights
 * @GST_MBLM_PRECISION_BF16: weights rounded to bfloat16, sums in float32
 * @GST_MBLM_PRECISION_TF32: as f32, but a GPU may round what it multiplies to
 *   TF32
 */
typedef enum {
  GST_MBLM_PRECISION_F32,
  GST_MBLM_PRECISION_BF16,
  GST_MBLM_PRECISION_TF32,
} GstMblmPrecision;

/**
 * GstMblmGeneratePer:
 * @GST_MBLM_GENERATE_PER_AUTO: buffer for text/x-raw, else stream
 * @GST_MBLM_GENERATE_PER_BUFFER: every buffer is a prompt
 * @GST_MBLM_GENERATE_PER_STREAM: the stream up to its end is one prompt
 */
typedef enum {
  GST_MBLM_GENERATE_PER_AUTO,
  GST_MBLM_GENERATE_PER_BUFFER,
  GST_MBLM_GENERATE_PER_STREAM,
} GstMblmGeneratePer;

/**
 * GstMblmContextPolicy:
 * @GST_MBLM_CONTEXT_KEEP: a prompt continues what was said before
 * @GST_MBLM_CONTEXT_RESET: every prompt begins afresh
 */
typedef enum {
  GST_MBLM_CONTEXT_KEEP,
  GST_MBLM_CONTEXT_RESET,
} GstMblmContextPolicy;

/**
 * GstMblmContextFull:
 * @GST_MBLM_CONTEXT_FULL_RESTART: go on from the last half of the context
 * @GST_MBLM_CONTEXT_FULL_ERROR: end with an error
 */
typedef enum {
  GST_MBLM_CONTEXT_FULL_RESTART,
  GST_MBLM_CONTEXT_FULL_ERROR,
} GstMblmContextFull;

/**
 * GstMblmEmit:
 * @GST_MBLM_EMIT_CHARACTER: a buffer for every character (or byte)
 * @GST_MBLM_EMIT_LINE: a buffer for every line
 * @GST_MBLM_EMIT_PROMPT: one buffer for every prompt
 */
typedef enum {
  GST_MBLM_EMIT_CHARACTER,
  GST_MBLM_EMIT_LINE,
  GST_MBLM_EMIT_PROMPT,
} GstMblmEmit;

/**
 * GstMblmScorePer:
 * @GST_MBLM_SCORE_PER_BUFFER: a score for every buffer
 * @GST_MBLM_SCORE_PER_WINDOW: a score for every `window` bytes
 * @GST_MBLM_SCORE_PER_STREAM: one score, at EOS
 * @GST_MBLM_SCORE_PER_FILE: a score at each STREAM_START and at EOS
 */
typedef enum {
  GST_MBLM_SCORE_PER_BUFFER,
  GST_MBLM_SCORE_PER_WINDOW,
  GST_MBLM_SCORE_PER_STREAM,
  GST_MBLM_SCORE_PER_FILE,
} GstMblmScorePer;

/**
 * GstMblmHAlign:
 * @GST_MBLM_HALIGN_LEFT: at the left
 * @GST_MBLM_HALIGN_CENTER: in the middle
 * @GST_MBLM_HALIGN_RIGHT: at the right
 *
 * The nicks are those of `textoverlay`, whose own type belongs to its plugin.
 */
typedef enum {
  GST_MBLM_HALIGN_LEFT,
  GST_MBLM_HALIGN_CENTER,
  GST_MBLM_HALIGN_RIGHT,
} GstMblmHAlign;

/**
 * GstMblmVAlign:
 * @GST_MBLM_VALIGN_BASELINE: the last line at the bottom
 * @GST_MBLM_VALIGN_BOTTOM: at the bottom
 * @GST_MBLM_VALIGN_TOP: at the top
 * @GST_MBLM_VALIGN_CENTER: in the middle
 *
 * As #GstMblmHAlign.
 */
typedef enum {
  GST_MBLM_VALIGN_BASELINE,
  GST_MBLM_VALIGN_BOTTOM,
  GST_MBLM_VALIGN_TOP,
  GST_MBLM_VALIGN_CENTER,
} GstMblmVAlign;

#define GST_TYPE_MBLM_LEAKY (gst_mblm_leaky_get_type ())
#define GST_TYPE_MBLM_TIMING (gst_mblm_timing_get_type ())
#define GST_TYPE_MBLM_PRECISION (gst_mblm_precision_get_type ())
#define GST_TYPE_MBLM_GENERATE_PER (gst_mblm_generate_per_get_type ())
#define GST_TYPE_MBLM_CONTEXT_POLICY (gst_mblm_context_policy_get_type ())
#define GST_TYPE_MBLM_CONTEXT_FULL (gst_mblm_context_full_get_type ())
#define GST_TYPE_MBLM_EMIT (gst_mblm_emit_get_type ())
#define GST_TYPE_MBLM_SCORE_PER (gst_mblm_score_per_get_type ())
#define GST_TYPE_MBLM_HALIGN (gst_mblm_halign_get_type ())
#define GST_TYPE_MBLM_VALIGN (gst_mblm_valign_get_type ())

GType gst_mblm_leaky_get_type (void);
GType gst_mblm_timing_get_type (void);
GType gst_mblm_precision_get_type (void);
GType gst_mblm_generate_per_get_type (void);
GType gst_mblm_context_policy_get_type (void);
GType gst_mblm_context_full_get_type (void);
GType gst_mblm_emit_get_type (void);
GType gst_mblm_score_per_get_type (void);
GType gst_mblm_halign_get_type (void);
GType gst_mblm_valign_get_type (void);

/* The names of all of them are part of the plugin's documented interface. */
void gst_mblm_enums_register (void);

G_END_DECLS
