/* check-attention.h: what the checks of attention and of its gradients share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "check.h"
#include "shapes.h"

#define ATTENTION_ROUNDS 120 /* random shapes */
#define PATCH_ROUNDS 48

typedef struct {
  size_t batch, rows, heads, head_dim, query_stride, key_stride;
  bool causal, past_shared, masked_is_zero;
  size_t past[CARRY_MOST];
  size_t past_key[CARRY_MOST], past_value[CARRY_MOST]; /* offsets */
  bool has_past, has_mask, has_log_sum;
  MblmType product, type; /* `type`: of memory */
  bool turns;             /* queries and keys, by cosine and sine */
  size_t angle_stride, cosine, sine;
  bool is_aligned; /* as allocations are; as well where it turns */
  double visible;  /* the share of keys that the mask leaves */
  size_t query, key, value, mask, out, log_sum; /* offsets */
  /* gradients; offset 0: not wanted */
  size_t d_out, d_query, d_key, d_value;
  size_t d_past_key[CARRY_MOST], d_past_value[CARRY_MOST];
} Attention;

/* Into a target's memory. */
typedef struct {
  const float *past_key[CARRY_MOST], *past_value[CARRY_MOST];
  float *d_past_key[CARRY_MOST], *d_past_value[CARRY_MOST];
} Pointers;

/* A row of numbers. */
typedef struct {
  const char *data;
  MblmType type;
  const float *cosine, *sine; /* [half], by which it is turned; or NULL */
  size_t half;
} Numbers;

typedef void (*CheckShape) (Check *check, Fill fill, Attention s);

static const HeadsShape many_rows = {1, 4096, 6, 64, 0};
static const HeadsShape many_patches = {1024, 8, 4, 64, 1};

size_t attention_pasts (const Attention *s);
size_t attention_longest_past (const Attention *s);
size_t attention_keys (const Attention *s, size_t b);
MblmAttention attention_at (
    char *memory, const Attention *s, Pointers *pointers);
void attention_run (const Target *t, char *memory, const void *data);
/* Whether a target turns queries and keys, where that is asked for. */
bool attention_takes (const Target *t, char *memory, const void *data);
Case *attention_inputs (Check *check, Fill fill, Attention *s);
Numbers attention_numbers (
    const Case *c, size_t offset, MblmType type, size_t first);
double attention_number (Numbers x, size_t i);
Numbers attention_query (
    const Case *c, const Attention *s, size_t b, size_t i, size_t h);
bool attention_key_and_value (const Case *c, const Attention *s, size_t b,
    size_t i, size_t j, size_t h, Numbers *key, Numbers *value);
double attention_weigh (const Case *c, const Attention *s, size_t b, size_t i,
    size_t h, double *weight);
void attention_allow_rounding (
    const Attention *s, const Output *output, double *magnitude);
void attention_check_random (Check *check, int i, CheckShape check_shape);
void attention_check_patches (Check *check, CheckShape check_shape);
void attention_check_long (Check *check, CheckShape check_shape);
void attention_strides (Check *check, Attention *s);
void attention_check_named (Check *check, CheckShape check_shape);
Attention attention_shape (HeadsShape h);
/* Queries and keys that they see, of all sequences. */
double attention_pairs (HeadsShape h);
