import GraphPasses
import ModelGraph
import Testing

@testable import Quantization

@Suite struct FullQuantizationTests {
  @Test(arguments: 1...40 as ClosedRange<UInt64>)
  func coveringGridsHoldZeroAndBothEnds(seed: UInt64) {
    var numbers = TestNumbers(seed: seed)
    let low = Float(-numbers.unit() * (seed % 3 == 0 ? 0 : 40))
    let high = Float(numbers.unit() * (seed % 4 == 0 ? 0 : 9))
    let grid = AffineGrid(covering: low, high, lowest: 0, highest: 255)
    let reach = (
      -Float(grid.zeroPoint) * grid.scale, Float(255 - grid.zeroPoint) * grid.scale
    )
    let slack = (high - low) * 1e-6
    #expect(grid.scale > 0 && (0...255).contains(grid.zeroPoint), "seed \(seed)")
    #expect(reach.0 <= low + slack && reach.1 >= high - slack, "seed \(seed)")
    #expect(grid.scale * 255 <= (high - low) * 1.01 + 1e-9, "seed \(seed): a wasteful grid")
  }

  @Test(arguments: 1...40 as ClosedRange<UInt64>)
  func noPairSaturatesSixteenBits(seed: UInt64) {
    var numbers = TestNumbers(seed: seed)
    let limit = PairLimit(
      sum: 128, inputs: numbers.integer(1...9), kernel: [1, 4, 9][numbers.integer(0...2)])
    let weights = numbers.weights(limit.inputs * limit.kernel)
    let largest = weights.map(abs).max() ?? 0
    weights.withUnsafeBufferPointer { weights in
      let scale = limit.scale(from: largest / 127, weights)
      var integers = weights.map { Int32(($0 / scale).rounded()) }
      integers.withUnsafeMutableBufferPointer { limit.limit($0) }
      // As kernels read them: input channels of one position next to each other.
      let ordered = (0..<limit.kernel).flatMap { position in
        (0..<limit.inputs).map { integers[$0 * limit.kernel + position] }
      }
      for first in stride(from: 0, to: ordered.count - 1, by: 2) {
        #expect(abs(ordered[first] + ordered[first + 1]) <= 128, "seed \(seed)")
      }
    }
  }

  /// Hard-swish as PP-OCR's exporter writes it: x * clip(x + 3, 0, 6) / 6.
  @Test func whatHardSwishIgnoresNeedsNoIntegers() {
    func scalar(_ name: String, _ value: Float) -> Value {
      let constant = Value(name: name)
      constant.initializer = TensorData(float32: [value], isScalar: true)
      return constant
    }
    let names = ["x", "shifted", "clipped", "product", "result"]
    let values = names.map { Value(name: $0) }
    let graph = Graph(name: "test")
    graph.inputs = [values[0]]
    graph.outputs = [values[4]]
    graph.nodes = [
      Node(operatorType: "Add", inputs: [values[0], scalar("three", 3)], outputs: [values[1]]),
      Node(
        operatorType: "Clip", inputs: [values[1], scalar("zero", 0), scalar("six", 6)],
        outputs: [values[2]]),
      Node(operatorType: "Mul", inputs: [values[0], values[2]], outputs: [values[3]]),
      Node(operatorType: "Div", inputs: [values[3], scalar("by", 6)], outputs: [values[4]]),
    ]
    let saturation = Saturation(GraphUses(graph))
    let needed = saturation.needed(of: values[0], in: -50...50)
    #expect(needed.upperBound == 50)
    #expect(needed.lowerBound <= -3 && needed.lowerBound > -3.1)
    graph.outputs.append(values[0])
    #expect(Saturation(GraphUses(graph)).needed(of: values[0], in: -50...50) == -50...50)
  }

  @Test func factorsSpreadChannelsThatNothingElseHolds() throws {
    let free = Equalization(
      lower: [0, 0, 0], upper: [100, 1, 10], doubts: [1, 1, 1], power: [1, 1, 1], readers: [],
      isFree: true)
    let found = try #require(free.factors())
    #expect(found.values.map { $0.rounded() } == [1, 100, 10])
    #expect(found.lower == 0 && abs(found.upper - 100) < 0.01)
    // A channel that few samples excite keeps room for more.
    let doubtful = Equalization(
      lower: [0, 0], upper: [100, 1], doubts: [1, 5], power: [1, 1], readers: [], isFree: true)
    #expect(doubtful.factors()?.values[1] == 20)
    // Even channels gain nothing.
    let even = Equalization(
      lower: [-1, -1], upper: [1, 1], doubts: [1, 1], power: [1, 1], readers: [], isFree: true)
    #expect(even.factors() == nil)
  }
}
