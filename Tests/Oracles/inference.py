#!/usr/bin/env python3
"""Checks gsconvert's float inference against ONNX Runtime, on real models at several input shapes.

For each model of a folder (the second argument, or GSCONVERT_MODELS) runs `gsconvert run` in one thread and ONNX Runtime
with its optimizations off, and prints the largest difference relative to its output's range. Beyond 1e-4 both are
compared with the model computed in float64. Exits 1 where gsconvert is then further off than that, too, or where
observing all inner values, which keeps nodes from being fused, changes a single bit.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

import model_feeds

BOUND = 1e-4
# How many times as far as ONNX Runtime gsconvert may be from the exact result, for models that magnify rounding.
#
# basic_pitch takes the logarithm of 1e-10 + x^2, x a transform with near silence in it: of the range, its argument is off
# by 1.1e-6 (ONNX Runtime 5.2e-7: each sums a convolution's window of 256 in its own order), the logarithm by 9.9e-4
# (5.4e-4). The least logarithm is subtracted from all others, so that one element's luck (4.3e-4, 1.1e-4) decides about
# all outputs: 2.9e-4 (8.4e-5).
MAGNIFYING = {"basic_pitch": 6}


def peer(path):
    """ONNX Runtime, which computes node by node."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def ours(binary, path, feed, folder, *flags):
    """What gsconvert writes, in the model's order of outputs."""
    command = [str(binary), "run", str(path), "--threads=1", f"--outputDir={folder}/out", "--logFormat=json", *flags]
    for index, (name, array) in enumerate(feed.items()):
        np.save(folder / f"{index}.npy", array)
        command += ["--input", f"{name}={folder}/{index}.npy"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"exit code {run.returncode}: {run.stderr.strip()[:400]}")
    return [np.load(item["file"]) for item in json.loads(run.stdout)["outputs"]]


def relative(found, expected):
    """The largest difference of two arrays relative to the range of the second; infinite where kinds differ."""
    if found.shape != expected.shape:
        return np.inf
    if expected.dtype.kind != "f":
        return 0.0 if np.array_equal(found, expected) else np.inf
    a, b = found.astype(np.float64), expected.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if same.all():
        return 0.0
    spread = np.ptp(b[np.isfinite(b)]) or np.abs(b).max() or 1.0
    return float(np.where(same, 0, np.abs(a - b)).max() / spread)


def widened(model):
    """The model with every float32 made float64."""
    def tensor(value):
        if value.data_type == TensorProto.FLOAT:
            value.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(value).astype(np.float64), value.name))

    def graph(value):
        for entry in value.initializer:
            tensor(entry)
        for entry in [*value.input, *value.output, *value.value_info]:
            if entry.type.tensor_type.elem_type == TensorProto.FLOAT:
                entry.type.tensor_type.elem_type = TensorProto.DOUBLE
        for node in value.node:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.TENSOR:
                    tensor(attribute.t)
                elif attribute.type == onnx.AttributeProto.GRAPH:
                    graph(attribute.g)
                elif node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                    attribute.i = TensorProto.DOUBLE

    graph(model.graph)
    return model


def exact(path, feed):
    """The outputs in float64, by ONNX's reference."""
    wide = {name: array.astype(np.float64) if array.dtype == np.float32 else array for name, array in feed.items()}
    return ReferenceEvaluator(widened(onnx.load(path))).run(None, wide)


def check(binary, case, feed, folder):
    """Prints how far apart the results are; whether they are too far."""
    session = peer(case.path)
    theirs = session.run(None, feed)
    found = ours(binary, case.path, feed, folder)
    observed = ours(binary, case.path, feed, folder, f"--ranges={folder}/ranges.csv")
    if any(a.tobytes() != b.tobytes() for a, b in zip(found, observed, strict=True)):
        print(f"{case.name}: observing inner values changes the results   WRONG")
        return True
    errors = [relative(a, b) for a, b in zip(found, theirs, strict=True)]
    shapes = " ".join("x".join(map(str, array.shape)) or "scalar" for array in feed.values())
    line = f"{case.name:34}{shapes:34}{max(errors):9.1e}"
    if max(errors) <= BOUND:
        print(line)
        return False
    truth = exact(case.path, feed)
    mine = max(relative(a, b) for a, b in zip(found, truth, strict=True))
    other = max(relative(a, b) for a, b in zip(theirs, truth, strict=True))
    wrong = mine > max(BOUND, MAGNIFYING.get(case.name, 0) * other)
    print(f"{line}   from float64: {mine:.1e}, onnxruntime {other:.1e}{'   WRONG' if wrong else ''}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", metavar="GSCONVERT_BINARY", type=Path)
    parser.add_argument("models", metavar="FOLDER", nargs="?", type=Path, default=os.environ.get("GSCONVERT_MODELS"))
    parser.add_argument("--only", metavar="MODEL", nargs="+", help="names of models")
    options = parser.parse_args()
    if not options.models:
        print("inference: skipped, GSCONVERT_MODELS names no folder with models")
        return False
    wrong = total = 0
    for case in model_feeds.cases(Path(options.models), options.only):
        for feed in case.feeds:
            with tempfile.TemporaryDirectory() as folder:
                wrong += check(options.binary.resolve(), case, feed, Path(folder))
                total += 1
    print(f"{total - wrong} runs as ONNX Runtime's, {wrong} not")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
