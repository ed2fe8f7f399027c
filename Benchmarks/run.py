#!/usr/bin/env python3
"""Speed and memory of gsconvert beside ONNX Runtime's quantize_dynamic on one model.

Whole processes run in turns (A B A B ...) after one run of each that isn't counted; 8-bit weights per channel on both
sides. Prints medians, the ratio of every pair and peak memory relative to the model file.
"""

import argparse
import os
import statistics
import sys
import tempfile

import measure

CONFIG = "[common_quant_param]\nquant_type=WEIGHT_QUANT\nbit_num=8\n"
PEER = ("import sys\nfrom onnxruntime.quantization import QuantType, quantize_dynamic\n"
        "quantize_dynamic(sys.argv[1], sys.argv[2], per_channel=True, weight_type=QuantType.QInt8)")


def timed(name, command, log):
    """Measurement of a command that has to succeed."""
    seconds, memory, status = measure.run(command, log)
    if status:
        with open(log) as text:
            raise SystemExit(f"{name} failed with status {status}:\n{text.read()}")
    return seconds, memory


def model_size(path):
    """Bytes of a model file with the external data beside it (same stem)."""
    folder, stem = os.path.dirname(os.path.abspath(path)), os.path.splitext(os.path.basename(path))[0]
    return sum(entry.stat().st_size for entry in os.scandir(folder)
               if entry.is_file() and os.path.splitext(entry.name)[0].startswith(stem))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("gsconvert", metavar="GSCONVERT_BINARY")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--python", default=sys.executable, help="Python that has onnxruntime (default: this one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config, log = f"{folder}/weights.cfg", f"{folder}/log"
        with open(config, "w") as file:
            file.write(CONFIG)
        commands = {
            "gsconvert": [options.gsconvert, "--fmk=ONNX", f"--modelFile={options.model}",
                          f"--outputFile={folder}/gsconvert", "--saveType=ONNX", f"--configFile={config}"],
            "onnxruntime": [options.python, "-c", PEER, options.model, f"{folder}/onnxruntime.onnx"]}
        results = {name: [] for name in commands}
        for turn in range(options.runs + 1):
            for name, command in commands.items():
                result = timed(name, command, log)
                if turn:
                    results[name].append(result)
        sizes = {name: model_size(f"{folder}/{name}.onnx") for name in commands}
        if not all(sizes.values()):
            raise SystemExit(f"no output: {sizes}")
    size = os.path.getsize(options.model)
    print(f"{options.model}: {size / 1e6:.2f} MB, {options.runs} runs each")
    for name, runs in results.items():
        seconds, memory = [run[0] for run in runs], statistics.median(run[1] for run in runs)
        print(f"{name:12} median {statistics.median(seconds):8.3f} s  ({min(seconds):.3f} to {max(seconds):.3f})  "
              f"peak memory {memory / 1e6:8.1f} MB = {memory / size:6.2f} x model  output {sizes[name] / 1e6:.2f} MB")
    ratios = [theirs[0] / ours[0] for ours, theirs in zip(*results.values())]
    print(f"onnxruntime takes {statistics.median(ratios):.2f} times as long "
          f"(pair by pair from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
