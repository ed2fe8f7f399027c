#!/usr/bin/env python3
"""Checks that the real MindSpore Lite runtime reads packed weights of `.ms` files as the integers that were meant.

Converts each model at every number of bits, decodes the weights with the decoders here, puts the real numbers into a
copy of the file as plain floats, and runs both files in the runtime on the same input. Exits 1 where a file isn't
loaded, where results differ by more than the bound relative to the largest, or where sizes don't grow with the bits.

The runtime's command is used as in ms_float.py.
"""

import argparse
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import model_feeds
import ms_float

BOUND = 1e-3
MODELS = ["efficientnet_lite0", "ch_ppocr_mobile_v2.0_cls_infer", "ch_PP-OCRv4_rec_infer", "ch_PP-OCRv4_det_infer",
          "paraphrase-MiniLM-L3-v2"]


class Table:
    """A FlatBuffers table of a file in memory."""

    def __init__(self, data, at):
        self.data, self.at = data, at
        self.vtable = at - struct.unpack_from("<i", data, at)[0]
        self.count = (struct.unpack_from("<H", data, self.vtable)[0] - 4) // 2

    def place(self, field):
        """Where the field is; None where the table leaves it out."""
        offset = struct.unpack_from("<H", self.data, self.vtable + 4 + 2 * field)[0] if field < self.count else 0
        return self.at + offset if offset else None

    def scalar(self, field, form, default=0):
        place = self.place(field)
        return struct.unpack_from("<" + form, self.data, place)[0] if place else default

    def vector(self, field):
        """Where the vector's length is; None without one."""
        place = self.place(field)
        return place + struct.unpack_from("<I", self.data, place)[0] if place else None

    def length(self, field):
        at = self.vector(field)
        return struct.unpack_from("<I", self.data, at)[0] if at else 0

    def tables(self, field):
        at = self.vector(field)
        places = [at + 4 + 4 * index for index in range(self.length(field))] if at else []
        return [Table(self.data, place + struct.unpack_from("<I", self.data, place)[0]) for place in places]


class Bits:
    """Fields of bits, the highest bit of each byte first."""

    def __init__(self, data):
        self.bits = np.unpackbits(np.frombuffer(data, np.uint8))
        self.at = 0

    def fields(self, width, count):
        field = self.bits[self.at:self.at + width * count].reshape(count, width)
        self.at += width * count
        return field @ (1 << np.arange(width)[::-1]) if width else np.zeros(count, np.int64)

    def distinct(self, bits):
        count = int(self.fields(bits, 1)[0]) or 1 << bits
        return self.fields(bits, count) - (1 << (bits - 1))


def width_of(count):
    return int(count - 1).bit_length()


def unpacked(data, bits, count):
    fields = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[:bits * count].reshape(count, bits)
    return fields.astype(np.int64) @ (1 << np.arange(bits)) - (1 << (bits - 1))


def unindexed(data, bits, count):
    reader = Bits(data)
    distinct = reader.distinct(bits)
    return distinct[reader.fields(width_of(len(distinct)), count)]


def unsparse(data, bits, count, zero_points):
    reader = Bits(data)
    gap_bits, coded = int(reader.fields(8, 1)[0]), int(reader.fields(32, 1)[0])
    distinct = reader.distinct(bits)
    entries = distinct[reader.fields(width_of(len(distinct)), coded)]
    values = np.repeat(zero_points, count // len(zero_points))
    values[np.cumsum(reader.fields(gap_bits, coded) + 1) - 1] = entries
    return values


def unentropy(data, count):
    symbols, log, words = struct.unpack_from("<HHI", data)
    frequencies = struct.unpack_from(f"<{symbols}I", data, 8)
    at = (8 + 4 * symbols + 7) // 8 * 8
    numbers = np.frombuffer(data, "<f4", symbols, at)
    at = (at + 4 * symbols + 7) // 8 * 8
    stream = np.frombuffer(data, "<u8", words, at)
    left = 64 * (words - 1) + data[at + 8 * words]
    big = int.from_bytes(stream.astype(">u8").tobytes(), "big") >> (64 * words - left)
    chunk = np.frombuffer(big.to_bytes((left + 31) // 32 * 4, "little"), "<u4").tolist()
    states, place, table = 1 << log, 0, np.zeros(1 << log, np.int64)
    for symbol, frequency in enumerate(frequencies):
        for _ in range(frequency):
            table[place] = symbol
            place = (place + states // 2 + states // 8 + 3) % states
    seen, widths, bases = list(frequencies), [], []
    for symbol in table.tolist():
        width = log - (seen[symbol].bit_length() - 1)
        widths.append(width)
        bases.append((seen[symbol] << width) - states)
        seen[symbol] += 1
    word, used = 0, 0

    def pop(width):
        nonlocal word, used
        low = chunk[word] >> used
        if used + width > 32:
            low |= chunk[word + 1] << (32 - used)
        used += width
        if used >= 32:
            word, used = word + 1, used - 32
        return low & ((1 << width) - 1)

    state, order = pop(log), []
    for index in range(count):
        order.append(state)
        if index + 1 < count:
            state = bases[state] + (pop(widths[state]) if widths[state] else 0)
    return numbers[table[order[::-1]]]


def decoded(tensor, axis):
    """The real numbers of a tensor; None for one that isn't quantized."""
    at, kind = tensor.vector(6), tensor.scalar(11, "i")
    parameters = tensor.tables(7)
    if at is None or (kind == 0 and not parameters):
        return None
    data = bytes(tensor.data[at + 4:at + 4 + tensor.length(6)])
    where = tensor.vector(2)
    dimensions = list(struct.unpack_from(f"<{tensor.length(2)}i", tensor.data, where + 4))
    count = int(np.prod(dimensions))
    if kind == 3:
        return unentropy(data, count)
    bits = parameters[0].scalar(5, "i", 8)
    scales = np.array([p.scalar(0, "d", 1.0) for p in parameters])
    zero_points = np.array([p.scalar(1, "i") for p in parameters], np.int64)
    offsets = np.array([p.scalar(8, "f") for p in parameters])
    if kind == 1:
        values = unindexed(data, bits, count)
    elif kind == 2:
        values = unsparse(data, bits, count, zero_points)
    elif kind == 4:
        values = unpacked(data, bits, count)
    else:
        values = np.frombuffer(data, np.int8 if bits <= 8 else "<i2").astype(np.int64)
    shape = [1] * len(dimensions)
    if len(scales) > 1:
        assert dimensions[axis] == len(scales), (dimensions, axis, len(scales))
        shape[axis] = len(scales)
    numbers = (values.reshape(dimensions) - zero_points.reshape(shape)) * scales.reshape(shape)
    numbers = numbers + offsets.reshape(shape) * (len(scales) > 1)
    return numbers.astype(np.float32).ravel()


def follow(table, field):
    """The table that a field refers to."""
    place = table.place(field)
    return Table(table.data, place + struct.unpack_from("<I", table.data, place)[0])


def channel_axes(nodes):
    """The axis of channels of each tensor that a node reads as weights, as the runtime takes it."""
    axes = {}
    for node in nodes:
        primitive = follow(node, 2)
        kind = primitive.scalar(0, "B")
        at, inputs = node.vector(3), node.length(3)
        indices = struct.unpack_from(f"<{inputs}I", node.data, at + 4)
        value = follow(primitive, 1)
        for position, index in enumerate(indices):
            axis = 0
            if kind == 89:
                transposed = bool(value.scalar(1 if position else 0, "B"))
                axis = (-2 if transposed else -1) if position else (-1 if transposed else -2)
            elif kind == 36:
                axis = -1
            axes[index] = axis
    return axes


def twin(source, target):
    """Writes the file with every quantized weight as plain floats; returns how many there are."""
    data = bytearray(source.read_bytes())
    root = Table(data, struct.unpack_from("<I", data)[0])
    nodes, tensors = root.tables(6), root.tables(7)
    axes, tail, found = channel_axes(nodes), [], 0
    for index, tensor in enumerate(tensors):
        numbers = decoded(tensor, axes.get(index, 0))
        if numbers is None:
            continue
        found += 1
        tail.append((tensor, numbers.tobytes()))
    for tensor, numbers in tail:
        data += b"\0" * ((12 - len(data)) % 16)
        place = tensor.place(6)
        struct.pack_into("<I", data, place, len(data) - place)
        data += struct.pack("<I", len(numbers)) + numbers
        struct.pack_into("<i", data, tensor.place(1), 43)
        if tensor.place(11):
            struct.pack_into("<i", data, tensor.place(11), 0)
        if tensor.vector(7):
            struct.pack_into("<I", data, tensor.vector(7), 0)
    for node in nodes:
        if node.place(5):
            struct.pack_into("<i", data, node.place(5), 0)
    target.write_bytes(data)
    return found


def configuration(bits):
    text = f"[common_quant_param]\nquant_type=WEIGHT_QUANT\nbit_num={bits}\nmin_quant_weight_size=0\n"
    return text + "min_quant_weight_channel=0\n"


def check(binary, runtime, case, bits, folder):
    """The file's size and the largest difference of the two files' results, relative to the largest result."""
    packed, plain, config = folder / "packed.ms", folder / "plain.ms", folder / "job.cfg"
    config.write_text(configuration(bits))
    feed = case.feeds[0]
    shapes = ";".join(f"{name}:{','.join(map(str, array.shape))}" for name, array in feed.items())
    subprocess.run([binary, f"--modelFile={case.path}", f"--outputFile={packed}", f"--configFile={config}",
                    f"--inputShape={shapes}", "--quiet=true"], check=True, capture_output=True)
    count = twin(packed, plain)
    names = list(feed)
    found = ms_float.run(runtime, packed, names, feed, folder)
    wanted = ms_float.run(runtime, plain, names, feed, folder)
    worst = max(float(np.abs(a.astype(np.float64) - b).max()) / max(1e-30, float(np.abs(b).max()))
                for a, b in zip(found, wanted) if a.size)
    return packed.stat().st_size, worst, count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("models", type=Path)
    parser.add_argument("runtime", nargs="+")
    parser.add_argument("--only", action="append")
    parser.add_argument("--bits", default="1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,0")
    arguments = parser.parse_args()
    os.environ.setdefault("MSL_PACKFIX", "1")
    failures = 0
    for case in model_feeds.cases(arguments.models, arguments.only or MODELS):
        sizes = []
        for bits in map(int, arguments.bits.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    size, worst, count = check(arguments.binary, arguments.runtime, case, bits, Path(folder))
                except (RuntimeError, subprocess.CalledProcessError) as problem:
                    print(f"{case.name} {bits}: {problem} {getattr(problem, 'stderr', '')}")
                    failures += 1
                    continue
            grows = bits == 0 or not sizes or size > sizes[-1]
            sizes += [size] if bits else []
            failures += worst > BOUND or not grows or count == 0
            print(f"{case.name} {bits} bits: {size} bytes, {count} weights, off by {worst:.2g}"
                  + ("" if grows else ", NOT LARGER"), flush=True)
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
