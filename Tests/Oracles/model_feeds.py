"""Inputs for real models in a folder: pictures, pages, digits, speech, chords and texts made from formulas.

Every model gets inputs of at least two shapes. Whatever the folder lacks is left out.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Case:
    """A model file and its inputs, a dictionary for each shape."""
    name: str
    path: Path
    feeds: list


def made(inputs, low=-1):
    """Numbers from `low` to 1, or 0 and 1 for integers, for inputs of ONNX Runtime; open extents are 2."""
    random = np.random.RandomState(1)
    feeds = {}
    for value in inputs:
        shape = [size if isinstance(size, int) else 2 for size in value.shape]
        whole = value.type == "tensor(int64)"
        feeds[value.name] = random.randint(0, 2, shape) if whole else random.uniform(low, 1, shape).astype(np.float32)
    return feeds


def picture(height, width, seed=0):
    """A coloured texture of waves, edges and noise, of numbers about -2 to 2: 1, 3, height, width."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    channels = []
    for _ in range(3):
        fine, coarse, turn = random.uniform(0.2, 0.6), random.uniform(0.01, 0.05), random.uniform(0, 6)
        waves = np.sin(coarse * x + turn) * np.cos(coarse * y) + 0.5 * np.sign(np.sin(fine * (x + y) + turn))
        channels.append(waves + random.normal(0, 0.1, waves.shape))
    return np.stack(channels)[None].astype(np.float32)


def page(height, width, line, seed=0):
    """Dark strokes in lines of that height on a light page, of numbers from -1 to 1: 1, 3, height, width."""
    random = np.random.default_rng(seed)
    ink = np.ones((height, width), np.float32)
    for top in range(line // 4, height - line + 1, line * 2):
        left = line // 2
        while left < width - line:
            for _ in range(3):
                at, size = random.integers(0, line // 2, 2), random.integers(line // 8 + 1, line // 2 + 1, 2)
                thick = max(1, line // 8)
                vertical = random.random() < 0.5
                ink[top + at[0]:top + at[0] + (size[0] if vertical else thick),
                    left + at[1]:left + at[1] + (thick if vertical else size[1])] = -0.9
            left += line if random.random() < 0.2 else line * 2 // 3
    noise = random.normal(0, 0.02, (3, height, width))
    return np.clip(ink + noise, -1, 1)[None].astype(np.float32)


def digits(count):
    """Strokes on 28 x 28 fields, of numbers from 0 to 1: count, 1, 28, 28."""
    return np.concatenate([(1 - page(28, 28, 16, seed)[:, :1]) / 2 for seed in range(count)])


def voice(rate, seconds, seed=0):
    """Syllables: a pulse train with formants that comes and goes, in a little noise."""
    time = np.arange(int(rate * seconds)) / rate
    pitch = 120 + 20 * np.sin(2 * np.pi * 1.5 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    sound = sum(np.exp(-((120 * k - 700) / 600) ** 2) * np.sin(k * phase) for k in range(1, 25))
    loudness = np.clip(np.sin(2 * np.pi * 3 * time), 0, 1) * (time % 1.0 > 0.3)
    return (0.1 * sound * loudness + np.random.default_rng(seed).normal(0, 2e-3, time.size)).astype(np.float32)


def chord(count, notes):
    """Decaying harmonic notes at 22,050 samples a second."""
    time = np.arange(count) / 22050
    sound = sum(np.sin(2 * np.pi * note * k * time) * np.exp(-2 * (time % 0.5)) / k for note in notes for k in (1, 2, 3))
    return (0.2 * sound + np.random.default_rng(1).normal(0, 1e-3, count)).astype(np.float32)


def steps(rows, samples=576, rate=16000):
    """A clip cut into the pieces that a voice detector is fed: rows, samples."""
    return np.stack(np.split(voice(rate, rows * samples / rate + 0.001)[:rows * samples], rows))


def tokens(batch, length, vocabulary, padding=0, seed=0):
    """Token numbers and their mask, whose last `padding` tokens of the first row are left out."""
    ids = np.random.default_rng(seed).integers(1000, vocabulary, (batch, length)).astype(np.int64)
    mask = np.ones_like(ids)
    if padding:
        mask[0, -padding:] = 0
        ids[0, -padding:] = 0
    return {"input_ids": ids, "attention_mask": mask}


def detector(rows, samples, rate, state=0.1):
    """Inputs of a voice detector with a state."""
    return {"input": steps(rows, samples, rate), "state": np.full((2, rows, 128), state, np.float32),
            "sr": np.array(rate, np.int64)}


def language(batch, length):
    """Inputs of a decoder."""
    ids = tokens(batch, length, 40000)["input_ids"]
    return {"input_ids": ids, "position_ids": np.tile(np.arange(length, dtype=np.int64), (batch, 1))}


def all_feeds():
    """Feeds by model file, made when asked for."""
    zero = np.zeros((1, 1, 128), np.float32)
    audio = "serving_default_input_2:0"
    chords = [chord(43844, notes).reshape(1, -1, 1) for notes in ((220, 277.2, 329.6), (98, 440))]
    return {
        "efficientnet_lite0": lambda: [{"input": picture(224, 224)},
                                       {"input": np.concatenate([picture(224, 224, s) for s in (1, 2)])}],
        "ch_PP-OCRv4_det_infer": lambda: [{"x": page(640, 640, 24)}, {"x": page(256, 320, 32)}],
        "ch_PP-OCRv4_rec_infer": lambda: [{"x": page(48, 320, 40)}, {"x": page(48, 160, 40)}],
        "ch_ppocr_mobile_v2.0_cls_infer": lambda: [
            {"x": page(48, 192, 40)}, {"x": np.concatenate([page(48, 192, 40, s) for s in (1, 2)])}],
        "paraphrase-MiniLM-L3-v2": lambda: [tokens(1, 128, 30000), tokens(2, 50, 30000, padding=20)],
        "mnist_cnn": lambda: [{"image": digits(1)}, {"image": digits(3)}],
        "mnist_lstm": lambda: [{"image": digits(1)}, {"image": digits(3)}],
        "mnist_vit": lambda: [{"image": digits(1)}, {"image": digits(3)}],
        "silero_vad": lambda: [detector(2, 576, 16000), detector(1, 288, 8000)],
        "silero_vad_16k_op15": lambda: [detector(1, 576, 16000), detector(3, 576, 16000)],
        "silero_vad_op18_ifless": lambda: [detector(1, 576, 16000), detector(3, 576, 16000)],
        "silero_vad_16k_sequence": lambda: [{"input": steps(rows), "h": zero, "c": zero} for rows in (90, 40)],
        "basic_pitch": lambda: [{audio: chords[0]}, {audio: np.concatenate(chords)}],
        "smollm2_135m": lambda: [language(1, 64), language(2, 9)],
    }


def cases(folder, names=None):
    """The cases of the models in a folder, or in `trained` inside it; says which are missing."""
    for name, feeds in all_feeds().items():
        if names is not None and name not in names:
            continue
        path = next((p for p in (folder / f"{name}.onnx", folder / "trained" / f"{name}.onnx") if p.exists()), None)
        if path is None:
            print(f"{name}: skipped, the folder has no such model")
        else:
            yield Case(name, path, feeds())
