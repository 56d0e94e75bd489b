/* mblm-utf8.c: whole characters out of a stream of bytes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of well-formed sequences (Unicode, table 3-7) has only one rule
 * beyond "a lead byte and its continuation bytes": the byte after E0, ED, F0
 * and F4 has a narrower range. A byte that can't continue the character before
 * it turns what there is of that character into one U+FFFD, and is then looked
 * at anew.
 */

#include "config.h"

#include <string.h>

#include "mblm-utf8.h"

#define REPLACEMENT "\357\277\275"

/* Bytes of the character that starts with `lead`; 0: none does. */
static guint
sequence_length (guint8 lead)
{
  if (lead == 0)
    return 0;
  if (lead < 0x80)
    return 1;
  if (lead < 0xc2 || lead > 0xf4)
    return 0;
  return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Whether `byte` may follow the n bytes of `begin`. */
static gboolean
continues (const guint8 *begin, guint n, guint8 byte)
{
  guint8 lowest = 0x80, highest = 0xbf;

  if (n == 1)
    switch (begin[0]) {
      case 0xe0: /* shorter forms exist below */
        lowest = 0xa0;
        break;
      case 0xed: /* surrogates */
        highest = 0x9f;
        break;
      case 0xf0:
        lowest = 0x90;
        break;
      case 0xf4: /* beyond U+10FFFF */
        highest = 0x8f;
        break;
    }
  return byte >= lowest && byte <= highest;
}

static void
push_byte (MblmUtf8 *self, guint8 byte, GString *out)
{
  if (self->n_tail > 0) {
    if (continues (self->tail, self->n_tail, byte)) {
      self->tail[self->n_tail++] = byte;
      if (self->n_tail == sequence_length (self->tail[0])) {
        g_string_append_len (
            out, (const char *) self->tail, (gssize) self->n_tail);
        self->n_tail = 0;
      }
      return;
    }
    mblm_utf8_finish (self, out);
  }
  switch (sequence_length (byte)) {
    case 0:
      g_string_append (out, REPLACEMENT);
      break;
    case 1:
      g_string_append_c (out, (char) byte);
      break;
    default:
      self->tail[self->n_tail++] = byte;
      break;
  }
}

/**
 * mblm_utf8_push:
 * @bytes: (array length=n): bytes
 * @n: how many
 * @out: where whole characters go
 *
 * Takes bytes of a stream.
 */
void
mblm_utf8_push (MblmUtf8 *self, const guint8 *bytes, gsize n, GString *out)
{
  for (gsize i = 0; i < n; i++)
    push_byte (self, bytes[i], out);
}

void
mblm_utf8_finish (MblmUtf8 *self, GString *out)
{
  if (self->n_tail > 0)
    g_string_append (out, REPLACEMENT);
  self->n_tail = 0;
}
