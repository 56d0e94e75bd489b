/* gstmblmfault.h: what went wrong, in the words of GStreamer.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A fault is what GST_ELEMENT_ERROR posts: a domain and a code, a translated
 * sentence that says what is wrong and the way out, and what the engine said.
 */

#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct {
  GQuark domain;
  gint code;
  char *text;  /* translated */
  char *debug; /* English */
} GstMblmFault;

/* Takes `text`; `debug` may be NULL. */
GstMblmFault *gst_mblm_fault_new (
    GQuark domain, gint code, char *text, const char *debug);
/* An error of the engine; `model` names the model for the user, or is NULL. */
GstMblmFault *gst_mblm_fault_from_error (
    const GError *error, const char *model);
void gst_mblm_fault_free (GstMblmFault *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstMblmFault, gst_mblm_fault_free)

/* Posts a GST_MESSAGE_ERROR or GST_MESSAGE_WARNING. No lock may be held: a bus
 * handler may read properties. */
void gst_mblm_fault_post (
    const GstMblmFault *self, GstElement *element, GstMessageType type);

G_END_DECLS
