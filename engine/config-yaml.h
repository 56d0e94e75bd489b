/* config-yaml.h: a YAML document as a small tree with hard limits.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Scalars are typed as YAML 1.1 has them (which is what the published files are
 * read with), plus floats like 1e-3 that YAML 1.2 added. Aliases and merge keys
 * (`<<`) are followed; a document that contains itself, that is more than
 * MBLM_YAML_MAX_DEPTH deep or that has more than MBLM_YAML_MAX_NODES nodes or
 * MBLM_YAML_MAX_WRITTEN bytes of text with every alias written out is an error, as
 * are duplicate keys. Private to the engine.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define MBLM_YAML_MAX_BYTES (1024 * 1024)
#define MBLM_YAML_MAX_DEPTH 32
#define MBLM_YAML_MAX_NODES 20000
#define MBLM_YAML_MAX_WRITTEN (4 * 1024 * 1024)

typedef enum {
  MBLM_YAML_NULL,
  MBLM_YAML_BOOLEAN,
  MBLM_YAML_INTEGER,
  MBLM_YAML_NUMBER, /* may be infinite or not a number */
  MBLM_YAML_STRING,
  MBLM_YAML_SEQUENCE,
  MBLM_YAML_MAPPING,
} MblmYamlKind;

typedef struct _MblmYamlNode MblmYamlNode;
struct _MblmYamlNode {
  MblmYamlKind kind;
  guint line;     /* from 1 */
  char *text;     /* scalars: UTF-8 without NUL */
  gint64 integer; /* also 0 or 1 of a boolean */
  double number;
  GPtrArray *keys;   /* mappings: scalar nodes, borrowed */
  GPtrArray *values; /* mappings and sequences, borrowed */
  GHashTable *index; /* mappings: text of the key -> position + 1 */
  gboolean plain;    /* a scalar without quotes */
  gboolean open;     /* while it is read */
  guint height;      /* 1 for scalars */
  guint weight;      /* nodes with every alias written out */
  gsize bytes;       /* of their text */
};

typedef struct {
  char *name;       /* of the file, for messages */
  GPtrArray *nodes; /* owns all of them */
  const MblmYamlNode *root;
} MblmYaml;

/* Error: MBLM_ERROR_CONFIG, with name and line. */
MblmYaml *mblm_yaml_parse (
    const char *text, gsize length, const char *name, GError **error);
void mblm_yaml_free (MblmYaml *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmYaml, mblm_yaml_free)

/* The value of a key; NULL where there is none or the node is no mapping. */
const MblmYamlNode *mblm_yaml_get (
    const MblmYamlNode *mapping, const char *key);

/* Types the text of a plain scalar into `node`; FALSE for an integer beyond 64
 * bits. */
gboolean mblm_yaml_resolve (MblmYamlNode *node);

G_END_DECLS
