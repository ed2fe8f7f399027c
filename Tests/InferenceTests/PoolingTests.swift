import Foundation
import ModelGraph
import Testing

@testable import Inference

@Suite struct PoolingTests {
  /// A random pooling of one to three axes.
  private struct Sample {
    let shape: [Int]
    let values: [Float]
    let kernel: [Int]
    let strides: [Int]
    let dilations: [Int]
    let pads: [Int]
    let roundsUp: Bool

    init(seed: UInt64) {
      var random = SeededGenerator(seed: seed)
      let axes = Int.random(in: 1...3, using: &random)
      func numbers(_ range: ClosedRange<Int>) -> [Int] {
        (0..<axes).map { _ in Int.random(in: range, using: &random) }
      }
      let channels = [1, 3, 8, 20, 41][Int.random(in: 0..<5, using: &random)]
      shape = [Int.random(in: 1...2, using: &random), channels] + numbers(7...10)
      kernel = numbers(1...3)
      strides = numbers(1...3)
      dilations = numbers(1...2)
      pads = (kernel + kernel).map { Int.random(in: 0..<$0, using: &random) }
      roundsUp = Bool.random(using: &random)
      values = random.floats(shape.reduce(1, *))
    }

    var attributes: [Attribute] {
      func list(_ name: String, _ numbers: [Int]) -> Attribute {
        Attribute(name, .ints(numbers.map { Int64($0) }))
      }
      return [
        list("kernel_shape", kernel), list("strides", strides), list("dilations", dilations),
        list("pads", pads), Attribute("ceil_mode", .int(roundsUp ? 1 : 0)),
      ]
    }

    private func extent(_ axis: Int) -> Int {
      let padded = shape[axis + 2] + pads[axis] + pads[axis + kernel.count]
      let room = padded - dilations[axis] * (kernel[axis] - 1) - 1
      let exact = Double(room) / Double(strides[axis])
      var count = Int(roundsUp ? exact.rounded(.up) : exact.rounded(.down)) + 1
      if roundsUp, (count - 1) * strides[axis] >= shape[axis + 2] + pads[axis] { count -= 1 }
      return count
    }

    /// Joins each window's values; `padded` counts the positions inside the padding too.
    func pooled(_ join: (_ inside: [Double], _ padded: Int) -> Double) -> PlainTensor {
      let data = PlainTensor(shape, values)
      var result = PlainTensor(zeros: shape[..<2] + kernel.indices.map(extent))
      let steps = PlainTensor(zeros: kernel).indices
      for index in result.indices {
        var (inside, padded): ([Double], Int) = ([], 0)
        for step in steps {
          let place = kernel.indices.map {
            index[$0 + 2] * strides[$0] + step[$0] * dilations[$0] - pads[$0]
          }
          if kernel.indices.allSatisfy({ (0..<shape[$0 + 2]).contains(place[$0]) }) {
            inside.append(data[index[..<2] + place])
          }
          let isPadded = kernel.indices.allSatisfy {
            place[$0] < shape[$0 + 2] + pads[$0 + kernel.count]
          }
          padded += isPadded ? 1 : 0
        }
        result[index] = join(inside, padded)
      }
      return result
    }

    func expect(_ name: String, _ extra: [Attribute], version: Int, _ expected: PlainTensor) throws
    {
      let harness = OperatorHarness(name: name, attributes: attributes + extra, version: version)
      let data = Tensor(shape, values)
      for layout in [data, data.channelsLast] {
        let result = try harness.run([layout])[0]
        #expect(result.shape == expected.shape)
        #expect(expected.distance(to: result.array(Float.self)) < 3e-7, "\(name) \(self)")
      }
    }
  }

  @Test func windowsAgreeWithTheDefinition() throws {
    for seed in UInt64(0)..<40 {
      let sample = Sample(seed: seed)
      try sample.expect(
        "MaxPool", [], version: 12,
        sample.pooled { inside, _ in
          inside.max() ?? -.infinity
        })
      try sample.expect(
        "AveragePool", [], version: 19,
        sample.pooled { inside, _ in
          inside.reduce(0, +) / Double(inside.count)
        })
      try sample.expect(
        "AveragePool", [Attribute("count_include_pad", .int(1))], version: 19,
        sample.pooled { inside, padded in inside.reduce(0, +) / Double(padded) })
      try sample.expect(
        "LpPool", [Attribute("p", .int(3))], version: 18,
        sample.pooled { inside, _ in
          cbrt(inside.reduce(0) { $0 + pow(abs($1), 3) })
        })
    }
  }

  @Test func indicesPointAtTheLargestValue() throws {
    for seed in UInt64(0)..<20 {
      let sample = Sample(seed: seed)
      let results = try OperatorHarness(
        name: "MaxPool", attributes: sample.attributes, version: 12, outputCount: 2
      ).run([Tensor(sample.shape, sample.values).channelsLast])
      let values = results[0].array(Float.self)
      let places = results[1].array(Int64.self)
      #expect(zip(values, places).allSatisfy { $0 == sample.values[Int($1)] }, "seed \(seed)")
      let plain = try OperatorHarness(
        name: "MaxPool", attributes: sample.attributes, version: 12
      ).run([Tensor(sample.shape, sample.values)])[0]
      #expect(plain.array(Float.self) == values)
    }
  }

  @Test func bytesArePooled() throws {
    let data = Tensor([1, 2, 3], [UInt8(1), 200, 3, 7, 0, 9])
    let harness = OperatorHarness(
      name: "MaxPool", attributes: [Attribute("kernel_shape", .ints([2]))], version: 12)
    #expect(try harness.run([data])[0].array(UInt8.self) == [200, 200, 7, 9])
    #expect(try harness.run([data.channelsLast])[0].array(UInt8.self) == [200, 200, 7, 9])
  }

  @Test func everythingIsOneWindow() throws {
    var random = SeededGenerator(seed: 3)
    let values = random.floats(2 * 20 * 5 * 7)
    let data = Tensor([2, 20, 5, 7], values)
    for layout in [data, data.channelsLast] {
      let mean = try OperatorHarness(name: "GlobalAveragePool").run([layout])[0]
      let exact = values[..<35].reduce(0) { $0 + Double($1) } / 35
      #expect(mean.shape == [2, 20, 1, 1])
      #expect(abs(Double(mean.array(Float.self)[0]) - exact) < 1e-7)
      let most = try OperatorHarness(name: "GlobalMaxPool").run([layout])[0]
      #expect(most.array(Float.self)[39] == values[(39 * 35)...].max())
      let power = Attribute("p", .int(1))
      let sum = try OperatorHarness(name: "GlobalLpPool", attributes: [power]).run([layout])[0]
      #expect(abs(sum.array(Float.self)[0] - values[..<35].reduce(0) { $0 + abs($1) }) < 1e-4)
    }
  }

  @Test func valuesGoBackWhereTheyCameFrom() throws {
    let harness = OperatorHarness(
      name: "MaxUnpool",
      attributes: [Attribute("kernel_shape", .ints([2])), Attribute("strides", .ints([2]))])
    let data = Tensor([1, 1, 2], [Float(5), 6])
    let result = try harness.run([data, Tensor([1, 1, 2], [Int64(1), 2])])[0]
    #expect(result.array(Float.self) == [0, 5, 6, 0])
    #expect(throws: KernelProblem.self) {
      try harness.run([data, Tensor([1, 1, 2], [Int64(1), 4])])
    }
  }

  @Test func impossibleWindowsAreRefused() {
    let data = Tensor([1, 1, 3], [Float(1), 2, 3])
    func pool(_ attributes: [(String, [Int64])]) throws {
      _ = try OperatorHarness(
        name: "MaxPool", attributes: attributes.map { Attribute($0.0, .ints($0.1)) }
      ).run([data])
    }
    for bad: [(String, [Int64])] in [
      [], [("kernel_shape", [0])], [("kernel_shape", [2, 2])], [("kernel_shape", [9])],
      [("kernel_shape", [2]), ("strides", [0])], [("kernel_shape", [2]), ("pads", [-1, 0])],
      [("kernel_shape", [2]), ("pads", [2, 2])], [("kernel_shape", [Int64.max])],
      [("kernel_shape", [2]), ("dilations", [Int64.max])], [("kernel_shape", [1, 1, 1, 1])],
    ] {
      #expect(throws: KernelProblem.self, "\(bad)") { try pool(bad) }
    }
  }
}
