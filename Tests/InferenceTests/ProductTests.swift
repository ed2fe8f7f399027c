import ModelGraph
import Testing

@testable import Inference

/// A matrix product in double precision: left [rows, inner], right [inner, columns].
private func product(
  _ left: [Float], _ right: [Float], _ rows: Int, _ inner: Int, _ columns: Int
) -> [Float] {
  var result: [Float] = []
  for row in 0..<rows {
    for column in 0..<columns {
      var sum = 0.0
      for k in 0..<inner {
        sum += Double(left[row * inner + k]) * Double(right[k * columns + column])
      }
      result.append(Float(sum))
    }
  }
  return result
}

private func worst(_ left: [Float], _ right: [Float]) -> Float {
  left.count == right.count ? zip(left, right).map { abs($0 - $1) }.max() ?? 0 : .infinity
}

@Test func matrixProductsMatchTheirDefinition() throws {
  let seed: UInt64 = 4711
  var generator = SeededGenerator(seed: seed)
  for round in 0..<60 {
    let rows = Int.random(in: 1...40, using: &generator)
    let inner = Int.random(in: 1...70, using: &generator)
    let columns = Int.random(in: 1...70, using: &generator)
    let batch = Int.random(in: 1...3, using: &generator)
    let isBroadcast = Bool.random(using: &generator)
    let left = generator.floats(batch * rows * inner)
    let right = generator.floats((isBroadcast ? 1 : batch) * inner * columns)
    let harness = OperatorHarness(
      name: "MatMul", constantInputs: isBroadcast && round % 2 == 0 ? [1] : [])
    let result = try harness.run([
      Tensor([batch, rows, inner], left),
      Tensor(isBroadcast ? [inner, columns] : [batch, inner, columns], right),
    ])[0]
    var expected: [Float] = []
    for index in 0..<batch {
      let matrix =
        isBroadcast ? right : Array(right[(index * inner * columns)...].prefix(inner * columns))
      expected += product(
        Array(left[(index * rows * inner)...].prefix(rows * inner)), matrix, rows, inner, columns)
    }
    #expect(result.shape == [batch, rows, columns])
    #expect(worst(result.array(Float.self), expected) < 1e-4, "seed \(seed), round \(round)")
  }
}

@Test func leadingAxesOfProductsBroadcast() throws {
  var generator = SeededGenerator(seed: 8)
  let left = generator.floats(2 * 1 * 3 * 4)
  let right = generator.floats(5 * 4 * 2)
  let result = try OperatorHarness(name: "MatMul").run([
    Tensor([2, 1, 3, 4], left), Tensor([5, 4, 2], right),
  ])[0]
  #expect(result.shape == [2, 5, 3, 2])
  var expected: [Float] = []
  for first in 0..<2 {
    for second in 0..<5 {
      expected += product(
        Array(left[(first * 12)...].prefix(12)), Array(right[(second * 8)...].prefix(8)), 3, 4, 2)
    }
  }
  #expect(worst(result.array(Float.self), expected) < 1e-5)
}

@Test func followersOfProductsGiveTheBytesOfSeparateSteps() throws {
  let seed: UInt64 = 99
  var generator = SeededGenerator(seed: seed)
  for round in 0..<60 {
    let rows = [1, 2, 7, 32].randomElement(using: &generator) ?? 1
    let inner = Int.random(in: 1...300, using: &generator)
    let columns = Int.random(in: 1...200, using: &generator)
    let left = Tensor([rows, inner], generator.floats(rows * inner))
    let right = Tensor([inner, columns], generator.floats(inner * columns))
    let terms = generator.floats(columns)
    let others = generator.floats(columns)
    let plain = try OperatorHarness(name: "MatMul", constantInputs: [1]).run([left, right])[0]
      .array(Float.self)
    let choices: [[Follower]] = [
      [], [.relu], [.shift(input: 3), .relu], [.shift(input: 3), .clip(low: 0, high: 1)],
    ]
    let followers = choices[round % choices.count]
    let hasBias = round % 3 != 0
    let fused = try OperatorHarness(
      name: "MatMul", constantInputs: [1, 2, 3], followers: followers
    ).run([
      left, right, hasBias ? Tensor([columns], terms) : nil, Tensor([columns], others),
    ])[0].array(Float.self)
    let expected = plain.indices.map { index in
      var value = plain[index]
      if hasBias { value += terms[index % columns] }
      for follower in followers {
        switch follower {
        case .relu: value = max(value, 0)
        case .clip(let low, let high): value = min(max(value, low), high)
        default: value += others[index % columns]
        }
      }
      return value
    }
    #expect(
      fused == expected,
      "seed \(seed), round \(round), \(followers), \(rows) \(inner) \(columns), bias \(hasBias), worst \(worst(fused, expected))"
    )
  }
}

@Test func operandsThatCannotBeMultipliedAreRefused() {
  let one = { (shape: [Int]) in Tensor(shape, [Float](repeating: 1, count: shape.reduce(1, *))) }
  for (left, right) in [([2, 3], [2, 3]), ([], [3]), ([2, 3, 4], [3, 4, 5])] {
    #expect(throws: KernelProblem.self) {
      try OperatorHarness(name: "MatMul").run([one(left), one(right)])
    }
  }
  #expect(throws: KernelProblem.self) {
    try OperatorHarness(name: "Gemm").run([one([2, 3]), one([3, 4]), one([3, 3])])
  }
}

@Test func productsOfIntegersWrapAround() throws {
  let result = try OperatorHarness(name: "MatMul").run([
    Tensor([1, 2], [Int32.max, 1]), Tensor([2, 1], [Int32(2), 5]),
  ])[0]
  #expect(result.array(Int32.self) == [3])
}
