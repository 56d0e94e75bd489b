/* no-plot.c: no picture, where there is no cairo.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "plot.h"

#include <gio/gio.h>

gboolean
soak_plot_is_there (void)
{
  return FALSE;
}

gboolean
soak_plot (const SoakResult *result, const char *path, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
      "this was built without cairo");
  return FALSE;
}
