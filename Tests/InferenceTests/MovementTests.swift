import CKernels
import ModelGraph
import Support
import Testing

@testable import Inference

/// All indices of a shape, the last axis fastest.
private func indices(of shape: [Int]) -> [[Int]] {
  shape.reduce([[]]) { known, extent in known.flatMap { index in (0..<extent).map { index + [$0] } }
  }
}

private func place(_ index: [Int], _ strides: [Int]) -> Int {
  zip(index, strides).reduce(0) { $0 + $1.0 * $1.1 }
}

@Suite struct MovementTests {
  /// Random extents, a random order of axes in the source, some of them backwards, repeated or apart.
  @Test(arguments: 0..<300)
  func movingEqualsOneElementAtATime(seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    let rank = Int.random(in: 0...4, using: &generator)
    let sizes = seed % 3 == 0 ? [0, 1, 2, 33, 70] : [1, 2, 3, 4, 5, 16, 19]
    let extents = (0..<rank).map { _ in sizes.randomElement(using: &generator) ?? 1 }
    guard extents.reduce(1, *) < 100_000 else { return }
    let width = [1, 2, 4, 8, 16].randomElement(using: &generator) ?? 1
    let to = strides(extents, gap: Int.random(in: 1...2, using: &generator), &generator)
    var from = strides(extents, gap: Int.random(in: 1...2, using: &generator), &generator)
    var first = 0
    for axis in 0..<rank {
      switch Int.random(in: 0..<6, using: &generator) {
      case 0: from[axis] = 0
      case 1:
        first += from[axis] * max(0, extents[axis] - 1)
        from[axis] *= -1
      default: break
      }
    }
    let room = 2 * extents.map { max(1, $0) }.reduce(1, *) + 1
    let source = (0..<room * width).map { _ in UInt8.random(in: 0...255, using: &generator) }
    var moved = [UInt8](repeating: 0, count: room * width)
    var expected = moved
    for index in indices(of: extents) {
      for byte in 0..<width {
        expected[place(index, to) * width + byte] =
          source[
            (first + place(index, from)) * width + byte]
      }
    }
    source.withUnsafeBytes { source in
      moved.withUnsafeMutableBytes { moved in
        guard let from0 = source.baseAddress, let to0 = moved.baseAddress else { return }
        gs_move(from0 + first * width, from, to0, to, extents, rank, width)
      }
    }
    #expect(moved == expected, "seed \(seed)")
  }

  private func strides(
    _ extents: [Int], gap: Int, _ generator: inout SeededGenerator
  ) -> [Int] {
    var strides = extents
    var step = gap
    for axis in extents.indices.shuffled(using: &generator) {
      strides[axis] = step
      step *= max(1, extents[axis])
    }
    return strides
  }

  @Test(arguments: 0..<60)
  func sortingPairsIsStable(seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    let count = [0, 1, 2, 47, 48, 49, 300, 5000].randomElement(using: &generator) ?? 0
    let mask: UInt64 = [0xff, 0x7, 0xffff_0000, .max].randomElement(using: &generator) ?? 0
    var pairs = (0..<count).map { gs_pair(key: generator.next() & mask, place: UInt64($0)) }
    let expected = pairs.sorted { ($0.key, $0.place) < ($1.key, $1.place) }
    var scratch = pairs
    gs_sort_pairs(&pairs, &scratch, count)
    #expect(pairs.map(\.place) == expected.map(\.place), "seed \(seed)")
  }

  @Test(arguments: 0..<120)
  func placesOfExtremesEqualASearch(seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    let count = Int.random(in: 1...70, using: &generator)
    let inner = [1, 1, 2, 40, 128, 131].randomElement(using: &generator) ?? 1
    let (least, last) = (seed % 2 == 0, seed % 4 < 2)
    let values = (0..<count * inner).map { _ -> Float in
      let value = Float.random(in: -4...4, using: &generator).rounded()
      return Int.random(in: 0..<9, using: &generator) == 0 ? .nan : value
    }
    var found = [Int64](repeating: -1, count: inner)
    gs_place_of_extreme(values, count, inner, least ? 1 : 0, last ? 1 : 0, &found)
    for column in 0..<inner {
      let line = (0..<count).map { values[$0 * inner + column] }
      let numbers = line.filter { !$0.isNaN }
      guard let best = least ? numbers.min() : numbers.max() else {
        #expect(found[column] == 0)
        continue
      }
      let expected = last ? line.lastIndex(of: best) : line.firstIndex(of: best)
      #expect(found[column] == Int64(expected ?? 0), "seed \(seed)")
    }
  }

  @Test(arguments: 0..<40)
  func runningSumsEqualSumsOfParts(seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed))
    let shape = (0..<3).map { _ in Int.random(in: 0...9, using: &generator) }
    let values = generator.floats(shape.reduce(1, *))
    let axis = Int.random(in: 0..<3, using: &generator)
    let (exclusive, reverse) = (seed % 2, seed / 2 % 2)
    let sums = try OperatorHarness(
      name: "CumSum",
      attributes: [
        Attribute("exclusive", .int(Int64(exclusive))), Attribute("reverse", .int(Int64(reverse))),
      ]
    ).run([Tensor(shape, values), Tensor([], [Int64(axis)])])[0].array(Float.self)
    let steps = elementStrides(shape)
    for index in indices(of: shape) {
      var part = reverse == 1 ? Array(index[axis]..<shape[axis]) : Array(0...index[axis])
      if exclusive == 1 { part.removeAll { $0 == index[axis] } }
      let expected = part.reduce(0.0) { sum, other in
        var moved = index
        moved[axis] = other
        return sum + Double(values[place(moved, steps)])
      }
      #expect(abs(Double(sums[place(index, steps)]) - expected) < 1e-5, "seed \(seed)")
    }
  }
}
