/* crc32.c: the CRC-32 of ZIP, eight bytes at a time.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "zip.h"

#define POLYNOMIAL 0xedb88320u

/* table[k][b]: the CRC of byte b with k zero bytes behind it. */
static guint32 table[8][256];

static void
fill_table (void)
{
  for (guint32 b = 0; b < 256; b++) {
    guint32 crc = b;

    for (guint i = 0; i < 8; i++)
      crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
    table[0][b] = crc;
  }
  for (guint k = 1; k < 8; k++)
    for (guint b = 0; b < 256; b++)
      table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 0xff];
}

guint32
mblm_crc32 (guint32 crc, const guint8 *data, gsize n)
{
  static gsize ready = 0;

  if (g_once_init_enter (&ready)) {
    fill_table ();
    g_once_init_leave (&ready, 1);
  }
  crc = ~crc;
  for (; n >= 8; n -= 8, data += 8)
    crc = table[7][(crc ^ data[0]) & 0xff] ^
        table[6][(crc >> 8 ^ data[1]) & 0xff] ^
        table[5][(crc >> 16 ^ data[2]) & 0xff] ^ table[4][crc >> 24 ^ data[3]] ^
        table[3][data[4]] ^ table[2][data[5]] ^ table[1][data[6]] ^
        table[0][data[7]];
  for (; n > 0; n--, data++)
    crc = crc >> 8 ^ table[0][(crc ^ *data) & 0xff];
  return ~crc;
}
