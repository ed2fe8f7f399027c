#!/usr/bin/env python3
"""Runs a tiny model of each operator that `.ms` files can have in the real MindSpore Lite runtime.

Makes the models, converts them with gsconvert, runs them with the runtime's command (ms_runtime.cpp), and compares with
ONNX Runtime: floats to 1e-4 of the largest number, all else exactly. Convolutions and products are run with int8 weights
and activations too, with weights in half precision, and with 8-bit weights that become float as the model runs (those
that do so at loading are ms_weights.py's: this runtime loads them for some kernels only). The operators are those of the table in docs/formats.md; one
without a case is an error.

usage: ms_operators.py GSCONVERT RUNTIME...
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import ms_float

RANDOM = np.random.default_rng(3)
FORMATS = Path(__file__).resolve().parents[2] / "docs" / "formats.md"


def real(*shape):
    """Normal numbers."""
    return RANDOM.normal(size=shape).astype(np.float32)


def whole(*numbers):
    """A list of 64-bit integers."""
    return np.array(numbers, np.int64)


IMAGE, MATRIX, ROWS = real(2, 3, 5, 6), real(4, 6), real(2, 3, 8)
POSITIVE = np.abs(MATRIX) + np.float32(0.3)
TRUTH = MATRIX > 0
WHOLE = np.round(MATRIX)


def one(operator, *inputs, outputs=1, **attributes):
    """A case: the first input is fed, the others are constants; None leaves one out."""
    return operator, inputs, outputs, attributes


def cases():
    """All cases."""
    found = [one(name, MATRIX * 2) for name in
             "Relu Elu Sigmoid HardSwish Tanh Softplus Abs Exp Neg Floor Ceil Round Sin Cos Erf Identity Dropout "
             "HardSigmoid LeakyRelu Softsign Selu Celu ThresholdedRelu Mish Sign Sinh Cosh IsNaN IsInf".split()]
    found += [one(name, POSITIVE) for name in "Log Sqrt Reciprocal Tan ReduceLogSum".split()]
    found += [one(name, np.abs(IMAGE) + np.float32(0.1), np.abs(real(3, 1, 1)) + np.float32(0.2))
              for name in "Add Sub Mul Div Max Min Sum Mean".split()]
    found += [one(name, WHOLE, np.round(real(6))) for name in
              "Equal Greater GreaterOrEqual Less LessOrEqual".split()]
    found += [one(name, TRUTH, real(4, 6) > 0) for name in ("And", "Or", "Xor")]
    found += [one(name, IMAGE, axes=[2], keepdims=0) for name in
              "ReduceMean ReduceMax ReduceMin ReduceProd ReduceSumSquare ReduceL1 ReduceL2 ReduceLogSumExp".split()]
    found += [one(name, IMAGE, axes=[1], keepdims=1) for name in ("ReduceLogSumExp", "ReduceSumSquare")]
    found += [one("GRU", real(5, batch, 4), 0.3 * real(ways, 24, 4), 0.3 * real(ways, 24, 8), 0.3 * real(ways, 48),
                  outputs=2, hidden_size=8, direction=direction, linear_before_reset=after)
              for batch in (1, 2) for after in (0, 1)
              for ways, direction in ((1, "forward"), (1, "reverse"), (2, "bidirectional"))]
    found += [one("RNN", real(5, 2, 4), 0.3 * real(2, 8, 4), 0.3 * real(2, 8, 8), 0.3 * real(2, 16), outputs=2,
                  hidden_size=8, direction="bidirectional")]
    found += [one("TopK", array, whole(2), outputs=2, axis=axis, largest=largest)
              for array in (MATRIX, IMAGE) for axis in (-1, 1) for largest in (1, 0)]
    found += [one("DepthToSpace", real(1, 8, 3, 4), blocksize=2, mode=mode) for mode in ("DCR", "CRD")]
    found += [one("CumSum", MATRIX, np.array(axis), exclusive=exclusive, reverse=reverse)
              for axis in (0, 1) for exclusive in (0, 1) for reverse in (0, 1)]
    found += [one("Einsum", left, right, equation=equation) for left, right, equation in (
        (ROWS, real(2, 8, 5), "bij,bjk->bik"), (ROWS, real(8, 2, 5), "bij,jnk->bnik"),
        (real(2, 3, 4, 5), real(2, 3, 7, 5), "bhid,bhjd->bhij"), (MATRIX, real(6), "ij,j"),
        (MATRIX, real(6, 4), "ij,ji->ij"), (ROWS, real(3, 8), "bij,ij->b"), (MATRIX, real(5), "ij,k->ki"))]
    found += [one("Trilu", real(2, 4, 6), upper=upper) for upper in (0, 1)]
    found += [one(name, IMAGE) for name in ("GlobalMaxPool", "GlobalAveragePool", "Shape", "Flatten")]
    return found + [
        one("LeakyRelu", IMAGE, alpha=0.3), one("Elu", IMAGE, alpha=0.5), one("Gelu", MATRIX),
        one("Gelu", MATRIX, approximate="tanh"),
        one("HardSigmoid", IMAGE, alpha=0.3, beta=0.6), one("PRelu", IMAGE, real(3, 1, 1)),
        one("Clip", MATRIX, np.float32(-0.5), np.float32(0.7)), one("Clip", IMAGE, np.float32(0), np.float32(6)),
        one("Not", TRUTH), one("Pow", POSITIVE, np.float32(2)), one("Mod", whole(*range(-6, 6)), whole(4)),
        one("Where", TRUTH, MATRIX, real(4, 6)), one("Cast", TRUTH, to=TensorProto.FLOAT),
        one("Conv", IMAGE, real(4, 3, 2, 2), real(4), dilations=[2, 1]),
        one("Conv", IMAGE, real(4, 3, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2]),
        one("Conv", real(1, 4, 5, 5), real(6, 2, 3, 3), group=2), one("Conv", real(1, 4, 9), real(3, 4, 3)),
        one("ConvTranspose", IMAGE, real(3, 4, 3, 3), real(4), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
        one("MatMul", ROWS, real(8, 5)), one("MatMul", ROWS, real(2, 8, 5)),
        one("Gemm", MATRIX, real(5, 6), real(5), transB=1), one("Gemm", MATRIX, real(4, 5), transA=1, alpha=0.3),
        one("Gemm", MATRIX, real(6, 5), real(4, 1), alpha=-2.0, beta=0.7),
        one("Gemm", MATRIX, real(6, 5), real(5), beta=0.0),
        one("ConvTranspose", real(1, 6, 4, 5), real(6, 2, 3, 2), real(4), group=2, strides=[2, 1], pads=[1, 0, 0, 1]),
        one("ConvTranspose", real(2, 4, 7), real(4, 3, 3), group=2), one("ConvTranspose", real(2, 4, 7), real(4, 3, 3)),
        one("Hardmax", MATRIX), one("Hardmax", IMAGE, axis=1),
        one("MaxPool", IMAGE, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1]),
        one("AveragePool", IMAGE, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1]),
        one("Resize", IMAGE, None, np.array([1, 1, 2, 2], np.float32), mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        one("Resize", IMAGE, None, np.array([1, 1, 2, 2], np.float32), mode="linear"),
        one("BatchNormalization", IMAGE, real(3), real(3), real(3), np.abs(real(3))),
        one("LayerNormalization", ROWS, real(8), real(8)), one("Softmax", IMAGE, axis=1),
        one("LogSoftmax", MATRIX, axis=-1), one("ReduceSum", IMAGE, whole(1, 3), keepdims=1),
        one("ArgMax", MATRIX, axis=1, keepdims=0), one("ArgMin", MATRIX, axis=0, keepdims=1),
        one("Reshape", IMAGE, whole(0, -1, 2)), one("Transpose", IMAGE, perm=[3, 1, 0, 2]),
        one("Squeeze", real(2, 1, 3, 1), whole(1, 3)), one("Unsqueeze", MATRIX, whole(0, -1)),
        one("Expand", real(3, 1), whole(2, 3, 4)), one("Tile", MATRIX, whole(2, 3)),
        one("ConstantOfShape", whole(2, 3)), one("Range", np.array(1), np.array(9), np.array(2)),
        one("Slice", IMAGE, whole(1, -4), whole(3, 10**9), whole(1, 3), whole(1, 2)),
        one("Gather", IMAGE, whole(2, 0), axis=1), one("GatherElements", MATRIX, whole(2, 0, 1, 3, 1, 0).reshape(1, 6)),
        one("GatherND", MATRIX, whole(2, 0, 1, 1).reshape(2, 2)), one("Split", IMAGE, whole(1, 2), outputs=2, axis=1),
        one("Concat", real(2, 3, 4, 4), real(2, 2, 4, 4), axis=1),
        one("Pad", IMAGE, whole(0, 0, 1, 2, 0, 0, 2, 1), np.float32(1.5)),
        one("Pad", IMAGE, whole(0, 0, 1, 2, 0, 0, 2, 1), mode="reflect"),
        one("LSTM", real(5, 1, 4), 0.3 * real(1, 32, 4), 0.3 * real(1, 32, 8), 0.3 * real(1, 64), outputs=3,
            hidden_size=8),
        one("Swish", MATRIX), one("If", POSITIVE), one("If", -POSITIVE), one("Loop", MATRIX, outputs=2),
        one("Scan", MATRIX, outputs=2),
        one("InstanceNormalization", IMAGE, real(3), real(3)),
        one("InstanceNormalization", ROWS, real(3), real(3)),
        one("GroupNormalization", real(2, 6, 4, 5), real(3), real(3), num_groups=3),
        one("GroupNormalization", real(2, 6, 4, 5), real(6), real(6), num_groups=3),
        one("LpNormalization", IMAGE, axis=1), one("LpNormalization", MATRIX, p=1),
        one("MeanVarianceNormalization", IMAGE), one("LRN", real(2, 7, 3, 4), size=3, alpha=0.5, bias=2.0),
        one("ScatterND", MATRIX, whole(2, 0, 1, 1).reshape(2, 2), real(2)),
        one("ScatterND", MATRIX, whole(2, 0).reshape(2, 1), real(2, 6), reduction="add"),
        one("ScatterElements", MATRIX, whole(2, 0, 1, 3, -1, 0).reshape(1, 6), real(1, 6)),
        one("ScatterElements", MATRIX, whole(2, 0, 1, 5).reshape(2, 2), real(2, 2), axis=1),
        one("SpaceToDepth", real(1, 2, 4, 6), blocksize=2), one("Einsum", ROWS, equation="bij->jb"),
        one("OneHot", whole(1, 3, -4), np.array(4), np.array([0.5, 2], np.float32)),
        one("OneHot", whole(1, 3, 0, 2).reshape(2, 2), np.array(4), np.array([0, 1], np.float32), axis=1),
        one("NonZero", MATRIX * TRUTH), one("Trilu", MATRIX, np.array(-1), upper=1),
        one("Compress", MATRIX, np.array([1, 0, 1, 1], bool), axis=0),
        one("ReverseSequence", real(4, 3, 2), whole(4, 2, 1), time_axis=0, batch_axis=1), one("Size", IMAGE),
        one("NonMaxSuppression", np.sort(np.abs(real(1, 6, 2, 2)), 2).reshape(1, 6, 4), np.abs(real(1, 1, 6)), whole(3),
            np.array([0.5], np.float32), np.array([0.1], np.float32)),
    ]


# What is quantized in its weights and activations.
INTEGER = [one("Conv", real(1, 3, 8, 9), real(6, 3, 3, 3), real(6), pads=[1, 1, 1, 1]),
           one("Conv", real(1, 6, 8, 9), real(6, 1, 3, 3), real(6), group=6, strides=[2, 1]),
           one("Conv", real(1, 8, 5, 5), real(12, 8, 1, 1)), one("Conv", real(1, 4, 20), real(6, 4, 3)),
           one("MatMul", ROWS, real(8, 5)), one("Gemm", MATRIX, real(5, 6), real(5), transB=1)]


# Loops, as text. The first ends before its count says so, and has a choice inside; the second runs from the last column.
LOOPS = {
    "Loop": """<ir_version: 8, opset_import: ["" : 17]> tiny (float[4,6] x) => (float[4,6] y0, float[n,4,6] y1)
        <int64 count = {5}, bool yes = {1}, float half = {0.5}> {
          y0, y1 = Loop <body = body (int64 i, bool c, float[4,6] s) => (bool d, float[4,6] t, float[4,6] e)
            <int64 three = {3}> {
              d = Less(i, three)
              j = Cast <to = 1> (i)
              u = Mul(s, half)
              t = Add(u, j)
              is = Equal(i, three)
              e = If (is) <then_branch = a () => (float[4,6] p) { p = Tanh(t) },
                           else_branch = b () => (float[4,6] q) { q = Add(t, x) }>
          }> (count, yes, x)
        }""",
    "Scan": """<ir_version: 8, opset_import: ["" : 17]> tiny (float[4,6] x) => (float[4] y0, float[4,6] y1)
        <float[4] zero = {0, 0, 0, 0}> {
          y0, y1 = Scan <num_scan_inputs = 1, scan_input_axes = [1], scan_input_directions = [1],
            scan_output_axes = [1], scan_output_directions = [1],
            body = body (float[4] s, float[4] v) => (float[4] t, float[4] e) {
              w = Tanh(s)
              t = Add(w, v)
              e = Mul(t, v)
          }> (zero, x)
        }""",
}


def model(case):
    """The ONNX model of a case, and what it is fed."""
    operator, inputs, outputs, attributes = case
    if operator in LOOPS:
        return onnx.parser.parse_model(LOOPS[operator]), np.asarray(inputs[0])
    # Erf, in the form that is joined: ONNX has no Gelu of its own before version 20.
    if operator == "Gelu" and not attributes:
        constants = {"r": np.array(np.sqrt(2), np.float32), "h": np.array(0.5, np.float32),
                     "i": np.array(1, np.float32)}
        steps = (("Div", "x r", "d"), ("Erf", "d", "e"), ("Add", "e i", "s"), ("Mul", "x s", "p"), ("Mul", "p h", "y0"))
        nodes = [helper.make_node(kind, read.split(), [made]) for kind, read, made in steps]
    elif operator == "If":
        constants = {"zero": np.array(0, np.float32), "two": np.array(2, np.float32)}
        def branch(kind):
            """A graph of one node."""
            made = helper.make_tensor_value_info(kind, TensorProto.FLOAT, list(inputs[0].shape))
            return helper.make_graph([helper.make_node(kind, ["x", "two"], [kind])], kind, [], [made])
        nodes = [helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
                 helper.make_node("Greater", ["sum", "zero"], ["is"]),
                 helper.make_node("If", ["is"], ["y0"], name="n", then_branch=branch("Add"), else_branch=branch("Mul"))]
    else:
        names = ["x"] + ["" if array is None else f"c{index}" for index, array in enumerate(inputs[1:])]
        constants = {name: np.asarray(array) for name, array in zip(names[1:], inputs[1:]) if array is not None}
        nodes = [helper.make_node(operator, names, [f"y{index}" for index in range(outputs)], name="n", **attributes)]
    fed = np.asarray(inputs[0])
    kind = helper.np_dtype_to_tensor_dtype(fed.dtype)
    # A shape that is known is a constant, and no model for the runtime.
    extents = ["n", *fed.shape[1:]] if operator in ("Shape", "Size") else list(fed.shape)
    graph = helper.make_graph(
        nodes, "tiny", [helper.make_tensor_value_info("x", kind, extents)],
        [onnx.ValueInfoProto(name=f"y{index}") for index in range(outputs)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()])
    opset = {"GroupNormalization": 18, "Gelu": 20, "Mish": 18, "ScatterND": 18, "Swish": 24}.get(operator, 17)
    if operator == "GroupNormalization" and len(inputs[1]) > attributes["num_groups"]:
        opset = 21
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return onnx.shape_inference.infer_shapes(proto), fed


# What has weights in half precision.
HALF = INTEGER + [one("LayerNormalization", ROWS, real(3, 8), real(3, 8), axis=1),
                  one("Mul", IMAGE, real(5, 6)), one("Where", TRUTH, MATRIX, real(4, 6)),
                  one("Concat", MATRIX, real(2, 6), axis=0),
                  one("ConvTranspose", IMAGE, real(3, 4, 3, 3)), one("PRelu", IMAGE, real(3, 1, 1)),
                  one("GRU", real(5, 1, 4), 0.3 * real(1, 24, 4), 0.3 * real(1, 24, 8), outputs=2, hidden_size=8),
                  one("LSTM", real(5, 1, 4), 0.3 * real(1, 32, 4), 0.3 * real(1, 32, 8), outputs=3, hidden_size=8)]


def differs(found, expected, bound=1e-4):
    """Why two results are not the same; None if they are."""
    if found.size != expected.size:
        return f"shape {found.shape}, not {expected.shape}"
    if not np.issubdtype(expected.dtype, np.floating):
        return None if np.array_equal(found.ravel(), expected.ravel()) else "other numbers"
    error = np.abs(found.ravel() - expected.ravel()).max(initial=0)
    return None if error <= bound * max(1, np.abs(expected).max(initial=0)) else f"off by {error:.3g}"


# 8-bit weights of all sizes, each channel's of its own scale.
WEIGHTS = ("[common_quant_param]\nquant_type=WEIGHT_QUANT\nbit_num=8\nmin_quant_weight_size=0\n"
           "min_quant_weight_channel=0\n[weight_quant_param]\nbias_correction=false\ndequant_strategy=ON_THE_FLY\n")
NEAR = {"int8": 0.99, "fly8": 0.999}


def check(binary, runtime, case, folder, form):
    """Why a case fails; None if it passes."""
    proto, fed = model(case)
    source, target = folder / "tiny.onnx", folder / "tiny.ms"
    onnx.save(proto, source)
    command = [binary, f"--modelFile={source}", f"--outputFile={target}"]
    if form == "fp16":
        command.append("--fp16=on")
    if form == "int8":
        samples = folder / "samples"
        samples.mkdir(exist_ok=True)
        np.save(samples / "0.npy", fed)
        (folder / "job.cfg").write_text(
            f"[common_quant_param]\nquant_type=FULL_QUANT\n[data_preprocess_param]\ncalibrate_path=x:{samples}\n"
            "calibrate_size=1\ninput_type=BIN\n", encoding="utf-8")
    if form == "fly8":
        (folder / "job.cfg").write_text(WEIGHTS, encoding="utf-8")
    if form in NEAR:
        command.append(f"--configFile={folder}/job.cfg")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"not converted: {done.stderr.strip()[:300]}"
    expected = onnxruntime.InferenceSession(str(source)).run(None, {"x": fed})
    try:
        found = ms_float.run(runtime, target, ["x"], {"x": fed}, folder)
    except RuntimeError as error:
        return str(error)[-300:]
    if form in NEAR:
        near = min(ms_float.cosine(a, b) for a, b in zip(found, expected))
        return None if near > NEAR[form] else f"cosine {near:.4f}"
    bound = 4e-3 if form == "fp16" else 1e-4
    return next(filter(None, (differs(a, b, bound) for a, b in zip(found, expected))), None)


def documented():
    """The operators that docs/formats.md says are translated."""
    text = FORMATS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| [a-z, ]+ \| (.+) \|$", text.split("| family | operators |")[1].split("\n\n")[0], re.M)
    listed = re.sub(r"\([^)]*\)", "", ", ".join(rows)).replace(" -", " Reduce")
    return {name.strip() for name in listed.split(",")}


def main():
    """Runs everything."""
    binary, runtime = sys.argv[1], sys.argv[2:]
    failures = 0
    plain = cases()
    missing = documented() - {case[0] for case in plain}
    with tempfile.TemporaryDirectory() as name:
        weighted = [case for case in plain if case[0] in ("Conv", "ConvTranspose", "MatMul", "Gemm")]
        for form, group in (("", plain), ("int8", INTEGER), ("fp16", HALF), ("fly8", weighted)):
            for case in group:
                problem = check(binary, runtime, case, Path(name), form)
                failures += problem is not None
                print(f"  {case[0]:26} {form:4} {problem or 'ok'}", flush=True)
    if missing:
        print("without a case: " + ", ".join(sorted(missing)))
    print(f"{failures} failures" if failures else "all operators compute what ONNX Runtime computes")
    return 1 if failures or missing else 0


if __name__ == "__main__":
    sys.exit(main())
