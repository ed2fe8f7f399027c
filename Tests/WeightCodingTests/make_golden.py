#!/usr/bin/env python3
"""Makes golden.json: tensors of integers and the bytes they take in each form of a .ms file.

Written from the format's description alone, bit by bit and slowly. Every stream is decoded again here, by a decoder
that shares nothing with the encoder, before it is written.

usage: make_golden.py > golden.json
"""

import json
import math
import struct

import numpy as np


class Bits:
    """A list of bits, highest bit of a field first."""

    def __init__(self):
        self.text = ""

    def put(self, value, width):
        assert 0 <= value < 1 << width or width == 0, (value, width)
        self.text += format(value, f"0{width}b") if width else ""

    def bytes(self):
        padded = self.text + "0" * (-len(self.text) % 8)
        return bytes(int(padded[i:i + 8], 2) for i in range(0, len(padded), 8))


class Reader:
    def __init__(self, data):
        self.text = "".join(format(byte, "08b") for byte in data)
        self.at = 0

    def get(self, width):
        field = self.text[self.at:self.at + width]
        self.at += width
        return int(field, 2) if width else 0


def width_of(count):
    return math.ceil(math.log2(count)) if count > 1 else 0


def pack(values, bits):
    text = "".join(format(v + (1 << (bits - 1)), f"0{bits}b")[::-1] for v in values)
    unit = 16 if bits > 8 else 8
    text += "0" * (-len(text) % unit)
    return bytes(int(text[i:i + 8][::-1], 2) for i in range(0, len(text), 8))


def unpack(data, bits, count):
    text = "".join(format(byte, "08b")[::-1] for byte in data)
    return [int(text[i * bits:(i + 1) * bits][::-1], 2) - (1 << (bits - 1)) for i in range(count)]


def put_distinct(stream, values, bits):
    distinct = sorted(set(values))
    stream.put(len(distinct) % (1 << bits), bits)
    for value in distinct:
        stream.put(value + (1 << (bits - 1)), bits)
    return distinct


def get_distinct(reader, bits):
    count = reader.get(bits) or 1 << bits
    return [reader.get(bits) - (1 << (bits - 1)) for _ in range(count)]


def index(values, bits):
    stream = Bits()
    distinct = put_distinct(stream, values, bits)
    for value in values:
        stream.put(distinct.index(value), width_of(len(distinct)))
    return stream.bytes()


def unindex(data, bits, count):
    reader = Reader(data)
    distinct = get_distinct(reader, bits)
    return [distinct[reader.get(width_of(len(distinct)))] for _ in range(count)]


def coded_places(values, zero_points, gap_bits):
    per_channel = len(values) // len(zero_points)
    previous, places = -1, []
    for place, value in enumerate(values):
        if value != zero_points[place // per_channel] or place - previous == 1 << gap_bits:
            places.append((place, place - previous - 1))
            previous = place
    return places


def sparse(values, bits, zero_points):
    distinct = sorted(set(values))
    width = width_of(len(distinct))
    gap_bits = min(range(2, 11), key=lambda k: len(coded_places(values, zero_points, k)) * (k + width))
    places = coded_places(values, zero_points, gap_bits)
    stream = Bits()
    stream.put(gap_bits, 8)
    stream.put(len(places), 32)
    put_distinct(stream, values, bits)
    for place, _ in places:
        stream.put(distinct.index(values[place]), width)
    for _, gap in places:
        stream.put(gap, gap_bits)
    return stream.bytes()


def unsparse(data, bits, zero_points, count):
    reader = Reader(data)
    gap_bits, coded = reader.get(8), reader.get(32)
    distinct = get_distinct(reader, bits)
    values = [zero_points[i // (count // len(zero_points))] for i in range(count)]
    entries = [reader.get(width_of(len(distinct))) for _ in range(coded)]
    place = -1
    for entry in entries:
        place += reader.get(gap_bits) + 1
        values[place] = distinct[entry]
    return values


def frequencies(counts, log):
    states, total = 1 << log, sum(counts)
    found = [max(1, int(np.floor(np.float32(0.5) + np.float32(c) * np.float32(states) / np.float32(total))))
             for c in counts]
    while sum(found) > states:
        found[found.index(max(found))] -= 1
    found[found.index(max(found))] += states - sum(found)
    return found


def spread(found, log):
    states, place, table = 1 << log, 0, {}
    for symbol, frequency in enumerate(found):
        for _ in range(frequency):
            table[place] = symbol
            place = (place + states // 2 + states // 8 + 3) % states
    return [table[i] for i in range(states)]


def entropy(values, scale, zero_point):
    distinct = sorted(set(values))
    symbols = [distinct.index(v) for v in values]
    log = min(15, len(distinct).bit_length() - 1 + 4)
    found = frequencies([symbols.count(s) for s in range(len(distinct))], log)
    states = 1 << log
    slots = [[states + p for p, s in enumerate(spread(found, log)) if s == symbol] for symbol in range(len(distinct))]
    state, text = states, ""
    for step, symbol in enumerate([symbols[0]] + symbols):
        width = 0
        while state >> width >= 2 * found[symbol]:
            width += 1
        if step > 0 and width:
            text += format(state & ((1 << width) - 1), f"0{width}b")
        state = slots[symbol][(state >> width) - found[symbol]]
    text += format(state - states, f"0{log}b")
    words = [text[i:i + 64] for i in range(0, len(text), 64)]
    if len(words[-1]) == 64:
        words.append("")
    data = struct.pack("<HHI", len(distinct), log, len(words)) + struct.pack(f"<{len(found)}I", *found)
    data += b"\0" * (-len(data) % 8)
    data += np.array([np.float32(scale) * np.float32(v - zero_point) for v in distinct], "<f4").tobytes()
    data += b"\0" * (-len(data) % 8)
    for word in words:
        data += struct.pack("<Q", int(word.ljust(64, "0"), 2))
    return data + bytes([len(words[-1])])


def unentropy(data, count):
    symbol_count, log, words = struct.unpack_from("<HHI", data)
    found = struct.unpack_from(f"<{symbol_count}I", data, 8)
    at = (8 + 4 * symbol_count + 7) // 8 * 8
    numbers = np.frombuffer(data, "<f4", symbol_count, at)
    at = (at + 4 * symbol_count + 7) // 8 * 8
    text = "".join(format(w, "064b") for w in struct.unpack_from(f"<{words}Q", data, at))
    text = text[:64 * (words - 1) + data[at + 8 * words]]
    assert len(data) == at + 8 * words + 1
    table, seen, steps = spread(found, log), [0] * symbol_count, []
    for symbol in table:
        x = found[symbol] + seen[symbol]
        seen[symbol] += 1
        width = log - (x.bit_length() - 1)
        steps.append((symbol, width, (x << width) - (1 << log)))

    def pop(width):
        nonlocal text
        field = text[len(text) - width:]
        text = text[:len(text) - width]
        return int(field, 2) if width else 0

    state, out = pop(log), []
    for place in range(count):
        symbol, width, base = steps[state]
        out.append(numbers[symbol])
        if place + 1 < count:
            state = base + pop(width)
    return out[::-1]


def tensors():
    """Names, integers, bits and zero points; the first ones are those of the format's description."""
    yield "described, indexed 8", [5, 5, -3, 0, 5, -3, -3, 0], 8, [0]
    yield "described, indexed 4", [5, 5, -3, 0, 5, -3, -3, 0], 4, [0]
    yield "described, sparse", [0] * 5 + [7] + [0] * 9 + [-2] + [0] * 16, 8, [0]
    yield "described, entropy", [0, 0, 1, -2, 0, 1, 0, 0, 3, -2, 0, 1, 0, 0, 0, 1], 8, [0]
    yield "described, packed 4", [-8, -1, 0, 7, 3], 4, [0]
    yield "described, packed 3", [-4, -1, 0, 3, 2], 3, [0]
    yield "described, packed 1", [-1, 0, 0, -1, 0], 1, [0]
    yield "described, packed 10", [-512, 0, 511], 10, [0]
    rng = np.random.default_rng(7)
    for bits in range(1, 17):
        limit = 1 << (bits - 1)
        yield f"normal {bits}", [int(v) for v in np.clip(np.rint(rng.normal(0, limit / 3, 120)), -limit, limit - 1)
                                 ], bits, [1 if bits > 1 else 0, -1, 0]
    yield "constant", [3] * 90, 4, [3]
    yield "constant beside zero", [-3] * 90, 8, [0]
    yield "two values", [int(v) for v in rng.choice([-7, 6], 200)], 6, [0, 0]
    yield "sparse over channels", [int(v) for v in np.where(rng.random(1200) < 0.03, rng.integers(-90, 90, 1200),
                                                          np.repeat([0, 4, -2], 400))], 8, [0, 4, -2]
    yield "single", [-1], 8, [0]


def main():
    out = []
    for name, values, bits, zero_points in tensors():
        forms = {"bitPacking": pack(values, bits), "indexing": index(values, bits),
                 "sparse": sparse(values, bits, zero_points), "entropy": entropy(values, 0.5, zero_points[0])}
        assert unpack(forms["bitPacking"], bits, len(values)) == values
        assert unindex(forms["indexing"], bits, len(values)) == values
        assert unsparse(forms["sparse"], bits, zero_points, len(values)) == values
        assert unentropy(forms["entropy"], len(values)) == [0.5 * (v - zero_points[0]) for v in values]
        plain = (bits * len(values) + 7) // 8
        sizes = {"bitPacking": plain, "indexing": len(forms["indexing"]), "sparse": len(forms["sparse"])}
        best = min(sizes, key=sizes.get)
        out.append({"name": name, "values": values, "bits": bits, "zeroPoints": zero_points, "best": best,
                    "forms": {form: data.hex() for form, data in forms.items()}})
    print(json.dumps(out, separators=(",", ":")))


main()
