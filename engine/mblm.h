/* mblm.h: the engine's public interface.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Include this file alone. The types, from the outside in:
 *
 *   MblmDevice    where the arithmetic runs: "cpu", "ref", "cuda:0"
 *   MblmConfig    the shape of a model (config.yaml)
 *   MblmInfo      what the shape lacks (mblm.json): tokens, picture layout
 *   MblmModel     immutable weights on a device, one copy per process
 *   MblmSession   the state of one stream; MblmSnapshot, a copy of it
 *   MblmSampler   how the next byte is drawn
 *   MblmGenerator, MblmScorer, MblmAsker
 *                 the three jobs: continue, measure, answer
 *   MblmTrainer   a training run
 *
 * No input can abort the process: errors are GErrors of the domain MBLM_ERROR
 * (or G_IO_ERROR_CANCELLED, and G_FILE_ERROR for plain files), whose message
 * says what, where and what to do.
 */

#pragma once

#include "mblm-error.h"
#include "mblm-device.h"
#include "mblm-config.h"
#include "mblm-info.h"
#include "mblm-model.h"
#include "mblm-session.h"
#include "mblm-sampler.h"
#include "mblm-generator.h"
#include "mblm-scorer.h"
#include "mblm-picture.h"
#include "mblm-sample.h"
#include "mblm-asker.h"
#include "mblm-bindings.h"
#include "mblm-utf8.h"
#include "mblm-trainer.h"
