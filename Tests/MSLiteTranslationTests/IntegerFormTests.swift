import ModelFormats
import ModelGraph
import Support
import Testing

@testable import MSLiteTranslation

/// Which operators between DequantizeLinear and QuantizeLinear work on integers, and what the others
/// read.
@Suite struct IntegerFormTests {
  /// `x -> pair -> Conv -> (middle) -> pair`, with weights of two channels.
  private struct Net {
    let graph = Graph(name: "net")
    var convolution: Node { graph.nodes.first { $0.isONNX("Conv") || $0.isONNX("Gemm") } ?? node }
    private let node: Node

    init(
      _ type: String = "Conv", extents: [Int] = [2, 2, 1, 1], axis: Int? = 0,
      zeroPoints: [Int32] = [0, 0], bias: Value?, middle: [String] = [], zeroPoint: Int8 = -128,
      attributes: [Attribute] = []
    ) {
      let x = Value(name: "x")
      x.type = .tensor(.float32, shape: extents.map { _ in .fixed(2) })
      graph.inputs = [x]
      let weights = Value(name: "w")
      weights.quantized = QuantizedConstant(
        source: TensorData(float32: [1, 2, 1.5, 2], dimensions: extents),
        storage: .init(bits: 8, elementType: .int8, axis: axis), integers: [2, 4, 6, 8],
        parameters: .init(
          firstChannel: 0, scales: Array([0.5, 0.25].prefix(zeroPoints.count)),
          zeroPoints: zeroPoints))
      weights.initializer = weights.quantized?.source
      graph.initializers = [weights] + (bias.map { [$0] } ?? [])
      let sum = Value(name: "sum")
      node = Node(
        name: "layer", operatorType: type,
        inputs: [Net.pair(graph, x, 0.5, 3), weights] + (bias.map { [$0] } ?? []), outputs: [sum],
        attributes: attributes)
      graph.nodes.append(node)
      var value = sum
      for type in middle {
        let next = Value(name: type)
        graph.nodes.append(
          Node(name: type, operatorType: type, inputs: [value], outputs: [next]))
        value = next
      }
      graph.outputs = [Net.pair(graph, value, 0.125, zeroPoint)]
    }

    private static func pair(
      _ graph: Graph, _ value: Value, _ scale: Float, _ zeroPoint: Int8
    ) -> Value {
      let grid = [Value(name: value.name + "_scale"), Value(name: value.name + "_zero")]
      grid[0].initializer = TensorData(float32: [scale], isScalar: true)
      grid[1].initializer = TensorData(
        elementType: .int8, dimensions: [],
        storage: .packed(Bytes([UInt8(bitPattern: zeroPoint)])))
      graph.initializers += grid
      let integers = Value(name: value.name + "_q")
      let back = Value(name: value.name + "_dq")
      graph.nodes += [
        Node(operatorType: "QuantizeLinear", inputs: [value] + grid, outputs: [integers]),
        Node(operatorType: "DequantizeLinear", inputs: [integers] + grid, outputs: [back]),
      ]
      return back
    }

    func types() -> [String] {
      IntegerForm.apply(to: graph, movers: [])
      return graph.nodes.map(\.operatorType)
    }
  }

  private static func floats(_ values: [Float]) -> Value {
    let value = Value(name: "b")
    value.initializer = TensorData(float32: values)
    return value
  }

  private static func integers(_ values: [Int32], scales: [Float]) -> Value {
    let value = floats(zip(values, scales).map { Float($0) * $1 })
    value.quantized = QuantizedConstant(
      source: value.initializer ?? TensorData(float32: []),
      storage: .init(bits: 32, elementType: .int32, axis: 0),
      integers: values.map(\.littleEndian).withUnsafeBytes(Array.init),
      parameters: .init(firstChannel: 0, scales: scales, zeroPoints: [0, 0]))
    return value
  }

  private static let integerTypes = ["QuantizeLinear", "Conv", "DequantizeLinear"]

  private func bias(_ net: Net) throws -> [Int32] {
    let quantized = try #require(net.convolution.inputs[2]?.quantized)
    #expect(quantized.storage.elementType == .int32)
    return Bytes(quantized.encode(0).integers).load(Int32.self).map(Int32.init(littleEndian:))
  }

  /// Scales of the products are 0.5 * 0.5 and 0.5 * 0.25.
  @Test func aFloatBiasBecomesIntegers() throws {
    let net = Net(bias: Self.floats([1, -2.06]))
    #expect(net.types() == Self.integerTypes)
    #expect(try bias(net) == [4, -16])
  }

  @Test func aBiasOnTheGridOfTheProductsStays() throws {
    let net = Net(bias: Self.integers([7, -9], scales: [0.25, 0.125]))
    #expect(net.types() == Self.integerTypes)
    #expect(try bias(net) == [7, -9])
  }

  @Test func aBiasOnAnotherGridIsRoundedToThatOfTheProducts() throws {
    let net = Net(bias: Self.integers([7, -9], scales: [0.5, 0.5]))
    #expect(net.types() == Self.integerTypes)
    #expect(try bias(net) == [14, -36])
  }

  @Test func aReluThatTheIntegersCannotTellGoes() {
    #expect(Net(bias: nil, middle: ["Relu"]).types() == Self.integerTypes)
    let other = Net(bias: nil, middle: ["Relu"], zeroPoint: 0)
    #expect(other.types() == Self.integerTypes)
    #expect(other.convolution.int("activation_type") == 1, "the kernel does it")
    let product = Net("Gemm", extents: [2, 2], axis: 1, bias: nil, middle: ["Relu"], zeroPoint: 0)
    #expect(
      product.types() == [
        "QuantizeLinear", "DequantizeLinear", "Gemm", "Relu", "QuantizeLinear", "DequantizeLinear",
      ])
  }

  @Test func whatHasNoIntegerKernelReadsFloats() throws {
    let floats = [
      "QuantizeLinear", "DequantizeLinear", "Conv", "QuantizeLinear", "DequantizeLinear",
    ]
    for net in [
      Net(axis: 1, bias: Self.integers([7, -9], scales: [0.25, 0.125])),
      Net(zeroPoints: [1, 2], bias: Self.integers([7, -9], scales: [0.25, 0.125])),
    ] {
      #expect(net.types() == floats)
      #expect(net.convolution.inputs[2]?.quantized == nil)
      #expect(net.convolution.inputs[2]?.constant?.float32Values == [1.75, -1.125])
    }
    let product = Net(
      "Gemm", extents: [2, 2], axis: 1, bias: Self.integers([7, -9], scales: [0.25, 0.125]),
      attributes: [Attribute("alpha", .float(0.5))])
    #expect(product.types() == floats.map { $0 == "Conv" ? "Gemm" : $0 })
    #expect(product.convolution.inputs[2]?.quantized == nil)
    #expect(product.convolution.inputs[1]?.quantized != nil, "loaded as floats")
  }

  @Test func weightsOnAnAxisThatTheRuntimeDoesNotTakeAreFloats() {
    let net = Net(axis: 1, bias: nil)
    _ = net.types()
    #expect(net.convolution.inputs[1]?.quantized == nil)
    #expect(net.convolution.inputs[1]?.constant?.float32Values == [1, 2, 1.5, 2])
  }

  @Test func oneZeroPointForAllWeightsIsTaken() {
    #expect(Net(axis: nil, zeroPoints: [5], bias: nil).types() == Self.integerTypes)
  }
}
