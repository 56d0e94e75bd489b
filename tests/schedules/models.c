/* models.c: which models the schedules use, good and bad.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "models.h"

#include "../gst/helper.h"

#include <glib/gstdio.h>

/* Their weights end too early, and can be read up to there. */
static char *broken_text, *broken_qa;

static char *
make_broken (const char *good, const char *name)
{
  static const char *const files[] = {
      "config.yaml", "mblm.json", "model.safetensors"};
  char *folder = helper_path (name);

  g_mkdir (folder, 0700);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *from = g_build_filename (good, files[i], NULL);
    g_autofree char *to = g_build_filename (folder, files[i], NULL);
    g_autofree char *text = NULL;
    gsize size;

    g_assert_true (g_file_get_contents (from, &text, &size, NULL));
    g_assert_true (
        g_file_set_contents (to, text, i == 2 ? size - 100 : size, NULL));
  }
  return folder;
}

void
models_make (void)
{
  helper_make_models ();
  broken_text = make_broken (helper_text_model (), "broken-text");
  broken_qa = make_broken (helper_qa_model (), "broken-qa");
}

void
models_remove (void)
{
  helper_remove_models ();
  g_clear_pointer (&broken_text, g_free);
  g_clear_pointer (&broken_qa, g_free);
}

static gboolean
is_qa (const char *factory)
{
  return g_str_has_prefix (factory, "mblmask");
}

const char *
models_good (const char *factory)
{
  return is_qa (factory) ? helper_qa_model () : helper_text_model ();
}

const char *
models_any (const char *factory, Dice *dice)
{
  switch (dice_below (dice, 10)) {
    case 0:
      return "no-such-model";
    case 1:
      return is_qa (factory) ? helper_text_model () : helper_qa_model ();
    case 2:
      return is_qa (factory) ? broken_qa : broken_text;
    default:
      return models_good (factory);
  }
}
