/* work.c: the operations that a model can't avoid.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Two operations per parameter and row, attention's scores and sums over the
 * keys that a row sees, six operations per number of a scan's state; start
 * columns, which are constants, and columns that nothing reads are not counted,
 * nor is anything element-wise.
 */

#include "config.h"

#include "work.h"

#include <string.h>

gsize
work_get_option (MblmConfig *config, guint stage, const char *name)
{
  GVariant *options = mblm_config_get_block_options (config, stage);
  gint64 value = 0;

  g_variant_lookup (options, name, "x", &value);
  return MAX (value, 0);
}

/* Of one layer's mixing over `sequences` sequences of `rows` rows each. */
static double
mix (MblmConfig *config, guint k, double sequences, double rows)
{
  double width = work_get_option (config, k, "attn_head_dims") *
      (double) work_get_option (config, k, "attn_num_heads");
  double state = work_get_option (config, k, "d_state");
  double inner = work_get_option (config, k, "expand") *
      (double) mblm_config_get_hidden_dim (config, k);
  gboolean both_ways = g_str_equal (
      mblm_config_get_block_type (config, k), "transformerEncoder");

  /* Row i sees the start token and the rows up to itself, or all. */
  if (width > 0)
    return sequences * 4 * width *
        (both_ways ? rows * (rows + 1) : rows * (rows + 3) / 2);
  return sequences * rows * 6 * inner * state;
}

/* Of stage k over `sequences` sequences of `rows` rows, with what leads into it,
 * and from `out` rows out of it. */
static double
stage_work (
    MblmModel *model, guint k, double sequences, double rows, double out)
{
  MblmConfig *config = mblm_model_get_config (model);
  guint last = mblm_config_get_n_stages (config) - 1;
  double dim = mblm_config_get_hidden_dim (config, k);
  double inner_dim = mblm_config_get_hidden_dim (config, last);
  double per_row = 2.0 * mblm_model_get_n_stage_parameters (model, k);
  double per_out = 2 * dim *
      (k < last ? (double) mblm_config_get_hidden_dim (config, k + 1) *
                  mblm_config_get_seq_len (config, k + 1)
                : mblm_config_get_vocabulary (config));

  if (k < last)
    per_row += 2 * dim * inner_dim * mblm_config_get_patch (config, k);
  return sequences * rows * per_row + out * per_out +
      mblm_config_get_n_layers (config, k) * mix (config, k, sequences, rows);
}

double
work_of_score (MblmModel *model, guint64 n)
{
  return work_of_training (model, n, 1.0) / 3.0;
}

double
work_of_training (MblmModel *model, guint64 n, double share)
{
  MblmConfig *config = mblm_model_get_config (model);
  guint last = mblm_config_get_n_stages (config) - 1;
  double work = 0;

  for (guint k = 0; k <= last; k++) {
    double tokens = (double) n / mblm_config_get_patch (config, k);
    double rows = k ? mblm_config_get_seq_len (config, k) : tokens;
    double sequences = k ? tokens / rows : 1;

    /* The last row of every sequence between is never used. */
    if (k && k < last)
      rows -= 1;
    work += k ? share * stage_work (model, k, sequences, rows, sequences * rows)
              : stage_work (model, k, 1, rows, share * rows);
  }
  return 3.0 * work;
}

double
work_of_prompt (MblmModel *model, guint64 n)
{
  MblmConfig *config = mblm_model_get_config (model);
  guint last = mblm_config_get_n_stages (config) - 1;
  guint64 left = n;
  double work = 0;

  /* Each stage takes the tokens before the one that is still open, which a
   * token just complete is; the next stage takes what is in that, and sees only
   * the last of them; the last row of all predicts. */
  for (guint k = 0; k <= last && left; k++) {
    guint64 patch = mblm_config_get_patch (config, k);
    guint64 rows = k < last ? (left - 1) / patch : left;

    work += stage_work (model, k, 1, rows, MIN (rows, 1));
    left -= rows * patch;
  }
  return work;
}
