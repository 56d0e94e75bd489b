/* wrap.c: g_free, as it is called in our code under ThreadSanitizer.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Memory that our code frees must not be in use by another thread. GLib calls free,
 * too, but what it calls isn't looked at. Linked into whatever is built for
 * ThreadSanitizer, with the linker's option --wrap=g_free.
 */

#include <stdlib.h>

void __wrap_g_free (void *memory);

void
__wrap_g_free (void *memory)
{
  free (memory);
}
