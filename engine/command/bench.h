/* bench.h: figures beside what the machine can do.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "command.h"

#include "learner.h"
#include "machine.h"
#include "output.h"

G_BEGIN_DECLS

typedef struct {
  Command *command;
  const char *what; /* "decode" */
  MblmModel *model;
  MblmLearner *learner; /* of bench train, whose model it is */
  double load_seconds;
  guint64 context; /* bytes; 0: not given */
  guint64 batch;   /* sequences of a training step */
  guint64 memory;  /* bytes for its activations; 0: the default */
  guint runs;
  Machine machine;
  JsonBuilder *json; /* an object that is open */
  GString *text;     /* the same for people */
} Bench;

gboolean bench_decode (Bench *self, GError **error);
gboolean bench_prompt (Bench *self, GError **error);
gboolean bench_score (Bench *self, GError **error);
gboolean bench_ask (Bench *self, GError **error);
gboolean bench_scenes (Bench *self, GError **error);
gboolean bench_train (Bench *self, GError **error);
gboolean bench_kernels (Bench *self, GError **error);

/* A figure under `name` in JSON and as a line "label: value". */
void bench_add_seconds (
    Bench *self, const char *name, const char *label, double seconds);
void bench_add_rate (Bench *self, const char *name, const char *label,
    double value, const char *unit);
void bench_add_bytes (
    Bench *self, const char *name, const char *label, double bytes);
void bench_add_count (
    Bench *self, const char *name, const char *label, guint64 value);
/* How near `seconds` come to the least time possible: 1 is the floor. */
void bench_add_floor (Bench *self, double seconds, double floor);

/* Seconds since `begin` (g_get_monotonic_time). */
double bench_since (gint64 begin);
/* Ids of the kind that the model reads, always the same: [n]; NULL: MEMORY. */
gint32 *bench_new_ids (Bench *self, guint64 n, GError **error);
/* The context to measure at: what was given, else `fallback`; bounded by the
 * model's where it is not endless. */
gboolean bench_choose_context (
    Bench *self, guint64 fallback, guint64 *context, GError **error);

G_END_DECLS
