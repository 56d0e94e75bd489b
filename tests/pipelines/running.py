#!/usr/bin/env python3
# running.py: an application of pipelines/applications at work, for the tests.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later

import collections
import os
import signal
import subprocess
import threading

LIMIT = 120                     # seconds for each run

Answer = collections.namedtuple("Answer", "time question text probability")


def clock(frame, rate):
    """The time of a frame, of so many a second, as it is printed."""
    ms = frame * 1000 // rate
    return (f"{ms // 3600000}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}"
            f".{ms % 1000:03}")


class Application:
    """Runs in a `with` block: COMMAND QUESTION PIPELINE. In the pipeline {frames}
    is a file descriptor that reads what `send` writes."""

    def __init__(self, command, question, pipeline):
        reader, self.frames = os.pipe()
        words = pipeline.format(frames=reader).split()
        self.process = subprocess.Popen(
            [*command, question, *words], pass_fds=[reader],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        os.close(reader)
        # nothing that is read here is waited for without an end
        self.timer = threading.Timer(LIMIT, self.process.kill)

    def __enter__(self):
        self.timer.start()
        return self

    def __exit__(self, *_):
        self.timer.cancel()
        self.end_frames()
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout,
                       self.process.stderr):
            stream.close()

    def send(self, data):
        """A frame, written whole."""
        while data:
            data = data[os.write(self.frames, data):]

    def end_frames(self):
        if self.frames is not None:
            os.close(self.frames)
            self.frames = None

    def answer(self):
        """The next answer."""
        line = self.process.stdout.readline().decode()
        if not line.endswith("\n"):
            raise AssertionError("no answer: " +
                                 self.process.stderr.read().decode())
        time, question, text, probability = line[:-1].split("\t")
        return Answer(time, question, text, float(probability))

    def say(self, line):
        """A line on standard input."""
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def hear(self, wanted):
        """Reads its standard error up to a line with this in it."""
        for line in self.process.stderr:
            if wanted in line.decode():
                return
        raise AssertionError(f"it never said: {wanted}")

    def ask(self, question):
        """Changes the question, and returns when that is done."""
        self.say(question.encode())
        self.hear(f"Asking: {question}")

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def finish(self):
        """The answers that are left, the rest of standard error, and the exit
        status."""
        self.process.stdin.close()
        self.end_frames()
        # little is left in standard error, so it can wait
        answers = []
        for line in self.process.stdout:
            time, question, text, probability = \
                line.decode().rstrip("\n").split("\t")
            answers.append(Answer(time, question, text, float(probability)))
        said = self.process.stderr.read().decode()
        return answers, said, self.process.wait()
