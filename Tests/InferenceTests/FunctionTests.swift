import CKernels
import Glibc
import Testing

@testable import Inference

@Suite struct FunctionTests {
  /// A float32 function beside the same in double precision.
  struct Sample: Sendable, CustomTestStringConvertible {
    let name: String
    let code: gs_function
    /// Greatest error, in units of the last place.
    var bound = 2.0
    /// Where the bound holds.
    var range: ClosedRange<Float> = -.infinity ... .infinity
    let exact: @Sendable (Double) -> Double
    var testDescription: String { name }
  }

  static let samples: [Sample] = [
    Sample(name: "exp", code: GS_EXP) { exp($0) },
    Sample(name: "log", code: GS_LOG) { log($0) },
    Sample(name: "tanh", code: GS_TANH) { tanh($0) },
    Sample(name: "erf", code: GS_ERF) { erf($0) },
    Sample(name: "sigmoid", code: GS_SIGMOID) {
      $0 < 0 ? exp($0) / (1 + exp($0)) : 1 / (1 + exp(-$0))
    },
    Sample(name: "softplus", code: GS_SOFTPLUS) { max($0, 0) + log1p(exp(-abs($0))) },
    Sample(name: "elu", code: GS_ELU, bound: 3) { $0 < 0 ? Double(Float(0.7)) * expm1($0) : $0 },
    Sample(name: "mish", code: GS_MISH, bound: 6, range: -80 ... .infinity) {
      $0 * tanh(max($0, 0) + log1p(exp(-abs($0))))
    },
    Sample(name: "gelu", code: GS_GELU, range: 0 ... .infinity) {
      0.5 * $0 * (1 + erf($0 * 0.5.squareRoot()))
    },
    Sample(name: "square root", code: GS_SQUARE_ROOT, bound: 0.5) { $0.squareRoot() },
    Sample(name: "softsign", code: GS_SOFTSIGN) {
      $0.isInfinite ? .nan : $0 / (1 + abs($0))
    },
    Sample(name: "relu", code: GS_RELU, bound: 0, range: -.infinity ... .infinity) {
      $0 > 0 ? $0 : 0
    },
    Sample(name: "scaled tanh", code: GS_SCALED_TANH, bound: 4) {
      Double(Float(0.7)) * tanh(Double(Float(1.3)) * $0)
    },
    Sample(name: "affine", code: GS_AFFINE, bound: 3, range: 0 ... .infinity) {
      Double(Float(0.7)) * $0 + Double(Float(1.3))
    },
    Sample(name: "sine", code: GS_SIN, bound: 0.5) { sin($0) },
  ]

  @Test(arguments: samples)
  func errorsStaySmallOverTheWholeRange(sample: Sample) {
    var generator = SeededGenerator(seed: 3)
    var inputs = generator.floats(4000, in: -100...100) + generator.floats(4000, in: -2...2)
    inputs += (0..<8000).map { _ in
      Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &generator))
    }
    inputs += [0, -0.0, .infinity, -.infinity, .nan, 1, -1, .greatestFiniteMagnitude]
    let outputs = applied(sample.code, inputs)
    for (input, output) in zip(inputs, outputs) {
      guard input.isNaN || sample.range.contains(input) else { continue }
      let exact = sample.exact(Double(input))
      if exact.isNaN || Float(exact).isInfinite {
        let isRight =
          exact.isNaN ? output.isNaN : Double(output) == exact.rounded(.up) || output.isInfinite
        #expect(isRight, "\(input) gives \(output), not \(exact)")
      } else if abs(exact) < Double(Float.leastNormalMagnitude) {
        #expect(abs(Double(output) - exact) <= Double(Float.leastNormalMagnitude))
      } else {
        let error = abs(Double(output) - exact) / Double(Float(exact).ulp)
        #expect(error <= sample.bound + 0.01, "\(input) gives \(output), not \(exact)")
      }
    }
  }

  @Test func everyLengthGivesTheSameBits() {
    var generator = SeededGenerator(seed: 9)
    let inputs = generator.floats(67, in: -5...5)
    for code in 0...GS_CLIP.rawValue {
      let whole = applied(gs_function(code), inputs)
      for length in [1, 3, 8, 16, 33] {
        #expect(
          applied(gs_function(code), Array(inputs.prefix(length))).map(\.bitPattern)
            == whole.prefix(length).map(\.bitPattern), "function \(code)")
      }
    }
  }

  @Test func singleAndDoublePrecisionAgree() {
    var generator = SeededGenerator(seed: 11)
    let inputs = generator.floats(500, in: -4...4)
    for code in 0...GS_CLIP.rawValue {
      let narrow = applied(gs_function(code), inputs)
      var wide = [Double](repeating: 0, count: inputs.count)
      gs_apply_double(gs_function(code), inputs.map(Double.init), inputs.count, 0.7, 1.3, &wide)
      for (index, value) in narrow.enumerated() {
        let isClose = abs(Double(value) - wide[index]) <= 2e-6 * max(1, abs(wide[index]))
        #expect(
          isClose || value.isNaN && wide[index].isNaN || !wide[index].isFinite,
          "function \(code) of \(inputs[index]): \(value), \(wide[index])")
      }
    }
  }

  private func applied(_ code: gs_function, _ inputs: [Float]) -> [Float] {
    var outputs = [Float](repeating: 0, count: inputs.count)
    gs_apply(code, inputs, inputs.count, 0.7, 1.3, &outputs)
    return outputs
  }
}
