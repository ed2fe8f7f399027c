import CKernels
import ModelGraph
import Support
import Testing

@testable import Inference

/// Random operands that broadcast to one shape.
struct BroadcastSample {
  var generator: SeededGenerator

  /// A shape of up to five axes, and shapes that broadcast to it; the first may be shorter, too.
  mutating func shapes(_ count: Int) -> [[Int]] {
    let rank = Int.random(in: 0...5, using: &generator)
    let full = (0..<rank).map { _ in [0, 1, 2, 3, 4, 5, 17].randomElement(using: &generator) ?? 1 }
    return (0..<count).map { _ in
      let kept = Int.random(in: 0...rank, using: &generator)
      let mayRepeat = Bool.random(using: &generator)
      return full.suffix(Bool.random(using: &generator) ? rank : kept).map {
        mayRepeat && Bool.random(using: &generator) ? 1 : $0
      }
    }
  }

  /// A tensor in a random layout.
  mutating func tensor(_ shape: [Int]) -> Tensor {
    let tensor = Tensor(shape, generator.floats(shape.reduce(1, *)))
    return shape.count >= 3 && Bool.random(using: &generator) ? tensor.channelsLast : tensor
  }
}

/// Elements of a tensor as if it had been broadcast to a shape, one index at a time.
func broadcastElements<Element: TensorElement>(
  _ tensor: Tensor, _ shape: [Int], _ type: Element.Type
) -> [Element] {
  let values = tensor.array(type)
  return (0..<shape.reduce(1, *)).map { position in
    var (rest, offset, step) = (position, 0, 1)
    for (axis, extent) in shape.enumerated().reversed() {
      let index = rest % extent
      rest /= extent
      let own = axis - (shape.count - tensor.rank)
      guard own >= 0 else { continue }
      if tensor.shape[own] != 1 { offset += index * step }
      step *= tensor.shape[own]
    }
    return values[offset]
  }
}

@Suite struct ElementwiseTests {
  private static let operators: [(name: String, apply: @Sendable (Float, Float) -> Float)] = [
    ("Add", { $0 + $1 }), ("Sub", { $0 - $1 }), ("Mul", { $0 * $1 }), ("Div", { $0 / $1 }),
    ("Min", { $1 < $0 ? $1 : $0 }), ("Max", { $1 > $0 ? $1 : $0 }),
  ]

  @Test(arguments: 0..<200)
  func combiningEqualsOneIndexAtATime(seed: Int) throws {
    var sample = BroadcastSample(generator: SeededGenerator(seed: UInt64(seed)))
    let (name, apply) = ElementwiseTests.operators[seed % ElementwiseTests.operators.count]
    let shapes = sample.shapes(2)
    let (left, right) = (sample.tensor(shapes[0]), sample.tensor(shapes[1]))
    let result = try OperatorHarness(name: name).run([left, right])[0]
    let shape = try broadcastShape(left.shape, right.shape)
    let a = broadcastElements(left, shape, Float.self)
    let b = broadcastElements(right, shape, Float.self)
    #expect(result.shape == shape, "seed \(seed)")
    #expect(result.array(Float.self) == zip(a, b).map(apply), "seed \(seed)")
  }

  @Test(arguments: 0..<100)
  func choosingEqualsOneIndexAtATime(seed: Int) throws {
    var sample = BroadcastSample(generator: SeededGenerator(seed: UInt64(seed)))
    let shapes = sample.shapes(3)
    let numbers = sample.tensor(shapes[0])
    let zero = Tensor([], [Float(0)])
    let condition = try OperatorHarness(name: "Greater").run([numbers, zero])[0]
    let (yes, no) = (sample.tensor(shapes[1]), sample.tensor(shapes[2]))
    let result = try OperatorHarness(name: "Where").run([condition, yes, no])[0]
    let shape = try broadcastShape(try broadcastShape(shapes[0], shapes[1]), shapes[2])
    let c = broadcastElements(numbers, shape, Float.self)
    let (a, b) = (
      broadcastElements(yes, shape, Float.self), broadcastElements(no, shape, Float.self)
    )
    #expect(result.shape == shape, "seed \(seed)")
    #expect(result.array(Float.self) == c.indices.map { c[$0] > 0 ? a[$0] : b[$0] }, "seed \(seed)")
  }

  @Test func aLargeResultIsSplitAmongWorkersAlike() throws {
    var generator = SeededGenerator(seed: 7)
    let left = Tensor([3, 40, 33, 50], generator.floats(3 * 40 * 33 * 50)).channelsLast
    let right = Tensor([3, 40, 1, 1], generator.floats(120))
    let several = RunContext(pool: BufferPool(), workers: WorkerPool(threads: 3))
    let one = RunContext(pool: BufferPool(), workers: WorkerPool(threads: 1))
    let results = try [several, one].map {
      try Elementwise.combine(GS_MULTIPLY, left, right, $0).array(Float.self)
    }
    #expect(results[0] == results[1])
    let functions = try [several, one].map {
      try Elementwise.apply(.init(GS_EXP), left, $0).array(Float.self)
    }
    #expect(functions[0] == functions[1])
  }

  @Test func aResultTakesAnOperandsMemoryWhereNothingElseHoldsIt() throws {
    let context = RunContext(pool: BufferPool(), workers: WorkerPool(threads: 1))
    let call = KernelCall(
      inputs: [
        .tensor(Tensor([2, 2], [1, 2, 3, 4] as [Float])), .tensor(Tensor([], [Float(1)])),
      ],
      context: context, observer: nil)
    let result = try Elementwise.combine(GS_ADD, call)
    #expect(result.storage === (try call.tensor(0)).storage)
    #expect(result.array(Float.self) == [2, 3, 4, 5])
  }

  @Test func channelsLastOperandsKeepTheirOrder() throws {
    let image = Tensor([1, 2, 2, 2], (0..<8).map { Float($0) }).channelsLast
    let bias = Tensor([1, 2, 1, 1], [10, 20] as [Float])
    let sum = try OperatorHarness(name: "Add").run([image, bias])[0]
    #expect(sum.layout == .channelsLast)
    #expect(sum.array(Float.self) == [10, 11, 12, 13, 24, 25, 26, 27])
  }

  @Test func integersWrapAndNeverTrap() throws {
    let lowest = Tensor([3], [Int32.min, 7, -7])
    let divisors = Tensor([3], [Int32(-1), 0, 2])
    #expect(
      try OperatorHarness(name: "Div").run([lowest, divisors])[0].array(Int32.self)
        == [.min, 0, -3])
    #expect(
      try OperatorHarness(name: "Mod").run([lowest, divisors])[0].array(Int32.self) == [0, 0, 1])
    #expect(
      try OperatorHarness(name: "Sub").run([lowest, Tensor([], [Int32(1)])])[0].array(Int32.self)
        == [.max, 6, -8])
    #expect(try OperatorHarness(name: "Abs").run([lowest])[0].array(Int32.self) == [.min, 7, 7])
    let shift = OperatorHarness(
      name: "BitShift", attributes: [Attribute("direction", .string(Array("LEFT".utf8)))])
    let shifted = try shift.run([Tensor([3], [UInt8(3), 3, 3]), Tensor([3], [UInt8(1), 7, 200])])
    #expect(shifted[0].array(UInt8.self) == [6, 128, 0])
  }

  @Test func aSlopeOfOldVersionsIsByChannel() throws {
    let image = Tensor([2, 3, 2], (0..<12).map { Float($0) - 6 })
    let slope = Tensor([3], [2, 3, 5] as [Float])
    let old = OperatorHarness(name: "PRelu", version: 6)
    #expect(
      try old.run([image, slope])[0].array(Float.self)
        == [-12, -10, -12, -9, -10, -5, 0, 1, 2, 3, 4, 5])
    #expect(try old.run([image.channelsLast, slope])[0].array(Float.self)[4] == -10)
    #expect(
      try old.run([image, Tensor([1], [Float(2)])])[0].array(Float.self).prefix(2) == [-12, -10])
    #expect(throws: KernelProblem.self) { try old.run([image, Tensor([2], [Float(1), 2])]) }
    #expect(throws: KernelProblem.self) {
      try OperatorHarness(name: "PRelu", version: 7).run([image, slope])
    }
  }

  @Test func unfittingOperandsAreRefused() throws {
    let (a, b) = (Tensor([2], [Float(1), 2]), Tensor([3], [Float(1), 2, 3]))
    #expect(throws: KernelProblem.self) { try OperatorHarness(name: "Add").run([a, b]) }
    #expect(throws: KernelProblem.self) {
      try OperatorHarness(name: "Add").run([a, Tensor([2], [Int32(1), 2])])
    }
    #expect(throws: KernelProblem.self) {
      try OperatorHarness(name: "BitwiseAnd").run([a, a])
    }
    #expect(throws: KernelProblem.self) { try OperatorHarness(name: "Add").run([a]) }
    #expect(throws: KernelProblem.self) {
      try OperatorHarness(name: "PRelu").run([a, Tensor([2, 2], [Float](repeating: 1, count: 4))])
    }
    #expect(throws: KernelProblem.self) { try OperatorHarness(name: "Clip").run([a, a]) }
    #expect(throws: KernelProblem.self) { try OperatorHarness(name: "Det").run([a]) }
  }
}
