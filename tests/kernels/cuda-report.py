#!/usr/bin/env python3
# cuda-report.py: registers and local memory of the CUDA kernels.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# cuda-report.py FILE... reads what nvcc said of each file (kernels/cuda/compile.sh).
# No kernel spills registers or keeps an array in local memory, but those named
# below. Exit 0 or 1; --all prints every kernel, the largest first.

import pathlib
import re
import sys

# Kernels, by a part of their name, that may have so many bytes of local memory.
ALLOWED = {
    # the library's sine of a large angle
    "rope_angles_kernel": 64,
}

KERNEL = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
MEMORY = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, "
                    r"(\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")


def kernels_of(path):
    """(registers, local bytes, spilled bytes, name, architecture, file)."""
    name = arch = None
    memory = (0, 0, 0)
    for line in path.read_text("utf-8").splitlines():
        if found := KERNEL.search(line):
            name, arch = found.groups()
            memory = (0, 0, 0)
        elif found := MEMORY.search(line):
            # device functions that are not inlined have lines of this kind, too
            memory = tuple(map(max, memory, map(int, found.groups())))
        elif (found := REGISTERS.search(line)) and name:
            yield (int(found.group(1)), memory[0], memory[1] + memory[2], name,
                   arch, path.name.removesuffix(".cu.txt"))
            name = None


def allowed(name):
    return max((size for part, size in ALLOWED.items() if part in name),
               default=0)


def main():
    show_all = "--all" in sys.argv
    paths = [pathlib.Path(word) for word in sys.argv[1:] if word != "--all"]
    kernels = sorted((kernel for path in paths for kernel in kernels_of(path)),
                     reverse=True)
    bad = [kernel for kernel in kernels
           if max(kernel[1], kernel[2]) > allowed(kernel[3])]
    for registers, local, spilled, name, arch, file in \
            kernels if show_all else bad:
        print(f"{file}: {name} for {arch}: {registers} registers, {local} bytes "
              f"of local memory, {spilled} bytes spilled")
    if not kernels:
        print("there is no kernel in these files")
    else:
        print(f"{len(kernels)} kernels, at most {kernels[0][0]} registers, "
              f"{len(bad)} with local memory")
    sys.exit(1 if bad or not kernels else 0)


if __name__ == "__main__":
    main()
