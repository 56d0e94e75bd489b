/* test-ahead.c: a device that goes on with what it draws before the host asks.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A generator, whose session may go ahead, against the same by hand: each id is
 * drawn on the host and fed by itself. Ids and predictions are the same to the bit,
 * and so is whatever else is asked of the session. A device that can't go ahead has
 * to pass, too.
 */

#include <string.h>

#include "fresh.h"
#include "golden.h"
#include "session-private.h"

#define VOCABULARY 257
#define CONTEXT 32
#define FOREVER G_MAXINT64

/* Stages with the same context, of patches of 8 where there are more than one. */
typedef struct {
  const char *name, *dims, *layers, *lengths, *position;
} Shape;

static const Shape shapes[] = {
    {"one", "16", "1", "32", "fixed"},
    {"two", "32, 16", "1, 2", "4, 8", "fixed"},
    {"three", "24, 32, 16", "1, 1, 1", "2, 2, 8", "fixed"},
    {"turned", "24, 16", "1, 1", "4, 8", "rope"},
    {"endless", "24, 16", "1, 1", "4, 8", "null"},
};

typedef struct {
  MblmModel *model;
  MblmSession *ahead, *hand;
  MblmSampler *sampler, *hand_sampler;
  MblmGenerator *generator;
  gint32 pending; /* by hand: drawn and not fed */
  guint most;     /* ids that the device was ahead by */
  guint missed;   /* times that it had drawn another id than was fed */
  gboolean can;   /* it can go ahead at all */
} Pair;

static char *
make_model (const char *folder, const Shape *shape)
{
  g_autoptr (GError) error = NULL;
  char *path = g_build_filename (folder, shape->name, NULL);
  g_autofree char *yaml = g_strdup_printf (
      "num_tokens: 257\npad_token_id: 256\nhidden_dims: [%s]\n"
      "num_layers: [%s]\nseq_lens: [%s]\ntrain_checkpoint_chunks: null\n"
      "block: { " FRESH_TRANSFORMER ", pos_emb_type: %s }\n",
      shape->dims, shape->layers, shape->lengths, shape->position);
  g_autoptr (MblmConfig)
      config = mblm_config_parse (yaml, strlen (yaml), "ahead", &error);

  g_assert_no_error (error);
  mblm_model_create (config, 5, path, &error);
  g_assert_no_error (error);
  return path;
}

static void
pair_init (Pair *self, const char *path, const char *device)
{
  *self = (Pair){.model = golden_load (path, device, 1), .pending = -1};
  self->ahead = fresh_session (self->model);
  self->hand = fresh_session (self->model);
  self->ahead->ahead.most_time = FOREVER;
  self->can = self->ahead->run.k->sample_told != NULL;
  self->sampler = mblm_sampler_new ();
  self->hand_sampler = mblm_sampler_new ();
  self->generator = mblm_generator_new (self->ahead, self->sampler);
}

static void
pair_clear (Pair *self)
{
  g_object_unref (self->generator);
  g_object_unref (self->sampler);
  g_object_unref (self->hand_sampler);
  g_object_unref (self->ahead);
  g_object_unref (self->hand);
  g_object_unref (self->model);
}

/* Of several kinds. */
static void
set_sampling (Pair *self, guint kind)
{
  MblmSampler *samplers[] = {self->sampler, self->hand_sampler};
  guint8 allowed[VOCABULARY] = {0};

  memset (allowed + 'a', 1, 20);
  for (guint i = 0; i < 2; i++) {
    mblm_sampler_set_temperature (samplers[i], kind % 4 == 0 ? 0 : 0.5 * kind);
    mblm_sampler_set_top_k (samplers[i], kind == 2 ? 30 : 0);
    mblm_sampler_set_top_p (samplers[i], kind == 3 ? 0.9 : 1);
    mblm_sampler_set_min_p (samplers[i], kind == 5 ? 0.2 : 0);
    mblm_sampler_set_allowed (
        samplers[i], kind >= 3 ? allowed : NULL, VOCABULARY);
  }
}

/* The same, by hand, as the generator's settling. */
static void
settle (Pair *self)
{
  g_autoptr (GError) error = NULL;

  if (self->pending >= 0)
    mblm_session_feed (self->hand, &self->pending, 1, NULL, &error);
  g_assert_no_error (error);
  self->pending = -1;
}

static void
assert_same (Pair *self)
{
  const float *x = mblm_session_get_logits (
      self->ahead, MBLM_START_CHAINED, NULL);
  const float *y = mblm_session_get_logits (
      self->hand, MBLM_START_CHAINED, NULL);

  g_assert_cmpmem (
      x, VOCABULARY * sizeof (float), y, VOCABULARY * sizeof (float));
  g_assert_cmpuint (mblm_session_get_position (self->ahead), ==,
      mblm_session_get_position (self->hand));
  g_assert_cmpuint (mblm_session_get_reach (self->ahead), ==,
      mblm_session_get_reach (self->hand));
  g_assert_cmpuint (mblm_session_get_memory (self->ahead), ==,
      mblm_session_get_memory (self->hand));
}

/* One id more; whether the generator goes on. */
static gboolean
draw (Pair *self, GByteArray *out)
{
  g_autoptr (GError) error = NULL;
  const MblmAhead *a = &self->ahead->ahead;

  self->missed += a->n > 0 && self->pending >= 0 &&
      !mblm_session_is_next (self->ahead, &self->pending, 1);
  gboolean more = mblm_generator_next (self->generator, out, NULL, &error);
  g_assert_no_error (error);
  self->most = MAX (self->most, a->n - a->taken);
  settle (self);
  self->pending = mblm_sampler_draw (self->hand_sampler, self->hand, &error);
  g_assert_no_error (error);
  g_assert_cmpint (
      mblm_generator_get_last_id (self->generator), ==, self->pending);
  assert_same (self);
  return more;
}

/* From nothing on, with a seed. */
static void
begin (Pair *self, guint64 seed)
{
  mblm_session_reset (self->ahead);
  mblm_session_reset (self->hand);
  mblm_sampler_set_seed (self->sampler, seed);
  mblm_sampler_set_seed (self->hand_sampler, seed);
  mblm_generator_start (self->generator);
  self->pending = -1;
}

static void
feed (Pair *self, const gint32 *ids, gsize n)
{
  g_autoptr (GError) error = NULL;

  mblm_session_feed (self->ahead, ids, n, NULL, &error);
  g_assert_no_error (error);
  mblm_session_feed (self->hand, ids, n, NULL, &error);
  g_assert_no_error (error);
}

/* ------------------------------------------------------------------------- */
/* Each test, of each device and shape                                       */
/* ------------------------------------------------------------------------- */

typedef struct {
  const Shape *shape;
  const char *device;
  void (*run) (Pair *pair, const Shape *shape, const char *path);
} Test;

static void
run_test (gconstpointer data)
{
  const Test *test = data;
  char *folder = fresh_folder ();
  g_autofree char *path = make_model (folder, test->shape);
  Pair pair;

  pair_init (&pair, path, test->device);
  test->run (&pair, test->shape, path);
  pair_clear (&pair);
  fresh_remove (folder);
}

/* From nothing and from a prompt, over the end of the context; the reference draws
 * the same text. */
static void
test_text (Pair *pair, const Shape *shape, const char *path)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autofree gint32 *prompt = fresh_ids (11, 3);
  Pair reference;

  pair_init (&reference, path, "ref");
  for (guint kind = 0; kind < 6; kind++) {
    Pair *pairs[] = {pair, &reference};

    for (guint i = 0; i < 2; i++) {
      begin (pairs[i], kind);
      feed (pairs[i], prompt, kind % 2 ? 11 : 0);
      set_sampling (pairs[i], kind);
    }
    for (guint i = 0; i < (kind == 1 ? CONTEXT : 9); i++) {
      draw (pair, out);
      draw (&reference, out);
      g_assert_cmpint (pair->pending, ==, reference.pending);
    }
  }
  /* all of a patch but the first, and each id the right one */
  g_assert_cmpuint (pair->most, >=, pair->can ? 7 : 0);
  g_assert_cmpuint (pair->missed, ==, 0);
  g_assert_cmpuint (reference.most, ==, 0);
  pair_clear (&reference);
}

/* Something else that is asked of a session; 0 .. 7. */
static void
ask (Pair *pair, guint what, MblmSnapshot **kept, const gint32 *ids, gsize n)
{
  MblmSession *sessions[] = {pair->ahead, pair->hand};
  g_autoptr (GError) error = NULL;
  float nats[2][12];

  for (guint s = 0; s < 2; s++) {
    if (what == 0) {
      mblm_session_reset (sessions[s]);
    } else if (what == 1) {
      g_clear_pointer (&kept[s], mblm_snapshot_unref);
      kept[s] = mblm_session_snapshot (sessions[s], &error);
    } else if (what == 2 && kept[s] != NULL) {
      mblm_session_restore (sessions[s], kept[s], &error);
    } else if (what == 3) {
      mblm_session_score (sessions[s], ids, n, nats[s], NULL, &error);
    } else if (what == 4) {
      mblm_session_feed (sessions[s], ids, n, NULL, &error);
    }
    g_assert_no_error (error);
  }
  if (what == 3)
    g_assert_cmpmem (nats[0], n * sizeof (float), nats[1], n * sizeof (float));
  if (what == 5)
    mblm_session_step_many (sessions, ids, 2, NULL, &error);
  if (what == 6)
    mblm_generator_settle (pair->generator, NULL, &error);
  if (what == 6)
    settle (pair);
  if (what == 7)
    set_sampling (pair, (guint) n % 6);
  g_assert_no_error (error);
}

/* In the middle of it all. */
static void
test_mixed (Pair *pair, const Shape *shape, const char *path)
{
  enum { N = 40 };
  g_autoptr (GRand) random = g_rand_new_with_seed (7);
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autofree gint32 *ids = fresh_ids (N + 12, 2);
  MblmSnapshot *kept[2] = {NULL, NULL};

  /* both of what is fed to two at once */
  for (gsize i = 0; i < N + 12; i += 2)
    ids[i + 1] = ids[i];
  for (gsize i = 0; i < N; i += 2) {
    guint draws = g_rand_int_range (random, 0, 5);
    guint what = g_rand_int_range (random, 0, 8);

    for (guint k = 0; k < draws; k++)
      draw (pair, out);
    ask (pair, what, kept, ids + i, g_rand_int_range (random, 1, 12));
    assert_same (pair);
  }
  g_assert_cmpuint (pair->most, >=, pair->can ? 5 : 0);
  for (guint s = 0; s < 2; s++)
    g_clear_pointer (&kept[s], mblm_snapshot_unref);
}

/* A stop string somewhere in a patch, and on behind it with other ids. */
static void
test_stop (Pair *pair, const Shape *shape, const char *path)
{
  g_autofree gint32 *prompt = fresh_ids (3, 4);

  set_sampling (pair, 6);
  for (guint n = 2; n <= 11; n += 3) {
    g_autoptr (GByteArray) text = g_byte_array_new ();
    g_autoptr (GByteArray) out = g_byte_array_new ();
    g_autoptr (GError) error = NULL;

    mblm_generator_set_stop (pair->generator, NULL, 0);
    mblm_generator_set_max (pair->generator, n);
    for (guint pass = 0; pass < 2; pass++) {
      begin (pair, n);
      feed (pair, prompt, 3);
      while (draw (pair, pass ? out : text))
        ;
      /* the last byte that came ends it now, or an earlier one like it */
      g_autoptr (GBytes) stop = g_bytes_new (text->data + n - 1, 1);
      mblm_generator_set_stop (pair->generator, &stop, 1);
      mblm_generator_set_max (pair->generator, G_MAXUINT64);
    }
    g_assert_cmpint (
        mblm_generator_get_finish (pair->generator), ==, MBLM_FINISH_STOP);
    g_assert_cmpuint (out->len, <, n);
    mblm_generator_settle (pair->generator, NULL, &error);
    g_assert_no_error (error);
    settle (pair);
    assert_same (pair);
    for (guint i = 0; i < 3; i++) {
      feed (pair, prompt, 1);
      assert_same (pair);
    }
  }
}

/* No step more than the ids that are wanted. */
static void
test_limits (Pair *pair, const Shape *shape, const char *path)
{
  const MblmAhead *a = &pair->ahead->ahead;
  g_autoptr (GByteArray) out = g_byte_array_new ();

  set_sampling (pair, 1);
  for (guint max = 1; max <= 10; max += 3) {
    gboolean more = TRUE;

    mblm_generator_set_max (pair->generator, max);
    begin (pair, max);
    while (more) {
      more = draw (pair, out);
      g_assert_cmpuint (a->n - a->taken, <=,
          max - mblm_generator_get_drawn (pair->generator));
    }
    g_assert_cmpuint (mblm_generator_get_drawn (pair->generator), ==, max);
    g_assert_cmpuint (a->n, ==, 0);
  }
}

/* As many steps ahead as time allows: none, or as the pace says. */
static void
test_pace (Pair *pair, const Shape *shape, const char *path)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  MblmAhead *a = &pair->ahead->ahead;

  draw (pair, out);
  draw (pair, out);
  g_assert_cmpint (a->pace, >=, pair->can);
  a->pace = 1000;
  a->most_time = 5500;
  g_assert_cmpuint (
      mblm_session_get_ahead (pair->ahead, -2), ==, pair->can ? 5 : 0);
  a->most_time = G_MAXINT64;
  g_assert_cmpuint (mblm_session_get_ahead (pair->ahead, -2), ==,
      pair->can ? MIN (MBLM_MOST_TOLD, mblm_session_get_room (pair->ahead))
                : 0);
  a->most_time = 0;
  while (a->n > 0)
    draw (pair, out);
  for (guint i = 0; i < 9; i++) {
    draw (pair, out);
    g_assert_cmpuint (a->n, ==, 0);
  }
}

static gboolean
count_down (gpointer data)
{
  guint *left = data;

  if (*left == 0)
    return FALSE;
  --*left;
  return TRUE;
}

/* Ended from outside; then on with the same ids, in the same session or in a new
 * state. Whatever was ahead may also just go. */
static void
test_cancel (Pair *pair, const Shape *shape, const char *path)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  guint left = 0;

  set_sampling (pair, 3);
  for (guint i = 0; i < 5; i++)
    draw (pair, out);
  g_cancellable_cancel (cancellable);
  g_assert_false (
      mblm_generator_next (pair->generator, out, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  for (guint i = 0; i < 5; i++)
    draw (pair, out);

  mblm_session_set_progress (pair->ahead, count_down, &left);
  g_assert_false (mblm_generator_next (pair->generator, out, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  mblm_session_set_progress (pair->ahead, NULL, NULL);
  g_assert_null (mblm_session_snapshot (pair->ahead, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_STATE);
  begin (pair, 1);
  for (guint i = 0; i < 4; i++)
    draw (pair, out);
  g_assert_cmpint (pair->ahead->ahead.n > 0, ==, pair->can);
}

/* Nothing may be drawn any more, and then again; a context that is full. */
static void
test_errors (Pair *pair, const Shape *shape, const char *path)
{
  const guint8 none[VOCABULARY] = {0};
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  guint drawn = 5;

  set_sampling (pair, 4);
  for (guint i = 0; i < drawn; i++)
    draw (pair, out);
  mblm_sampler_set_allowed (pair->sampler, none, VOCABULARY);
  for (guint i = 0; i < 2; i++) {
    g_assert_false (mblm_generator_next (pair->generator, out, NULL, &error));
    g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
    g_clear_error (&error);
  }
  set_sampling (pair, 5);
  mblm_session_set_context_full (pair->ahead, MBLM_CONTEXT_FULL_ERROR);
  for (; drawn <= CONTEXT; drawn++)
    draw (pair, out);
  if (mblm_session_is_endless (pair->ahead))
    return;
  g_assert_false (mblm_generator_next (pair->generator, out, NULL, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_CONTEXT);
}

/* ------------------------------------------------------------------------- */

static void
add_tests (const char *device)
{
  static const struct {
    const char *name;
    void (*run) (Pair *pair, const Shape *shape, const char *path);
  } tests[] = {{"text", test_text}, {"mixed", test_mixed}, {"stop", test_stop},
      {"limits", test_limits}, {"pace", test_pace}, {"cancel", test_cancel},
      {"errors", test_errors}};

  for (guint s = 0; s < G_N_ELEMENTS (shapes); s++)
    for (guint t = 0; t < G_N_ELEMENTS (tests); t++) {
      g_autofree char *path = g_strdup_printf (
          "/ahead/%s/%s/%s", device, shapes[s].name, tests[t].name);
      Test test = {&shapes[s], device, tests[t].run};

      g_test_add_data_func_full (
          path, g_memdup2 (&test, sizeof test), run_test, g_free);
    }
}

int
main (int argc, char **argv)
{
  g_auto (GStrv) devices = golden_get_devices ();

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; devices[i] != NULL; i++)
    add_tests (devices[i]);
  return g_test_run ();
}
