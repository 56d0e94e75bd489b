/* gstmblm.c: the plugin.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>

#include "gstmblmask.h"
#include "gstmblmaskoverlay.h"
#include "gstmblmenums.h"
#include "gstmblmgenerate.h"
#include "gstmblmmeta.h"
#include "gstmblmscore.h"

/* Opens no model: a registry scan comes here, too. */
static gboolean
plugin_init (GstPlugin *plugin)
{
#ifdef ENABLE_NLS
  bindtextdomain (GETTEXT_PACKAGE, LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
#endif
  gst_mblm_enums_register ();
  gst_mblm_answer_meta_register ();
  return GST_ELEMENT_REGISTER (mblmgenerate, plugin) &&
      GST_ELEMENT_REGISTER (mblmscore, plugin) &&
      GST_ELEMENT_REGISTER (mblmask, plugin) &&
      GST_ELEMENT_REGISTER (mblmaskoverlay, plugin);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, mblm,
    "Multiscale Byte Language Models: continue, score and ask", plugin_init,
    VERSION, "LGPL", PACKAGE_NAME, "https://arxiv.org/abs/2502.14553")
