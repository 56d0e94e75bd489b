/* bench-cases.h: the operations of a model, ready to be called.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "mblm.h"
#include "run.h"

G_BEGIN_DECLS

typedef enum {
  BENCH_LINEAR,
  BENCH_EMBED,
  BENCH_LAYER_NORM,
  BENCH_RMS_NORM,
  BENCH_SHIFT_NORM,
  BENCH_GATED_NORM,
  BENCH_ROPE,
  BENCH_ATTENTION,
  BENCH_CONV,
  BENCH_SSD_SCAN,
  BENCH_SELECTIVE_SCAN,
  BENCH_CROSS_ENTROPY,
  BENCH_SAMPLE,
} BenchOperation;

typedef struct {
  const char *operation; /* its name in the table */
  guint stage;
  char shape[48];
  double bytes, operations; /* of one call */
  BenchOperation kind;
  union {
    MblmLinear linear;
    MblmEmbed embed;
    MblmLayerNorm layer_norm;
    MblmRmsNorm rms_norm;
    MblmShiftNorm shift_norm;
    MblmGatedNorm gated_norm;
    MblmRope rope;
    MblmAttention attention;
    MblmConv conv;
    MblmSsdScan ssd_scan;
    MblmSelectiveScan selective_scan;
    MblmCrossEntropy cross_entropy;
    MblmSample sample;
  };
} BenchCase;

typedef struct {
  MblmModel *model; /* borrowed */
  guint64 context;
  MblmRun run;
  GArray *list;    /* of BenchCase */
  GPtrArray *host; /* pointer arrays that cases read */
} BenchCases;

/* All operations of the model's built-in blocks, at this context; a failed
 * allocation sticks to `run`. */
gboolean bench_cases_init (
    BenchCases *self, MblmModel *model, guint64 context, GError **error);
void bench_cases_clear (BenchCases *self);
void bench_case_call (BenchCases *self, const BenchCase *c);

G_END_DECLS
