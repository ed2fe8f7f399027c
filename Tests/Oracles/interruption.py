#!/usr/bin/env python3
"""Kills gsconvert at random moments and looks at what it leaves behind.

Each time a conversion runs over an existing result. Whatever the moment, the result has to be the
old file or the complete new one, byte by byte, and no other file may be left. Exits 1 otherwise.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIGURATION = "[common_quant_param]\nquant_type=WEIGHT_QUANT\nmin_quant_weight_channel=0\n"
OLD = b"an older result\n" * 1000


class Bench:
    """A folder with an older result and a conversion over it."""

    def __init__(self, binary, model, folder):
        self.results, self.configuration = folder / "results", folder / "job.cfg"
        self.results.mkdir()
        self.configuration.write_text(CONFIGURATION)
        self.command = [binary, f"--modelFile={model}", f"--outputFile={self.result}",
                        f"--configFile={self.configuration}", "--quiet"]

    @property
    def result(self):
        return self.results / "result.onnx"

    def reset(self):
        for file in self.results.iterdir():
            file.unlink()
        self.result.write_bytes(OLD)

    def convert(self, seconds=None):
        """Runs the conversion, killed after that time; whether it was killed before its end."""
        self.reset()
        with subprocess.Popen(self.command, stdout=subprocess.DEVNULL) as process:
            if seconds is not None:
                time.sleep(seconds)
                process.kill()
            status = process.wait()
        if status not in (0, -9):
            raise SystemExit(f"the conversion failed with exit code {status}")
        return status == -9

    def problem(self, new):
        """What is wrong with the folder; None if all is well."""
        others = sorted(file.name for file in self.results.iterdir() if file != self.result)
        if others:
            return f"left behind: {', '.join(others)}"
        if not self.result.exists():
            return "the result is gone"
        found = self.result.read_bytes()
        if found in (OLD, new):
            return None
        return f"a result of {len(found)} bytes, neither old nor new"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", metavar="GSCONVERT_BINARY", type=Path)
    parser.add_argument("model", metavar="MODEL", type=Path)
    parser.add_argument("--count", type=int, default=50, help="conversions to interrupt")
    parser.add_argument("--seed", type=int, help="repeats the moments of an earlier run")
    arguments = parser.parse_args()
    seed = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
    moments = random.Random(seed)
    print(f"seed {seed}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments.binary.resolve(), arguments.model.resolve(), Path(folder))
        durations = []
        for _ in range(3):
            start = time.monotonic()
            bench.convert()
            durations.append(time.monotonic() - start)
        new, longest = bench.result.read_bytes(), max(durations)
        passed = failed = killed = replaced = 0
        for number in range(arguments.count):
            moment = moments.uniform(0, 1.1 * longest)
            killed += bench.convert(moment)
            problem = bench.problem(new)
            if problem:
                failed += 1
                print(f"run {number}, killed after {moment * 1000:.1f} ms: {problem}")
            else:
                passed += 1
                replaced += bench.result.read_bytes() == new
    print(f"{killed} killed before their end, {replaced} new results, {passed - replaced} old ones")
    print(f"{passed} passed, {failed} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
