/* mblm-error.c: the error domain of the engine.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "mblm-error.h"

/* Not by G_DEFINE_QUARK: the formatter would put blanks into the name. */
GQuark
mblm_error_quark (void)
{
  return g_quark_from_static_string ("mblm-error-quark");
}
