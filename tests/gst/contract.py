#!/usr/bin/env python3
# contract.py: every promise in docs/contract.md names a test, and the test exists.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# contract.py CONTRACT PROGRAM... A promise is an item of a list ("- ..."); it ends
# with the names of its tests in backquotes: `/score/json`, or `/camera/tee/*` for
# all below. PROGRAMs are asked for their tests; other names are those of Meson.

import re
import subprocess
import sys


def list_tests(programs):
    tests = set()
    for program in programs:
        lines = subprocess.run([program, "-l"], capture_output=True, text=True,
                               timeout=60, check=True).stdout.splitlines()
        tests.update(line for line in lines if line.startswith("/"))
    return tests


def promises(text):
    """The items of the lists, and the lines that they begin on."""
    item = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("- "):
            if item:
                yield item
            item = (number, line)
        elif item and line.startswith("  "):
            item = (item[0], f"{item[1]} {line.strip()}")
        elif item:
            yield item
            item = None
    if item:
        yield item


def exists(name, tests):
    if name.endswith("*"):
        return any(test.startswith(name[:-1]) for test in tests)
    return name in tests


def main():
    path, *programs = sys.argv[1:]
    tests = list_tests(programs)
    count, failures = 0, 0
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for number, item in promises(text):
        count += 1
        named = re.findall(r"`(/[\w./*-]+|meson: [\w-]+)`", item)
        if not named:
            print(f"contract.md:{number}: no test: {item[:70]}")
            failures += 1
        for name in named:
            if name.startswith("/") and not exists(name, tests):
                print(f"contract.md:{number}: there is no test {name}")
                failures += 1
    print(f"{count} promises, {len(tests)} tests, {failures} failures")
    return 1 if failures or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
