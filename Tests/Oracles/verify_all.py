#!/usr/bin/env python3
"""Checks gsconvert's weight quantization against numpy and ONNX Runtime, to the last bit.

Converts the digit classifiers, and further models given as arguments, with every bit_num, with and
without per_channel and bias_correction, with both rounding methods, and compares each result with
what weight_quant.py computes from the formulas. Exits 1 on any mismatch.
"""

import argparse
import contextlib
import io
import itertools
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import onnx

import weight_quant

ROOT = Path(__file__).resolve().parent.parent.parent
MODELS = [ROOT / "fixtures/digits/digits_cnn.onnx", ROOT / "fixtures/digits/digits_lstm.onnx"]


@dataclass(frozen=True)
class Case:
    """One configuration."""
    bits: int
    per_channel: bool
    bias_correction: bool
    rounding: str

    def __str__(self):
        return (f"bit_num={self.bits} per_channel={self.per_channel} "
                f"bias_correction={self.bias_correction} {self.rounding}")

    @property
    def configuration(self):
        return (f"[common_quant_param]\nquant_type=WEIGHT_QUANT\nbit_num={self.bits}\n"
                "min_quant_weight_size=0\nmin_quant_weight_channel=0\n"
                f"[weight_quant_param]\nper_channel={self.per_channel}\n"
                f"bias_correction={self.bias_correction}\nweight_range_method=MAX_MIN\n"
                f"weight_round_method={self.rounding}\n")

    def options(self, strict):
        """The same for weight_quant.py; with bias_correction small channels may stay float."""
        arguments = [f"--bits={self.bits}", f"--round={self.rounding}", "--min-channel=0"]
        arguments += [] if self.per_channel else ["--per-tensor"]
        arguments += ["--strict"] if strict and not self.bias_correction else []
        arguments += [] if self.bias_correction else ["--no-bias-correction"]
        return weight_quant.parser().parse_args(arguments)


def cases():
    return [Case(*values) for values in itertools.product(
        range(1, 17), (True, False), (True, False), ("NEAREST", "SQUANT"))]


def problems(binary, path, model, case, folder):
    """What is wrong with one conversion, a text for each; empty if all is well."""
    configuration, result = folder / "job.cfg", folder / "result.onnx"
    configuration.write_text(case.configuration)
    result.unlink(missing_ok=True)
    run = subprocess.run(
        [binary, f"--modelFile={path}", f"--outputFile={result}", f"--configFile={configuration}",
         "--quiet"], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        return [f"exit code {run.returncode}: {run.stderr.splitlines()[:1]}"]
    printed = io.StringIO()
    # Of an unknown model some weights may rightly stay float.
    options = case.options(strict=path in MODELS)
    with contextlib.redirect_stdout(printed):
        mismatches = weight_quant.check(model, onnx.load(result), options)
    lines = printed.getvalue().splitlines()
    found = [] if mismatches == 0 else [f"{mismatches} mismatches"] + [
        line for line in lines if " NO " in line or "should" in line or "wrong" in line
        or "missing" in line]
    if lines[-1].startswith("0 quantized"):
        found.append("nothing is quantized")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", metavar="GSCONVERT_BINARY", type=Path)
    parser.add_argument("models", metavar="MODEL.onnx", nargs="*", type=Path)
    arguments = parser.parse_args()
    start, passed, failed = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for path in MODELS + [model.resolve() for model in arguments.models]:
            model = onnx.load(path)
            for case in cases():
                found = problems(arguments.binary.resolve(), path, model, case, Path(folder))
                if found:
                    failed += 1
                    print(f"{path.name} {case}: {'; '.join(' '.join(f.split()) for f in found)}")
                else:
                    passed += 1
    print(f"{passed} passed, {failed} failed ({time.monotonic() - start:.0f} s)")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
