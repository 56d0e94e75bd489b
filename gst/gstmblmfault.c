/* gstmblmfault.c: what went wrong, in the words of GStreamer.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>

#include "gstmblmfault.h"

#include <mblm.h>

GstMblmFault *
gst_mblm_fault_new (GQuark domain, gint code, char *text, const char *debug)
{
  GstMblmFault *self = g_new0 (GstMblmFault, 1);

  self->domain = domain;
  self->code = code;
  /* A message takes nothing but UTF-8, and names of files and devices may be
   * anything. */
  self->text = g_utf8_make_valid (text, -1);
  self->debug = debug ? g_utf8_make_valid (debug, -1) : NULL;
  g_free (text);
  return self;
}

void
gst_mblm_fault_free (GstMblmFault *self)
{
  g_free (self->text);
  g_free (self->debug);
  g_free (self);
}

/* A failure of the engine that has no case of its own. */
static GstMblmFault *
other_fault (const GError *error, const char *model)
{
  if (error->domain == G_FILE_ERROR || error->domain == G_IO_ERROR)
    return gst_mblm_fault_new (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
        g_strdup_printf (_ ("The files of the model “%s” can't be read. Check "
                            "that they are there and may be read."),
            model),
        error->message);
  return gst_mblm_fault_new (GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED,
      g_strdup (_ ("The model's engine failed. Set the property “device” to "
                   "“ref”, and report what is said below.")),
      error->message);
}

GstMblmFault *
gst_mblm_fault_from_error (const GError *error, const char *model)
{
  GQuark domain = GST_RESOURCE_ERROR;
  gint code;
  char *text;

  if (!model)
    model = "?";
  if (error->domain != MBLM_ERROR)
    return other_fault (error, model);

  switch (error->code) {
    case MBLM_ERROR_NOT_FOUND:
      code = GST_RESOURCE_ERROR_NOT_FOUND;
      text = g_strdup_printf (
          _ ("There is no model “%s”. Set the property “model” to a model "
             "folder, or to the name of one in a folder that MBLM_MODEL_PATH "
             "lists."),
          model);
      break;
    case MBLM_ERROR_CONFIG:
      code = GST_RESOURCE_ERROR_SETTINGS;
      text = g_strdup_printf (
          _ ("The configuration of the model “%s” is not valid. Correct its "
             "config.yaml or mblm.json, or set the property “model” to another "
             "model."),
          model);
      break;
    case MBLM_ERROR_WEIGHTS:
      code = GST_RESOURCE_ERROR_READ;
      text = g_strdup_printf (
          _ ("The weights of the model “%s” are damaged or belong to another "
             "configuration. Copy the model folder anew, or set the property "
             "“model” to another model."),
          model);
      break;
    case MBLM_ERROR_INPUT:
      domain = GST_STREAM_ERROR;
      code = GST_STREAM_ERROR_FORMAT;
      text = g_strdup_printf (
          _ ("The model “%s” can't take this input. Convert it before the "
             "element, or set the property “model” to one that takes it."),
          model);
      break;
    case MBLM_ERROR_CONTEXT:
      domain = GST_STREAM_ERROR;
      code = GST_STREAM_ERROR_FAILED;
      text = g_strdup_printf (
          _ ("The context of the model “%s” is full. Set “context-full” to "
             "“restart”, or “context-policy” to “reset”."),
          model);
      break;
    case MBLM_ERROR_MEMORY:
      code = GST_RESOURCE_ERROR_NO_SPACE_LEFT;
      text = g_strdup_printf (
          _ ("There is not enough memory for the model "
             "“%s”. Use a smaller model, or set "
             "“context-policy” to “reset” where it is there."),
          model);
      break;
    case MBLM_ERROR_DEVICE:
      code = GST_RESOURCE_ERROR_FAILED;
      text = g_strdup (
          _ ("The device failed or can't be used. Set the property “device” to "
             "“cpu”, or to “ref” where it is that."));
      break;
    case MBLM_ERROR_UNSUPPORTED:
      code = GST_RESOURCE_ERROR_SETTINGS;
      text = g_strdup_printf (
          _ ("The model “%s” can't do this. Set the property “model” to one "
             "that can."),
          model);
      break;
    default:
      return other_fault (error, model);
  }
  return gst_mblm_fault_new (domain, code, text, error->message);
}

void
gst_mblm_fault_post (
    const GstMblmFault *self, GstElement *element, GstMessageType type)
{
  gst_element_message_full (element, type, self->domain, self->code,
      g_strdup (self->text), g_strdup (self->debug), __FILE__, G_STRFUNC,
      __LINE__);
}
