/* test-scenes-flat.c: scenes of plain shapes, and questions about them.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>
#include <string.h>

#include <glib/gstdio.h>

#include "flat-truth.h"
#include "fresh.h"
#include "mblm-error.h"
#include "picture-private.h"
#include "pictures.h"

static MblmSceneFamily *
open_family (const char *photographs)
{
  g_autoptr (GError) error = NULL;
  const MblmSceneFamilyClass *klass = mblm_scene_family_lookup ("flat");

  g_assert_true (klass == &mblm_scenes_flat_class);
  g_assert_null (mblm_scene_family_lookup ("round"));
  MblmSceneFamily *family = klass->open (
      &(MblmSceneOptions){.photographs = photographs}, &error);
  g_assert_no_error (error);
  g_assert_true (family->klass == klass);
  return family;
}

static MblmScene *
make (MblmSceneFamily *family, const MblmSceneRequest *request)
{
  g_autoptr (GError) error = NULL;
  MblmScene *scene = family->klass->make (family, request, &error);

  g_assert_no_error (error);
  g_assert_nonnull (scene);
  return scene;
}

static const MblmSceneQuestion *
question_at (const MblmScene *scene, guint i)
{
  return &g_array_index (scene->questions, MblmSceneQuestion, i);
}

static void
assert_same_picture (const MblmScene *a, const MblmScene *b)
{
  gsize size = (gsize) a->picture->width * a->picture->height * 3;

  g_assert_cmpuint (a->picture->width, ==, b->picture->width);
  g_assert_cmpuint (a->picture->height, ==, b->picture->height);
  g_assert_cmpmem (a->picture->rgb, size, b->picture->rgb, size);
}

static void
assert_same (const MblmScene *a, const MblmScene *b)
{
  assert_same_picture (a, b);
  g_assert_cmpuint (a->questions->len, ==, b->questions->len);
  for (guint i = 0; i < a->questions->len; i++) {
    const MblmSceneQuestion *p = question_at (a, i), *q = question_at (b, i);

    g_assert_cmpstr (p->question, ==, q->question);
    g_assert_cmpstr (p->answer, ==, q->answer);
    g_assert_cmpstr (p->type, ==, q->type);
  }
}

/* Three photographs: noise, a narrow one that is scaled down, and a pixel. */
static char *
make_photographs (void)
{
  static const guint sizes[][2] = {{90, 70}, {1500, 4}, {1, 1}};
  static const char *const names[] = {"a.png", "b.JPG", "c.jpeg"};
  char *folder = fresh_folder ();

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (MblmPicture)
        picture = test_picture (sizes[i][0], sizes[i][1], FALSE);
    g_autoptr (GByteArray) file = i == 0 ? test_png_rgb (picture)
                                         : test_jpeg_rgb (picture);
    g_autofree char *path = g_build_filename (folder, names[i], NULL);
    g_autofree char *other = g_build_filename (folder, "a.txt", NULL);

    g_assert_true (
        g_file_set_contents (path, (const char *) file->data, file->len, NULL));
    g_assert_true (g_file_set_contents (other, "no picture", -1, NULL));
  }
  return folder;
}

/* ------------------------------------------------------------------------- */
/* Keys                                                                      */
/* ------------------------------------------------------------------------- */

static void
test_same (void)
{
  char *photographs = make_photographs ();

  for (guint with = 0; with < 2; with++) {
    MblmSceneFamily *a = open_family (with ? photographs : NULL);
    MblmSceneFamily *b = open_family (with ? photographs : NULL);

    for (guint64 key = 0; key < 60; key++) {
      MblmSceneRequest request = {key << 50 ^ key, 40, 30, 4, 0.3};
      g_autoptr (MblmScene) first = make (a, &request);
      request.key ^= 1;
      g_autoptr (MblmScene) other = make (a, &request);
      request.key ^= 1;
      g_autoptr (MblmScene) again = make (b, &request);
      /* what is asked changes nothing of what is seen */
      request.n_questions = 1;
      request.captions = 0;
      g_autoptr (MblmScene) fewer = make (b, &request);

      assert_same (first, again);
      assert_same_picture (first, fewer);
      g_assert_true (
          memcmp (first->picture->rgb, other->picture->rgb, 40 * 30 * 3) != 0);
    }
    a->klass->free (a);
    b->klass->free (b);
  }
  fresh_remove (photographs);
}

#define N_SHARED 120

typedef struct {
  MblmSceneFamily *family;
  MblmScene *scenes[N_SHARED];
  guint stride; /* no common divisor with N_SHARED */
} Maker;

static gpointer
make_all (gpointer data)
{
  Maker *self = data;

  for (guint i = 0; i < N_SHARED; i++) {
    guint at = i * self->stride % N_SHARED;

    self->scenes[at] = make (
        self->family, &(MblmSceneRequest){at, 48, 36, 3, 0.2});
  }
  return NULL;
}

static void
test_threads (void)
{
  char *photographs = make_photographs ();
  MblmSceneFamily *family = open_family (photographs);
  Maker makers[] = {{family, .stride = 1}, {family, .stride = 7},
      {family, .stride = 119}, {family, .stride = 49}};
  GThread *threads[G_N_ELEMENTS (makers)];

  for (guint i = 0; i < G_N_ELEMENTS (makers); i++)
    threads[i] = g_thread_new ("maker", make_all, &makers[i]);
  for (guint i = 0; i < G_N_ELEMENTS (makers); i++)
    g_thread_join (threads[i]);
  for (guint k = 0; k < N_SHARED; k++)
    for (guint i = 1; i < G_N_ELEMENTS (makers); i++)
      assert_same (makers[0].scenes[k], makers[i].scenes[k]);
  for (guint i = 0; i < G_N_ELEMENTS (makers); i++)
    for (guint k = 0; k < N_SHARED; k++)
      mblm_scene_free (makers[i].scenes[k]);
  family->klass->free (family);
  fresh_remove (photographs);
}

/* ------------------------------------------------------------------------- */
/* Questions                                                                 */
/* ------------------------------------------------------------------------- */

/* Every answer is one that is listed, all of these are used, and true. */
static void
test_answers (void)
{
  MblmSceneFamily *family = open_family (NULL);
  const char *const *answers = family->klass->answers;
  static const guint sizes[][2] = {
      {32, 24}, {64, 48}, {24, 32}, {64, 16}, {16, 64}};
  gboolean used[64] = {FALSE};

  for (guint64 key = 0; key < 2000; key++) {
    MblmSceneRequest request = {key * 7919, sizes[key % 5][0],
        sizes[key % 5][1], 1 + key % 20, 0.0,
        key % 3 ? MBLM_SCENE_USUAL : MBLM_SCENE_HARD};
    g_autoptr (MblmScene) scene = make (family, &request);
    MblmFlatScene objects;

    mblm_flat_scene (&request, &objects);
    g_assert_cmpuint (scene->questions->len, >=, 1);
    g_assert_cmpuint (scene->questions->len, <=, request.n_questions);
    for (guint i = 0; i < scene->questions->len; i++) {
      const MblmSceneQuestion *question = question_at (scene, i);

      used[flat_truth_find_answer (question->answer)] = TRUE;
      flat_truth_check (&objects, question);
      for (guint k = 0; k < i; k++)
        g_assert_cmpstr (
            question->question, !=, question_at (scene, k)->question);
    }
  }
  for (guint i = 0; answers[i]; i++)
    g_assert_true (used[i]);
  family->klass->free (family);
}

/* ------------------------------------------------------------------------- */
/* Pictures                                                                  */
/* ------------------------------------------------------------------------- */

static const float palette[MBLM_FLAT_N_COLORS][3] = {{215, 20, 25},
    {30, 155, 40}, {30, 60, 220}, {245, 225, 25}, {127, 33, 180},
    {25, 206, 222}, {132, 132, 132}, {107, 60, 26}, {240, 130, 12},
    {245, 140, 190}};

/* The name of the colour in the middle of an object. */
static guint
name_color (const MblmFlatObject *object, MblmPicture *picture)
{
  gsize x = (gsize) (object->x * picture->width);
  gsize y = (gsize) (object->y * picture->height);
  float best = G_MAXFLOAT;
  guint found = 0;

  for (guint k = 0; k < MBLM_FLAT_N_COLORS; k++) {
    float sum = 0.0f;

    for (guint c = 0; c < 3; c++) {
      float apart = 0.0f;

      for (gsize i = y - 1; i <= y + 1; i++)
        for (gsize j = x - 1; j <= x + 1; j++)
          apart += picture->rgb[(i * picture->width + j) * 3 + c] / 9.0f;
      apart -= palette[k][c];
      sum += apart * apart;
    }
    if (sum < best) {
      best = sum;
      found = k;
    }
  }
  return found;
}

/* Objects are where they are said to be, and keep the names of their colours
 * under any light; what is around them differs. */
static void
test_pictures (void)
{
  char *photographs = make_photographs ();
  MblmSceneFamily *family = open_family (photographs);
  guint n = 0, wrong = 0;

  for (guint64 key = 0; key < 1000; key++) {
    MblmSceneRequest request = {key, 96, 72, 1, 0.0};
    g_autoptr (MblmScene) scene = make (family, &request);
    const guint8 *rgb = scene->picture->rgb;
    MblmFlatScene objects;
    guint differ = 0;

    mblm_flat_scene (&request, &objects);
    for (guint i = 0; i < objects.n; i++) {
      const MblmFlatObject *object = &objects.objects[i];

      if (object->shape == MBLM_FLAT_RING || object->texture != MBLM_FLAT_PLAIN)
        continue;
      n++;
      wrong += name_color (object, scene->picture) != object->color;
    }
    for (guint i = 0; i < 96 * 72; i++)
      differ += ABS (rgb[i * 3] - rgb[0]) + ABS (rgb[i * 3 + 1] - rgb[1]) +
              ABS (rgb[i * 3 + 2] - rgb[2]) >
          40;
    g_assert_cmpuint (differ, >, 10);
  }
  g_assert_cmpuint (n, >, 1000);
  g_assert_cmpuint (wrong, <, n / 50);
  family->klass->free (family);
  fresh_remove (photographs);
}

/* Every object is seen against what is around it, on patterns at least; the part
 * of a photograph that is hidden may hide one of many points. */
static void
test_contrast (void)
{
  char *folder = make_photographs ();
  g_autoptr (GPtrArray) photographs = mblm_flat_load_photographs (folder, NULL);
  g_autofree float *light = g_new (float, 96 * 72 * 3);
  guint n = 0, hidden = 0;

  for (guint64 key = 0; key < 600; key++) {
    MblmSceneRequest request = {.key = key, .width = 96, .height = 72};
    MblmFlatScene scene;

    mblm_flat_scene (&request, &scene);
    mblm_flat_paint_background (
        &scene, key, key % 2 ? photographs : NULL, light);
    for (guint i = 0; i < scene.n; i++) {
      const MblmFlatObject *object = &scene.objects[i];
      int x = (int) (object->x * 96), y = (int) (object->y * 72);
      int far = (int) (object->radius * 72);
      const int around[][2] = {
          {x - far, y}, {x + far, y}, {x, y - far}, {x, y + far}};

      for (guint k = 0; k < G_N_ELEMENTS (around); k++) {
        const float *at = light + (around[k][1] * 96 + around[k][0]) * 3;
        float most = 0.0f;

        for (guint c = 0; c < 3; c++)
          most = MAX (most, fabsf (sqrtf (at[c]) - sqrtf (object->rgb[c])));
        n++;
        hidden += most < 0.15f;
      }
    }
  }
  g_assert_cmpuint (n, >, 4000);
  g_assert_cmpuint (hidden, <, n / 200);
  fresh_remove (folder);
}

static void
test_sizes (void)
{
  static const struct {
    guint width, height;
    gboolean fits;
  } sizes[] = {{16, 16, TRUE}, {17, 67, TRUE}, {64, 16, TRUE}, {16, 64, TRUE},
      {1600, 401, TRUE}, {0, 0, FALSE}, {0, 64, FALSE}, {1, 1, FALSE},
      {1, 96, FALSE}, {128, 1, FALSE}, {15, 15, FALSE}, {65, 16, FALSE},
      {16, 65, FALSE}, {16384, 1, FALSE}, {16384, 4000, FALSE},
      {16385, 16384, FALSE}, {G_MAXUINT, G_MAXUINT, FALSE}};
  char *photographs = make_photographs ();
  MblmSceneFamily *family = open_family (photographs);

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (guint64 key = 0; key < 8; key++) {
      g_autoptr (GError) error = NULL;
      MblmSceneRequest request = {key, sizes[i].width, sizes[i].height, 2, 0.5};
      MblmScene *scene = family->klass->make (family, &request, &error);

      g_assert_true ((scene != NULL) == sizes[i].fits);
      if (scene) {
        g_assert_no_error (error);
        g_assert_cmpuint (scene->picture->width, ==, sizes[i].width);
        g_assert_cmpuint (scene->picture->height, ==, sizes[i].height);
        mblm_scene_free (scene);
      } else {
        g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
      }
    }
  family->klass->free (family);
  fresh_remove (photographs);
}

/* ------------------------------------------------------------------------- */
/* Photographs                                                               */
/* ------------------------------------------------------------------------- */

static void
assert_no_photographs (
    const char *folder, GQuark domain, int code, const char *said)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (mblm_scenes_flat_class.open (
      &(MblmSceneOptions){.photographs = folder}, &error));
  g_assert_error (error, domain, code);
  g_assert_nonnull (strstr (error->message, said));
}

static void
test_photographs (void)
{
  char *folder = fresh_folder ();
  g_autofree char *path = g_build_filename (folder, "broken.jpg", NULL);
  g_autofree char *missing = g_build_filename (folder, "missing", NULL);
  char *photographs = make_photographs ();
  g_autoptr (GError) error = NULL;

  assert_no_photographs (folder, MBLM_ERROR, MBLM_ERROR_NOT_FOUND, folder);
  assert_no_photographs (missing, G_FILE_ERROR, G_FILE_ERROR_NOENT, missing);
  g_assert_true (g_file_set_contents (path, "\xff\xd8\xff", 3, NULL));
  assert_no_photographs (folder, MBLM_ERROR, MBLM_ERROR_INPUT, path);

  /* in the order of their names, and no larger than is needed */
  g_autoptr (GPtrArray)
      found = mblm_flat_load_photographs (photographs, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (found->len, ==, 3);
  MblmPicture *const *pictures = (MblmPicture *const *) found->pdata;
  g_assert_cmpuint (pictures[0]->width, ==, 90);
  g_assert_cmpuint (pictures[1]->width, ==, 512);
  g_assert_cmpuint (pictures[1]->height, ==, 1);
  g_assert_cmpuint (pictures[2]->width, ==, 1);

  /* they are seen in a share of the scenes */
  MblmSceneFamily *with = open_family (photographs);
  MblmSceneFamily *without = open_family (NULL);
  guint differ = 0;
  for (guint64 key = 0; key < 200; key++) {
    MblmSceneRequest request = {key, 32, 24, 1, 0.0};
    g_autoptr (MblmScene) a = make (with, &request);
    g_autoptr (MblmScene) b = make (without, &request);

    differ += memcmp (a->picture->rgb, b->picture->rgb, 32 * 24 * 3) != 0;
  }
  g_assert_cmpuint (differ, >, 20);
  with->klass->free (with);
  without->klass->free (without);
  fresh_remove (photographs);
  fresh_remove (folder);
}

/* A folder with more than are taken. */
static void
test_many_photographs (void)
{
  char *folder = fresh_folder ();
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 2 * MBLM_FLAT_MAX_PHOTOGRAPHS; i++) {
    g_autoptr (MblmPicture) picture = test_picture (1 + i, 1, FALSE);
    g_autoptr (GByteArray) file = test_png_rgb (picture);
    g_autofree char *path = g_strdup_printf ("%s/%03u.png", folder, i);

    g_assert_true (
        g_file_set_contents (path, (const char *) file->data, file->len, NULL));
  }
  g_autoptr (GPtrArray) found = mblm_flat_load_photographs (folder, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (found->len, ==, MBLM_FLAT_MAX_PHOTOGRAPHS);
  for (guint i = 0; i < found->len; i++)
    g_assert_cmpuint (((MblmPicture *) found->pdata[i])->width, ==, 1 + 2 * i);
  fresh_remove (folder);
}

/* ------------------------------------------------------------------------- */

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scenes-flat/same", test_same);
  g_test_add_func ("/scenes-flat/threads", test_threads);
  g_test_add_func ("/scenes-flat/answers", test_answers);
  g_test_add_func ("/scenes-flat/pictures", test_pictures);
  g_test_add_func ("/scenes-flat/contrast", test_contrast);
  g_test_add_func ("/scenes-flat/sizes", test_sizes);
  g_test_add_func ("/scenes-flat/photographs", test_photographs);
  g_test_add_func ("/scenes-flat/many-photographs", test_many_photographs);
  return g_test_run ();
}
