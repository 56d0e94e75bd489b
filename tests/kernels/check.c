/* check.c: compares every operation of a device with the reference.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check.h"

#include <locale.h>
#include <stddef.h>
#include <string.h>

#define EXIT_SKIPPED 77

/* Their entry in the table has the same name. */
#define OPERATION(id) #id, check_##id, bench_##id

static const Operation operations[] = {
    {"memory", check_memory, NULL},
    {OPERATION (embed)},
    {OPERATION (embed_backward)},
    {OPERATION (add_position)},
    {OPERATION (add_position_backward)},
    {OPERATION (add)},
    {OPERATION (copy_rows)},
    {OPERATION (scatter_rows)},
    {OPERATION (sum_rows)},
    {OPERATION (dropout)},
    {OPERATION (linear)},
    {OPERATION (linear_backward)},
    {OPERATION (layer_norm)},
    {OPERATION (layer_norm_backward)},
    {OPERATION (rms_norm)},
    {OPERATION (rms_norm_backward)},
    {OPERATION (shift_norm)},
    {OPERATION (shift_norm_backward)},
    {OPERATION (gated_norm)},
    {OPERATION (gated_norm_backward)},
    {OPERATION (rope_angles)},
    {OPERATION (rope)},
    {OPERATION (rope_backward)},
    {OPERATION (attention)},
    {OPERATION (attention_backward)},
    {"long_attention", check_long_attention, NULL},
    {"long_attention_backward", check_long_attention_backward, NULL},
    {OPERATION (transformer_step)},
    {OPERATION (conv)},
    {OPERATION (conv_backward)},
    {OPERATION (ssd_scan)},
    {OPERATION (ssd_scan_backward)},
    {OPERATION (selective_scan)},
    {OPERATION (selective_scan_backward)},
    {OPERATION (cross_entropy)},
    {OPERATION (cross_entropy_backward)},
    {OPERATION (sample)},
    {"sample_told", check_sample_told, NULL},
    {OPERATION (sum_squares)},
    {OPERATION (add_scaled)},
    {OPERATION (convert)},
    {OPERATION (adam)},
    {"queues", check_queues, NULL},
};

static gboolean option_bench;
static char *option_operation;
static char *option_variant;
static int option_seed = 1;

static const GOptionEntry options[] = {
    {"bench", 0, 0, G_OPTION_ARG_NONE, &option_bench,
        "Measure times instead of checking", NULL},
    {"op", 0, 0, G_OPTION_ARG_STRING, &option_operation,
        "Only this operation, as named in MblmKernels", "NAME"},
    {"variant", 0, 0, G_OPTION_ARG_STRING, &option_variant,
        "Only this variant: ref, a value of MBLM_CPU, cuda-host or cuda",
        "NAME"},
    {"seed", 0, 0, G_OPTION_ARG_INT, &option_seed,
        "Inputs that follow from this number (1); 0 takes another each time",
        "N"},
    {NULL},
};

void
check_failed (Check *check, const Target *target, const char *title,
    const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  check->failures++;
  if (check->failures > 20)
    return;
  g_print ("FAIL %s", check->operation);
  if (target)
    g_print (" %s, %u thread%s", target->variant, target->threads,
        target->threads == 1 ? "" : "s");
  g_print (": %s: %s (seed %u)\n", title, message, check->seed);
}

size_t
check_size (Check *check, size_t low, size_t high)
{
  double u = g_rand_double (check->rand);

  return low + (size_t) (u * u * (double) (high - low + 1));
}

size_t
check_width (Check *check, size_t low, size_t high)
{
  size_t n = check_size (check, low, high);

  return check_coin (check) ? (n + 7) / 8 * 8 : n;
}

bool
check_coin (Check *check)
{
  return g_rand_boolean (check->rand);
}

static bool
is_chosen (const Operation *operation)
{
  return !option_operation || strcmp (option_operation, operation->name) == 0;
}

/* The number of operations that failed. */
static guint
run_operations (Check *check)
{
  guint failed = 0, ran = 0;

  for (guint i = 0; i < G_N_ELEMENTS (operations); i++) {
    const Operation *operation = &operations[i];
    void (*run) (Check *) = option_bench ? operation->bench : operation->check;
    gint64 start = g_get_monotonic_time ();

    if (!run || !is_chosen (operation))
      continue;
    ran++;
    check->operation = operation->name;
    check->cases = check->failures = check->left_out = 0;
    check->worst = 0.0;
    g_rand_set_seed (check->rand, check->seed);
    run (check);
    if (check->failures > 0)
      failed++;
    if (!option_bench)
      g_print ("%-15s %5u cases, %u failures, largest error %.2f of the "
               "tolerance, %.2f s\n",
          operation->name, check->cases, check->failures, check->worst,
          (g_get_monotonic_time () - start) * 1e-6);
    if (check->left_out > 0)
      g_print ("%-15s %5u cases are too large for a slow device\n",
          check->operation, check->left_out);
  }
  if (ran == 0) {
    g_printerr ("There is no operation %s.\n", option_operation);
    return 1;
  }
  return failed;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  Check check = {NULL};
  TargetsFound found;
  int result = 1;

  setlocale (LC_ALL, "");
  g_option_context_set_summary (
      context, "Compares every operation of a device with the reference.");
  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return 2;
  }

  /* The same each time, so that a run says something of the change. */
  check.seed = option_seed != 0 ? (guint32) option_seed : g_random_int () >> 1;
  check.rand = g_rand_new ();
  check.targets = g_ptr_array_new_with_free_func (target_free);
  found = find_targets (&check, option_variant, option_bench);
  if (found == TARGETS_FOUND) {
    g_print ("seed %u\n", check.seed);
    result = run_operations (&check) > 0;
  } else if (found == TARGETS_NOT_HERE) {
    result = EXIT_SKIPPED;
  }
  g_ptr_array_unref (check.targets);
  if (check.ref)
    target_free (check.ref);
  g_rand_free (check.rand);
  return result;
}
