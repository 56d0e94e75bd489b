#!/usr/bin/env python3
# summary.py: the log of `meson test` as lines of pass, fail or skip.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Prints the lines; what a failed test said goes to standard error. Fails if there is
# no whole log.

import json
import re
import sys

KINDS = {
    "OK": "pass",
    "EXPECTEDFAIL": "pass",
    "SKIP": "skip",
}


def reason(test):
    """What a skipped test said last about skipping."""
    said = test.get("stdout", "") + "\n" + test.get("stderr", "")
    lines = [line for line in said.splitlines() if re.search("skip", line, re.I)]
    if not lines:
        lines = said.strip().splitlines() or ["gave no reason"]
    return re.sub(r"^.*# *skip\w* *:? *", "", lines[-1].strip(), flags=re.I)


def main():
    stage, path = sys.argv[1:]
    with open(path, encoding="utf-8") as log:
        tests = [json.loads(line) for line in log]
    if not tests:
        sys.exit(f"{path}: no test was run")
    for test in tests:
        kind = KINDS.get(test["result"], "fail")
        line = f"{kind} {stage}: {test['name']}"
        if kind == "skip":
            line += f": {reason(test)}"
        print(line)
        if kind == "fail":
            said = test.get("stdout", "") + test.get("stderr", "")
            print(f"-- {stage}: {test['name']}: {test['result']}",
                  *said.splitlines()[-80:], sep="\n", file=sys.stderr)


if __name__ == "__main__":
    main()
