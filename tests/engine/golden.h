/* golden.h: the folders of outputs of the published implementation.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The project's own selection always; the whole set where it lies beside the
 * checkout.
 */

#pragma once

#include <json-glib/json-glib.h>
#include <mblm.h>

#include "npy.h"

/* One input of one folder. */
typedef struct {
  const char *folder; /* path */
  const char *name;   /* of the folder */
  MblmNpy ids;        /* [batch, length] */
  gsize batch, length;
  double loss, masked_loss; /* NaN where there is none */
} GoldenInput;

typedef void (*GoldenFunc) (MblmModel *model, const GoldenInput *input);

/* The devices to test: those of the variable MBLM_TEST_DEVICES, with commas between
 * them, or ref and cpu. */
char **golden_get_devices (void);
/* A model on `device` with `threads`; fails the test if it does not load. */
MblmModel *golden_load (const char *path, const char *device, guint threads);
/* Calls `func` for each input of each folder whose name `wanted` accepts. */
void golden_for_each (
    const char *device, gboolean (*wanted) (const char *name), GoldenFunc func);
/* Calls `func` with the path of each folder, and its expected.json. */
typedef void (*GoldenFolderFunc) (
    const char *folder, JsonObject *expected, gconstpointer data);
void golden_for_each_folder (gboolean (*wanted) (const char *name),
    GoldenFolderFunc func, gconstpointer data);
/* How many ids of an input are fed in steps: all, or as many as the variable
 * MBLM_TEST_STEPS says, for a device where each takes long. */
gsize golden_get_steps (const GoldenInput *input);
/* Loads PREFIX-LENGTH.npy of an input. */
void golden_load_floats (
    const GoldenInput *input, const char *prefix, MblmNpy *out);
/* FOLDER/PREFIX-LENGTHsuffix. */
char *golden_input_path (
    const GoldenInput *input, const char *prefix, const char *suffix);
/* Largest difference over the largest expected magnitude. */
double golden_distance (const float *x, const float *expected, gsize n);

gboolean golden_is_decoder (const char *name);
/* Decoders without a block that sees both ways. */
gboolean golden_is_causal (const char *name);
gboolean golden_is_encoder (const char *name);
