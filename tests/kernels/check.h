/* check.h: compares every operation of a device with the reference.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The model is checkasm, known from dav1d. A *target* is a device: an
 * instruction set of the CPU with a number of threads, or a GPU. A *case* is
 * one call of one operation: an image of memory that holds all of its inputs
 * and outputs at known offsets, each surrounded by guard zones, and a function
 * that calls the operation with pointers into such memory. The image is copied
 * to a target, the operation runs, the memory is copied back, and
 *
 *  - outputs agree with the reference within a tolerance that follows from the
 *    size of the sums behind them (see case_run), and are fully written;
 *  - every other byte (inputs, guard zones, the space between rows) is as it was;
 *  - any number of threads gives the same bytes.
 */

#pragma once

#include <float.h>
#include <glib.h>

#include "mblm-kernels.h"

typedef struct {
  const MblmKernels *table;
  MblmKernelDevice *device;
  MblmQueue *queue;
  char *variant; /* "ref", "avx2", ... */
  guint threads;
  bool is_slow; /* large cases are left out */
} Target;

typedef struct {
  Target *ref;
  GPtrArray *targets; /* of Target; of each variant, one thread comes first */
  guint32 seed;
  GRand *rand;           /* begun anew with the seed for each operation */
  const char *operation; /* the one being checked or timed */
  guint cases, failures; /* of this operation */
  guint left_out;        /* cases that are too large for a slow target */
  double worst; /* the largest error of it, as a share of the tolerance */
} Check;

typedef struct {
  const char *name; /* as in MblmKernels */
  void (*check) (Check *check);
  void (*bench) (Check *check); /* NULL: there is nothing to time */
} Operation;

typedef enum {
  TARGETS_NONE, /* what there is has been said */
  TARGETS_NOT_HERE,
  TARGETS_FOUND,
} TargetsFound;

/* Opens the reference and the targets of a variant, or of all (NULL). */
TargetsFound find_targets (Check *check, const char *variant, bool bench);
void target_free (void *data);

/* What the inputs of a case hold; each input has a lowest and a highest
 * value of its own. */
typedef enum {
  FILL_RANDOM, /* normally distributed, clamped */
  FILL_ZERO,
  FILL_LOWEST,
  FILL_HIGHEST,
  FILL_EXTREME, /* at random the lowest, the highest, zero or any */
  FILL_KINDS,
} Fill;

typedef struct _Case Case;

/* Calls the operation with memory that looks like the image. */
typedef void (*CaseRun) (const Target *target, char *memory, const void *data);

typedef struct {
  const char *name;
  size_t offset;              /* in bytes */
  size_t rows, width, stride; /* in entries */
  size_t terms;
  bool is_integer;
  MblmType type; /* of entries that aren't integers */
} Output;

/* Fills magnitude [rows, width] with what the rounding errors of an output's
 * entries are proportional to. `after` is the reference's memory after the
 * call. */
typedef void (*CaseMagnitude) (const Case *c, const Output *output,
    const void *data, char *after, double *magnitude);

/* An exponential below the smallest normal number may be flushed to zero or be
 * that number: its share of a magnitude is at least this. */
#define UNDERFLOW_MAGNITUDE ((double) FLT_MIN / FLT_EPSILON)

#define AT(memory, offset) ((float *) ((memory) + (offset)))
/* Entry i of a buffer of the type. */
#define ENTRY_AT(memory, offset, type, i)                                      \
  ((void *) ((memory) + (offset) + (i) *case_entry_size (type)))

Case *case_new (Check *check, Fill fill, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
void case_free (Case *c);

/* These add a buffer and return its offset. It begins at a random multiple of
 * the size of an entry; rows are `stride` entries apart. */
size_t case_input (
    Case *c, size_t rows, size_t width, size_t stride, float low, float high);
size_t case_matrix (
    Case *c, MblmType type, size_t rows, size_t cols, float low, float high);
/* As case_input and case_output, of either type. */
size_t case_typed_input (Case *c, MblmType type, size_t rows, size_t width,
    size_t stride, float low, float high);
size_t case_typed_output (Case *c, const char *name, MblmType type, size_t rows,
    size_t width, size_t stride, size_t terms);
size_t case_entry_size (MblmType type);
size_t case_ids (Case *c, size_t count, gint32 low, gint32 high);
/* Bytes of which that share isn't 0. */
size_t case_mask (Case *c, size_t count, double share);
/* `terms` is how many numbers are added up for an entry; 0 demands equality bit
 * for bit. */
size_t case_output (Case *c, const char *name, size_t rows, size_t width,
    size_t stride, size_t terms);
size_t case_ids_output (Case *c, const char *name, size_t count);
/* Makes an input an output too. */
void case_in_place (Case *c, const char *name, size_t offset, size_t rows,
    size_t width, size_t stride, size_t terms);
void case_typed_in_place (Case *c, const char *name, MblmType type,
    size_t offset, size_t rows, size_t width, size_t stride, size_t terms);
/* Number i of a buffer of the type. */
double case_number (const char *buffer, MblmType type, size_t i);

/* The operation's memory in a target's, for the buffers of case_matrix (). */
MblmMatrix matrix_at (
    char *memory, size_t offset, MblmType type, size_t rows, size_t cols);

/* Runs the case on the reference and on all targets and compares. An entry may
 * differ by (4 + sqrt (terms) / 4) times the float32 epsilon times its
 * magnitude, by default that of the reference's result: for sums of either sign
 * that is enough in any order of addition, for sums of one sign in an order with
 * a few partial sums. */
void case_run (Case *c, CaseRun run, const void *data, CaseMagnitude magnitude);
/* Leaves out targets that say no (an optional part of an operation). */
void case_ask (Case *c,
    bool (*takes) (const Target *target, char *memory, const void *data));
/* Aligns the buffers that are added from here on as an allocation is. */
void case_align (Case *c);
/* The magnitude of sums: the result for the absolute values of all inputs. */
void magnitude_absolute (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude);
/* Runs it on one target and returns the memory after it. */
char *case_result (
    const Case *c, const Target *target, CaseRun run, const void *data);
size_t case_size (const Case *c);
char *case_image (const Case *c);
const char *case_title (const Case *c);
/* Times it on every target; `bytes` and `flops` are those of a call. */
void case_bench (
    Case *c, CaseRun run, const void *data, double bytes, double flops);

/* Counts a failure and says what it was. `target` may be NULL. */
void check_failed (Check *check, const Target *target, const char *title,
    const char *format, ...) G_GNUC_PRINTF (4, 5);
/* low <= n <= high, small numbers more often. */
size_t check_size (Check *check, size_t low, size_t high);
/* The same, half of the time rounded up to a multiple of 8, as fast code wants. */
size_t check_width (Check *check, size_t low, size_t high);
bool check_coin (Check *check);

/* What a sequence carries, as buffers of a case. */
typedef enum {
  CARRY_NONE,     /* from zeros, and what is carried on is dropped */
  CARRY_FRESH,    /* from zeros */
  CARRY_ON,       /* from one memory to another */
  CARRY_IN_PLACE, /* from and to the same memory */
  CARRY_SHARED,   /* all from the same memory */
  CARRY_BACK,     /* so too, and one of them leaves its state there */
  CARRY_END,      /* from a memory of its own; what is carried on is dropped */
  CARRY_KINDS,
} CarryKind;

#define CARRY_MOST 64 /* sequences */

typedef struct {
  CarryKind kind;
  size_t batch;
  size_t from[CARRY_MOST], to[CARRY_MOST]; /* offsets */
} CarryBuffers;

/* The pointers into a target's memory. */
typedef struct {
  MblmCarry carry;
  const float *from[CARRY_MOST];
  float *to[CARRY_MOST];
} CarryPointers;

void case_carry (Case *c, CarryBuffers *buffers, CarryKind kind, size_t batch,
    size_t size, float low, float high, size_t terms);
const MblmCarry *carry_at (
    char *memory, const CarryBuffers *buffers, CarryPointers *pointers);

/* The operations, by file. */
void check_embed (Check *check);
void check_embed_backward (Check *check);
void check_add_position (Check *check);
void check_add_position_backward (Check *check);
void check_add (Check *check);
void check_copy_rows (Check *check);
void check_scatter_rows (Check *check);
void check_sum_rows (Check *check);
void check_dropout (Check *check);
void check_linear (Check *check);
void check_linear_backward (Check *check);
void check_layer_norm (Check *check);
void check_layer_norm_backward (Check *check);
void check_rms_norm (Check *check);
void check_rms_norm_backward (Check *check);
void check_shift_norm (Check *check);
void check_shift_norm_backward (Check *check);
void check_gated_norm (Check *check);
void check_gated_norm_backward (Check *check);
void check_rope_angles (Check *check);
void check_rope (Check *check);
void check_rope_backward (Check *check);
void check_attention (Check *check);
void check_attention_backward (Check *check);
void check_long_attention (Check *check);
void check_long_attention_backward (Check *check);
void check_transformer_step (Check *check);
void check_conv (Check *check);
void check_conv_backward (Check *check);
void check_ssd_scan (Check *check);
void check_ssd_scan_backward (Check *check);
void check_selective_scan (Check *check);
void check_selective_scan_backward (Check *check);
void check_cross_entropy (Check *check);
void check_cross_entropy_backward (Check *check);
void check_sample (Check *check);
void check_sample_told (Check *check);
void check_sum_squares (Check *check);
void check_add_scaled (Check *check);
void check_convert (Check *check);
void check_adam (Check *check);
void check_memory (Check *check);
void check_queues (Check *check);

void bench_embed (Check *check);
void bench_embed_backward (Check *check);
void bench_add_position (Check *check);
void bench_add_position_backward (Check *check);
void bench_add (Check *check);
void bench_copy_rows (Check *check);
void bench_scatter_rows (Check *check);
void bench_sum_rows (Check *check);
void bench_dropout (Check *check);
void bench_linear (Check *check);
void bench_linear_backward (Check *check);
void bench_layer_norm (Check *check);
void bench_layer_norm_backward (Check *check);
void bench_rms_norm (Check *check);
void bench_rms_norm_backward (Check *check);
void bench_shift_norm (Check *check);
void bench_shift_norm_backward (Check *check);
void bench_gated_norm (Check *check);
void bench_gated_norm_backward (Check *check);
void bench_rope_angles (Check *check);
void bench_rope (Check *check);
void bench_rope_backward (Check *check);
void bench_attention (Check *check);
void bench_attention_backward (Check *check);
void bench_transformer_step (Check *check);
void bench_conv (Check *check);
void bench_conv_backward (Check *check);
void bench_ssd_scan (Check *check);
void bench_ssd_scan_backward (Check *check);
void bench_selective_scan (Check *check);
void bench_selective_scan_backward (Check *check);
void bench_cross_entropy (Check *check);
void bench_cross_entropy_backward (Check *check);
void bench_sample (Check *check);
void bench_sum_squares (Check *check);
void bench_add_scaled (Check *check);
void bench_convert (Check *check);
void bench_adam (Check *check);
