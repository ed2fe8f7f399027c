#!/usr/bin/env python3
"""Convert a generated model with external data that is larger than what one ONNX file can hold.

Writes a chain of MatMul weights in small chunks, converts it to 8-bit weights, with all defaults and as the numpy oracle
does, prints time, peak memory and sizes of each, checks some tensors of the latter to the last bit and removes everything.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
from onnx import TensorProto, external_data_helper, helper

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Tests" / "Oracles"))
import weight_quant  # noqa: E402

SIDE = 4096
ROWS_AT_ONCE = 256
DEFAULTS = "[common_quant_param]\nquant_type=WEIGHT_QUANT\nbit_num=8\n"
CONFIG = (DEFAULTS + "[weight_quant_param]\nper_channel=true\nbias_correction=false\n"
          "weight_range_method=MAX_MIN\nweight_round_method=%s\n")


def chunks(layer):
    """The rows of one weight, made anew from its number."""
    random = np.random.default_rng(layer)
    for _ in range(SIDE // ROWS_AT_ONCE):
        yield random.standard_normal((ROWS_AT_ONCE, SIDE), np.float32) / np.float32(SIDE ** 0.5)


def generate(folder, layers):
    """Write model.onnx and its weights.bin."""
    bytes_each = SIDE * SIDE * 4
    with open(folder / "weights.bin", "wb") as file:
        for layer in range(layers):
            for chunk in chunks(layer):
                file.write(chunk.tobytes())
    tensors, nodes, value = [], [], "x"
    for layer in range(layers):
        tensor = TensorProto(name=f"weight_{layer}", data_type=TensorProto.FLOAT, dims=[SIDE, SIDE],
                             data_location=TensorProto.EXTERNAL)
        for key, text in (("location", "weights.bin"), ("offset", layer * bytes_each), ("length", bytes_each)):
            tensor.external_data.add(key=key, value=str(text))
        tensors.append(tensor)
        nodes.append(helper.make_node("MatMul", [value, tensor.name], [f"y_{layer}"], name=f"matmul_{layer}"))
        value = f"y_{layer}"
    graph = helper.make_graph(nodes, "large", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", SIDE])],
                              [helper.make_tensor_value_info(value, TensorProto.FLOAT, ["N", SIDE])], tensors)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)]),
              folder / "model.onnx")


def wrong_tensors(path, layers, rounding):
    """Names of the layers whose dequantized weights aren't the oracle's."""
    model = onnx.load(path, load_external_data=False)
    scope = next(weight_quant.scopes(model))
    options = SimpleNamespace(bits=8, round=rounding, no_bias_correction=True)
    wrong = []
    for layer in layers:
        node = next(node for node in scope.nodes if node.output[0] == f"y_{layer}")
        dequantizer = scope.dequantizer(node.input[1])
        for tensor in map(scope.constant, dequantizer.input if dequantizer else []):
            if external_data_helper.uses_external_data(tensor):
                external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
        expected = weight_quant.expected_weights(np.concatenate(list(chunks(layer))), 1, False, SIDE, options)
        if not dequantizer or not np.array_equal(expected, weight_quant.numpy_dequantize(scope, dequantizer)):
            wrong.append(node.name)
    return wrong


def folder_size(folder):
    return sum(path.stat().st_size for path in folder.iterdir())


def convert(binary, folder, layers, text):
    """Convert folder/in into folder/out and print what it took."""
    config, log, output = folder / "weights.cfg", folder / "log", folder / "out"
    config.write_text(text)
    command = [binary, "--fmk=ONNX", f"--modelFile={folder}/in/model.onnx", f"--outputFile={output}/model",
               "--saveType=ONNX", f"--configFile={config}"]
    measured = json.loads(subprocess.run([sys.executable, HERE / "measure.py", log, *command], check=True,
                                         stdout=subprocess.PIPE).stdout)
    if measured["status"]:
        raise SystemExit(f"gsconvert failed with status {measured['status']}:\n{log.read_text()}")
    if not (output / "model.onnx").exists():
        raise SystemExit(f"gsconvert wrote no {output}/model.onnx")
    size, result = folder_size(folder / "in"), folder_size(output)
    print("with defaults" if text == DEFAULTS else "as the oracle does")
    print(f"  {layers} weights, {size / 1e9:.2f} GB in, {result / 1e9:.2f} GB out, {size / result:.2f} times smaller")
    print(f"  {measured['seconds']:.1f} s ({size / 1e6 / measured['seconds']:.0f} MB/s), peak memory "
          f"{measured['peak_bytes'] / 1e6:.0f} MB = {measured['peak_bytes'] / size:.2f} x model", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gsconvert", metavar="GSCONVERT_BINARY")
    parser.add_argument("--gigabytes", type=float, default=3)
    parser.add_argument("--round", choices=["NEAREST", "SQUANT"], default="NEAREST", help="weight_round_method")
    parser.add_argument("--folder", help="where to put the files (default: the system's temporary folder)")
    options = parser.parse_args()
    layers = max(1, round(options.gigabytes * 1e9 / (SIDE * SIDE * 4)))
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder, output = Path(name) / "in", Path(name) / "out"
        if shutil.disk_usage(name).free < options.gigabytes * 1.5e9:
            raise SystemExit(f"not enough room in {name}")
        folder.mkdir()
        output.mkdir()
        generate(folder, layers)
        for text in (DEFAULTS, CONFIG % options.round):
            convert(options.gsconvert, Path(name), layers, text)
        checked = sorted({0, layers // 2, layers - 1})
        wrong = wrong_tensors(output / "model.onnx", checked, options.round)
        print(f"{len(checked) - len(wrong)} of {len(checked)} checked weights equal numpy's to the last bit"
              + (f"; wrong: {', '.join(wrong)}" if wrong else ""))
        return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
