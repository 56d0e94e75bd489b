#!/usr/bin/env python3
# introspection.py: the engine through GObject introspection.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Skips (77) where Python has no gi, or where the typelib was not built.

import json
import math
import os
import pathlib
import sys
import unittest

try:
    import gi
    gi.require_version("Mblm", "1.0")
except (ImportError, ValueError) as reason:
    print(f"skipped: {reason}")
    sys.exit(77)

from gi.repository import Gio, GLib, Mblm    # noqa: E402

PUBLISHED = pathlib.Path(os.environ["MBLM_TEST_MODELS"]) / "published"
SAMPLES = PUBLISHED / "samples"
PROMPT = b"It was the best of times, it was the "


class Bindings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.device = Mblm.Device.open("cpu", 1)
        cls.text = cls.load("text")
        cls.published = cls.load(str(PUBLISHED))

    @classmethod
    def load(cls, name):
        return Mblm.Model.load(name, cls.device, Mblm.Precision.F32, None)

    def fails(self, code, function, *arguments, domain=None):
        """The call fails with a GLib.Error of that code."""
        with self.assertRaises(GLib.Error) as caught:
            function(*arguments)
        self.assertTrue(caught.exception.matches(
            domain or Mblm.error_quark(), code), caught.exception)


class Facts(Bindings):
    def test_device(self):
        self.assertEqual(self.device.get_name(), "cpu")
        self.assertIsNotNone(Mblm.Device.open(None, 1))

    def test_model(self):
        held, config, info = Mblm.Model.check(str(PUBLISHED))
        self.assertTrue(held)
        self.assertEqual(config.get_vocabulary(), 260)
        self.assertEqual(info.get_token(Mblm.Token.IMAGE), 259)
        self.assertEqual(info.get_task(), Mblm.Task.QA)
        self.assertEqual(info.get_sample(), [
            Mblm.Segment.QUESTION, Mblm.Segment.IMAGE, Mblm.Segment.QUESTION,
            Mblm.Segment.ANSWER])
        self.assertIn("square", info.get_answers())
        self.assertEqual(self.load(str(PUBLISHED)), self.published)
        self.assertIs(self.published.get_device(), self.device)

    def test_default(self):
        held, _, info = Mblm.Model.check("scenes")
        self.assertTrue(held)
        self.assertEqual(info.get_task(), Mblm.Task.QA)
        self.assertIn(Mblm.Segment.IMAGE, info.get_sample())

    def test_layout(self):
        layout = Mblm.Info.load(str(PUBLISHED / "mblm.json"),
                                260).get_image()
        self.assertEqual((layout.width, layout.height), (24, 18))
        self.assertEqual(layout.filter, Mblm.Filter.BILINEAR)
        self.assertFalse(layout.jpeg)
        self.assertIsNone(self.text.get_info().get_image())

    def test_config(self):
        config = self.text.get_config()
        text = config.to_yaml().encode()
        again = Mblm.Config.parse(text, "again")
        self.assertEqual(again.get_context(), config.get_context())
        self.assertIsInstance(again.get_block_options(0).unpack(), dict)


class Streams(Bindings):
    def test_generator(self):
        session = Mblm.Session.new(self.text)
        session.feed_bytes(PROMPT, None)
        before = session.snapshot()
        generator = Mblm.Generator.new(session, Mblm.Sampler.new())
        generator.set_max(40)
        generator.set_stop([GLib.Bytes.new(b"\0\0"), GLib.Bytes.new(b"\0\1")])
        generator.start()
        made, more = b"", True
        while more:
            more, piece = generator.next(None)
            made += piece.get_data() or b""
        self.assertEqual(len(made), 40)
        self.assertEqual(generator.get_finish(), Mblm.Finish.LENGTH)
        self.assertEqual(generator.get_last_id(), made[-1])
        self.assertTrue(generator.settle(None))
        self.assertEqual(session.get_position(), len(PROMPT) + 40)

        # the same by the session alone
        session.restore(before)
        for byte in made:
            logits = session.get_logits(Mblm.Start.CHAINED)
            self.assertEqual(len(logits), 257)
            self.assertEqual(logits.index(max(logits)), byte)
            session.feed([byte], None)

    def test_scorer(self):
        scorer = Mblm.Scorer.new(self.text, False)
        bits = scorer.push(PROMPT, None)
        self.assertEqual(len(bits), len(PROMPT))
        self.assertEqual(scorer.push(b"", None), [])
        self.assertEqual(scorer.get_bytes(), len(PROMPT))
        self.assertAlmostEqual(scorer.get_bits(), sum(bits), places=3)
        nats = Mblm.Session.new(self.text).score(list(PROMPT), None)
        for one, other in zip(bits, nats, strict=True):
            self.assertAlmostEqual(one, other / math.log(2), places=3)

    def test_rows(self):
        session = Mblm.Session.new(self.text)
        config = self.text.get_config()
        wide = config.get_hidden_dim(config.get_n_stages() - 1)
        self.assertEqual(len(session.feed_hidden([1, 2, 3], None)), 3 * wide)
        rows = session.feed_logits([4, 5], None)
        self.assertEqual(len(rows), 2 * 257)
        last = session.get_logits(Mblm.Start.CHAINED)
        for one, other in zip(rows[257:], last, strict=True):
            self.assertAlmostEqual(one, other, places=3)

    def test_many(self):
        many = [Mblm.Session.new(self.text) for _ in range(3)]
        self.assertTrue(Mblm.Session.step_many(many, [97, 98, 99], None))
        self.assertEqual([one.get_position() for one in many], [1, 1, 1])
        for ids in ([1, 2], [1, 2, 3, 4]):
            self.fails(Mblm.Error.INPUT, Mblm.Session.step_many, many, ids,
                       None)

    def test_sampler(self):
        sampler = Mblm.Sampler.new()
        self.assertEqual(sampler.draw_logits([0.0, 2.0, 1.0]), 1)
        sampler.set_allowed([1, 0, 1])
        self.assertEqual(sampler.draw_logits([0.0, 2.0, 1.0]), 2)
        sampler.set_allowed(None)
        self.assertEqual(sampler.draw_logits([0.0, 2.0, 1.0]), 1)

    def test_characters(self):
        out = GLib.String.new("")
        utf8 = Mblm.Utf8()
        utf8.push("é".encode()[:1], out)
        utf8.push("é".encode()[1:], out)
        utf8.finish(out)
        self.assertEqual(out.str, "é")


class Pictures(Bindings):
    def setUp(self):
        self.layout = self.published.get_info().get_image()
        entry = json.loads((SAMPLES / "questions.json").read_text())[0]
        self.answer = entry["answer"]
        self.picture = Mblm.Picture.load(str(SAMPLES / entry["picture"]))
        self.image = self.picture.to_bytes(self.layout)
        self.asker = Mblm.Asker.new(self.published)
        self.asker.set_question(entry["question"])

    def test_answer(self):
        answer = self.asker.answer(self.image, None)
        self.assertEqual(answer.text, self.answer)
        self.assertTrue(0 < answer.probability <= 1)
        self.assertEqual(answer.n_choices, 0)

    def test_choices(self):
        given = Mblm.Asker.split_choices("1, 2, 3")
        self.asker.set_choices(given)
        answer = self.asker.answer(self.image, None)
        self.assertEqual(answer.text, self.answer)
        ranked = [answer.get_choice(k) for k in range(answer.n_choices)]
        self.assertEqual([text for text, _ in ranked], given)
        self.assertAlmostEqual(sum(p for _, p in ranked), 1)
        self.asker.set_choices(None)
        self.assertEqual(self.asker.answer(self.image, None).n_choices, 0)

    def test_prompt(self):
        ids = self.asker.get_prompt_ids(self.image)
        self.assertIn(259, ids)
        self.asker.set_question(None)
        self.assertLess(len(self.asker.get_prompt_ids(self.image)), len(ids))

    def test_picture(self):
        data = (SAMPLES / "scene00.png").read_bytes()
        self.assertEqual(Mblm.Picture.find_end(data + b"more"), len(data))
        again = Mblm.Picture.decode(data).to_bytes(self.layout)
        self.assertTrue(again.equal(self.image))
        # rows of 16 bytes, but no more than its pixels in the last
        pixels = bytes(range(16)) * 2 + bytes(12)
        made = Mblm.Picture.new(4, 3, GLib.Bytes.new(pixels), 16)
        self.assertEqual((made.get_width(), made.get_height()), (4, 3))
        self.fails(Mblm.Error.INPUT, Mblm.Picture.new, 4, 3,
                   GLib.Bytes.new(pixels[:-1]), 16)
        self.fails(Mblm.Error.INPUT, Mblm.Picture.new, 4, 3,
                   GLib.Bytes.new(pixels), 2 ** 63)


class Errors(Bindings):
    def test_codes(self):
        self.fails(Mblm.Error.NOT_FOUND, Mblm.Model.load, "no such model",
                   self.device, Mblm.Precision.F32, None)
        self.fails(Mblm.Error.INPUT, Mblm.Device.open, "abacus", 1)
        self.fails(Mblm.Error.CONFIG, Mblm.Config.parse, b"a: 1", "here")
        self.fails(Mblm.Error.CONFIG, Mblm.Info.parse, b"{", "here", 257)
        self.fails(Mblm.Error.INPUT, Mblm.Picture.decode, b"no picture")
        self.fails(Mblm.Error.UNSUPPORTED, Mblm.Asker.new, self.text)

    def test_session(self):
        session = Mblm.Session.new(self.text)
        for function in (session.feed, session.score, session.feed_logits,
                         session.feed_hidden):
            self.fails(Mblm.Error.INPUT, function, [1, 257], None)
        self.assertEqual(session.get_position(), 0)

    def test_cancelled(self):
        stop = Gio.Cancellable()
        stop.cancel()
        session = Mblm.Session.new(self.text)
        generator = Mblm.Generator.new(session, Mblm.Sampler.new())
        generator.set_max(4)
        generator.start()
        for function, *arguments in (
                (generator.next,),
                (session.feed_bytes, PROMPT),
                (Mblm.Scorer.new(self.text, True).push, PROMPT)):
            self.fails(Gio.IOErrorEnum.CANCELLED, function, *arguments, stop,
                       domain=Gio.io_error_quark())


if __name__ == "__main__":
    unittest.main()
