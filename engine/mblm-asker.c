/* mblm-asker.c: questions about pictures.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The prompt of a sample falls into two parts: what comes before the picture is
 * the same for every frame, so it is fed once and its state kept as a snapshot;
 * the picture and what follows it, up to the token that opens the answer, are
 * fed per frame. Where the picture comes first, askers that share it go on from
 * one session that has read it.
 */

#include "config.h"

#include <math.h>
#include <string.h>

#include "mblm-asker.h"
#include "mblm-error.h"
#include "mblm-utf8.h"
#include "prompt.h"
#include "rank.h"
#include "reading.h"
#include "session-private.h"

#define DEFAULT_MAX_BYTES 256
/* Ids of a prompt at most, whatever the model can take. */
#define MAX_PROMPT ((guint64) 1 << 28)

struct _MblmAsker {
  GObject parent;

  MblmModel *model;
  MblmConfig *config; /* the model's */
  MblmInfo *info;     /* the model's */
  const MblmImageLayout *layout;

  char *question;     /* NULL: the caption */
  char **choices;     /* NULL: answers are generated */
  GPtrArray *endings; /* of GArrays of gint32: the choices with their `end` */
  guint max_bytes;
  MblmSampler *sampler;

  MblmSession *session;
  MblmSnapshot *before_image; /* NULL: not fed yet, or nothing to feed */
  MblmReading *reading;       /* NULL: shared with nobody yet */
  gboolean rereads;           /* shared with itself: its next question */
  MblmGenerator *generator;
  MblmRanker *ranker;
  MblmProgress progress;
  gpointer progress_data;
};

G_DEFINE_FINAL_TYPE (MblmAsker, mblm_asker, G_TYPE_OBJECT)

static void
mblm_asker_finalize (GObject *object)
{
  MblmAsker *self = MBLM_ASKER (object);

  g_free (self->question);
  g_strfreev (self->choices);
  g_clear_pointer (&self->endings, g_ptr_array_unref);
  g_clear_pointer (&self->before_image, mblm_snapshot_unref);
  g_clear_pointer (&self->reading, mblm_reading_unref);
  g_clear_pointer (&self->ranker, mblm_ranker_free);
  g_clear_object (&self->generator);
  g_clear_object (&self->sampler);
  g_clear_object (&self->session);
  g_clear_object (&self->model);
  G_OBJECT_CLASS (mblm_asker_parent_class)->finalize (object);
}

static void
mblm_asker_class_init (MblmAskerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mblm_asker_finalize;
}

static void
mblm_asker_init (MblmAsker *self)
{
  self->max_bytes = DEFAULT_MAX_BYTES;
}

static gboolean
check_model (MblmModel *model, GError **error)
{
  MblmInfo *info = mblm_model_get_info (model);

  if (mblm_info_get_task (info) != MBLM_TASK_QA) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED,
        "the model \"%s\" is for text (it continues and scores it) and can't "
        "be asked about pictures; choose a model whose task is \"qa\"",
        mblm_info_get_name (info));
    return FALSE;
  }
  if (!mblm_info_get_image (info)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED,
        "the model \"%s\" takes no pictures: its mblm.json has no \"image\"",
        mblm_info_get_name (info));
    return FALSE;
  }
  return TRUE;
}

/**
 * mblm_asker_new:
 * @model: a model of the task qa
 *
 * Makes an asker.
 *
 * Returns: (transfer full): the asker
 */
MblmAsker *
mblm_asker_new (MblmModel *model, GError **error)
{
  g_return_val_if_fail (MBLM_IS_MODEL (model), NULL);

  if (!check_model (model, error))
    return NULL;
  MblmSession *session = mblm_session_new (model, error);
  if (!session)
    return NULL;
  mblm_session_set_context_full (session, MBLM_CONTEXT_FULL_ERROR);

  g_autoptr (MblmSampler) sampler = mblm_sampler_new ();
  MblmAsker *self = g_object_new (MBLM_TYPE_ASKER, NULL);
  self->model = g_object_ref (model);
  self->config = mblm_model_get_config (model);
  self->info = mblm_model_get_info (model);
  self->layout = mblm_info_get_image (self->info);
  self->session = session;
  self->ranker = mblm_ranker_new (model);
  mblm_asker_set_sampler (self, sampler);
  return self;
}

/* ------------------------------------------------------------------------- */
/* The context                                                               */
/* ------------------------------------------------------------------------- */

static guint64
prompt_length (MblmAsker *self, const char *question, gsize image_size)
{
  return mblm_prompt_length (self->config, self->info, question, image_size);
}

/* Bytes of a picture, as far as they are known beforehand. */
static gsize
least_image_size (MblmAsker *self)
{
  return self->layout->jpeg
      ? 0
      : (gsize) self->layout->width * self->layout->height * 3;
}

/* Ids that an answer takes at least: a single one, or the longest choice. */
static guint
answer_length (GPtrArray *endings)
{
  guint longest = 1;

  for (guint i = 0; endings && i < endings->len; i++) {
    const GArray *ids = g_ptr_array_index (endings, i);
    longest = MAX (longest, ids->len);
  }
  return longest;
}

/* Whether a prompt of this length and an answer fit into the context. `what`
 * names what to make shorter. */
static gboolean
check_context (MblmAsker *self, guint64 prompt, guint answer, const char *what,
    GError **error)
{
  guint64 context = MAX_PROMPT;

  if (!mblm_session_is_endless (self->session))
    context = MIN (mblm_config_get_context (self->config), MAX_PROMPT);
  if (prompt + answer <= context)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s too long: picture and question take %" G_GUINT64_FORMAT
      " ids and the answer at least %u, which is %" G_GUINT64_FORMAT
      " more than the %" G_GUINT64_FORMAT " that the model can hold",
      what, prompt, answer, prompt + answer - context, context);
  return FALSE;
}

/* ------------------------------------------------------------------------- */
/* Settings                                                                  */
/* ------------------------------------------------------------------------- */

/**
 * mblm_asker_set_question:
 * @question: (nullable): the question
 *
 * Sets the question.
 *
 * Returns: %TRUE where it fits
 */
gboolean
mblm_asker_set_question (MblmAsker *self, const char *question, GError **error)
{
  g_return_val_if_fail (MBLM_IS_ASKER (self), FALSE);

  if (question && question[0] == '\0')
    question = NULL;
  if (question && !g_utf8_validate (question, -1, NULL)) {
    g_set_error (
        error, MBLM_ERROR, MBLM_ERROR_INPUT, "the question is not valid UTF-8");
    return FALSE;
  }
  if (!check_context (self,
          prompt_length (self, question, least_image_size (self)),
          answer_length (self->endings),
          question ? "the question is" : "the picture is", error))
    return FALSE;
  if (g_strcmp0 (question, self->question) == 0)
    return TRUE;

  char *copy = g_strdup (question);
  g_free (self->question);
  self->question = copy;
  g_clear_pointer (&self->before_image, mblm_snapshot_unref);
  return TRUE;
}

static gboolean
check_choices (const char *const *choices, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  if (!choices[0]) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "the list of choices is empty; give at least one, or none at all to "
        "let the model answer freely");
    return FALSE;
  }
  for (guint i = 0; choices[i]; i++) {
    if (choices[i][0] == '\0') {
      g_set_error (
          error, MBLM_ERROR, MBLM_ERROR_INPUT, "choice %u is empty", i + 1);
      return FALSE;
    }
    if (!g_utf8_validate (choices[i], -1, NULL)) {
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
          "choice %u is not valid UTF-8", i + 1);
      return FALSE;
    }
    if (!g_hash_table_add (seen, (gpointer) choices[i])) {
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
          "the choice \"%s\" is there twice", choices[i]);
      return FALSE;
    }
  }
  return TRUE;
}

/* The bytes of each choice and `end`, which tells "1" from "10". */
static GPtrArray *
list_endings (MblmAsker *self, const char *const *choices)
{
  GPtrArray *endings = g_ptr_array_new_with_free_func (
      (GDestroyNotify) g_array_unref);
  gint32 end = mblm_info_get_token (self->info, MBLM_TOKEN_END);

  for (guint i = 0; choices[i]; i++) {
    GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint32));

    for (const char *p = choices[i]; *p; p++) {
      gint32 id = (guint8) *p;
      g_array_append_val (ids, id);
    }
    if (end >= 0)
      g_array_append_val (ids, end);
    g_ptr_array_add (endings, ids);
  }
  return endings;
}

/**
 * mblm_asker_set_choices:
 * @choices: (array zero-terminated=1) (nullable): the choices
 *
 * Sets the answers to choose from.
 *
 * Returns: %TRUE where they fit
 */
gboolean
mblm_asker_set_choices (
    MblmAsker *self, const char *const *choices, GError **error)
{
  g_return_val_if_fail (MBLM_IS_ASKER (self), FALSE);

  g_autoptr (GPtrArray) endings = NULL;
  if (choices) {
    if (!check_choices (choices, error))
      return FALSE;
    endings = list_endings (self, choices);
    if (!check_context (self,
            prompt_length (self, self->question, least_image_size (self)),
            answer_length (endings), "a choice is", error))
      return FALSE;
  }

  char **copy = g_strdupv ((char **) choices);
  g_strfreev (self->choices);
  self->choices = copy;
  g_clear_pointer (&self->endings, g_ptr_array_unref);
  self->endings = g_steal_pointer (&endings);
  return TRUE;
}

/**
 * mblm_asker_share:
 * @other: an asker of the same model, or itself
 *
 * Lets two askers, or two questions of one, read a picture once.
 */
void
mblm_asker_share (MblmAsker *self, MblmAsker *other)
{
  g_return_if_fail (MBLM_IS_ASKER (self) && MBLM_IS_ASKER (other));
  g_return_if_fail (self->model == other->model);

  if (!other->reading)
    other->reading = mblm_reading_new (other->model);
  self->rereads |= self == other;
  if (self->reading == other->reading)
    return;
  g_clear_pointer (&self->reading, mblm_reading_unref);
  self->reading = mblm_reading_ref (other->reading);
}

void
mblm_asker_set_max_bytes (MblmAsker *self, guint max)
{
  g_return_if_fail (MBLM_IS_ASKER (self));
  self->max_bytes = max;
}

void
mblm_asker_set_sampler (MblmAsker *self, MblmSampler *sampler)
{
  g_return_if_fail (MBLM_IS_ASKER (self) && MBLM_IS_SAMPLER (sampler));

  if (!g_set_object (&self->sampler, sampler))
    return;
  g_clear_object (&self->generator);
  self->generator = mblm_generator_new (self->session, sampler);
}

/**
 * mblm_asker_set_progress: (skip)
 */
void
mblm_asker_set_progress (
    MblmAsker *self, MblmProgress progress, gpointer user_data)
{
  g_return_if_fail (MBLM_IS_ASKER (self));
  self->progress = progress;
  self->progress_data = user_data;
  mblm_session_set_progress (self->session, progress, user_data);
  mblm_ranker_set_progress (self->ranker, progress, user_data);
}

/* ------------------------------------------------------------------------- */
/* Answering                                                                 */
/* ------------------------------------------------------------------------- */

static gboolean
feed (MblmAsker *self, const GArray *ids, guint from, GCancellable *cancellable,
    GError **error)
{
  return ids->len == from ||
      mblm_session_feed (self->session, (const gint32 *) ids->data + from,
          ids->len - from, cancellable, error);
}

/* Whether the progress function has ended the work, which is then no failure:
 * the error is taken back. */
static gboolean
is_ended (GCancellable *cancellable, GError **error)
{
  if (!g_error_matches (*error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ||
      g_cancellable_is_cancelled (cancellable))
    return FALSE;
  g_clear_error (error);
  return TRUE;
}

/* To behind the picture, or what of it one can read for all: then `fed` ids of
 * `rest` are. */
static gboolean
go_behind_image (MblmAsker *self, GBytes *image, const MblmPrompt *prompt,
    guint *fed, GCancellable *cancellable, GError **error)
{
  MblmSession *there = mblm_reading_begin (self->reading, image,
      (const gint32 *) prompt->rest->data, prompt->n_image, fed, self->progress,
      self->progress_data, cancellable, error);

  return there && mblm_session_branch_off (self->session, there, error);
}

/* To before the picture. */
static gboolean
go_before_image (MblmAsker *self, const MblmPrompt *prompt,
    GCancellable *cancellable, GError **error)
{
  if (self->before_image)
    return mblm_session_restore (self->session, self->before_image, error);
  mblm_session_reset (self->session);
  if (prompt->before->len == 0)
    return TRUE;
  if (!feed (self, prompt->before, 0, cancellable, error))
    return FALSE;
  self->before_image = mblm_session_snapshot (self->session, error);
  return self->before_image != NULL;
}

/* Brings the session to where the answer starts. */
static gboolean
feed_prompt (MblmAsker *self, GBytes *image, const MblmPrompt *prompt,
    GCancellable *cancellable, GError **error)
{
  gboolean shares = self->reading &&
      (self->rereads || mblm_reading_is_shared (self->reading)) &&
      prompt->before->len == 0 && prompt->n_image > 0;
  guint fed = 0;

  if (!(shares ? go_behind_image (self, image, prompt, &fed, cancellable, error)
               : go_before_image (self, prompt, cancellable, error)))
    return FALSE;
  return feed (self, prompt->rest, fed, cancellable, error);
}

/* Draws bytes until `end`, the bound, or the end of the context. */
static MblmAnswer *
generate (MblmAsker *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GError) failure = NULL;
  guint64 room = mblm_session_get_room (self->session);

  mblm_generator_set_max (self->generator, MIN (room, self->max_bytes));
  mblm_generator_start (self->generator);
  while (mblm_generator_next (self->generator, bytes, cancellable, &failure))
    ;
  gboolean partial = is_ended (cancellable, &failure);
  if (failure) {
    g_propagate_error (error, g_steal_pointer (&failure));
    return NULL;
  }

  GString *text = g_string_new (NULL);
  MblmUtf8 utf8 = MBLM_UTF8_INIT;
  mblm_utf8_push (&utf8, bytes->data, bytes->len, text);
  mblm_utf8_finish (&utf8, text);

  MblmAnswer *answer = g_new0 (MblmAnswer, 1);
  answer->text = g_string_free (text, FALSE);
  answer->probability = exp (
      mblm_generator_get_log_probability (self->generator));
  answer->partial = partial;
  return answer;
}

/* The choices with p normalised over them, and the most probable one. */
static MblmAnswer *
choose (MblmAsker *self, const double *log_p)
{
  guint n = self->endings->len, best = 0;
  double total = 0.0;
  MblmAnswer *answer = g_new0 (MblmAnswer, 1);

  for (guint i = 1; i < n; i++)
    if (log_p[i] > log_p[best])
      best = i;
  for (guint i = 0; i < n; i++)
    total += exp (log_p[i] - log_p[best]);
  answer->choices = g_new (MblmChoice, n);
  answer->n_choices = n;
  for (guint i = 0; i < n; i++)
    answer->choices[i] = (MblmChoice){.text = g_strdup (self->choices[i]),
        .probability = exp (log_p[i] - log_p[best]) / total};
  answer->text = g_strdup (self->choices[best]);
  answer->probability = answer->choices[best].probability;
  return answer;
}

static MblmAnswer *
rank (MblmAsker *self, GCancellable *cancellable, GError **error)
{
  g_autofree double *log_p = g_new (double, self->endings->len);
  g_autoptr (GError) failure = NULL;
  MblmAnswer *answer;

  mblm_ranker_run (self->ranker, self->session,
      (GArray *const *) self->endings->pdata, self->endings->len, log_p,
      cancellable, &failure);
  gboolean partial = is_ended (cancellable, &failure);
  if (failure) {
    g_propagate_error (error, g_steal_pointer (&failure));
    return NULL;
  }
  answer = choose (self, log_p);
  answer->partial = partial;
  return answer;
}

/* The picture was not read to its end: there is nothing to say. */
static MblmAnswer *
say_nothing (void)
{
  MblmAnswer *answer = g_new0 (MblmAnswer, 1);

  answer->text = g_strdup ("");
  answer->partial = TRUE;
  return answer;
}

/* The prompt for a picture, checked to fit. */
static gboolean
prepare (MblmAsker *self, GBytes *image, MblmPrompt *prompt, GError **error)
{
  gsize size = g_bytes_get_size (image);
  gsize expected = least_image_size (self);

  if (!self->layout->jpeg && size != expected) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "a picture of %" G_GSIZE_FORMAT
        " bytes, but the model takes pictures of %u x %u pixels of 3",
        size, self->layout->width, self->layout->height);
    return FALSE;
  }
  if (!check_context (self, prompt_length (self, self->question, size),
          answer_length (self->endings), "the picture is", error))
    return FALSE;
  mblm_prompt_init (prompt, self->config, self->info, self->question, image);
  return TRUE;
}

/**
 * mblm_asker_answer:
 * @image: the bytes of a picture
 * @cancellable: stops the work
 *
 * Answers the question about a picture.
 *
 * Returns: (transfer full): the answer
 */
MblmAnswer *
mblm_asker_answer (
    MblmAsker *self, GBytes *image, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MBLM_IS_ASKER (self) && image != NULL, NULL);

  g_auto (MblmPrompt) prompt = {NULL};
  g_autoptr (GError) failure = NULL;
  if (!prepare (self, image, &prompt, error))
    return NULL;
  if (!feed_prompt (self, image, &prompt, cancellable, &failure)) {
    if (is_ended (cancellable, &failure))
      return say_nothing ();
    g_propagate_error (error, g_steal_pointer (&failure));
    return NULL;
  }
  return self->endings ? rank (self, cancellable, error)
                       : generate (self, cancellable, error);
}

/**
 * mblm_asker_get_prompt_ids:
 * @image: the bytes of a picture
 *
 * Tells what the model sees up to the answer.
 *
 * Returns: (transfer full) (element-type gint32): the ids
 */
GArray *
mblm_asker_get_prompt_ids (MblmAsker *self, GBytes *image, GError **error)
{
  g_return_val_if_fail (MBLM_IS_ASKER (self) && image != NULL, NULL);

  g_auto (MblmPrompt) prompt = {NULL};
  if (!prepare (self, image, &prompt, error))
    return NULL;
  g_array_append_vals (prompt.before, prompt.rest->data, prompt.rest->len);
  return g_steal_pointer (&prompt.before);
}
