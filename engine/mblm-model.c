/* mblm-model.c: immutable weights on a device, one copy per process.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A model is known by the identity of its files (device, inode, size and time of
 * change of config.yaml, mblm.json and the weights), its device and precision.
 * Whoever asks for one that is being loaded waits for it.
 */

#include "config.h"

#include "mblm-model.h"

#include <string.h>
#include <sys/stat.h>

#include "model-private.h"

#define CONFIG_NAME "config.yaml"
#define INFO_NAME "mblm.json"
#define WEIGHTS_NAME "model.safetensors"

const char *const mblm_precision_names[] = {"f32", "bf16", "tf32", NULL};

G_DEFINE_FINAL_TYPE (MblmModel, mblm_model, G_TYPE_OBJECT)

static void
mblm_model_finalize (GObject *object)
{
  MblmModel *self = MBLM_MODEL (object);

  if (self->device != NULL) {
    /* Freeing needs the device alone. */
    MblmRun run = {.k = mblm_device_get_kernels (self->device),
        .memory = mblm_device_get_memory (self->device)};
    mblm_parameters_unload (self->parameters, &run);
    for (guint k = 0; k < self->n_stages; k++) {
      MblmStage *stage = &self->stage[k];
      float *constants[] = {
          stage->frequency, stage->start_out, stage->start_projection};
      mblm_state_free (stage->start_state, &run);
      for (guint i = 0; i < G_N_ELEMENTS (constants); i++)
        if (constants[i] != NULL)
          run.k->free (run.memory, constants[i]);
    }
  }
  for (guint k = 0; k < self->n_stages; k++)
    g_clear_pointer (&self->stage[k].block, mblm_block_free);
  mblm_parameters_free (self->parameters);
  g_free (self->chained_logits);
  g_free (self->bare_logits);
  g_free (self->path);
  g_clear_object (&self->config);
  g_clear_object (&self->info);
  g_clear_object (&self->device);
  G_OBJECT_CLASS (mblm_model_parent_class)->finalize (object);
}

static void
mblm_model_class_init (MblmModelClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mblm_model_finalize;
}

static void
mblm_model_init (MblmModel *self)
{
  self->parameters = mblm_parameters_new ();
}

/* ------------------------------------------------------------------------- */
/* Files                                                                     */
/* ------------------------------------------------------------------------- */

static gboolean
is_model (const char *path)
{
  g_autofree char *config = g_build_filename (path, CONFIG_NAME, NULL);
  return g_str_has_suffix (path, ".safetensors")
      ? g_file_test (path, G_FILE_TEST_IS_REGULAR)
      : g_file_test (config, G_FILE_TEST_EXISTS);
}

/* The folders that names are searched in. */
static char **
search_path (void)
{
  const char *env = g_getenv ("MBLM_MODEL_PATH");
  GPtrArray *folders = g_ptr_array_new ();

  if (env != NULL) {
    char **given = g_strsplit (env, G_SEARCHPATH_SEPARATOR_S, -1);
    for (guint i = 0; given[i] != NULL; i++)
      g_ptr_array_add (folders, given[i]);
    g_free (given);
  }
  g_ptr_array_add (folders,
      g_build_filename (g_get_user_data_dir (), "mblm", "models", NULL));
  g_ptr_array_add (folders, g_strdup (MBLM_MODELS_DIR));
  g_ptr_array_add (folders, NULL);
  return (char **) g_ptr_array_free (folders, FALSE);
}

char *
mblm_model_find (const char *name, GError **error)
{
  if (is_model (name))
    return g_strdup (name);

  g_auto (GStrv) folders = search_path ();
  gboolean is_name = *name != '\0' && *name != '.' &&
      strchr (name, G_DIR_SEPARATOR) == NULL;
  for (guint i = 0; is_name && folders[i] != NULL; i++) {
    g_autofree char *path = g_build_filename (folders[i], name, NULL);
    if (*folders[i] != '\0' && is_model (path))
      return g_steal_pointer (&path);
  }
  if (!is_name || g_file_test (name, G_FILE_TEST_EXISTS)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
        "%s: no model: give a folder with %s and %s, or a .safetensors file "
        "with its %s beside it",
        name, CONFIG_NAME, WEIGHTS_NAME, CONFIG_NAME);
  } else {
    g_autofree char *list = g_strjoinv (", ", folders);
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
        "%s: no model of that name in %s; give the path of a model folder, or "
        "add its parent to MBLM_MODEL_PATH",
        name, list);
  }
  return NULL;
}

typedef struct {
  char *path; /* canonical, of the folder or file */
  char *config, *info, *weights;
} Files;

static void
files_clear (Files *self)
{
  g_free (self->path);
  g_free (self->config);
  g_free (self->info);
  g_free (self->weights);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Files, files_clear)

static gboolean
files_find (Files *self, const char *name, GError **error)
{
  g_autofree char *found = mblm_model_find (name, error);

  if (found == NULL)
    return FALSE;
  gboolean is_file = g_str_has_suffix (found, ".safetensors");
  g_autofree char *folder = is_file ? g_path_get_dirname (found)
                                    : g_strdup (found);
  /* Links are followed, so that two names of one folder are one model. */
  char *real = realpath (found, NULL);
  self->path = real != NULL ? g_strdup (real)
                            : g_canonicalize_filename (found, NULL);
  free (real);
  self->config = g_build_filename (folder, CONFIG_NAME, NULL);
  self->info = g_build_filename (folder, INFO_NAME, NULL);
  self->weights = is_file ? g_strdup (found)
                          : g_build_filename (folder, WEIGHTS_NAME, NULL);
  return TRUE;
}

/* What tells that none of the three files was changed or replaced. */
static char *
files_identify (const Files *self)
{
  const char *names[] = {self->config, self->info, self->weights};
  GString *text = g_string_new (self->path);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    struct stat s;
    if (stat (names[i], &s) == 0)
      g_string_append_printf (text,
          "|%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT
          ":%" G_GINT64_FORMAT ".%09ld",
          (guint64) s.st_dev, (guint64) s.st_ino, (guint64) s.st_size,
          (gint64) s.st_mtim.tv_sec, (long) s.st_mtim.tv_nsec);
    else
      g_string_append (text, "|-");
  }
  return g_string_free (text, FALSE);
}

static MblmInfo *
load_info (const Files *files, MblmConfig *config, GError **error)
{
  g_autofree char *name = NULL;

  if (g_file_test (files->info, G_FILE_TEST_EXISTS))
    return mblm_info_load (
        files->info, mblm_config_get_vocabulary (config), error);
  name = g_path_get_basename (files->path);
  return mblm_info_new_default (name, mblm_config_get_pad_id (config));
}

/* A model without weights, checked against the header of its file. */
static MblmModel *
open_model (const Files *files, MblmTensorFile **file, GError **error)
{
  g_autoptr (MblmConfig) config = mblm_config_load (files->config, error);
  if (config == NULL)
    return NULL;
  g_autoptr (MblmInfo) info = load_info (files, config, error);
  if (info == NULL)
    return NULL;
  g_autoptr (MblmTensorFile)
      tensors = mblm_tensor_file_open (files->weights, error);
  if (tensors == NULL)
    return NULL;
  g_autoptr (MblmModel) self = mblm_model_new_bare (config, tensors, error);
  if (self == NULL)
    return NULL;
  if (!mblm_parameters_check_file (self->parameters, tensors, error)) {
    g_prefix_error (error, "%s: ", files->weights);
    return NULL;
  }
  self->info = g_steal_pointer (&info);
  self->path = g_strdup (files->path);
  *file = g_steal_pointer (&tensors);
  return g_steal_pointer (&self);
}

MblmModel *
mblm_model_open (const char *path, MblmTensorFile **file, GError **error)
{
  g_auto (Files) files = {0};

  return files_find (&files, path, error) ? open_model (&files, file, error)
                                          : NULL;
}

/**
 * mblm_model_check:
 * @path: a model folder or its name
 * @config: (out) (optional) (transfer full): its configuration
 * @info: (out) (optional) (transfer full): its mblm.json
 *
 * Checks a model without loading it.
 *
 * Returns: %TRUE where it could be loaded
 */
gboolean
mblm_model_check (
    const char *path, MblmConfig **config, MblmInfo **info, GError **error)
{
  g_auto (Files) files = {0};
  g_autoptr (MblmTensorFile) file = NULL;
  g_autoptr (MblmModel) model = NULL;

  if (!files_find (&files, path, error) ||
      (model = open_model (&files, &file, error)) == NULL)
    return FALSE;
  if (config != NULL)
    *config = g_object_ref (model->config);
  if (info != NULL)
    *info = g_object_ref (model->info);
  return TRUE;
}

static MblmModel *
load_model (const Files *files, MblmDevice *device, MblmPrecision precision,
    GCancellable *cancellable, GError **error)
{
  g_autofree char *before = files_identify (files);
  g_autoptr (MblmTensorFile) file = NULL;
  g_autoptr (MblmModel) self = open_model (files, &file, error);
  MblmRun run = {0};

  if (self == NULL)
    return NULL;
  self->device = g_object_ref (device);
  self->precision = precision;
  gboolean ok = mblm_model_init_run (self, &run, error);
  run.cancellable = cancellable;
  ok = ok && mblm_model_load_weights (self, file, &run, error);
  mblm_run_clear (&run);
  if (!ok) {
    if (error != NULL && (*error)->domain == MBLM_ERROR)
      g_prefix_error (error, "%s: ", files->weights);
    return NULL;
  }
  g_autofree char *after = files_identify (files);
  if (!g_str_equal (before, after)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS,
        "%s: the model was replaced while it was read; load it again",
        files->path);
    return NULL;
  }
  return g_steal_pointer (&self);
}

/* ------------------------------------------------------------------------- */
/* The registry                                                              */
/* ------------------------------------------------------------------------- */

/* A model that is being loaded or was; protected by `lock`. Entries whose model
 * has gone are dropped at the next load. */
typedef struct {
  gboolean loading;
  GWeakRef model;
} Entry;

static GMutex lock;
static GCond loaded;
static GHashTable *entries;

static void
free_entry (gpointer data)
{
  Entry *entry = data;
  g_weak_ref_clear (&entry->model);
  g_free (entry);
}

static gboolean
is_gone (gpointer key, gpointer value, gpointer data)
{
  Entry *entry = value;
  g_autoptr (MblmModel) model = g_weak_ref_get (&entry->model);
  return !entry->loading && model == NULL;
}

/* Either a model, or NULL with an entry to fill; waits while somebody else is
 * loading it. */
static MblmModel *
claim (const char *key, GCancellable *cancellable, gboolean *cancelled)
{
  MblmModel *model = NULL;

  g_mutex_lock (&lock);
  if (entries == NULL)
    entries = g_hash_table_new_full (
        g_str_hash, g_str_equal, g_free, free_entry);
  g_hash_table_foreach_remove (entries, is_gone, NULL);
  for (;;) {
    Entry *entry = g_hash_table_lookup (entries, key);
    if (entry == NULL) {
      entry = g_new0 (Entry, 1);
      entry->loading = TRUE;
      g_weak_ref_init (&entry->model, NULL);
      g_hash_table_insert (entries, g_strdup (key), entry);
      break;
    }
    if (!entry->loading) {
      model = g_weak_ref_get (&entry->model);
      entry->loading = model == NULL;
      break;
    }
    *cancelled = g_cancellable_is_cancelled (cancellable);
    if (*cancelled)
      break;
    g_cond_wait_until (
        &loaded, &lock, g_get_monotonic_time () + 20 * G_TIME_SPAN_MILLISECOND);
  }
  g_mutex_unlock (&lock);
  return model;
}

static void
publish (const char *key, MblmModel *model)
{
  g_mutex_lock (&lock);
  Entry *entry = g_hash_table_lookup (entries, key);
  entry->loading = FALSE;
  g_weak_ref_set (&entry->model, model);
  g_cond_broadcast (&loaded);
  g_mutex_unlock (&lock);
}

/**
 * mblm_model_load:
 * @path: a model folder or its name
 * @device: where to keep it
 * @precision: of its products
 * @cancellable: stops the loading
 *
 * Loads a model.
 *
 * Returns: (transfer full): the model
 */
MblmModel *
mblm_model_load (const char *path, MblmDevice *device, MblmPrecision precision,
    GCancellable *cancellable, GError **error)
{
  g_auto (Files) files = {0};
  gboolean cancelled = FALSE;

  if (!files_find (&files, path, error))
    return NULL;
  g_autofree char *identity = files_identify (&files);
  g_autofree char *key = g_strdup_printf (
      "%s|%p|%d", identity, (void *) device, (int) precision);
  MblmModel *self = claim (key, cancellable, &cancelled);
  if (cancelled) {
    g_cancellable_set_error_if_cancelled (cancellable, error);
    return NULL;
  }
  if (self == NULL) {
    self = load_model (&files, device, precision, cancellable, error);
    publish (key, self);
  }
  return self;
}

/* ------------------------------------------------------------------------- */
/* Facts                                                                     */
/* ------------------------------------------------------------------------- */

/**
 * mblm_model_get_config:
 *
 * Gives the shape of the model.
 *
 * Returns: (transfer none): the configuration
 */
MblmConfig *
mblm_model_get_config (MblmModel *self)
{
  return self->config;
}

/**
 * mblm_model_get_info:
 *
 * Gives what the shape lacks.
 *
 * Returns: (transfer none): the mblm.json
 */
MblmInfo *
mblm_model_get_info (MblmModel *self)
{
  return self->info;
}

/**
 * mblm_model_get_device:
 *
 * Tells where the model is.
 *
 * Returns: (transfer none): the device
 */
MblmDevice *
mblm_model_get_device (MblmModel *self)
{
  return self->device;
}

MblmPrecision
mblm_model_get_precision (MblmModel *self)
{
  return self->precision;
}

const char *
mblm_model_get_path (MblmModel *self)
{
  return self->path;
}

gboolean
mblm_model_is_causal (MblmModel *self)
{
  return self->causal;
}

guint64
mblm_model_get_n_parameters (MblmModel *self)
{
  return self->n_parameters;
}

guint64
mblm_model_get_n_stage_parameters (MblmModel *self, guint stage)
{
  g_return_val_if_fail (stage < self->n_stages, 0);
  return self->n_stage_parameters[stage];
}
