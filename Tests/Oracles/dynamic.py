#!/usr/bin/env python3
"""Checks what onnxruntime makes of dynamically quantized convolutions, LSTMs and products.

Converts each model with every strategy, convolutions and LSTMs included, and runs the file in onnxruntime, with and
without its optimizations, and in gsconvert. Exits 1 where gsconvert's results differ from onnxruntime's unoptimized
ones, or either is far from the float model's.
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
MODELS = [ROOT / "fixtures/digits/digits_cnn.onnx", ROOT / "fixtures/digits/digits_lstm.onnx",
          ROOT / "fixtures/models/transformer.onnx"]
OPERATORS = ("MatMulInteger", "ConvInteger", "DynamicQuantizeLSTM")


def convert(binary, model, folder, strategy):
    output, configuration = Path(folder) / "result.onnx", Path(folder) / "job.cfg"
    configuration.write_text("[common_quant_param]\nquant_type=DYNAMIC_QUANT\n[dynamic_quant_param]\n"
                             f"quant_strategy={strategy}\nquantize_conv=true\nruntime_operators=true\n")
    subprocess.run([binary, f"--modelFile={model}", f"--outputFile={output}", f"--configFile={configuration}"],
                   check=True, capture_output=True)
    return output


def session(path, optimized):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # DynamicQuantizeLSTM gives each thread sequences of the batch, with scales of their own.
    options.intra_op_num_threads = 1
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def own_results(binary, path, feeds, folder):
    arguments = []
    for name, value in feeds.items():
        np.save(Path(folder) / f"{name}.npy", value)
        arguments.append(f"--input={name}={Path(folder) / name}.npy")
    subprocess.run([binary, "run", path, f"--outputDir={folder}/out"] + arguments, check=True, capture_output=True)
    return [np.load(Path(folder) / "out" / f"{value.name}.npy") for value in session(path, False).get_outputs()]


def cosine(first, second):
    return min(float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())) for a, b in zip(first, second))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary")
    parser.add_argument("models", nargs="*", type=Path)
    options = parser.parse_args()
    wrong = 0
    for model in MODELS + options.models:
        feeds = model_feeds.made(session(model, False).get_inputs(), low=0)
        wanted = session(model, True).run(None, feeds)
        for strategy in ("ALWC", "ACWL", "ACWC"):
            with tempfile.TemporaryDirectory() as folder:
                path = convert(options.binary, model, folder, strategy)
                kinds = [node.op_type for node in onnx.load(path, load_external_data=False).graph.node]
                plain, fused = (session(path, way).run(None, feeds) for way in (False, True))
                own = own_results(options.binary, path, feeds, folder)
            same, quality, fast = cosine(own, plain), cosine(plain, wanted), cosine(fused, wanted)
            counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in OPERATORS if kind in kinds)
            well = same > 0.99999 and min(quality, fast) > 0.99 and counts != ""
            wrong += not well
            print(f"{model.name:28} {strategy}  {counts:40} own run {same:.7f}  float {quality:.5f}, optimized "
                  f"{fast:.5f}{'' if well else '  WRONG'}")
    return wrong != 0


if __name__ == "__main__":
    sys.exit(main())
