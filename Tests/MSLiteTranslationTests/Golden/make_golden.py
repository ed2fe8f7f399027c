#!/usr/bin/env python3
"""Makes the tiny models of the tests: NAME.onnx, and NAME.ms as gsconvert writes it.

A `.ms` file is kept only if the real MindSpore Lite runtime loads it and computes what ONNX Runtime computes from the
`.onnx` file, to 1e-4 of the largest number (4e-3 with weights in half precision).

usage: make_golden.py GSCONVERT RUNTIME...
The runtime's command has to take --modelFile, --outputDir, --inputShape and --input as Tests/Oracles/ms_float.py says.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "Oracles"))
import ms_float  # noqa: E402

RANDOM = np.random.default_rng(7)
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def weights(*shape):
    """Numbers of about the size that keeps activations at 1."""
    return (RANDOM.normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:])))).astype(np.float32)


def node(kind, inputs, outputs, **attributes):
    """A node; inputs and outputs are words in a text."""
    return helper.make_node(kind, inputs.split(), outputs.split(), name=outputs.split()[0], **attributes)


def model(nodes, inputs, outputs, constants, opset=17):
    """A model; inputs and outputs are (name, type, shape)."""
    graph = helper.make_graph(
        nodes, "tiny", [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def convolution():
    """Normalization and activation fused; a depthwise layer; a linear end without transpositions."""
    constants = {"w1": weights(4, 2, 3, 3), "w2": weights(4, 1, 3, 3), "w3": weights(3, 4), "b3": weights(3)}
    for name, array in (("s", 1 + weights(4)), ("o", weights(4)), ("m", weights(4)), ("v", 1 + np.abs(weights(4)))):
        constants[name] = array
    nodes = [node("Conv", "x w1", "c1", pads=[1, 0, 1, 2], strides=[2, 1]),
             node("BatchNormalization", "c1 s o m v", "n1"), node("Relu", "n1", "r1"),
             node("Conv", "r1 w2", "c2", group=4, pads=[1, 1, 1, 1]), node("Add", "c2 r1", "a"),
             node("MaxPool", "a", "p", kernel_shape=[2, 2], strides=[2, 2]),
             node("GlobalAveragePool", "p", "g"), node("Flatten", "g", "f"),
             node("Gemm", "f w3 b3", "y", transB=1)]
    return model(nodes, [("x", FLOAT, ["n", 2, 9, 8])], [("y", FLOAT, ["n", 3])], constants), {
        "x": RANDOM.normal(size=(2, 2, 9, 8)).astype(np.float32)}


def attention():
    """Linear layers, heads, softmax and layer normalization."""
    constants = {"w": weights(8, 8), "b": weights(8), "heads": np.array([0, -1, 2, 4]), "flat": np.array([0, 0, 8]),
                 "g": 1 + weights(8), "o": weights(8), "half": np.array(0.5, np.float32)}
    nodes = [node("MatMul", "x w", "q0"), node("Add", "q0 b", "q"), node("Reshape", "q heads", "qh"),
             node("Transpose", "qh", "qt", perm=[0, 2, 1, 3]), node("Transpose", "qh", "kt", perm=[0, 2, 3, 1]),
             node("MatMul", "qt kt", "s0"), node("Mul", "s0 half", "s"), node("Softmax", "s", "p", axis=-1),
             node("MatMul", "p qt", "z0"), node("Transpose", "z0", "z1", perm=[0, 2, 1, 3]),
             node("Reshape", "z1 flat", "z"), node("Add", "z x", "r"),
             node("LayerNormalization", "r g o", "y", axis=-1)]
    return model(nodes, [("x", FLOAT, ["n", 5, 8])], [("y", FLOAT, ["n", 5, 8])], constants), {
        "x": RANDOM.normal(size=(2, 5, 8)).astype(np.float32)}


def pyramid():
    """Resizing, transposed convolution, concatenation and the activations of mobile networks."""
    constants = {"w": weights(4, 2, 1, 1), "t": weights(4, 3, 2, 2), "scales": np.array([1, 1, 2, 2], np.float32),
                 "three": np.array(3, np.float32), "zero": np.array(0, np.float32), "six": np.array(6, np.float32)}
    nodes = [node("Conv", "x w", "c"), node("HardSigmoid", "c", "h", alpha=0.2, beta=0.5), node("Mul", "c h", "m"),
             node("Add", "m three", "a"), node("Clip", "a zero six", "k"),
             helper.make_node("Resize", ["k", "", "scales"], ["u"], name="u", mode="nearest",
                              coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
             node("ConvTranspose", "k t", "d", kernel_shape=[2, 2], strides=[2, 2]), node("Sigmoid", "d", "e"),
             node("Concat", "u e", "y", axis=1)]
    return model(nodes, [("x", FLOAT, [1, 2, 4, 5])], [("y", FLOAT, [1, 7, 8, 10])], constants), {
        "x": RANDOM.normal(size=(1, 2, 4, 5)).astype(np.float32)}


def speech():
    """Convolutions over one axis and a recurrent layer (the runtime crashes on one of 4 numbers)."""
    constants = {"w": weights(4, 1, 3), "w2": weights(8, 4, 3), "i": weights(1, 32, 8), "r": weights(1, 32, 8),
                 "b": weights(1, 64), "one": np.array([1]), "pads": np.array([0, 0, 2, 0, 0, 2])}
    nodes = [node("Pad", "x pads", "x2", mode="reflect"), node("Conv", "x2 w", "c", strides=[2]),
             node("Relu", "c", "r1"), node("Conv", "r1 w2", "c2", pads=[1, 1]),
             node("Transpose", "c2", "t", perm=[2, 0, 1]),
             helper.make_node("LSTM", ["t", "i", "r", "b", "", "h", "k"], ["o", "hn", "cn"], name="o", hidden_size=8),
             node("Squeeze", "o one", "y")]
    return model(nodes, [("x", FLOAT, [1, 1, 12]), ("h", FLOAT, [1, 1, 8]), ("k", FLOAT, [1, 1, 8])],
                 [("y", FLOAT, [7, 1, 8]), ("hn", FLOAT, [1, 1, 8])], constants), {
        "x": RANDOM.normal(size=(1, 1, 12)).astype(np.float32), "h": weights(1, 1, 8), "k": weights(1, 1, 8)}


def selection():
    """Shapes that are computed, parts of tensors, conditions and 64-bit bounds."""
    constants = {"table": weights(6, 4), "zero": np.array([0]), "one": np.array([1]), "end": np.array([2**63 - 1]),
                 "bound": np.array(0.25, np.float32), "first": np.array(0), "minus": np.array([-1])}
    nodes = [node("Gather", "table ids", "e"), node("Shape", "ids", "s"), node("Gather", "s first", "n0"),
             node("Unsqueeze", "n0 zero", "n"), node("Concat", "n minus", "shape", axis=0),
             node("Reshape", "e shape", "f"), node("Slice", "f one end one", "g"),
             node("Greater", "g bound", "c"), node("Where", "c g bound", "w"),
             node("ReduceMean", "w", "m", axes=[1], keepdims=1), node("Sub", "w m", "y"),
             node("Split", "f", "left right", axis=1)]
    return model(nodes, [("ids", INT64, ["n", 3])], [("y", FLOAT, ["n", 11]), ("right", FLOAT, ["n", 6])], constants), {
        "ids": np.array([[0, 5, 2], [3, 3, 1]])}


def detection():
    """Operators written in others, and those that search."""
    constants = {"w": weights(8, 2, 1, 1), "gs": 1 + weights(8), "go": weights(8), "is": 1 + weights(2), "io": weights(2),
                 "rows": np.array([0, -1]), "three": np.array([3]), "places": np.array([[2, 0, -1]]),
                 "values": np.array([[0.5, -1, 2]], np.float32), "at": np.array([[0, 1]]), "one": weights(1),
                 "depth": np.array(96), "axis": np.array([1]), "range": np.array([-0.5, 0.5], np.float32)}
    nodes = [node("Conv", "x w", "c"), node("GroupNormalization", "c gs go", "g", num_groups=4),
             node("Softsign", "g", "s"), node("DepthToSpace", "s", "d", blocksize=2, mode="CRD"),
             node("InstanceNormalization", "d is io", "i"), node("Reshape", "i rows", "r"),
             node("TopK", "r three", "tv ti", axis=1, largest=0), node("ScatterElements", "r places values", "se", axis=1),
             node("ScatterND", "se at one", "sn"), node("LpNormalization", "sn", "l", axis=1, p=1),
             node("OneHot", "ti depth range", "h"), node("ReduceL1", "h axis", "hs", keepdims=0),
             node("Add", "l hs", "y")]
    return model(nodes, [("x", FLOAT, [1, 2, 3, 4])], [("y", FLOAT, [1, 96]), ("tv", FLOAT, [1, 3])], constants, 21), {
        "x": RANDOM.normal(size=(1, 2, 3, 4)).astype(np.float32)}


def sequence():
    """Recurrent layers, those of the format and those written out, products by equation and branches."""
    constants = {"w": weights(1, 12, 4), "r": weights(1, 12, 4), "b": weights(1, 24), "axis": np.array(0),
                 "m": weights(4, 2, 3), "zero": np.array(0, np.float32), "two": np.array(2, np.float32),
                 "axes": np.array([1])}
    made = helper.make_tensor_value_info("taken", FLOAT, [3, 2, 3])
    branches = {f"{name}_branch": helper.make_graph([node(kind, "e two", "taken")], name, [], [made])
                for name, kind in (("then", "Add"), ("else", "Mul"))}
    nodes = [node("GRU", "x w r b", "g", hidden_size=4), node("Squeeze", "g axes", "gs"),
             helper.make_node("GRU", ["gs", "w", "r", "b", "", "h"], ["u", "un"], name="u", hidden_size=4,
                              linear_before_reset=1, direction="reverse"),
             node("Squeeze", "u axes", "us"), node("CumSum", "us axis", "cs", exclusive=1, reverse=1),
             node("Squeeze", "cs axes", "q"), node("Einsum", "q m", "e", equation="ti,ijk->tjk"),
             node("ReduceSum", "e", "sum", keepdims=0), node("Greater", "sum zero", "is"),
             node("If", "is", "y", **branches)]
    return model(nodes, [("x", FLOAT, [3, 1, 4]), ("h", FLOAT, [1, 1, 4])], [("y", FLOAT, [3, 2, 3]), ("un", FLOAT, [1, 1, 4])],
                 constants), {"x": RANDOM.normal(size=(3, 1, 4)).astype(np.float32), "h": weights(1, 1, 4)}


def main():
    """Makes, checks and keeps every model; the first in half precision too."""
    binary, runtime = sys.argv[1], sys.argv[2:]
    made = [(make.__name__, *make()) for make in
            (convolution, attention, pyramid, speech, selection, detection, sequence)]
    for name, proto, feed in [*made, ("convolution_fp16", *made[0][1:])]:
        onnx.checker.check_model(proto)
        is_half = name.endswith("_fp16")
        source, target = HERE / f"{name.removesuffix('_fp16')}.onnx", HERE / f"{name}.ms"
        onnx.save(proto, source)
        subprocess.run([binary, f"--modelFile={source}", f"--outputFile={target}", f"--fp16={'on' if is_half else 'off'}"],
                       check=True, capture_output=True)
        session = onnxruntime.InferenceSession(str(source))
        with tempfile.TemporaryDirectory() as folder:
            found = ms_float.run(runtime, target, [value.name for value in session.get_inputs()], feed, Path(folder))
        for got, expected in zip(found, session.run(None, feed)):
            error = np.abs(got.ravel() - expected.ravel()).max() / max(1, np.abs(expected).max())
            print(f"{name:16} {got.shape} {error:.1e}")
            if got.size != expected.size or error > (4e-3 if is_half else 1e-4):
                target.unlink()
                raise SystemExit(f"{name}: the runtime computes something else")


if __name__ == "__main__":
    main()
