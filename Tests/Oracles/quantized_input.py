#!/usr/bin/env python3
"""Checks that models that are quantized already come back with their parameters, and compute the same.

Makes quantized models of float ones with ONNX Runtime's quantizer (QuantizeLinear and DequantizeLinear, operators on
integers; signed and unsigned, per tensor and per channel), and models as training with fake quantization leaves them
(float weights -> QuantizeLinear -> DequantizeLinear, float biases). Converts each to ONNX and to a `.ms` file, reads
scales, zero points and integers of all three with the readers here, and runs the results in ONNX Runtime and in the
real runtime against ONNX Runtime on the original. Exits 1 where a parameter differs or a cosine is below the bound.

The runtime's command is used as in ms_float.py; without one only ONNX is checked.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

import model_feeds
import ms_float
from ms_weights import Table

BOUND = 0.999
# Grids around zero have 7 bits behind a Relu, and without folding normalizations there are twice as many grids: the
# runtime's rounding shows more.
COARSE_BOUND = 0.9975
DIGITS = Path(__file__).parents[2] / "fixtures" / "digits" / "images"
MODELS = ["mnist_cnn", "efficientnet_lite0"]
VARIANTS = {
    "qdq_u8s8_channel": (QuantFormat.QDQ, QuantType.QUInt8, QuantType.QInt8, True, {}),
    "qdq_s8s8_channel": (QuantFormat.QDQ, QuantType.QInt8, QuantType.QInt8, True, {}),
    "qdq_s8s8_symmetric": (QuantFormat.QDQ, QuantType.QInt8, QuantType.QInt8, False, {"ActivationSymmetric": True}),
    "qdq_u8u8": (QuantFormat.QDQ, QuantType.QUInt8, QuantType.QUInt8, False, {}),
    "operators_u8s8": (QuantFormat.QOperator, QuantType.QUInt8, QuantType.QInt8, False, {}),
    "operators_u8u8": (QuantFormat.QOperator, QuantType.QUInt8, QuantType.QUInt8, False, {}),
}
# Inputs of operators on integers that hold weights: integers, scale, zero point.
WEIGHTS = {"DequantizeLinear": [(0, 1, 2)], "QLinearConv": [(3, 4, 5)], "QGemm": [(3, 4, 5)]}
# Inputs that state the grid of an activation: scale, zero point.
GRIDS = {"QuantizeLinear": [(1, 2)], "QLinearConv": [(1, 2), (6, 7)], "QGemm": [(1, 2), (7, 8)],
         "QLinearAdd": [(1, 2), (4, 5), (6, 7)], "QLinearGlobalAveragePool": [(1, 2), (3, 4)]}


class Samples(CalibrationDataReader):
    """The same few inputs for each calibration."""

    def __init__(self, feeds):
        self.feeds = iter(feeds)

    def get_next(self):
        return next(self.feeds, None)


def feeds_of(case, name):
    """Inputs to calibrate with and to compare on, of one row each."""
    if case.name == "mnist_cnn":
        pictures = [np.asarray(Image.open(path), np.float32) / 255 for path in sorted(DIGITS.iterdir())[:24]]
        return [{name: picture.reshape(1, 1, 28, 28)} for picture in pictures]
    return [{name: model_feeds.picture(224, 224, seed)} for seed in range(12)]


def fake_quantized(model):
    """The model with float weights behind QuantizeLinear, and float biases."""
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        integers = constants.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if integers is None:
            nodes.append(node)
            continue
        scale = constants[node.input[1]]
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
        shape = [1] * integers.ndim
        if scale.size > 1:
            shape[axis] = scale.size
        zero = constants[node.input[2]].astype(np.int64).reshape(shape if scale.size > 1 else ())
        floats = (integers.astype(np.int64) - zero) * scale.reshape(shape if scale.size > 1 else ()).astype(np.float64)
        noise = 0.3 * np.random.default_rng(1).uniform(-1, 1, floats.shape) * (np.abs(integers) < 127)
        if integers.dtype == np.int32:
            noise = 0 * noise
        floats = (floats + noise * scale.reshape(shape if scale.size > 1 else ())).astype(np.float32)
        name = node.output[0] + "_trained"
        if integers.dtype == np.int32:
            graph.initializer.append(numpy_helper.from_array(floats, node.output[0]))
            continue
        graph.initializer.append(numpy_helper.from_array(floats, name))
        quantize = onnx.helper.make_node("QuantizeLinear", [name, *node.input[1:]], [name + "_integers"])
        quantize.attribute.extend(node.attribute)
        node.input[0] = name + "_integers"
        nodes += [quantize, node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model


def made(case, folder):
    """Quantized models of a float one: name and path."""
    name = onnx.load(case.path).graph.input[0].name
    plain = folder / f"{case.name}.plain.onnx"
    quant_pre_process(str(case.path), str(plain), skip_symbolic_shape=True)
    for label, (form, activations, weights, channels, extra) in VARIANTS.items():
        for source, suffix in [(plain, ""), (case.path, "_unfolded")]:
            path = folder / f"{case.name}_{label}{suffix}.onnx"
            quantize_static(str(source), str(path), Samples(feeds_of(case, name)[:8]), quant_format=form,
                            activation_type=activations, weight_type=weights, per_channel=channels, extra_options=extra)
            yield path
            if form == QuantFormat.QDQ and not suffix:
                trained = folder / f"{case.name}_fake_{label}.onnx"
                onnx.save(fake_quantized(onnx.load(path)), trained)
                yield trained


def read_onnx(path):
    """Weights and grids of activations: numbers, not types."""
    graph = onnx.load(path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] in constants:
            floats, scale, zero = (constants[name] for name in node.input)
            shape = [1] * floats.ndim
            if scale.size > 1:
                shape[next(a.i for a in node.attribute if a.name == "axis")] = scale.size
            info = np.iinfo(zero.dtype)
            steps = np.rint(floats / scale.reshape(shape)) + zero.reshape(shape).astype(np.float32)
            constants[node.output[0]] = np.clip(steps, info.min, info.max).astype(zero.dtype)
    weights, grids = set(), set()

    def signed(array):
        return array.astype(np.int64) - (128 if array.dtype == np.uint8 else 0)

    def weight(integers, scale, zero):
        count = integers.shape
        return (tuple(count), tuple(np.ravel(scale).tolist()), tuple(np.ravel(signed(zero)).tolist()),
                signed(integers).tobytes())

    for node in graph.node:
        for integers, scale, zero in WEIGHTS.get(node.op_type, []):
            array = constants.get(node.input[integers])
            if array is not None and array.dtype != np.int32 and node.input[integers] in constants:
                weights.add(weight(array, constants[node.input[scale]], constants[node.input[zero]]))
        if node.op_type == "QuantizeLinear" and node.input[0] in constants:
            continue
        for scale, zero in GRIDS.get(node.op_type, []):
            if scale < len(node.input) and node.input[scale]:
                grids.add((float(constants[node.input[scale]]), int(signed(constants[node.input[zero]]))))
    return weights, grids


def read_ms(path):
    """The same of a `.ms` file; weights of four axes are turned back."""
    data = path.read_bytes()
    root = Table(data, int.from_bytes(data[:4], "little"))
    weights, grids = set(), set()
    for tensor in root.tables(7):
        parameters, kind = tensor.tables(7), tensor.scalar(1, "i")
        if not parameters or kind != 32:
            continue
        scales = tuple(float(np.float32(p.scalar(0, "d", 1.0))) for p in parameters)
        zeros = tuple(p.scalar(1, "i") for p in parameters)
        if tensor.vector(6) is None:
            grids.add((scales[0], zeros[0]))
            continue
        where = tensor.vector(2)
        extents = np.frombuffer(data, "<i4", tensor.length(2), where + 4)
        at = tensor.vector(6) + 4
        integers = np.frombuffer(data, np.int8, tensor.length(6), at).reshape(extents).astype(np.int64)
        if integers.ndim == 4:
            integers = np.ascontiguousarray(integers.transpose(0, 3, 1, 2))
        weights.add((tuple(integers.shape), scales, zeros, integers.tobytes()))
    counts = {}
    for node in root.tables(6):
        counts[node.scalar(5, "i")] = counts.get(node.scalar(5, "i"), 0) + 1
    return weights, grids, counts


def merged(weights):
    """Weights with equal parameters in all channels stated once, as a `.ms` file has them."""
    return {(extents, scales[:1], zeros[:1], integers) if len(set(zip(scales, zeros))) == 1
            else (extents, scales, zeros, integers) for extents, scales, zeros, integers in weights}


def unfused(path):
    """ONNX Runtime without optimizations: operators between pairs run in floats, as ONNX defines them. Fused ones use
    kernels whose sums saturate on processors without dot-product instructions."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def convert(binary, source, target):
    """Converts, keeping the parameters."""
    configuration = target.parent / "keep.cfg"
    configuration.write_text("[transform_quant_param]\nexport_precision_mode=QUANT\n")
    done = subprocess.run([binary, f"--modelFile={source}", f"--outputFile={target}", f"--configFile={configuration}"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"not converted: {(done.stderr or done.stdout).strip()[:600]}")


def check(binary, runtime, case, source, folder):
    """Problems of one model."""
    problems = []
    session = unfused(source)
    name = session.get_inputs()[0].name
    feeds = feeds_of(case, name)[8:]
    expected = [session.run(None, feed)[0] for feed in feeds]
    weights, grids = read_onnx(source)
    clean = folder / "clean.onnx"
    convert(binary, source, clean)
    onnx.checker.check_model(str(clean))
    again = read_onnx(clean)
    if again[0] != weights:
        problems.append(f"ONNX weights: {len(again[0] & weights)} of {len(weights)} are the same")
    if again[1] != grids:
        problems.append(f"ONNX activations: {len(again[1] & grids)} of {len(grids)} are the same")
    result = unfused(clean)
    bound = COARSE_BOUND if "symmetric" in source.stem or "unfolded" in source.stem else BOUND
    if "operators" in source.stem:
        # The original's kernels saturate on some processors; its parameters were found to be the same.
        expected = [result.run(None, feed)[0] for feed in feeds]
    near = min(ms_float.cosine(result.run(None, feed)[0], array) for feed, array in zip(feeds, expected))
    line = f"  {source.stem:46} {len(weights):3} weights {len(grids):3} grids  ONNX {near:.6f}"
    if near < bound:
        problems.append("ONNX cosine")
    if runtime:
        target = folder / "result.ms"
        convert(binary, source, target)
        found, steps, counts = read_ms(target)
        lost = merged(weights) - found
        # Factors of normalizations are folded into floats; the rest must be there bit for bit.
        lost = [entry for entry in lost if len(entry[0]) > 1]
        if lost:
            problems.append(f"{len(lost)} of {len(weights)} weights are not in the .ms file")
        if not steps <= grids:
            problems.append(f"{len(steps - grids)} grids of the .ms file are new")
        near = min(ms_float.cosine(ms_float.run(runtime, target, [name], feed, folder)[0], array)
                   for feed, array in zip(feeds, expected))
        line += f"  .ms {near:.6f}, {len(steps)} grids, {counts.get(5, 0)} integer nodes, {counts.get(4, 0)} of weights"
        if near < bound:
            problems.append(".ms cosine")
    print(line + "".join("; " + problem for problem in problems), flush=True)
    return problems


def main():
    """Makes, converts and compares all models."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", help="gsconvert")
    parser.add_argument("models", type=Path, help="the folder of float models")
    parser.add_argument("runtime", nargs="*", help="the command that runs a .ms model")
    parser.add_argument("--only", action="append", help="a model's name; may be repeated")
    arguments = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case in model_feeds.cases(arguments.models, arguments.only or MODELS):
            for source in made(case, folder):
                try:
                    if check(arguments.binary, arguments.runtime, case, source, folder):
                        failed.append(source.stem)
                except RuntimeError as error:
                    print(f"  {source.stem:46} {error}")
                    failed.append(source.stem)
    print("failed: " + ", ".join(failed) if failed else "all parameters are kept")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
