#!/usr/bin/env python3
# pipelines.py: the pipelines, on good and bad input.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Takes the build folder in MBLM_BUILD, like the pipelines themselves.

import csv
import glob
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest

import rtsp_server

TOP = pathlib.Path(__file__).resolve().parents[2]
PIPELINES = TOP / "pipelines"
SAMPLES = PIPELINES / "models/scenes/samples"
PUBLISHED = pathlib.Path(os.environ["MBLM_TEST_MODELS"]) / "published"
COMMAND = pathlib.Path(os.environ["MBLM_BUILD"]) / "engine/command/mblm"
ALL = ("continue", "score", "ask", "overlay", "folder-to-csv")
LIMIT = 120                     # seconds for each pipeline
COLOR = "What color is the object?"
COUNT = "How many objects are there?"
PNG_HEAD = b"\x89PNG\r\n\x1a\n"
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


def answer_to(question, picture):
    """What the default model answers, by the command."""
    said = subprocess.run([COMMAND, "ask", "--json", "-q", question, "scenes",
                           picture], stdout=subprocess.PIPE, timeout=LIMIT,
                          check=True).stdout
    return json.loads(said)["answer"]


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
            self.fail_with("there is no such f", name,
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
        samples = json.loads((SAMPLES / "questions.json").read_text())
        self.assertEqual(len(samples), 3 * 16)
        for number, sample in enumerate(samples[::3]):
            self.assertEqual(sample["image"], f"scene{number:02}.png")
            picture = SAMPLES / sample["image"]
            said = self.succeed("ask", "-q", sample["question"], picture)
            self.assertEqual(said,
                             answer_to(sample["question"], picture) + "\n")

    def test_ask_published(self):
        samples = PUBLISHED / "samples"
        for sample in json.loads((samples / "questions.json").read_text()):
            said = self.succeed("ask", "-m", PUBLISHED, "-q",
                                sample["question"], samples / sample["picture"])
            self.assertEqual(said, sample["answer"] + "\n")

    def test_ask_folder(self):
        for number in range(3):
            shutil.copy(SAMPLES / f"scene{number:02}.png", self.path)
        shutil.copy(SAMPLES / "scene01.png", self.path / ODD)
        (self.path / "broken.png").write_bytes(PNG_HEAD + b"no picture")
        (self.path / "none.jpg").write_bytes(b"no picture")
        shutil.copy(SAMPLES / "scene02.png", self.path / "a png.jpeg")
        status, said, errors = run("ask", self.path)
        self.assertEqual(status, 1)
        self.assertIn("none.jpg: this is neither a PNG nor a JPEG", errors)
        first, second = (answer_to(COLOR, SAMPLES / f"scene0{number}.png")
                         for number in (1, 2))
        for name, answer in (("a png.jpeg", second), (ODD, first),
                             ("scene01.png", first), ("scene02.png", second)):
            self.assertIn(f"{self.path}/{name}: {answer}\n", said)

    def test_ask_jpeg(self):
        picture = PIPELINES / "data/pictures/scene.jpg"
        said = self.succeed("ask", "-q", COUNT, picture)
        self.assertEqual(said, answer_to(COUNT, picture) + "\n")

    def test_ask_camera(self):
        said = self.succeed("ask", "-q", "Where is the object?", "-c",
                            "left,center,right", "-n", "30", "test")
        answers = said.split()
        self.assertTrue(answers)
        self.assertLessEqual(set(answers), {"left", "center", "right"})

    def test_ask_no_camera(self):
        self.fail_with("video99", "ask", "/dev/video99")

    def test_no_camera(self):
        if glob.glob("/dev/video*"):
            self.skipTest("there is a camera")
        for name in ("ask", "overlay"):
            self.fail_with("there is no camera", name, "camera")

    def rows(self, said):
        return [line.split("\t") for line in said.splitlines()]

    def test_ask_times(self):
        question = 'Is "it" a\\b, “c”; %d (d=e)?'
        rows = self.rows(self.succeed(
            "ask", "-t", "-q", question, "-c", "left,a \\, b", "--source",
            "videotestsrc num-buffers=4 ! video/x-raw,framerate=10/1"))
        self.assertEqual([row[0] for row in rows],
                         [f"0:00:00.{n}00" for n in range(4)])
        for _, asked, answer, probability in rows:
            self.assertEqual(asked, question)
            self.assertIn(answer, ("left", "a , b"))
            self.assertGreaterEqual(float(probability), 0.5)

    def test_ask_source(self):
        said = self.succeed("ask", "-n", "3", "--source",
                            "videotestsrc pattern='ball' name=\"a b\"")
        self.assertEqual(len(said.splitlines()), 3)
        self.fail_with("no-such-element", "ask", "--source",
                       "no-such-element")
        self.fail_with("a number from 1 up", "ask", "-n", "0", "test",
                       status=2)

    def test_rtsp(self):
        with rtsp_server.Server() as server:
            rows = self.rows(self.succeed(
                "ask", "-t", "-n", "5", "-q", "Where is the object?", "-c",
                "left,center,right", server.url))
            self.succeed("overlay", "-n", "3", "-o",
                         self.path / "frame%d.png", server.url)
            self.fail_with("no video came from there", "ask",
                           server.url + "s")
        self.assertTrue(rows)
        self.assertLessEqual(len(rows), 5)
        times = [row[0] for row in rows]
        self.assertEqual(times, sorted(set(times)))
        for row in rows:
            self.assertIn(row[2], ("left", "center", "right"))
        self.assertEqual(self.frames(), 3)

    def test_rtsp_hangs_up(self):
        with rtsp_server.Server(packets=20) as server:
            status, said, errors = run("ask", "-t", server.url)
        self.assertEqual(status, 0, errors)
        self.assertTrue(said)
        self.assertRegex(errors, "WARNING: .*rtspsrc")

    def test_rtsp_nobody_there(self):
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            port = nobody.getsockname()[1]
        for name in ("ask", "overlay"):
            self.fail_with("no video came from there", name,
                           f"rtsp://127.0.0.1:{port}/")

    def table(self, *words, status=0):
        got, said, errors = run("folder-to-csv", *words)
        self.assertEqual(got, status, errors)
        rows = list(csv.reader(io.StringIO(said, newline="")))
        self.assertEqual(rows.pop(0),
                         ["file", "question", "answer", "probability"])
        for row in rows:
            self.assertTrue(0 <= float(row.pop()) <= 1)
        return rows, errors

    def test_csv(self):
        odd = ODD.replace("png", 'PNG').replace(" ", "\n", 1) + ",\t.png"
        deep = self.path / "-deep"
        deep.mkdir()
        shutil.copy(SAMPLES / "scene01.png", deep / odd)
        shutil.copy(PIPELINES / "data/pictures/scene.jpg", self.path)
        shutil.copy(SAMPLES / "scene02.png", self.path / "b.png")
        (self.path / "no picture.txt").write_text("text")
        color = 'What color is "the object", then?'
        rows, errors = self.table("-q", COUNT, "-q", color, self.path)
        self.assertEqual(errors, "")
        answers = {(row[0][len(str(self.path)) + 1:], row[1]): row[2]
                   for row in rows}
        self.assertEqual(len(answers), len(rows))
        self.assertEqual(
            set(answers), {(name, question) for question in (COUNT, color)
                           for name in (f"-deep/{odd}", "b.png", "scene.jpg")})
        for name, question in (("scene.jpg", COUNT), ("b.png", color)):
            self.assertEqual(answers[name, question],
                             answer_to(question, self.path / name))

    def test_csv_broken(self):
        (self.path / "broken.png").write_bytes(PNG_HEAD + b"no picture")
        (self.path / "none.jpg").write_bytes(b"no picture")
        for number in range(2):
            shutil.copy(SAMPLES / f"scene{number:02}.png", self.path)
        rows, errors = self.table("-q", "A?", "-q", "B?", "-c", "yes,no",
                                  self.path, status=1)
        self.assertEqual(
            [(pathlib.Path(row[0]).name, row[1]) for row in rows],
            [(f"scene{number:02}.png", question) for question in ("A?", "B?")
             for number in range(2)])
        self.assertLessEqual({row[2] for row in rows}, {"yes", "no"})
        for name in ("broken.png", "none.jpg"):
            self.assertEqual(errors.count(name), 1, errors)

    def test_csv_nothing(self):
        self.fail_with("there are no PNG or JPEG", "folder-to-csv", self.path)
        self.fail_with("there is no such folder", "folder-to-csv",
                       self.path / "missing")
        self.fail_with("no-such-model", "folder-to-csv", "-m",
                       "no-such-model", SAMPLES)

    def test_overlay(self):
        out = self.path / ODD.replace("%d", "")
        self.succeed("overlay", "-q", COUNT, "-w", "480", "-o", out,
                     SAMPLES / "scene00.png")
        self.assertEqual(out.read_bytes()[:8], PNG_HEAD)
        self.assertEqual(self.size(out), (480, 360))

    def test_overlay_frames(self):
        self.succeed("overlay", "-c", "red", "-n", "3", "-o",
                     self.path / "frame%d.png", "test")
        self.assertEqual(self.frames(), 3)
        # another answer makes other frames: each has one
        self.succeed("overlay", "-c", "left", "-n", "3", "-o",
                     self.path / "where%d.png", "test")
        for number in range(3):
            self.assertNotEqual(
                (self.path / f"frame{number}.png").read_bytes(),
                (self.path / f"where{number}.png").read_bytes())

    def test_overlay_live(self):
        # never held up by the model: each frame of the camera goes on
        self.succeed("overlay", "-w", "64", "-o", self.path / "frame%d.png",
                     "--source", "videotestsrc is-live=true num-buffers=40")
        self.assertEqual(self.frames(), 40)

    def frames(self):
        """How many frames the overlay wrote, none of them left out."""
        names = {path.name for path in self.path.glob("frame*.png")}
        self.assertEqual(names, {f"frame{n}.png" for n in range(len(names))})
        return len(names)

    def size(self, path):
        head = path.read_bytes()[16:24]
        return (int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big"))


if __name__ == "__main__":
    unittest.main()
