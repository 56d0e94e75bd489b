/* check.c: compares every operation of the CPU with the reference.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check.h"

#include <locale.h>
#include <string.h>

#define CHECK_THREADS 3 /* from 1 */
#define BENCH_THREADS 2

/* What the environment variable MBLM_CPU takes, in rising order. */
static const char *const variants[] = {
    "generic", "avx2", "avx512", "avx512bf16", "amx"};

static const Operation operations[] = {
    {"memory", check_memory, NULL},
    {"embed", check_embed, bench_embed},
    {"embed_backward", check_embed_backward, bench_embed_backward},
    {"add_position", check_add_position, bench_add_position},
    {"add_position_backward", check_add_position_backward,
        bench_add_position_backward},
    {"add", check_add, bench_add},
    {"copy_rows", check_copy_rows, bench_copy_rows},
    {"sum_rows", check_sum_rows, bench_sum_rows},
    {"dropout", check_dropout, bench_dropout},
    {"linear", check_linear, bench_linear},
    {"linear_backward", check_linear_backward, bench_linear_backward},
    {"layer_norm", check_layer_norm, bench_layer_norm},
    {"layer_norm_backward", check_layer_norm_backward,
        bench_layer_norm_backward},
    {"rms_norm", check_rms_norm, bench_rms_norm},
    {"rms_norm_backward", check_rms_norm_backward, bench_rms_norm_backward},
    {"shift_norm", check_shift_norm, bench_shift_norm},
    {"shift_norm_backward", check_shift_norm_backward,
        bench_shift_norm_backward},
    {"gated_norm", check_gated_norm, bench_gated_norm},
    {"gated_norm_backward", check_gated_norm_backward,
        bench_gated_norm_backward},
    {"rope_angles", check_rope_angles, bench_rope_angles},
    {"rope", check_rope, bench_rope},
    {"rope_backward", check_rope_backward, bench_rope_backward},
    {"attention", check_attention, bench_attention},
    {"attention_backward", check_attention_backward, bench_attention_backward},
    {"conv", check_conv, bench_conv},
    {"conv_backward", check_conv_backward, bench_conv_backward},
    {"ssd_scan", check_ssd_scan, bench_ssd_scan},
    {"ssd_scan_backward", check_ssd_scan_backward, bench_ssd_scan_backward},
    {"selective_scan", check_selective_scan, bench_selective_scan},
    {"selective_scan_backward", check_selective_scan_backward,
        bench_selective_scan_backward},
    {"cross_entropy", check_cross_entropy, bench_cross_entropy},
    {"cross_entropy_backward", check_cross_entropy_backward,
        bench_cross_entropy_backward},
    {"sample", check_sample, bench_sample},
    {"sum_squares", check_sum_squares, bench_sum_squares},
    {"add_scaled", check_add_scaled, bench_add_scaled},
    {"adam", check_adam, bench_adam},
    {"queues", check_queues, NULL},
};

static gboolean option_bench;
static char *option_operation;
static char *option_variant;
static int option_seed = -1;

static const GOptionEntry options[] = {
    {"bench", 0, 0, G_OPTION_ARG_NONE, &option_bench,
        "Measure times instead of checking", NULL},
    {"op", 0, 0, G_OPTION_ARG_STRING, &option_operation,
        "Only this operation, as named in MblmKernels", "NAME"},
    {"variant", 0, 0, G_OPTION_ARG_STRING, &option_variant,
        "Only this variant: ref or a value of MBLM_CPU", "NAME"},
    {"seed", 0, 0, G_OPTION_ARG_INT, &option_seed,
        "Inputs of an earlier run, which printed this number", "N"},
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

bool
check_coin (Check *check)
{
  return g_rand_boolean (check->rand);
}

static void
target_free (void *data)
{
  Target *target = data;

  target->table->queue_free (target->queue);
  target->table->device_close (target->device);
  g_free (target->variant);
  g_free (target);
}

/* NULL where the device can't be had. */
static Target *
target_new (const MblmKernels *table, const char *variant, guint threads)
{
  char message[256] = "";
  MblmKernelDevice *device = table->device_open (
      0, threads, message, sizeof (message));
  Target *target;

  if (!device) {
    g_print ("%s: %s\n", variant, message);
    return NULL;
  }
  target = g_new0 (Target, 1);
  target->table = table;
  target->device = device;
  target->queue = table->queue_new (device);
  g_assert_nonnull (target->queue);
  target->variant = g_strdup (variant);
  target->threads = threads;
  return target;
}

/* A variant that this machine lacks is a lower one by another name, which its
 * description gives away. */
static bool
add_variant (Check *check, const char *variant, GHashTable *seen)
{
  guint most = option_bench ? BENCH_THREADS : CHECK_THREADS;

  g_setenv ("MBLM_CPU", variant, TRUE);
  for (guint threads = 1; threads <= most; threads++) {
    Target *target = target_new (mblm_kernels_cpu (), variant, threads);
    const char *description;

    if (!target)
      return false;
    description = target->table->device_describe (target->device);
    if (threads == 1 && g_hash_table_contains (seen, description)) {
      g_print ("%s: this machine has none, skipped\n", variant);
      target_free (target);
      return true;
    }
    g_print ("%s: %s\n", variant, description);
    g_hash_table_add (seen, g_strdup (description));
    g_ptr_array_add (check->targets, target);
  }
  return true;
}

static bool
add_targets (Check *check)
{
  g_autoptr (GHashTable)
      seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  bool known = !option_variant || strcmp (option_variant, "ref") == 0;

  check->ref = target_new (mblm_kernels_ref (), "ref", 1);
  if (!check->ref)
    return false;
  if (option_bench && known && option_variant)
    g_ptr_array_add (
        check->targets, target_new (mblm_kernels_ref (), "ref", 1));
  for (guint i = 0; i < G_N_ELEMENTS (variants); i++) {
    if (option_variant && strcmp (option_variant, variants[i]) != 0)
      continue;
    known = true;
    if (!add_variant (check, variants[i], seen))
      return false;
  }
  if (!known)
    g_printerr ("There is no variant %s.\n", option_variant);
  return known;
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

    if (!run ||
        (option_operation && strcmp (option_operation, operation->name) != 0))
      continue;
    ran++;
    check->operation = operation->name;
    check->cases = check->failures = 0;
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
  int result = 1;

  setlocale (LC_ALL, "");
  g_option_context_set_summary (context,
      "Compares every operation of the CPU kernels with the reference.");
  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return 2;
  }

  check.seed = option_seed >= 0 ? (guint32) option_seed : g_random_int () >> 1;
  check.rand = g_rand_new ();
  check.targets = g_ptr_array_new_with_free_func (target_free);
  if (add_targets (&check)) {
    g_print ("seed %u\n", check.seed);
    result = run_operations (&check) > 0;
  }
  g_ptr_array_unref (check.targets);
  if (check.ref)
    target_free (check.ref);
  g_rand_free (check.rand);
  return result;
}
