import Foundation
import ModelGraph
import Testing

@testable import Inference

@Suite struct ReductionTests {
  private static let kinds: [(name: String, join: @Sendable ([Double]) -> Double)] = [
    ("ReduceSum", { $0.reduce(0, +) }),
    ("ReduceMean", { $0.reduce(0, +) / Double($0.count) }),
    ("ReduceProd", { $0.reduce(1, *) }),
    ("ReduceMax", { $0.reduce(-.infinity, max) }),
    ("ReduceMin", { $0.reduce(.infinity, min) }),
    ("ReduceL1", { $0.reduce(0) { $0 + abs($1) } }),
    ("ReduceL2", { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() }),
    ("ReduceSumSquare", { $0.reduce(0) { $0 + $1 * $1 } }),
    ("ReduceLogSum", { log($0.reduce(0, +)) }),
    ("ReduceLogSumExp", { log($0.reduce(0) { $0 + exp($1) }) }),
  ]

  /// Random shapes, axes and layouts against sums by index.
  @Test(arguments: kinds.indices) func agreesWithTheDefinition(_ kind: Int) throws {
    let (name, join) = Self.kinds[kind]
    for seed in UInt64(0)..<40 {
      var random = SeededGenerator(seed: seed * 16 + UInt64(kind))
      let rank = Int.random(in: 1...5, using: &random)
      var shape = (0..<rank).map { _ in Int.random(in: 1...4, using: &random) }
      shape[Int.random(in: 0..<rank, using: &random)] = Int.random(in: 1...90, using: &random)
      let axes = (0..<rank).filter { _ in Bool.random(using: &random) }
      let keeps = Bool.random(using: &random)
      let values = random.floats(shape.reduce(1, *), in: 0.5...1.5)
      let data = Tensor(shape, values)
      let harness = OperatorHarness(
        name: name,
        attributes: [
          Attribute("keepdims", .int(keeps ? 1 : 0)), Attribute("noop_with_empty_axes", .int(1)),
        ], version: 18)
      let list = Tensor([axes.count], axes.map { Int64($0) - Int64(rank) })
      for layout in [data, rank >= 3 ? data.channelsLast : data] {
        let result = try harness.run([layout, list])[0]
        let expected = reference(PlainTensor(shape, values), axes, join)
        let kept = shape.indices.filter { keeps || !axes.contains($0) }
        #expect(result.shape == kept.map { expected.shape[$0] }, "\(name) seed \(seed)")
        let distance = expected.distance(to: result.array(Float.self))
        #expect(distance < 5e-7, "\(name) seed \(seed), \(shape), \(axes)")
      }
    }
  }

  private func reference(
    _ data: PlainTensor, _ axes: [Int], _ join: ([Double]) -> Double
  ) -> PlainTensor {
    var groups: [[Int]: [Double]] = [:]
    for index in data.indices {
      groups[index.indices.map { axes.contains($0) ? 0 : index[$0] }, default: []]
        .append(data[index])
    }
    var result = PlainTensor(
      zeros: data.shape.indices.map { axes.contains($0) ? 1 : data.shape[$0] })
    for index in result.indices { result[index] = join(groups[index] ?? []) }
    return result
  }

  @Test func longSumsStayExact() throws {
    var random = SeededGenerator(seed: 7)
    let values = random.floats(300_000, in: 0...1)
    let exact = values.reduce(0) { $0 + Double($1) }
    for shape in [[1, 300_000], [300_000, 1], [3000, 100]] {
      let sum = try OperatorHarness(name: "ReduceSum").run([Tensor(shape, values)])[0]
      #expect(abs(Double(sum.array(Float.self)[0]) / exact - 1) < 1e-7)
    }
  }

  @Test func theEmptySetHasItsOwnResults() throws {
    let nothing = Tensor([0, 2], [Float]())
    func reduced(_ name: String) throws -> [Float] {
      let attributes = [Attribute("axes", .ints([0]))]
      return try OperatorHarness(name: name, attributes: attributes, version: 12)
        .run([nothing])[0].array(Float.self)
    }
    #expect(try reduced("ReduceSum") == [0, 0])
    #expect(try reduced("ReduceProd") == [1, 1])
    #expect(try reduced("ReduceMax") == [-.infinity, -.infinity])
    #expect(try reduced("ReduceMin") == [.infinity, .infinity])
    #expect(try reduced("ReduceLogSumExp") == [-.infinity, -.infinity])
  }

  @Test func integersWrapAndAreCut() throws {
    let values = Tensor([3], [Int32.max, 1, 2])
    let sum = try OperatorHarness(name: "ReduceSum").run([values])[0]
    #expect(sum.array(Int32.self) == [Int32.min + 2])
    let mean = try OperatorHarness(name: "ReduceMean").run([Tensor([2], [Int64(-3), -4])])[0]
    #expect(mean.array(Int64.self) == [-3])
    let truths = Tensor([3], [Truth(false), Truth(true), Truth(false)])
    let any = try OperatorHarness(name: "ReduceMax", version: 20).run([truths])[0]
    #expect(any.elementType == .bool && any.array(UInt8.self) == [1])
  }

  @Test func notANumberWins() throws {
    let values = Tensor([4], [Float(1), .nan, 3, -2])
    for name in ["ReduceMax", "ReduceMin", "ReduceSum"] {
      #expect(try OperatorHarness(name: name).run([values])[0].array(Float.self)[0].isNaN)
    }
  }

  @Test func badAxesAreRefused() {
    let harness = OperatorHarness(
      name: "ReduceMean", attributes: [Attribute("axes", .ints([2]))], version: 13)
    #expect(throws: KernelProblem.self) { try harness.run([Tensor([1, 1], [Float(1)])]) }
    let strings = Tensor([1], [UInt64(0)]).reinterpreted(as: .string)
    #expect(throws: KernelProblem.self) { try OperatorHarness(name: "ReduceSum").run([strings]) }
  }
}
