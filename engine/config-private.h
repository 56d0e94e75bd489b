/* config-private.h: what the files of MblmConfig share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "config-yaml.h"
#include "mblm-config.h"

G_BEGIN_DECLS

typedef struct {
  char *type; /* as given or deduced */
  gboolean named;
  MblmPosition position;
  GVariant *options; /* a{sv} */
  char *where;       /* "config.yaml, line 12" */
} MblmConfigBlock;

struct _MblmConfig {
  GObject parent;
  guint n_stages;
  gsize seq_lens[MBLM_MAX_STAGES];
  gsize hidden_dims[MBLM_MAX_STAGES];
  gsize n_layers[MBLM_MAX_STAGES];
  gsize patch[MBLM_MAX_STAGES];
  MblmConfigBlock blocks[MBLM_MAX_STAGES];
  gboolean one_block; /* one mapping stands for all stages */
  guint vocabulary;
  gint pad_id;
  guint64 context;
  guint64 input_length;
  GArray *chunks; /* train_checkpoint_chunks, gint64; or NULL */
  gboolean encoder;
  gint mask_id;
  gboolean mask_reduce_all;
};

/* Where the block of stage `k` stands, for messages: "config.yaml, line 12". */
const char *mblm_config_get_block_where (MblmConfig *self, guint k);

/* config-block.c */
gboolean mblm_config_block_read (MblmConfigBlock *self, const MblmYaml *yaml,
    const MblmYamlNode *node, GError **error);
void mblm_config_block_clear (MblmConfigBlock *self);

/* config-fields.c: each names the key, its line and what is allowed. */
gboolean mblm_yaml_fail (const MblmYaml *yaml, const MblmYamlNode *node,
    GError **error, const char *format, ...) G_GNUC_PRINTF (4, 5);
/* `node` is a mapping and has no keys but the NULL-terminated `known`. */
gboolean mblm_yaml_check_keys (const MblmYaml *yaml, const MblmYamlNode *node,
    const char *what, const char *const *known, GError **error);
/* The value of a key that has to be there. */
const MblmYamlNode *mblm_yaml_require (const MblmYaml *yaml,
    const MblmYamlNode *mapping, const char *key, GError **error);
/* A whole number from min to max; `what` is its name in messages. */
gboolean mblm_yaml_to_integer (const MblmYaml *yaml, const MblmYamlNode *node,
    const char *what, gint64 min, gint64 max, gint64 *out, GError **error);
gboolean mblm_yaml_get_integer (const MblmYaml *yaml,
    const MblmYamlNode *mapping, const char *key, gint64 min, gint64 max,
    gint64 *out, GError **error);
/* A list of min_n to max_n whole numbers. */
gboolean mblm_yaml_get_integers (const MblmYaml *yaml,
    const MblmYamlNode *mapping, const char *key, guint min_n, guint max_n,
    gint64 min, gint64 max, gint64 *out, guint *n, GError **error);
/* "a string", "a list" and so on. */
const char *mblm_yaml_describe (const MblmYamlNode *node);

/* config-values.c: optional values of a mapping. A key that is not there, or is
 * null, leaves `out` as it is. */
gboolean mblm_yaml_read_count (const MblmYaml *yaml,
    const MblmYamlNode *mapping, const char *key, gint64 min, gint64 max,
    guint64 *out, GError **error);
gboolean mblm_yaml_read_boolean (const MblmYaml *yaml,
    const MblmYamlNode *mapping, const char *key, gboolean *out,
    GError **error);
/* A finite number from min to max. */
gboolean mblm_yaml_read_real (const MblmYaml *yaml, const MblmYamlNode *mapping,
    const char *key, double min, double max, double *out, GError **error);
/* Any single value, as it is written; `out` gets a copy. */
gboolean mblm_yaml_read_text (const MblmYaml *yaml, const MblmYamlNode *mapping,
    const char *key, char **out, GError **error);
/* The key has to be there, and not null. */
gboolean mblm_yaml_need (const MblmYaml *yaml, const MblmYamlNode *mapping,
    const char *key, GError **error);
/* A tree as a variant: mappings a{sv}, lists av, values x, d, b and s; what is
 * null is left out of a mapping and is an empty tuple in a list. Floating. */
GVariant *mblm_yaml_to_variant (const MblmYamlNode *node);

/* config-sections.c: the sections of a training file that are not the model's
 * have known keys only. */
gboolean mblm_yaml_check_sections (const MblmYaml *yaml, GError **error);

/* config-emit.c: YAML out of a tree. `node` as the value of a key at `indent`,
 * from behind its colon to the line feed. */
void mblm_yaml_emit (GString *out, const MblmYamlNode *node, guint indent);

/* config-write.c: `text` as a YAML string, quoted where it has to be. */
void mblm_yaml_append_string (GString *out, const char *text);
void mblm_yaml_append_real (GString *out, double value);

G_END_DECLS
