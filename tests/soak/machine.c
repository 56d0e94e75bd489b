/* machine.c: what a soak ran on.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "machine.h"

#include <gst/gst.h>
#include <string.h>
#include <sys/utsname.h>

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

/* What stands behind "KEY :" in a file of lines; NULL if nothing does. */
static char *
find_line (const char *path, const char *key)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    char *colon = strchr (lines[i], ':');

    if (colon && g_str_has_prefix (lines[i], key))
      return g_strstrip (g_strdup (colon + 1));
  }
  return NULL;
}

/* Takes the text; NULL is not known. */
static void
add (SoakWriter *writer, const char *name, char *text)
{
  soak_writer_add_text (writer, name, text);
  g_free (text);
}

static char *
get_plugin_version (const char *name)
{
  GstPlugin *plugin = gst_registry_find_plugin (gst_registry_get (), name);
  char *version;

  if (!plugin)
    return NULL;
  version = g_strdup (gst_plugin_get_version (plugin));
  gst_object_unref (plugin);
  return version;
}

static char *
get_gst_version (void)
{
  guint major, minor, micro, nano;

  gst_version (&major, &minor, &micro, &nano);
  return g_strdup_printf ("%u.%u.%u", major, minor, micro);
}

void
soak_machine_describe (SoakWriter *writer)
{
  struct utsname names;

  soak_writer_open (writer, "machine", '{');
  add (writer, "processor", find_line ("/proc/cpuinfo", "model name"));
  soak_writer_add_number (writer, "cores", g_get_num_processors ());
  add (writer, "memory", find_line ("/proc/meminfo", "MemTotal"));
  add (writer, "system", g_get_os_info (G_OS_INFO_KEY_PRETTY_NAME));
  add (writer, "kernel",
      uname (&names) == 0
          ? g_strdup_printf ("%s %s", names.sysname, names.release)
          : NULL);
#ifdef __GLIBC__
  add (writer, "glibc", g_strdup (gnu_get_libc_version ()));
#endif
  add (writer, "glib",
      g_strdup_printf ("%u.%u.%u", glib_major_version, glib_minor_version,
          glib_micro_version));
  add (writer, "gstreamer", get_gst_version ());
  add (writer, "textoverlay", get_plugin_version ("pango"));
  add (writer, "compiler", g_strdup (__VERSION__));
  add (writer, "gst_mblm", g_strdup (PACKAGE_VERSION));
  soak_writer_close (writer, '}');
}
