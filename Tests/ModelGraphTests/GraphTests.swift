import Support
import Testing

@testable import ModelGraph

@Suite struct GraphTests {
  @Test func elementTypesKnowTheirBytes() {
    #expect(ElementType.float32.byteCount(of: 3) == 12)
    #expect(ElementType.int4.byteCount(of: 3) == 2)
    #expect(ElementType.int4.byteCount(of: 0) == 0)
    #expect(ElementType.string.byteCount(of: 3) == nil)
    #expect(ElementType.float64.byteCount(of: .max) == nil)
    #expect(ElementType.float32.byteCount(of: -1) == nil)
  }

  @Test func impossibleShapesHaveNoElementCount() {
    #expect(TensorData.elementCount(of: []) == 1)
    #expect(TensorData.elementCount(of: [2, 0, 5]) == 0)
    #expect(TensorData.elementCount(of: [2, -1]) == nil)
    #expect(TensorData.elementCount(of: [.max, 2]) == nil)
  }

  @Test func smallTensorsReadBack() {
    #expect(TensorData(int64: [1, -2, .max]).integers == [1, -2, .max])
    #expect(TensorData(float32: [1.5, -0.25]).float32Values == [1.5, -0.25])
    #expect(TensorData(int64: [3], isScalar: true).dimensions.isEmpty)
  }

  @Test func aNodeKnowsItsConstantAndItsAttributes() {
    let value = Value(name: "c")
    let node = Node(
      operatorType: "Constant", outputs: [value],
      attributes: [Attribute("value", .tensor(TensorData(int64: [4])))])
    #expect(value.constant?.integers == [4])
    #expect(value.producer === node)
    #expect(node.displayName == "c")
    node.setAttribute("extra", .string(Array("text".utf8)))
    #expect(node.string("extra") == "text")
    node.setAttribute("extra", nil)
    #expect(node.attribute("extra") == nil)
    node.domain = "custom"
    #expect(value.constant == nil, "another domain's Constant is another operator")
  }

  @Test func allGraphsAreFoundOutermostFirst() {
    let (inner, middle, outer) = (Graph(name: "inner"), Graph(name: "middle"), Graph(name: "outer"))
    middle.nodes = [Node(operatorType: "Loop", attributes: [Attribute("body", .graph(inner))])]
    outer.nodes = [
      Node(operatorType: "If", attributes: [Attribute("then_branch", .graph(middle))])
    ]
    #expect(outer.allGraphs.map(\.name) == ["outer", "middle", "inner"])
  }

  @Test func typesAreShownShort() {
    let type = ValueType.tensor(.float32, shape: [.symbolic("N"), .fixed(3), .unknown])
    #expect(type.description == "float32[N,3,?]")
    #expect(ValueType.tensor(.int64, shape: nil).description == "int64[...]")
  }

  @Test func bytesAreSlicedWithoutCopying() {
    let bytes = Bytes(Array(0..<100))
    let part = bytes[10..<20][2..<5]
    #expect(part.withUnsafeBytes { Array($0) } == [12, 13, 14])
    #expect(part.count == 3)
  }
}
