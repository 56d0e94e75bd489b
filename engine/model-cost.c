/* model-cost.c: what a model costs: bytes of weights and states.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "model-private.h"

guint64
mblm_model_get_weight_bytes (MblmModel *self)
{
  return mblm_parameters_get_bytes (self->parameters,
      self->precision == MBLM_PRECISION_BF16 ? MBLM_TYPE_BF16 : MBLM_TYPE_F32);
}

/* The weights and states that one step of stage k touches. */
static double
step_bytes (MblmModel *self, guint k, guint64 rows)
{
  const MblmStage *stage = &self->stage[k];
  gsize size = self->precision == MBLM_PRECISION_BF16 ? 2 : 4;
  double weights = self->n_stage_parameters[k] +
      (double) stage->embed.rows * stage->embed.cols +
      (double) stage->project.rows * stage->project.cols +
      (double) stage->patch * self->stage[self->last].dim;

  if (k == self->last)
    weights += (double) self->to_logits.rows * self->to_logits.cols;
  return weights * size + mblm_block_get_state_bytes (stage->block, rows);
}

double
mblm_model_get_stage_step_bytes (MblmModel *self, guint k, guint64 context)
{
  g_return_val_if_fail (k < self->n_stages, 0);
  const MblmStage *stage = &self->stage[k];
  /* The last token of an inner sequence is never worked on, except in the
   * innermost stage. */
  double share = k > 0 && k < self->last
      ? (stage->seq_len - 1.0) / stage->seq_len
      : 1.0;
  guint64 rows = k == 0 ? context / stage->patch + 1 : stage->seq_len / 2 + 1;

  return step_bytes (self, k, rows) * share / stage->patch;
}

double
mblm_model_get_step_bytes (MblmModel *self, guint64 context)
{
  double bytes = 0;

  for (guint k = 0; k < self->n_stages; k++)
    bytes += mblm_model_get_stage_step_bytes (self, k, context);
  return bytes;
}

guint64
mblm_model_get_session_bytes (MblmModel *self, guint64 context)
{
  guint64 bytes = 0;

  for (guint k = 0; k < self->n_stages; k++) {
    const MblmStage *stage = &self->stage[k];
    guint64 rows = k == 0 ? context / stage->patch + 1 : stage->seq_len + 1;
    bytes += mblm_block_get_state_bytes (stage->block, rows);
    if (k < self->last)
      bytes += mblm_stage_projection_width (self, k) * sizeof (float);
  }
  return bytes;
}
