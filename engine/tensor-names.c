/* tensor-names.c: tensor names of before 0.4.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Release 0.4 of the published implementation renamed the token embeddings
 * (mblm-math section 2):
 *
 *   token_embs_rev.0.weight     token_embs_rev.0.embedding.weight
 *   token_embs_rev.i.0.weight   token_embs_rev.i.embedding.weight
 *   token_embs_rev.i.2.*        token_embs_rev.i._post.1.*
 *   token_embs_rev.i.3.*        token_embs_rev.i._post.2.*
 *   token_embs_rev.i.4.*        token_embs_rev.i._post.3.*
 */

#include "safetensors.h"

#include <string.h>

char *
mblm_tensor_name_modernise (const char *name)
{
  static const char prefix[] = "token_embs_rev.";
  const char *index, *rest;
  gsize digits;

  if (!g_str_has_prefix (name, prefix))
    return g_strdup (name);
  index = name + strlen (prefix);
  digits = strspn (index, "0123456789");
  if (digits == 0 || index[digits] != '.')
    return g_strdup (name);
  rest = index + digits + 1;
  if (digits == 1 && index[0] == '0' && g_str_equal (rest, "weight"))
    return g_strconcat (prefix, "0.embedding.weight", NULL);
  if (g_str_equal (rest, "0.weight"))
    return g_strdup_printf (
        "%s%.*s.embedding.weight", prefix, (int) digits, index);
  if (rest[0] >= '2' && rest[0] <= '4' && rest[1] == '.' &&
      (g_str_equal (rest + 2, "weight") || g_str_equal (rest + 2, "bias")))
    return g_strdup_printf ("%s%.*s._post.%c.%s", prefix, (int) digits, index,
        rest[0] - 1, rest + 2);
  return g_strdup (name);
}
