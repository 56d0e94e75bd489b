/* module.c: modules that bring more blocks and data sets.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * MBLM_MODULES lists files, separated as in PATH. They are opened when a model
 * asks for a block type, or a training file for a data set, that is not built in,
 * so that nobody else pays for them, and stay in memory, because classes are never
 * unregistered. Code is taken from nowhere else: a model folder is data, whatever
 * it says.
 */

#include "config.h"

#include "module.h"

#include <gmodule.h>

#include "mblm-error.h"

static gboolean
open_module (const char *path, GError **error)
{
  MblmModuleInit init = NULL;
  GModule *module = g_module_open (
      path, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);

  if (module == NULL) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
        "module %s can't be opened: %s; correct MBLM_MODULES", path,
        g_module_error ());
    return FALSE;
  }
  if (!g_module_symbol (module, MBLM_MODULE_INIT, (gpointer *) &init)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "module %s has no function " MBLM_MODULE_INIT
        ", so it is none of this library; correct MBLM_MODULES",
        path);
    g_module_close (module);
    return FALSE;
  }
  g_module_make_resident (module);
  return init (error);
}

void
mblm_modules_open (void)
{
  static gsize once = 0;

  if (!g_once_init_enter (&once))
    return;
  const char *list = g_getenv ("MBLM_MODULES");
  g_auto (GStrv) paths = g_strsplit (
      list != NULL ? list : "", G_SEARCHPATH_SEPARATOR_S, -1);

  for (char **path = paths; *path != NULL; path++) {
    g_autoptr (GError) error = NULL;
    if (**path != '\0' && !open_module (*path, &error))
      g_message ("%s",
          error != NULL ? error->message : "a module has failed; no reason");
  }
  g_once_init_leave (&once, 1);
}
