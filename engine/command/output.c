/* output.c: what goes to stdout, and progress on stderr.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------------- */
/* Bytes                                                                     */
/* ------------------------------------------------------------------------- */

static gboolean
fail_write (int code, GError **error)
{
  /* Translators: %s is the reason, like "No space left on device" */
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code),
      _ ("standard output: %s; what was written is not whole"),
      g_strerror (code));
  return FALSE;
}

gboolean
output_write (const void *data, gsize size, GError **error)
{
  const guint8 *bytes = data;

  while (size) {
    gssize n = write (STDOUT_FILENO, bytes, size);
    int code = errno;

    if (n >= 0) {
      bytes += n;
      size -= n;
    } else if (code == EAGAIN) {
      struct pollfd fd = {.fd = STDOUT_FILENO, .events = POLLOUT};

      poll (&fd, 1, -1);
    } else if (code != EINTR)
      return fail_write (code, error);
  }
  return TRUE;
}

gboolean
output_print (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  progress_clear ();
  return output_write (text, strlen (text), error);
}

gboolean
output_close (GError **error)
{
  /* Who closed stdout on purpose and got nothing written has no error. */
  if (close (STDOUT_FILENO) < 0 && errno != EBADF)
    return fail_write (errno, error);
  /* The number must not go to the next file that is opened. */
  open ("/dev/null", O_WRONLY | O_CLOEXEC);
  return TRUE;
}

static char *
escape (const char *text, const char *kept)
{
  GString *out = g_string_new (NULL);

  for (const char *s = text; *s; s++) {
    guchar c = *s;

    if (strchr (kept, c))
      g_string_append_c (out, c);
    else if (c == '\t')
      g_string_append (out, "\\t");
    else if (c == '\n')
      g_string_append (out, "\\n");
    else if (c == '\r')
      g_string_append (out, "\\r");
    else if (c == '\\')
      g_string_append (out, "\\\\");
    else if (c < 0x20 || c == 0x7f)
      g_string_append_printf (out, "\\x%02X", c);
    else
      g_string_append_c (out, c);
  }
  return g_string_free (out, FALSE);
}

char *
output_escape (const char *text)
{
  return escape (text, "");
}

char *
output_escape_lines (const char *text)
{
  return escape (text, "\n\\");
}

/* ------------------------------------------------------------------------- */
/* JSON                                                                      */
/* ------------------------------------------------------------------------- */

gboolean
output_json (JsonBuilder *builder, GError **error)
{
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  gsize length;

  json_generator_set_root (generator, root);
  g_autofree char *text = json_generator_to_data (generator, &length);
  g_autofree char *line = g_strconcat (text, "\n", NULL);

  progress_clear ();
  return output_write (line, length + 1, error);
}

void
json_add_string (JsonBuilder *builder, const char *name, const char *text)
{
  json_builder_set_member_name (builder, name);
  if (text) {
    g_autofree char *valid = g_utf8_make_valid (text, -1);

    json_builder_add_string_value (builder, valid);
  } else
    json_builder_add_null_value (builder);
}

void
json_add_count (JsonBuilder *builder, const char *name, guint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, MIN (value, G_MAXINT64));
}

void
json_add_real (JsonBuilder *builder, const char *name, double value)
{
  json_builder_set_member_name (builder, name);
  if (isfinite (value))
    json_builder_add_double_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

void
json_add_bool (JsonBuilder *builder, const char *name, gboolean value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, value);
}

void
json_add_bytes (JsonBuilder *builder, const void *data, gsize size)
{
  if (g_utf8_validate_len (data ? data : "", size, NULL)) {
    g_autofree char *text = g_strndup (data ? data : "", size);

    json_add_string (builder, "text", text);
  } else {
    g_autofree char *base64 = g_base64_encode (data, size);

    json_add_string (builder, "base64", base64);
  }
}

/* ------------------------------------------------------------------------- */
/* Progress                                                                  */
/* ------------------------------------------------------------------------- */

static gboolean progress_visible;
static gint64 progress_last;

gboolean
progress_due (void)
{
  gint64 now = g_get_monotonic_time ();

  if (!isatty (STDERR_FILENO) || now - progress_last < G_USEC_PER_SEC / 10)
    return FALSE;
  progress_last = now;
  return TRUE;
}

void
progress_show (const char *format, ...)
{
  va_list args;

  if (!isatty (STDERR_FILENO))
    return;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_strdelimit (text, "\a\b\t\n\v\f\r\033", '?');
  fprintf (stderr, "\r\033[K%s", text);
  fflush (stderr);
  progress_visible = TRUE;
}

void
progress_clear (void)
{
  if (!progress_visible)
    return;
  fputs ("\r\033[K", stderr);
  fflush (stderr);
  progress_visible = FALSE;
}
