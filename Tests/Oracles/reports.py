#!/usr/bin/env python3
"""Checks gsconvert's reports about distributions against numpy and ONNX Runtime.

Converts the digit classifier, and each further MODEL.onnx, with FULL_QUANT and with WEIGHT_QUANT on samples (the .npy
files in FOLDER, for the model's only input), runs the original and the written model in ONNX Runtime with every value
as an output, and computes each row of round_0.csv and output_summary.csv anew. What stands for a tensor in the written
model is found by walking that model: nodes of the same name, quantization pairs, multiplications by factors. Exits 1
on any mismatch.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image
from onnx import numpy_helper

DIGITS = Path(__file__).resolve().parent.parent.parent / "fixtures/digits"

COLUMNS = ("Min", "Q1", "Median", "Q3", "MAX", "Mean", "Var", "Sparsity", "Clip", "CosineSimilarity")
# Largest differences: of elements as a fraction of their range (of the variance: its square), else absolute. The
# engines round alike except at ties; in deep networks one differing integer leads to others, so that single rows of
# dequantized activations may differ, but never most.
LIMITS = {"Origin": 1e-4, "Dequant": 0.1, "Weight": 1e-5}
MEDIAN_LIMIT = 1e-5


class Run:
    """A model's graph and all its float values for one sample."""

    def __init__(self, path, feeds):
        model = onnx.load(path)
        self.graph = model.graph
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in self.graph.initializer}
        for node in self.graph.node:
            if node.op_type == "Constant":
                value = next((a for a in node.attribute if a.name == "value"), None)
                if value:
                    self.constants[node.output[0]] = numpy_helper.to_array(value.t)
        self.outputs = [output.name for output in self.graph.output]
        self.nodes = {self.key(node): node for node in self.graph.node}
        self.producers = {name: node for node in self.graph.node for name in node.output}
        self.readers = {}
        for node in self.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        names = [name for node in self.graph.node for name in node.output if name]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in self.outputs)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        wanted = [output.name for output in session.get_outputs()]
        self.values = dict(feeds) | self.constants | dict(zip(wanted, session.run(wanted, feeds)))

    @staticmethod
    def key(node):
        return node.name or node.output[0]

    def reader(self, name, operator):
        return next((node for node in self.readers.get(name, []) if node.op_type == operator), None)

    def producer(self, name, operator):
        node = self.producers.get(name)
        return node if node is not None and node.op_type == operator else None


def folded(run, node):
    """Weights and bias of a convolution with what follows it folded in, in float64; None where nothing does."""
    if node.op_type not in ("Conv", "ConvTranspose"):
        return None
    weights = run.constants.get(node.input[1])
    if weights is None:
        return None
    axis = 0 if node.op_type == "Conv" else 1
    channels = weights.shape[axis]
    factor, offset = np.ones(channels), np.zeros(channels)
    if len(node.input) > 2 and node.input[2]:
        offset = run.constants[node.input[2]].astype(np.float64)
    name, count = node.output[0], 0
    while name not in run.outputs and len(run.readers.get(name, [])) == 1:
        after = run.readers[name][0]
        constants = [run.constants.get(i) for i in after.input if i != name]
        if any(c is None for c in constants):
            break
        constants = [c.astype(np.float64).reshape(-1) for c in constants]
        if after.op_type == "BatchNormalization":
            epsilon = next((a.f for a in after.attribute if a.name == "epsilon"), 1e-5)
            scale, bias, mean, variance = constants
            scale = scale / np.sqrt(variance + epsilon)
            factor, offset = factor * scale, (offset - mean) * scale + bias
        elif after.op_type in ("Mul", "Add", "Sub", "Div") and constants[0].size in (1, channels):
            other, is_first = constants[0], after.input[0] == name
            if after.op_type == "Mul":
                factor, offset = factor * other, offset * other
            elif after.op_type == "Add":
                offset = offset + other
            elif after.op_type == "Sub":
                factor, offset = (factor, offset - other) if is_first else (-factor, other - offset)
            elif is_first:
                factor, offset = factor / other, offset / other
            else:
                break
        else:
            break
        name, count = after.output[0], count + 1
    shape = [1] * weights.ndim
    shape[axis] = channels
    return (weights * factor.reshape(shape), offset) if count else None


def spread(run, dequantized):
    """The factors that the channels of a dequantized value hold, or None; and whether its maker applied them."""
    quantize = run.producers[run.producers[dequantized].input[0]]
    before = run.producer(quantize.input[0], "Mul")
    if before is not None and before.input[1].endswith("_factors"):
        return run.constants[before.input[1]], False
    after = run.reader(dequantized, "Mul")
    if after is not None and after.input[1].endswith("_factors"):
        return 1 / run.constants[after.input[1]], True
    return None, False


def activation(run, name):
    """A value of the written model in the float model's units."""
    value = run.values[name]
    if run.producer(name, "DequantizeLinear") is not None and name not in run.constants:
        maker = run.producers[run.producers[name].input[0]] if run.producers[name].input[0] in run.producers else None
        if maker is not None and maker.op_type == "QuantizeLinear":
            factors, _ = spread(run, name)
            return value if factors is None else value / factors
    return value


def is_activation_pair(run, name):
    node = run.producer(name, "DequantizeLinear")
    return node is not None and run.producer(node.input[0], "QuantizeLinear") is not None


def parameter(run, node, index):
    """A weight (1) or bias (2) of the written model in the float model's units."""
    value = run.values[node.input[index]].astype(np.float64)
    if node.op_type not in ("Conv", "Gemm", "MatMul"):
        return value
    inputs = spread(run, node.input[0])[0] if is_activation_pair(run, node.input[0]) else None
    quantize, outputs = run.reader(node.output[0], "QuantizeLinear"), None
    if quantize is not None:
        name = next(n.output[0] for n in run.readers[quantize.output[0]] if n.op_type == "DequantizeLinear")
        factors, by_maker = spread(run, name)
        outputs = factors if by_maker else None
    is_convolution = node.op_type == "Conv"
    transposed = node.op_type == "Gemm" and any(a.name == "transB" and a.i for a in node.attribute)
    if inputs is not None and index == 1:
        flat = inputs.reshape(-1)
        if is_convolution and value.shape[1] == 1 and flat.size == value.shape[0]:
            value = value * flat.reshape([-1] + [1] * (value.ndim - 1))
        elif is_convolution:
            value = value * flat.reshape([1, -1] + [1] * (value.ndim - 2))
        else:
            value = value * (flat if transposed else flat[:, None])
    if outputs is not None:
        flat = outputs.reshape(-1)
        if index == 2:
            value = value / flat
        elif is_convolution:
            value = value / flat.reshape([-1] + [1] * (value.ndim - 1))
        else:
            value = value / (flat[:, None] if transposed else flat)
    return value


def is_float(value):
    return value is not None and np.asarray(value).dtype in (np.float32, np.float64, np.float16)


def expected_rows(float_run, run):
    """(node, tensor, Input or Output, kind, original, dequantized), in the report's order."""
    rows = []
    for node in run.graph.node:
        origin = float_run.nodes.get(Run.key(node))
        if origin is None or node.op_type == "Constant":
            continue
        fold = folded(float_run, origin) if len(node.input) > 1 and node.input[1] not in float_run.values else None
        for index, name in enumerate(node.input):
            old = origin.input[index] if index < len(origin.input) else ""
            is_constant = old in float_run.constants or fold is not None and index in (1, 2)
            if not name or not old and not (fold and index == 2):
                continue
            original = fold[index - 1] if fold and index in (1, 2) else float_run.values.get(old)
            if not is_float(original) or name not in run.values:
                continue
            suffixes = ("_folded",) if fold and index in (1, 2) else ("",)
            tensor = (old or origin.input[1] + "_bias") + suffixes[0]
            found = parameter(run, node, index) if is_constant else activation(run, name)
            rows.append((Run.key(origin), tensor, "Input", "Weight" if is_constant else "Activation", original, found))
        for index, name in enumerate(node.output):
            if name not in float_run.values and origin.output[index] in run.values:
                name = origin.output[index]
            quantize = run.reader(name, "QuantizeLinear")
            if name not in float_run.values and quantize is not None:
                name = name[: -len("_float")] if name.endswith("_float") else name
            original = float_run.values.get(name)
            if name and is_float(original):
                rows.append((Run.key(origin), name, "Output", "Activation", original, run.values[name]))
    return rows


def statistics(values, original=None):
    """The ten columns of one row; of Clip the least and the most that it may be."""
    flat = np.asarray(values, np.float32).ravel()
    ordered = np.sort(flat)
    size, wide = flat.size, flat.astype(np.float64)
    result = [ordered[0], ordered[size // 4], ordered[size // 2], ordered[3 * size // 4], ordered[-1],
              wide.mean(), wide.var(), np.mean(flat == 0)]
    if original is None:
        return result + [(0, 0), 1]
    other = np.asarray(original, np.float32).ravel().astype(np.float64)
    # An original element beside the limit may lie on either side of it in another engine.
    margin = 1e-5 * (float(ordered[-1]) - float(ordered[0]))
    clip = [np.mean((other < float(ordered[0]) - m) | (other > float(ordered[-1]) + m)) for m in (margin, -margin)]
    a, b = np.sum(wide * wide), np.sum(other * other)
    cosine = 1 if max(a, b) < 2.2e-16 else 0 if a * b < 2.2e-16 else np.dot(wide, other) / np.sqrt(a * b)
    return result + [clip, cosine]


def check(float_run, run, folder):
    """Prints mismatches and the largest difference of each column; returns how many mismatches there are."""
    with open(folder / "round_0.csv", newline="", encoding="utf-8") as file:
        reported = list(csv.DictReader(file))
    rows = expected_rows(float_run, run)
    flags = ("Origin", "Dequant")
    problems, differences = [], {flag: {column: [] for column in COLUMNS} for flag in flags}
    keys = [(node, tensor, way, flag, kind) for node, tensor, way, kind, *_ in rows for flag in flags]
    found = [(r["NodeName"], r["TensorName"], r["InOutFlag"], r["DataTypeFlag"], r["TensorTypeFlag"])
             for r in reported]
    if sorted(keys) != sorted(found):
        problems += [f"missing row {key}" for key in sorted(set(keys) - set(found))[:5]]
        problems += [f"unexpected row {key}" for key in sorted(set(found) - set(keys))[:5]]
        problems.append(f"{len(found)} rows, expected {len(keys)}")
    by_key = {}
    for key, row in zip(found, reported):
        by_key.setdefault(key, row)
    for node, tensor, way, kind, original, dequantized in rows:
        span = float(np.max(original) - np.min(original)) or abs(float(np.max(original))) or 1.0
        for flag, numbers in (("Origin", statistics(original)), ("Dequant", statistics(dequantized, original))):
            row = by_key.get((node, tensor, way, flag, kind))
            if row is None:
                continue
            for column, number in zip(COLUMNS, numbers):
                unit = span ** 2 if column == "Var" else 1 if column in COLUMNS[7:] else span
                least, most = number if column == "Clip" else (number, number)
                difference = max(least - float(row[column]), float(row[column]) - most, 0) / unit
                differences[flag][column].append(difference)
                if not difference <= LIMITS["Weight" if kind == "Weight" else flag]:
                    problems.append(f"{node} {tensor} {way} {flag} {column}: {row[column]}, expected {most:.6g}")
    with open(folder / "output_summary.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["Round"] == "0" and row["CosineSimilarity"]:
                a, b = float_run.values[row["TensorName"]], run.values[row["TensorName"]]
                if abs(statistics(b, a)[-1] - float(row["CosineSimilarity"])) > LIMITS["Dequant"]:
                    problems.append(f"output {row['TensorName']}: cosine {row['CosineSimilarity']}")
    medians = {flag: max(map(np.median, columns.values())) for flag, columns in differences.items()}
    problems += [f"{flag}: median difference {value:.1e}" for flag, value in medians.items() if value > MEDIAN_LIMIT]
    for problem in problems[:12]:
        print("  " + problem)
    for flag, columns in differences.items():
        print(f"  {flag:7} " + "  ".join(f"{column} {max(values):.1e}" for column, values in columns.items())
              + f"  median at most {medians[flag]:.1e}")
    print(f"  {len(reported)} rows, {len(problems)} mismatches")
    return len(problems)


def digit_samples(folder):
    """Writes some pictures of digits as tensors and returns their folder."""
    for path in sorted((DIGITS / "images").glob("*.png"))[:4]:
        picture = np.asarray(Image.open(path).convert("L"), np.float32) / 255
        np.save(folder / path.stem, picture[None, None])
    return folder


def configuration(kind, samples, name, folder):
    more = "[full_quant_param]\nactivation_quant_method=MAX_MIN\n" if kind == "FULL_QUANT" else ""
    count = min(4, len(list(samples.glob("*.npy"))))
    return (f"[common_quant_param]\nquant_type={kind}\nbit_num=8\ndebug_info_save_path={folder}\n"
            f"[data_preprocess_param]\ncalibrate_path={name}:{samples}\ncalibrate_size={count}\ninput_type=BIN\n"
            + more)


def verify(binary, path, samples, kind, folder):
    """Converts and checks; returns the number of mismatches."""
    graph = onnx.load(path, load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    name = next(value.name for value in graph.input if value.name not in constants)
    job, result = folder / "job.cfg", folder / "result.onnx"
    job.write_text(configuration(kind, samples, name, folder))
    done = subprocess.run(
        [binary, f"--modelFile={path}", f"--outputFile={result}", f"--configFile={job}", "--quiet"],
        capture_output=True, text=True, check=False)
    print(f"{path.name} {kind}")
    if done.returncode != 0 or done.stderr.strip():
        print("  " + done.stderr.strip()[:300])
        return 1
    feeds = {name: np.load(sorted(samples.glob("*.npy"))[0])}
    return check(Run(path, feeds), Run(result, feeds), folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", metavar="GSCONVERT_BINARY", type=Path)
    parser.add_argument("pairs", metavar="MODEL.onnx=FOLDER", nargs="*")
    arguments = parser.parse_args()
    mismatches = 0
    with tempfile.TemporaryDirectory() as digits:
        pairs = [(DIGITS / "digits_cnn.onnx", digit_samples(Path(digits)))]
        pairs += [tuple(map(Path, pair.split("=", 1))) for pair in arguments.pairs]
        for model, samples in pairs:
            for kind in ("FULL_QUANT", "WEIGHT_QUANT"):
                with tempfile.TemporaryDirectory() as folder:
                    mismatches += verify(
                        arguments.binary.resolve(), model.resolve(), samples.resolve(), kind, Path(folder))
    return bool(mismatches)


if __name__ == "__main__":
    sys.exit(main())
