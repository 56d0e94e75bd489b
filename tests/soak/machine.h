/* machine.h: what a soak ran on.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "writer.h"

G_BEGIN_DECLS

/* Processor, cores, memory, system and versions, as the member `machine`; nothing
 * that names the machine or its places. */
void soak_machine_describe (SoakWriter *writer);

G_END_DECLS
