#!/usr/bin/env python3
"""Checks the budgets of mixed bits: each is met, and none of its bits are wasted.

    python3 Tests/Oracles/budgets.py BINARY MODEL.onnx --samples INPUT=FOLDER [INPUT=FOLDER ...]
        [--count 24] [--widths 2 3 4 5 6 8] [--format MINDIR_LITE] [--skip size bits cosine]

Folders hold one .npy file a sample. Those beyond --count score what was chosen, the first ones uniform widths, which look
at none. target_size must be used to 1 %, target_bits to 0.05, never exceeded, and target_cosine reached; a file of the
size that a uniform width gives must have a better cosine than that, in the mean of the outputs, and no smaller uniform
one may be better than what target_cosine gave. Ends with 1 where anything fails.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

SHARED = """[common_quant_param]
quant_type=WEIGHT_QUANT
bit_num={bits}
min_quant_weight_size=0
min_quant_weight_channel=0
"""


class Conversions:
    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder
        paths = ",".join(":".join(item.rsplit("=", 1)) for item in arguments.samples)
        self.data = f"[data_preprocess_param]\ncalibrate_path={paths}\ncalibrate_size={arguments.count}\ninput_type=BIN\n"

    def run(self, bits, target=None):
        """Bytes, mean cosine of the outputs, mean bits and seconds."""
        text = SHARED.format(bits=bits) + self.data
        if target:
            text += f"[mixed_bit_weight_quant_param]\n{target}\n"
        configuration, output = (os.path.join(self.folder, name) for name in ("job.cfg", "out"))
        with open(configuration, "w") as file:
            file.write(text)
        start = time.time()
        run = subprocess.run(
            [self.arguments.binary, "--fmk=ONNX", f"--modelFile={self.arguments.model}", f"--outputFile={output}",
             f"--saveType={self.arguments.format}", f"--configFile={configuration}", "--logFormat=json"],
            capture_output=True, text=True)
        if run.returncode:
            sys.exit(run.stdout[-500:] + run.stderr[-2000:])
        summary = json.loads([line for line in run.stdout.split("\n") if line.startswith("{")][-1])
        cosines = [value["cosine"] for value in summary["quality"]["outputs"]]
        size = sum(os.path.getsize(path) for path in summary["files"])
        return size, sum(cosines) / len(cosines), summary.get("mixedBit", {}), time.time() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("model")
    parser.add_argument("--samples", nargs="+", required=True)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--widths", nargs="*", type=int, default=[2, 3, 4, 5, 6, 8])
    parser.add_argument("--format", default="MINDIR_LITE")
    parser.add_argument("--skip", nargs="*", default=[])
    arguments = parser.parse_args()
    failures = 0

    def tell(isGood, text):
        nonlocal failures
        failures += not isGood
        print(("" if isGood else "FAILS  ") + text, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        conversions = Conversions(arguments, folder)
        uniform = [(bits,) + conversions.run(bits)[:2] for bits in arguments.widths]
        for bits, size, cosine in uniform if "size" not in arguments.skip else []:
            found, better, _, seconds = conversions.run(0, f"target_size={size}")
            tell(0.99 * size <= found <= size and better >= cosine,
                 f"target_size={size} of {bits} bits: {found / size:.4f}, cosine {better:.6f} for {cosine:.6f}, "
                 f"{seconds:.1f} s")
        for target in [2.5, 4, 5.5] if "bits" not in arguments.skip else []:
            size, cosine, mixed, seconds = conversions.run(0, f"target_bits={target}")
            tell(target - 0.05 <= mixed["meanBits"] <= target,
                 f"target_bits={target}: {mixed['meanBits']:.4f}, {size} bytes, cosine {cosine:.6f}, {seconds:.1f} s")
        for target in [0.98, 0.995, 0.999] if "cosine" not in arguments.skip else []:
            size, cosine, mixed, seconds = conversions.run(0, f"target_cosine={target}")
            worse = [bits for bits, bytes, other in uniform if bytes <= size and other > cosine]
            tell(mixed["cosine"] >= target and not worse,
                 f"target_cosine={target}: {mixed['cosine']:.6f}, held back {cosine:.6f}, {size} bytes, {seconds:.1f} s")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
