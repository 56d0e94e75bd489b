/* reference.c: the part of an element's page that the element itself knows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Everything below a marker line of ELEMENT.md is pads and properties in the
 * words that gst-inspect-1.0 prints. Without an option the pages are compared
 * with that; with --write they are brought up to date.
 */

#include <string.h>

#include <gst/gst.h>

#define MARKER "<!-- Below: from the element itself (reference --write). -->\n"

static char *
escape (const char *text)
{
  GString *out = g_string_new (text);

  g_string_replace (out, "|", "\\|", 0);
  g_string_replace (out, "\n", "\\n", 0);
  return g_string_free (out, FALSE);
}

/* --- pads --- */

static gint
compare_templates (gconstpointer a, gconstpointer b)
{
  const GstStaticPadTemplate *x = a, *y = b;

  return strcmp (x->name_template, y->name_template);
}

static void
write_pads (GstElementFactory *factory, GString *out)
{
  static const char *const presence[] = {"always", "sometimes", "on request"};

  g_string_append (out,
      "\n## Pads\n\n| pad | direction | there | caps |\n"
      "|---|---|---|---|\n");
  /* the registry turns their order when it reads its cache */
  g_autoptr (GList) templates = g_list_sort (
      g_list_copy (
          (GList *) gst_element_factory_get_static_pad_templates (factory)),
      compare_templates);
  for (const GList *l = templates; l != NULL; l = l->next) {
    GstStaticPadTemplate *template = l->data;
    GstCaps *caps = gst_static_caps_get (&template->static_caps);
    GString *names = g_string_new (NULL);

    if (gst_caps_is_any (caps))
      g_string_append (names, "any");
    for (guint i = 0; i < gst_caps_get_size (caps) && !gst_caps_is_any (caps);
         i++) {
      const char *name = gst_structure_get_name (
          gst_caps_get_structure (caps, i));
      g_string_append_printf (names, "%s`%s`", i > 0 ? ", " : "", name);
    }
    g_string_append_printf (out, "| `%s` | %s | %s | %s |\n",
        template->name_template,
        template->direction == GST_PAD_SINK ? "in" : "out",
        presence[template->presence], names->str);
    g_string_free (names, TRUE);
    gst_caps_unref (caps);
  }
}

/* --- properties --- */

static void
write_range (GParamSpec *spec, GString *out)
{
  if (G_IS_PARAM_SPEC_ENUM (spec)) {
    GEnumClass *klass = G_PARAM_SPEC_ENUM (spec)->enum_class;
    for (guint i = 0; i < klass->n_values; i++)
      g_string_append_printf (
          out, "%s`%s`", i > 0 ? ", " : "", klass->values[i].value_nick);
  } else if (G_IS_PARAM_SPEC_UINT (spec)) {
    GParamSpecUInt *u = G_PARAM_SPEC_UINT (spec);
    g_string_append_printf (out, "%u .. %u", u->minimum, u->maximum);
  } else if (G_IS_PARAM_SPEC_DOUBLE (spec)) {
    GParamSpecDouble *d = G_PARAM_SPEC_DOUBLE (spec);
    g_string_append_printf (out, "%g .. %g", d->minimum, d->maximum);
  } else if (G_IS_PARAM_SPEC_BOXED (spec)) {
    g_string_append (out, "structure, read only");
  } else {
    g_string_append (out, g_type_name (spec->value_type) + strlen ("g"));
  }
}

static void
write_property (GParamSpec *spec, GString *out)
{
  GString *range = g_string_new (NULL);
  g_autofree char *value = NULL, *printed = NULL, *blurb = NULL;
  const GValue *preset = g_param_spec_get_default_value (spec);
  const char *when = spec->flags & GST_PARAM_MUTABLE_PLAYING ? "any time"
      : spec->flags & GST_PARAM_MUTABLE_READY                ? "NULL, READY"
      : spec->flags & G_PARAM_WRITABLE                       ? "NULL"
                                                             : "";

  write_range (spec, range);
  if (G_VALUE_HOLDS_STRING (preset))
    value = g_strdup (g_value_get_string (preset));
  else if (!G_IS_PARAM_SPEC_BOXED (spec))
    value = gst_value_serialize (preset);
  printed = escape (value != NULL ? value : "");
  blurb = escape (g_param_spec_get_blurb (spec));
  g_string_append_printf (out, "| `%s` | %s | %s%s%s | %s%s | %s |\n",
      spec->name, range->str, *printed ? "`" : "", printed, *printed ? "`" : "",
      when, spec->flags & GST_PARAM_CONTROLLABLE ? ", controllable" : "",
      blurb);
  g_string_free (range, TRUE);
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(GParamSpec **) a)->name, (*(GParamSpec **) b)->name);
}

/* Those of our own classes: not those of GstObject and GstBin. */
static void
write_properties (GstElement *element, GString *out)
{
  guint n;
  GParamSpec **specs = g_object_class_list_properties (
      G_OBJECT_GET_CLASS (element), &n);

  qsort (specs, n, sizeof *specs, compare_names);
  g_string_append (out,
      "\n## Properties\n\n"
      "| property | values | default | may change | what |\n"
      "|---|---|---|---|---|\n");
  for (guint i = 0; i < n; i++)
    if (g_str_has_prefix (g_type_name (specs[i]->owner_type), "GstMblm"))
      write_property (specs[i], out);
  g_free (specs);
}

/* --- pages --- */

static char *
make_reference (const char *name)
{
  GstElement *element = gst_element_factory_make (name, NULL);
  GString *out = g_string_new (MARKER);

  if (element == NULL) {
    g_printerr ("reference: no element %s\n", name);
    exit (1);
  }
  gst_object_ref_sink (element);
  GstElementFactory *factory = gst_element_get_factory (element);
  g_string_append_printf (out, "\n%s. Class `%s`.\n",
      gst_element_factory_get_metadata (
          factory, GST_ELEMENT_METADATA_DESCRIPTION),
      gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_KLASS));
  write_pads (factory, out);
  write_properties (element, out);
  gst_object_unref (element);
  return g_string_free (out, FALSE);
}

/* Whether the page holds what the element says; with `update` it does then. */
static gboolean
check_page (const char *path, gboolean update)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *text = NULL;

  *strchrnul (base, '.') = '\0';
  g_autofree char *reference = make_reference (base);
  if (!g_file_get_contents (path, &text, NULL, &error)) {
    g_printerr ("reference: %s\n", error->message);
    return FALSE;
  }
  char *marker = strstr (text, MARKER);
  if (marker != NULL && g_str_equal (marker, reference))
    return TRUE;
  if (!update) {
    g_printerr (
        "reference: %s is not up to date: run reference --write\n", path);
    return FALSE;
  }
  if (marker != NULL)
    *marker = '\0';
  g_autofree char *page = g_strconcat (text, reference, NULL);
  return g_file_set_contents (path, page, -1, &error);
}

int
main (int argc, char **argv)
{
  gboolean update = argc > 1 && g_str_equal (argv[1], "--write");
  gboolean good = TRUE;

  gst_init (NULL, NULL);
  for (int i = update ? 2 : 1; i < argc; i++)
    good = check_page (argv[i], update) && good;
  return good ? 0 : 1;
}
