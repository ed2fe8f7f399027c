import Glibc
import Inference
import MSLiteTranslation
import ModelFormats
import ModelGraph
import Support
import Testing

/// Operators that other converters write and this one does in other ways.
@Suite struct ReadingOfOthersTests {
  private func run(
    _ primitive: MSLitePrimitive, _ shape: [Int], _ constants: [MSLiteTensor],
    _ feed: TensorData
  ) throws -> [Float] {
    var model = MSLiteModel()
    model.tensors = [MSLiteTensor(name: "x", elementType: feed.elementType, dimensions: shape)]
    model.tensors += constants + [MSLiteTensor(name: "y", elementType: .float32)]
    let last = model.tensors.count - 1
    model.nodes = [
      MSLiteNode(name: "n", primitive: primitive, inputs: Array(0..<last), outputs: [last])
    ]
    model.subgraphs = [MSLiteSubgraph(name: "g", inputs: [0], outputs: [last], nodes: [0])]
    let session = try InferenceSession(model: MSLiteGraphReader.read(model, name: "other.ms"))
    return try #require(session.run(["x": feed]).first?.data.float32Values)
  }

  private func constant<Element>(
    _ name: String, _ type: ElementType, _ values: [Element], _ shape: [Int]
  ) -> MSLiteTensor {
    MSLiteTensor(
      name: name, elementType: type, dimensions: shape,
      content: .bytes(Bytes(values.withUnsafeBytes(Array.init))))
  }

  @Test(arguments: [(true, Int32(1)), (true, -1), (false, 0), (false, 1)])
  func trianglesAreCutAlongTheirDiagonal(isUpper: Bool, diagonal: Int32) throws {
    let numbers = (1...12).map { Float($0) }
    let result = try run(
      MSLitePrimitive(isUpper ? "Triu" : "Tril"), [3, 4],
      [constant("k", .int32, [diagonal], [])], TensorData(float32: numbers, dimensions: [3, 4]))
    let expected = numbers.indices.map { index in
      let distance = index % 4 - index / 4
      let isKept = isUpper ? distance >= diagonal : distance <= diagonal
      return isKept ? numbers[index] : 0
    }
    #expect(result == expected)
  }

  @Test func placesBecomeRowsOfOnAndOff() throws {
    let result = try run(
      MSLitePrimitive("OneHot", ["axis": .int(-1)]), [3],
      [
        constant("depth", .int32, [Int32(4)], []),
        constant("values", .float32, [Float(-1), 2], [2]),
      ], TensorData(int32: [2, 0, 3], dimensions: [3]))
    #expect(result == [-1, -1, 2, -1, 2, -1, -1, -1, -1, -1, -1, 2])
  }

  @Test func responsesAreNormalizedOverNeighbouringChannels() throws {
    let numbers = (0..<10).map { Float($0) - 4 }
    let result = try run(
      MSLitePrimitive(
        "LRN",
        [
          "depth_radius": .int(1), "alpha": .float(0.25), "beta": .float(0.5), "bias": .float(2),
        ]), [1, 1, 2, 5], [], TensorData(float32: numbers, dimensions: [1, 1, 2, 5]))
    for (index, value) in result.enumerated() {
      let channel = index % 5
      let row = numbers[(index - channel)..<(index - channel + 5)].map(Double.init)
      let squares = row[max(0, channel - 1)...min(4, channel + 1)].reduce(0) { $0 + $1 * $1 }
      let expected = row[channel] / (2 + 0.25 * squares).squareRoot()
      #expect(abs(Double(value) - expected) < 1e-6)
    }
  }
}
