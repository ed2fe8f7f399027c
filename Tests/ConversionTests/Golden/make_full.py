#!/usr/bin/env python3
"""Makes a tiny model, its calibration samples, and integers.ms: the model with int8 weights and activations as
gsconvert writes it.

The file is kept only if the real MindSpore Lite runtime loads it and is as near to ONNX Runtime on the float model as
gsconvert's own simulation says, to 1e-3 of the cosine.

usage: make_full.py GSCONVERT RUNTIME...
The runtime's command has to take --modelFile, --outputDir, --inputShape and --input as Tests/Oracles/ms_float.py says,
and to load constant integer weights of MatMul.
"""

import json
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

RANDOM = np.random.default_rng(11)
CALIBRATED, COUNT = 4, 8


def weights(*shape):
    """Numbers of about the size that keeps activations at 1."""
    return (RANDOM.normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:])))).astype(np.float32)


def tiny():
    """A residual block, a pool and a movement between integers, and a product."""
    constants = {"w1": weights(6, 2, 3, 3), "b1": weights(6), "w2": weights(6, 1, 3, 3), "w3": weights(6, 6, 1, 1),
                 "b3": weights(6), "w4": weights(96, 5), "b4": weights(5), "flat": np.array([0, 96])}
    make = helper.make_node
    nodes = [make("Conv", ["x", "w1", "b1"], ["c1"], name="c1", pads=[1, 1, 1, 1]),
             make("Relu", ["c1"], ["r1"], name="r1"),
             make("Conv", ["r1", "w2"], ["c2"], name="c2", group=6, pads=[1, 1, 1, 1]),
             make("Add", ["c2", "r1"], ["a"], name="a"),
             make("Conv", ["a", "w3", "b3"], ["c3"], name="c3"),
             make("MaxPool", ["c3"], ["p"], name="p", kernel_shape=[2, 2], strides=[2, 2]),
             make("Reshape", ["p", "flat"], ["f"], name="f"),
             make("MatMul", ["f", "w4"], ["m"], name="m"), make("Add", ["m", "b4"], ["y"], name="y")]
    graph = helper.make_graph(
        nodes, "tiny", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main():
    """Makes, checks and keeps everything."""
    binary, runtime = sys.argv[1], sys.argv[2:]
    source, target, samples = HERE / "integers.onnx", HERE / "integers.ms", HERE / "samples"
    samples.mkdir(exist_ok=True)
    onnx.save(tiny(), source)
    feeds = [(0.2 + RANDOM.normal(size=(1, 2, 8, 8))).astype(np.float32) for _ in range(COUNT)]
    for index, array in enumerate(feeds):
        np.save(samples / f"{index}.npy", array)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "job.cfg").write_text(
            "[common_quant_param]\nquant_type=FULL_QUANT\n[data_preprocess_param]\n"
            f"calibrate_path=x:{samples}\ncalibrate_size={CALIBRATED}\ninput_type=BIN\n", encoding="utf-8")
        done = subprocess.run(
            [binary, f"--modelFile={source}", f"--outputFile={target}", f"--configFile={folder}/job.cfg",
             "--logFormat=json"], check=True, capture_output=True, text=True)
        result = json.loads(done.stdout.strip().splitlines()[-1])
        simulated = result["quality"]["outputs"][0]["cosine"]
        session = onnxruntime.InferenceSession(str(source))
        pairs = [(ms_float.run(runtime, target, ["x"], {"x": array}, folder)[0], session.run(None, {"x": array})[0])
                 for array in feeds[CALIBRATED:]]
    cosine = ms_float.cosine(*(np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1)))
    print(f"cosine {cosine:.6f} in the runtime, {simulated:.6f} simulated")
    if abs(cosine - simulated) > 1e-3 or cosine < 0.99:
        target.unlink()
        raise SystemExit("the runtime computes something else")


if __name__ == "__main__":
    main()
