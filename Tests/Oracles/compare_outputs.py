#!/usr/bin/env python3
"""Run a float and a quantized model in ONNX Runtime on the same inputs and print how the outputs differ, as JSON.

INPUTS is a folder with one subfolder per model input, named like the input, of .npy files (the n-th files of all
inputs form sample n), or an integer: the seed of random samples. Random floats are uniform in [-1, 1), integers in
0..9 (0 and 1 for inputs whose name says mask or type), dynamic dimensions are --dynamic long.
"""

import argparse
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

TYPES = {"float": np.float32, "float16": np.float16, "double": np.float64, "bool": np.bool_,
         **{f"{sign}int{bits}": np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)}}


def session(path, optimized):
    """Session on the processor, with ONNX Runtime's graph optimizations or without."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimized else level.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def random_samples(inputs, seed, count, dynamic):
    """Random feeds that respect each input's type and shape."""
    random = np.random.RandomState(seed)

    def tensor(value):
        shape = [size if isinstance(size, int) else dynamic for size in value.shape]
        kind = np.dtype(TYPES[value.type[len("tensor("):-1]])
        if kind.kind == "f":
            return random.uniform(-1, 1, shape).astype(kind)
        small = kind.kind == "b" or any(word in value.name.lower() for word in ("mask", "type"))
        return random.randint(0, 2 if small else 10, shape).astype(kind)

    return [{value.name: tensor(value) for value in inputs} for _ in range(count)]


def stored_samples(inputs, folder):
    """Feeds from the .npy files of one subfolder per input."""
    files = {value.name: sorted((folder / value.name).glob("*.npy")) for value in inputs}
    if len({len(paths) for paths in files.values()}) != 1 or not all(files.values()):
        raise SystemExit(f"{folder}: every input needs the same number of .npy files: "
                         f"{ {name: len(paths) for name, paths in files.items()} }")
    return [dict(zip(files, (np.load(path) for path in paths))) for paths in zip(*files.values())]


def differences(expected, actual):
    """Cosine, SQNR in dB and largest difference over all samples of one output; NaN equals NaN."""
    if [part.shape for part in expected] != [part.shape for part in actual]:
        return {"float_shape": list(expected[0].shape), "quantized_shape": list(actual[0].shape)}
    a, b = (np.concatenate([np.asarray(part, np.float64).ravel() for part in parts]) for parts in (expected, actual))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(all="ignore"):
        error = np.where(same, 0, a - b)
        signal, noise = np.square(a).sum(), np.square(error).sum()
        cosine = 1.0 if same.all() else np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))
        ratio = 10 * np.log10(signal / noise) if noise else math.inf
    return {"cosine": number(cosine), "sqnr_db": number(ratio), "max_abs_diff": number(np.abs(error).max(initial=0)),
            "elements": a.size, "equal": bool(same.all())}


def number(value):
    """A float as JSON knows it: infinities and NaN become strings."""
    value = float(value)
    return round(value, 9) if math.isfinite(value) else str(value)


def constants(model):
    """Initializers and tensors of Constant nodes, of the main graph, all subgraphs and functions."""

    def walk(nodes):
        for node in nodes:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    yield from attribute.g.initializer
                    yield from walk(attribute.g.node)
                elif attribute.type == onnx.AttributeProto.TENSOR and node.op_type == "Constant":
                    yield attribute.t

    yield from model.graph.initializer
    yield from walk(model.graph.node)
    for function in model.functions:
        yield from walk(function.node)


def describe(path):
    """Size with external data, opsets and number of constant elements by type of a model file."""
    model = onnx.load(path, load_external_data=False)
    elements, places = Counter(), set()
    for tensor in constants(model):
        elements[onnx.TensorProto.DataType.Name(tensor.data_type)] += math.prod(tensor.dims)
        places.update(entry.value for entry in tensor.external_data if entry.key == "location")
    size = path.stat().st_size + sum((path.parent / place).stat().st_size for place in places)
    return {"file": str(path), "bytes": size, "ir_version": model.ir_version,
            "opsets": {entry.domain: entry.version for entry in model.opset_import}, "constants": dict(elements)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("float_model", metavar="FLOAT.onnx", type=Path)
    parser.add_argument("quantized_model", metavar="QUANTIZED.onnx", type=Path)
    parser.add_argument("inputs", metavar="INPUTS", help="folder or seed")
    parser.add_argument("--samples", type=int, default=4, help="number of random samples")
    parser.add_argument("--dynamic", type=int, default=2, help="size of dynamic dimensions of random samples")
    parser.add_argument("--no-optimization", action="store_true", help="run the graphs as they are")
    options = parser.parse_args()
    first, second = (session(path, not options.no_optimization)
                     for path in (options.float_model, options.quantized_model))
    if options.inputs.lstrip("-").isdigit():
        samples = random_samples(first.get_inputs(), int(options.inputs), options.samples, options.dynamic)
    else:
        samples = stored_samples(first.get_inputs(), Path(options.inputs))
    names = [output.name for output in first.get_outputs()]
    results = [[model.run(names, feed) for feed in samples] for model in (first, second)]
    outputs = {name: differences([run[i] for run in results[0]], [run[i] for run in results[1]])
               for i, name in enumerate(names)}
    print(json.dumps({"samples": len(samples), "outputs": outputs, "float": describe(options.float_model),
                      "quantized": describe(options.quantized_model)}, indent=1))


if __name__ == "__main__":
    main()
