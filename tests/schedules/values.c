/* values.c: properties get values of chance.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Whatever properties an element has are found by asking it. Numbers stay small,
 * so that a schedule stays short; strings that mean something are in a table.
 */

#include "values.h"

#include "journal.h"
#include "models.h"

#include <string.h>

/* Bytes that a model writes at most, and other numbers. */
#define FEW 12

static const char *const no_strings[] = {NULL, "", "a", "two words"};
static const char *const questions[] = {
    NULL, "", "why", "what is it\n", "\xc3\xa4?", "\xff"};
static const char *const choices[] = {
    NULL, "", "yes,no", "a", "one\\,two,three", "a,,b", "a,a", "\xff,b"};
static const char *const separators[] = {NULL, "", "\n", "\xe2\x82\xac", "--"};
static const char *const devices[] = {"cpu", "auto", "ref", "", "no-device"};

static const struct {
  const char *name;
  const char *const *strings;
  guint n;
} tables[] = {
    {"question", questions, G_N_ELEMENTS (questions)},
    {"choices", choices, G_N_ELEMENTS (choices)},
    {"separator", separators, G_N_ELEMENTS (separators)},
    {"device", devices, G_N_ELEMENTS (devices)},
};

static const char *
choose_string (const char *name, const char *factory, Dice *dice)
{
  if (g_str_equal (name, "model"))
    return models_any (factory, dice);
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    if (g_str_equal (name, tables[i].name))
      return tables[i].strings[dice_below (dice, tables[i].n)];
  return no_strings[dice_below (dice, G_N_ELEMENTS (no_strings))];
}

/* A small whole number, for times in steps of milliseconds. */
static guint64
choose_number (const char *name, gboolean is_time, Dice *dice)
{
  guint64 n = dice_below (dice, FEW);

  if (g_str_equal (name, "threads"))
    return n % 3;
  if (is_time)
    return n * n * GST_MSECOND;
  return n;
}

static void
choose_value (GValue *value, GParamSpec *spec, const char *factory, Dice *dice)
{
  g_value_init (value, spec->value_type);
  if (G_IS_PARAM_SPEC_STRING (spec)) {
    g_value_set_string (value, choose_string (spec->name, factory, dice));
  } else if (G_IS_PARAM_SPEC_ENUM (spec)) {
    GEnumClass *klass = G_PARAM_SPEC_ENUM (spec)->enum_class;

    g_value_set_enum (
        value, klass->values[dice_below (dice, klass->n_values)].value);
  } else if (G_IS_PARAM_SPEC_BOOLEAN (spec)) {
    g_value_set_boolean (value, dice_one_in (dice, 2));
  } else if (G_IS_PARAM_SPEC_UINT (spec)) {
    g_value_set_uint (value, choose_number (spec->name, FALSE, dice));
  } else if (G_IS_PARAM_SPEC_UINT64 (spec)) {
    g_value_set_uint64 (value,
        choose_number (spec->name, !g_str_equal (spec->name, "seed"), dice));
  } else if (G_IS_PARAM_SPEC_INT64 (spec)) {
    g_value_set_int64 (value,
        dice_one_in (dice, 3) ? -1 : choose_number (spec->name, TRUE, dice));
  } else if (G_IS_PARAM_SPEC_DOUBLE (spec)) {
    g_value_set_double (value, dice_below (dice, 101) / 50.0);
  }
  g_param_value_validate (spec, value);
}

static gboolean
is_ours (GParamSpec *spec)
{
  return !g_str_equal (spec->name, "name") &&
      !g_str_equal (spec->name, "parent") &&
      !g_str_equal (spec->name, "async-handling") &&
      !g_str_equal (spec->name, "message-forward");
}

static gboolean
is_known (GParamSpec *spec)
{
  return G_IS_PARAM_SPEC_STRING (spec) || G_IS_PARAM_SPEC_ENUM (spec) ||
      G_IS_PARAM_SPEC_BOOLEAN (spec) || G_IS_PARAM_SPEC_UINT (spec) ||
      G_IS_PARAM_SPEC_UINT64 (spec) || G_IS_PARAM_SPEC_INT64 (spec) ||
      G_IS_PARAM_SPEC_DOUBLE (spec);
}

/* Makes frames go without an answer, or gives it another time. */
static gboolean
is_unsteady (GParamSpec *spec)
{
  return g_str_equal (spec->name, "leaky") ||
      g_str_equal (spec->name, "timing") ||
      g_str_equal (spec->name, "deadline");
}

void
values_write (
    GstElement *element, const char *factory, gboolean steady, Dice *dice)
{
  guint n;
  g_autofree GParamSpec **specs = g_object_class_list_properties (
      G_OBJECT_GET_CLASS (element), &n);
  GParamSpec *spec = specs[dice_below (dice, n)];
  GValue value = G_VALUE_INIT;
  g_autofree char *text = NULL;

  if (!(spec->flags & G_PARAM_WRITABLE) || !is_ours (spec) ||
      !is_known (spec) || (steady && is_unsteady (spec)))
    return;
  /* Loading is dear, and device, precision and threads load anew. */
  if ((spec->flags & GST_PARAM_MUTABLE_READY) && !dice_one_in (dice, 4))
    return;
  choose_value (&value, spec, factory, dice);
  text = g_strdup_value_contents (&value);
  journal_note ("property", "%s = %s", spec->name, text);
  g_object_set_property (G_OBJECT (element), spec->name, &value);
  g_value_unset (&value);
}

void
values_read (GstElement *element)
{
  guint n;
  g_autofree GParamSpec **specs = g_object_class_list_properties (
      G_OBJECT_GET_CLASS (element), &n);

  for (guint i = 0; i < n; i++) {
    GValue value = G_VALUE_INIT;

    if (!(specs[i]->flags & G_PARAM_READABLE))
      continue;
    g_value_init (&value, specs[i]->value_type);
    g_object_get_property (G_OBJECT (element), specs[i]->name, &value);
    if (g_param_value_validate (specs[i], &value))
      journal_fail ("%s reads a value that it doesn't allow", specs[i]->name);
    g_value_unset (&value);
  }
}

static void
set_if_there (GstElement *element, const char *name, const char *value)
{
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (element), name))
    gst_util_set_object_arg (G_OBJECT (element), name, value);
}

void
values_make_sane (GstElement *element, const char *factory)
{
  GParamSpec *deadline = g_object_class_find_property (
      G_OBJECT_GET_CLASS (element), "deadline");

  g_object_set (element, "model", models_good (factory), "device", "cpu", NULL);
  set_if_there (element, "leaky", "no");
  set_if_there (element, "timing", "frame");
  set_if_there (element, "max-bytes", "4");
  set_if_there (element, "context-full", "restart");
  set_if_there (element, "question", "why");
  set_if_there (element, "interval", "0");
  set_if_there (element, "frame-interval", "1");
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (element), "choices"))
    g_object_set (element, "choices", "yes,no", NULL);
  if (deadline)
    g_object_set_property (G_OBJECT (element), "deadline",
        g_param_spec_get_default_value (deadline));
}
