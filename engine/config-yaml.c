/* config-yaml.c: a YAML document as a small tree with hard limits.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * The tree is built from libyaml's events with a stack of open containers, never
 * by recursion. An alias is the node itself, shared; what the document would
 * weigh with every alias written out is counted beside it, so that whoever walks
 * the tree is safe too.
 */

#include "config-yaml.h"

#include <string.h>
#include <yaml.h>

#include "mblm-error.h"
#include "message.h"

#define MAX_TEXT 65536
#define TAG "tag:yaml.org,2002:"

typedef struct {
  MblmYaml *yaml;
  yaml_parser_t parser;
  MblmYamlNode *stack[MBLM_YAML_MAX_DEPTH]; /* open containers */
  MblmYamlNode *key[MBLM_YAML_MAX_DEPTH];   /* of each, waiting for a value */
  guint depth;
  guint total;
  gsize bytes;
  GHashTable *anchors; /* name -> node, borrowed */
} Reader;

static void
node_free (gpointer data)
{
  MblmYamlNode *node = data;

  g_free (node->text);
  g_clear_pointer (&node->keys, g_ptr_array_unref);
  g_clear_pointer (&node->values, g_ptr_array_unref);
  g_clear_pointer (&node->index, g_hash_table_unref);
  g_free (node);
}

void
mblm_yaml_free (MblmYaml *self)
{
  g_ptr_array_unref (self->nodes);
  g_free (self->name);
  g_free (self);
}

const MblmYamlNode *
mblm_yaml_get (const MblmYamlNode *mapping, const char *key)
{
  guint position = mapping->kind == MBLM_YAML_MAPPING
      ? GPOINTER_TO_UINT (g_hash_table_lookup (mapping->index, key))
      : 0;

  return position > 0 ? g_ptr_array_index (mapping->values, position - 1)
                      : NULL;
}

G_GNUC_PRINTF (4, 5)
static gboolean
fail (Reader *self, gsize line, GError **error, const char *format, ...)
{
  va_list args;
  g_autofree char *text = NULL;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "%s, line %" G_GSIZE_FORMAT ": %s", self->yaml->name, line, text);
  return FALSE;
}

static gboolean
count (Reader *self, guint weight, gsize bytes, guint line, GError **error)
{
  self->total += weight;
  self->bytes += bytes;
  if (self->total > MBLM_YAML_MAX_NODES)
    return fail (self, line, error,
        "more than %d values with every alias "
        "written out, which no configuration needs",
        MBLM_YAML_MAX_NODES);
  if (self->bytes > MBLM_YAML_MAX_WRITTEN)
    return fail (self, line, error,
        "more than %d bytes of text with every alias written out, which no "
        "configuration needs",
        MBLM_YAML_MAX_WRITTEN);
  return TRUE;
}

static void
put (MblmYamlNode *mapping, MblmYamlNode *key, MblmYamlNode *value)
{
  g_ptr_array_add (mapping->keys, key);
  g_ptr_array_add (mapping->values, value);
  g_hash_table_insert (
      mapping->index, key->text, GUINT_TO_POINTER (mapping->keys->len));
  mapping->weight += 1 + value->weight;
  mapping->bytes += key->bytes + value->bytes;
  mapping->height = MAX (mapping->height, value->height + 1);
}

/* Takes over the pairs of `from` that `mapping` has not. */
static gboolean
merge (Reader *self, MblmYamlNode *mapping, const MblmYamlNode *from,
    guint line, GError **error)
{
  if (from->kind != MBLM_YAML_MAPPING)
    return fail (self, line, error,
        "\"<<\" takes a mapping or a list of "
        "mappings");
  for (guint i = 0; i < from->keys->len; i++) {
    MblmYamlNode *key = g_ptr_array_index (from->keys, i);
    MblmYamlNode *value = g_ptr_array_index (from->values, i);

    if (g_hash_table_contains (mapping->index, key->text))
      continue;
    if (!count (
            self, 1 + value->weight, key->bytes + value->bytes, line, error))
      return FALSE;
    put (mapping, key, value);
  }
  return TRUE;
}

/* A finished mapping: `<<` becomes the pairs that it stands for. */
static gboolean
merge_all (Reader *self, MblmYamlNode *mapping, GError **error)
{
  guint position = GPOINTER_TO_UINT (
      g_hash_table_lookup (mapping->index, "<<"));

  if (position == 0)
    return TRUE;

  MblmYamlNode *key = g_ptr_array_index (mapping->keys, position - 1);
  MblmYamlNode *value = g_ptr_array_index (mapping->values, position - 1);

  if (!key->plain)
    return TRUE;
  g_ptr_array_remove_index (mapping->keys, position - 1);
  g_ptr_array_remove_index (mapping->values, position - 1);
  g_hash_table_remove_all (mapping->index);
  for (guint i = 0; i < mapping->keys->len; i++) {
    MblmYamlNode *other = g_ptr_array_index (mapping->keys, i);

    g_hash_table_insert (mapping->index, other->text, GUINT_TO_POINTER (i + 1));
  }
  if (value->kind != MBLM_YAML_SEQUENCE)
    return merge (self, mapping, value, key->line, error);
  for (guint i = 0; i < value->values->len; i++)
    if (!merge (self, mapping, g_ptr_array_index (value->values, i), key->line,
            error))
      return FALSE;
  return TRUE;
}

/* Puts a finished or just opened node where the document has it. */
static gboolean
attach (Reader *self, MblmYamlNode *node, GError **error)
{
  if (self->depth == 0) {
    self->yaml->root = node;
    return TRUE;
  }

  MblmYamlNode *parent = self->stack[self->depth - 1];
  MblmYamlNode **key = &self->key[self->depth - 1];

  if (parent->kind == MBLM_YAML_SEQUENCE) {
    g_ptr_array_add (parent->values, node);
    parent->weight += node->weight;
    parent->bytes += node->bytes;
    parent->height = MAX (parent->height, node->height + 1);
    return TRUE;
  }
  if (*key != NULL) {
    put (parent, *key, node);
    *key = NULL;
    return TRUE;
  }
  if (node->text == NULL)
    return fail (self, node->line, error, "a key must be a plain word");
  if (g_hash_table_contains (parent->index, node->text)) {
    g_autofree char *name = mblm_quote (node->text, -1);

    return fail (self, node->line, error, "the key %s is there twice", name);
  }
  *key = node;
  return TRUE;
}

static MblmYamlNode *
node_new (Reader *self, MblmYamlKind kind, const yaml_event_t *event,
    const yaml_char_t *anchor)
{
  MblmYamlNode *node = g_new0 (MblmYamlNode, 1);

  node->kind = kind;
  node->line = (guint) event->start_mark.line + 1;
  node->height = 1;
  node->weight = 1;
  g_ptr_array_add (self->yaml->nodes, node);
  if (anchor != NULL)
    g_hash_table_insert (self->anchors, g_strdup ((const char *) anchor), node);
  return node;
}

/* Gives a scalar its kind: as it looks where it is plain, as its tag says where it
 * has one. */
static gboolean
type_scalar (Reader *self, MblmYamlNode *node, const char *tag, GError **error)
{
  static const char *const types[] = {
      TAG "null", TAG "bool", TAG "int", TAG "float", NULL};
  gboolean typed = tag != NULL && g_strv_contains (types, tag);

  if (tag != NULL && !typed && !g_str_equal (tag, TAG "str") &&
      !g_str_equal (tag, "!")) {
    g_autofree char *name = mblm_quote (tag, -1);

    return fail (self, node->line, error, "the tag %s is not allowed", name);
  }
  if (tag != NULL && !typed)
    node->plain = FALSE;
  if (!typed && !node->plain)
    return TRUE;
  if (!mblm_yaml_resolve (node))
    return fail (
        self, node->line, error, "%.40s... is beyond 64 bits", node->text);
  if (typed &&
      (node->kind > MBLM_YAML_NUMBER || !g_str_equal (tag, types[node->kind])))
    return fail (self, node->line, error, "a value that is not of its tag");
  return TRUE;
}

static gboolean
read_scalar (Reader *self, const yaml_event_t *event, GError **error)
{
  const char *value = (const char *) event->data.scalar.value;
  MblmYamlNode *node = node_new (
      self, MBLM_YAML_STRING, event, event->data.scalar.anchor);

  if (event->data.scalar.length > MAX_TEXT)
    return fail (
        self, node->line, error, "a text of more than %d bytes", MAX_TEXT);
  if (strlen (value) != event->data.scalar.length)
    return fail (self, node->line, error, "a text with a NUL in it");
  node->text = g_strdup (value);
  node->bytes = event->data.scalar.length;
  node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
  return type_scalar (
             self, node, (const char *) event->data.scalar.tag, error) &&
      count (self, 1, node->bytes, node->line, error) &&
      attach (self, node, error);
}

static gboolean
open_container (
    Reader *self, MblmYamlKind kind, const yaml_event_t *event, GError **error)
{
  gboolean mapping = kind == MBLM_YAML_MAPPING;
  const yaml_char_t *anchor = mapping ? event->data.mapping_start.anchor
                                      : event->data.sequence_start.anchor;
  const char *tag = (const char *) (mapping ? event->data.mapping_start.tag
                                            : event->data.sequence_start.tag);
  MblmYamlNode *node = node_new (self, kind, event, anchor);

  if (tag != NULL && !g_str_equal (tag, mapping ? TAG "map" : TAG "seq")) {
    g_autofree char *name = mblm_quote (tag, -1);

    return fail (self, node->line, error, "the tag %s is not allowed", name);
  }
  if (self->depth == MBLM_YAML_MAX_DEPTH)
    return fail (self, node->line, error, "nested more than %d deep",
        MBLM_YAML_MAX_DEPTH);
  if (self->depth > 0 &&
      self->stack[self->depth - 1]->kind == MBLM_YAML_MAPPING &&
      self->key[self->depth - 1] == NULL)
    return fail (self, node->line, error, "a key must be a plain word");
  node->open = TRUE;
  node->values = g_ptr_array_new ();
  if (mapping) {
    node->keys = g_ptr_array_new ();
    node->index = g_hash_table_new (g_str_hash, g_str_equal);
  }
  self->stack[self->depth] = node;
  self->key[self->depth] = NULL;
  self->depth++;
  return count (self, 1, 0, node->line, error);
}

/* A container is attached when it is complete, so that its weight is known. */
static gboolean
close_container (Reader *self, GError **error)
{
  MblmYamlNode *node = self->stack[self->depth - 1];

  node->open = FALSE;
  self->depth--;
  if (node->kind == MBLM_YAML_MAPPING && !merge_all (self, node, error))
    return FALSE;
  return attach (self, node, error);
}

static gboolean
read_alias (Reader *self, const yaml_event_t *event, GError **error)
{
  const char *anchor = (const char *) event->data.alias.anchor;
  MblmYamlNode *node = g_hash_table_lookup (self->anchors, anchor);
  guint line = (guint) event->start_mark.line + 1;
  g_autofree char *name = mblm_quote (anchor, -1);

  if (node == NULL)
    return fail (self, line, error, "there is no anchor %s", name);
  if (node->open)
    return fail (self, line, error, "%s contains itself", name);
  if (self->depth + node->height > MBLM_YAML_MAX_DEPTH)
    return fail (
        self, line, error, "nested more than %d deep", MBLM_YAML_MAX_DEPTH);
  return count (self, node->weight, node->bytes, line, error) &&
      attach (self, node, error);
}

static gboolean
read_event (
    Reader *self, const yaml_event_t *event, gboolean *done, GError **error)
{
  switch (event->type) {
    case YAML_SCALAR_EVENT:
      return read_scalar (self, event, error);
    case YAML_ALIAS_EVENT:
      return read_alias (self, event, error);
    case YAML_SEQUENCE_START_EVENT:
      return open_container (self, MBLM_YAML_SEQUENCE, event, error);
    case YAML_MAPPING_START_EVENT:
      return open_container (self, MBLM_YAML_MAPPING, event, error);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
      return close_container (self, error);
    case YAML_DOCUMENT_START_EVENT:
      if (self->yaml->root != NULL)
        return fail (self, event->start_mark.line + 1, error,
            "a second document; a configuration is one");
      return TRUE;
    case YAML_STREAM_END_EVENT:
      *done = TRUE;
      return TRUE;
    default:
      return TRUE;
  }
}

static gboolean
read_all (Reader *self, GError **error)
{
  gboolean done = FALSE;

  while (!done) {
    yaml_event_t event;
    gboolean ok;

    if (!yaml_parser_parse (&self->parser, &event)) {
      const char *problem = self->parser.problem;
      gsize line = self->parser.problem_mark.line + 1;

      return fail (self, line, error, "not valid YAML: %s",
          problem != NULL ? problem : "out of memory");
    }
    ok = read_event (self, &event, &done, error);
    yaml_event_delete (&event);
    if (!ok)
      return FALSE;
  }
  if (self->yaml->root == NULL)
    return fail (self, 1, error, "the file is empty");
  return TRUE;
}

MblmYaml *
mblm_yaml_parse (
    const char *text, gsize length, const char *name, GError **error)
{
  g_autoptr (MblmYaml) yaml = g_new0 (MblmYaml, 1);
  Reader reader = {.yaml = yaml};
  gboolean ok;

  yaml->name = g_strdup (name);
  yaml->nodes = g_ptr_array_new_with_free_func (node_free);
  if (length > MBLM_YAML_MAX_BYTES) {
    fail (&reader, 1, error, "larger than %d bytes", MBLM_YAML_MAX_BYTES);
    return NULL;
  }
  if (!yaml_parser_initialize (&reader.parser)) {
    g_set_error (
        error, MBLM_ERROR, MBLM_ERROR_MEMORY, "%s: out of memory", name);
    return NULL;
  }
  reader.anchors = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, NULL);
  yaml_parser_set_encoding (&reader.parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string (
      &reader.parser, (const unsigned char *) text, length);
  ok = read_all (&reader, error);
  g_hash_table_unref (reader.anchors);
  yaml_parser_delete (&reader.parser);
  return ok ? g_steal_pointer (&yaml) : NULL;
}
