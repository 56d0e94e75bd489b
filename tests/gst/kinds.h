/* kinds.h: an element of each kind, and input that it takes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gst/gst.h>

#define OCTETS "application/octet-stream"
#define TEXT "text/x-raw, format=(string)utf8"
#define RGB "video/x-raw,format=RGB,width=16,height=12,framerate=10/1"

typedef struct {
  const char *factory, *caps;
} Kind;

static const Kind kinds[] = {
    {"mblmgenerate", TEXT}, {"mblmscore", OCTETS}, {"mblmask", RGB}};

#define FOR_EACH(kind)                                                         \
  for (const Kind *kind = kinds; kind < kinds + G_N_ELEMENTS (kinds); kind++)
