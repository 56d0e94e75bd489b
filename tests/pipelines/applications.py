#!/usr/bin/env python3
# applications.py: an application of pipelines/applications, from its first frame on.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# applications.py COMMAND... takes how to run the application. Where it matters which
# frame is the next one, the frames are written by the test one at a time. Skips (77)
# where the application has not what it needs.

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from running import LIMIT, Application, clock

COMMAND = sys.argv[1:]
PUBLISHED = pathlib.Path(os.environ["MBLM_TEST_MODELS"]) / "published"
SAMPLES = PUBLISHED / "samples"
COLOR = "What color is the object?"
WHERE = "Where is the object?"
WIDTH, HEIGHT = 160, 120
# Of the model whose answers are known.
PICTURES = ("fdsrc fd={frames} ! image/png ! mblmask name=ask "
            f"model={PUBLISHED} ! fakesink")


def run(question, pipeline):
    return Application(COMMAND, question, pipeline)


def ball(number):
    """A frame with a blue square on grey, somewhere else for each number."""
    frame = bytearray(b"\xb4" * (3 * WIDTH * HEIGHT))
    for y in range(40, 80):
        start = 3 * (y * WIDTH + 10 + 15 * number)
        frame[start:start + 120] = bytes((0x1e, 0x5a, 0xe6)) * 40
    return bytes(frame)


class Applications(unittest.TestCase):
    def end(self, application):
        """It ends by itself, well; the answers that are left."""
        answers, said, status = application.finish()
        self.assertEqual(status, 0, said)
        return answers

    def test_every_frame(self):
        with run(WHERE, "videotestsrc num-buffers=12 ! mblmask name=ask ! "
                        "fakesink") as application:
            answers = self.end(application)
        self.assertEqual([answer.time for answer in answers],
                         [clock(number, 30) for number in range(12)])
        for answer in answers:
            self.assertEqual(answer.question, WHERE)
            self.assertTrue(answer.text)
            self.assertTrue(0 < answer.probability <= 1)

    def test_next_frame(self):
        """Each picture with a question of its own, which is changed while the
        stream plays, and each answer the one that is known."""
        samples = json.loads((SAMPLES / "questions.json").read_text())
        with run(COLOR, PICTURES) as application:
            for number, sample in enumerate(samples):
                application.ask(sample["question"])
                application.send((SAMPLES / sample["picture"]).read_bytes())
                answer = application.answer()
                self.assertEqual(answer[:3],
                                 (clock(number, 1), sample["question"],
                                  sample["answer"]))
            self.assertEqual(self.end(application), [])

    def test_overlay(self):
        """The question changes, and each frame comes out with its answer on it."""
        count = 6
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "frames"
            pipeline = (
                "fdsrc fd={frames} ! rawvideoparse format=rgb framerate=5/1 "
                f"width={WIDTH} height={HEIGHT} ! mblmaskoverlay ! "
                f"video/x-raw,format=RGB ! filesink location={out}")
            with run(COLOR, pipeline) as application:
                for number in range(count):
                    question = COLOR if number < 3 else WHERE
                    if number == 3:
                        application.ask(WHERE)
                    application.send(ball(number))
                    answer = application.answer()
                    self.assertEqual(answer[:2],
                                     (clock(number, 5), question))
                self.assertEqual(self.end(application), [])
            video = out.read_bytes()
        size = 3 * WIDTH * HEIGHT
        self.assertEqual(len(video), count * size)
        for number in range(count):
            frame = video[number * size:][:size]
            self.assertNotEqual(frame, ball(number))
            # the text is at the bottom, and what is above it as it was
            self.assertEqual(frame[:size // 4], ball(number)[:size // 4])

    def run_and_change(self, pipeline):
        """Changes the question in a stream without an end, and ends it."""
        with run(COLOR, pipeline) as application:
            answers = [application.answer() for _ in range(3)]
            application.ask(WHERE)
            while answers[-1].question == COLOR:
                answers.append(application.answer())
            answers += [application.answer() for _ in range(3)]
            application.interrupt()
            answers += self.end(application)
        questions = [answer.question for answer in answers]
        changed = questions.index(WHERE)
        self.assertEqual(set(questions[:changed]), {COLOR})
        self.assertEqual(set(questions[changed:]), {WHERE})
        return [answer.time for answer in answers]

    def test_running(self):
        times = self.run_and_change("videotestsrc ! mblmask name=ask ! fakesink")
        self.assertEqual(times, [clock(number, 30)
                                 for number in range(len(times))])

    def test_running_live(self):
        # frames may be left out, but none goes back
        for element in ("mblmask name=ask", "mblmaskoverlay"):
            times = self.run_and_change(
                f"videotestsrc is-live=true ! {element} ! fakesink")
            self.assertEqual(times, sorted(set(times)))

    def test_bad_questions(self):
        picture = (SAMPLES / "scene01.png").read_bytes()
        with run(COLOR, PICTURES) as application:
            application.say(b"\xff")
            application.hear("not UTF-8")
            application.say(b"  ")
            application.send(picture)
            self.assertEqual(application.answer()[:3],
                             (clock(0, 1), COLOR, "yellow"))
            # longer than the model holds
            application.ask("why " * 5000 + "?")
            application.send(picture)
            self.assertEqual(application.answer()[:3],
                             (clock(1, 1), COLOR, "yellow"))
            application.hear("can't be asked")
            self.end(application)

    def test_interrupt_while_nothing_comes(self):
        with run(COLOR, PICTURES) as application:
            application.send((SAMPLES / "scene01.png").read_bytes())
            application.answer()
            application.interrupt()
            self.assertEqual(application.process.wait(LIMIT), 0)

    def test_questions_end(self):
        with run(COLOR, PICTURES) as application:
            application.process.stdin.close()
            application.send((SAMPLES / "scene01.png").read_bytes())
            self.assertEqual(application.answer().text, "yellow")
            self.end(application)

    def fail_with(self, wanted, *words, status=1):
        done = subprocess.run([*COMMAND, *words], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(wanted, done.stderr.decode())
        self.assertNotIn("Traceback", done.stderr.decode())

    def test_errors(self):
        for pipeline in ("videotestsrc ! fakesink", "mblmask name=ask",
                         "videotestsrc ! identity name=ask ! fakesink"):
            self.fail_with("with name=ask", COLOR, *pipeline.split())
        self.fail_with("no-such-element", COLOR, "no-such-element")
        self.fail_with("no-such-model", COLOR, *(
            "videotestsrc ! mblmask name=ask model=no-such-model ! "
            "fakesink").split())
        self.fail_with("/dev/video99", COLOR, *(
            "v4l2src device=/dev/video99 ! mblmask name=ask ! "
            "fakesink").split())
        # in the middle of the stream
        self.fail_with("as requested", COLOR, *(
            "videotestsrc ! mblmask name=ask ! identity error-after=3 ! "
            "fakesink").split())

    def test_usage(self):
        self.fail_with("Usage: ", status=2)
        self.fail_with("Usage: ", COLOR, status=2)


def main():
    said = subprocess.run(COMMAND, stdin=subprocess.DEVNULL, timeout=LIMIT,
                          stderr=subprocess.PIPE, check=False).stderr.decode()
    if "No module named 'gi'" in said or "Namespace Gst not" in said:
        print("skipped: no python3-gi or no gir1.2-gstreamer-1.0")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])


if __name__ == "__main__":
    main()
