/* gstmblmenums.c: the choices that properties offer.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmenums.h"

/* The value names double as the explanations that gst-inspect-1.0 prints. */
#define DEFINE_ENUM(TypeName, type_name, ...)                                  \
  GType type_name##_get_type (void)                                            \
  {                                                                            \
    static gsize type = 0;                                                     \
    static const GEnumValue values[] = {__VA_ARGS__, {0, NULL, NULL}};         \
    if (g_once_init_enter (&type))                                             \
      g_once_init_leave (&type, g_enum_register_static (TypeName, values));    \
    return type;                                                               \
  }

/* clang-format off */
DEFINE_ENUM ("GstMblmLeaky", gst_mblm_leaky,
  { GST_MBLM_LEAKY_AUTO, "Downstream if upstream is live, else no", "auto" },
  { GST_MBLM_LEAKY_NO, "A full queue blocks upstream", "no" },
  { GST_MBLM_LEAKY_UPSTREAM, "A full queue drops what arrives", "upstream" },
  { GST_MBLM_LEAKY_DOWNSTREAM,
    "A full queue drops what waits longest",
    "downstream" })

DEFINE_ENUM ("GstMblmTiming", gst_mblm_timing,
  { GST_MBLM_TIMING_AUTO, "Arrival if upstream is live, else frame", "auto" },
  { GST_MBLM_TIMING_FRAME,
    "The time of the input that is answered; adds latency",
    "frame" },
  { GST_MBLM_TIMING_ARRIVAL,
    "The running time at which the answer is there; adds no latency",
    "arrival" })

DEFINE_ENUM ("GstMblmPrecision", gst_mblm_precision,
  { GST_MBLM_PRECISION_F32, "Products of float32 weights", "f32" },
  { GST_MBLM_PRECISION_BF16,
    "Weights rounded to bfloat16, sums in float32",
    "bf16" },
  { GST_MBLM_PRECISION_TF32,
    "As f32, but a GPU may round what it multiplies to TF32",
    "tf32" })

DEFINE_ENUM ("GstMblmGeneratePer", gst_mblm_generate_per,
  { GST_MBLM_GENERATE_PER_AUTO, "Buffer for text/x-raw, else stream", "auto" },
  { GST_MBLM_GENERATE_PER_BUFFER, "Every buffer is a prompt", "buffer" },
  { GST_MBLM_GENERATE_PER_STREAM,
    "The stream up to its end is one prompt",
    "stream" })

DEFINE_ENUM ("GstMblmContextPolicy", gst_mblm_context_policy,
  { GST_MBLM_CONTEXT_KEEP, "A prompt continues what was said before", "keep" },
  { GST_MBLM_CONTEXT_RESET, "Every prompt begins afresh", "reset" })

DEFINE_ENUM ("GstMblmContextFull", gst_mblm_context_full,
  { GST_MBLM_CONTEXT_FULL_RESTART,
    "Go on from the last half of the context",
    "restart" },
  { GST_MBLM_CONTEXT_FULL_ERROR, "End with an error", "error" })

DEFINE_ENUM ("GstMblmEmit", gst_mblm_emit,
  { GST_MBLM_EMIT_CHARACTER,
    "A buffer for every character (or byte)",
    "character" },
  { GST_MBLM_EMIT_LINE, "A buffer for every line", "line" },
  { GST_MBLM_EMIT_PROMPT, "One buffer for every prompt", "prompt" })

DEFINE_ENUM ("GstMblmScorePer", gst_mblm_score_per,
  { GST_MBLM_SCORE_PER_BUFFER, "A score for every buffer", "buffer" },
  { GST_MBLM_SCORE_PER_WINDOW, "A score for every `window` bytes", "window" },
  { GST_MBLM_SCORE_PER_STREAM, "One score, at EOS", "stream" },
  { GST_MBLM_SCORE_PER_FILE,
    "A score at each STREAM_START and at EOS",
    "file" })

DEFINE_ENUM ("GstMblmHAlign", gst_mblm_halign,
  { GST_MBLM_HALIGN_LEFT, "At the left", "left" },
  { GST_MBLM_HALIGN_CENTER, "In the middle", "center" },
  { GST_MBLM_HALIGN_RIGHT, "At the right", "right" })

DEFINE_ENUM ("GstMblmVAlign", gst_mblm_valign,
  { GST_MBLM_VALIGN_BASELINE, "The last line at the bottom", "baseline" },
  { GST_MBLM_VALIGN_BOTTOM, "At the bottom", "bottom" },
  { GST_MBLM_VALIGN_TOP, "At the top", "top" },
  { GST_MBLM_VALIGN_CENTER, "In the middle", "center" })
/* clang-format on */

void
gst_mblm_enums_register (void)
{
  gst_type_mark_as_plugin_api (GST_TYPE_MBLM_LEAKY, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_MBLM_TIMING, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_MBLM_PRECISION, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_MBLM_GENERATE_PER, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_MBLM_CONTEXT_POLICY, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_MBLM_CONTEXT_FULL, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_MBLM_EMIT, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_MBLM_SCORE_PER, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_MBLM_HALIGN, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_MBLM_VALIGN, 0);
}
