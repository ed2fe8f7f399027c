import ModelGraph
import Quantization
import Testing

@Suite struct MultiplyAddsTests {
  private static func count(
    _ type: String, input: [Int]?, output: [Int]? = nil, weights: [Int]..., result: [Int]? = nil
  ) -> Int? {
    let (x, y, z) = (Value(name: "x"), Value(name: "y"), Value(name: "z"))
    let constants = weights.enumerated().map { index, extents in
      let value = Value(name: "w\(index)")
      value.initializer = TensorData(
        float32: [Float](repeating: 0, count: extents.reduce(1, *)), dimensions: extents)
      return value
    }
    let node = Node(
      operatorType: type, inputs: [x] + (weights.isEmpty ? [Value(name: "v")] : constants),
      outputs: [y])
    var shapes: [String: [Int]] = [:]
    shapes["x"] = input
    shapes["y"] = output
    shapes["z"] = result
    return MultiplyAdds(shapes: shapes).count(node, result: z)
  }

  /// Each output element of a convolution takes its filter's elements.
  @Test func convolutions() {
    let whole = Self.count(
      "Conv", input: [2, 3, 8, 8], output: [2, 16, 6, 6], weights: [16, 3, 3, 3])
    #expect(whole == 2 * 16 * 6 * 6 * 27)
    let depthwise = Self.count(
      "Conv", input: [1, 16, 8, 8], output: [1, 16, 8, 8], weights: [16, 1, 3, 3])
    #expect(depthwise == 16 * 64 * 9)
    let absorbed = Self.count(
      "Conv", input: [1, 3, 4], weights: [5, 3, 1], result: [1, 5, 4])
    #expect(absorbed == 5 * 4 * 3)
    let transposed = Self.count("ConvTranspose", input: [1, 4, 5, 5], weights: [4, 6, 2, 2])
    #expect(transposed == 4 * 25 * 6 * 4)
  }

  @Test func products() {
    #expect(Self.count("MatMul", input: [2, 7, 3], weights: [3, 5]) == 2 * 7 * 3 * 5)
    #expect(Self.count("Gemm", input: [7, 3], weights: [5, 3]) == 7 * 3 * 5)
    let attention = Self.count("MatMul", input: [1, 4, 9, 8], output: [1, 4, 9, 9])
    #expect(attention == 4 * 9 * 9 * 8)
    let recurrent = Self.count("LSTM", input: [14, 2, 56], weights: [1, 256, 56], [1, 256, 64])
    #expect(recurrent == 28 * 256 * (56 + 64))
  }

  @Test func whatIsNotKnown() {
    #expect(Self.count("Conv", input: [1, 3, 4], weights: [5, 3, 1]) == nil)
    #expect(Self.count("MatMul", input: nil, weights: [3, 5]) == nil)
    #expect(Self.count("Gather", input: [3, 5], output: [1], weights: [1]) == nil)
    #expect(Self.count("Conv", input: [1, 0], output: [1, 0], weights: [0, 0]) == nil)
  }
}
