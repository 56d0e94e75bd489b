# lstm_rows.py: what a model of one stage of LSTM layers predicts, from the formulas.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later

import math


def product(matrix, x):
    """Rows of a matrix [n, len(x)], as one list, times x."""
    width = len(x)
    return [sum(w * v for w, v in zip(matrix[i:i + width], x))
            for i in range(0, len(matrix), width)]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def layer(weights, name, rows):
    """The output of a layer with a residual, row by row."""
    gain, w_ih, w_hh, bias = (weights[f"{name}.{part}"] for part in (
        "norm.weight", "weight_ih", "weight_hh", "bias"))
    dim = len(gain)
    h, c, out = [0.0] * dim, [0.0] * dim, []
    for x in rows:
        scale = 1 / math.sqrt(sum(v * v for v in x) / dim + 1e-5)
        normed = [v * scale * g for v, g in zip(x, gain)]
        z = [a + b + d for a, b, d in
             zip(product(w_ih, normed), product(w_hh, h), bias)]
        i, f, g, o = (z[k * dim:(k + 1) * dim] for k in range(4))
        c = [sigmoid(f[j]) * c[j] + sigmoid(i[j]) * math.tanh(g[j])
             for j in range(dim)]
        h = [sigmoid(o[j]) * math.tanh(c[j]) for j in range(dim)]
        out.append([a + b for a, b in zip(x, h)])
    return out


def logits(weights, layers, dim, ids):
    """The prediction after each id."""
    table = weights["token_embs_rev.0.embedding.weight"]
    rows = [weights["start_tokens.0"]]
    rows += [table[i * dim:(i + 1) * dim] for i in ids]
    for number in range(layers):
        rows = layer(weights, f"stage_models.0.layers.{number}", rows)
    bias = weights["to_logits.bias"]
    return [a + b for row in rows[1:]
            for a, b in zip(product(weights["to_logits.weight"], row), bias)]
