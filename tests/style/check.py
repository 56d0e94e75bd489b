#!/usr/bin/env python3
# check.py: the rules of the house that a machine can check.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# check.py RULE looks at every file of the source tree; exit 0, 1, or 77 where it
# can't be checked here.

import os
import pathlib
import re
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
SKIP = 77

# Files that may be longer than LINES.
LINES = 600
LONG = {
    "kernels/mblm-kernels.h": "the one table of operations",
    "kernels/cpu/vec.h": "the same vectors for each instruction set",
}


def source_files():
    """Every file that is part of the project."""
    try:
        listed = subprocess.run(
            ["git", "-C", TOP, "ls-files", "-z"], check=True, timeout=60,
            capture_output=True).stdout.decode().split("\0")
        files = [TOP / name for name in listed if name]
    except (OSError, subprocess.SubprocessError):
        # no git, or not a checkout: all but what is built
        files = [path for path in TOP.rglob("*")
                 if not re.match(r"(build[^/]*|\.git)(/|$)",
                                 path.relative_to(TOP).as_posix())]
    return sorted(path for path in files
                  if path.is_file() and not path.is_symlink())


def name_of(path):
    return path.relative_to(TOP).as_posix()


def text_of(path):
    """The text of a file; None for one that is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


# C, CUDA and, for kernels of CUDA on the host, C++.
C_SUFFIXES = (".c", ".h", ".cu", ".cpp")


def c_files():
    return [path for path in source_files() if path.suffix in C_SUFFIXES]


def check_format():
    """clang-format 14 changes nothing."""
    for tool in ("clang-format-14", "clang-format"):
        if shutil.which(tool):
            break
    else:
        print("skipped: there is no clang-format-14")
        sys.exit(SKIP)
    version = subprocess.run([tool, "--version"], capture_output=True,
                             text=True, timeout=60, check=True).stdout
    if not re.search(r"version 14\.", version):
        print(f"skipped: clang-format 14 is wanted, not {version.strip()}")
        sys.exit(SKIP)
    run = subprocess.run([tool, "--dry-run", "-Werror", *c_files()],
                         capture_output=True, text=True, timeout=300,
                         check=False)
    return run.stderr.splitlines()


def check_licence():
    """Each source file opens with its name, copyright and licence."""
    for path in source_files():
        script = path.suffix in (".py", ".sh")
        if path.suffix not in C_SUFFIXES and not script:
            if path.suffix or not os.access(path, os.X_OK):
                continue
            script = True
        head = text_of(path)[:600]
        comment = "# " if script else "/* "
        if script and head.startswith("#!"):
            head = head.split("\n", 1)[1]
        for wanted in (f"{comment}{path.name}:",
                       "Copyright (C) 2026 The gst-mblm authors",
                       "SPDX-License-Identifier: LGPL-2.1-or-later"):
            if wanted not in head:
                yield f"{name_of(path)}: does not open with: {wanted}"


def check_paths():
    """Nothing names a place that only some machine has."""
    place = re.compile(r"(?<![\w.$}*/-])/(?:home|root|work|Users|mnt)/\w")
    for path in source_files():
        for number, line in enumerate((text_of(path) or "").splitlines(), 1):
            if place.search(line):
                yield f"{name_of(path)}:{number}: {line.strip()}"


# What a room may not include; arrows go gst -> engine -> kernels.
ARROWS = {
    "kernels": r"glib|gio|gmodule|gst/|mblm\.h|mblm-(?!kernels|operations|scans)|\.\./engine",
    "engine": r"gst/|gst|cuda|cublas|cudnn|nccl",
}


def check_arrows():
    """No file includes what lies against the arrows."""
    for path in c_files():
        parts = path.relative_to(TOP).parts
        against = ARROWS.get(parts[0])
        public = {header.name for header in TOP.glob("engine/mblm*.h")
                  if header.name != "mblm-extension.h"}
        for number, line in enumerate(text_of(path).splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*[<"]([^>"]+)', line)
            if not found:
                continue
            where = f"{name_of(path)}:{number}: {line.strip()}"
            header = found.group(1)
            if against and re.match(against, header):
                yield where
            if parts[0] == "gst" and (TOP / "engine" / header).exists() \
                    and header not in public:
                yield f"{where} (not public)"


def check_length():
    """One idea a file: none is too long."""
    for path in c_files():
        lines = text_of(path).count("\n")
        if lines > LINES and name_of(path) not in LONG:
            yield f"{name_of(path)}: {lines} lines, more than {LINES}"


def check_text():
    """Text files are UTF-8 with LF line ends, end in one, and trail no blanks;
    C is not much wider than the 80 columns that clang-format keeps code to."""
    for path in source_files():
        if path.suffix in (".png", ".jpg", ".npy", ".safetensors", ".pth") \
                or name_of(path) == "LICENSE" \
                or re.match(r"tests/(golden|fuzz/corpus)/|pipelines/data/text/"
                            r"|engine/scenes/clevr-templates/\w+\.json",
                            name_of(path)):
            continue
        text = text_of(path)
        if text is None:
            yield f"{name_of(path)}: is not text in UTF-8"
            continue
        if text and not text.endswith("\n"):
            yield f"{name_of(path)}: does not end in a new line"
        for number, line in enumerate(text.split("\n"), 1):
            where = f"{name_of(path)}:{number}"
            if line != line.rstrip():
                yield f"{where}: blanks at the end"
            if path.suffix in C_SUFFIXES and len(line) > 85:
                yield f"{where}: {len(line)} columns"


def check_manual():
    """The manual pages have no errors."""
    if not shutil.which("man"):
        print("skipped: there is no man")
        sys.exit(SKIP)
    for page in sorted(TOP.glob("docs/*.[1-9]")):
        said = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page],
            env={**os.environ, "MANWIDTH": "80", "MANROFFSEQ": "",
                 "LC_ALL": "C.UTF-8"},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            timeout=60, check=False).stderr
        yield from said.splitlines()


def check_words():
    """Nothing is left half done."""
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
    for path in source_files():
        if path.suffix not in (*C_SUFFIXES, ".py", ".sh", ".build", ".md"):
            continue
        for number, line in enumerate((text_of(path) or "").splitlines(), 1):
            if marks.search(line):
                yield f"{name_of(path)}:{number}: {line.strip()}"


def check_translations():
    """po/POTFILES names exactly the files with messages, and each language of
    po/LINGUAS translates them all."""
    marked = re.compile(r'(?<![\w"])N?C?_ \("')
    wanted = {name_of(path) for path in c_files()
              if not name_of(path).startswith("tests/")
              and marked.search(text_of(path))}
    listed = {line.strip() for line in
              (TOP / "po/POTFILES").read_text("utf-8").splitlines()
              if line.strip() and not line.startswith("#")}
    for name in sorted(wanted - listed):
        yield f"{name}: has messages, but is not in po/POTFILES"
    for name in sorted(listed - wanted):
        yield f"{name}: is in po/POTFILES, but has no messages"
    if not listed & wanted:
        return
    if not shutil.which("xgettext"):
        print("skipped: there is no xgettext")
        sys.exit(SKIP)
    template = subprocess.run(
        ["xgettext", "--from-code=UTF-8", "--keyword=_", "--keyword=N_",
         "--keyword=C_:1c,2", "--directory", TOP, "--output=-",
         *sorted(listed & wanted)],
        check=True, capture_output=True, timeout=120).stdout
    for place in re.findall(r'^#: (.*)\n(?:#.*\n)*msgid .*(?:\n".*)*?'
                            r'(?<!%)%"\nmsgstr', template.decode(), re.M):
        yield f"{place}: the message is cut off at its %: G_GUINT64_FORMAT " \
            "and such can't be extracted, PRIu64 can"
    for language in (TOP / "po/LINGUAS").read_text("utf-8").split():
        book = TOP / "po" / f"{language}.po"
        run = subprocess.run(["msgfmt", "--check", "--output-file=/dev/null",
                              book], capture_output=True, text=True,
                             timeout=60, check=False)
        if run.returncode:
            yield from run.stderr.splitlines()
        merged = subprocess.run(
            ["msgmerge", "--quiet", "--no-fuzzy-matching", "--output-file=-",
             book, "-"], input=template, check=True, capture_output=True,
            timeout=120).stdout
        missing = subprocess.run(
            ["msgattrib", "--untranslated", "--no-obsolete", "--no-wrap", "-"],
            input=merged, check=True, capture_output=True,
            timeout=60).stdout.decode()
        for message in re.findall(r'^msgid (?!""$)(.*)', missing, re.M):
            yield f"po/{language}.po: not translated: {message}"


RULES = {name[len("check_"):]: rule for name, rule in globals().items()
         if name.startswith("check_")}


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in RULES:
        sys.exit(f"usage: check.py {'|'.join(RULES)}")
    wrong = list(RULES[sys.argv[1]]() or [])
    print(*wrong, sep="\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
