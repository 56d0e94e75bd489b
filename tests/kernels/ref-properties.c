/* ref-properties.c: the reference against closed forms and other ways to
 * compute the same.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Everything else is compared with the reference, so what it computes is looked
 * at from outside here: values known from elsewhere, invariants of the formulas,
 * and the same sums in another form (a scan as the sum over all earlier rows, a
 * sequence in pieces instead of at once).
 */

#include "ref-properties.h"

#include <string.h>

const MblmKernels *ref;
static MblmKernelDevice *device;
MblmQueue *queue;

float *
random_floats (size_t count, float scale)
{
  float *x = g_new (float, count + 1);

  for (size_t i = 0; i < count; i++)
    x[i] = scale * (float) g_test_rand_double_range (-1.0, 1.0);
  return x;
}

void
assert_close (double found, double expected, double size)
{
  g_assert_cmpfloat_with_epsilon (
      found, expected, 4.0 * FLT_EPSILON * size + FLT_MIN);
}

void
assert_all_close (
    const float *found, const float *expected, size_t count, double size)
{
  for (size_t i = 0; i < count; i++)
    assert_close (found[i], expected[i], size);
}

/* ------------------------------------------------------------------------- */
/* Products                                                                  */
/* ------------------------------------------------------------------------- */

static float
linear_one (
    MblmMatrix weight, const float *bias, float x, MblmActivation activation)
{
  float out = NAN;

  ref->linear (queue,
      &(MblmLinear){.weight = weight,
          .bias = bias,
          .activation = activation,
          .rows = 1,
          .x = &x,
          .x_stride = 1,
          .out = &out,
          .out_stride = 1});
  return out;
}

/* x (1 + erf (x / sqrt 2)) / 2, from tables of the normal distribution. */
static void
test_gelu (void)
{
  static const double known[][2] = {{0.0, 0.0}, {1.0, 0.8413447460685429},
      {-1.0, -0.15865525393145707}, {2.0, 1.9544997361036416},
      {-3.0, -0.004049694095106}, {30.0, 30.0}};
  const float one = 1.0f;

  for (size_t i = 0; i < G_N_ELEMENTS (known); i++)
    assert_close (linear_one ((MblmMatrix){&one, MBLM_TYPE_F32, 1, 1}, NULL,
                      (float) known[i][0], MBLM_ACTIVATION_GELU),
        known[i][1], fabs (known[i][1]));
}

static void
test_bf16 (void)
{
  static const guint16 bits[] = {0x3f80, 0xc000, 0x3eaa, 0x7f7f, 0x0000};
  static const double known[] = {
      1.0, -2.0, 0.33203125, 3.3895313892515355e38, 0.0};
  const float bias = 0.5f;

  for (size_t i = 0; i < G_N_ELEMENTS (bits); i++)
    g_assert_cmpfloat (linear_one ((MblmMatrix){&bits[i], MBLM_TYPE_BF16, 1, 1},
                           NULL, 1.0f, MBLM_ACTIVATION_NONE),
        ==, known[i]);
  g_assert_cmpfloat (linear_one ((MblmMatrix){&bits[1], MBLM_TYPE_BF16, 1, 1},
                         &bias, 3.0f, MBLM_ACTIVATION_NONE),
      ==, -5.5);
}

/* Column by column instead of row by row. */
static void
test_linear (void)
{
  enum { ROWS = 5, N = 7, K = 11, GAP = 3 };
  g_autofree float *w = random_floats (N * K, 1.f);
  g_autofree float *x = random_floats (ROWS * (K + GAP), 1.f);
  g_autofree float *bias = random_floats (N, 1.f);
  float out[ROWS * (N + GAP)], expected[ROWS * N];

  for (int i = 0; i < ROWS * N; i++)
    expected[i] = out[i / N * (N + GAP) + i % N] = bias[i % N];
  for (int k = 0; k < K; k++)
    for (int i = 0; i < ROWS; i++)
      for (int j = 0; j < N; j++)
        expected[i * N + j] += x[i * (K + GAP) + k] * w[j * K + k];
  ref->linear (queue,
      &(MblmLinear){.weight = {w, MBLM_TYPE_F32, N, K},
          .residual = out,
          .rows = ROWS,
          .x = x,
          .x_stride = K + GAP,
          .out = out,
          .out_stride = N + GAP});
  for (int i = 0; i < ROWS; i++)
    assert_all_close (out + i * (N + GAP), expected + i * N, N, K);
}

/* ------------------------------------------------------------------------- */
/* Norms                                                                     */
/* ------------------------------------------------------------------------- */

static void
test_layer_norm (void)
{
  enum { WIDTH = 37 };
  g_autofree float *x = random_floats (WIDTH, 5.f);
  g_autofree float *gain = random_floats (WIDTH, 1.f);
  g_autofree float *bias = random_floats (WIDTH, 1.f);
  double sum = 0.0, squares = 0.0, variance;
  float out[WIDTH];

  for (int j = 0; j < WIDTH; j++) {
    sum += x[j];
    squares += (double) x[j] * x[j];
  }
  variance = squares / WIDTH - sum / WIDTH * (sum / WIDTH);
  ref->layer_norm (queue,
      &(MblmLayerNorm){.rows = 1,
          .width = WIDTH,
          .x = x,
          .gain = gain,
          .bias = bias,
          .epsilon = 0.01f,
          .out = out});
  for (int j = 0; j < WIDTH; j++)
    assert_close (out[j],
        (x[j] - sum / WIDTH) / sqrt (variance + 0.01f) * gain[j] + bias[j],
        4.0);
}

/* (3, 4) has the mean square 12.5. */
static void
test_rms_norm (void)
{
  const float x[] = {3.f, 4.f}, gain[] = {1.f, -2.f};
  float out[2];

  ref->rms_norm (queue,
      &(MblmRmsNorm){.rows = 1,
          .width = 2,
          .x = x,
          .gain = gain,
          .epsilon = 12.5f,
          .out = out});
  assert_close (out[0], 3.0 / 5.0, 1.0);
  assert_close (out[1], -8.0 / 5.0, 2.0);
}

/* MEGABYTE's norm has a floor, not an addend: above it epsilon has no effect,
 * below it a row is divided by epsilon. */
static void
test_norm_floor (void)
{
  const float gain[] = {1.f, 1.f};
  float x[] = {3.f, 4.f}, out[2];
  MblmShiftNorm a = {.batch = 1,
      .rows = 1,
      .width = 2,
      .x = x,
      .gain = gain,
      .epsilon = 0.1f,
      .out = out};

  ref->shift_norm (queue, &a);
  assert_close (out[1], 4.0 / sqrt (12.5), 2.0);
  x[0] = 0.03f;
  x[1] = 0.04f;
  ref->shift_norm (queue, &a);
  assert_close (out[1], 0.4, 1.0);
  x[0] = x[1] = 0.f;
  ref->shift_norm (queue, &a);
  g_assert_cmpfloat (out[0], ==, 0.0);
}

/* Shifting first and normalising then; of an odd width, the first part is the
 * larger one. */
static void
test_token_shift (void)
{
  enum { ROWS = 6, WIDTH = 9, OWN = 5 };
  g_autofree float *x = random_floats (ROWS * WIDTH, 1.f);
  g_autofree float *gain = random_floats (WIDTH, 1.f);
  float shifted[ROWS * WIDTH], expected[ROWS * WIDTH], out[ROWS * WIDTH];
  float carry[WIDTH - OWN], *carries[] = {carry};
  MblmShiftNorm a = {
      .batch = 1, .rows = ROWS, .width = WIDTH, .gain = gain, .epsilon = 1e-8f};

  for (int t = 0; t < ROWS; t++)
    for (int j = 0; j < WIDTH; j++)
      shifted[t * WIDTH + j] = j < OWN ? x[t * WIDTH + j]
          : t > 0                      ? x[(t - 1) * WIDTH + j]
                                       : 0.f;
  a.x = shifted;
  a.out = expected;
  ref->shift_norm (queue, &a);
  a.x = x;
  a.out = out;
  a.shift = true;
  a.carry.to = carries;
  ref->shift_norm (queue, &a);
  g_assert_cmpmem (out, sizeof (out), expected, sizeof (expected));
  g_assert_cmpmem (
      carry, sizeof (carry), x + ROWS * WIDTH - (WIDTH - OWN), sizeof (carry));
}

/* A gate of z >> 0 is z itself: with a constant one, the RMS norm is left. */
static void
test_gated_norm (void)
{
  const float y[] = {3.f, 4.f}, z[] = {100.f, 100.f, 0.f, 0.f};
  const float gain[] = {2.f, 2.f};
  float out[2];
  MblmGatedNorm a = {.rows = 1,
      .width = 2,
      .y = y,
      .y_stride = 2,
      .z = z,
      .z_stride = 2,
      .gain = gain,
      .epsilon = 0.f,
      .out = out};

  ref->gated_norm (queue, &a);
  assert_close (out[0], 2.0 * 3.0 / sqrt (12.5), 2.0);
  a.z = z + 2; /* closed */
  a.epsilon = 1.f;
  ref->gated_norm (queue, &a);
  g_assert_cmpfloat (out[0], ==, 0.0);
}

/* ------------------------------------------------------------------------- */
/* Rotary embedding                                                          */
/* ------------------------------------------------------------------------- */

/* The angle is a float32: 81921 * 0.1f rounds to 8192.1006 (8192.1 + 0.0006),
 * which is a difference that the result must show. */
static void
test_angles (void)
{
  const float frequency[] = {1.f, 0.1f};
  const size_t first[] = {3, 81920}, large = 16777217;
  float cosine[8], sine[8];

  ref->rope_angles (queue,
      &(MblmRopeAngles){.frequency = frequency,
          .half = 2,
          .batch = 2,
          .rows = 2,
          .first = first,
          .cosine = cosine,
          .sine = sine});
  assert_close (cosine[2], cos (4.0), 1.0);
  assert_close (cosine[6], cos (81921.0), 1.0);
  assert_close (sine[7], sin ((double) (81921.f * 0.1f)), 1.0);
  g_assert_cmpfloat (fabs (sine[7] - sin (81921.0 * 0.1)), >, 1e-5);

  /* The position is one too: 2^24 + 1 is none. */
  ref->rope_angles (queue,
      &(MblmRopeAngles){.frequency = frequency,
          .half = 1,
          .batch = 1,
          .rows = 1,
          .first = &large,
          .cosine = cosine,
          .sine = sine});
  assert_close (sine[0], sin (16777216.0), 1.0);
}

/* The product of a rotated query and key depends on their distance alone. */
static void
test_rotation (void)
{
  enum { HALF = 4, WIDTH = 2 * HALF, ROWS = 6 };
  g_autofree float *query = random_floats (WIDTH, 1.f);
  g_autofree float *key = random_floats (WIDTH, 1.f);
  float frequency[HALF], cosine[ROWS * HALF], sine[ROWS * HALF];

  for (int j = 0; j < HALF; j++)
    frequency[j] = (float) pow (10000.0, -(double) j / HALF);
  ref->rope_angles (queue,
      &(MblmRopeAngles){.frequency = frequency,
          .half = HALF,
          .batch = 1,
          .rows = ROWS,
          .cosine = cosine,
          .sine = sine});
  for (int form = MBLM_ROPE_HALVES; form <= MBLM_ROPE_PAIRS; form++) {
    float q[ROWS * WIDTH], k[ROWS * WIDTH];
    MblmRope a = {.form = form,
        .batch = 1,
        .rows = ROWS,
        .heads = 1,
        .half = HALF,
        .x_stride = WIDTH,
        .cosine = cosine,
        .sine = sine};
    double first = 0.0;

    for (int i = 0; i < ROWS * WIDTH; i++) {
      q[i] = query[i % WIDTH];
      k[i] = key[i % WIDTH];
    }
    a.x = q;
    ref->rope (queue, &a);
    a.x = k;
    ref->rope (queue, &a);
    for (int i = 0; i + 2 < ROWS; i++) {
      double product = 0.0;

      for (int j = 0; j < WIDTH; j++)
        product += (double) q[(i + 2) * WIDTH + j] * k[i * WIDTH + j];
      if (i == 0)
        first = product;
      assert_close (product, first, WIDTH);
    }
    g_assert_cmpmem (q, sizeof (float) * WIDTH, query, sizeof (float) * WIDTH);
  }
}

/* A quarter turn shows which numbers are a pair, and which way they turn. */
static void
test_quarter_turn (void)
{
  const float cosine[] = {0.f, 1.f}, sine[] = {1.f, 0.f};
  const float halves[] = {-3.f, 2.f, 1.f, 4.f}, pairs[] = {-2.f, 1.f, 3.f, 4.f};
  float x[] = {1.f, 2.f, 3.f, 4.f}, y[] = {1.f, 2.f, 3.f, 4.f};
  MblmRope a = {.form = MBLM_ROPE_HALVES,
      .batch = 1,
      .rows = 1,
      .heads = 1,
      .half = 2,
      .x = x,
      .x_stride = 4,
      .cosine = cosine,
      .sine = sine};

  ref->rope (queue, &a);
  g_assert_cmpmem (x, sizeof (x), halves, sizeof (halves));
  a.form = MBLM_ROPE_PAIRS;
  a.x = y;
  ref->rope (queue, &a);
  g_assert_cmpmem (y, sizeof (y), pairs, sizeof (pairs));
}

/* Every sequence at an angle of its own, or all at the same ones. */
static void
test_angle_stride (void)
{
  const float cosine[] = {1.f, 0.f, -1.f}, sine[] = {0.f, 1.f, 0.f};
  const float own[] = {1.f, 2.f, -2.f, 1.f, -1.f, -2.f};
  const float same[] = {-2.f, 1.f, -2.f, 1.f, -2.f, 1.f};
  float x[6], y[6];
  MblmRope a = {.form = MBLM_ROPE_HALVES,
      .batch = 3,
      .rows = 1,
      .heads = 1,
      .half = 1,
      .x = x,
      .x_stride = 2,
      .cosine = cosine,
      .sine = sine,
      .angle_stride = 1};

  for (int i = 0; i < 6; i++)
    x[i] = y[i] = i % 2 + 1.f;
  ref->rope (queue, &a);
  g_assert_cmpmem (x, sizeof (x), own, sizeof (own));
  a.x = y;
  a.cosine++;
  a.sine++;
  a.angle_stride = 0;
  ref->rope (queue, &a);
  g_assert_cmpmem (y, sizeof (y), same, sizeof (same));
}

/* ------------------------------------------------------------------------- */
/* Loss                                                                      */
/* ------------------------------------------------------------------------- */

static float
loss_of (const float *logits, size_t vocabulary, gint32 target)
{
  float loss = NAN;

  ref->cross_entropy (queue,
      &(MblmCrossEntropy){.rows = 1,
          .vocabulary = vocabulary,
          .logits = logits,
          .targets = &target,
          .loss = &loss});
  return loss;
}

static void
test_loss (void)
{
  float logits[257] = {0.f};

  assert_close (loss_of (logits, 257, 3), log (257.0), log (257.0));
  g_assert_cmpfloat (loss_of (logits, 257, -100), ==, 0.0);
  logits[3] = 5.f;
  logits[4] = -90.f;
  assert_close (loss_of (logits, 5, 3), log1p (3.0 * exp (-5.0)), 1.0);
  assert_close (loss_of (logits, 5, 4), 95.0 + log1p (3.0 * exp (-5.0)), 95.0);
  for (int i = 0; i < 257; i++)
    logits[i] += 1000.f;
  assert_close (loss_of (logits, 5, 3), log1p (3.0 * exp (-5.0)), 1.0);
}

/* float32 rounds 1 + exp (-17) to 1, and 1 + 256 exp (-17) to something else. */
static void
test_zero_loss (void)
{
  float logits[257] = {17.f};

  g_assert_cmpfloat (loss_of (logits, 2, 0), ==, 0.0);
  assert_close (loss_of (logits, 257, 0), 256.0 * exp (-17.0), 1.0);
  g_assert_cmpfloat (loss_of (logits, 257, 0), >, 0.0);
  logits[0] = 16.f;
  g_assert_cmpfloat (loss_of (logits, 2, 0), >, 0.0);
}

/* ------------------------------------------------------------------------- */
/* Memory                                                                    */
/* ------------------------------------------------------------------------- */

static void
test_rows (void)
{
  const float table[] = {1.f, 2.f, 3.f, 4.f, 5.f, 6.f}, row[] = {10.f, 20.f};
  const float embedded[] = {5.f, 6.f, 1.f, 2.f};
  const float placed[] = {6.f, 8.f, 2.f, 4.f}; /* rows 2, then 0 again */
  const float added[] = {16.f, 28.f, 12.f, 24.f};
  const float scattered[] = {12.f, 24.f, 28.f, 16.f};
  const gint32 ids[] = {2, 0};
  const size_t first = 5;
  MblmMatrix matrix = {table, MBLM_TYPE_F32, 3, 2};
  float x[4], out[4], *to[] = {out + 3, out + 2, out, out + 1};
  const float *ys[] = {row, row};

  ref->embed (queue, &(MblmEmbed){matrix, ids, 2, x});
  g_assert_cmpmem (x, sizeof (x), embedded, sizeof (embedded));
  x[0] = x[2] = 1.f;
  x[1] = x[3] = 2.f;
  ref->add_position (queue,
      &(MblmAddPosition){
          .table = matrix, .batch = 1, .rows = 2, .first = &first, .x = x});
  g_assert_cmpmem (x, sizeof (x), placed, sizeof (placed));
  ref->add (queue, &(MblmAdd){2, 2, x, 2, row, 0, NULL});
  g_assert_cmpmem (x, sizeof (x), added, sizeof (added));
  memcpy (x, placed, sizeof (x));
  ref->add (queue, &(MblmAdd){2, 2, x, 2, NULL, 0, ys});
  g_assert_cmpmem (x, sizeof (x), added, sizeof (added));
  ref->scatter_rows (queue, &(MblmScatterRows){2, 1, 2, 1, x, 2, to});
  g_assert_cmpmem (out, sizeof (out), scattered, sizeof (scattered));
}

int
main (int argc, char **argv)
{
  char message[100];
  int result;

  g_test_init (&argc, &argv, NULL);
  ref = mblm_kernels_ref ();
  device = ref->device_open (0, 0, message, sizeof (message));
  g_assert_nonnull (device);
  queue = ref->queue_new (device);

  g_test_add_func ("/linear/gelu", test_gelu);
  g_test_add_func ("/linear/bf16", test_bf16);
  g_test_add_func ("/linear/columns", test_linear);
  g_test_add_func ("/norms/layer", test_layer_norm);
  g_test_add_func ("/norms/rms", test_rms_norm);
  g_test_add_func ("/norms/floor", test_norm_floor);
  g_test_add_func ("/norms/token-shift", test_token_shift);
  g_test_add_func ("/norms/gated", test_gated_norm);
  g_test_add_func ("/rope/angles", test_angles);
  g_test_add_func ("/rope/distance", test_rotation);
  g_test_add_func ("/rope/quarter-turn", test_quarter_turn);
  g_test_add_func ("/rope/angle-stride", test_angle_stride);
  g_test_add_func ("/loss/values", test_loss);
  g_test_add_func ("/loss/zero", test_zero_loss);
  g_test_add_func ("/rows", test_rows);
  add_sequence_tests ();
  add_sample_tests ();
  add_typed_tests ();
  result = g_test_run ();

  g_assert_cmpint (ref->queue_wait (queue), ==, MBLM_STATUS_OK);
  ref->queue_free (queue);
  ref->device_close (device);
  return result;
}
