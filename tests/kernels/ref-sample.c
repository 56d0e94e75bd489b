/* ref-sample.c: drawing ids, by the reference.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref-properties.h"

#define DRAWS 10000 /* with evenly spaced numbers in place of random ones */
#define MOST 8      /* ids */

/* How often each id is drawn. */
static void
count (MblmSample a, guint counts[MOST])
{
  for (int i = 0; i < MOST; i++)
    counts[i] = 0;
  for (int i = 0; i < DRAWS; i++) {
    float uniform = (i + 0.5f) / DRAWS;
    gint32 id = -2;

    a.rows = 1;
    a.uniform = &uniform;
    a.ids = &id;
    ref->sample (queue, &a);
    g_assert_cmpint (id, >=, 0);
    g_assert_cmpint (id, <, a.vocabulary);
    counts[id]++;
  }
}

static void
assert_counts (
    const guint *counts, const double *probabilities, size_t vocabulary)
{
  for (size_t i = 0; i < vocabulary; i++)
    g_assert_cmpfloat (fabs (counts[i] - DRAWS * probabilities[i]), <=, 1.5);
}

/* Logits of the probabilities 0.1, 0.4, 0.2, 0.3. */
static const float logits[] = {
    -2.3025851f, -0.91629073f, -1.6094379f, -1.2039728f};

static MblmSample
plain (void)
{
  return (MblmSample){
      .vocabulary = 4, .logits = logits, .temperature = 1.f, .top_p = 1.f};
}

static void
test_distribution (void)
{
  const double once[] = {0.1, 0.4, 0.2, 0.3};
  const double cold[] = {0.01 / 0.3, 0.16 / 0.3, 0.04 / 0.3, 0.09 / 0.3};
  guint counts[MOST];
  MblmSample a = plain ();

  count (a, counts);
  assert_counts (counts, once, 4);
  a.temperature = 0.5f; /* squares them */
  count (a, counts);
  assert_counts (counts, cold, 4);
}

/* Low numbers draw the most probable id: the walk is down. */
static void
test_order (void)
{
  static const float uniform[] = {
      0.f, 0.39f, 0.41f, 0.69f, 0.71f, 0.89f, 0.91f, 0.9999f};
  static const gint32 expected[] = {1, 1, 3, 3, 2, 2, 0, 0};

  for (size_t i = 0; i < G_N_ELEMENTS (uniform); i++) {
    MblmSample a = plain ();
    gint32 id;

    a.rows = 1;
    a.uniform = &uniform[i];
    a.ids = &id;
    ref->sample (queue, &a);
    g_assert_cmpint (id, ==, expected[i]);
  }
}

static void
test_filters (void)
{
  const double two[] = {0.0, 4.0 / 7.0, 0.0, 3.0 / 7.0};
  const double three[] = {0.0, 4.0 / 9.0, 2.0 / 9.0, 3.0 / 9.0};
  const double one[] = {0.0, 1.0, 0.0, 0.0};
  const double rest[] = {1.0 / 3.0, 0.0, 2.0 / 3.0, 0.0};
  const guint8 allowed[] = {1, 0, 1, 0};
  guint counts[MOST];
  MblmSample a = plain ();

  a.top_k = 2;
  count (a, counts);
  assert_counts (counts, two, 4);
  a.top_k = 9; /* more than there are */
  a.top_p = 0.6f;
  count (a, counts);
  assert_counts (counts, two, 4);
  a.top_p = 0.75f;
  count (a, counts);
  assert_counts (counts, three, 4);
  a.top_p = 1e-9f;
  count (a, counts);
  assert_counts (counts, one, 4);
  a = plain ();
  a.min_p = 0.7f;
  count (a, counts);
  assert_counts (counts, two, 4);
  a.min_p = 1.f;
  count (a, counts);
  assert_counts (counts, one, 4);
  a = plain ();
  a.allowed = allowed;
  count (a, counts);
  assert_counts (counts, rest, 4);
}

static gint32
draw_one (MblmSample a, float uniform)
{
  gint32 id = -2;

  a.rows = 1;
  a.uniform = &uniform;
  a.ids = &id;
  ref->sample (queue, &a);
  return id;
}

/* The lower id comes first among equals, and only as many stay as may. */
static void
test_ties (void)
{
  const float equal[] = {1.f, 3.f, 3.f, 3.f, 1.f};
  MblmSample a = {
      .vocabulary = 5, .logits = equal, .temperature = 0.f, .top_p = 1.f};

  g_assert_cmpint (draw_one (a, 0.99f), ==, 1);
  a.temperature = 1.f;
  a.top_k = 2;
  g_assert_cmpint (draw_one (a, 0.49f), ==, 1);
  g_assert_cmpint (draw_one (a, 0.51f), ==, 2);
  g_assert_cmpint (draw_one (a, 0.99f), ==, 2);
  a.top_k = 0;
  a.min_p = 1.f; /* of the largest probability */
  g_assert_cmpint (draw_one (a, 0.99f), ==, 3);
  a.top_p = 0.3f;
  g_assert_cmpint (draw_one (a, 0.99f), ==, 1);
}

/* Whatever a broken model gives, the id is one of the allowed ones. */
static void
test_broken_logits (void)
{
  const float broken[] = {NAN, INFINITY, -INFINITY, INFINITY};
  const float hopeless[] = {NAN, -INFINITY, NAN, -INFINITY};
  const guint8 allowed[] = {1, 0, 1, 0}, nothing[] = {0, 0, 0, 0};
  MblmSample a = plain ();

  a.logits = broken;
  g_assert_cmpint (draw_one (a, 0.49f), ==, 1);
  g_assert_cmpint (draw_one (a, 0.51f), ==, 3);
  a.temperature = 0.f;
  g_assert_cmpint (draw_one (a, 0.f), ==, 1);
  a.logits = hopeless;
  g_assert_cmpint (draw_one (a, 0.f), ==, 0);
  a.temperature = 1.f;
  g_assert_cmpint (draw_one (a, 0.99f), ==, 3);
  a.allowed = allowed;
  g_assert_cmpint (draw_one (a, 0.99f), ==, 2);
  a.allowed = nothing;
  g_assert_cmpint (draw_one (a, 0.5f), ==, -1);
}

void
add_sample_tests (void)
{
  g_test_add_func ("/sample/distribution", test_distribution);
  g_test_add_func ("/sample/order", test_order);
  g_test_add_func ("/sample/filters", test_filters);
  g_test_add_func ("/sample/ties", test_ties);
  g_test_add_func ("/sample/broken-logits", test_broken_logits);
}
