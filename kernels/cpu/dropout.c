/* dropout.c: dropout by Philox4x32-10, VW / 2 blocks of the stream at a time.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The words of a block lie in 64-bit lanes, whose upper halves may hold anything
 * from one round to the next: a product reads only the lower ones.
 */

#include "isa.h"
#include "tile.h"

#define ROUNDS 10
#define BLOCKS (VW / 2)        /* at a time */
#define BLOCK_ENTRIES (2 * VW) /* of so many entries */
#define MULTIPLIER0 0xd2511f53u
#define MULTIPLIER1 0xcd9e8d57u
#define WEYL0 0x9e3779b9u
#define WEYL1 0xbb67ae85u

/* Nanoseconds for an entry. */
#define DROPOUT_WORK 0.8

typedef uint64_t vq __attribute__ ((vector_size (sizeof (vf))));

/* The products of the lower halves of all lanes. */
V_INLINE vq
product (vq a, uint32_t b)
{
#if defined(__AVX512F__)
  return (vq) _mm512_mul_epu32 ((__m512i) a, _mm512_set1_epi64 (b));
#elif defined(__AVX2__)
  return (vq) _mm256_mul_epu32 ((__m256i) a, _mm256_set1_epi64x (b));
#else
  return (a & 0xffffffffu) * (uint64_t) b;
#endif
}

/* Lanes of two words each, `first` being the one with the lower address. */
V_INLINE vq
pairs (vq first, vq second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return (first & 0xffffffffu) | (second << 32);
#else
  return (second & 0xffffffffu) | (first << 32);
#endif
}

/* A word below the threshold drops its entry; they compare as if unsigned. */
typedef struct {
  const MblmDropout *a;
  vi threshold; /* minus 2^31, in all lanes */
  float scale;
  uint64_t keys[ROUNDS][2]; /* the two words of each round's */
  uint64_t numbers[VW];     /* 0, 1, ... */
} Dropout;

static void
dropout_init (Dropout *self, const MblmDropout *a, uint32_t threshold)
{
  uint32_t low = (uint32_t) a->seed, high = (uint32_t) (a->seed >> 32);

  self->a = a;
  self->threshold = (vi){0} + (int32_t) (threshold ^ 0x80000000u);
  self->scale = (float) (1.0 / (1.0 - (double) a->probability));
  for (uint32_t i = 0; i < ROUNDS; i++) {
    self->keys[i][0] = low + i * WEYL0;
    self->keys[i][1] = high + i * WEYL1;
  }
  for (size_t i = 0; i < VW; i++)
    self->numbers[i] = i;
}

/* words[0 .. 1]: the stream from block `counter` on, in order. */
static ALWAYS_INLINE void
philox (const Dropout *self, uint64_t counter, vi words[2])
{
  vq c0, c1, c2 = {0}, c3 = {0}, a, b;
  uint64_t stream[VW];

  memcpy (&c0, self->numbers, sizeof (c0));
  c0 = c0 + counter;
  c1 = c0 >> 32;
  UNROLL
  for (int i = 0; i < ROUNDS; i++) {
    vq p0 = product (c0, MULTIPLIER0), p1 = product (c2, MULTIPLIER1);

    c0 = (p1 >> 32) ^ c1 ^ self->keys[i][0];
    c1 = p1;
    c2 = (p0 >> 32) ^ c3 ^ self->keys[i][1];
    c3 = p0;
  }
  a = pairs (c0, c1);
  b = pairs (c2, c3);
  for (size_t i = 0; i < BLOCKS; i++) {
    stream[2 * i] = a[i];
    stream[2 * i + 1] = b[i];
  }
  memcpy (words, stream, 2 * sizeof (*words));
}

V_INLINE vf
drop (const Dropout *self, vf x, vi words)
{
  vi dropped = (words ^ INT32_MIN) < self->threshold;

  return v_as_float (v_as_int (x * v_set1 (self->scale)) & ~dropped);
}

/* x [n]: the entries from `number` on, some of which are words of one call. */
static size_t
drop_some (const Dropout *self, float *x, size_t n, uint64_t number)
{
  size_t skip = number % 4, count = min_size (n, BLOCK_ENTRIES - skip);
  float part[BLOCK_ENTRIES] = {0.0f};
  vi words[2];

  memcpy (part + skip, x, count * sizeof (*x));
  philox (self, number / 4, words);
  v_store (part, drop (self, v_load (part), words[0]));
  v_store (part + VW, drop (self, v_load (part + VW), words[1]));
  memcpy (x, part + skip, count * sizeof (*x));
  return count;
}

static void
dropout_tile (const void *data, size_t tile, unsigned worker)
{
  const Dropout *self = data;
  const MblmDropout *a = self->a;
  size_t i = tile * TILE_ELEMENTS;
  size_t end = min_size (a->count, i + TILE_ELEMENTS);

  if ((a->first + i) % 4 > 0)
    i += drop_some (self, a->x + i, end - i, a->first + i);
  for (; i + BLOCK_ENTRIES <= end; i += BLOCK_ENTRIES) {
    float *x = a->x + i;
    vi words[2];

    philox (self, (a->first + i) / 4, words);
    v_store (x, drop (self, v_load (x), words[0]));
    v_store (x + VW, drop (self, v_load (x + VW), words[1]));
  }
  while (i < end)
    i += drop_some (self, a->x + i, end - i, a->first + i);
}

static void
zero_tile (const void *data, size_t tile, unsigned worker)
{
  const MblmDropout *a = ((const Dropout *) data)->a;
  size_t first = tile * TILE_ELEMENTS;

  memset (a->x + first, 0,
      min_size (TILE_ELEMENTS, a->count - first) * sizeof (*a->x));
}

void
FN (dropout) (MblmQueue *queue, const MblmDropout *a)
{
  /* (r + 0.5) / 2^32 < probability for as many words r */
  double below = ceil ((double) a->probability * 4294967296.0 - 0.5);
  bool all = below > 4294967295.0;
  uint32_t threshold = below > 0.0 && !all ? (uint32_t) below : 0;
  Dropout self;

  dropout_init (&self, a, threshold);
  mblm_cpu_run (queue, divide_up (a->count, TILE_ELEMENTS),
      DROPOUT_WORK * (double) a->count, all ? zero_tile : dropout_tile, &self);
}
