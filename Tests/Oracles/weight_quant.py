#!/usr/bin/env python3
"""Independent numpy check of weight quantization.

Takes a float model and its form quantized with weight_range_method=MAX_MIN, computes what the dequantized weights must be and compares them to the last
bit with numpy's dequantization of the stored integers and with what ONNX Runtime computes for the same
DequantizeLinear. Exits 1 on any mismatch. --self-test proves the check on models quantized by a scalar quantizer.
"""

import argparse
import sys
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

F32 = np.float32
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)


# --- arithmetic ----------------------------------------------------------------------------------------------------


def round_away(x):
    """Nearest integer, halves away from zero, in the precision of x."""
    whole = np.trunc(x)
    return whole + np.sign(x) * (np.abs(x - whole) >= 0.5)


def limits(bits):
    """(qmin, qmax) of signed integers."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def grid(low, high, bits):
    """(scale float32, zero point) per channel for the float32 ranges low..high; zero is made a point of the grid."""
    qmin, qmax = limits(bits)
    steps = F32(qmax - qmin)
    high = np.maximum(high, low + F32(1e-10))
    low, high = np.minimum(low, F32(0)), np.maximum(high, F32(0))
    step = (high - low) / steps
    below = round_away(-low / step)
    low, high = -below * step, (steps - below) * step
    scale = (high - low) / steps
    return scale, round_away(F32(qmin) - low / scale).astype(np.float64)


def position(rows, scale, zero):
    """Where the weights lie on the integer grid, in double."""
    return rows.astype(np.float64) / scale.astype(np.float64)[:, None] + zero[:, None]


def dequantize(q, scale, zero):
    """float32 values of integers, per row."""
    return (q.astype(np.int64) - zero.astype(np.int64)[:, None]).astype(F32) * scale[:, None]


def nearest(rows, scale, zero, bits):
    return np.clip(round_away(position(rows, scale, zero)), *limits(bits))


STEP = 1 << 24


def flip(q, error, bits):
    """SQuant's step on one group: undo the summed rounding error by moving the worst elements one step back.

    Errors are integers in units of 2^-24 of a step, so that sums are exact; the first of equal ones moves.
    """
    qmin, qmax = limits(bits)
    total = int(error.sum())
    count, direction = (abs(total) + STEP // 2) // STEP, 1 if total > 0 else -1
    movable = (error * direction > 0) & (q - direction >= qmin) & (q - direction <= qmax)
    worst = np.argsort(np.where(movable, -np.abs(error), STEP * 1000), kind="stable")[:min(count, movable.sum())]
    q[worst] -= direction
    error[worst] -= direction * STEP


def squant(rows, scale, zero, bits, kernel):
    """Nearest rounding, then SQuant (arXiv 2202.07471) per kernel of `kernel` elements and per channel."""
    t = position(rows, scale, zero)
    q = np.clip(round_away(t), *limits(bits))
    error = np.rint(np.clip((q - t) * STEP, -127 * STEP, 127 * STEP)).astype(np.int64)
    for channel in range(len(rows)):
        if 1 < kernel < rows.shape[1]:
            for start in range(0, rows.shape[1], kernel):
                flip(q[channel, start:start + kernel], error[channel, start:start + kernel], bits)
        flip(q[channel], error[channel], bits)
    return q


def correct_scale(rows, q, scale, zero):
    """Bias correction: of the scales that are no worse in squared error, the one with the least mean error."""
    corrected = scale.copy()
    for i, (row, integers) in enumerate(zip(rows.astype(np.longdouble), (q - zero[:, None]).astype(np.longdouble))):
        old, products, squares = np.longdouble(scale[i]), (row * integers).sum(), (integers * integers).sum()
        if squares == 0 or products <= 0:
            continue
        best, values, total = products / squares, row.sum(), integers.sum()
        reach = abs(old - best)
        wanted = F32(np.clip(values / total if total else best, best - reach, best + reach))
        bias = lambda candidate: abs(values - np.longdouble(candidate) * total)
        if wanted >= np.finfo(F32).tiny and abs(wanted - best) <= reach and bias(wanted) <= bias(old):
            corrected[i] = wanted
    return corrected


def expected_weights(weight, axis, per_tensor, kernel, options):
    """float32 weights as they must come out of DequantizeLinear; kernel 0 forbids SQuant."""
    moved = np.moveaxis(weight, axis, 0)
    rows = moved.reshape(len(moved), -1)
    whole = rows.reshape(1, -1) if per_tensor else rows
    with np.errstate(all="ignore"):
        scale, zero = grid(whole.min(1), whole.max(1), options.bits)
        each_scale, each_zero = (np.broadcast_to(values, len(rows)) for values in (scale, zero))
        if options.round == "SQUANT" and kernel:
            q = squant(rows, each_scale, each_zero, options.bits, kernel)
        else:
            q = nearest(rows, each_scale, each_zero, options.bits)
        if not options.no_bias_correction:
            scale = correct_scale(whole, q.reshape(whole.shape), scale, zero)
        values = dequantize(q, np.broadcast_to(scale, len(rows)), each_zero).reshape(moved.shape)
    return np.moveaxis(values, 0, axis)


# --- models --------------------------------------------------------------------------------------------------------


@dataclass
class Scope:
    """One graph or function body: its nodes, and constants and producers by name, with those of outer graphs."""
    path: tuple
    nodes: list
    tensors: dict
    producers: dict

    def constant(self, name):
        """Tensor behind a name, through Identity; None if it isn't constant."""
        if name in self.tensors:
            return self.tensors[name]
        node = self.producers.get(name)
        if node is None or node.op_type not in ("Identity", "Constant"):
            return None
        if node.op_type == "Identity":
            return self.constant(node.input[0])
        return next((a.t for a in node.attribute if a.name == "value"), None)

    def weight(self, name):
        """Tensor behind a name, through Identity and Cast."""
        node = self.producers.get(name)
        if node is not None and node.op_type in ("Cast", "Identity"):
            return self.weight(node.input[0])
        return self.constant(name)

    def dequantizer(self, name):
        """DequantizeLinear behind a name, through Identity and Cast."""
        node = self.producers.get(name)
        if node is not None and node.op_type in ("Cast", "Identity"):
            return self.dequantizer(node.input[0])
        return node if node is not None and node.op_type == "DequantizeLinear" else None


def scopes(model):
    """All graphs and function bodies of a model."""

    def walk(path, nodes, initializers, outer):
        scope = Scope(path, list(nodes), {**outer.tensors, **{t.name: t for t in initializers}},
                      {**outer.producers, **{out: node for node in nodes for out in node.output if out}})
        yield scope
        for node in nodes:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    yield from walk((*path, node.output[0], attribute.name), attribute.g.node,
                                    attribute.g.initializer, scope)

    empty = Scope((), [], {}, {})
    yield from walk((), model.graph.node, model.graph.initializer, empty)
    for function in model.functions:
        yield from walk((function.domain, function.name), function.node, [], empty)


def attribute(node, name, default):
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def channel_axis(node, index, rank):
    """Channel axis of an input of a node, or None if the input isn't a weight."""
    kind = node.op_type
    if kind == "Conv" and index == 1:
        return 0
    if kind == "ConvTranspose" and index == 1:
        return 1
    if kind == "MatMul":
        return rank - 2 if index == 0 else rank - 1
    if kind == "Gemm" and index == 0:
        return 1 if attribute(node, "transA", 0) else 0
    if kind == "Gemm" and index == 1:
        return 0 if attribute(node, "transB", 0) else 1
    if kind == "Gather" and index == 0:
        return attribute(node, "axis", 0) % rank
    if kind in ("LSTM", "GRU", "RNN") and index in (1, 2):
        return 1
    return None


@dataclass
class Use:
    """A float weight as one input of one node."""
    scope: tuple
    node: onnx.NodeProto
    index: int
    tensor: onnx.TensorProto
    axis: int

    @property
    def kernel(self):
        """Elements of one kernel: what follows [out, in], or all inputs of a matrix; 0 for embedding tables."""
        dims = list(self.tensor.dims)
        if self.node.op_type == "Gather":
            return 0
        if self.node.op_type in ("Conv", "ConvTranspose"):
            return int(np.prod(dims[2:]))
        return dims[-2] if self.axis == len(dims) - 1 else int(np.prod(dims[self.axis + 1:]))

    def wanted(self, options):
        """Whether the size rules allow quantization."""
        channels = self.tensor.dims[self.axis]
        convolution = self.node.op_type in ("Conv", "ConvTranspose")
        return (int(np.prod(self.tensor.dims)) > options.min_size
                and (not convolution or channels > options.min_channel))


def weight_uses(model):
    """Every float constant of rank 2 or more that is a weight of some node."""
    for scope in scopes(model):
        for node in scope.nodes:
            for index, name in enumerate(node.input):
                tensor = scope.weight(name)
                if tensor is None or tensor.data_type not in FLOATS or len(tensor.dims) < 2:
                    continue
                axis = channel_axis(node, index, len(tensor.dims))
                if axis is not None:
                    yield Use(scope.path, node, index, tensor, axis)


def find_node(scope, node):
    """The node of a quantized graph that stands for `node`: the same first output or the same name."""
    same = [other for other in scope.nodes if other.op_type == node.op_type]
    return next((other for other in same if other.output[:1] == node.output[:1]),
                next((other for other in same if node.name and other.name == node.name), None))


def stored_values(scope, node):
    """(integers, scale, zero point, axis) of a DequantizeLinear of constants; axis None is per tensor."""
    tensors = [scope.constant(name) for name in node.input]
    q, scale = (numpy_helper.to_array(tensor) for tensor in tensors[:2])
    zero = numpy_helper.to_array(tensors[2]) if len(tensors) > 2 else np.zeros(scale.shape)
    axis = attribute(node, "axis", 1) % max(q.ndim, 1)
    per_channel = scale.ndim == 1 and scale.size == q.shape[axis]
    return q.astype(np.int64), scale.astype(F32), zero.astype(np.int64), axis if per_channel else None


def numpy_dequantize(scope, node):
    """The float32 values of a DequantizeLinear, by numpy."""
    q, scale, zero, axis = stored_values(scope, node)
    shape = [1] * q.ndim
    if axis is not None:
        shape[axis] = -1
    return (q - zero.reshape(shape)).astype(F32) * scale.reshape(shape)


def runtime_dequantize(model, scope, node):
    """The values of a DequantizeLinear by ONNX Runtime, alone in a model with the node's constants."""
    alone = onnx.NodeProto()
    alone.CopyFrom(node)
    constants = []
    for number, name in enumerate(node.input):
        tensor = onnx.TensorProto()
        tensor.CopyFrom(scope.constant(name))
        tensor.name = alone.input[number] = f"constant_{number}"
        constants.append(tensor)
    alone.output[0] = "values"
    output = helper.make_tensor_value_info("values", constants[1].data_type, constants[0].dims)
    graph = helper.make_graph([alone], "alone", [], [output], constants)
    standalone = helper.make_model(graph, ir_version=model.ir_version, opset_imports=[
        entry for entry in model.opset_import if entry.domain in ("", "ai.onnx", node.domain)])
    session = onnxruntime.InferenceSession(standalone.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {})[0].astype(F32)


# --- comparison ----------------------------------------------------------------------------------------------------


def same_bits(a, b):
    return a.shape == b.shape and np.array_equal(a.view(np.uint32), b.view(np.uint32))


def compare(use, axes, scope, node, model, options):
    """Check one quantized tensor; returns (line of the report, whether all is well)."""
    weight = numpy_helper.to_array(use.tensor).astype(F32)
    axis = stored_values(scope, node)[3]
    right_axis = axis is None if options.per_tensor else axis in axes
    expected = np.ascontiguousarray(expected_weights(weight, use.axis, axis is None, use.kernel, options))
    actual, computed = numpy_dequantize(scope, node), runtime_dequantize(model, scope, node)
    numpy_equal, runtime_equal = same_bits(expected, actual), same_bits(expected, computed)
    error = actual.astype(np.float64) - weight
    rows = error.reshape(1, -1) if axis is None else np.moveaxis(error, axis, 0).reshape(error.shape[axis], -1)
    name = ":".join((*use.scope, use.tensor.name or use.node.name))
    words = {True: "yes", False: "NO"}
    line = (f"{name:40} {weight.size:9} {np.abs(expected - actual).max():12.5g} {words[numpy_equal]:>5} "
            f"{words[runtime_equal]:>7} {np.square(error).mean():12.5g} {np.abs(rows.mean(1)).max():12.5g}"
            f"{'' if right_axis else f'  wrong axis {axis}, not in {sorted(axes)}'}")
    return line, numpy_equal and runtime_equal and right_axis


def unfold_lookups(model):
    """The model with rows of tables looked up as floats: each Gather of integers, Cast, Sub of zero points and Mul by
    scales becomes DequantizeLinear and Gather."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    scope = next(scopes(result))

    def producer(name, kind):
        node = scope.producers.get(name)
        return node if node is not None and node.op_type == kind else None

    def parameters(name):
        """(constant's name, axis) behind Unsqueeze of Gather, or itself."""
        spread = producer(name, "Unsqueeze")
        rows = producer(spread.input[0], "Gather") if spread else None
        name = rows.input[0] if rows else name
        tensor = scope.constant(name)
        return name, 0 if rows else 1 if tensor is not None and len(tensor.dims) == 1 else None

    found = {}
    for node in scope.nodes:
        steps = producer(node.input[0], "Sub") if node.op_type == "Mul" else None
        floats = producer(steps.input[0], "Cast") if steps else None
        rows = producer(floats.input[0], "Gather") if floats else None
        zeros = producer(steps.input[1], "Cast") if rows else None
        table = scope.constant(rows.input[0]) if zeros else None
        if table is None:
            continue
        scale, axis = parameters(node.input[1])
        zero, _ = parameters(zeros.input[0])
        name = f"{rows.input[0]}_table"
        found[node.output[0]] = (
            helper.make_node("DequantizeLinear", [rows.input[0], scale, zero], [name], axis=axis or 0),
            helper.make_node("Gather", [name, rows.input[1]], list(node.output), axis=attribute(rows, "axis", 0)))
    made, nodes = set(), []
    for node in scope.nodes:
        dequantize, gather = found.get(node.output[0], (None, None)) if node.output else (None, None)
        if gather is None:
            nodes.append(node)
            continue
        if dequantize.output[0] not in made:
            nodes.insert(0, dequantize)
        made.add(dequantize.output[0])
        nodes.append(gather)
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    return result


def check(float_model, quantized_model, options):
    """Compare two models; prints the report and returns the number of mismatches."""
    quantized_model = unfold_lookups(quantized_model)
    found = {scope.path: scope for scope in scopes(quantized_model)}
    quantized, kept, mismatches = {}, {}, 0
    for use in weight_uses(float_model):
        scope = found.get(use.scope)
        node = find_node(scope, use.node) if scope else None
        if node is None:
            print(f"{use.node.op_type} '{use.node.name}' is missing in the quantized model")
            mismatches += 1
            continue
        dequantizer = scope.dequantizer(node.input[use.index])
        if dequantizer is None:
            kept[use.tensor.name or use.node.name] = use
        else:
            quantized.setdefault((use.scope, dequantizer.output[0]), (use, scope, dequantizer, []))[3].append(use.axis)
    print(f"{'tensor':40} {'elements':>9} {'max diff':>12} {'numpy':>5} {'runtime':>7} {'MSE':>12} {'mean error':>12}")
    for use, scope, dequantizer, axes in quantized.values():
        line, well = compare(use, set(axes), scope, dequantizer, quantized_model, options)
        selected = use.wanted(options)
        print(line + ("" if selected else "  should not be quantized"))
        mismatches += not (well and selected)
    for name, use in kept.items():
        missing = options.strict and use.wanted(options)
        print(f"kept: {name} of {use.node.op_type} '{use.node.name}'{'  should be quantized' if missing else ''}")
        mismatches += missing
    print(f"{len(quantized)} quantized, {len(kept)} kept, {mismatches} mismatches")
    return mismatches


# --- self-test -----------------------------------------------------------------------------------------------------


def scalar_quantize(values, bits):
    """The formulas once more, element by element: (integers, scale, zero point) of a list of float32."""
    half = 2 ** (bits - 1)
    away = lambda v: int(abs(float(v)) + 0.5) * (1 if v >= 0 else -1)
    low, high = F32(min(values)), F32(max(values))
    high = max(high, F32(low + F32(1e-10)))
    low, high = min(low, F32(0)), max(high, F32(0))
    step = F32(F32(high - low) / F32(2 * half - 1))
    below = away(F32(-low / step))
    start, end = F32(F32(-below) * step), F32(F32(2 * half - 1 - below) * step)
    scale = F32(F32(end - start) / F32(2 * half - 1))
    zero = away(F32(F32(-half) - F32(start / scale)))
    return [min(max(away(float(v) / float(scale) + zero), -half), half - 1) for v in values], scale, zero


def quantized_copy(model, uses, bits, per_tensor):
    """Model whose weights go through DequantizeLinear, made by scalar_quantize."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for use in uses:
        weight = numpy_helper.to_array(use.tensor)
        moved = weight[None] if per_tensor else np.moveaxis(weight, use.axis, 0)
        parts = [scalar_quantize(list(channel.ravel()), bits) for channel in moved]
        q = np.array([part[0] for part in parts], np.int8).reshape(moved.shape)
        q = q[0] if per_tensor else np.moveaxis(q, 0, use.axis)
        name, pick = use.tensor.name, (lambda values: values[0] if per_tensor else values)
        copy.graph.initializer.extend([
            numpy_helper.from_array(np.ascontiguousarray(q), f"{name}_q"),
            numpy_helper.from_array(np.array(pick([part[1] for part in parts]), F32), f"{name}_scale"),
            numpy_helper.from_array(np.array(pick([part[2] for part in parts]), np.int8), f"{name}_zero")])
        extra = {} if per_tensor else {"axis": use.axis}
        copy.graph.node.insert(0, helper.make_node("DequantizeLinear", [f"{name}_q", f"{name}_scale", f"{name}_zero"],
                                                   [f"{name}_values"], **extra))
        node = next(node for node in copy.graph.node if node.output[:1] == use.node.output[:1])
        node.input[use.index] = f"{name}_values"
    return copy


def self_test():
    """Right quantizations pass; a changed integer, scale or zero point, a wrong axis and a wrong size rule are seen."""
    random = np.random.RandomState(3)
    shapes = {"Conv": (20, 3, 3, 3), "ConvTranspose": (4, 18, 2, 2), "MatMul": (12, 17), "Gemm": (17, 9),
              "Gather": (30, 6), "LSTM": (2, 24, 5)}
    nodes, weights = [], []
    for kind, shape in shapes.items():
        weight = (random.randn(*shape) * random.uniform(0.1, 3) + random.uniform(-1, 1)).astype(F32)
        weight[0] *= 0
        weights.append(numpy_helper.from_array(weight, f"{kind}_weight"))
        inputs = [f"{kind}_weight", "ids"] if kind == "Gather" else [f"{kind}_x", f"{kind}_weight"]
        extra = {"transB": 1} if kind == "Gemm" else {}
        nodes.append(helper.make_node(kind, inputs, [f"{kind}_y"], name=kind, **extra))
    model = helper.make_model(helper.make_graph(nodes, "self_test", [], [], weights), ir_version=8,
                              opset_imports=[helper.make_opsetid("", 13)])
    uses = list(weight_uses(model))
    defaults = ["-", "-", "--no-bias-correction", "--round=NEAREST"]
    results = []

    def expect(label, mismatches, quantized, *arguments):
        print(f"\n{label}")
        count = check(model, quantized, parser().parse_args([*defaults, *arguments]))
        results.append(count == mismatches)
        print("as it should be" if results[-1] else f"WRONG: {mismatches} mismatches expected")

    def damaged(name, change):
        copy = quantized_copy(model, uses, 8, False)
        tensor = next(tensor for tensor in copy.graph.initializer if tensor.name == name)
        array = numpy_helper.to_array(tensor).copy()
        change(array.reshape(-1))
        tensor.CopyFrom(numpy_helper.from_array(array, name))
        return copy

    def flip_lowest_bit(array):
        array[17] ^= 1

    def next_float(array):
        array[3] = np.nextafter(array[3], F32(9))

    def next_integer(array):
        array[3] += 1

    expect("8 bits per channel", 0, quantized_copy(model, uses, 8, False), "--bits=8", "--strict")
    expect("8 bits per tensor", 0, quantized_copy(model, uses, 8, True), "--bits=8", "--per-tensor")
    for bits in range(2, 8):
        expect(f"{bits} bits", 0, quantized_copy(model, uses, bits, False), f"--bits={bits}")
    expect("wrong number of bits", len(uses), quantized_copy(model, uses, 5, False), "--bits=6")
    expect("one wrong integer", 1, damaged("Gemm_weight_q", flip_lowest_bit), "--bits=8")
    expect("scale off by one ulp", 1, damaged("Conv_weight_scale", next_float), "--bits=8")
    expect("wrong zero point", 1, damaged("LSTM_weight_zero", next_integer), "--bits=8")
    expect("per tensor instead of per channel", len(uses), quantized_copy(model, uses, 8, True), "--bits=8")
    expect("one weight left out", 0, quantized_copy(model, uses[1:], 8, False), "--bits=8")
    expect("one weight left out, strict", 1, quantized_copy(model, uses[1:], 8, False), "--bits=8", "--strict")
    expect("too few channels", 1, quantized_copy(model, uses, 8, False), "--bits=8", "--min-channel=18")
    expect("SQuant asked for, nearest given", len(uses) - 1, quantized_copy(model, uses, 4, False), "--bits=4",
           "--round=SQUANT")
    rows = random.randn(8, 54).astype(F32)
    scale, zero = grid(rows.min(1), rows.max(1), 4)
    sums = np.abs((squant(rows, scale, zero, 4, 9) - position(rows, scale, zero)).sum(1))
    results.append(bool((sums <= 0.5 + 1e-9).all()))
    print(f"\nSQuant leaves summed errors up to {sums.max():.3f} steps per channel")
    print(f"\n{sum(results)} passed, {len(results) - sum(results)} failed")
    return not all(results)


def parser():
    result = argparse.ArgumentParser(description=__doc__)
    result.add_argument("float_model", nargs="?", metavar="FLOAT.onnx")
    result.add_argument("quantized_model", nargs="?", metavar="QUANTIZED.onnx")
    result.add_argument("--bits", type=int, default=8)
    result.add_argument("--per-tensor", action="store_true")
    result.add_argument("--no-bias-correction", action="store_true")
    result.add_argument("--round", choices=["NEAREST", "SQUANT"], default="SQUANT", help="Gather is always NEAREST")
    result.add_argument("--min-size", type=int, default=0, help="only tensors with more elements")
    result.add_argument("--min-channel", type=int, default=16, help="only Conv and ConvTranspose with more channels")
    result.add_argument("--strict", action="store_true", help="a weight that the size rules allow has to be quantized")
    result.add_argument("--self-test", action="store_true")
    return result


def main():
    options = parser().parse_args()
    if options.self_test:
        return self_test()
    if not options.quantized_model:
        parser().error("two models are needed")
    return bool(check(onnx.load(options.float_model), onnx.load(options.quantized_model), options))


if __name__ == "__main__":
    sys.exit(main())
