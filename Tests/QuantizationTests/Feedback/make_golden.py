#!/usr/bin/env python3
"""Print GoldenFeedback.swift: what GPTQ as its paper states it (arXiv 2210.17323: the inverse of the damped second moments,
its upper Cholesky factor, one column after another, errors pushed into those that follow) makes of made weights and
inputs. Usage: make_golden.py > GoldenFeedback.swift; swift format -i GoldenFeedback.swift
"""

import numpy as np


def words(seed, count):
    """SplitMix64."""
    with np.errstate(over="ignore"):
        state = np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15) * np.arange(1, count + 1, dtype=np.uint64)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return state ^ (state >> np.uint64(31))


def units(seed, count):
    """Multiples of 1/4096 from 0 to 1, exact in single precision."""
    return (words(seed, count) >> np.uint64(52)).astype(np.float64) / 4096


def gptq(weights, moments, scale, lowest, highest):
    """weights [channels, n], moments [n, n]; integers around zero."""
    size = len(moments)
    order = np.argsort(-np.diag(moments), kind="stable")
    damped = moments[order][:, order] + np.eye(size) * 0.01 * np.mean(np.diag(moments))
    factor = np.linalg.cholesky(np.linalg.inv(damped)).T
    left = weights[:, order].copy()
    integers = np.zeros_like(left)
    for i in range(size):
        integers[:, i] = np.clip(np.round(left[:, i] / scale), lowest, highest)
        error = (left[:, i] - integers[:, i] * scale) / factor[i, i]
        left[:, i:] -= np.outer(error, factor[i, i:])
    result = np.zeros_like(integers)
    result[:, order] = integers
    return result.astype(int)


def main():
    print("// Made by make_golden.py.\n")
    print("/// Made weights, inputs and what GPTQ rounds the weights to on a grid without zero point.")
    print("let goldenFeedback: [GoldenFeedback] = [")
    for seed, (channels, size, rows, bits) in enumerate([(3, 5, 40, 4), (17, 12, 30, 3), (16, 33, 200, 2), (5, 8, 4, 4)], 1):
        weights = units(10 * seed, channels * size).reshape(channels, size) * 2 - 1
        mix = units(10 * seed + 1, size * size).reshape(size, size)
        inputs = units(10 * seed + 2, rows * size).reshape(rows, size) @ np.round(mix * 16) / 16
        inputs = inputs.astype(np.float32)
        moments = inputs.astype(np.float64).T @ inputs.astype(np.float64) / rows
        scale = 2.0 ** (1 - bits)
        integers = gptq(weights, moments, scale, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        print(f"  GoldenFeedback(seed: {seed}, channels: {channels}, size: {size}, rows: {rows}, bits: {bits},")
        print(f"    integers: {integers.ravel().tolist()}),")
    print("]")


main()
