/* values.h: properties get values of chance.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "dice.h"

#include <gst/gst.h>

/* Writes one property of `element`, which `factory` has made. `steady`: none of
 * those that make frames go without an answer. */
void values_write (
    GstElement *element, const char *factory, gboolean steady, Dice *dice);
/* Reads them all. */
void values_read (GstElement *element);
/* What a stream needs to get an answer for everything, with little work. */
void values_make_sane (GstElement *element, const char *factory);
