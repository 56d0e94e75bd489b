/* no-loss-plot.c: losses without a picture, where cairo is not there.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "loss-plot.h"

#include "mblm-error.h"

gboolean
mblm_loss_plot (
    const char *csv, const char *svg, const char *title, GError **error)
{
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED,
      "this engine was built without cairo");
  return FALSE;
}
