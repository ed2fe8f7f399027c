#!/usr/bin/env python3
"""Checks DYNAMIC_QUANT `.ms` files in the real MindSpore Lite runtime against ONNX Runtime's float results.

Converts each model with both strategies and compares outputs on the inputs of `model_feeds`. Exits 1 where a file
isn't loaded, the files of the strategies are the same, or the cosine of ALWC is below the bound: what the real
converter's file of the first model gives. The 2.0 runtime takes one scale for all rows of an activation, and one for
all weights costs much, so that ACWL only has to be near.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import model_feeds
import ms_float

MODELS = ["paraphrase-MiniLM-L3-v2", "ch_PP-OCRv4_rec_infer", "mnist_vit"]
BOUNDS = {"ALWC": 0.99512, "ACWL": 0.85}


def convert(binary, case, strategy, target):
    config = target.with_suffix(".cfg")
    config.write_text("[common_quant_param]\nquant_type=DYNAMIC_QUANT\n"
                      f"[dynamic_quant_param]\nquant_strategy={strategy}\n")
    shapes = ";".join(f"{name}:{','.join(map(str, array.shape))}" for name, array in case.feeds[0].items())
    subprocess.run([binary, f"--modelFile={case.path}", f"--outputFile={target}", f"--configFile={config}",
                    f"--inputShape={shapes}", "--quiet=true"], check=True, capture_output=True)


def check(runtime, case, target, folder):
    """The least cosine of the float outputs on the first input."""
    session, feed = ms_float.peer(case.path), case.feeds[0]
    names = [value.name for value in session.get_inputs()]
    expected = session.run(None, feed)
    found = ms_float.run(runtime, target, names, feed, folder)
    return min(ms_float.cosine(a, b) for a, b in zip(found, expected))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("models", type=Path)
    parser.add_argument("runtime", nargs="+", help="the command that runs a .ms model")
    parser.add_argument("--only", action="append")
    arguments = parser.parse_args()
    failures = 0
    for case in model_feeds.cases(arguments.models, arguments.only or MODELS):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            files = {strategy: folder / f"{strategy}.ms" for strategy in BOUNDS}
            for strategy, target in files.items():
                convert(arguments.binary, case, strategy, target)
                near = check(arguments.runtime, case, target, folder)
                failures += near < BOUNDS[strategy]
                print(f"{case.name} {strategy}: {target.stat().st_size} bytes, cosine {near:.5f}", flush=True)
            if files["ALWC"].read_bytes() == files["ACWL"].read_bytes():
                failures += 1
                print(f"{case.name}: both strategies give the same file")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
