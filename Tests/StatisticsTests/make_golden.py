#!/usr/bin/env python3
"""Print GoldenStatistics.swift: what numpy makes of the data sets of TestData.swift, bin by bin and without any of the
module's shortcuts. Usage: make_golden.py > GoldenStatistics.swift; swift format -i GoldenStatistics.swift
"""

import numpy as np

COUNT, SAMPLES = 20000, 4
GRIDS = ((256, False), (255, True), (65536, False))
TIE, SIDE = 1e-9, 2048


def words(seed, count):
    """SplitMix64."""
    with np.errstate(over="ignore"):
        state = np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15) * np.arange(1, count + 1, dtype=np.uint64)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return state ^ (state >> np.uint64(31))


def bell(seed):
    """Sums of four 16-bit numbers, from -2 to 2, as float64."""
    w = words(seed, COUNT)
    fields = [(w >> np.uint64(16 * i)) & np.uint64(0xFFFF) for i in range(4)]
    return (sum(f.astype(np.int64) for f in fields) - 131070) / 65536.0


def data():
    t = bell(1)
    yield "bell", t
    yield "rectified", np.maximum(bell(2) - 0.25, 0)
    yield "heavy", bell(3) ** 2 * bell(3) * 8
    outlier = bell(4)
    outlier[[7, 12345]] = 50, -31
    yield "outlier", outlier
    yield "ties", np.arange(COUNT) * 7 % 17 * 0.25 - 1.25
    yield "negative", np.abs(bell(5)) * -3
    yield "lopsided", np.where(bell(6) < 0, bell(6) * 0.125, bell(6) * 4)


def histogram(x):
    """Bin width, counts of positive and of negative values from 0 outward."""
    top = np.abs(x).max()
    exponent = int(np.floor(np.log2(top))) + 1
    width = 2.0 ** (exponent - 11)
    sides = [np.bincount((s[s > 0] / width).astype(int), minlength=1) for s in (x, -x)]
    return width, [np.trim_zeros(s, "b").astype(float) for s in sides]


def divergence(window, below, above, groups):
    """Divergence of the bins of a window with the outer mass at its ends from the bins merged into groups."""
    if len(window) < groups or (below and not window[0]) or (above and not window[-1]):
        return np.inf
    p = window.copy()
    p[0] += below
    p[-1] += above
    borders = np.arange(groups + 1) * len(window) / groups
    edges = np.arange(len(window) + 1)
    # part[b, g]: how much of bin b lies in group g.
    low = np.maximum(edges[:-1, None], borders[None, :-1])
    part = np.clip(np.minimum(edges[1:, None], borders[None, 1:]) - low, 0, None)
    part[part < 1e-9] = 0
    full = window > 0
    places = part.T @ full
    level = np.divide(part.T @ window, places, out=np.zeros(groups), where=places > 0)
    q = np.where(full, part @ level, 0)
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum(p[p > 0] * np.log(p[p > 0] / q[p > 0])))


def kl_divergences(x, levels, symmetric):
    """Bin width, and for each number of bins to both sides of 0 the divergence."""
    width, (positive, negative) = histogram(x)
    if symmetric:
        size = max(len(positive), len(negative))
        line = np.pad(positive, (0, size - len(positive))) + np.pad(negative, (0, size - len(negative)))
        zero, groups = 0, (levels + 1) // 2
    else:
        line, zero, groups = np.concatenate([negative[::-1], positive]), len(negative), levels
    reach = max(zero, len(line) - zero)
    divergences = np.full(reach + 1, np.inf)
    for i in range(1, reach + 1):
        first, last = max(0, zero - i), min(len(line), zero + i)
        divergences[i] = divergence(line[first:last], line[:first].sum(), line[last:].sum(), groups)
    return width, divergences


def kl_threshold(x, levels, symmetric):
    """Threshold of least divergence among those near the least expected error, and all divergences."""
    width, divergences = kl_divergences(x, levels, symmetric)
    lower, upper = whole_range(x, symmetric)
    largest, reach = max(-lower, upper), len(divergences) - 1

    def error(threshold):
        return expected_error(x, max(lower, -threshold), min(upper, threshold), levels)

    thresholds = largest * 2.0 ** (-np.arange(65) / 8)
    errors = np.array([error(t) for t in thresholds])
    best = int(errors.argmin())
    most = min(2 * errors[best], errors[0])
    first = last = best
    while first > 0 and errors[first - 1] <= most:
        first -= 1
    while last < 64 and errors[last + 1] <= most:
        last += 1
    listed = [i for i in range(1, reach) if thresholds[last] <= i * width <= thresholds[first]]
    values = {i * width: divergences[i] for i in listed}
    if first == 0:
        values[largest] = divergences[reach]
    least = min(values.values(), default=np.inf)
    if np.isfinite(least):
        chosen = max(t for t, d in values.items() if d <= least + TIE)
        if error(chosen) <= most:
            return chosen, divergences
    return thresholds[best], divergences


def expected_error(x, lower, upper, levels):
    """Sum of squared errors, each bin's values spread evenly; the integral is cut at half steps."""
    width, sides = histogram(x)
    step = (upper - lower) / (levels - 1)
    below = np.floor(-lower / step + 0.5)
    total = 0.0
    for counts, most, end in ((sides[0], levels - 1 - below, x.max()), (sides[1], below, -x.min())):
        edges = np.arange(len(counts) + 1) * width
        if len(counts):
            edges[-1] = max(end, (len(counts) - 1 + 2.0**-10) * width)
        for count, a, b in zip(counts, edges[:-1], edges[1:]):
            if count:
                inner = (np.arange(np.floor(a / step), np.ceil(b / step) + 1) + 0.5) * step
                cuts = np.concatenate([[a], inner[(inner > a) & (inner < b)], [b]])
                near = np.minimum(np.round((cuts[:-1] + cuts[1:]) / 2 / step), most) * step
                total += count * np.sum((cuts[1:] - near) ** 3 - (cuts[:-1] - near) ** 3) / 3 / (b - a)
    return total


def whole_range(x, symmetric):
    lower, upper = min(x.min(), 0), max(x.max(), 0)
    return (-max(-lower, upper), max(-lower, upper)) if symmetric else (lower, upper)


def specified_kl(counts):
    """The KL method as the original defines it: bins begin at 1e-7, 128 groups, first best of 128..2047 bins."""
    bins = np.maximum(counts, 1e-7)
    results = [divergence(bins[:i], 0, bins[i:].sum(), 128) for i in range(128, 2048)]
    return 128 + int(np.argmin(results)), min(results)


def swift(value):
    return {"inf": ".infinity", "-inf": "-.infinity"}.get(repr(float(value)), repr(float(value)))


def main():
    print("/// Made by make_golden.py with numpy.\nenum GoldenStatistics {")
    values = np.append((7919 * np.arange(1000)) % 1000 / 1000, 4.0)
    counts = np.bincount(np.minimum((values[values > 0] / (4 / 2048)).astype(int), 2047), minlength=2048)
    best, least = specified_kl(counts.astype(float))
    print(f"  static let specifiedBins = {best}\n  static let specifiedDivergence = {swift(least)}\n")
    print("  static let all: [GoldenTensor] = [")
    for name, x in data():
        x = x.astype(np.float32).astype(np.float64)
        parts = [np.sort(s) for s in x.reshape(SAMPLES, -1)]
        n = COUNT // SAMPLES
        tails = [np.mean([p[int(q * n)] for p in parts]) for q in (0.0001, 0.9999)]
        ordered = np.sort(x)
        quartiles = [ordered[int(q * COUNT)] for q in (0.25, 0.5, 0.75)]
        step = (max(x.max(), 0) - min(x.min(), 0)) / 64
        rounded = np.clip((np.round(x / step) * step).astype(np.float32), -1.5, 1.5)
        clip = np.mean((x < rounded.min()) | (x > rounded.max()))
        cosine = x @ rounded / np.sqrt((x @ x) * (rounded.astype(float) @ rounded))
        print(f'    GoldenTensor(name: "{name}", minimum: {swift(x.min())}, maximum: {swift(x.max())},')
        print(f"      tails: [{', '.join(map(swift, tails))}], quartiles: [{', '.join(map(swift, quartiles))}],")
        print(f"      mean: {swift(x.mean())}, variance: {swift(x.var())}, sparsity: {swift(np.mean(x == 0))},")
        print(f"      step: {swift(step)}, clip: {swift(clip)}, cosine: {swift(cosine)}, grids: [")
        for levels, symmetric in GRIDS:
            lower, upper = whole_range(x, symmetric)
            shares = (1, 0.5) if not symmetric else (0.75, 0.75)
            whole = expected_error(x, lower, upper, levels)
            part = expected_error(x, lower * shares[0], upper * shares[1], levels)
            threshold, divergences = kl_threshold(x, levels, symmetric)
            points = sorted({len(divergences) - 1, *np.flatnonzero(np.isfinite(divergences))[::97].tolist()})
            listed = ", ".join(f"{i}: {swift(divergences[i])}" for i in points)
            print(f"        GoldenGrid(levels: {levels}, isSymmetric: {str(symmetric).lower()},")
            print(f"          threshold: {swift(threshold)}, divergences: [{listed}],")
            print(f"          shares: [{shares[0]}, {shares[1]}], wholeError: {swift(whole)}, partError: {swift(part)}),")
        print("      ]),")
    print("  ]\n}")


if __name__ == "__main__":
    main()
