#!/usr/bin/env python3
# examples.py: runs every example of a document as it is written.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# examples.py BUILD DOCUMENT runs the blocks of the Markdown file in the top of the
# source tree, in the environment of `meson devenv`:
#
#   ```sh       commands: the block must succeed
#   ```console  commands after "$ ", and what each must print; a line "..." stands
#               for any lines, and "..." within a line for anything
#
# A command may write into out/, which is a new folder for each document, taken for
# the folder of that name.

import os
import pathlib
import re
import subprocess
import sys
import tempfile

LIMIT = 120                     # seconds for each command

# Examples that a test of their own runs, or that cannot run within a test.
ELSEWHERE = {
    "./pipelines/demo": "stage `demo` of tests/run",
    "./tests/run": "what is running now",
    'meson devenv -C build -w "$PWD"': "all that follows runs in it",
    "sudo meson install -C build": "the test `installed`",
    "meson test -C build --benchmark --verbose elements":
        "a minute of measuring, which nothing passes or fails",
    "build/tests/kernels/check --bench --op attention_backward":
        "minutes of measuring; the same for another operation is run",
}


def blocks(text):
    """The line, language and content of each fenced block."""
    for found in re.finditer(r"^```(sh|console)\n(.*?)^```$", text,
                             re.M | re.S):
        line = text.count("\n", 0, found.start()) + 2
        yield line, found.group(1), found.group(2)


def commands(content):
    """The commands of a console block, each with what it prints."""
    parts = re.split(r"^\$ ", content, flags=re.M)
    if parts[0].strip():
        sys.exit(f"a console block begins with: {parts[0]}")
    for part in parts[1:]:
        command, _, rest = part.partition("\n")
        while command.endswith("\\"):
            line, _, rest = rest.partition("\n")
            command += "\n" + line
        yield command, rest


def pattern(expected):
    """What matches the expected output, with its "..." ."""
    lines = []
    for line in expected.rstrip("\n").split("\n"):
        if line == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(".*".join(map(re.escape, line.split("..."))) + r"\n")
    return "".join(lines)


class Runner:
    def __init__(self, build, top, scratch):
        self.start = ["meson", "devenv", "-C", build, "-w", str(top), "sh",
                      "-ec"]
        self.environment = dict(os.environ, LC_ALL="C.UTF-8")
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "G_DEBUG"):
            self.environment.pop(name, None)
        self.scratch = scratch

    def run(self, command):
        """The exit status and output of a command."""
        command = re.sub(r"(?<![\w/.-])out/", f"{self.scratch}/", command)
        try:
            run = subprocess.run(
                self.start + [command], env=self.environment, timeout=LIMIT,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, check=False)
        except subprocess.TimeoutExpired as late:
            return None, (late.stdout or b"").decode(errors="replace")
        return run.returncode, run.stdout.decode(errors="replace")


def wrong(runner, language, content):
    """What is wrong with a block, or None."""
    if language == "sh":
        left = [line for line in content.splitlines()
                if line.strip() not in ELSEWHERE]
        if not "".join(left).strip():
            return None
        status, said = runner.run("\n".join(left))
        print(said)
        return None if status == 0 else f"exit status {status}"
    for command, expected in commands(content):
        if command in ELSEWHERE:
            continue
        status, said = runner.run(command)
        print(f"$ {command}\n{said}")
        if status != 0:
            return f"exit status {status}"
        if said and not said.endswith("\n"):
            said += "\n"
        if not re.fullmatch(pattern(expected), said.rstrip("\n") + "\n"):
            return f"other output than expected:\n{expected}"
    return None


def main():
    build, document = sys.argv[1:]
    top = pathlib.Path(__file__).resolve().parents[2]
    text = pathlib.Path(document).read_text(encoding="utf-8")
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        runner = Runner(build, top, scratch)
        for line, language, content in blocks(text):
            print(f"== {document}:{line}")
            trouble = wrong(runner, language, content)
            if trouble:
                print(f"FAILED: {document}:{line}: {trouble}")
                failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
