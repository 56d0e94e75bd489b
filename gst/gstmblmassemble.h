/* gstmblmassemble.h: encoded pictures out of buffers of any size.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A picture may come in one buffer, in many, or several in one. It ends where
 * its codec says so, or where a buffer begins with the signature of the next
 * one, or with the stream. Belongs to the sink's streaming thread.
 */

#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* Bytes of a picture at most. */
#define GST_MBLM_PICTURE_BYTES (64 * 1024 * 1024)

typedef enum {
  GST_MBLM_PIECE_NONE,     /* more bytes are needed */
  GST_MBLM_PIECE_PICTURE,  /* a whole picture: `bytes` */
  GST_MBLM_PIECE_BROKEN,   /* what was to be one: `problem` */
  GST_MBLM_PIECE_TRAILING, /* bytes after a picture that are none */
} GstMblmPieceKind;

typedef struct {
  GstMblmPieceKind kind;
  GBytes *bytes;              /* owned */
  const char *problem;        /* English */
  GstClockTime pts, duration; /* of the buffer that it began */
} GstMblmPiece;

typedef struct {
  GByteArray *data;
  gsize head;             /* bytes of it that are done with */
  GQueue starts;          /* where buffers began that have a time or begin
                                   with a signature */
  gsize header;           /* so far the header of a JPEG was walked, and ... */
  gboolean header_over;   /* ... whether that was all of it */
  gsize known_short;      /* so many bytes are no whole picture */
  gboolean marker;        /* what came since may end one */
  gboolean after_picture; /* `data` follows a picture */
  gsize skipping;         /* size of the buffers that are no picture */
} GstMblmAssembler;

void gst_mblm_assembler_init (GstMblmAssembler *self);
void gst_mblm_assembler_reset (GstMblmAssembler *self);
void gst_mblm_assembler_clear (GstMblmAssembler *self);
/* FALSE: the buffer can't be read. */
gboolean gst_mblm_assembler_push (GstMblmAssembler *self, GstBuffer *buffer);
/* The next piece; `last`: no more bytes will come. Repeat until NONE. */
GstMblmPiece gst_mblm_assembler_pull (GstMblmAssembler *self, gboolean last);

G_END_DECLS
