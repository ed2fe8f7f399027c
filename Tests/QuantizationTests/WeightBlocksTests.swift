import ModelGraph
import Support
import Testing

@testable import Quantization

@Suite struct WeightBlocksTests {
  private func source(_ dimensions: [Int], seed: UInt64) -> TensorData {
    var generator = seed
    let count = dimensions.reduce(1, *)
    let values = (0..<count).map { _ -> Float in
      generator = generator &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Int32(truncatingIfNeeded: generator >> 33)) / Float(1 << 30)
    }
    return TensorData(float32: values, dimensions: dimensions)
  }

  private func recipe(_ dimensions: [Int], axis: Int, bits: Int, size: Int) -> WeightRecipe {
    var storage = QuantizedStorage(bits: bits, elementType: bits <= 4 ? .int4 : .int8, axis: axis)
    storage.divide(
      dimensions, by: size, for: [Node(operatorType: "MatMul", inputs: [], outputs: [])])
    return WeightRecipe(
      storage: storage,
      layout: ChannelLayout(dimensions: dimensions, axis: axis, kernelAxis: nil), range: .maxMin,
      round: .squant, correctsScale: false)
  }

  /// The stored integers with their sign.
  private func integers(_ slab: EncodedSlab, bits: Int, count: Int) -> [Int] {
    guard bits <= 4 else { return slab.integers.map { Int(Int8(bitPattern: $0)) } }
    return (0..<count).map { index in
      let half = Int(slab.integers[index / 2] >> (index % 2 == 0 ? 0 : 4)) & 15
      return half > 7 ? half - 16 : half
    }
  }

  @Test(arguments: [(0, 4), (1, 4), (0, 8), (1, 8)])
  func everyBlockIsNearItsWeights(axis: Int, bits: Int) throws {
    let size = 32
    let dimensions = axis == 0 ? [6, 96] : [96, 6]
    let source = source(dimensions, seed: UInt64(axis * 10 + bits))
    let recipe = recipe(dimensions, axis: axis, bits: bits, size: size)
    let constant = WeightEncoder(source: source, recipe: recipe).quantizedConstant(number: 0)
    #expect(constant.channelCount == 18)
    try #require(constant.slabCount == 1)
    let slab = constant.encode(0)
    let values = try #require(source.float32Values)
    let integers = integers(slab, bits: bits, count: values.count)
    var extents = dimensions
    extents[1 - axis] /= size
    var largest: Float = 0
    for row in 0..<dimensions[0] {
      for column in 0..<dimensions[1] {
        let place = row * dimensions[1] + column
        let block =
          axis == 0 ? row * extents[1] + column / size : row / size * extents[1] + column
        let scale = slab.parameters.scales[block]
        let real = scale * Float(integers[place] - Int(slab.parameters.zeroPoints[block]))
        largest = max(largest, abs(real - values[place]) / scale)
      }
    }
    #expect(largest <= 1.01)
    #expect(largest > 0.3)
    #expect(Set(slab.parameters.scales).count > 12)
  }

  @Test func channelsThatAreNotWholeBlocksKeepOneScale() {
    #expect(recipe([6, 40], axis: 0, bits: 4, size: 32).storage.block == nil)
    #expect(recipe([6, 64], axis: 0, bits: 4, size: 32).scaleCount == 12)
    var storage = QuantizedStorage(bits: 4, elementType: .int4, axis: 0)
    storage.divide([64, 64], by: 32, for: [Node(operatorType: "Conv")])
    #expect(storage.block == nil)
  }
}
