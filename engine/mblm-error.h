/* mblm-error.h: the error domain of the engine.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define MBLM_ERROR (mblm_error_quark ())
GQuark mblm_error_quark (void);

/**
 * MblmError:
 * @MBLM_ERROR_NOT_FOUND: no such model, file or device
 * @MBLM_ERROR_CONFIG: config.yaml or mblm.json is not valid
 * @MBLM_ERROR_WEIGHTS: the tensors are not those that the configuration asks for
 * @MBLM_ERROR_INPUT: ids, bytes, pictures or arguments that the model can't take
 * @MBLM_ERROR_CONTEXT: the model's context is full
 * @MBLM_ERROR_MEMORY: not enough memory, or a memory bound reached
 * @MBLM_ERROR_DEVICE: the device failed or can't be had
 * @MBLM_ERROR_UNSUPPORTED: this model can't do this
 * @MBLM_ERROR_STATE: a session that failed or was cancelled, and was not reset since
 */
typedef enum {
  MBLM_ERROR_NOT_FOUND,
  MBLM_ERROR_CONFIG,
  MBLM_ERROR_WEIGHTS,
  MBLM_ERROR_INPUT,
  MBLM_ERROR_CONTEXT,
  MBLM_ERROR_MEMORY,
  MBLM_ERROR_DEVICE,
  MBLM_ERROR_UNSUPPORTED,
  MBLM_ERROR_STATE,
} MblmError;

G_END_DECLS
