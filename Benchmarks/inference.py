#!/usr/bin/env python3
"""Speed and memory of gsconvert's float inference beside ONNX Runtime's, each in one thread.

Both take turns: gsconvert in a process that times its own runs, ONNX Runtime (all optimizations) in this one, as often.
Printed are medians of the rounds' medians and the median of the rounds' ratios (below 1: gsconvert is faster):

  run       plain runs
  ranges    runs that find the range of every float activation: `--ranges`, against ONNX Runtime with every activation as
            an output and numpy's min and max (gsconvert finds the mean, zeros and what isn't finite as well)
  workers   64 samples with two workers, against gsconvert's own one worker
  memory    peak resident memory of the whole gsconvert process, against that of ONNX Runtime without Python: the pages of
            its library that are resident after the import, and what the process's peak grows by from there until it has
            loaded the model and run it as often
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Tests" / "Oracles"))
import model_feeds  # noqa: E402

MODELS = ["efficientnet_lite0", "ch_PP-OCRv4_det_infer", "ch_PP-OCRv4_rec_infer", "ch_ppocr_mobile_v2.0_cls_infer",
          "paraphrase-MiniLM-L3-v2", "mnist_lstm", "mnist_cnn", "mnist_vit", "silero_vad_16k_sequence", "basic_pitch"]
PEER_MEMORY = """
import resource, sys
import numpy as np, onnxruntime
feed = dict(np.load(sys.argv[2]))
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.log_severity_level = 3
def resident(): return 1024 * int(next(l for l in open("/proc/self/status") if l.startswith("VmRSS")).split()[1])
def library():
    total, counts = 0, False
    for line in open("/proc/self/smaps"):
        head = line.split()[0]
        if "-" in head: counts = "onnxruntime_pybind11_state" in line
        elif counts and head == "Rss:": total += 1024 * int(line.split()[1])
    return total
before = resident() - library()
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
for _ in range(int(sys.argv[3])): session.run(None, feed)
peak = 1024 * int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1])
print(peak - before)
"""


def session(path_or_bytes):
    """ONNX Runtime with one thread and all optimizations."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path_or_bytes, options, providers=["CPUExecutionProvider"])


def observing(path):
    """The model with every float activation of the main graph as an output, and their names."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    known = {value.name: value for value in model.graph.value_info}
    constants = {tensor.name for tensor in model.graph.initializer}
    outputs = {value.name for value in model.graph.output}
    for node in model.graph.node:
        if node.op_type == "Constant" or (node.input and all(name in constants for name in node.input)):
            constants.update(node.output)
            continue
        for name in node.output:
            elements = known[name].type.tensor_type.elem_type if name in known else onnx.TensorProto.FLOAT
            if name and name not in outputs and elements == onnx.TensorProto.FLOAT:
                model.graph.output.append(onnx.helper.make_tensor_value_info(name, elements, None))
    return model.SerializeToString()


class Ours:
    """gsconvert with one model and its inputs in files."""

    def __init__(self, binary, case, feed, folder):
        self.command = [str(binary), "run", str(case.path), "--threads=1", "--logFormat=json"]
        for index, (name, array) in enumerate(feed.items()):
            np.save(folder / f"{index}.npy", array)
            self.command += ["--input", f"{name}={folder}/{index}.npy"]
        self.folder = folder

    def seconds(self, count, *flags):
        """Median seconds of a run."""
        run = subprocess.run([*self.command, f"--repeat={count}", *flags], capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise SystemExit(f"gsconvert failed with status {run.returncode}:\n{run.stderr}")
        return json.loads(run.stdout)["medianSeconds"]

    def memory(self, count):
        """Peak resident bytes of the process."""
        run = subprocess.run([sys.executable, HERE / "measure.py", self.folder / "log", *self.command,
                              f"--repeat={count}"], capture_output=True, text=True, check=True)
        return json.loads(run.stdout)["peak_bytes"]


def timed(work, count):
    """Median seconds of a call, after one that isn't counted."""
    times = []
    work()
    for _ in range(count):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def turns(rounds, first, second):
    """Medians of two measurements in turns, and of their ratio."""
    pairs = [(first(), second()) for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*pairs)] + [statistics.median(a / b for a, b in pairs)]


def tell(name, kind, first, second, ratio, unit, target):
    """One line."""
    mark = "" if target is None else f"   (target {target}{'' if ratio <= target else ', missed'})"
    print(f"{name:32}{kind:9}{first:10.3f}{second:10.3f} {unit}{ratio:8.2f}{mark}", flush=True)


def measure(binary, case, options, folder):
    """All measurements of one model."""
    feed = case.feeds[0]
    own, peer = Ours(binary, case, feed, folder), session(str(case.path))
    once = timed(lambda: peer.run(None, feed), 3)
    count = int(max(5, min(2000, options.seconds / once)))
    if "run" in options.kinds:
        result = turns(options.rounds, lambda: own.seconds(count) * 1e3,
                       lambda: timed(lambda: peer.run(None, feed), count) * 1e3)
        tell(case.name, "run", *result, "ms", 1.15)
    if "ranges" in options.kinds:
        watching = session(observing(case.path))

        def ranges():
            return [(array.min(), array.max()) for array in watching.run(None, feed)
                    if array.dtype == np.float32 and array.size]

        result = turns(options.rounds, lambda: own.seconds(count, f"--ranges={folder}/ranges.csv") * 1e3,
                       lambda: timed(ranges, count) * 1e3)
        tell(case.name, "ranges", *result, "ms", 0.8)
    if "workers" in options.kinds:
        few = max(1, count // 64)
        one, two = (lambda workers=workers: own.seconds(few, "--samples=64", f"--workers={workers}") * 1e3
                    for workers in (1, 2))
        tell(case.name, "workers", *turns(options.rounds, two, one), "ms", 1)
    if "memory" in options.kinds:
        np.savez(folder / "feed.npz", **feed)
        peer_bytes = int(subprocess.run([sys.executable, "-c", PEER_MEMORY, case.path, folder / "feed.npz", "5"],
                                        capture_output=True, text=True, check=True).stdout)
        own_bytes = own.memory(5)
        tell(case.name, "memory", own_bytes / 1e6, peer_bytes / 1e6, own_bytes / peer_bytes, "MB", 1.1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", metavar="GSCONVERT_BINARY", type=Path)
    parser.add_argument("models", metavar="FOLDER", nargs="?", type=Path, default=os.environ.get("GSCONVERT_MODELS"))
    parser.add_argument("--only", metavar="MODEL", nargs="+", default=MODELS, help="names of models")
    parser.add_argument("--kinds", nargs="+", default=["run", "ranges", "workers", "memory"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of ONNX Runtime's runs in one round")
    options = parser.parse_args()
    if not options.models:
        raise SystemExit("name the folder with models, or set GSCONVERT_MODELS")
    print(f"{'model':32}{'what':9}{'gsconvert':>10}{'peer':>10}   {'ratio':>8}")
    for case in model_feeds.cases(Path(options.models), options.only):
        with tempfile.TemporaryDirectory() as folder:
            measure(options.binary.resolve(), case, options, Path(folder))


if __name__ == "__main__":
    main()
