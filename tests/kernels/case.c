/* case.c: the memory of one call of one operation.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Everything that is no input is filled with a NaN of a certain payload, the
 * poison: outputs, guard zones, the space between rows. Whoever computes with it
 * gets NaNs, and an output that still holds it was not written.
 */

#include "case.h"

#include <math.h>
#include <string.h>

#define POISON 0x7fc0dead
#define GUARD 256 /* bytes before, between and after buffers */

Case *
case_new (Check *check, Fill fill, const char *format, ...)
{
  Case *c = g_new0 (Case, 1);
  va_list args;

  va_start (args, format);
  c->title = g_strdup_vprintf (format, args);
  va_end (args);
  c->check = check;
  c->fill = fill;
  c->is_aligned = check_coin (check);
  c->image = g_byte_array_new ();
  c->extents = g_array_new (FALSE, FALSE, sizeof (Extent));
  c->inputs = g_array_new (FALSE, FALSE, sizeof (Input));
  c->outputs = g_array_new (FALSE, FALSE, sizeof (Output));
  check->cases++;
  return c;
}

void
case_free (Case *c)
{
  g_free (c->title);
  g_byte_array_unref (c->image);
  g_array_unref (c->extents);
  g_array_unref (c->inputs);
  g_array_unref (c->outputs);
  g_free (c);
}

void
case_ask (Case *c,
    bool (*takes) (const Target *target, char *memory, const void *data))
{
  c->takes = takes;
}

void
case_align (Case *c)
{
  c->is_aligned = true;
}

size_t
case_size (const Case *c)
{
  return c->image->len;
}

char *
case_image (const Case *c)
{
  return (char *) c->image->data;
}

const char *
case_title (const Case *c)
{
  return c->title;
}

static void
poison (void *memory, size_t bytes)
{
  guint32 pattern = POISON;

  for (size_t i = 0; i < bytes; i++)
    ((guint8 *) memory)[i] = ((guint8 *) &pattern)[i % 4];
}

bool
is_poison (const void *entry)
{
  guint32 pattern = POISON;

  return memcmp (entry, &pattern, sizeof (pattern)) == 0;
}

bool
is_half_poison (const void *entry)
{
  guint16 half = POISON & 0xffff;

  return memcmp (entry, &half, sizeof (half)) == 0;
}

/* Room for `count` entries of `size` bytes and a guard zone after them. All buffers
 * of half of the cases, and half of the others, are as aligned as an allocation is;
 * the rest begin anywhere. */
static size_t
add_buffer (Case *c, size_t count, size_t size)
{
  size_t end = c->image->len, offset = end + GUARD;
  Extent extent;

  offset -= offset % MBLM_ALIGNMENT;
  if (!c->is_aligned && check_coin (c->check))
    offset += size * g_rand_int_range (c->check->rand, 0, 16);
  g_byte_array_set_size (c->image, offset + count * size + GUARD);
  poison (c->image->data + end, c->image->len - end);
  extent = (Extent){offset, count * size};
  g_array_append_val (c->extents, extent);
  return offset;
}

/* The last row of a buffer has no space after it. */
static size_t
entries (size_t rows, size_t width, size_t stride)
{
  return rows > 0 ? (rows - 1) * stride + width : 0;
}

static float
random_normal (GRand *rand)
{
  double u = 1.0 - g_rand_double (rand), v = g_rand_double (rand);

  return (float) (sqrt (-2.0 * log (u)) * cos (2.0 * G_PI * v));
}

static float
random_value (Case *c, float low, float high)
{
  Fill fill = c->fill;
  float value;

  if (fill == FILL_EXTREME) {
    static const Fill kinds[] = {
        FILL_LOWEST, FILL_HIGHEST, FILL_ZERO, FILL_RANDOM};

    fill = kinds[g_rand_int_range (c->check->rand, 0, G_N_ELEMENTS (kinds))];
  }
  switch (fill) {
    case FILL_LOWEST:
      return low;
    case FILL_HIGHEST:
      return high;
    case FILL_ZERO:
      return CLAMP (0.0f, low, high);
    default:
      value = random_normal (c->check->rand);
      return CLAMP (value, low, high); /* which evaluates it several times */
  }
}

static void
add_input (Case *c, size_t offset, size_t count, MblmType type)
{
  Input input = {.offset = offset, .count = count, .type = type};

  g_array_append_val (c->inputs, input);
}

size_t
case_input (
    Case *c, size_t rows, size_t width, size_t stride, float low, float high)
{
  size_t count = entries (rows, width, stride);
  size_t offset = add_buffer (c, count, sizeof (float));
  float *values = AT (c->image->data, offset);

  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < width; j++)
      values[i * stride + j] = random_value (c, low, high);
  add_input (c, offset, count, MBLM_TYPE_F32);
  return offset;
}

size_t
case_typed_input (Case *c, MblmType type, size_t rows, size_t width,
    size_t stride, float low, float high)
{
  size_t count = entries (rows, width, stride), offset;
  guint16 *values;

  if (type == MBLM_TYPE_F32)
    return case_input (c, rows, width, stride, low, high);

  offset = add_buffer (c, count, sizeof (guint16));
  values = (guint16 *) (c->image->data + offset);
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < width; j++) {
      float value = random_value (c, low, high);
      guint32 bits;

      memcpy (&bits, &value, sizeof (bits));
      values[i * stride + j] = bits >> 16;
    }
  add_input (c, offset, count, type);
  return offset;
}

size_t
case_matrix (
    Case *c, MblmType type, size_t rows, size_t cols, float low, float high)
{
  return case_typed_input (c, type, rows, cols, cols, low, high);
}

size_t
case_entry_size (MblmType type)
{
  return type == MBLM_TYPE_BF16 ? sizeof (guint16) : sizeof (float);
}

MblmMatrix
matrix_at (char *memory, size_t offset, MblmType type, size_t rows, size_t cols)
{
  return (MblmMatrix){memory + offset, type, rows, cols};
}

size_t
case_ids (Case *c, size_t count, gint32 low, gint32 high)
{
  size_t offset = add_buffer (c, count, sizeof (gint32));
  gint32 *ids = (gint32 *) (c->image->data + offset);

  for (size_t i = 0; i < count; i++)
    ids[i] = g_rand_int_range (c->check->rand, low, high + 1);
  return offset;
}

size_t
case_mask (Case *c, size_t count, double share)
{
  size_t offset = add_buffer (c, count, 1);

  for (size_t i = 0; i < count; i++)
    if (g_rand_double (c->check->rand) < share)
      c->image->data[offset + i] = check_coin (c->check)
          ? 1
          : g_rand_int_range (c->check->rand, 1, 256);
    else
      c->image->data[offset + i] = 0;
  return offset;
}

void
case_typed_in_place (Case *c, const char *name, MblmType type, size_t offset,
    size_t rows, size_t width, size_t stride, size_t terms)
{
  Output output = {name, offset, rows, width, stride, terms, false, type};

  g_array_append_val (c->outputs, output);
}

void
case_in_place (Case *c, const char *name, size_t offset, size_t rows,
    size_t width, size_t stride, size_t terms)
{
  case_typed_in_place (
      c, name, MBLM_TYPE_F32, offset, rows, width, stride, terms);
}

double
case_number (const char *buffer, MblmType type, size_t i)
{
  guint32 bits;
  float value;

  if (type == MBLM_TYPE_F32)
    return ((const float *) buffer)[i];
  bits = (guint32) ((const guint16 *) buffer)[i] << 16;
  memcpy (&value, &bits, sizeof (value));
  return value;
}

size_t
case_typed_output (Case *c, const char *name, MblmType type, size_t rows,
    size_t width, size_t stride, size_t terms)
{
  size_t count = entries (rows, width, stride);
  size_t offset = add_buffer (c, count, case_entry_size (type));
  Output output = {name, offset, rows, width, stride, terms, false, type};

  g_array_append_val (c->outputs, output);
  return offset;
}

size_t
case_output (Case *c, const char *name, size_t rows, size_t width,
    size_t stride, size_t terms)
{
  return case_typed_output (c, name, MBLM_TYPE_F32, rows, width, stride, terms);
}

size_t
case_ids_output (Case *c, const char *name, size_t count)
{
  size_t offset = add_buffer (c, count, sizeof (gint32));
  Output output = {name, offset, 1, count, count, 0, true, MBLM_TYPE_F32};

  g_array_append_val (c->outputs, output);
  return offset;
}

void
case_carry (Case *c, CarryBuffers *buffers, CarryKind kind, size_t batch,
    size_t size, float low, float high, size_t terms)
{
  bool shared = kind == CARRY_SHARED || kind == CARRY_BACK;
  size_t back = kind == CARRY_BACK ? batch / 2 : batch;

  buffers->kind = kind;
  buffers->batch = batch;
  for (size_t b = 0; b < batch; b++) {
    if (shared && b > 0)
      buffers->from[b] = buffers->from[0];
    else if (kind != CARRY_NONE && kind != CARRY_FRESH)
      buffers->from[b] = case_input (c, 1, size, size, low, high);

    if (kind == CARRY_IN_PLACE || b == back) {
      buffers->to[b] = buffers->from[b];
      case_in_place (c, "carry", buffers->to[b], 1, size, size, terms);
    } else if (kind != CARRY_NONE && kind != CARRY_END) {
      buffers->to[b] = case_output (c, "carry", 1, size, size, terms);
    }
  }
}

const MblmCarry *
carry_at (char *memory, const CarryBuffers *buffers, CarryPointers *pointers)
{
  CarryKind kind = buffers->kind;

  for (size_t b = 0; b < buffers->batch; b++) {
    pointers->from[b] = AT (memory, buffers->from[b]);
    pointers->to[b] = AT (memory, buffers->to[b]);
  }
  pointers->carry = (MblmCarry){
      .from = kind == CARRY_NONE || kind == CARRY_FRESH ? NULL : pointers->from,
      .to = kind == CARRY_NONE || kind == CARRY_END ? NULL : pointers->to,
      .shared = kind == CARRY_SHARED || kind == CARRY_BACK,
  };
  return &pointers->carry;
}
