#!/usr/bin/env python3
# pipelines.py: the pipelines, on good and bad input.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Takes the build folder in MBLM_BUILD, like the pipelines themselves.

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
PIPELINES = TOP / "pipelines"
SAMPLES = PIPELINES / "models/scenes/samples"
ALL = ("continue", "score", "ask", "overlay")
LIMIT = 120                     # seconds for each pipeline
# What a shell, sed or gst-launch-1.0 could take for something else.
ODD = "an \"odd\" 'name' $HOME\\n ! a=b (1)  %d é.png"


def run(*words, stdin=b""):
    """Exit status, output and errors of a pipeline."""
    environment = dict(os.environ, LC_ALL="C.UTF-8")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MESON_DEVENV", "G_DEBUG"):
        environment.pop(name, None)
    done = subprocess.run([PIPELINES / words[0], *map(str, words[1:])],
                          input=stdin, capture_output=True, timeout=LIMIT,
                          env=environment, check=False)
    return (done.returncode, done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"))


class Pipelines(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)

    def succeed(self, *words, **options):
        status, said, errors = run(*words, **options)
        self.assertEqual(status, 0, said + errors)
        return said

    def fail_with(self, wanted, *words, status=1):
        got, said, errors = run(*words)
        self.assertEqual(got, status, said + errors)
        self.assertRegex(errors, wanted)

    def test_help(self):
        for name in ALL:
            said = self.succeed(name, "--help")
            self.assertTrue(said.startswith(f"Usage: {name} "))
            self.assertLessEqual(max(map(len, said.splitlines())), 80)

    def test_misuse(self):
        for name in ALL:
            self.fail_with("which ", name, status=2)
            self.fail_with("no option --nonsense", name, "--nonsense", status=2)
            self.fail_with("-m needs a value", name, "-m", status=2)
            self.fail_with("there is no such file", name,
                           self.path / "missing.png")

    def test_show(self):
        line = self.succeed("continue", "--show", "-n", "5", "-p", "The old")
        self.assertTrue(line.startswith("printf %s 'The old' | gst-launch-1.0 "))
        self.assertIn("mblmgenerate", line)

    def test_continue(self):
        book = PIPELINES / "data/text/alice.txt"
        once = self.succeed("continue", "-n", "40", book, "temperature=0.7",
                            "seed=3")
        self.assertGreater(len(once), 20)
        again = self.succeed("continue", "-n", "40", "-", "temperature=0.7",
                             "seed=3", stdin=book.read_bytes())
        self.assertEqual(once, again)

    def test_continue_prompt(self):
        said = self.succeed("continue", "-n", "20", "-p", 'He said "a \\ b"',
                            "echo=true")
        self.assertTrue(said.startswith('He said "a \\ b"'), said)

    def test_bad_property(self):
        self.fail_with("no-such-thing", "continue", "-p", "a",
                       "no-such-thing=1")

    def test_bad_model(self):
        for name, source in (("continue", PIPELINES / "data/text/alice.txt"),
                             ("score", PIPELINES / "data/text/alice.txt"),
                             ("ask", SAMPLES / "scene00.png"),
                             ("overlay", SAMPLES / "scene00.png")):
            self.fail_with("no-such-model", name, "-m", "no-such-model",
                           source)

    def test_score(self):
        shutil.copy(PIPELINES / "data/text/alice.txt", self.path / ODD)
        (self.path / "deep").mkdir()
        (self.path / "deep/noise").write_bytes(os.urandom(5000))
        said = self.succeed("score", self.path)
        rows = [line.split(None, 2) for line in said.splitlines()[1:]]
        self.assertEqual(sorted(int(row[0]) for row in rows),
                         sorted([5000, (self.path / ODD).stat().st_size]))
        bits = {int(row[0]): float(row[1]) for row in rows}
        self.assertGreater(bits.pop(5000), 6)
        self.assertLess(*bits.values(), 3)
        lines = self.succeed("score", "--json", self.path).splitlines()
        self.assertEqual({json.loads(line)["bytes"] for line in lines},
                         {int(row[0]) for row in rows})

    def test_score_many(self):
        for number in range(120):
            (self.path / f"{number:03}.txt").write_text(f"file {number}\n")
        lines = self.succeed("score", "--json", self.path).splitlines()
        self.assertEqual(len(lines), 120)

    def test_ask(self):
        for sample in json.loads((SAMPLES / "questions.json").read_text()):
            said = self.succeed("ask", "-q", sample["question"],
                                SAMPLES / sample["picture"])
            self.assertEqual(said, sample["answer"] + "\n")

    def test_ask_folder(self):
        for number in range(3):
            shutil.copy(SAMPLES / f"scene{number:02}.png", self.path)
        shutil.copy(SAMPLES / "scene01.png", self.path / ODD)
        (self.path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
        _, said, _ = run("ask", self.path)
        lines = said.splitlines()
        self.assertIn(f"{self.path}/{ODD}: yellow", lines)
        self.assertIn(f"{self.path}/scene01.png: yellow", lines)
        self.assertIn(f"{self.path}/scene02.png: purple", lines)

    def test_ask_jpeg(self):
        said = self.succeed("ask", "-q", "How many objects are there?",
                            PIPELINES / "data/pictures/scene.jpg")
        self.assertEqual(said, "2\n")

    def test_ask_camera(self):
        said = self.succeed("ask", "-q", "Where is the object?", "-c",
                            "left,center,right", "-n", "30", "test")
        answers = said.split()
        self.assertTrue(answers)
        self.assertLessEqual(set(answers), {"left", "center", "right"})

    def test_ask_no_camera(self):
        self.fail_with("video99", "ask", "/dev/video99")

    def test_overlay(self):
        out = self.path / ODD.replace("%d", "")
        self.succeed("overlay", "-q", "How many objects are there?", "-w",
                     "320", "-o", out, SAMPLES / "scene00.png")
        self.assertEqual(out.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(self.size(out), (320, 240))

    def test_overlay_frames(self):
        self.succeed("overlay", "-n", "3", "-o", self.path / "frame%d.png",
                     "test")
        frames = sorted(path.name for path in self.path.iterdir())
        self.assertEqual(frames, [f"frame{n}.png" for n in range(3)])
        # another answer makes other frames: each has one
        self.succeed("overlay", "-q", "Where is the object?", "-n", "3", "-o",
                     self.path / "where%d.png", "test")
        for number in range(3):
            self.assertNotEqual(
                (self.path / f"frame{number}.png").read_bytes(),
                (self.path / f"where{number}.png").read_bytes())

    def size(self, path):
        head = path.read_bytes()[16:24]
        return (int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big"))


if __name__ == "__main__":
    unittest.main()
