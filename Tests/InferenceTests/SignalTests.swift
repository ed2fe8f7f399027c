import Foundation
import ModelGraph
import Testing

@testable import Inference

/// Fourier transforms, windows, suppression of boxes, random numbers.
@Suite struct SignalTests {
  /// The transform by its definition.
  private static func transformed(_ real: [Double], _ imaginary: [Double]) -> [(Double, Double)] {
    let length = real.count
    return (0..<length).map { k in
      (0..<length).reduce((0.0, 0.0)) { sum, n in
        let angle = -2 * Double.pi * Double(k * n % length) / Double(length)
        return (
          sum.0 + real[n] * cos(angle) - imaginary[n] * sin(angle),
          sum.1 + real[n] * sin(angle) + imaginary[n] * cos(angle)
        )
      }
    }
  }

  @Test func everyLengthFollowsTheDefinition() {
    var random = SeededGenerator(seed: 5)
    for length in Array(1...40) + [64, 81, 100, 127, 128, 400] {
      var points = FourierTransform.Points(count: length)
      for index in 0..<length {
        points.real[index] = Double.random(in: -1...1, using: &random)
        points.imaginary[index] = Double.random(in: -1...1, using: &random)
      }
      let wanted = Self.transformed(points.real, points.imaginary)
      let original = points
      let transform = FourierTransform(length: length)
      transform.transform(&points)
      for index in 0..<length {
        #expect(abs(points.real[index] - wanted[index].0) < 1e-10 * Double(length))
        #expect(abs(points.imaginary[index] - wanted[index].1) < 1e-10 * Double(length))
      }
      transform.invert(&points)
      for index in 0..<length {
        #expect(abs(points.real[index] - original.real[index]) < 1e-11)
        #expect(abs(points.imaginary[index] - original.imaginary[index]) < 1e-11)
      }
    }
  }

  @Test(arguments: [1, 2, 3, 8, 9, 15]) func oneSidedTransformsAreInverses(length: Int) throws {
    var random = SeededGenerator(seed: UInt64(length))
    let values = random.floats(2 * length * 3)
    let signal = Tensor([2, length, 3, 1], values)
    let axis = Tensor([], [Int64(1)])
    let forward = OperatorHarness(
      name: "DFT", attributes: [Attribute("onesided", .int(1))], version: 20)
    let backward = OperatorHarness(
      name: "DFT", attributes: [Attribute("onesided", .int(1)), Attribute("inverse", .int(1))],
      version: 20)
    let spectrum = try forward.run([signal, nil, axis])[0]
    #expect(spectrum.shape == [2, length / 2 + 1, 3, 2])
    let back = try backward.run([spectrum, Tensor([], [Int64(length)]), axis])[0]
    #expect(back.shape == [2, length, 3, 1])
    #expect(zip(back.array(Float.self), values).allSatisfy { abs($0 - $1) < 1e-5 })
  }

  @Test func badTransformsAreTold() throws {
    let operation = OperatorHarness(name: "DFT", version: 20)
    let signal = Tensor([1, 4, 1], [Float(1), 2, 3, 4])
    for (length, axis) in [(0, 1), (-1, 1), (1 << 40, 1), (4, 2), (4, 7), (4, -9)] {
      #expect(throws: KernelProblem.self, "\(length) \(axis)") {
        try operation.run([signal, Tensor([], [Int64(length)]), Tensor([], [Int64(axis)])])
      }
    }
    #expect(throws: KernelProblem.self) {
      try operation.run([Tensor([4], [Float](repeating: 1, count: 4))])
    }
    let framing = OperatorHarness(name: "STFT", version: 17)
    for (step, length) in [(0, 2), (-1, 2), (1, 0), (1, 5), (1, -3)] {
      #expect(throws: KernelProblem.self, "\(step) \(length)") {
        try framing.run([signal, Tensor([], [Int64(step)]), nil, Tensor([], [Int64(length)])])
      }
    }
  }

  @Test func framesAreTransformedOneByOne() throws {
    var random = SeededGenerator(seed: 2)
    let values = random.floats(50)
    let window = random.floats(12, in: 0...1)
    let operation = OperatorHarness(name: "STFT", version: 17)
    let result = try operation.run([
      Tensor([1, 50, 1], values), Tensor([], [Int64(7)]), Tensor([12], window),
    ])[0]
    #expect(result.shape == [1, 6, 7, 2])
    let numbers = result.array(Float.self)
    for frame in 0..<6 {
      let samples = (0..<12).map { Double(values[frame * 7 + $0]) * Double(window[$0]) }
      let wanted = Self.transformed(samples, Array(repeating: 0, count: 12))
      for bin in 0..<7 {
        #expect(abs(Double(numbers[(frame * 7 + bin) * 2]) - wanted[bin].0) < 1e-5)
        #expect(abs(Double(numbers[(frame * 7 + bin) * 2 + 1]) - wanted[bin].1) < 1e-5)
      }
    }
  }

  @Test func windowsAndMelWeightsRefuseAbsurdSizes() throws {
    let window = OperatorHarness(name: "HannWindow", version: 17)
    #expect(try window.run([Tensor([], [Int64(0)])])[0].shape == [0])
    #expect(try window.run([Tensor([], [Int64(1)])])[0].array(Float.self) == [0])
    #expect(throws: KernelProblem.self) { try window.run([Tensor([], [Int64(-1)])]) }
    #expect(throws: KernelProblem.self) { try window.run([Tensor([], [Int64.max])]) }
    let mel = OperatorHarness(name: "MelWeightMatrix", version: 17)
    #expect(throws: KernelProblem.self) {
      try mel.run([
        Tensor([], [Int64.max]), Tensor([], [Int64.max]), Tensor([], [Int64(8000)]),
        Tensor([], [Float(0)]), Tensor([], [Float(4000)]),
      ])
    }
  }
}

/// NonMaxSuppression.
@Suite struct DetectionTests {
  private func suppress(
    _ boxes: [Float], _ scores: [Float], limit: Int64 = 100, overlap: Float = 0.5,
    threshold: Float? = nil, centered: Bool = false
  ) throws -> [Int64] {
    let operation = OperatorHarness(
      name: "NonMaxSuppression",
      attributes: [Attribute("center_point_box", .int(centered ? 1 : 0))], version: 11)
    return try operation.run([
      Tensor([1, boxes.count / 4, 4], boxes), Tensor([1, 1, scores.count], scores),
      Tensor([1], [limit]), Tensor([1], [overlap]), threshold.map { Tensor([1], [$0]) },
    ])[0].array(Int64.self)
  }

  @Test func overlappingBoxesGo() throws {
    let boxes: [Float] = [0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 5, 1, 6, 1, 1, 0, 0]
    #expect(try suppress(boxes, [0.5, 0.9, 0.7, 0.9]) == [0, 0, 1, 0, 0, 2])
    #expect(try suppress(boxes, [0.5, 0.9, 0.7, 0.9], limit: 1) == [0, 0, 1])
    #expect(try suppress(boxes, [0.5, 0.9, 0.7, 0.9], threshold: 0.8) == [0, 0, 1])
    #expect(try suppress(boxes, [0.5, 0.9, 0.7, 0.9], overlap: 1).count == 12)
    #expect(try suppress(boxes, [0.5, 0.9, 0.7, 0.9], limit: 0).isEmpty)
    #expect(try suppress(boxes, [0.5, 0.9, 0.7, 0.9], limit: -5).isEmpty)
  }

  @Test func numbersThatAreNoneAreHarmless() throws {
    let boxes: [Float] = [.nan, 0, 1, 1, -.infinity, 0, .infinity, 1, 0, 0, 1, 1]
    #expect(try suppress(boxes, [.nan, 0.5, .infinity]).prefix(3) == [0, 0, 2])
    #expect(try suppress([], []).isEmpty)
  }

  @Test func unfitInputsAreTold() {
    #expect(throws: KernelProblem.self) { try suppress([0, 0, 1, 1], [0.1, 0.2]) }
    #expect(throws: KernelProblem.self) { try suppress([0, 0, 1, 1], [0.1], overlap: 1.5) }
    #expect(throws: KernelProblem.self) { try suppress([0, 0, 1, 1], [0.1], overlap: .nan) }
  }
}

/// Operators that draw random numbers.
@Suite struct RandomTests {
  private func draw(_ name: String, _ attributes: [Attribute], _ input: Tensor? = nil) throws
    -> Tensor
  {
    try OperatorHarness(name: name, attributes: attributes, version: 15).run(
      input.map { [$0] } ?? [])[0]
  }

  @Test func equalSeedsGiveEqualNumbers() throws {
    let shape = Attribute("shape", .ints([50]))
    let first = try draw("RandomNormal", [shape, Attribute("seed", .float(1))])
    let again = try draw("RandomNormal", [shape, Attribute("seed", .float(1))])
    let other = try draw("RandomNormal", [shape, Attribute("seed", .float(2))])
    #expect(first.array(Float.self) == again.array(Float.self))
    #expect(first.array(Float.self) != other.array(Float.self))
  }

  @Test func distributionsHaveTheirMoments() throws {
    let shape = Attribute("shape", .ints([20000]))
    let normal = try draw(
      "RandomNormal", [shape, Attribute("mean", .float(3)), Attribute("scale", .float(2))]
    ).array(Float.self)
    let mean = normal.reduce(0, +) / 20000
    let variance = normal.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 20000
    #expect(abs(mean - 3) < 0.06 && abs(variance - 4) < 0.2)
    let uniform = try draw(
      "RandomUniform", [shape, Attribute("low", .float(-1)), Attribute("high", .float(5))]
    ).array(Float.self)
    #expect(uniform.allSatisfy { $0 >= -1 && $0 <= 5 })
    #expect(abs(uniform.reduce(0, +) / 20000 - 2) < 0.06)
  }

  @Test func chancesAreHeeded() throws {
    let chances = Tensor([3000], (0..<3000).map { Float($0 % 3) / 2 })
    let drawn = try draw("Bernoulli", [], chances).array(Float.self)
    #expect(
      drawn.enumerated().allSatisfy { $0.offset % 3 == 1 || $0.element == Float($0.offset % 3) / 2 }
    )
    let ones = stride(from: 1, to: 3000, by: 3).reduce(0) { $0 + drawn[$1] }
    #expect(abs(ones - 500) < 60)
    let logits = Tensor([1, 3], [Float(0), -.infinity, logf(3)])
    let classes = try draw("Multinomial", [Attribute("sample_size", .int(4000))], logits)
      .array(Int32.self)
    #expect(!classes.contains(1))
    #expect(abs(classes.filter { $0 == 2 }.count - 3000) < 150)
  }

  @Test func absurdRequestsAreTold() {
    #expect(throws: KernelProblem.self) {
      try draw("RandomNormal", [Attribute("shape", .ints([.max, 2]))])
    }
    #expect(throws: KernelProblem.self) {
      try draw("RandomNormal", [Attribute("shape", .ints([-1]))])
    }
    #expect(throws: KernelProblem.self) {
      try draw("RandomNormal", [Attribute("shape", .ints([1])), Attribute("dtype", .int(8))])
    }
    #expect(throws: KernelProblem.self) {
      try draw("Multinomial", [], Tensor([1, 0], [Float]()))
    }
  }
}
