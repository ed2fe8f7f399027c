import Foundation
import ModelGraph
import Testing

@testable import Inference

@Suite struct LossTests {
  private let scores = Tensor([2, 3], [Float(1), 2, 3, 0, 0, 0])
  private let classes = Tensor([2], [Int64(2), 0])

  private func loss(_ reduction: String, _ extra: [Attribute] = []) -> OperatorHarness {
    OperatorHarness(
      name: "SoftmaxCrossEntropyLoss",
      attributes: [Attribute("reduction", .string(Array(reduction.utf8)))] + extra)
  }

  @Test func lossesAreJoinedAsAsked() throws {
    let first = log(exp(1.0) + exp(2) + exp(3)) - 3
    let single = try loss("none").run([scores, classes])[0].array(Float.self)
    #expect(abs(Double(single[0]) - first) < 1e-6 && abs(Double(single[1]) - log(3)) < 1e-6)
    let sum = try loss("sum").run([scores, classes])[0].array(Float.self)[0]
    #expect(abs(Double(sum) - first - log(3)) < 1e-6)
    let weights = Tensor([3], [Float(1), 1, 3])
    let mean = try loss("mean").run([scores, classes, weights])[0].array(Float.self)[0]
    #expect(abs(Double(mean) - (3 * first + log(3)) / 4) < 1e-6)
    let ignoring = loss("mean", [Attribute("ignore_index", .int(0))])
    let rest = try ignoring.run([scores, classes])[0].array(Float.self)[0]
    #expect(abs(Double(rest) - first) < 1e-6)
  }

  @Test func unknownClassesAreRefused() {
    #expect(throws: KernelProblem.self) {
      try loss("sum").run([scores, Tensor([2], [Int64(0), 3])])
    }
    #expect(throws: KernelProblem.self) { try loss("sum").run([scores, Tensor([1], [Int64(0)])]) }
    #expect(throws: KernelProblem.self) { try loss("median").run([scores, classes]) }
  }

  @Test func optimizersMoveAgainstTheGradient() throws {
    let rate = Tensor([], [Float(0.1)])
    let step = Tensor([], [Int64(0)])
    let (value, gradient, state) = (
      Tensor([1], [Float(1)]), Tensor([1], [Float(2)]), Tensor([1], [Float(0)])
    )
    let harness = OperatorHarness(
      name: "Adagrad", domain: "ai.onnx.preview.training", version: 1, outputCount: 2)
    let results = try harness.run([rate, step, value, gradient, state])
    #expect(results[1].array(Float.self) == [4])
    #expect(abs(results[0].array(Float.self)[0] - 0.9) < 1e-6)
    #expect(throws: KernelProblem.self) { try harness.run([rate, step, value, gradient]) }
  }
}
