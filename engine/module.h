/* module.h: modules that bring more blocks and data sets.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A module is a shared object with one function, MBLM_MODULE_INIT, that registers
 * what it brings (mblm_block_register, mblm_dataset_register). It may do nothing
 * else with the library: to look up a type that isn't known yet (or load a model
 * that has one) would wait for the modules to be open, and so for itself.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define MBLM_MODULE_INIT "mblm_module_init"

typedef gboolean (*MblmModuleInit) (GError **error);

/* Opens the modules that the environment lists, the first time only. One that
 * can't be used is a message of GLib's and no reason to stop: what it would have
 * brought is then not known. No lock held. */
void mblm_modules_open (void);

G_END_DECLS
