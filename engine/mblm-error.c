/* mblm-error.c: the error domain of the engine.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "mblm-error.h"

G_DEFINE_QUARK (mblm - error - quark, mblm_error)
