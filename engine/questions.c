/* questions.c: questions about pictures, in a file of JSON.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "questions.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "mblm-error.h"
#include "read-file.h"

#define BUFFER (1 << 16)
#define MAX_KEY 64

typedef struct {
  guint64 offset;
  guint32 size;
  guint32 number; /* line or entry in the file, from 1 */
} Place;

struct _MblmQuestions {
  char *path, *list, *image, *folder;
  int fd;
  gboolean skip_unreadable;
  GArray *places; /* Place */
};

/* ------------------------------------------------------------------------- */
/* Where the objects lie                                                     */
/* ------------------------------------------------------------------------- */

/* What the walk over the bytes of a file knows. */
typedef struct {
  MblmQuestions *self;
  guint64 at, start; /* of this byte, and of the object that is open */
  guint32 number;
  /* JSON lines: */
  gboolean filled; /* the line has more than blanks */
  /* a list in an object: */
  guint depth;
  gboolean in_string, escaped, is_key, in_list, found;
  char text[MAX_KEY]; /* of the last string at depth 1 */
  guint n_text;
} Walk;

static gboolean
check_size (MblmQuestions *self, guint index, GError **error)
{
  if (g_array_index (self->places, Place, index).size <=
      MBLM_QUESTIONS_MAX_BYTES)
    return TRUE;
  g_autofree char *where = mblm_questions_where (self, index);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: more than %u bytes, which no question has", where,
      MBLM_QUESTIONS_MAX_BYTES);
  return FALSE;
}

static gboolean
add_place (Walk *walk, guint64 end, GError **error)
{
  MblmQuestions *self = walk->self;
  Place place = {walk->start, (guint32) MIN (end - walk->start, G_MAXUINT32),
      walk->number};

  g_array_append_val (self->places, place);
  if (!self->skip_unreadable &&
      !check_size (self, self->places->len - 1, error))
    return FALSE;
  if (self->places->len <= MBLM_QUESTIONS_MAX)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: more than %u questions; split the file", self->path,
      MBLM_QUESTIONS_MAX);
  return FALSE;
}

static gboolean
walk_line (Walk *walk, guint8 byte, GError **error)
{
  if (byte != '\n') {
    walk->filled |= byte != ' ' && byte != '\t' && byte != '\r';
    return TRUE;
  }
  walk->number++;
  if (walk->filled && !add_place (walk, walk->at, error))
    return FALSE;
  walk->filled = FALSE;
  walk->start = walk->at + 1;
  return TRUE;
}

/* A byte inside a string; the text of one at depth 1 may be the key. */
static void
walk_string (Walk *walk, guint8 byte)
{
  if (walk->escaped) {
    walk->escaped = FALSE;
  } else if (byte == '"') {
    walk->in_string = FALSE;
    return;
  } else {
    walk->escaped = byte == '\\';
  }
  if (walk->depth == 1 && walk->n_text < MAX_KEY)
    walk->text[walk->n_text++] = (char) byte;
}

static gboolean
close_bracket (Walk *walk, guint8 byte, GError **error)
{
  if (walk->depth > 0)
    walk->depth--;
  if (walk->depth == 1)
    walk->in_list = FALSE;
  if (!walk->in_list || walk->depth != 2 || byte != '}')
    return TRUE;
  walk->number++;
  return add_place (walk, walk->at + 1, error);
}

/* Only the outline is looked at here: an object is checked when it is read. */
static gboolean
walk_list (Walk *walk, guint8 byte, GError **error)
{
  const char *list = walk->self->list;

  if (walk->in_string) {
    walk_string (walk, byte);
    return TRUE;
  }
  switch (byte) {
    case '"':
      walk->in_string = TRUE;
      if (walk->depth == 1)
        walk->n_text = 0;
      return TRUE;
    case ':':
      if (walk->depth == 1)
        walk->is_key = walk->n_text == strlen (list) &&
            memcmp (walk->text, list, walk->n_text) == 0;
      return TRUE;
    case '[':
      walk->in_list |= walk->depth == 1 && walk->is_key;
      walk->found |= walk->in_list;
      walk->depth++;
      return TRUE;
    case '{':
      if (walk->in_list && walk->depth == 2)
        walk->start = walk->at;
      walk->depth++;
      return TRUE;
    case ']':
    case '}':
      return close_bracket (walk, byte, error);
    default:
      return TRUE;
  }
}

static gboolean
finish_walk (Walk *walk, GError **error)
{
  MblmQuestions *self = walk->self;

  if (!self->list)
    return !walk->filled || walk_line (walk, '\n', error);
  if (walk->found && walk->depth == 0 && !walk->in_string)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: %s; it must be JSON, an object with the list \"%s\"", self->path,
      walk->found ? "ends in the middle" : "has no such list", self->list);
  return FALSE;
}

static gboolean
find_places (MblmQuestions *self, guint64 size, GError **error)
{
  g_autofree guint8 *buffer = g_malloc (BUFFER);
  Walk walk = {.self = self};

  while (walk.at < size) {
    gsize n = (gsize) MIN (size - walk.at, BUFFER);

    if (!mblm_read_at (self->fd, buffer, n, walk.at)) {
      int code = errno;
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
          "%s: can't read it: %s", self->path,
          code != 0 ? g_strerror (code) : "it became shorter");
      return FALSE;
    }
    for (gsize i = 0; i < n; i++, walk.at++)
      if (!(self->list ? walk_list (&walk, buffer[i], error)
                       : walk_line (&walk, buffer[i], error)))
        return FALSE;
  }
  return finish_walk (&walk, error);
}

/* ------------------------------------------------------------------------- */
/* One object                                                                */
/* ------------------------------------------------------------------------- */

void
mblm_question_clear (MblmQuestion *self)
{
  g_clear_pointer (&self->image, g_free);
  g_clear_pointer (&self->question, g_free);
  g_clear_pointer (&self->answer, g_free);
  g_clear_pointer (&self->type, g_free);
}

/* The value of the key read last: a text, or a number as it is written. */
static gboolean
read_text (MblmJson *json, char **out)
{
  if (*out)
    return mblm_json_fail (json, "a key that is there twice");
  if (mblm_json_take_null (json))
    return TRUE;
  switch (mblm_json_next (json)) {
    case MBLM_JSON_STRING:
    case MBLM_JSON_NUMBER:
      *out = g_strdup (json->string->str);
      return TRUE;
    default:
      return mblm_json_fail (json, "a value that is not a text");
  }
}

/* The value of the key read last where it is a text, and nothing where it isn't. */
static gboolean
read_if_text (MblmJson *json, char **out)
{
  if (mblm_json_look (json) != '"')
    return mblm_json_skip (json);
  if (mblm_json_next (json) != MBLM_JSON_STRING)
    return FALSE;
  g_free (*out);
  *out = g_strdup (json->string->str);
  return TRUE;
}

/* A node of a program: what it does. */
static gboolean
read_node (MblmJson *json, char **type)
{
  while (mblm_json_next (json) == MBLM_JSON_KEY) {
    const char *key = json->string->str;
    gboolean names = g_str_equal (key, "function") || g_str_equal (key, "type");

    if (!(names ? read_if_text (json, type) : mblm_json_skip (json)))
      return FALSE;
  }
  return json->problem == NULL;
}

/* The program of a question; `type` is what its last node does. */
static gboolean
read_program (MblmJson *json, char **type)
{
  MblmJsonToken token;

  if (mblm_json_look (json) != '[')
    return mblm_json_skip (json);
  mblm_json_next (json);
  while ((token = mblm_json_next (json)) == MBLM_JSON_OBJECT)
    if (!read_node (json, type))
      return FALSE;
  return token == MBLM_JSON_ARRAY_END ||
      mblm_json_fail (json, "a program with what is not an object");
}

static gboolean
parse (MblmQuestions *self, MblmJson *json, MblmQuestion *out)
{
  g_autofree char *last = NULL;
  MblmJsonToken token;

  if (mblm_json_next (json) != MBLM_JSON_OBJECT)
    return mblm_json_fail (json, "this must be an object");
  while ((token = mblm_json_next (json)) == MBLM_JSON_KEY) {
    const char *key = json->string->str;
    gboolean is_program = self->list && g_str_equal (key, "program");
    gboolean is_type = g_str_equal (key, "type");
    char **field = g_str_equal (key, self->image) ? &out->image
        : g_str_equal (key, "question")           ? &out->question
        : g_str_equal (key, "answer")             ? &out->answer
                                                  : NULL;

    if (!(field              ? read_text (json, field)
                : is_type    ? read_if_text (json, &out->type)
                : is_program ? read_program (json, &last)
                             : mblm_json_skip (json)))
      return FALSE;
  }
  if (!out->type)
    out->type = g_steal_pointer (&last);
  return token == MBLM_JSON_OBJECT_END &&
      mblm_json_next (json) == MBLM_JSON_END;
}

/* Names of pictures start from a folder. */
static void
complete (MblmQuestions *self, MblmQuestion *question)
{
  g_autofree char *name = g_steal_pointer (&question->image);

  if (name)
    question->image = g_path_is_absolute (name)
        ? g_steal_pointer (&name)
        : g_build_filename (self->folder, name, NULL);
}

char *
mblm_questions_where (MblmQuestions *self, guint index)
{
  guint number = g_array_index (self->places, Place, index).number;

  return self->list ? g_strdup_printf ("%s, entry %u of \"%s\"", self->path,
                          number, self->list)
                    : g_strdup_printf ("%s, line %u", self->path, number);
}

gboolean
mblm_questions_read (
    MblmQuestions *self, guint index, MblmQuestion *out, GError **error)
{
  const Place *place = &g_array_index (self->places, Place, index);
  g_auto (MblmQuestion) question = {NULL};

  if (!check_size (self, index, error))
    return FALSE;

  g_autofree char *text = g_malloc ((gsize) place->size + 1);
  g_auto (MblmJson) json;

  mblm_json_init (&json, text, place->size);
  if (!mblm_read_at (self->fd, text, place->size, place->offset)) {
    int code = errno;
    g_autofree char *where = mblm_questions_where (self, index);

    if (code != 0)
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
          "%s: can't read it: %s", where, g_strerror (code));
    else
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
          "%s: the file became shorter after it was opened; put it back, or "
          "start anew",
          where);
    return FALSE;
  }
  if (!parse (self, &json, &question)) {
    g_autofree char *where = mblm_questions_where (self, index);
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT, "%s: %s", where,
        json.problem ? json.problem : "not one whole object");
    return FALSE;
  }
  complete (self, &question);
  *out = question;
  question = (MblmQuestion){NULL};
  return TRUE;
}

/* ------------------------------------------------------------------------- */
/* Opening                                                                   */
/* ------------------------------------------------------------------------- */

static gboolean
is_readable (MblmQuestions *self, guint index, GError **error)
{
  g_auto (MblmQuestion) question = {NULL};
  guint64 size;

  if (!mblm_questions_read (self, index, &question, error))
    return FALSE;
  if (!question.image)
    return TRUE;

  int fd = mblm_open_file (question.image, &size, error);
  if (fd < 0)
    return FALSE;
  close (fd);
  return TRUE;
}

static void
leave_out_unreadable (MblmQuestions *self)
{
  guint kept = 0;

  for (guint i = 0; i < self->places->len; i++) {
    g_autoptr (GError) error = NULL;

    if (is_readable (self, i, &error))
      g_array_index (self->places, Place, kept++) = g_array_index (
          self->places, Place, i);
    else
      g_warning ("%s; it is left out", error->message);
  }
  g_array_set_size (self->places, kept);
}

MblmQuestions *
mblm_questions_open (const MblmQuestionsOptions *options, GError **error)
{
  guint64 size;
  int fd = mblm_open_file (options->path, &size, error);

  if (fd < 0)
    return NULL;

  g_autoptr (MblmQuestions) self = g_new0 (MblmQuestions, 1);
  self->fd = fd;
  self->path = g_strdup (options->path);
  self->list = g_strdup (options->list);
  self->image = g_strdup (options->image);
  self->folder = g_strdup (options->folder);
  self->skip_unreadable = options->skip_unreadable;
  self->places = g_array_new (FALSE, FALSE, sizeof (Place));
  if (!find_places (self, size, error))
    return NULL;
  if (self->skip_unreadable)
    leave_out_unreadable (self);
  if (self->places->len > 0)
    return g_steal_pointer (&self);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: holds no questions; choose another file", self->path);
  return NULL;
}

void
mblm_questions_free (MblmQuestions *self)
{
  close (self->fd);
  g_free (self->path);
  g_free (self->list);
  g_free (self->image);
  g_free (self->folder);
  g_array_unref (self->places);
  g_free (self);
}

guint
mblm_questions_count (MblmQuestions *self)
{
  return self->places->len;
}

void
mblm_questions_describe (MblmQuestions *self, GChecksum *sum)
{
  for (guint i = 0; i < self->places->len; i++) {
    const Place *place = &g_array_index (self->places, Place, i);
    g_autofree char *text = g_strdup_printf (
        "%" G_GUINT64_FORMAT " %u\n", place->offset, place->size);

    g_checksum_update (sum, (const guchar *) text, -1);
  }
}
