import Foundation
import ModelGraph
import Testing

@testable import Inference

@Suite struct SoftmaxTests {
  /// Random shapes, axes, versions and layouts against the formula.
  @Test(arguments: ["Softmax", "LogSoftmax"]) func agreesWithTheFormula(_ name: String) throws {
    for seed in UInt64(0)..<60 {
      var random = SeededGenerator(seed: seed)
      let rank = Int.random(in: 1...4, using: &random)
      var shape = (0..<rank).map { _ in Int.random(in: 1...5, using: &random) }
      shape[Int.random(in: 0..<rank, using: &random)] = Int.random(in: 1...150, using: &random)
      let axis = Int.random(in: 0..<rank, using: &random)
      let version = Bool.random(using: &random) ? 11 : 13
      let values = random.floats(shape.reduce(1, *), in: -12...12)
      let data = Tensor(shape, values)
      let harness = OperatorHarness(
        name: name, attributes: [Attribute("axis", .int(Int64(axis)))], version: version)
      let axes = version < 13 ? axis..<rank : axis..<axis + 1
      let expected = reference(PlainTensor(shape, values), axes, name == "LogSoftmax")
      for layout in [data, rank >= 3 ? data.channelsLast : data] {
        let result = try harness.run([layout])[0]
        let distance = expected.distance(to: result.array(Float.self))
        #expect(distance < 3e-7, "seed \(seed), \(shape), axes \(axes)")
      }
    }
  }

  private func reference(
    _ data: PlainTensor, _ axes: Range<Int>, _ takesLogarithm: Bool
  ) -> PlainTensor {
    func group(_ index: [Int]) -> [Int] {
      index.indices.map { axes.contains($0) ? 0 : index[$0] }
    }
    var sums: [[Int]: Double] = [:]
    for index in data.indices { sums[group(index), default: 0] += exp(data[index]) }
    var result = data
    for index in data.indices {
      let share = exp(data[index]) / (sums[group(index)] ?? 0)
      result[index] = takesLogarithm ? log(share) : share
    }
    return result
  }

  @Test func extremesNeitherOverflowNorVanish() throws {
    let values = Tensor([1, 4], [Float(3e38), -.infinity, 3e38, -3e38])
    let shares = try OperatorHarness(name: "Softmax").run([values])[0].array(Float.self)
    #expect(shares == [0.5, 0, 0.5, 0])
    let small = Tensor([1, 3], [Float(0), -87, -100])
    let tail = try OperatorHarness(name: "Softmax").run([small])[0].array(Float.self)
    #expect(abs(Double(tail[1]) / exp(-87) - 1) < 1e-5)
    // Below the least normal number shares may be 0.
    #expect(tail[2] >= 0 && tail[2] < 0x1p-126)
  }

  @Test func doublesAreComputedInDouble() throws {
    let result = try OperatorHarness(name: "Softmax").run([Tensor([2], [0.0, log(3.0)])])[0]
    #expect(zip(result.array(Double.self), [0.25, 0.75]).allSatisfy { abs($0 - $1) < 1e-15 })
  }

  @Test func hardmaxTakesTheFirstOfEqualValues() throws {
    let data = Tensor([2, 3], [Float(1), 4, 4, 7, 0, 7])
    let result = try OperatorHarness(name: "Hardmax").run([data])[0]
    #expect(result.array(Float.self) == [0, 1, 0, 1, 0, 0])
  }

  @Test func nothingAndNonsense() throws {
    #expect(try OperatorHarness(name: "Softmax").run([Tensor([0, 3], [Float]())])[0].count == 0)
    let harness = OperatorHarness(name: "Softmax", attributes: [Attribute("axis", .int(4))])
    #expect(throws: KernelProblem.self) { try harness.run([Tensor([1], [Float(1)])]) }
    #expect(throws: KernelProblem.self) {
      try OperatorHarness(name: "Softmax").run([Tensor([1], [Int32(1)])])
    }
  }
}
