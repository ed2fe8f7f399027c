import Foundation
import ModelGraph
import Testing

@testable import Inference

@Suite struct NormalizationTests {
  private struct Sample {
    let shape: [Int]
    let values: [Float]
    /// Four parameters of each channel, the last one positive.
    let parameters: [[Float]]
    let layouts: [Tensor]

    init(seed: UInt64, channels: Int? = nil) {
      var random = SeededGenerator(seed: seed)
      let rank = Int.random(in: 2...5, using: &random)
      var shape = (0..<rank).map { _ in Int.random(in: 1...5, using: &random) }
      shape[1] = channels ?? Int.random(in: 1...70, using: &random)
      self.shape = shape
      values = random.floats(shape.reduce(1, *), in: -1...3)
      parameters = (0..<4).map { random.floats(shape[1], in: $0 == 3 ? 0.1...2 : -2...2) }
      let data = Tensor(shape, values)
      layouts = rank >= 3 ? [data, data.channelsLast] : [data]
    }

    func tensor(_ index: Int) -> Tensor { Tensor([shape[1]], parameters[index]) }
  }

  /// Product and sum are rounded once each: a convolution with a follower gives the same bits.
  @Test func batchNormalizationIsOneProductAndOneSum() throws {
    for seed in UInt64(0)..<30 {
      let sample = Sample(seed: seed)
      let terms = ChannelTerms(
        scale: sample.parameters[0].map(Double.init), bias: sample.parameters[1].map(Double.init),
        mean: sample.parameters[2].map(Double.init),
        variance: sample.parameters[3].map(Double.init), epsilon: Double(Float(1e-5)))
      let (scales, shifts) = (terms.scales.map { Float($0) }, terms.shifts.map { Float($0) })
      let positions = sample.shape[2...].reduce(1, *)
      let expected = sample.values.enumerated().map { index, value in
        value * scales[index / positions % sample.shape[1]]
          + shifts[index / positions % sample.shape[1]]
      }
      for data in sample.layouts {
        let result = try OperatorHarness(name: "BatchNormalization").run(
          [data] + (0..<4).map(sample.tensor))[0]
        #expect(
          result.layout == data.layout && result.array(Float.self) == expected, "seed \(seed)")
      }
    }
  }

  /// Normalizes groups of indices by their own mean and variance.
  private func standardized(
    _ data: PlainTensor, epsilon: Double, group: ([Int]) -> [Int]
  ) -> PlainTensor {
    let groups = Dictionary(grouping: data.indices, by: group)
    var result = data
    for indices in groups.values {
      let count = Double(indices.count)
      let mean = indices.reduce(0) { $0 + data[$1] } / count
      let variance = indices.reduce(0) { $0 + (data[$1] - mean) * (data[$1] - mean) } / count
      for index in indices {
        result[index] = (data[index] - mean) / (variance + epsilon).squareRoot()
      }
    }
    return result
  }

  private func mapped(_ data: PlainTensor, _ sample: Sample) -> PlainTensor {
    var result = data
    for index in data.indices {
      result[index] =
        data[index] * Double(sample.parameters[0][index[1]])
        + Double(sample.parameters[1][index[1]])
    }
    return result
  }

  @Test func groupsAreNormalizedInAnyLayout() throws {
    for seed in UInt64(0)..<30 {
      let sample = Sample(seed: seed, channels: seed % 2 == 0 ? 12 : 96)
      let channelsOfGroup = [1, 3, 12][Int(seed % 3)]
      let groups = sample.shape[1] / channelsOfGroup
      let plain = standardized(PlainTensor(sample.shape, sample.values), epsilon: 1e-2) {
        [$0[0], $0[1] / channelsOfGroup]
      }
      let expected = mapped(plain, sample)
      let epsilon = Attribute("epsilon", .float(1e-2))
      for data in sample.layouts {
        let inputs = [data, sample.tensor(0), sample.tensor(1)]
        let result = try OperatorHarness(
          name: "GroupNormalization",
          attributes: [epsilon, Attribute("num_groups", .int(Int64(groups)))], version: 21
        ).run(inputs)[0]
        #expect(expected.distance(to: result.array(Float.self)) < 1e-6, "seed \(seed)")
        guard channelsOfGroup == 1 else { continue }
        let instance = try OperatorHarness(
          name: "InstanceNormalization", attributes: [epsilon]
        ).run(inputs)[0]
        #expect(expected.distance(to: instance.array(Float.self)) < 1e-6, "seed \(seed)")
      }
    }
  }

  @Test func trainingUsesTheBatch() throws {
    for seed in UInt64(0)..<10 {
      let sample = Sample(seed: seed)
      let plain = standardized(PlainTensor(sample.shape, sample.values), epsilon: 1e-5) { [$0[1]] }
      let expected = mapped(plain, sample)
      for data in sample.layouts {
        let results = try OperatorHarness(
          name: "BatchNormalization", attributes: [Attribute("training_mode", .int(1))],
          version: 15, outputCount: 3
        ).run([data] + (0..<4).map(sample.tensor))
        #expect(expected.distance(to: results[0].array(Float.self)) < 2e-5, "seed \(seed)")
        let sum = sample.values.indices.filter { index in
          index / sample.shape[2...].reduce(1, *) % sample.shape[1] == 0
        }.reduce(0.0) { $0 + Double(sample.values[$1]) }
        let mean = sum * Double(sample.shape[1]) / Double(sample.values.count)
        let running = 0.9 * Double(sample.parameters[2][0]) + 0.1 * mean
        #expect(abs(Double(results[1].array(Float.self)[0]) - running) < 1e-6)
      }
    }
  }

  @Test func layersAreNormalizedWithTheirMoments() throws {
    for seed in UInt64(0)..<30 {
      var random = SeededGenerator(seed: seed)
      let rows = Int.random(in: 1...5, using: &random)
      let count = Int.random(in: 1...200, using: &random)
      let values = random.floats(rows * count, in: -1...3)
      let (scale, bias) = (random.floats(count), random.floats(count))
      let isWhole = seed % 2 == 0
      let factors = isWhole ? scale : random.floats(rows * count)
      let plain = standardized(PlainTensor([rows, count], values), epsilon: 1e-3) { [$0[0]] }
      var expected = plain
      for index in plain.indices {
        let factor = factors[isWhole ? index[1] : index[0] * count + index[1]]
        expected[index] = plain[index] * Double(factor) + Double(bias[index[1]])
      }
      let results = try OperatorHarness(
        name: "LayerNormalization", attributes: [Attribute("epsilon", .float(1e-3))],
        outputCount: 3
      ).run([
        Tensor([rows, count], values), Tensor(isWhole ? [count] : [rows, count], factors),
        Tensor([count], bias),
      ])
      #expect(expected.distance(to: results[0].array(Float.self)) < 1e-6, "seed \(seed)")
      let mean = values[..<count].reduce(0) { $0 + Double($1) } / Double(count)
      #expect(abs(Double(results[1].array(Float.self)[0]) - mean) < 1e-6)
      #expect(results[2].shape == [rows, 1])
    }
  }

  @Test func skipsAreAddedFirst() throws {
    let data = Tensor([1, 2, 2], [Float(1), 2, 3, 4])
    let results = try OperatorHarness(
      name: "SkipSimplifiedLayerNormalization", domain: "com.microsoft", outputCount: 4
    ).run([data, Tensor([2, 2], [Float(0), 1, 0, 0]), Tensor([2], [Float(1), 2])])
    #expect(results[3].array(Float.self) == [1, 3, 3, 4])
    let root = Float(5).squareRoot()
    #expect(abs(results[0].array(Float.self)[1] - 6 / root) < 1e-6)
  }

  @Test func responsesAreNormalizedByTheirNeighbours() throws {
    for seed in UInt64(0)..<20 {
      let sample = Sample(seed: seed)
      let (size, beta) = ([1, 2, 5][Int(seed % 3)], [0.75, 0.5, 0.6, 1][Int(seed % 4)])
      let plain = PlainTensor(sample.shape, sample.values)
      var expected = plain
      for index in plain.indices {
        let low = max(0, index[1] - (size - 1) / 2)
        let high = min(sample.shape[1] - 1, index[1] + size / 2)
        var sum = 0.0
        for channel in low...high {
          var neighbour = index
          neighbour[1] = channel
          sum += plain[neighbour] * plain[neighbour]
        }
        expected[index] = plain[index] / pow(2 + 0.3 / Double(size) * sum, beta)
      }
      let harness = OperatorHarness(
        name: "LRN",
        attributes: [
          Attribute("size", .int(Int64(size))), Attribute("alpha", .float(0.3)),
          Attribute("beta", .float(Float(beta))), Attribute("bias", .float(2)),
        ])
      for data in sample.layouts {
        let result = try harness.run([data])[0]
        #expect(expected.distance(to: result.array(Float.self)) < 5e-7, "seed \(seed)")
      }
    }
  }

  @Test func zeroNormsDivideNothing() throws {
    let data = Tensor([2, 2], [Float(3), 4, 0, 0])
    let result = try OperatorHarness(name: "LpNormalization").run([data])[0]
    #expect(result.array(Float.self) == [0.6, 0.8, 0, 0])
  }

  @Test func workersChangeNoBit() throws {
    var random = SeededGenerator(seed: 11)
    let shape = [2, 192, 31, 29]
    let data = Tensor(shape, random.floats(shape.reduce(1, *)))
    let parameters = (0..<4).map { _ in Tensor([192], random.floats(192, in: 0.5...2)) }
    let last = Tensor([29], random.floats(29))
    let two = Array(parameters[..<2])
    func list(_ name: String, _ numbers: [Int64]) -> Attribute { Attribute(name, .ints(numbers)) }
    let cases: [(name: String, attribute: Attribute?, inputs: [Tensor])] = [
      ("BatchNormalization", nil, parameters), ("InstanceNormalization", nil, two),
      ("GroupNormalization", Attribute("num_groups", .int(8)), two),
      ("LayerNormalization", nil, [last, last]), ("LRN", Attribute("size", .int(5)), []),
      ("Softmax", nil, []), ("Softmax", Attribute("axis", .int(1)), []),
      ("ReduceMean", list("axes", [2, 3]), []), ("ReduceL2", list("axes", [0, 2]), []),
      ("ReduceLogSumExp", list("axes", [1]), []), ("MaxPool", list("kernel_shape", [3, 3]), []),
      ("AveragePool", list("kernel_shape", [3, 3]), []),
    ]
    for (name, attribute, inputs) in cases {
      for layout in [data, data.channelsLast] {
        let results = try [1, 3].map { threads in
          var harness = OperatorHarness(name: name, attributes: attribute.map { [$0] } ?? [])
          harness.threads = threads
          return try harness.run([layout] + inputs)[0].array(Float.self)
        }
        #expect(results[0] == results[1], "\(name) \(layout.layout)")
      }
    }
  }

  /// A tensor with no elements may claim any other extents.
  @Test func hugeEmptyShapesAreRefused() {
    let nothing = Tensor([0, 1 << 40, 1 << 18], [Float]())
    let one = Tensor([1], [Float(1)])
    for (name, inputs) in [
      ("LayerNormalization", [nothing, one]), ("ReduceSum", [nothing]), ("Softmax", [nothing]),
      ("InstanceNormalization", [nothing, one, one]), ("GlobalAveragePool", [nothing]),
      ("MeanVarianceNormalization", [nothing]), ("SoftmaxCrossEntropyLoss", [nothing, one]),
    ] {
      #expect(throws: KernelProblem.self, "\(name)") { try OperatorHarness(name: name).run(inputs) }
    }
  }

  @Test func parametersHaveToFit() {
    let data = Tensor([1, 2, 1], [Float(1), 2])
    let three = Tensor([3], [Float(1), 1, 1])
    #expect(throws: KernelProblem.self) {
      try OperatorHarness(name: "BatchNormalization").run([data, three, three, three, three])
    }
    #expect(throws: KernelProblem.self) {
      try OperatorHarness(name: "InstanceNormalization").run([data, three, three])
    }
    #expect(throws: KernelProblem.self) {
      try OperatorHarness(name: "LayerNormalization").run([data, three, nil])
    }
    #expect(throws: KernelProblem.self) {
      try OperatorHarness(
        name: "GroupNormalization", attributes: [Attribute("num_groups", .int(0))]
      ).run([data, three, three])
    }
  }
}
