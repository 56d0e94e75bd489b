/* models.h: which models the schedules use, good and bad.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "dice.h"

void models_make (void);
void models_remove (void);

/* For an element by the name of its factory. */
const char *models_good (const char *factory);
/* Any: a good one mostly, one for the other task, one that is damaged or isn't
 * there. */
const char *models_any (const char *factory, Dice *dice);
