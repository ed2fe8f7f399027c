import Foundation
import ModelGraph
import Testing

@testable import Inference

/// Fourier transforms and windows.
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
