/* test-work.c: the operations that a model can't avoid.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "model-private.h"
#include "work.h"

static const char yaml[] =
    "num_tokens: 257\npad_token_id: 256\nhidden_dims: [64, 32]\n"
    "num_layers: [2, 1]\nseq_lens: [16, 8]\nblock: { attn_head_dims: 16, "
    "attn_num_heads: 2, attn_use_rot_embs: true, pos_emb_type: fixed }\n";

static MblmModel *
make_model (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmConfig)
      config = mblm_config_parse (yaml, strlen (yaml), "work", &error);
  MblmModel *model = config ? mblm_model_new_bare (config, NULL, &error) : NULL;

  g_assert_no_error (error);
  return model;
}

/* What doesn't count costs the outer stage alone. */
static void
test_share (void)
{
  g_autoptr (MblmModel) model = make_model ();
  double all = work_of_training (model, 128, 1.0);
  double half = work_of_training (model, 128, 0.5);
  double none = work_of_training (model, 128, 0.0);
  double outer = 6.0 * 16 * mblm_model_get_n_stage_parameters (model, 0);
  double inner = 6.0 * 128 * mblm_model_get_n_stage_parameters (model, 1);

  g_assert_cmpfloat_with_epsilon (all, 3.0 * work_of_score (model, 128), 1.0);
  g_assert_cmpfloat_with_epsilon (half, (all + none) / 2.0, 1.0);
  g_assert_cmpfloat (none, >, outer);
  g_assert_cmpfloat (all - none, >, inner);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/operations/share", test_share);
  return g_test_run ();
}
