import Foundation
import ModelGraph
import Testing

@testable import Inference

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
