#!/usr/bin/env python3
# installed.py: what `meson install` puts where, and that it works there.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Takes the build folder in MBLM_BUILD, and installs below a folder of its own.

import csv
import io
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

BUILD = os.environ["MBLM_BUILD"]
SAMPLES = pathlib.Path(__file__).resolve().parents[2] / \
    "pipelines/models/scenes/samples"
LIMIT = 120                     # seconds for each process

PROGRAM = """
#include <mblm.h>

int
main (void)
{
  g_print ("%s\\n", g_quark_to_string (MBLM_ERROR));
  return 0;
}
"""


def output(*words, **options):
    return subprocess.run(words, check=True, timeout=LIMIT,
                          stdout=subprocess.PIPE, **options).stdout.decode()


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        output("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet",
               "--destdir", cls.folder.name)
        options = {option["name"]: option["value"] for option in json.loads(
            output("meson", "introspect", "--buildoptions", BUILD))}
        cls.prefix = pathlib.Path(
            cls.folder.name + os.path.abspath(options["prefix"]))
        cls.libdir = cls.prefix / options["libdir"]
        cls.data = cls.prefix / options["datadir"]
        cls.environment = dict(
            os.environ, LC_ALL="C.UTF-8",
            LD_LIBRARY_PATH=str(cls.libdir),
            GST_PLUGIN_PATH_1_0=str(cls.libdir / "gstreamer-1.0"),
            GST_REGISTRY=cls.folder.name + "/registry.bin",
            MBLM_MODEL_PATH=str(cls.data / "mblm/models"))
        for name in ("MBLM_BUILD", "MESON_DEVENV", "DISPLAY"):
            cls.environment.pop(name, None)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_command(self):
        said = output(self.prefix / "bin/mblm", "info", "text",
                      env=self.environment)
        self.assertIn("text", said)

    def test_plugin(self):
        said = output("gst-inspect-1.0", "mblm", env=self.environment)
        self.assertIn(str(self.libdir), said)
        for element in ("mblmgenerate", "mblmscore", "mblmask",
                        "mblmaskoverlay"):
            self.assertIn(f"  {element}: ", said)

    def test_pipelines(self):
        book = pathlib.Path(self.folder.name) / "book.txt"
        book.write_text("It was the best of times, it was the worst of")
        pipelines = self.data / "mblm/pipelines"
        said = output(pipelines / "continue", "-n", "10", book,
                      env=self.environment)
        self.assertGreaterEqual(len(said), 10)
        said = output(pipelines / "score", "--json", book,
                      env=self.environment)
        self.assertEqual(json.loads(said)["bytes"], book.stat().st_size)

    def test_csv(self):
        question = "What shape is the object?"
        said = output(self.data / "mblm/pipelines/folder-to-csv", "-q",
                      question, SAMPLES,
                      env=dict(self.environment, PATH=os.pathsep.join(
                          [str(self.prefix / "bin"), os.environ["PATH"]])))
        rows = list(csv.reader(io.StringIO(said, newline="")))[1:]
        self.assertEqual(len(rows), 16)
        # by the command, and with the model, that were installed
        said = output(self.prefix / "bin/mblm", "ask", "--json", "-q",
                      question, "scenes", *(row[0] for row in rows),
                      env=self.environment)
        self.assertEqual([row[2] for row in rows],
                         [json.loads(line)["answer"]
                          for line in said.splitlines()])

    def test_applications(self):
        """They need nothing but GStreamer to build and to say what they do."""
        source = self.data / "mblm/pipelines/applications/ask.c"
        program = pathlib.Path(self.folder.name) / "ask"
        flags = output("pkg-config", "--cflags", "--libs", "gstreamer-1.0",
                       "gio-unix-2.0").split()
        output("cc", source, "-o", program, "-Wall", "-Werror", *flags)
        for application in (program, source.with_suffix(".py")):
            self.assertTrue(os.access(application, os.X_OK))
        run = subprocess.run([program], stderr=subprocess.PIPE, timeout=LIMIT,
                             check=False)
        self.assertEqual(run.returncode, 2)
        self.assertIn(b"Usage: ask ", run.stderr)

    def test_manual(self):
        self.assertTrue(list(self.prefix.glob("share/man/man1/mblm.1*")))

    def test_translations(self):
        book = self.data / "locale/de/LC_MESSAGES/gst-mblm-1.0.mo"
        self.assertTrue(book.exists())

    def test_library(self):
        source = pathlib.Path(self.folder.name) / "program.c"
        source.write_text(PROGRAM)
        program = source.with_suffix("")
        output("pkg-config", "--validate",
               self.libdir / "pkgconfig/mblm-1.0.pc")
        flags = output("pkg-config", "--cflags", "--libs", "gobject-2.0",
                       "gio-2.0").split()
        output("cc", source, "-o", program, "-Werror",
               f"-I{self.prefix}/include/mblm-1.0", f"-L{self.libdir}",
               "-lmblm-1.0", *flags)
        self.assertTrue(output(program, env=self.environment).strip())


if __name__ == "__main__":
    unittest.main()
