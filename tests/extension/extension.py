#!/usr/bin/env python3
# extension.py: a block type and a data set from a module of its own.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Takes the build folder in MBLM_BUILD, installs it below a folder of its own, and
# builds the project lstm/ against that: outside of our tree, as anybody else would.

import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import arrays
import lstm_rows

BUILD = os.environ["MBLM_BUILD"]
SOURCE = pathlib.Path(__file__).resolve().parent / "lstm"
LIMIT = 240                     # seconds for each process
SKIP = 77

CONFIG = """
num_tokens: 17
pad_token_id: 16
hidden_dims: {dims}
num_layers: {layers}
seq_lens: {lengths}
block: {blocks}
"""
LSTM = {"block_type": "lstm"}
TRANSFORMER = {
    "block_type": "transformer", "attn_head_dims": 4, "attn_num_heads": 2,
    "attn_use_rot_embs": False, "ff_multiplier": 2, "pos_emb_type": "fixed"}
# What is dropped can't be compared, but even so little of it has each sequence
# computed with its start token.
DROPPING = dict(TRANSFORMER, ff_dropout=1e-9)


def output(*words, **options):
    run = subprocess.run([str(word) for word in words], timeout=LIMIT,
                         check=False, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         **options)
    if run.returncode:
        raise AssertionError(f"{words}: {run.stdout.decode()}"
                             f"{run.stderr.decode()}")
    return run.stdout


class Extension(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.top = pathlib.Path(cls.folder.name)
        output("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet",
               "--tags", "devel,runtime", "--destdir", cls.top / "installed")
        options = {option["name"]: option["value"] for option in json.loads(
            output("meson", "introspect", "--buildoptions", BUILD))}
        prefix = cls.top / "installed" / os.path.relpath(options["prefix"], "/")
        libdir = prefix / options["libdir"]
        for file in (libdir / "pkgconfig").glob("mblm*.pc"):
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace(f"prefix={options['prefix']}\n",
                                         f"prefix={prefix}\n", 1),
                            encoding="utf-8")
        environment = dict(os.environ, LC_ALL="C.UTF-8",
                           PKG_CONFIG_PATH=str(libdir / "pkgconfig"))
        for name in ("MBLM_BUILD", "MESON_DEVENV", "MBLM_MODULES", "DISPLAY"):
            environment.pop(name, None)

        cls.plain = dict(
            environment,
            LD_LIBRARY_PATH=str(libdir),
            GST_PLUGIN_PATH_1_0=str(libdir / "gstreamer-1.0"),
            GST_REGISTRY=str(cls.top / "registry.bin"))
        cls.environment = dict(cls.plain, MBLM_MODULES=cls.build("lstm"))
        cls.command = prefix / "bin/mblm"
        cls.n_models = 0

    @classmethod
    def build(cls, name, **changes):
        """The module, some words of lstm.c replaced."""
        source, build = cls.top / name, cls.top / f"build-{name}"
        shutil.copytree(SOURCE, source)
        text = (source / "lstm.c").read_text(encoding="utf-8")
        for old, new in changes.items():
            text = text.replace(old, new)
        (source / "lstm.c").write_text(text, encoding="utf-8")
        output("meson", "setup", "--werror", "--wrap-mode=nodownload",
               build, source, env=cls.plain)
        output("meson", "compile", "-C", build, env=cls.plain)
        return str(build / "lstm.so")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        self.random = random.Random(1)

    def mblm(self, *words, **options):
        options.setdefault("env", self.environment)
        return output(self.command, *words, **options)

    def model(self, blocks, lengths, layers=2, dim=8):
        """A model folder with fresh weights."""
        type(self).n_models += 1
        folder = self.top / f"model{self.n_models}"
        config = folder.with_suffix(".yaml")
        n = len(blocks)
        config.write_text(CONFIG.format(
            dims=[dim] * n, layers=[layers] * n, lengths=lengths,
            blocks=json.dumps(blocks)), encoding="utf-8")
        self.mblm("init", config, "--output", folder, "--seed", 3)
        return folder

    def ids(self, batch, length):
        """A file of ids, none of them the pad, and these."""
        path = self.top / "ids.npy"
        ids = [self.random.randrange(16) for _ in range(batch * length)]
        arrays.write_npy(path, "<i4", (batch, length), ids)
        return path, ids

    def logits(self, folder, ids, *options):
        path = self.top / "logits.npy"
        self.mblm("debug", "logits", folder, "--ids", ids, "--output", path,
                  *options)
        return arrays.read_npy(path)[1]

    # ---- What is computed ---------------------------------------------------

    def test_formulas(self):
        folder = self.model([LSTM], [24])
        path, ids = self.ids(1, 20)
        weights = arrays.Tensors(folder / "model.safetensors")
        expected = lstm_rows.logits(weights, 2, 8, ids)
        for device in ("ref", "cpu"):
            found = self.logits(folder, path, "--device", device)
            self.assertLess(arrays.worst(found, expected), 1e-5)

    def test_decoding(self):
        for blocks in ([LSTM], [LSTM, LSTM], [TRANSFORMER, LSTM],
                       [LSTM, LSTM, TRANSFORMER]):
            folder = self.model(blocks, [12, 4, 3][:len(blocks)])
            for length in (12, 10):
                path, _ = self.ids(2, length)
                full = self.logits(folder, path)
                for pieces in (1, 5, 0):
                    found = self.logits(folder, path, "--incremental", pieces)
                    self.assertLess(arrays.worst(found, full), 1e-5)

    def test_long_prompt(self):
        folder = self.model([LSTM], [200])
        path, _ = self.ids(1, 200)
        full = self.logits(folder, path)
        found = self.logits(folder, path, "--incremental", 150)
        self.assertLess(arrays.worst(found, full), 1e-5)

    # ---- Gradients ----------------------------------------------------------

    def loss(self, folder, ids, *options):
        return json.loads(self.mblm("debug", "loss", folder, "--ids", ids,
                                    "--device", "ref", *options))["loss"]

    def slope(self, folder, ids, weights, direction, step):
        """Of the loss along a direction, which has a list for some names."""
        losses = []
        for way in (step, -step):
            moved = arrays.Tensors(folder / "model.safetensors")
            for name, u in direction.items():
                moved[name] = [w + way * x for w, x in zip(weights[name], u)]
            moved.write(self.top / "moved/model.safetensors")
            losses.append(self.loss(self.top / "moved", ids))
        return (losses[0] - losses[1]) / (2 * step)

    def check_gradients(self, blocks, lengths, length):
        folder = self.model(blocks, lengths)
        shutil.rmtree(self.top / "moved", ignore_errors=True)
        shutil.copytree(folder, self.top / "moved")
        ids, _ = self.ids(2, length)
        self.loss(folder, ids, "--gradients", self.top / "g.safetensors")
        gradient = arrays.Tensors(self.top / "g.safetensors")
        weights = arrays.Tensors(folder / "model.safetensors")
        self.assertEqual(gradient.names(), weights.names())

        # along the gradient of all weights ...
        whole = {name: gradient[name] for name in gradient.names()}
        square = sum(arrays.norm(g) ** 2 for g in whole.values())
        found = self.slope(folder, ids, weights, whole, 1e-2 / square)
        self.assertAlmostEqual(found / square, 1, delta=1e-2)

        # ... and of each tensor across it, where a term that is missing shows
        for name in gradient.names():
            if ".layers." not in name and "start" not in name:
                continue
            g = gradient[name]
            size = arrays.norm(g)
            self.assertGreater(size, 0, name)
            u = [self.random.choice((-1, 1)) for _ in g]
            expected = sum(map(lambda a, b: a * b, g, u))
            found = self.slope(folder, ids, weights, {name: u}, 3e-3)
            self.assertAlmostEqual(found / size, expected / size, delta=1e-2,
                                   msg=f"{name} of {blocks}")

    def test_gradient_outer(self):
        self.check_gradients([LSTM, TRANSFORMER], [6, 4], 24)

    def test_gradient_inner(self):
        self.check_gradients([TRANSFORMER, LSTM], [6, 4], 24)

    def test_gradient_middle(self):
        self.check_gradients([LSTM, LSTM, LSTM], [3, 2, 4], 22)

    def test_gradient_of_whole_sequences(self):
        self.check_gradients([DROPPING, LSTM], [6, 4], 24)

    def test_gradient_without_residual(self):
        self.check_gradients([dict(LSTM, residual=False)], [16], 16)

    def test_devices_and_threads(self):
        folder = self.model([LSTM, LSTM], [20, 4])
        ids, _ = self.ids(3, 77)
        found = []
        for options in (("ref",), ("cpu", "--threads", 1),
                        ("cpu", "--threads", 2)):
            path = self.top / "g.safetensors"
            self.mblm("debug", "loss", folder, "--ids", ids, "--gradients",
                      path, "--device", *options)
            found.append(arrays.Tensors(path))
        self.assertEqual(found[1].body, found[2].body)
        for name in found[0].names():
            self.assertLess(arrays.worst(found[1][name], found[0][name]), 1e-4)

    # ---- Training and playing ------------------------------------------------

    def train(self, *words, **changes):
        """Runs `mblm train` on lines.yaml, some words of it replaced."""
        text = (SOURCE / "lines.yaml").read_text(encoding="utf-8")
        for old, new in changes.items():
            self.assertIn(old, text)
            text = text.replace(old, new)
        (self.top / "lines.yaml").write_text(text, encoding="utf-8")
        return self.mblm("train", "lines.yaml", *words, cwd=self.top,
                         env=dict(self.environment, JOB_ID="1"))

    def test_train_and_play(self):
        lines = [json.loads(line) for line in self.train("--json").splitlines()]
        (tested,) = (line for line in lines if line["event"] == "test")
        self.assertLess(tested["bits_per_byte"], 0.5)

        model = self.top / "runs/lines_1/lines_top1"
        prompt = self.top / "prompt.txt"
        prompt.write_bytes(b"517\n518\n")
        said = self.mblm("generate", model, prompt, "-n", 12,
                         "--temperature", 0)
        self.assertEqual(said, b"519\n520\n521\n")
        if shutil.which("gst-launch-1.0") is not None:
            said = output(
                "gst-launch-1.0", "-q", "filesrc", f"location={prompt}", "!",
                "mblmgenerate", f"model={model}", "max-bytes=12",
                "temperature=0", "!", "fdsink", env=self.environment)
            self.assertEqual(said, b"519\n520\n521\n")

    def test_unknown_argument(self):
        with self.assertRaisesRegex(AssertionError, '"smallest" is not known'):
            self.train("--dry-run", largest="smallest")
        with self.assertRaisesRegex(AssertionError, "largest must be"):
            self.train("--dry-run", **{"largest: 999": "largest: 1"})

    def test_unknown_data_set(self):
        with self.assertRaisesRegex(AssertionError,
                                    '"line" is not known.* lines'):
            self.train("--dry-run", **{"dataset_id: lines": "dataset_id: line"})

    # ---- The manual ----------------------------------------------------------

    def test_manual(self):
        sources = [path.read_text(encoding="utf-8")
                   for path in SOURCE.iterdir()]
        manual = (SOURCE.parents[2] / "docs/extending.md").read_text(
            encoding="utf-8")
        shown = re.findall(r"^```(?:c|meson|yaml)\n(.*?)^```$", manual,
                           re.M | re.S)
        self.assertGreater(len(shown), 4)
        for text in shown:
            self.assertTrue(any(text in source for source in sources), text)

    # ---- What goes wrong ----------------------------------------------------

    def refused(self, blocks, **options):
        with self.assertRaises(AssertionError) as caught:
            self.model(blocks, [4, 4][:len(blocks)], **options)
        return str(caught.exception)

    def test_unknown_field(self):
        said = self.refused([dict(LSTM, residul=True)])
        self.assertIn("residul", said)
        self.assertIn("residual", said)

    def refused_with(self, modules):
        """What is said with these modules, none of which has the block."""
        environment = self.environment
        type(self).environment = dict(self.plain, MBLM_MODULES=modules)
        try:
            return self.refused([LSTM])
        finally:
            type(self).environment = environment

    def test_without_module(self):
        self.assertIn('"lstm"', self.refused_with(""))

    def test_other_version(self):
        other = self.build("other", MBLM_BLOCK_ABI="MBLM_BLOCK_ABI + 1")
        said = self.refused_with(other)
        self.assertIn("build it again", said)
        self.assertIn('"lstm"', said)

    def test_registered_twice(self):
        twice = self.build("twice")
        environment = dict(self.environment)
        environment["MBLM_MODULES"] += ":" + twice
        ids, _ = self.ids(1, 8)
        said = subprocess.run(
            [self.command, "debug", "loss", self.model([LSTM], [8]), "--ids",
             ids], env=environment, timeout=LIMIT, check=True,
            capture_output=True)
        self.assertIn(b"registered already", said.stderr)
        self.assertIn(b"loss", said.stdout)


if __name__ == "__main__":
    for tool in ("meson", "cc", "pkg-config"):
        if shutil.which(tool) is None:
            print(f"skipped: there is no {tool}")
            sys.exit(SKIP)
    unittest.main()
