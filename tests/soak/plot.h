/* plot.h: the picture of a soak.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "report.h"

G_BEGIN_DECLS

/* Whether this was built with cairo, which draws. */
gboolean soak_plot_is_there (void);
/* Three panels over time: memory, times, counts. */
gboolean soak_plot (const SoakResult *result, const char *path, GError **error);

G_END_DECLS
