"""Compares what gsconvert says of a fully quantized model with what ONNX Runtime computes with it.

    python3 Tests/Oracles/full_quant.py BINARY MODEL.onnx --samples INPUT=FOLDER [INPUT=FOLDER ...]
        [--count 32] [--set activation_quant_method=KL target_device=NVGPU ...]

Folders hold one .npy file a sample. For each float output: cosine and SQNR in decibels by gsconvert's summary and by
ONNX Runtime on the same samples. Ends with 1 where the cosines differ by more than --tolerance.
"""
import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime


def session(path, optimized):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("model")
    parser.add_argument("--samples", nargs="+", required=True)
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--set", nargs="*", default=[])
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    folders = dict(item.rsplit("=", 1) for item in arguments.samples)
    paths = ",".join(f"{name}:{folder}" for name, folder in folders.items())
    with tempfile.TemporaryDirectory() as scratch:
        configuration = os.path.join(scratch, "job.cfg")
        with open(configuration, "w") as file:
            file.write("[common_quant_param]\nquant_type=FULL_QUANT\n[data_preprocess_param]\n")
            file.write(f"calibrate_path={paths}\ncalibrate_size={arguments.count}\ninput_type=BIN\n")
            file.write("[full_quant_param]\n" + "\n".join(arguments.set) + "\n")
        output = os.path.join(scratch, "result.onnx")
        run = subprocess.run(
            [arguments.binary, "--fmk=ONNX", f"--modelFile={arguments.model}", f"--outputFile={output}",
             f"--configFile={configuration}", "--logFormat=json"], capture_output=True, text=True)
        if run.returncode:
            sys.exit(run.stdout[-500:] + run.stderr[-2000:])
        summary = json.loads([line for line in run.stdout.split("\n") if line.startswith("{")][-1])
        quality = summary["quality"]
        onnx.checker.check_model(onnx.load(output))
        isProcessor = not any(item.startswith("target_device") for item in arguments.set)
        float_session = session(arguments.model, True)
        quantized = session(output, isProcessor)
        files = {name: sorted(glob.glob(os.path.join(folder, "*.npy"))) for name, folder in folders.items()}
        first = summary["samples"] if quality["heldBack"] else 0
        feeds = [{name: numpy.load(names[index]) for name, names in files.items()}
                 for index in range(first, first + quality["samples"])]
        names = [value.name for value in float_session.get_outputs()]
        expected = [float_session.run(None, feed) for feed in feeds]
        found = [quantized.run(None, feed) for feed in feeds]
    failures = 0
    for output in quality["outputs"]:
        place = names.index(output["name"])
        x = numpy.concatenate([values[place].ravel() for values in expected]).astype(float)
        y = numpy.concatenate([values[place].ravel() for values in found]).astype(float)
        cosine = float(x @ y / numpy.sqrt((x @ x) * (y @ y)))
        loss = 10 * numpy.log10(x @ x / ((x - y) @ (x - y)))
        failures += abs(cosine - output["cosine"]) > arguments.tolerance
        print(f"{output['name']}: gsconvert {output['cosine']:.6f} {output['sqnr']:.3f} dB, "
              f"ONNX Runtime {cosine:.6f} {loss:.3f} dB")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
