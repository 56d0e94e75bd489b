# arrays.py: .npy and safetensors files, with the standard library only.
#
# Copyright (C) 2026 The gst-mblm authors
# SPDX-License-Identifier: LGPL-2.1-or-later

import array
import ast
import json
import math
import struct

TYPES = {"<i4": "i", "<f4": "f"}


def write_npy(path, kind, shape, numbers):
    """An array of version 1.0; numbers in C order."""
    head = str({"descr": kind, "fortran_order": False, "shape": tuple(shape)})
    head += " " * (-(len(head) + 11) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) +
                     head.encode() + array.array(TYPES[kind], numbers).tobytes())


def read_npy(path):
    """The shape, and the numbers in C order."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<H", data, 8)
    head = ast.literal_eval(data[10:10 + length].decode())
    numbers = array.array(TYPES[head["descr"]])
    numbers.frombytes(data[10 + length:])
    return head["shape"], numbers


class Tensors:
    """A safetensors file of float32: arrays by name, which may be changed."""

    def __init__(self, path):
        data = path.read_bytes()
        (length,) = struct.unpack_from("<Q", data)
        self.head = data[:8 + length]
        self.body = bytearray(data[8 + length:])
        entries = json.loads(data[8:8 + length])
        self.entries = {name: entry for name, entry in entries.items()
                        if name != "__metadata__"}

    def names(self):
        return sorted(self.entries)

    def shape(self, name):
        return self.entries[name]["shape"]

    def __getitem__(self, name):
        first, end = self.entries[name]["data_offsets"]
        numbers = array.array("f")
        numbers.frombytes(bytes(self.body[first:end]))
        return numbers

    def __setitem__(self, name, numbers):
        first, end = self.entries[name]["data_offsets"]
        content = array.array("f", numbers).tobytes()
        assert len(content) == end - first
        self.body[first:end] = content

    def write(self, path):
        path.write_bytes(self.head + bytes(self.body))


def norm(numbers):
    return math.sqrt(sum(x * x for x in numbers))


def worst(left, right):
    """The largest difference, relative to the largest number."""
    scale = max(map(abs, right))
    return max(abs(a - b) for a, b in zip(left, right, strict=True)) / scale
