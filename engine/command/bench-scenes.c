/* bench-scenes.c: `mblm bench scenes`.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Scenes as the data set `scenes` makes them for the model, each family's: drawn,
 * made as small as the model sees them, and asked about. One core's: the data set
 * has each core make scenes of its own.
 */

#include "bench.h"

#include "scenes/scenes.h"

#define N_SCENES 32
#define N_QUESTIONS 8

/* Makes the scenes of a run: none is made twice. */
static gboolean
make_scenes (MblmSceneFamily *family, const MblmImageLayout *layout, guint run,
    GError **error)
{
  MblmSceneRequest request = {.width = layout->width * MBLM_SCENES_SCALE,
      .height = layout->height * MBLM_SCENES_SCALE,
      .n_questions = N_QUESTIONS};

  for (guint i = 0; i < N_SCENES; i++) {
    request.key = mblm_scene_key (1, MBLM_SCENES_SHOWN, run, i);
    g_autoptr (MblmScene) scene = family->klass->make (family, &request, error);
    g_autoptr (GBytes) bytes = scene
        ? mblm_picture_to_bytes (scene->picture, layout, error)
        : NULL;

    if (!bytes)
      return FALSE;
  }
  return TRUE;
}

static gboolean
measure_family (Bench *bench, const MblmSceneFamilyClass *klass,
    const MblmImageLayout *layout, GError **error)
{
  g_autofree double *rates = g_new (double, bench->runs);
  g_autofree char *name = g_strdup_printf ("%s_scenes", klass->id);
  MblmSceneFamily *family = klass->open (
      &(MblmSceneOptions){.photographs = NULL}, error);
  gboolean good = family && make_scenes (family, layout, 0, error);

  for (guint i = 0; good && i < bench->runs; i++) {
    gint64 begin = g_get_monotonic_time ();

    good = make_scenes (family, layout, i + 1, error) &&
        !g_cancellable_set_error_if_cancelled (
            bench->command->cancellable, error);
    rates[i] = N_SCENES / bench_since (begin);
  }
  if (good)
    bench_add_rate (bench, name, klass->id, machine_median (rates, bench->runs),
        _ ("scenes/s"));
  if (family)
    klass->free (family);
  return good;
}

gboolean
bench_scenes (Bench *bench, GError **error)
{
  const MblmSceneFamilyClass *const *families = mblm_scene_families ();
  const MblmImageLayout *layout = command_get_layout (bench->model, error);

  if (!layout)
    return FALSE;
  for (guint i = 0; families[i]; i++)
    if (!measure_family (bench, families[i], layout, error))
      return FALSE;
  return TRUE;
}
