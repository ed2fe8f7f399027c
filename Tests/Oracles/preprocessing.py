#!/usr/bin/env python3
"""Checks gsconvert's images and preprocessing against OpenCV, through `gsconvert samples`.

Makes images of every format, orientation and depth in two sizes, lets gsconvert prepare them with each colour order,
resizing and cut, and compares every number with OpenCV's: decoding to the bit, resizing within 5e-4 of 255 of OpenCV's on
the same floats and within 1 of 255 of OpenCV's 8-bit resizing. Exits 1 on any mismatch.
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "fixtures"))
import make_images  # noqa: E402

NORMALIZATION = {1: ([120.5], [58.0]), 3: ([123.7, 116.3, 103.5], [58.4, 57.1, 57.4])}


@dataclass(frozen=True)
class Case:
    """What becomes of every image."""
    colour: str
    resize: tuple = ()
    crop: tuple = ()
    normalizes: bool = True

    def __str__(self):
        parts = [self.colour, *map(str, self.resize), *(["crop"] if self.crop else []), *map(str, self.crop)]
        return " ".join(parts + ([] if self.normalizes else ["raw"]))

    @property
    def channels(self):
        return 1 if self.colour == "gray" else 3

    @property
    def normalization(self):
        return NORMALIZATION[self.channels] if self.normalizes else ([0] * self.channels, [1] * self.channels)

    def configuration(self, folder, count):
        lines = ["[common_quant_param]", "quant_type=FULL_QUANT", "[data_preprocess_param]",
                 f"calibrate_path=x:{folder}", f"calibrate_size={count}", "input_type=IMAGE",
                 f"image_to_format={self.colour.upper()}"]
        if self.normalizes:
            mean, std = self.normalization
            lines += [f"normalize_mean={list(mean)}", f"normalize_std={list(std)}"]
        if self.resize:
            lines += [f"resize_method={self.resize[0].upper()}", f"resize_width={self.resize[1]}",
                      f"resize_height={self.resize[2]}"]
        if self.crop:
            lines += [f"center_crop_width={self.crop[0]}", f"center_crop_height={self.crop[1]}"]
        return "\n".join(lines) + "\n"


def cases():
    yield from (Case(colour, normalizes=False) for colour in ("rgb", "bgr", "gray"))
    for colour in ("rgb", "bgr", "gray"):
        for method in ("linear", "nearest", "cubic"):
            yield Case(colour, (method, 224, 224))
            yield Case(colour, (method, 33, 61), (32, 29))
            yield Case(colour, (method, 64, 48), normalizes=False)


def model(channels, path):
    """A model that gives back its input of unknown height and width."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, "h", "w"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", value[:1], value[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def eight_bit(pixels, case):
    """The same steps with OpenCV on 8-bit pixels, before normalization."""
    if case.colour == "gray":
        pixels = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)[..., None]
    elif case.colour == "bgr":
        pixels = pixels[..., ::-1]
    return make_images.prepared(pixels, "rgb", 0, 1, None, None).astype(np.uint8)


def problems(found, pixels, case):
    """What is wrong with one image, a text for each."""
    mean, std = case.normalization
    expected = make_images.prepared(pixels, case.colour, mean, std, case.resize, case.crop)
    if found.shape != expected.shape:
        return [f"shape {found.shape}, not {expected.shape}"]
    errors = []
    error = np.abs(found - expected).max()
    if error > (1e-5 if case.normalizes else 5e-4):
        errors.append(f"off by {error}")
    if not case.resize and error != 0:
        errors.append(f"pixels differ by {error}")
    whole = np.clip(np.rint(found * np.array(std) + np.array(mean)), 0, 255)
    rounded = eight_bit(pixels, case)
    if case.resize:
        method, width, height = case.resize
        rounded = cv2.resize(np.ascontiguousarray(rounded), (width, height),
                             interpolation=make_images.INTERPOLATIONS[method]).reshape(height, width, -1)
    if case.crop:
        top, left = (rounded.shape[0] - case.crop[1]) // 2, (rounded.shape[1] - case.crop[0]) // 2
        rounded = rounded[top:top + case.crop[1], left:left + case.crop[0]]
    error = np.abs(whole - rounded).max()
    if error > 1:
        errors.append(f"{error} of 255 from 8-bit resizing")
    return errors


def check(binary, case, folder, pixels):
    """Runs one case on all images; the number of wrong ones."""
    job, network, output = folder / "job.cfg", folder / "model.onnx", folder / "seen"
    job.write_text(case.configuration(folder / "images", len(pixels)))
    model(case.channels, network)
    run = subprocess.run([binary, "samples", f"--configFile={job}", f"--modelFile={network}",
                          f"--outputDir={output}"], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        print(f"{case}: exit code {run.returncode}: {run.stderr[:400]}")
        return len(pixels)
    wrong = 0
    for index, name in enumerate(sorted(pixels, key=str.encode)):
        found = np.load(output / f"x_{index:04}.npy")[0].transpose(1, 2, 0)
        errors = problems(found, pixels[name], case)
        wrong += bool(errors)
        for error in errors:
            print(f"{case}, {name}: {error}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", metavar="GSCONVERT_BINARY", type=Path)
    binary = parser.parse_args().binary.resolve()
    passed, failed = 0, 0
    with tempfile.TemporaryDirectory() as path:
        folder, pixels = Path(path), {}
        (folder / "images").mkdir()
        for width, height in [(71, 53), (160, 257)]:
            for name, data in make_images.images(width, height, seed=width).items():
                name = f"{width}_{name}"
                (folder / "images" / name).write_bytes(data)
                pixels[name] = make_images.read(data)
        for case in cases():
            wrong = check(binary, case, folder, pixels)
            failed += wrong
            passed += len(pixels) - wrong
    print(f"{passed} images as OpenCV prepares them, {failed} not")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
