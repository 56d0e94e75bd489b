/* lines.h: the data set `lines`.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <mblm-extension.h>

extern const MblmDatasetClass lines_class;
