import ModelGraph
import Support
import Testing

@testable import Inference

/// A node to try with tensors in both layouts.
private struct Example {
  let name: String
  var attributes: [Attribute] = []
  var more: [Tensor?] = []
  var outputs = 1
  var version = 19

  func run(_ tensors: [Tensor], threads: Int = 1) throws -> [Tensor] {
    var harness = OperatorHarness(name: name, attributes: attributes)
    (harness.version, harness.outputCount, harness.threads) = (version, outputs, threads)
    return try harness.run(tensors + more)
  }
}

private func integers(_ values: Int...) -> Tensor {
  Tensor([values.count], values.map { Int64($0) })
}
private func ints(_ name: String, _ values: Int...) -> Attribute {
  Attribute(name, .ints(values.map { Int64($0) }))
}
private func int(_ name: String, _ value: Int) -> Attribute { Attribute(name, .int(Int64(value))) }
private func text(_ name: String, _ value: String) -> Attribute {
  Attribute(name, .string(Array(value.utf8)))
}

@Suite struct RearrangementTests {
  /// Nodes that take float32[2,8,4,6].
  private static var examples: [Example] {
    [
      Example(name: "Transpose", attributes: [ints("perm", 0, 2, 3, 1)]),
      Example(name: "Transpose", attributes: [ints("perm", 0, 3, 1, 2)]),
      Example(name: "Transpose", attributes: [ints("perm", 1, 0, 2, 3)]),
      Example(name: "Transpose", attributes: [ints("perm", 3, 2, 1, 0)]),
      Example(name: "Split", attributes: [int("axis", 1)], more: [integers(1, 5, 2)], outputs: 3),
      Example(name: "Split", attributes: [int("axis", 2)], outputs: 2, version: 11),
      Example(
        name: "Slice", more: [integers(3, -1), integers(7, -9), integers(1, 3), integers(1, -2)]),
      Example(name: "Slice", more: [integers(1), integers(2), integers(0)]),
      Example(name: "Pad", more: [integers(0, 2, 1, 0, 0, 1, -1, 3), Tensor([], [Float(7)])]),
      Example(name: "Pad", more: [integers(1, -9, 2, 0, 0, 2, 1, 0), nil]),
      Example(
        name: "Pad", attributes: [text("mode", "reflect")],
        more: [integers(0, 2, 1, 0, 0, 1, -1, 3)]),
      Example(
        name: "Pad", attributes: [text("mode", "wrap")],
        more: [integers(0, 0, 1, 7, 0, 0, 9, 0)]),
      Example(
        name: "Pad", attributes: [text("mode", "edge")], more: [integers(1, 1, 1, 2, 0, 0, 2, 2)]),
      Example(name: "Tile", more: [integers(1, 2, 3, 2)]),
      Example(name: "Expand", more: [integers(3, 1, 1, 1, 1, 1)]),
      Example(name: "DepthToSpace", attributes: [int("blocksize", 2)]),
      Example(name: "DepthToSpace", attributes: [int("blocksize", 2), text("mode", "CRD")]),
      Example(name: "SpaceToDepth", attributes: [int("blocksize", 2)]),
      Example(name: "CenterCropPad", more: [integers(3, 5, 5, 5)]),
      Example(name: "Reshape", more: [integers(0, 0, -1)]),
      Example(name: "Reshape", more: [integers(2, 4, 2, 24)]),
      Example(name: "Unsqueeze", more: [integers(2, 4)]),
      Example(name: "Flatten"),
      Example(
        name: "ReverseSequence", attributes: [int("batch_axis", 1), int("time_axis", 2)],
        more: [integers(0, 1, 2, 3, 4, 3, 2, 1)]),
      Example(name: "ArgMax", attributes: [int("axis", 1)]),
      Example(name: "ArgMin", attributes: [int("axis", 1), int("keepdims", 0)]),
      Example(name: "ArgMax", attributes: [int("axis", 3), int("keepdims", 0)]),
      Example(name: "Shape"), Example(name: "Size"),
    ]
  }

  @Test(arguments: 0..<examples.count)
  func layoutsAndThreadsChangeNothing(index: Int) throws {
    let example = Self.examples[index]
    var generator = SeededGenerator(seed: UInt64(index))
    let tensor = Tensor([2, 8, 4, 6], generator.floats(384))
    let expected = try example.run([tensor])
    let other = try example.run([tensor.channelsLast], threads: 3)
    #expect(expected.map(\.shape) == other.map(\.shape))
    for (left, right) in zip(expected, other) {
      if left.elementType == .int64 {
        #expect(left.array(Int64.self) == right.array(Int64.self))
      } else {
        #expect(left.array(Float.self) == right.array(Float.self))
      }
    }
  }

  @Test func joiningTakesEveryLayout() throws {
    var generator = SeededGenerator(seed: 4)
    for axis in 0..<4 {
      for (seed, count) in [(1, 2), (2, 3), (3, 4)] {
        var extents = [2, 3, 4, 5]
        let tensors = (0..<count).map { place in
          extents[axis] = (place + seed) % 4
          return Tensor(extents, generator.floats(extents.reduce(1, *)))
        }
        let node = Example(name: "Concat", attributes: [int("axis", axis - 4)])
        let expected = try node.run(tensors)[0]
        let mixed = tensors.enumerated().map { ($0 + seed) % 2 == 0 ? $1.channelsLast : $1 }
        let joined = try node.run(mixed)[0]
        #expect(joined.shape == expected.shape)
        #expect(joined.array(Float.self) == expected.array(Float.self))
      }
    }
  }

  /// Elements that stay in place in memory are not copied.
  @Test func reorderingIsFreeWhereLayoutsMeet() throws {
    let tensor = Tensor([2, 3, 4, 5], [Float](repeating: 1, count: 120))
    let last = tensor.channelsLast
    let back = try Example(name: "Transpose", attributes: [ints("perm", 0, 2, 3, 1)]).run([last])[0]
    #expect(back.layout == .rowMajor && back.storage === last.storage)
    let forth = try Example(name: "Transpose", attributes: [ints("perm", 0, 3, 1, 2)]).run([tensor])
    #expect(forth[0].layout == .channelsLast && forth[0].storage === tensor.storage)
    let flat = try Example(name: "Reshape", more: [integers(2, 3, 20)]).run([last])[0]
    #expect(flat.layout == .channelsLast && flat.storage === last.storage)
  }

  @Test(arguments: 0..<80)
  func largeTranspositionsEqualOneElementAtATime(seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed))
    let shape = (0..<3).map { _ in Int.random(in: 1...40, using: &generator) }
    let order = [0, 1, 2].shuffled(using: &generator)
    let values = generator.floats(shape.reduce(1, *))
    let node = Example(
      name: "Transpose", attributes: [Attribute("perm", .ints(order.map { Int64($0) }))])
    let result = try node.run([Tensor(shape, values)], threads: 2)[0]
    let (from, to) = (elementStrides(shape), elementStrides(order.map { shape[$0] }))
    var expected = values
    for place in values.indices {
      let index = shape.indices.map { place / from[$0] % shape[$0] }
      expected[order.indices.reduce(0) { $0 + index[order[$1]] * to[$1] }] = values[place]
    }
    #expect(result.array(Float.self) == expected, "seed \(seed)")
  }

  @Test(arguments: 0..<60)
  func paddingEqualsOneElementAtATime(seed: Int) throws {
    var generator = SeededGenerator(seed: UInt64(seed))
    let shape = (0..<3).map { _ in Int.random(in: 1...5, using: &generator) }
    let before = shape.map { Int.random(in: -$0...3, using: &generator) }
    let after = zip(shape, before).map { extent, pad in
      Int.random(in: -min(extent, extent + pad)...3, using: &generator)
    }
    let values = generator.floats(shape.reduce(1, *))
    let tensor = Tensor(shape, values)
    let node = Example(
      name: "Pad", more: [Tensor([6], (before + after).map { Int64($0) }), Tensor([], [Float(9)])])
    let result = try node.run([seed % 2 == 0 ? tensor : tensor.channelsLast])[0]
    let padded = shape.indices.map { shape[$0] + before[$0] + after[$0] }
    let (from, to) = (elementStrides(shape), elementStrides(padded))
    let expected = (0..<padded.reduce(1, *)).map { place -> Float in
      let index = padded.indices.map { place / to[$0] % padded[$0] - before[$0] }
      let isInside = index.indices.allSatisfy { (0..<shape[$0]).contains(index[$0]) }
      return isInside ? values[index.indices.reduce(0) { $0 + index[$1] * from[$1] }] : 9
    }
    #expect(result.shape == padded, "seed \(seed)")
    #expect(result.array(Float.self) == expected, "seed \(seed)")
  }

  @Test func rowsArePickedOnAllWorkers() throws {
    var generator = SeededGenerator(seed: 9)
    let table = Tensor([50, 300], generator.floats(15_000))
    let places = (0..<600).map { _ in Int64.random(in: -50..<50, using: &generator) }
    var node = OperatorHarness(name: "Gather")
    node.threads = 4
    let picked = try node.run([table, Tensor([600], places)])[0].array(Float.self)
    let values = table.array(Float.self)
    let expected = places.flatMap { place in
      let row = Int(place < 0 ? place + 50 : place)
      return values[row * 300..<(row + 1) * 300]
    }
    #expect(picked == expected)
  }
}
