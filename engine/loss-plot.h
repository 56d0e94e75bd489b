/* loss-plot.h: the losses of a run as a picture.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Draws loss.csv into an SVG file: the losses of batches as they are and
 * smoothed, and of validations, in bits per byte, over the batches. Errors:
 * UNSUPPORTED where the engine was built without cairo, INPUT where there is
 * nothing to draw, G_FILE_ERROR. */
gboolean mblm_loss_plot (
    const char *csv, const char *svg, const char *title, GError **error);

G_END_DECLS
