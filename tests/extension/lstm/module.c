/* module.c: what this module brings.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "lines.h"
#include "lstm.h"

gboolean
mblm_module_init (GError **error)
{
  return mblm_block_register (&lstm_class, error) &&
      mblm_dataset_register (&lines_class, error);
}
