/* mblm-extension.h: what a module includes that brings block types or data sets.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For modules only, by pkg-config mblm-extension-1.0; applications include mblm.h,
 * which stays compatible. These headers may change with every release: a class
 * carries the number (MBLM_BLOCK_ABI, MBLM_DATASET_ABI) of those it was compiled
 * with, and a library of another number refuses it. docs/extending.md shows the
 * way from an empty folder to a trained model.
 */

#pragma once

#include "block.h"
#include "dataset.h"

G_BEGIN_DECLS

#ifdef __GNUC__
#define MBLM_MODULE_EXPORT __attribute__ ((visibility ("default"))) extern
#else
#define MBLM_MODULE_EXPORT extern
#endif

/* The one function of a module, which its author writes: it registers classes
 * (mblm_block_register, mblm_dataset_register), and does nothing else with the
 * library, which waits for it. Called once, from any thread. Classes are never
 * unregistered, and the module stays in memory. After FALSE with an error, what
 * was not registered is not known; GLib logs the error as a message. */
MBLM_MODULE_EXPORT gboolean mblm_module_init (GError **error);

G_END_DECLS
