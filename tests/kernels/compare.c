/* compare.c: runs a case on the reference and on targets, compares, and times.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "case.h"

#include <math.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#define SLOW_BYTES ((size_t) 8 << 20) /* the most of a case for a slow target */

/* Under the address sanitizer, touching what lies between the buffers of a case
 * is an error, not only writing there. */
static void
guard (const Case *c, char *memory)
{
#ifdef __SANITIZE_ADDRESS__
  size_t end = 0;

  for (guint i = 0; i < c->extents->len; i++) {
    Extent *extent = &g_array_index (c->extents, Extent, i);

    ASAN_POISON_MEMORY_REGION (memory + end, extent->offset - end);
    end = extent->offset + extent->bytes;
  }
  ASAN_POISON_MEMORY_REGION (memory + end, c->image->len - end);
#endif
}

static void
unguard (const Case *c, char *memory)
{
#ifdef __SANITIZE_ADDRESS__
  ASAN_UNPOISON_MEMORY_REGION (memory, c->image->len);
#endif
}

static char *
result_of_image (const Case *c, const Target *target, const guint8 *image,
    CaseRun run, const void *data)
{
  const MblmKernels *table = target->table;
  size_t size = c->image->len;
  char *memory = table->alloc (target->device, size);
  char *result = g_malloc (size);

  g_assert_nonnull (memory);
  table->upload (target->queue, memory, image, size);
  guard (c, memory);
  run (target, memory, data);
  unguard (c, memory);
  table->download (target->queue, result, memory, size);
  if (table->queue_wait (target->queue) != MBLM_STATUS_OK)
    check_failed (c->check, target, c->title, "the queue reports an error");
  table->free (target->device, memory);
  return result;
}

char *
case_result (const Case *c, const Target *target, CaseRun run, const void *data)
{
  return result_of_image (c, target, c->image->data, run, data);
}

static void
make_absolute (const Case *c, guint8 *image)
{
  for (guint i = 0; i < c->inputs->len; i++) {
    Input *input = &g_array_index (c->inputs, Input, i);

    for (size_t j = 0; j < input->count; j++)
      if (input->type == MBLM_TYPE_BF16)
        ((guint16 *) (image + input->offset))[j] &= 0x7fff;
      else if (!is_poison (AT (image, input->offset) + j))
        AT (image, input->offset)[j] = fabsf (AT (image, input->offset)[j]);
  }
}

/* A number of an output. */
static float
value_of (const Output *output, const char *entry)
{
  return (float) case_number (entry, output->type, 0);
}

static size_t
offset_of (const Output *output, size_t row, size_t col)
{
  return output->offset +
      (row * output->stride + col) * case_entry_size (output->type);
}

static void
magnitude_of_result (const Output *output, const char *after, double *magnitude)
{
  for (size_t i = 0; i < output->rows; i++)
    for (size_t j = 0; j < output->width; j++)
      magnitude[i * output->width + j] = fabs (
          value_of (output, after + offset_of (output, i, j)));
}

void
magnitude_absolute (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  g_autofree guint8 *image = g_memdup2 (c->image->data, c->image->len);
  g_autofree char *result = NULL;

  make_absolute (c, image);
  result = result_of_image (c, c->check->ref, image, c->run, data);
  magnitude_of_result (output, result, magnitude);
}

static double
tolerance_of (const Output *output, double magnitude)
{
  double sum = 4.0 + sqrt ((double) output->terms) / 4.0;

  /* Below the smallest normal number results may be flushed to zero, and so may
   * each of the numbers that they are the sum of. */
  return sum * FLT_EPSILON * magnitude + (1.0 + output->terms) * FLT_MIN;
}

/* Two neighbours among bfloat16 may stand for what is hardly different. */
static double
rounding_of (const Output *output, double x)
{
  return output->type == MBLM_TYPE_BF16 ? fabs (x) / 128.0 : 0.0;
}

/* How much two entries differ, as a share of the tolerance. NaNs agree, and so
 * do equal infinities. */
static double
error_of (const Output *output, const char *expected, const char *found,
    double magnitude)
{
  float x, y;

  if (memcmp (expected, found, case_entry_size (output->type)) == 0)
    return 0.0;
  if (output->is_integer || output->terms == 0)
    return HUGE_VAL;
  x = value_of (output, expected);
  y = value_of (output, found);
  if (isnan (x) || isnan (y))
    return isnan (x) && isnan (y) ? 0.0 : HUGE_VAL;
  if (x == y)
    return 0.0;
  return fabs ((double) x - y) /
      (tolerance_of (output, magnitude) + rounding_of (output, x));
}

static void
report_difference (const Case *c, const Target *target, const Output *output,
    size_t i, size_t j, const char *expected, const char *found,
    double magnitude)
{
  if (output->is_integer) {
    check_failed (c->check, target, c->title, "%s[%zu] is %d, not %d",
        output->name, j, *(const gint32 *) found, *(const gint32 *) expected);
    return;
  }
  check_failed (c->check, target, c->title,
      "%s[%zu, %zu] is %.9g, not %.9g (magnitude %g, tolerance %g)",
      output->name, i, j, value_of (output, found), value_of (output, expected),
      magnitude, tolerance_of (output, magnitude));
}

static bool
is_written (const Output *output, const char *expected, const char *found)
{
  if (output->type == MBLM_TYPE_BF16)
    return !is_half_poison (found) || is_half_poison (expected);
  return !is_poison (found);
}

/* Reports the first difference of an output. */
static void
compare_output (const Case *c, const Target *target, const Output *output,
    const char *expected, const char *found, const double *magnitude)
{
  for (size_t i = 0; i < output->rows; i++)
    for (size_t j = 0; j < output->width; j++) {
      size_t at = offset_of (output, i, j);
      double m = magnitude[i * output->width + j];
      double error = error_of (output, expected + at, found + at, m);

      c->check->worst = MAX (c->check->worst, error);
      if (!is_written (output, expected + at, found + at)) {
        check_failed (c->check, target, c->title, "%s[%zu, %zu] is not written",
            output->name, i, j);
        return;
      }
      if (!(error <= 1.0)) {
        report_difference (
            c, target, output, i, j, expected + at, found + at, m);
        return;
      }
    }
}

/* Reports the first byte outside the outputs that the operation changed. */
static void
compare_rest (const Case *c, const Target *target, const char *found)
{
  g_autofree guint8 *is_output = g_malloc0 (c->image->len);

  for (guint o = 0; o < c->outputs->len; o++) {
    Output *output = &g_array_index (c->outputs, Output, o);

    for (size_t i = 0; i < output->rows; i++)
      memset (is_output + offset_of (output, i, 0), 1,
          output->width * case_entry_size (output->type));
  }
  for (size_t i = 0; i < c->image->len; i++)
    if (!is_output[i] && c->image->data[i] != (guint8) found[i]) {
      check_failed (c->check, target, c->title,
          "byte %zu of %u was changed, which is no output", i, c->image->len);
      return;
    }
}

static void
compare (const Case *c, const Target *target, const char *expected,
    const char *found, double *const *magnitudes)
{
  for (guint o = 0; o < c->outputs->len; o++)
    compare_output (c, target, &g_array_index (c->outputs, Output, o), expected,
        found, magnitudes[o]);
  compare_rest (c, target, found);
}

/* A GPU has no number of threads that could be another: twice is the same there. */
static void
compare_again (const Case *c, const Target *target, CaseRun run,
    const void *data, const char *found)
{
  g_autofree char *again = case_result (c, target, run, data);

  if (memcmp (found, again, c->image->len) != 0)
    check_failed (c->check, target, c->title, "differs from its result before");
}

static double **
find_magnitudes (
    const Case *c, const void *data, char *expected, CaseMagnitude magnitude)
{
  double **magnitudes = g_new0 (double *, c->outputs->len + 1);

  for (guint o = 0; o < c->outputs->len; o++) {
    Output *output = &g_array_index (c->outputs, Output, o);

    magnitudes[o] = g_new0 (double, output->rows * output->width + 1);
    if (output->is_integer || output->terms == 0)
      continue;
    if (magnitude)
      magnitude (c, output, data, expected, magnitudes[o]);
    else
      magnitude_of_result (output, expected, magnitudes[o]);
  }
  return magnitudes;
}

void
case_run (Case *c, CaseRun run, const void *data, CaseMagnitude magnitude)
{
  Check *check = c->check;
  g_autofree char *expected = case_result (c, check->ref, run, data);
  g_autofree char *first = NULL; /* of this variant, on one thread */
  double **magnitudes;

  c->run = run;
  magnitudes = find_magnitudes (c, data, expected, magnitude);
  compare (c, check->ref, expected, expected, magnitudes);

  for (guint i = 0; i < check->targets->len; i++) {
    Target *target = g_ptr_array_index (check->targets, i);
    char *found;

    if (c->takes && !c->takes (target, case_image (c), data))
      continue;
    if (target->is_slow && c->image->len > SLOW_BYTES) {
      check->left_out++;
      continue;
    }
    found = case_result (c, target, run, data);
    if (target->threads == 1) {
      compare (c, target, expected, found, magnitudes);
      if (strcmp (target->variant, "cuda") == 0)
        compare_again (c, target, run, data, found);
      g_free (first);
      first = found;
      continue;
    }
    if (first && memcmp (first, found, c->image->len) != 0)
      check_failed (
          check, target, c->title, "differs from one thread's result");
    g_free (found);
  }
  for (guint o = 0; o < c->outputs->len; o++)
    g_free (magnitudes[o]);
  g_free (magnitudes);
}

/* ------------------------------------------------------------------------- */
/* Time                                                                      */
/* ------------------------------------------------------------------------- */

#define BENCH_MICROSECONDS 20000 /* of a measurement */
#define BENCH_TIMES 3            /* the best of which counts */

static double
nanoseconds_per_call (
    const Target *target, CaseRun run, char *memory, const void *data)
{
  double best = HUGE_VAL;

  run (target, memory, data);
  for (int i = 0; i < BENCH_TIMES; i++) {
    gint64 start = g_get_monotonic_time (), spent;
    guint calls = 0;

    do {
      for (int j = 0; j < 4; j++, calls++)
        run (target, memory, data);
      target->table->queue_wait (target->queue);
      spent = g_get_monotonic_time () - start;
    } while (spent < BENCH_MICROSECONDS);
    best = MIN (best, spent * 1000.0 / calls);
  }
  return best;
}

void
case_bench (Case *c, CaseRun run, const void *data, double bytes, double flops)
{
  Check *check = c->check;

  for (guint i = 0; i < check->targets->len; i++) {
    Target *target = g_ptr_array_index (check->targets, i);
    const MblmKernels *table = target->table;
    char *memory = table->alloc (target->device, c->image->len);
    double ns;

    g_assert_nonnull (memory);
    table->upload (target->queue, memory, c->image->data, c->image->len);
    ns = nanoseconds_per_call (target, run, memory, data);
    table->free (target->device, memory);
    g_print ("%-15s %-44s %-10s %2u %12.0f ns %8.2f GB/s", check->operation,
        c->title, target->variant, target->threads, ns, bytes / ns);
    if (flops > 0.0)
      g_print (" %8.2f GFLOP/s", flops / ns);
    g_print ("\n");
  }
}
