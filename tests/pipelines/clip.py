#!/usr/bin/env python3
# clip.py: a real clip through the pipelines and through an application.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# clip.py COMMAND... takes how to run the application, the build folder in MBLM_BUILD
# and the clip, H.264 of 65 frames, from data/media in MBLM_TEST_SHARED. Skips (77)
# where there is no clip, or nothing that decodes it.

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from running import LIMIT, Application

COMMAND = sys.argv[1:]
PIPELINES = pathlib.Path(__file__).resolve().parents[2] / "pipelines"
CLIP = pathlib.Path(os.environ["MBLM_TEST_SHARED"]) / "data/media/asl_yes.mkv"
FRAMES = 65
COLOR = "What color is the object?"
WHERE = "Where is the object?"


class Clip(unittest.TestCase):
    def run_pipeline(self, *words):
        environment = dict(os.environ)
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "MESON_DEVENV", "G_DEBUG"):
            environment.pop(name, None)
        done = subprocess.run([PIPELINES / words[0], *words[1:]],
                              stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=LIMIT, env=environment, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def test_ask(self):
        lines = self.run_pipeline("ask", "-t", CLIP).splitlines()
        self.assertEqual(len(lines), FRAMES)
        self.assertEqual(lines, sorted(lines))

    def test_overlay(self):
        with tempfile.TemporaryDirectory() as folder:
            self.run_pipeline("overlay", "-w", "160", "-o",
                              f"{folder}/frame%d.png", CLIP)
            self.assertEqual(len(os.listdir(folder)), FRAMES)

    def test_change(self):
        """The question changes while the clip plays; each frame is answered, in
        order, and comes out of the overlay."""
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "frames"
            pipeline = (
                f"filesrc location={CLIP} ! decodebin ! mblmaskoverlay ! "
                "videoconvert ! videoscale ! video/x-raw,format=GRAY8,width=8,"
                "height=8,pixel-aspect-ratio=1/1 ! "
                f"filesink location={out}")
            with Application(COMMAND, COLOR, pipeline) as application:
                answers = [application.answer() for _ in range(5)]
                application.ask(WHERE)
                rest, said, status = application.finish()
            self.assertEqual(status, 0, said)
            self.assertEqual(out.stat().st_size, FRAMES * 8 * 8)
        answers += rest
        times = [answer.time for answer in answers]
        self.assertEqual(len(times), FRAMES)
        self.assertEqual(times, sorted(set(times)))
        questions = [answer.question for answer in answers]
        changed = questions.index(WHERE)
        self.assertEqual(questions[changed:], [WHERE] * (FRAMES - changed))


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def main():
    if not CLIP.exists():
        skip(f"no {CLIP}")
    if subprocess.run(["gst-inspect-1.0", "--exists", "avdec_h264"],
                      timeout=LIMIT, check=False).returncode:
        skip("nothing decodes H.264: no gstreamer1.0-libav")
    said = subprocess.run(COMMAND, stdin=subprocess.DEVNULL, timeout=LIMIT,
                          stderr=subprocess.PIPE, check=False).stderr.decode()
    if "Usage: " not in said:
        skip(f"the application can't run: {said}")
    unittest.main(argv=sys.argv[:1])


if __name__ == "__main__":
    main()
