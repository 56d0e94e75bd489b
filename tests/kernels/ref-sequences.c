/* ref-sequences.c: attention, convolution and scans of the reference.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref-properties.h"

#include <string.h>

#define ROWS 13

/* Where a sequence is cut into pieces: no, one row, and several at a time. */
static const size_t pieces[][2] = {{0, 1}, {1, 0}, {1, 1}, {1, 5}, {6, 7}};

/* ------------------------------------------------------------------------- */
/* Attention                                                                 */
/* ------------------------------------------------------------------------- */

enum { HEADS = 2, DIM = 5, WIDTH = HEADS * DIM };

typedef struct {
  float *query, *key, *value; /* [ROWS, WIDTH] */
} Heads;

static Heads
random_heads (void)
{
  return (Heads){random_floats (ROWS * WIDTH, 2.f),
      random_floats (ROWS * WIDTH, 2.f), random_floats (ROWS * WIDTH, 2.f)};
}

static void
heads_clear (Heads *h)
{
  g_free (h->query);
  g_free (h->key);
  g_free (h->value);
}

static MblmAttention
attention_of (const Heads *h, bool causal, float *out)
{
  return (MblmAttention){.batch = 1,
      .rows = ROWS,
      .heads = HEADS,
      .head_dim = DIM,
      .query = h->query,
      .query_stride = WIDTH,
      .key = h->key,
      .value = h->value,
      .key_stride = WIDTH,
      .causal = causal,
      .out = out};
}

/* The probabilities as a whole matrix, the transposed order of loops. */
static void
attend (const Heads *h, bool causal, const guint8 *mask, float *out)
{
  for (int head = 0; head < HEADS; head++) {
    double p[ROWS][ROWS] = {{0.0}}, sums[ROWS] = {0.0};

    for (int j = 0; j < ROWS; j++)
      for (int i = causal ? j : 0; i < ROWS; i++) {
        for (int d = head * DIM; d < (head + 1) * DIM; d++)
          p[i][j] += (double) h->query[i * WIDTH + d] * h->key[j * WIDTH + d];
        p[i][j] = mask && !mask[j] ? 0.0 : exp (p[i][j] / sqrt (DIM));
        sums[i] += p[i][j];
      }
    for (int d = head * DIM; d < (head + 1) * DIM; d++)
      for (int i = 0; i < ROWS; i++) {
        double sum = 0.0;

        for (int j = ROWS - 1; j >= 0; j--)
          sum += p[i][j] / sums[i] * h->value[j * WIDTH + d];
        out[i * WIDTH + d] = (float) sum;
      }
  }
}

static void
test_attention (void)
{
  guint8 mask[ROWS];
  float out[ROWS * WIDTH], expected[ROWS * WIDTH];
  Heads h = random_heads ();
  MblmAttention a = attention_of (&h, true, out);

  ref->attention (queue, &a);
  attend (&h, true, NULL, expected);
  assert_all_close (out, expected, ROWS * WIDTH, 2.0);

  a.causal = false;
  ref->attention (queue, &a);
  attend (&h, false, NULL, expected);
  assert_all_close (out, expected, ROWS * WIDTH, 2.0);

  for (int j = 0; j < ROWS; j++)
    mask[j] = j % 3 != 1;
  a.key_mask = mask;
  ref->attention (queue, &a);
  attend (&h, false, mask, expected);
  assert_all_close (out, expected, ROWS * WIDTH, 2.0);
  heads_clear (&h);
}

/* With every key masked, the mean of the values, or nothing. */
static void
test_all_masked (void)
{
  const guint8 mask[ROWS] = {0};
  float out[ROWS * WIDTH];
  Heads h = random_heads ();
  MblmAttention a = attention_of (&h, false, out);
  double mean = 0.0;

  for (int j = 0; j < ROWS; j++)
    mean += h.value[j * WIDTH + 3] / ROWS;
  a.key_mask = mask;
  ref->attention (queue, &a);
  assert_close (out[3], mean, 2.0);
  assert_close (out[4 * WIDTH + 3], mean, 2.0);
  a.masked_is_zero = true;
  ref->attention (queue, &a);
  for (int i = 0; i < ROWS * WIDTH; i++)
    g_assert_cmpfloat (out[i], ==, 0.0);
  heads_clear (&h);
}

/* Two sequences behind the same past, or each behind its own copy of it, are
 * the end of the sequence at once. */
static void
test_past (void)
{
  float all[ROWS * WIDTH], out[2 * ROWS * WIDTH];
  Heads h = random_heads ();
  MblmAttention a = attention_of (&h, true, all);

  ref->attention (queue, &a);
  for (size_t past = 0; past <= ROWS; past++)
    for (int shared = 0; shared < 2; shared++) {
      size_t rows = ROWS - past, count = rows * WIDTH;
      const float *keys[] = {h.key, h.key}, *values[] = {h.value, h.value};
      size_t pasts[] = {past, past};
      float *own[3];

      for (int i = 0; i < 3; i++) {
        float *from = (i == 0          ? h.query
                              : i == 1 ? h.key
                                       : h.value) +
            past * WIDTH;

        own[i] = g_new0 (float, 2 * count + 1);
        memcpy (own[i], from, count * sizeof (float));
        memcpy (own[i] + count, from, count * sizeof (float));
      }
      if (shared)
        keys[1] = values[1] = NULL;
      ref->attention (queue,
          &(MblmAttention){.batch = 2,
              .rows = rows,
              .heads = HEADS,
              .head_dim = DIM,
              .query = own[0],
              .query_stride = WIDTH,
              .key = own[1],
              .value = own[2],
              .key_stride = WIDTH,
              .causal = true,
              .past_key = keys,
              .past_value = values,
              .past = pasts,
              .past_shared = shared,
              .out = out});
      assert_all_close (out, all + past * WIDTH, count, 2.0);
      assert_all_close (out + count, all + past * WIDTH, count, 2.0);
      for (int i = 0; i < 3; i++)
        g_free (own[i]);
    }
  heads_clear (&h);
}

/* ------------------------------------------------------------------------- */
/* Convolution                                                               */
/* ------------------------------------------------------------------------- */

/* A single 1 in the input gives the weights from the last to the first. */
static void
test_impulse (void)
{
  enum { TAPS = 4, CHANNELS = 3 };
  g_autofree float *weight = random_floats (CHANNELS * TAPS, 2.f);
  g_autofree float *bias = random_floats (CHANNELS, 2.f);
  float x[ROWS * CHANNELS] = {0.f}, out[ROWS * CHANNELS];

  for (int c = 0; c < CHANNELS; c++)
    x[2 * CHANNELS + c] = 1.f;
  ref->conv (queue,
      &(MblmConv){.batch = 1,
          .rows = ROWS,
          .width = CHANNELS,
          .taps = TAPS,
          .x = x,
          .x_stride = CHANNELS,
          .weight = weight,
          .bias = bias,
          .out = out,
          .out_stride = CHANNELS});
  for (int t = 0; t < ROWS; t++)
    for (int c = 0; c < CHANNELS; c++) {
      double sum = bias[c];

      if (t >= 2 && t < 2 + TAPS)
        sum += weight[c * TAPS + TAPS - 1 - (t - 2)];
      assert_close (out[t * CHANNELS + c], sum / (1.0 + exp (-sum)), 4.0);
    }
}

/* In pieces, with what is carried in place, as at once; one tap has nothing to
 * carry. */
static void
test_conv_pieces (void)
{
  enum { CHANNELS = 3 };
  g_autofree float *x = random_floats (ROWS * CHANNELS, 2.f);
  g_autofree float *weight = random_floats (CHANNELS * 5, 2.f);

  for (size_t taps = 1; taps <= 5; taps += 2)
    for (size_t p = 0; p < G_N_ELEMENTS (pieces); p++) {
      float all[ROWS * CHANNELS], out[ROWS * CHANNELS];
      float carry[4 * CHANNELS] = {0.f}, *carries[] = {carry};
      MblmConv a = {.batch = 1,
          .rows = ROWS,
          .width = CHANNELS,
          .taps = taps,
          .x = x,
          .x_stride = CHANNELS,
          .weight = weight,
          .out = all,
          .out_stride = CHANNELS};

      ref->conv (queue, &a);
      a.carry = (MblmCarry){(const float *const *) carries, carries, false};
      for (size_t t = 0, n = 0; t < ROWS; t += a.rows, n++) {
        a.rows = MIN (pieces[p][n % 2], ROWS - t);
        a.x = x + t * CHANNELS;
        a.out = out + t * CHANNELS;
        ref->conv (queue, &a);
      }
      g_assert_cmpmem (all, sizeof (all), out, sizeof (out));
      g_assert_cmpmem (carry, (taps - 1) * CHANNELS * sizeof (float),
          x + (ROWS - taps + 1) * CHANNELS,
          (taps - 1) * CHANNELS * sizeof (float));
    }
}

/* ------------------------------------------------------------------------- */
/* Scans                                                                     */
/* ------------------------------------------------------------------------- */

enum { STATE = 3, ROW = WIDTH + 2 * STATE };

typedef struct {
  float *xbc;   /* [ROWS, ROW]: x, b, c */
  float *delta; /* [ROWS, WIDTH], of which Mamba-2 takes the first HEADS */
  float *z;     /* [ROWS, WIDTH] */
  float *bias, *skip; /* [WIDTH] */
  float *a_log; /* [WIDTH, STATE], of which Mamba-2 takes the first HEADS */
} Inputs;

static Inputs
random_inputs (void)
{
  return (Inputs){random_floats (ROWS * ROW, 2.f),
      random_floats (ROWS * WIDTH, 2.f), random_floats (ROWS * WIDTH, 2.f),
      random_floats (WIDTH, 2.f), random_floats (WIDTH, 2.f),
      random_floats (WIDTH * STATE, 1.f)};
}

static void
inputs_clear (Inputs *in)
{
  g_free (in->xbc);
  g_free (in->delta);
  g_free (in->z);
  g_free (in->bias);
  g_free (in->skip);
  g_free (in->a_log);
}

/* Rows [first, first + rows). */
static void
scan_ssd (
    const Inputs *in, size_t first, size_t rows, MblmCarry carry, float *y)
{
  const float *x = in->xbc + first * ROW;

  ref->ssd_scan (queue,
      &(MblmSsdScan){.batch = 1,
          .rows = rows,
          .heads = HEADS,
          .head_dim = DIM,
          .state = STATE,
          .x = x,
          .b = x + WIDTH,
          .c = x + WIDTH + STATE,
          .xbc_stride = ROW,
          .delta = in->delta + first * WIDTH,
          .delta_stride = WIDTH,
          .delta_bias = in->bias,
          .a_log = in->a_log,
          .skip = in->skip,
          .carry = carry,
          .y = y + first * WIDTH});
}

static void
scan_selective (
    const Inputs *in, size_t first, size_t rows, MblmCarry carry, float *y)
{
  const float *x = in->xbc + first * ROW;

  ref->selective_scan (queue,
      &(MblmSelectiveScan){.batch = 1,
          .rows = rows,
          .width = WIDTH,
          .state = STATE,
          .x = x,
          .x_stride = ROW,
          .delta = in->delta + first * WIDTH,
          .delta_stride = WIDTH,
          .b = x + WIDTH,
          .c = x + WIDTH + STATE,
          .bc_stride = ROW,
          .z = in->z + first * WIDTH,
          .z_stride = WIDTH,
          .a_log = in->a_log,
          .skip = in->skip,
          .carry = carry,
          .y = y + first * WIDTH});
}

static double
softplus (double x)
{
  return log (1.0 + exp (x));
}

/* y of channel e at row t before the gate, without a state: what row j puts in
 * has decayed by the sum of all dt since. `bias` and `rate` [STATE] are the
 * channel's, `column` is that of its delta. */
static double
unrolled (
    const Inputs *in, int t, int e, int column, double bias, const double *rate)
{
  const float *c = in->xbc + t * ROW + WIDTH + STATE;
  double y = in->skip[column] * in->xbc[t * ROW + e], since = 0.0;

  for (int j = t; j >= 0; j--) {
    const float *x = in->xbc + j * ROW, *b = x + WIDTH;
    double dt = softplus (in->delta[j * WIDTH + column] + bias);

    for (int n = 0; n < STATE; n++)
      y += exp (-rate[n] * since) * dt * x[e] * b[n] * c[n];
    since += dt;
  }
  return y;
}

static void
test_ssd (void)
{
  Inputs in = random_inputs ();
  float y[ROWS * WIDTH];

  scan_ssd (&in, 0, ROWS, (MblmCarry){NULL}, y);
  for (int t = 0; t < ROWS; t++)
    for (int e = 0; e < WIDTH; e++) {
      int h = e / DIM;
      double rate[STATE];

      for (int n = 0; n < STATE; n++)
        rate[n] = exp (in.a_log[h]);
      assert_close (
          y[t * WIDTH + e], unrolled (&in, t, e, h, in.bias[h], rate), 100.0);
    }
  inputs_clear (&in);
}

static void
test_selective (void)
{
  Inputs in = random_inputs ();
  float y[ROWS * WIDTH];

  scan_selective (&in, 0, ROWS, (MblmCarry){NULL}, y);
  for (int t = 0; t < ROWS; t++)
    for (int e = 0; e < WIDTH; e++) {
      double z = in.z[t * WIDTH + e], rate[STATE];

      for (int n = 0; n < STATE; n++)
        rate[n] = exp (in.a_log[e * STATE + n]);
      assert_close (y[t * WIDTH + e],
          unrolled (&in, t, e, e, 0.0, rate) * z / (1.0 + exp (-z)), 100.0);
    }
  inputs_clear (&in);
}

/* In pieces, carried in place and from one memory to another. */
static void
test_scan_pieces (void)
{
  void (*scans[]) (const Inputs *in, size_t first, size_t rows, MblmCarry carry,
      float *y) = {scan_ssd, scan_selective};
  Inputs in = random_inputs ();

  for (size_t s = 0; s < G_N_ELEMENTS (scans); s++)
    for (size_t p = 0; p < G_N_ELEMENTS (pieces); p++) {
      float all[ROWS * WIDTH], y[ROWS * WIDTH];
      float state[2][WIDTH * STATE] = {{0.f}};
      float *last = state[0], *end = state[1];

      scans[s](&in, 0, ROWS, (MblmCarry){.to = &end}, all);
      for (size_t t = 0, n = 0, rows; t < ROWS; t += rows, n++) {
        const float *from = last;

        rows = MIN (pieces[p][n % 2], ROWS - t);
        scans[s](&in, t, rows, (MblmCarry){&from, &last, n % 3 == 0}, y);
      }
      assert_all_close (y, all, ROWS * WIDTH, 100.0);
      assert_all_close (last, end, WIDTH * STATE, 100.0);
    }
  inputs_clear (&in);
}

/* A constant input: the state approaches its limit like a geometric series. */
static void
test_geometric (void)
{
  const float xbc[] = {1.f, 1.f, 1.f}, delta = 30.f, a_log = -4.f, none = 0.f;
  double decay = exp (-exp (-4.0) * 30.0), limit = 30.0 / (1.0 - decay);
  float state = 0.f, *to = &state, y;
  const float *from = &state;

  for (int t = 1; t <= 40; t++) {
    ref->ssd_scan (queue,
        &(MblmSsdScan){.batch = 1,
            .rows = 1,
            .heads = 1,
            .head_dim = 1,
            .state = 1,
            .x = xbc,
            .b = xbc + 1,
            .c = xbc + 2,
            .xbc_stride = 3,
            .delta = &delta,
            .delta_stride = 1,
            .delta_bias = &none,
            .a_log = &a_log,
            .skip = &none,
            .carry = {&from, &to, false},
            .y = &y});
    assert_close (y, limit * (1.0 - pow (decay, t)), limit);
  }
}

/* Sequences start from what is theirs. */
static void
test_own_start (void)
{
  const float weight[] = {10.f, 1.f}, x[] = {1.f, 2.f};
  float a = 5.f, b = 7.f, *to[] = {&a, &b}, out[2];
  const float *from[] = {&a, &b};

  ref->conv (queue,
      &(MblmConv){.batch = 2,
          .rows = 1,
          .width = 1,
          .taps = 2,
          .x = x,
          .x_stride = 1,
          .weight = weight,
          .carry = {from, to, false},
          .out = out,
          .out_stride = 1});
  assert_close (out[0], 51.0, 51.0);
  assert_close (out[1], 72.0, 72.0);
  g_assert_cmpfloat (a, ==, 1.0);
  g_assert_cmpfloat (b, ==, 2.0);
}

/* A shared start may be the memory in which a sequence leaves its end. */
static void
test_shared_start (void)
{
  enum { SEQUENCES = 3 };
  const float weight[] = {10.f, 1.f}, x[SEQUENCES] = {1.f, 2.f, 3.f};
  float a = 5.f, b = 0.f, c = 0.f, out[SEQUENCES];
  const float *from[] = {&a};
  float *to[SEQUENCES] = {&a, &b, &c};

  ref->conv (queue,
      &(MblmConv){.batch = SEQUENCES,
          .rows = 1,
          .width = 1,
          .taps = 2,
          .x = x,
          .x_stride = 1,
          .weight = weight,
          .carry = {from, to, true},
          .out = out,
          .out_stride = 1});
  for (int i = 0; i < SEQUENCES; i++)
    assert_close (out[i], 50.0 + x[i], 50.0);
  g_assert_cmpfloat (a, ==, 1.0);
  g_assert_cmpfloat (b, ==, 2.0);
  g_assert_cmpfloat (c, ==, 3.0);
}

/* Nothing is read or written of no sequences, and without rows the state stays
 * what it was. */
static void
test_nothing (void)
{
  const float start[2] = {1.f, 2.f}, *from[] = {start};
  float end[2] = {0.f, 0.f}, *to[] = {end};
  MblmCarry carry = {from, to, false}, none = {NULL, NULL, true};

  ref->conv (queue, &(MblmConv){.width = 2, .taps = 2, .carry = none});
  ref->attention (queue, &(MblmAttention){.heads = 1, .head_dim = 1});
  ref->attention (
      queue, &(MblmAttention){.batch = 1, .heads = 1, .head_dim = 1});
  ref->conv (
      queue, &(MblmConv){.batch = 1, .width = 2, .taps = 2, .carry = carry});
  g_assert_cmpmem (start, sizeof (start), end, sizeof (end));
  end[0] = 0.f;
  ref->shift_norm (queue,
      &(MblmShiftNorm){.batch = 1, .width = 4, .shift = true, .carry = carry});
  g_assert_cmpmem (start, sizeof (start), end, sizeof (end));
  end[0] = 0.f;
  ref->ssd_scan (queue,
      &(MblmSsdScan){
          .batch = 1, .heads = 1, .head_dim = 1, .state = 2, .carry = carry});
  g_assert_cmpmem (start, sizeof (start), end, sizeof (end));
}

void
add_sequence_tests (void)
{
  g_test_add_func ("/attention/matrix", test_attention);
  g_test_add_func ("/attention/all-masked", test_all_masked);
  g_test_add_func ("/attention/past", test_past);
  g_test_add_func ("/conv/impulse", test_impulse);
  g_test_add_func ("/conv/pieces", test_conv_pieces);
  g_test_add_func ("/scans/mamba-2", test_ssd);
  g_test_add_func ("/scans/mamba-1", test_selective);
  g_test_add_func ("/scans/pieces", test_scan_pieces);
  g_test_add_func ("/scans/geometric", test_geometric);
  g_test_add_func ("/carry/own-start", test_own_start);
  g_test_add_func ("/carry/shared-start", test_shared_start);
  g_test_add_func ("/carry/nothing", test_nothing);
}
