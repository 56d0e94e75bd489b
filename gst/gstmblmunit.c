/* gstmblmunit.c: the account of one scored unit.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <string.h>

#include "gstmblmunit.h"

void
gst_mblm_unit_reset (GstMblmUnit *self)
{
  memset (self, 0, sizeof *self);
  self->pts = self->end = GST_CLOCK_TIME_NONE;
  self->running_time = self->stream_time = GST_CLOCK_TIME_NONE;
}

static double
bits_per_byte (const GstMblmRange *range)
{
  return range->bytes > 0 ? range->bits / range->bytes : 0.0;
}

/* Puts the range that was filled among the surprises, if it belongs there. */
static void
end_range (GstMblmUnit *self)
{
  GstMblmRange range = self->range;

  if (range.bytes == 0)
    return;
  for (guint i = 0; i < GST_MBLM_N_SURPRISES; i++) {
    if (bits_per_byte (&range) > bits_per_byte (&self->surprises[i])) {
      GstMblmRange other = self->surprises[i];

      self->surprises[i] = range;
      range = other;
    }
  }
  self->range = (GstMblmRange){
      .offset = self->range.offset + self->range.bytes};
}

void
gst_mblm_unit_touch (GstMblmUnit *self, const GstMblmItem *item, guint64 offset)
{
  if (!self->begun) {
    self->begun = TRUE;
    self->total.offset = self->range.offset = offset;
    self->pts = item->pts;
    self->running_time = item->running_time;
    self->stream_time = item->stream_time;
  } else if (offset != self->range.offset + self->range.bytes) {
    /* Bytes between were left out: no range goes over them. */
    end_range (self);
    self->range.offset = offset;
  }
  if (GST_CLOCK_TIME_IS_VALID (item->pts)) {
    self->end = item->pts;
    if (GST_CLOCK_TIME_IS_VALID (item->duration))
      self->end += item->duration;
  }
}

void
gst_mblm_unit_add (GstMblmUnit *self, const float *bits, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    self->total.bits += bits[i];
    self->range.bits += bits[i];
    self->range.bytes++;
    if (self->range.bytes == GST_MBLM_RANGE_BYTES)
      end_range (self);
  }
  self->total.bytes += n;
}

double
gst_mblm_unit_bits_per_byte (const GstMblmUnit *self)
{
  return bits_per_byte (&self->total);
}

/* Names of fields as quarks: a score for each small buffer is made many times a
 * second, and looking a name up takes longer than setting its field. */
enum {
  PATH,
  TIMESTAMP,
  STREAM_TIME,
  RUNNING_TIME,
  DURATION,
  OFFSET,
  BYTES,
  BITS,
  BITS_PER_BYTE,
  SURPRISES,
  RANGE,
  N_NAMES,
};

static const GQuark *
get_names (void)
{
  static const char *const names[N_NAMES] = {"path", "timestamp", "stream-time",
      "running-time", "duration", "offset", "bytes", "bits", "bits-per-byte",
      "surprises", "range"};
  static GQuark quarks[N_NAMES];
  static gsize once = 0;

  if (g_once_init_enter (&once)) {
    for (guint i = 0; i < N_NAMES; i++)
      quarks[i] = g_quark_from_static_string (names[i]);
    g_once_init_leave (&once, 1);
  }
  return quarks;
}

static void
add_surprises (GstMblmUnit *self, GstStructure *structure)
{
  const GQuark *q = get_names ();
  GValue list = G_VALUE_INIT;

  end_range (self);
  g_value_init (&list, GST_TYPE_ARRAY);
  for (guint i = 0; i < GST_MBLM_N_SURPRISES; i++) {
    const GstMblmRange *range = &self->surprises[i];
    GValue value = G_VALUE_INIT;

    if (range->bytes == 0)
      break;
    g_value_init (&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed (&value,
        gst_structure_new_id (q[RANGE], q[OFFSET], G_TYPE_UINT64, range->offset,
            q[BYTES], G_TYPE_UINT64, range->bytes, q[BITS_PER_BYTE],
            G_TYPE_DOUBLE, bits_per_byte (range), NULL));
    gst_value_array_append_and_take_value (&list, &value);
  }
  gst_structure_id_take_value (structure, q[SURPRISES], &list);
}

GstStructure *
gst_mblm_unit_to_structure (
    GstMblmUnit *self, const char *name, const char *path)
{
  const GQuark *q = get_names ();
  GstClockTime duration = GST_CLOCK_TIME_NONE;
  GstStructure *structure = gst_structure_new_id_empty (
      g_quark_from_string (name));

  if (GST_CLOCK_TIME_IS_VALID (self->pts) &&
      GST_CLOCK_TIME_IS_VALID (self->end) && self->end >= self->pts)
    duration = self->end - self->pts;
  if (path)
    gst_structure_id_set (structure, q[PATH], G_TYPE_STRING, path, NULL);
  gst_structure_id_set (structure, q[TIMESTAMP], G_TYPE_UINT64, self->pts,
      q[STREAM_TIME], G_TYPE_UINT64, self->stream_time, q[RUNNING_TIME],
      G_TYPE_UINT64, self->running_time, q[DURATION], G_TYPE_UINT64, duration,
      q[OFFSET], G_TYPE_UINT64, self->total.offset, q[BYTES], G_TYPE_UINT64,
      self->total.bytes, q[BITS], G_TYPE_DOUBLE, self->total.bits,
      q[BITS_PER_BYTE], G_TYPE_DOUBLE, bits_per_byte (&self->total), NULL);
  add_surprises (self, structure);
  return structure;
}
