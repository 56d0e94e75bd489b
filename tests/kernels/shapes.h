/* shapes.h: what the kernels are timed with.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The shapes are those of a model of two Transformer stages (dimensions 384 and
 * 256, 6 and 4 heads of 64, patches of 8, 257 tokens), of its Mamba relatives,
 * and of the published three-stage model of dimension 1024; with one row, as
 * when it decodes, and with many, as for a prompt or a score.
 */

#pragma once

#include <stddef.h>

/* A table of rows: embeddings and copies. */
typedef struct {
  size_t rows, width;
} RowsShape;

static const RowsShape rows_shapes[] = {{1, 256}, {1024, 256}, {1024, 2048}};

/* [rows, k] by [n, k]. */
typedef struct {
  size_t rows, n, k;
} LinearShape;

static const LinearShape linear_shapes[] = {
    {1, 768, 256},   /* an inner feed-forward layer, decoding */
    {1, 2048, 384},  /* the projection to an inner stage */
    {1, 257, 256},   /* logits */
    {1, 4384, 1024}, /* Mamba-2's first projection, of a large model */
    {4, 768, 256},   /* four streams at once */
    {8, 768, 256},
    {64, 768, 384},
    {1024, 768, 384},
    {1024, 384, 2048}, /* a patch embedding */
    {4096, 512, 256},
    {1024, 768, 256},
    {8192, 768, 256},
};

static const LinearShape linear_backward_shapes[] = {
    {1024, 768, 256},  /* inner stages, a chunk of patches */
    {8192, 512, 256},  /* and a larger one, into a feed-forward layer */
    {8192, 256, 512},  /* and out of it */
    {4096, 1152, 384}, /* an outer stage */
    {8192, 257, 256},  /* logits */
    {65536, 32, 48},   /* a small weight behind many rows */
};

/* Norms of any kind. */
static const RowsShape norm_shapes[] = {{1, 256}, {1, 2048}, {1024, 384}};

/* Rows of heads. */
typedef struct {
  size_t batch, rows, heads, head_dim, past;
} HeadsShape;

static const HeadsShape heads_shapes[] = {
    {1, 1, 4, 64, 8},     /* an inner step */
    {1, 1, 6, 64, 1024},  /* an outer step far into the context */
    {1, 1, 16, 64, 8192}, /* and of a large model */
    {512, 8, 4, 64, 1},   /* inner patches behind a shared start column */
    {1, 256, 6, 64, 0},   /* prompts */
    {1, 1024, 6, 64, 0},
};

/* State-space models; Mamba-1 has no heads: its width is heads * head_dim. */
typedef struct {
  size_t rows, heads, head_dim, state;
} ScanShape;

static const ScanShape scan_shapes[] = {
    {1, 12, 64, 64}, {1, 32, 64, 128}, {256, 12, 64, 64}, {256, 32, 64, 128}};

static const ScanShape selective_shapes[] = {
    {1, 768, 1, 16}, {256, 768, 1, 16}};

/* The same, training: an outer stage, and an inner one of many patches. */
typedef struct {
  size_t batch, rows, heads, head_dim, state;
} ScanBackwardShape;

static const ScanBackwardShape scan_backward_shapes[] = {
    {1, 4096, 12, 64, 128}, {512, 8, 8, 64, 128}};

static const ScanBackwardShape selective_backward_shapes[] = {
    {1, 4096, 768, 1, 16}, {512, 8, 512, 1, 16}};

/* The logits of rows. */
static const RowsShape logits_shapes[] = {{1, 257}, {1024, 257}};

/* Rows of a step of training: a chunk of an inner stage, an outer stage, and
 * what a Mamba-2 block of it has inside. */
static const RowsShape training_rows_shapes[] = {
    {8192, 256}, {8192, 384}, {4096, 768}};
