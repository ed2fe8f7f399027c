#!/usr/bin/env python3
"""Checks `.ms` files whose weights become floats while the model runs (dequant_strategy=ON_THE_FLY).

Converts each model twice at each number of bits, with and without the key, and compares the weights: those of the
first file are made by its QuantDTypeCast, FSEDecode, AddFusion and MulFusion nodes, computed here; those of the
second by the decoders of ms_weights. Both are made without bias correction: weights that become float at loading have
an offset for a channel's mean error, these nodes have none. Each segment of an entropy code is decoded by itself. At 8
bits both files are run in the runtime, and results must be the same to 1e-4. The 2.0 runtime has no kernel for the
other forms.
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
import ms_weights
from ms_weights import Table, follow

CAST, CUSTOM, ADD, MULTIPLY, PLAIN_CAST = 113, 191, 5, 99, 28
MODELS = ["ch_ppocr_mobile_v2.0_cls_infer", "efficientnet_lite0", "paraphrase-MiniLM-L3-v2"]
# These have too many weights to decode an entropy code bit by bit here at every number of bits.
LARGE_MODELS, LARGE_BITS = {"paraphrase-MiniLM-L3-v2"}, {4, 8, 16}
TYPES = {32: "i1", 33: "<i2", 34: "<i4", 37: "u1", 38: "<u2", 40: "<u8", 43: "<f4"}


def numbers(table, field, form="I"):
    at = table.vector(field)
    return struct.unpack_from(f"<{table.length(field)}{form}", table.data, at + 4) if at else ()


def text(table, field):
    return bytes(numbers(table, field, "B")).decode()


def elements(tensor):
    """A constant's elements; None for what a node makes."""
    data = bytes(numbers(tensor, 6, "B")) if tensor.scalar(0, "i") == 0 else b""
    return np.frombuffer(data, TYPES[tensor.scalar(1, "i")]) if data else None


def decoded_stream(attributes, inputs, count):
    """The numbers of an entropy code, segment by segment from its end."""
    chunks, baselines, widths, symbols, centroids, _, ends = inputs
    full = np.frombuffer(chunks.tobytes(), "<u8").tolist()
    last, filled = int(attributes["curr_chunk"]) & (2 ** 64 - 1), int(attributes["curr_bit_count"])
    log = int(attributes["table_log"])
    assert int(attributes["curr_chunk_index"]) == len(full) - 1 and len(baselines) == 1 << log
    big = 0
    for start in range(0, len(full), 4096):
        block = full[start:start + 4096]
        piece = int.from_bytes(b"".join(word.to_bytes(8, "big") for word in block), "big")
        big = piece if not start else big << (64 * len(block)) | piece
    bits = big << filled | (last >> (64 - filled) if filled else 0)
    total = 64 * len(full) + filled
    text_bits = np.unpackbits(np.frombuffer(bits.to_bytes((total + 7) // 8, "big"), np.uint8))[-total:].tolist()
    baselines, widths = baselines.tolist(), widths.tolist()
    length = -(-count // len(ends))
    found = np.zeros(count, np.int64)
    for segment, end in enumerate(int(end) for end in ends):
        at, state = 64 * (end >> 32) + (end & 0xFFFF), (end >> 16 & 0xFFFF) - (1 << log)
        stop = min(count, (segment + 1) * length)
        for index in range(stop - 1, segment * length - 1, -1):
            found[index] = state
            if index:
                width, value = widths[state], 0
                for bit in text_bits[at - width:at]:
                    value = value << 1 | bit
                at, state = at - width, baselines[state] + value
        if segment + 1 == len(ends):
            tail = 0
            for bit in text_bits[total - log:]:
                tail = tail << 1 | bit
            assert tail == (end >> 16 & 0xFFFF) - (1 << log), "the last state is written at the end"
    return centroids[symbols[found]]


def made_weights(path):
    """The weights by name that the nodes of a file make, and the names of the operators that make them."""
    data = path.read_bytes()
    root = Table(data, struct.unpack_from("<I", data)[0])
    tensors, values, kinds = root.tables(7), {}, {}
    for node in root.tables(6):
        primitive = follow(node, 2)
        kind, operator = primitive.scalar(0, "B"), follow(primitive, 1)
        inputs, outputs = numbers(node, 3), numbers(node, 4)
        source = tensors[inputs[0]]
        if kind == CAST and source.scalar(0, "i") == 0:
            assert len(inputs) == 1 and operator.scalar(1, "q") == 43
            assert operator.scalar(0, "q") == source.scalar(1, "i"), "the cast has another type than its input"
            parameters = source.tables(7)
            assert len(parameters) == 1
            values[outputs[0]] = ms_weights.decoded(source, 0)
        elif kind == CUSTOM:
            assert text(operator, 0) == "FSEDecode"
            attributes = {text(item, 0): text(item, 1) for item in operator.tables(1)}
            constants = [elements(tensors[index]) for index in inputs]
            if constants[0] is None:
                constants[0] = np.zeros(0, "i1")
            values[outputs[0]] = decoded_stream(attributes, constants, int(np.prod(constants[5])))
        elif kind == PLAIN_CAST and source.scalar(1, "i") in (32, 33) and source.scalar(0, "i") == 0:
            assert elements(tensors[inputs[1]]).tolist() == [43] and not source.tables(7)
            values[outputs[0]] = elements(source).astype(np.float32)
        elif kind in (ADD, MULTIPLY) and inputs[0] in values:
            shape = numbers(tensors[outputs[0]], 2, "i")
            other = elements(tensors[inputs[1]]).reshape(numbers(tensors[inputs[1]], 2, "i"))
            whole = values.pop(inputs[0]).reshape(shape)
            values[outputs[0]] = (whole + other if kind == ADD else whole * other).astype(np.float32).ravel()
            kinds[outputs[0]] = kinds.pop(inputs[0])
            continue
        else:
            continue
        kinds[outputs[0]] = text(source, 9)
    return {kinds[index]: values[index] for index in values}


def loaded_weights(path):
    """The weights by name that a runtime makes when it loads a file."""
    data = path.read_bytes()
    root = Table(data, struct.unpack_from("<I", data)[0])
    axes = ms_weights.channel_axes(root.tables(6))
    found = {text(tensor, 9): ms_weights.decoded(tensor, axes.get(index, 0))
             for index, tensor in enumerate(root.tables(7)) if tensor.scalar(0, "i") == 0}
    return {name: values for name, values in found.items() if values is not None}


def convert(binary, case, bits, more, target, flags=()):
    target.with_suffix(".cfg").write_text(ms_weights.configuration(bits) + "[weight_quant_param]\nbias_correction=false\n" + more)
    shapes = ";".join(f"{name}:{','.join(map(str, array.shape))}" for name, array in case.feeds[0].items())
    subprocess.run([binary, f"--modelFile={case.path}", f"--outputFile={target}", "--quiet=true",
                    f"--configFile={target.with_suffix('.cfg')}", f"--inputShape={shapes}", *flags],
                   check=True, capture_output=True)


def check(binary, runtime, case, bits, more, folder):
    """What is wrong, in words; nothing if all is well."""
    plain, fly = folder / "plain.ms", folder / "fly.ms"
    convert(binary, case, bits, more, plain)
    convert(binary, case, bits, more + "dequant_strategy=ON_THE_FLY\nmax_segments=4\n", fly)
    wanted, found = loaded_weights(plain), made_weights(fly)
    if wanted.keys() != found.keys() or not wanted:
        return f"other weights: {wanted.keys() ^ found.keys()}"
    if bits >= 8:
        ascend = folder / "ascend.ms"
        convert(binary, case, bits, more + "dequant_strategy=ON_THE_FLY\n", ascend, ["--optimize=ascend_oriented"])
        products = made_weights(ascend)
        if not products or any(not np.array_equal(found[name], values) for name, values in products.items()):
            return "other weights for Ascend"
    worst = max(float(np.abs(wanted[name] - found[name]).max()) / max(1e-30, float(np.abs(wanted[name]).max()))
                for name in wanted)
    if worst > 1e-5:
        return f"weights differ by {worst:.2g}"
    if bits != 8 or not runtime:
        return ""
    feed = case.feeds[0]
    results = [ms_float.run(runtime, path, list(feed), feed, folder) for path in (plain, fly)]
    worst = max(float(np.abs(a - b).max()) for a, b in zip(*results))
    return f"results differ by {worst:.2g}" if worst > 1e-4 else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("models", type=Path)
    parser.add_argument("runtime", nargs="*", help="the command that runs a .ms model")
    parser.add_argument("--only", action="append")
    parser.add_argument("--bits", default="1,2,3,4,5,6,7,8,9,10,12,15,16")
    arguments = parser.parse_args()
    os.environ.setdefault("MSL_PACKFIX", "1")
    failures = 0
    for case in model_feeds.cases(arguments.models, arguments.only or MODELS):
        wanted = list(map(int, arguments.bits.split(",")))
        for bits in [bits for bits in wanted if case.name not in LARGE_MODELS or bits in LARGE_BITS]:
            for more in ("", "per_channel=false\n"):
                with tempfile.TemporaryDirectory() as folder:
                    problem = check(arguments.binary, arguments.runtime, case, bits, more, Path(folder))
                failures += bool(problem)
                print(f"{case.name} {bits} bits {more.strip() or 'per channel'}: {problem or 'equal'}", flush=True)
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
