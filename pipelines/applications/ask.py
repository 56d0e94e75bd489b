#!/usr/bin/python3
# ask.py: an application that asks about a running stream, and changes its question.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# It runs a pipeline that is described as for gst-launch-1.0 and has an mblmask or
# mblmaskoverlay named "ask". Each answer is a line: time in the stream, question,
# answer and probability, with tabs between. Each line on standard input is a new
# question, which is asked from the next frame on.
#
#   ask.py "Where is the object?" videotestsrc is-live=true pattern=ball ! \
#     mblmask name=ask ! fakesink
#
# Ctrl-C ends the stream, and once more ends the application at once. Debian's packages
# for it are python3-gi and gir1.2-gstreamer-1.0; ask.c is the same in C.

import signal
import sys

import gi
gi.require_version("Gst", "1.0")
# pylint: disable=wrong-import-position
from gi.repository import Gio, GLib, Gst  # noqa: E402


def say(text):
    print(text, file=sys.stderr, flush=True)


def clock(nanoseconds):
    ms = nanoseconds // Gst.MSECOND
    return (f"{ms // 3600000}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}"
            f".{ms % 1000:03}")


class Application:
    def __init__(self, description):
        self.loop = GLib.MainLoop()
        self.status = 0
        self.ending = False
        self.pipeline = Gst.parse_launchv(description)
        self.ask = None
        if isinstance(self.pipeline, Gst.Pipeline):
            self.ask = self.pipeline.get_by_name("ask")
        if not self.ask or not self.ask.find_property("question"):
            raise ValueError("the pipeline needs an mblmask or mblmaskoverlay "
                             "with name=ask")
        self.input = Gio.DataInputStream.new(
            Gio.UnixInputStream.new(sys.stdin.fileno(), False))

    def fail(self, message):
        say(f"ask.py: {message}")
        self.status = 1
        self.loop.quit()

    # --- answers ---

    def print_answer(self, answer):
        text = answer.get_string("answer")
        print(clock(answer.get_value("stream-time")),
              answer.get_string("question"),
              text.translate(str.maketrans("\t\r\n", "   ")),
              f"{answer.get_value('probability'):.4f}", sep="\t", flush=True)

    def on_message(self, _bus, message):
        if message.type == Gst.MessageType.ELEMENT:
            if message.has_name("mblmask"):
                self.print_answer(message.get_structure())
        elif message.type == Gst.MessageType.EOS:
            self.loop.quit()
        elif message.type == Gst.MessageType.ERROR:
            self.fail(message.parse_error()[0].message)
        elif message.type == Gst.MessageType.WARNING:
            say(f"ask.py: {message.parse_warning()[0].message}")
        elif message.type == Gst.MessageType.LATENCY:
            self.pipeline.recalculate_latency()
        return GLib.SOURCE_CONTINUE

    # --- questions ---

    def set_question(self, question):
        self.ask.set_property("question", question)
        say(f"Asking: {question}")

    def read_line(self):
        self.input.read_line_async(GLib.PRIORITY_DEFAULT, None, self.on_line)

    def on_line(self, _source, result):
        line, _ = self.input.read_line_finish(result)
        # No more questions; the last one is asked to the end.
        if line is None:
            return
        try:
            question = bytes(line).decode().strip()
            if question:
                self.set_question(question)
        except UnicodeDecodeError:
            say("ask.py: this question is not UTF-8")
        self.read_line()

    # --- begin and end ---

    def on_interrupt(self):
        """The end passes through the pipeline, so that a file that it writes
        is whole."""
        if self.ending:
            self.loop.quit()
        self.ending = True
        self.pipeline.send_event(Gst.Event.new_eos())
        return GLib.SOURCE_CONTINUE

    def run(self, question):
        bus = self.pipeline.get_bus()
        self.set_question(question)
        if self.pipeline.set_state(Gst.State.PLAYING) \
                == Gst.StateChangeReturn.FAILURE:
            message = bus.pop_filtered(Gst.MessageType.ERROR)
            if message:
                self.on_message(bus, message)
            else:
                self.fail("the pipeline does not start")
        else:
            bus.add_watch(GLib.PRIORITY_DEFAULT, self.on_message)
            for number in (signal.SIGINT, signal.SIGTERM):
                GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number,
                                     self.on_interrupt)
            self.read_line()
            self.loop.run()
            bus.remove_watch()
        self.pipeline.set_state(Gst.State.NULL)
        return self.status


def main():
    # as any program in a pipe does, and without a word
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    words = Gst.init(sys.argv)
    if len(words) < 3:
        say("Usage: ask.py QUESTION PIPELINE\n"
            "PIPELINE is as for gst-launch-1.0, with an mblmask or "
            "mblmaskoverlay that has name=ask.")
        return 2
    try:
        application = Application(words[2:])
    except (GLib.Error, ValueError) as error:
        say(f"ask.py: {getattr(error, 'message', error)}")
        return 1
    return application.run(words[1])


if __name__ == "__main__":
    sys.exit(main())
