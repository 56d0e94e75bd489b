/* fake-block.c: the block type `fake`.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * It runs where device memory is that of the host (cpu, ref). An id comes in, and
 * the one predicted goes out, as a code of FAKE_DIM signs, one for each bit; a
 * row of zeros is no id at all.
 */

#include <string.h>

#include "block.h"
#include "fake-clock.h"
#include "fake-private.h"
#include "fake.h"

/* What a state holds, as floats. */
enum {
  MATCHED, /* bytes of the text that came last */
  PICTURE, /* 1: the next id is the first byte of the picture */
  FIRST,   /* that byte */
  N_FLOATS,
};

typedef struct {
  MblmBlock parent;
  char *text;
  gint64 time[FAKE_N_TIMES]; /* ns */
  gboolean ends;             /* the text is followed by `end` */
} Fake;

static gboolean
read_time (GVariant *options, const char *key, gint64 *time, GError **error)
{
  double seconds;

  if (!mblm_options_get_double (
          options, key, 0.0, 86400.0, 0.0, &seconds, error))
    return FALSE;
  *time = (gint64) (seconds * 1e9);
  return TRUE;
}

static void
fake_free (MblmBlock *block)
{
  g_free (((Fake *) block)->text);
  g_free (block);
}

static MblmBlock *
fake_create (gsize dim, gsize layers, GVariant *options, GError **error)
{
  static const char *const known[] = {
      "text", "prompt", "byte", "load", "ends", NULL};
  Fake *self = g_new0 (Fake, 1);

  if (!g_variant_lookup (options, "text", "s", &self->text))
    self->text = g_strdup ("a fake answer");
  if (!mblm_options_check_known (options, known, error) ||
      !read_time (options, "prompt", &self->time[FAKE_PROMPT], error) ||
      !read_time (options, "byte", &self->time[FAKE_BYTE], error) ||
      !read_time (options, "load", &self->time[FAKE_LOAD], error) ||
      !mblm_options_get_boolean (options, "ends", FALSE, &self->ends, error)) {
    fake_free (&self->parent);
    return NULL;
  }
  if (dim != FAKE_DIM) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "block: a fake one has %d dimensions", FAKE_DIM);
    fake_free (&self->parent);
    return NULL;
  }
  return &self->parent;
}

static void
fake_declare (MblmBlock *block, MblmParameters *parameters)
{
}

static guint
fake_n_parts (MblmBlock *block)
{
  return 1;
}

static gsize
fake_part_size (MblmBlock *block, guint part, gsize rows)
{
  return N_FLOATS;
}

void
fake_encode (gint id, float *code)
{
  for (guint i = 0; i < FAKE_DIM; i++)
    code[i] = id >> i & 1 ? 1.0f : -1.0f;
}

/* -1: no id. */
static gint
decode (const float *code)
{
  gint id = 0;

  for (guint i = 0; i < FAKE_DIM; i++) {
    if (code[i] == 0.0f)
      return -1;
    id |= (code[i] > 0.0f) << i;
  }
  return id;
}

/* The text as it is after a picture. */
static const char *
find_text (const char *text, const float *state, char *hex)
{
  if (strcmp (text, "@") != 0)
    return text;
  g_snprintf (hex, 3, "%02x", (guint) state[FIRST] & 0xff);
  return hex;
}

/* Takes one id, and gives the one that is predicted. */
static gint
step (const Fake *self, const char *pattern, float *state, gint id)
{
  char hex[3];
  const char *text;
  gsize n, matched = (gsize) state[MATCHED];

  if (state[PICTURE] == 1.0f && id >= 0)
    state[FIRST] = (float) id;
  state[PICTURE] = id == FAKE_IMAGE;
  text = find_text (pattern, state, hex);
  n = strlen (text);
  if (id < 0 || id > 255)
    matched = 0;
  else if (matched < n && id == (guint8) text[matched])
    matched++;
  else
    matched = n > 0 && id == (guint8) text[0];
  state[MATCHED] = (float) matched;
  if (matched < n)
    return (guint8) text[matched];
  return self->ends || n == 0 ? FAKE_END : (guint8) text[0];
}

/* What the call is about; none is free of charge. */
static FakeTime
find_kind (const MblmAdvance *args)
{
  if (args->states == NULL || args->states[0]->rows == 0)
    return FAKE_LOAD;
  return args->rows > 1 ? FAKE_PROMPT : FAKE_BYTE;
}

static gboolean
fake_block_advance (
    MblmBlock *block, MblmRun *run, const MblmAdvance *args, GError **error)
{
  const Fake *self = (Fake *) block;
  FakeTime kind = find_kind (args);
  g_autofree const float **from = g_new (const float *, args->batch);
  g_autofree float **to = g_new (float *, args->batch);
  MblmCarry carry = mblm_layer_carry (&(MblmLayerPass){.batch = args->batch,
                                          .rows = args->rows,
                                          .shared = args->shared,
                                          .states = args->states},
      0, from, to);
  g_autofree char *text = fake_choose_text (self->text);

  if (!fake_work (run, kind, self->time[kind], error))
    return FALSE;
  run->k->queue_wait (run->q);
  if (kind != FAKE_LOAD)
    fake_count_ids (args->batch * args->rows);
  for (gsize b = 0; b < args->batch; b++) {
    float state[N_FLOATS] = {0};
    gsize first = b * args->rows;

    if (carry.from != NULL)
      memcpy (state, carry.from[carry.shared ? 0 : b], sizeof state);
    for (gsize i = first; i < first + args->rows; i++)
      fake_encode (step (self, text, state, decode (args->x + i * FAKE_DIM)),
          args->out + i * FAKE_DIM);
    if (carry.to != NULL)
      memcpy (carry.to[b], state, sizeof state);
  }
  return TRUE;
}

static const MblmBlockClass fake_class = {
    .abi = MBLM_BLOCK_ABI,
    .type = "fake",
    .causal = TRUE,
    .create = fake_create,
    .free = fake_free,
    .declare = fake_declare,
    .n_parts = fake_n_parts,
    .part_size = fake_part_size,
    .advance = fake_block_advance,
};

gboolean
mblm_module_init (GError **error)
{
  fake_register ();
  return TRUE;
}

void
fake_register (void)
{
  static gsize once = 0;
  g_autoptr (GError) error = NULL;

  if (!g_once_init_enter (&once))
    return;
  if (!mblm_block_register (&fake_class, &error))
    g_error ("%s", error->message);
  g_once_init_leave (&once, 1);
}
