/* pth-make.c: checkpoints, good and hostile, made byte by byte.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "pth-make.h"

#include <string.h>

#include "zip.h"

struct _PthMaker {
  PthStyle style;
  GByteArray *out, *directory;
  guint count;
};

static void
put (GByteArray *out, guint64 value, guint n)
{
  guint64 bits = GUINT64_TO_LE (value);

  g_byte_array_append (out, (const guint8 *) &bits, n);
}

PthMaker *
pth_maker_new (PthStyle style)
{
  PthMaker *self = g_new0 (PthMaker, 1);

  self->style = style;
  self->out = g_byte_array_new ();
  self->directory = g_byte_array_new ();
  return self;
}

/* The 16 bytes that both headers share: flags, method, time, date, CRC, sizes. */
static void
put_common (GByteArray *out, guint flags, guint32 crc, guint64 size)
{
  put (out, flags, 2);
  put (out, 0, 2);
  put (out, 0, 4);
  put (out, crc, 4);
  put (out, size, 4);
  put (out, size, 4);
}

void
pth_maker_add (PthMaker *self, const char *name, const void *data, gsize n)
{
  gboolean later = (self->style & PTH_DESCRIPTORS) != 0;
  gboolean wide = (self->style & PTH_WIDE) != 0;
  guint flags = 0x800 | (later ? 8 : 0);
  guint32 crc = mblm_crc32 (0, data, n);
  guint64 start = self->out->len;
  guint64 shown = wide ? 0xffffffff : n;

  put (self->out, 0x04034b50, 4);
  put (self->out, wide ? 45 : 20, 2);
  put_common (self->out, flags, later ? 0 : crc, later ? 0 : shown);
  put (self->out, strlen (name), 2);
  put (self->out, wide ? 20 : 0, 2);
  g_byte_array_append (self->out, (const guint8 *) name, strlen (name));
  if (wide) {
    put (self->out, 1, 2);
    put (self->out, 16, 2);
    put (self->out, n, 8);
    put (self->out, n, 8);
  }
  g_byte_array_append (self->out, data, (guint) n);
  if (later) {
    put (self->out, 0x08074b50, 4);
    put (self->out, crc, 4);
    put (self->out, n, wide ? 8 : 4);
    put (self->out, n, wide ? 8 : 4);
  }

  put (self->directory, 0x02014b50, 4);
  put (self->directory, 0, 4);
  put_common (self->directory, flags, crc, shown);
  put (self->directory, strlen (name), 2);
  put (self->directory, wide ? 28 : 0, 2);
  put (self->directory, 0, 8);
  put (self->directory, 0, 2);
  put (self->directory, wide ? 0xffffffff : start, 4);
  g_byte_array_append (self->directory, (const guint8 *) name, strlen (name));
  if (wide) {
    put (self->directory, 1, 2);
    put (self->directory, 24, 2);
    put (self->directory, n, 8);
    put (self->directory, n, 8);
    put (self->directory, start, 8);
  }
  self->count++;
}

GByteArray *
pth_maker_finish (PthMaker *self)
{
  GByteArray *out = self->out;
  gboolean wide = (self->style & (PTH_ZIP64 | PTH_WIDE)) != 0;
  guint64 at = out->len, size = self->directory->len;

  g_byte_array_append (out, self->directory->data, self->directory->len);
  if (wide) {
    put (out, 0x06064b50, 4);
    put (out, 44, 8);
    put (out, 45 | 45 << 16, 4);
    put (out, 0, 8);
    put (out, self->count, 8);
    put (out, self->count, 8);
    put (out, size, 8);
    put (out, at, 8);
    put (out, 0x07064b50, 4);
    put (out, 0, 4);
    put (out, at + size, 8);
    put (out, 1, 4);
  }
  put (out, 0x06054b50, 4);
  put (out, 0, 4);
  put (out, (self->style & PTH_WIDE) != 0 ? 0xffff : self->count, 2);
  put (out, (self->style & PTH_WIDE) != 0 ? 0xffff : self->count, 2);
  put (out, (self->style & PTH_WIDE) != 0 ? 0xffffffff : size, 4);
  put (out, (self->style & PTH_WIDE) != 0 ? 0xffffffff : at, 4);
  put (out, 0, 2);
  g_byte_array_unref (self->directory);
  g_free (self);
  return out;
}

static gsize
find (const GByteArray *archive, const char *signature, guint i)
{
  for (gsize at = 0; at + 4 <= archive->len; at++)
    if (memcmp (archive->data + at, signature, 4) == 0 && i-- == 0)
      return at;
  g_assert_not_reached ();
}

gsize
pth_find_local (const GByteArray *archive, guint i)
{
  return find (archive, "PK\3\4", i);
}

gsize
pth_find_central (const GByteArray *archive, guint i)
{
  return find (archive, "PK\1\2", i);
}

void
pickle_bytes (GByteArray *out, const void *bytes, gsize n)
{
  g_byte_array_append (out, bytes, (guint) n);
}

void
pickle_string (GByteArray *out, const char *text)
{
  put (out, 'X', 1);
  put (out, strlen (text), 4);
  pickle_bytes (out, text, strlen (text));
}

void
pickle_integer (GByteArray *out, gint64 value)
{
  if (value >= 0 && value < 256) {
    put (out, 'K', 1);
    put (out, (guint64) value, 1);
  } else if (value >= 0 && value < 65536) {
    put (out, 'M', 1);
    put (out, (guint64) value, 2);
  } else if (value >= G_MININT32 && value <= G_MAXINT32) {
    put (out, 'J', 1);
    put (out, (guint64) value, 4);
  } else {
    put (out, 0x8a, 1);
    put (out, 8, 1);
    put (out, (guint64) value, 8);
  }
}

static void
pickle_sizes (GByteArray *out, const gint64 *sizes)
{
  put (out, '(', 1);
  for (; *sizes != -1; sizes++)
    pickle_integer (out, *sizes);
  put (out, 't', 1);
}

void
pickle_tensor (GByteArray *out, const char *type, const char *key, gint64 numel,
    gint64 offset, const gint64 *shape, const gint64 *strides)
{
  g_autofree char *global = g_strdup_printf ("ctorch\n%s\n", type);
  const char *rebuild = "ctorch._utils\n_rebuild_tensor_v2\n((";
  const char *hooks = "\x89"
                      "ccollections\nOrderedDict\n)RtR";

  pickle_bytes (out, rebuild, strlen (rebuild));
  pickle_string (out, "storage");
  pickle_bytes (out, global, strlen (global));
  pickle_string (out, key);
  pickle_string (out, "cpu");
  pickle_integer (out, numel);
  pickle_bytes (out, "tQ", 2);
  pickle_integer (out, offset);
  pickle_sizes (out, shape);
  pickle_sizes (out, strides);
  pickle_bytes (out, hooks, strlen (hooks));
}

GByteArray *
pickle_open (void)
{
  GByteArray *out = g_byte_array_new ();

  pickle_bytes (out, "\x80\x02}(", 4);
  pickle_string (out, "MODEL");
  pickle_bytes (out, "ccollections\nOrderedDict\n)R(", 28);
  return out;
}

void
pickle_close (GByteArray *out)
{
  /* the attributes that a state_dict has, then the loss */
  pickle_bytes (out, "u}", 2);
  pickle_string (out, "_metadata");
  pickle_bytes (out, "}sb", 3);
  pickle_string (out, "LOSS");
  pickle_bytes (out, "G?\xf4\0\0\0\0\0\0u.", 11);
}

GByteArray *
pth_with_pickle (GByteArray *pickle, PthStyle style)
{
  static const float numbers[] = {0, 1, 2, 3, 4, 5, 6, 7};
  static const guint16 halves[] = {0x3c00, 0x3f80, 0x4000, 0x4040};
  static const double doubles[] = {1, 2, 3, 4};
  PthMaker *maker = pth_maker_new (style);

  pth_maker_add (maker, "x/data.pkl", pickle->data, pickle->len);
  pth_maker_add (maker, "x/byteorder", "little", 6);
  pth_maker_add (maker, "x/data/0", numbers, sizeof numbers);
  pth_maker_add (maker, "x/data/1", halves, sizeof halves);
  pth_maker_add (maker, "x/data/2", doubles, sizeof doubles);
  pth_maker_add (maker, "x/version", "3\n", 2);
  g_byte_array_unref (pickle);
  return pth_maker_finish (maker);
}

GByteArray *
pth_good (PthStyle style)
{
  GByteArray *pickle = pickle_open ();

  pickle_string (pickle, "w");
  pickle_tensor (pickle, "FloatStorage", "0", 8, 1, (const gint64[]){2, 3, -1},
      (const gint64[]){3, 1, -1});
  pickle_string (pickle, "b");
  pickle_tensor (pickle, "BFloat16Storage", "1", 4, 0, (const gint64[]){4, -1},
      (const gint64[]){1, -1});
  pickle_string (pickle, "h");
  pickle_tensor (pickle, "HalfStorage", "1", 4, 2, (const gint64[]){-1},
      (const gint64[]){-1});
  pickle_close (pickle);
  return pth_with_pickle (pickle, style);
}
