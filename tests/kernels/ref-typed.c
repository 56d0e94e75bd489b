/* ref-typed.c: memory of bfloat16 in the reference.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An operation computes with the same numbers, however they lie in memory, and
 * rounds what it gives once: so results are those of float32 memory, rounded, bit
 * for bit.
 */

#include "ref-properties.h"

#include <string.h>

#define BATCH 3
#define ROWS 5
#define HEADS 2
#define DIM 6
#define WIDTH (HEADS * DIM)
#define STRIDE (3 * WIDTH + 1)
#define COUNT (BATCH * ROWS * STRIDE)
#define PAST 2

/* The same numbers twice. */
typedef struct {
  float *wide;
  guint16 *half;
} Both;

/* To nearest, of two the even one; by counting down from the middle. */
static guint16
nearest (float x)
{
  guint32 bits, rest;
  guint16 half;

  memcpy (&bits, &x, sizeof (bits));
  half = bits >> 16;
  rest = bits & 0xffff;
  return rest > 0x8000 || (rest == 0x8000 && half % 2 == 1) ? half + 1 : half;
}

static Both
random_both (float scale)
{
  Both x = {random_floats (COUNT, scale), g_new (guint16, COUNT)};

  for (int i = 0; i < COUNT; i++) {
    guint32 bits;

    x.half[i] = nearest (x.wide[i]);
    bits = (guint32) x.half[i] << 16;
    memcpy (&x.wide[i], &bits, sizeof (bits));
  }
  return x;
}

static void
assert_rounded (const Both *x, size_t count)
{
  for (size_t i = 0; i < count; i++)
    g_assert_cmphex (x->half[i], ==, nearest (x->wide[i]));
}

static void
clear (Both *x)
{
  g_free (x->wide);
  g_free (x->half);
}

static void
test_rope (void)
{
  Both x = random_both (3.0f);
  float *angles = random_floats (2 * ROWS * DIM, 1.0f);

  for (int i = 0; i < 4; i++) {
    MblmRope a = {.form = i % 2 ? MBLM_ROPE_PAIRS : MBLM_ROPE_HALVES,
        .batch = BATCH,
        .rows = ROWS,
        .heads = HEADS,
        .half = DIM / 2,
        .x = x.wide,
        .x_stride = STRIDE,
        .cosine = angles,
        .sine = angles + ROWS * DIM};

    (i < 2 ? ref->rope : ref->rope_backward) (queue, &a);
    a.x = x.half;
    a.x_type = MBLM_TYPE_BF16;
    (i < 2 ? ref->rope : ref->rope_backward) (queue, &a);
    assert_rounded (&x, COUNT);
    for (int j = 0; j < COUNT; j++) {
      guint32 bits = (guint32) x.half[j] << 16;

      memcpy (&x.wide[j], &bits, sizeof (bits));
    }
  }
  g_free (angles);
  clear (&x);
}

typedef struct {
  Both in, out, d_out, d_in;
  float *past, *d_past[2]; /* of float32, and of bfloat16 */
  const float *angles;     /* cosines and sines, [2, ROWS, DIM / 2], or NULL */
  float log_sum[2][BATCH * ROWS * HEADS];
} Attention;

/* Forward and backward, with memory of one type. */
static void
attend (Attention *s, MblmType type)
{
  bool half = type == MBLM_TYPE_BF16;
  size_t size = half ? 2 : 4, past = PAST;
  char *in = half ? (char *) s->in.half : (char *) s->in.wide;
  char *d_in = half ? (char *) s->d_in.half : (char *) s->d_in.wide;
  const float *keys[] = {s->past}, *values[] = {s->past + PAST * WIDTH};
  float *d_keys[] = {s->d_past[half]}, *d_values[] = {d_keys[0] + PAST * WIDTH};
  MblmAttentionBackward g = {
      .forward = {.batch = BATCH,
          .rows = ROWS,
          .heads = HEADS,
          .head_dim = DIM,
          .type = type,
          .query = in,
          .query_stride = STRIDE,
          .key = in + WIDTH * size,
          .value = in + 2 * WIDTH * size,
          .key_stride = STRIDE,
          .causal = true,
          .past_key = keys,
          .past_value = values,
          .past = &past,
          .past_shared = true,
          .out = half ? (void *) s->out.half : s->out.wide,
          .product = type,
          .log_sum = s->log_sum[half],
          .cosine = s->angles,
          .sine = s->angles ? s->angles + ROWS * DIM / 2 : NULL},
      .d_out = half ? (void *) s->d_out.half : s->d_out.wide,
      .d_query = d_in,
      .d_key = d_in + WIDTH * size,
      .d_value = d_in + 2 * WIDTH * size,
      .d_past_key = d_keys,
      .d_past_value = d_values};

  ref->attention (queue, &g.forward);
  ref->attention_backward (queue, &g);
}

static Attention
random_attention (void)
{
  Attention s = {.in = random_both (2.0f),
      .out = random_both (1.0f),
      .d_out = random_both (1.0f),
      .d_in = random_both (1.0f),
      .past = random_floats (2 * PAST * WIDTH, 2.0f)};

  for (int i = 0; i < 2; i++)
    s.d_past[i] = g_new0 (float, 2 * PAST * WIDTH);
  return s;
}

static void
attention_clear (Attention *s)
{
  clear (&s->in);
  clear (&s->out);
  clear (&s->d_out);
  clear (&s->d_in);
  g_free (s->past);
  g_free (s->d_past[0]);
  g_free (s->d_past[1]);
}

static void
assert_alike (const Attention *s)
{
  assert_rounded (&s->out, BATCH * ROWS * WIDTH);
  assert_rounded (&s->d_in, COUNT);
  g_assert_cmpmem (s->log_sum[0], sizeof (s->log_sum[0]), s->log_sum[1],
      sizeof (s->log_sum[1]));
  g_assert_cmpmem (s->d_past[0], 2 * PAST * WIDTH * sizeof (float),
      s->d_past[1], 2 * PAST * WIDTH * sizeof (float));
}

static void
test_attention (void)
{
  Attention s = random_attention ();

  attend (&s, MBLM_TYPE_F32);
  attend (&s, MBLM_TYPE_BF16);
  assert_alike (&s);
  attention_clear (&s);
}

/* What attention turns itself is what was turned before, and its gradients are those
 * turned back. */
static void
test_turned (void)
{
  Attention s = random_attention ();
  float *angles = random_floats (ROWS * DIM, 1.0f);
  float *out, *d_in;
  MblmRope rope = {.form = MBLM_ROPE_HALVES,
      .batch = BATCH,
      .rows = ROWS,
      .heads = 2 * HEADS, /* queries and keys */
      .half = DIM / 2,
      .x_stride = STRIDE,
      .cosine = angles,
      .sine = angles + ROWS * DIM / 2};

  s.angles = angles;
  attend (&s, MBLM_TYPE_F32);
  attend (&s, MBLM_TYPE_BF16);
  assert_alike (&s);
  out = g_memdup2 (s.out.wide, COUNT * sizeof (float));
  d_in = g_memdup2 (s.d_in.wide, COUNT * sizeof (float));

  s.angles = NULL;
  rope.x = s.in.wide;
  ref->rope (queue, &rope);
  attend (&s, MBLM_TYPE_F32);
  rope.x = s.d_in.wide;
  ref->rope_backward (queue, &rope);
  assert_all_close (out, s.out.wide, BATCH * ROWS * WIDTH, 8.0);
  assert_all_close (d_in, s.d_in.wide, COUNT, 32.0);
  g_free (out);
  g_free (d_in);
  g_free (angles);
  attention_clear (&s);
}

void
add_typed_tests (void)
{
  g_test_add_func ("/typed/rope", test_rope);
  g_test_add_func ("/typed/attention", test_attention);
  g_test_add_func ("/typed/turned", test_turned);
}
