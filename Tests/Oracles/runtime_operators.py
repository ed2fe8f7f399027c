#!/usr/bin/env python3
"""Checks that onnxruntime computes the same with its own operators for weights in blocks as with DequantizeLinear.

Converts each model with group_size=32, with and without runtime_operators, and runs both files on random input.
Exits 1 where results differ by more than float32 sums in another order do.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

import model_feeds

ROOT = Path(__file__).resolve().parent.parent.parent
MODELS = [ROOT / "fixtures/models/transformer.onnx", ROOT / "fixtures/models/lookup_tables.onnx"]
OPERATORS = ("MatMulNBits", "GatherBlockQuantized")


def convert(binary, model, folder, bits, own):
    output, configuration = Path(folder) / f"{own}.onnx", Path(folder) / "job.cfg"
    configuration.write_text(
        f"[common_quant_param]\nquant_type=WEIGHT_QUANT\nbit_num={bits}\nmin_quant_weight_size=0\n"
        f"[weight_quant_param]\ngroup_size=32\nruntime_operators={str(own).lower()}\n")
    subprocess.run([binary, f"--modelFile={model}", f"--outputFile={output}", f"--configFile={configuration}"],
                   check=True, capture_output=True)
    return str(output)


def run(path, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # It would write DequantizeLinear and MatMul as MatMulNBits with activations of 8 bits.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run(None, feeds)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary")
    parser.add_argument("models", nargs="*", type=Path)
    options = parser.parse_args()
    wrong = 0
    for model in MODELS + options.models:
        feeds = model_feeds.made(onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"]).get_inputs())
        for bits in (2, 4, 8):
            with tempfile.TemporaryDirectory() as folder:
                plain, own = (convert(options.binary, model, folder, bits, way) for way in (False, True))
                kinds = [node.op_type for node in onnx.load(own, load_external_data=False).graph.node]
                pairs = zip(run(plain, feeds), run(own, feeds))
                error = max(np.abs(a - b).max() / max(np.abs(a).max(), 1e-30) for a, b in pairs)
            counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in OPERATORS)
            well = error < 1e-5 and kinds.count("MatMulNBits") > 0
            wrong += not well
            print(f"{model.name:28} {bits} bits  {counts}  difference {error:.2g}{'' if well else '  WRONG'}")
    return wrong != 0


if __name__ == "__main__":
    sys.exit(main())
