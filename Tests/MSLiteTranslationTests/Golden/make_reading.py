#!/usr/bin/env python3
"""Makes reading.json: what the real MindSpore Lite runtime computes on small `.ms` files, for the tests that read them.

The files are those of make_golden.py, and those that the real converter makes of the same models (NAME_converter.ms) and
of one with many operators.

usage: make_reading.py GSCONVERT CONVERTER RUNTIME...
The converter's command takes --fmk, --modelFile and --outputFile, the runtime's what Tests/Oracles/ms_float.py says.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

import make_golden
from make_golden import FLOAT, HERE, model, node, weights

sys.path.insert(0, str(HERE.parents[1] / "Oracles"))
import ms_float  # noqa: E402


def operators():
    """Operators that the other models don't have, each with a result or before one."""
    whole = lambda *numbers: np.array(numbers, np.int64)  # noqa: E731
    constants = {"w": weights(4, 2, 3, 3), "slope": np.abs(weights(4, 1, 1)), "low": np.array(-0.4, np.float32),
                 "high": np.array(0.3, np.float32), "two": np.array(2, np.float32), "pads": whole(0, 0, 1, 0, 0, 0, 0, 2),
                 "sizes": whole(1, 3), "axes": whole(2), "table": weights(3, 4), "times": whole(1, 2),
                 "picked": whole(2, 0), "places": whole(1, 0).reshape(1, 2), "shape": whole(2, 4, 1, 1),
                 "one": np.array(1, np.float32), "root": np.array(np.sqrt(2), np.float32),
                 "half": np.array(0.5, np.float32)}
    nodes = [node("Conv", "x w", "c", pads=[1, 1, 1, 1]), node("LeakyRelu", "c", "l", alpha=0.2),
             node("PRelu", "l slope", "p"), node("Elu", "p", "e", alpha=0.7), node("Clip", "e low high", "k"),
             node("AveragePool", "k", "v", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0], ceil_mode=1),
             node("Split", "v sizes", "s0 s1", axis=1), node("Pad", "s1 pads", "d"),
             node("ReduceSum", "d axes", "r", keepdims=0), node("Softmax", "r", "y0", axis=1),
             node("Sqrt", "half", "h0"), node("Abs", "s0", "a"), node("Exp", "a", "b"), node("Log", "b", "g"),
             node("Max", "g half", "m0"), node("Min", "m0 two", "m1"), node("Concat", "m1 s0", "y1", axis=1),
             node("Gather", "v picked", "q", axis=3), node("Transpose", "q", "t", perm=[0, 2, 3, 1]),
             node("MatMul", "t table2", "u"), node("LogSoftmax", "u", "y2", axis=-1),
             node("GlobalMaxPool", "c", "n"), node("Reshape", "n shape", "n2"), node("Expand", "n2 wide", "z"),
             node("Neg", "z", "z1"), node("Floor", "z1", "z2"), node("Sub", "z1 z2", "y3"),
             node("Div", "v root", "f0"), node("Erf", "f0", "f1"), node("Add", "f1 one", "f2"),
             node("Mul", "v f2", "f3"), node("Mul", "f3 half", "y4"), node("ArgMax", "v", "y5", axis=1, keepdims=0),
             node("Less", "v half", "o"), node("Cast", "o", "o1", to=FLOAT), node("Mul", "o1 v", "y6"),
             node("Tile", "y0 times2", "y7")]
    constants |= {"table2": weights(4, 3), "wide": whole(2, 4, 3, 2), "times2": whole(1, 2, 1)}
    for name in ("table", "times", "places", "low"):
        if not any(name in entry.input for entry in nodes):
            del constants[name]
    outputs = [(f"y{index}", TensorProto.INT64 if index == 5 else FLOAT, None) for index in range(8)]
    proto = model(nodes, [("x", FLOAT, [2, 2, 7, 6])], outputs, constants)
    return proto, {"x": make_golden.RANDOM.normal(size=(2, 2, 7, 6)).astype(np.float32)}


def stated(proto):
    """The model with all attributes of convolutions stated, which the real converter wants."""
    extents = {tensor.name: list(tensor.dims)[2:] for tensor in proto.graph.initializer}
    for entry in proto.graph.node:
        if entry.op_type not in ("Conv", "ConvTranspose"):
            continue
        kernel = extents[entry.input[1]]
        ones = [1] * len(kernel)
        given = {attribute.name for attribute in entry.attribute}
        for key, value in {"kernel_shape": kernel, "strides": ones, "dilations": ones, "pads": [0] * (2 * len(kernel)),
                           "group": 1}.items():
            if key not in given:
                entry.attribute.append(helper.make_attribute(key, value))
    return proto


def listed(array):
    """An array as JSON."""
    return {"shape": list(array.shape), "type": str(array.dtype), "elements": array.ravel().tolist()}


def main():
    """Makes the files and what the runtime computes on them."""
    binary, converter, runtime = sys.argv[1], sys.argv[2], sys.argv[3:]
    entries = []
    makes = [make_golden.convolution, make_golden.attention, make_golden.pyramid, make_golden.speech,
             make_golden.selection, operators]
    for make in makes:
        proto, feed = make()
        proto = onnx.shape_inference.infer_shapes(stated(proto))
        onnx.checker.check_model(proto)
        name = make.__name__
        files = [f"{name}.ms"]
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text)
            onnx.save(proto, folder / "model.onnx")
            if make is operators:
                subprocess.run([binary, f"--modelFile={folder}/model.onnx", f"--outputFile={HERE}/{name}.ms"], check=True)
            done = subprocess.run([converter, "--fmk=ONNX", f"--modelFile={folder}/model.onnx",
                                   f"--outputFile={folder}/model"], capture_output=True, check=False)
            if done.returncode != 0:
                print(name, [line for line in done.stderr.decode().splitlines() if 'ERROR' in line][:2])
            else:
                (HERE / f"{name}_converter.ms").write_bytes((folder / "model.ms").read_bytes())
                files.append(f"{name}_converter.ms")
            for file in files:
                try:
                    found = ms_float.run(runtime, HERE / file, list(feed), feed, folder)
                except RuntimeError as error:
                    print(file, str(error)[-200:])
                    continue
                entries.append({"file": file, "inputs": [listed(ms_float.as_fed(array)) for array in feed.values()],
                                "outputs": [listed(array) for array in found]})
                print(file, [array.shape for array in found])
    with open(HERE / "reading.json", "w", encoding="utf-8") as stream:
        json.dump(entries, stream)


if __name__ == "__main__":
    main()
