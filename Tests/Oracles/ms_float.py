#!/usr/bin/env python3
"""Checks float `.ms` models in the real MindSpore Lite runtime against ONNX Runtime.

Converts each model of a folder without quantization, runs the result with the runtime's command on the inputs of
`model_feeds`, and compares every output with ONNX Runtime's on the same inputs. Exits 1 where a model isn't converted,
loaded or run, or where a cosine is below the bound.

The runtime's command has to take --modelFile, --outputDir, --inputShape=NAME:EXTENTS;... and --input=NUMBER=FILE.npy,
and to write output_N.npy. Inputs of four axes are fed channels last, integers as int32.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime

import model_feeds

MODELS = ["mnist_cnn", "efficientnet_lite0", "ch_ppocr_mobile_v2.0_cls_infer", "ch_PP-OCRv4_rec_infer",
          "ch_PP-OCRv4_det_infer", "paraphrase-MiniLM-L3-v2", "mnist_vit", "mnist_lstm", "basic_pitch",
          "silero_vad_16k_sequence"]
BOUND = 0.99999


def peer(path):
    """ONNX Runtime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def as_fed(array):
    """An input as the `.ms` model takes it."""
    if array.dtype == np.int64:
        array = array.astype(np.int32)
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1) if array.ndim == 4 else array)


def run(runtime, model, names, feed, folder):
    """The outputs that the runtime writes, in the model's order."""
    command = [*runtime, f"--modelFile={model}", f"--outputDir={folder}", "--loop=1", "--warmup=0"]
    shapes = []
    for index, name in enumerate(names):
        array = as_fed(feed[name])
        np.save(folder / f"feed{index}.npy", array)
        shapes.append(f"{name}:{','.join(map(str, array.shape))}")
        command.append(f"--input={index}={folder}/feed{index}.npy")
    for old in folder.glob("output_*.npy"):
        old.unlink()
    done = subprocess.run([*command, f"--inputShape={';'.join(shapes)}"], capture_output=True, text=True, check=False)
    files = sorted(folder.glob("output_*.npy"), key=lambda path: int(path.stem.split("_")[1]))
    if done.returncode != 0 or not files:
        raise RuntimeError(f"the runtime failed: {(done.stderr or done.stdout).strip()[:600]}")
    return [np.load(path) for path in files]


def cosine(found, expected):
    """The cosine of two arrays; 0 where sizes differ, 1 of two that are equal."""
    a, b = found.astype(np.float64).ravel(), expected.astype(np.float64).ravel()
    if a.size != b.size:
        return 0.0
    if np.array_equal(a, b):
        return 1.0
    norm = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / norm) if norm > 0 else 0.0


def check(binary, runtime, case, folder):
    """The least cosine over inputs and outputs."""
    target = folder / f"{case.name}.ms"
    done = subprocess.run([binary, f"--modelFile={case.path}", f"--outputFile={target}", "--saveType=MINDIR_LITE"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"not converted: {(done.stderr or done.stdout).strip()[:600]}")
    session = peer(case.path)
    names = [value.name for value in session.get_inputs()]
    least = 1.0
    for feed in case.feeds:
        expected = session.run(None, feed)
        found = run(runtime, target, names, feed, folder)
        for index, (value, array) in enumerate(zip(session.get_outputs(), expected)):
            near = cosine(found[index], array) if index < len(found) else 0.0
            note = "" if index < len(found) and found[index].shape == array.shape else "  other shape"
            print(f"  {case.name:34} {value.name:28} {str(array.shape):22} {near:.7f}{note}")
            least = min(least, near)
    return least


def main():
    """Runs all models and reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", help="gsconvert")
    parser.add_argument("models", type=Path, help="the folder of models")
    parser.add_argument("runtime", nargs="+", help="the command that runs a .ms model")
    parser.add_argument("--only", action="append", help="a model's name; may be repeated")
    arguments = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory() as name:
        for case in model_feeds.cases(arguments.models, arguments.only or MODELS):
            try:
                if check(arguments.binary, arguments.runtime, case, Path(name)) < BOUND:
                    failed.append(case.name)
            except RuntimeError as error:
                print(f"  {case.name:34} {error}")
                failed.append(case.name)
    print("failed: " + ", ".join(failed) if failed else f"all cosines are at least {BOUND}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
