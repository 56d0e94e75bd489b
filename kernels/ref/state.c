/* state.c: scratch memory, and the state that sequences carry.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

#include <stdlib.h>

double *
ref_scratch (MblmQueue *queue, size_t count)
{
  size_t bytes;
  double *memory = NULL;

  if (!__builtin_mul_overflow (count, sizeof (double), &bytes))
    memory = malloc (bytes ? bytes : 1);
  if (!memory)
    queue->status = MBLM_STATUS_NO_MEMORY;
  return memory;
}

double *
ref_zeros (MblmQueue *queue, size_t rows, size_t width)
{
  size_t count;
  double *memory;

  if (__builtin_mul_overflow (rows, width, &count))
    count = SIZE_MAX;
  memory = ref_scratch (queue, count);
  for (size_t i = 0; i < count && memory; i++)
    memory[i] = 0.0;
  return memory;
}

bool
ref_state_open (RefState *self, MblmQueue *queue, const MblmCarry *carry,
    size_t batch, size_t size)
{
  bool shared = carry->from && carry->shared && batch > 0;
  size_t twice;

  self->carry = carry;
  self->size = size;
  if (__builtin_mul_overflow (size, 2, &twice)) {
    queue->status = MBLM_STATUS_NO_MEMORY;
    return false;
  }
  self->now = ref_scratch (queue, twice);
  if (!self->now)
    return false;

  self->start = self->now + size;
  for (size_t i = 0; i < size; i++)
    self->start[i] = shared ? carry->from[0][i] : 0.0;
  return true;
}

void
ref_state_load (RefState *self, size_t b)
{
  bool own = self->carry->from && !self->carry->shared;

  for (size_t i = 0; i < self->size; i++)
    self->now[i] = own ? self->carry->from[b][i] : self->start[i];
}

void
ref_state_store (RefState *self, size_t b)
{
  if (!self->carry->to)
    return;
  for (size_t i = 0; i < self->size; i++)
    self->carry->to[b][i] = (float) self->now[i];
}

void
ref_state_close (RefState *self)
{
  free (self->now);
}
