/* mblm-device.h: where the arithmetic runs.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

#define MBLM_TYPE_DEVICE (mblm_device_get_type ())
G_DECLARE_FINAL_TYPE (MblmDevice, mblm_device, MBLM, DEVICE, GObject)

/* `name` is "cpu", "ref", "cuda:N" or "auto" (the best there is; NULL too).
 * `threads` 0 is the device's own choice. A device is shared: the same name and
 * number of threads give the same object while somebody holds it. Errors:
 * MBLM_ERROR_INPUT for a name that is none, MBLM_ERROR_DEVICE for a device that
 * can't be had, with the reason. */
MblmDevice *mblm_device_open (const char *name, guint threads, GError **error);

const char *mblm_device_get_name (MblmDevice *self);
/* For people: "cpu (AVX-512, 2 threads)". */
const char *mblm_device_get_description (MblmDevice *self);
guint mblm_device_get_threads (MblmDevice *self);

G_END_DECLS
