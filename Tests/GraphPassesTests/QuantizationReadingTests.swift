import GraphPasses
import ModelGraph
import Testing

/// What is read of a model that is quantized already, and what isn't.
@Suite struct QuantizationReadingTests {
  private static func read(
    _ net: QuantizedNet, keeps: Bool = true, signed: Bool = false
  ) -> QuantizationReading.Outcome {
    QuantizationReading.apply(
      to: net.model, .init(keepsParameters: keeps, isSigned: signed))
  }

  // MARK: Constants

  @Test func integersBehindDequantizeLinearAreRead() throws {
    let net = QuantizedNet()
    let x = net.input("x")
    net.graph.outputs = [net.convolution(x, "y")]
    let outcome = Self.read(net)
    #expect(outcome.constants == 1 && outcome.left.isEmpty)
    #expect(net.types == ["Conv"])
    let weights = try #require(net.graph.nodes[0].inputs[1])
    let quantized = try #require(weights.quantized)
    #expect(quantized.storage == .init(bits: 8, elementType: .int8, axis: 0))
    #expect(quantized.encode(0).integers == [1, 254, 3, 252])
    #expect(quantized.knownParameters?.scales == [0.5, 0.25])
    #expect(weights.constant?.float32Values == [0.5, -1, 0.75, -1])
    #expect(net.graph.initializers.map(\.name) == ["y_wdq"])
  }

  /// `numpy.rint([0.5, 1.5, -2.5, 3.49, 999, -999])` and the limits, and from those numpy's numbers.
  @Test func floatsBehindAPairAreRoundedAsONNXSays() throws {
    let net = QuantizedNet()
    let values: [Float] = [0.5, 1.5, -2.5, 3.49, 999, -999]
    let grid = [net.floats("s", [1]), net.bytes("z", .int8, [1])]
    let integers = net.node("QuantizeLinear", [net.floats("w", values, [6])] + grid, "q")
    net.graph.outputs = [
      net.node("Add", [net.input("x"), net.node("DequantizeLinear", [integers] + grid, "dq")], "y")
    ]
    _ = Self.read(net)
    let quantized = try #require(net.graph.nodes[0].inputs[1]?.quantized)
    #expect(
      quantized.encode(0).integers.map { Int8(bitPattern: $0) } == [1, 3, -1, 4, 127, -128])
    #expect(quantized.source.float32Values == [0, 2, -2, 3, 126, -129])
  }

  @Test func integersOfFewerBitsAreClipped() throws {
    let net = QuantizedNet()
    let grid = [net.floats("s", [0.5]), net.bytes("z", .int8, [0])]
    let integers = net.node("QuantizeLinear", [net.floats("w", [50, -50, 3], [3])] + grid, "q")
    let clipped = net.node(
      "Clip", [integers, net.bytes("l", .int8, [-63]), net.bytes("h", .int8, [63])], "c")
    net.graph.outputs = [
      net.node("Add", [net.input("x"), net.node("DequantizeLinear", [clipped] + grid, "dq")], "y")
    ]
    _ = Self.read(net)
    let quantized = try #require(net.graph.nodes[0].inputs[1]?.quantized)
    #expect(quantized.encode(0).integers.map { Int8(bitPattern: $0) } == [63, -63, 6])
    #expect(net.types == ["Add"])
  }

  @Test func unsignedIntegersAreShifted() throws {
    let net = QuantizedNet()
    let x = net.pair(net.input("x"), 0.5, 3)
    let weights = net.node(
      "DequantizeLinear",
      [
        net.bytes("w", .uint8, [0, 128, 255, 7], [2, 2, 1, 1]), net.floats("s", [2]),
        net.bytes("z", .uint8, [130]),
      ], "dq")
    net.graph.outputs = [net.node("Conv", [x, weights], "y")]
    _ = Self.read(net, signed: true)
    let convolution = net.graph.nodes[0]
    let quantized = try #require(convolution.inputs[1]?.quantized)
    #expect(quantized.storage.elementType == .int8)
    #expect(quantized.encode(0).integers.map { Int8(bitPattern: $0) } == [-128, 0, 127, -121])
    #expect(quantized.knownParameters?.zeroPoints == [2])
    #expect(quantized.source.float32Values == [-260, -4, 250, -246])
    let activation = try #require(convolution.inputs[0]?.activation)
    #expect(activation.elementType == .int8 && activation.zeroPoint == -125)
    #expect(activation.scale == 0.5)
  }

  @Test func aConstantThatIsReadTwiceIsReadOnce() throws {
    let net = QuantizedNet()
    let integers = net.bytes("w", .int8, [1, 2, 3, 4], [2, 2, 1, 1])
    let scale = net.floats("s", [1])
    let first = net.node("DequantizeLinear", [integers, scale], "a")
    let second = net.node("DequantizeLinear", [integers, scale], "b")
    let x = net.input("x")
    net.graph.outputs = [
      net.node("Conv", [net.node("Conv", [x, first], "m"), second], "y")
    ]
    #expect(Self.read(net).constants == 1)
    #expect(net.graph.nodes[0].inputs[1] === net.graph.nodes[1].inputs[1])
  }

  @Test func withoutParametersTheFloatsComeBack() throws {
    let net = QuantizedNet()
    let x = net.pair(net.input("x"), 0.5, 3)
    let grid = [net.floats("s", [1]), net.bytes("z", .int8, [0])]
    let integers = net.node(
      "QuantizeLinear", [net.floats("w", [0.1, 0.2, 0.3, 0.4], [2, 2, 1, 1])] + grid, "q")
    net.graph.outputs = [
      net.node("Conv", [x, net.node("DequantizeLinear", [integers] + grid, "dq")], "y")
    ]
    _ = Self.read(net, keeps: false)
    #expect(net.types == ["Conv"])
    #expect(net.graph.nodes[0].inputs[0]?.name == "x")
    #expect(net.graph.nodes[0].inputs[0]?.activation == nil)
    #expect(net.graph.nodes[0].inputs[1]?.quantized == nil)
    #expect(net.graph.nodes[0].inputs[1]?.constant?.float32Values == [0.1, 0.2, 0.3, 0.4])
  }

  // MARK: Hostile constants

  private static let hostile: [(String, @Sendable (QuantizedNet) -> [Value], Int, String)] = [
    ("a scale that is computed", { [$0.input("s"), $0.bytes("z", .int8, [0])] }, 0, "no float32"),
    (
      "too few zero points",
      { [$0.floats("s", [1, 2], [2]), $0.bytes("z", .int8, [0, 0, 0], [3])] }, 0,
      "2 scales and 3 zero points"
    ),
    (
      "an axis that is not there",
      { [$0.floats("s", [1, 2], [2]), $0.bytes("z", .int8, [0, 0], [2])] }, 9, "axis 9 of 4 axes"
    ),
    (
      "an axis from beyond the start",
      { [$0.floats("s", [1, 2], [2]), $0.bytes("z", .int8, [0, 0], [2])] }, -5,
      "axis -5 of 4 axes"
    ),
    (
      "channels of another axis",
      { [$0.floats("s", [1, 2], [2]), $0.bytes("z", .int8, [0, 0], [2])] }, 2,
      "2 scales for 1 channels"
    ),
    ("a scale of zero", { [$0.floats("s", [0]), $0.bytes("z", .int8, [0])] }, 0, "positive"),
    ("a negative scale", { [$0.floats("s", [-1]), $0.bytes("z", .int8, [0])] }, 0, "positive"),
    (
      "an infinite scale", { [$0.floats("s", [.infinity]), $0.bytes("z", .int8, [0])] }, 0,
      "positive"
    ),
    ("no scale", { [$0.floats("s", [], [0]), $0.bytes("z", .int8, [0])] }, 0, "positive"),
    ("a scale for each element", { [$0.floats("s", [1, 1, 1, 1], [2, 2])] }, 0, "each block"),
    (
      "a zero point of another type", { [$0.floats("s", [1]), $0.bytes("z", .uint8, [0])] }, 0,
      "int8 integers and a zero point of type uint8"
    ),
  ]

  @Test(arguments: hostile.indices) func whatIsNoGridStaysAsItIs(index: Int) throws {
    let (name, grid, axis, reason) = Self.hostile[index]
    let net = QuantizedNet()
    let x = net.input("x")
    let integers = net.bytes("w", .int8, [1, 2, 3, 4], [2, 2, 1, 1])
    let weights = net.node(
      "DequantizeLinear", [integers] + grid(net), "dq", [Attribute("axis", .int(Int64(axis)))])
    net.graph.outputs = [net.node("Conv", [x, weights], "y")]
    let outcome = Self.read(net)
    #expect(net.types == ["DequantizeLinear", "Conv"], "\(name)")
    #expect(outcome.constants == 0)
    #expect(outcome.left.count == 1)
    #expect(outcome.left.first?.reason.contains(reason) == true, "\(outcome.left)")
    #expect(weights.quantized == nil)
  }

  @Test func weightsThatAreNotFiniteStay() {
    let net = QuantizedNet()
    let grid = [net.floats("s", [1]), net.bytes("z", .int8, [0])]
    let integers = net.node("QuantizeLinear", [net.floats("w", [1, .nan], [2])] + grid, "q")
    net.graph.outputs = [
      net.node("Add", [net.input("x"), net.node("DequantizeLinear", [integers] + grid, "dq")], "y")
    ]
    let outcome = Self.read(net)
    #expect(net.types == ["QuantizeLinear", "DequantizeLinear", "Add"])
    #expect(outcome.left.map(\.reason) == ["the weights hold NaN or infinity"])
  }

  // MARK: Activations

  @Test func aPairGivesItsValueParameters() throws {
    let net = QuantizedNet()
    let first = net.convolution(net.pair(net.input("x"), 0.5, 3), "a")
    let relu = net.node("Relu", [first], "r")
    let result = net.pair(net.convolution(net.pair(relu, 0.25, 0), "b"), 2, 7)
    net.graph.outputs = [result]
    let outcome = Self.read(net)
    #expect(outcome.activations == 3 && outcome.left.isEmpty)
    #expect(net.types == ["Conv", "Relu", "Conv"])
    let output = try #require(net.graph.outputs.first)
    #expect(output.name == "b_dq", "a result keeps its name")
    #expect(output.activation?.scale == 2 && output.activation?.zeroPoint == 7)
    guard case .all = output.activation?.readers else { return #expect(Bool(false)) }
    #expect(relu.activation?.scale == 0.25)
    guard case .nodes(let readers) = net.graph.inputs[0].activation?.readers else {
      return #expect(Bool(false))
    }
    #expect(readers == [ObjectIdentifier(net.graph.nodes[0])])
  }

  @Test func aPairWithItselfBehindItGoes() {
    let net = QuantizedNet()
    let once = net.pair(net.node("Relu", [net.input("x")], "r"), 0.5, 3)
    let twice = net.pair(once, 0.5, 3)
    net.graph.outputs = [net.node("Relu", [twice], "y")]
    #expect(Self.read(net).left.isEmpty)
    #expect(net.types == ["Relu", "Relu"])
  }

  @Test func aPairBehindAnotherStays() {
    let net = QuantizedNet()
    let once = net.pair(net.node("Relu", [net.input("x")], "r"), 0.5, 3)
    let twice = net.pair(once, 0.25, 3)
    net.graph.outputs = [net.node("Relu", [twice], "y")]
    let outcome = Self.read(net)
    #expect(outcome.activations == 1)
    #expect(net.types == ["Relu", "QuantizeLinear", "DequantizeLinear", "Relu"])
    #expect(net.graph.nodes[1].inputs[0]?.name == "r")
  }

  @Test func integersThatAreReadOnAnotherGridStay() {
    let net = QuantizedNet()
    let relu = net.node("Relu", [net.input("x")], "r")
    let integers = net.node(
      "QuantizeLinear", [relu, net.floats("s", [1]), net.bytes("z", .uint8, [3])], "q")
    let back = net.node(
      "DequantizeLinear", [integers, net.floats("t", [1]), net.bytes("u", .uint8, [4])], "dq")
    net.graph.outputs = [net.node("Relu", [back], "y")]
    let outcome = Self.read(net)
    #expect(net.types == ["Relu", "QuantizeLinear", "DequantizeLinear", "Relu"])
    #expect(outcome.left.map(\.node) == ["dq_node"])
  }

  @Test func anActivationOfManyScalesStays() {
    let net = QuantizedNet()
    let grid = [net.floats("s", [1, 2], [2]), net.bytes("z", .uint8, [0, 0], [2])]
    let integers = net.node("QuantizeLinear", [net.input("x")] + grid, "q")
    net.graph.outputs = [
      net.node("Relu", [net.node("DequantizeLinear", [integers] + grid, "dq")], "y")
    ]
    let outcome = Self.read(net)
    #expect(net.types == ["QuantizeLinear", "DequantizeLinear", "Relu"])
    #expect(outcome.left.map(\.reason) == ["a scale for each channel of an activation"])
  }

  @Test func whoReadsFloatsKeepsThem() throws {
    let net = QuantizedNet()
    let relu = net.node("Relu", [net.input("x")], "r")
    let quantized = net.convolution(net.pair(relu, 0.5, 3), "a")
    net.graph.outputs = [net.node("Add", [quantized, relu], "y")]
    _ = Self.read(net)
    guard case .nodes(let readers) = relu.activation?.readers else {
      return #expect(Bool(false))
    }
    #expect(readers == [ObjectIdentifier(net.graph.nodes[1])])
  }

  @Test func movedIntegersAreMovedFloats() throws {
    let net = QuantizedNet()
    let relu = net.node("Relu", [net.input("x")], "r")
    let grid = [net.floats("s", [0.5]), net.bytes("z", .uint8, [3])]
    let integers = net.node("QuantizeLinear", [relu] + grid, "q")
    let pooled = net.node("MaxPool", [integers], "p", [Attribute("kernel_shape", .ints([2, 2]))])
    net.graph.outputs = [
      net.convolution(net.node("DequantizeLinear", [pooled] + grid, "dq"), "y")
    ]
    let outcome = Self.read(net)
    #expect(net.types == ["Relu", "MaxPool", "Conv"])
    #expect(outcome.activations == 2)
    #expect(net.graph.nodes[2].inputs[0]?.activation?.zeroPoint == 3)
    #expect(relu.activation?.zeroPoint == 3)
  }

  @Test func parametersFollowWhatIsMoved() throws {
    let net = QuantizedNet()
    let first = net.convolution(net.pair(net.input("x"), 0.5, 3), "a")
    let pooled = net.node("MaxPool", [first], "p", [Attribute("kernel_shape", .ints([2, 2]))])
    let back = net.node("Transpose", [net.pair(pooled, 0.25, 5)], "t")
    net.graph.outputs = [net.convolution(back, "y")]
    let outcome = Self.read(net)
    #expect(outcome.propagated == 2)
    #expect(first.activation?.scale == 0.25, "backward, to what a convolution makes")
    #expect(back.activation?.zeroPoint == 5, "forward, to what a convolution reads")
  }

  @Test func joinedPartsOnOneGridShareIt() throws {
    let net = QuantizedNet()
    let x = net.input("x")
    let parts = ["a", "b"].map { net.pair(net.convolution(x, $0), 0.5, 3) }
    let joined = net.node("Concat", parts, "j", [Attribute("axis", .int(1))])
    net.graph.outputs = [net.convolution(joined, "y")]
    #expect(Self.read(net).propagated == 1)
    #expect(joined.activation?.scale == 0.5)
    let other = QuantizedNet()
    let z = other.input("x")
    let uneven = [
      other.pair(other.convolution(z, "a"), 0.5, 3), other.pair(other.convolution(z, "b"), 1, 3),
    ]
    let apart = other.node("Concat", uneven, "j", [Attribute("axis", .int(1))])
    other.graph.outputs = [other.convolution(apart, "y")]
    #expect(Self.read(other).propagated == 0)
    #expect(apart.activation == nil)
  }

  // MARK: Operators on integers

  @Test func operatorsOnIntegersAreWrittenAnew() throws {
    let net = QuantizedNet()
    let grid = [net.floats("s", [0.5]), net.bytes("z", .uint8, [3])]
    let integers = net.node("QuantizeLinear", [net.input("x")] + grid, "q")
    let weights = [
      net.bytes("w", .int8, [1, 2, 3, 4], [2, 2, 1, 1]), net.floats("ws", [0.5, 0.25], [2]),
      net.bytes("wz", .int8, [0, 0], [2]),
    ]
    let bias = net.constant("b", TensorData(int32: [8, -8], dimensions: [2]))
    let result = net.node("QLinearConv", [integers] + grid + weights + grid + [bias], "c")
    let sum = net.node(
      "QLinearAdd", [result] + grid + [integers] + grid + grid, "a", domain: "com.microsoft")
    net.graph.outputs = [net.node("DequantizeLinear", [sum] + grid, "y")]
    let outcome = Self.read(net)
    #expect(outcome.expanded == 2 && outcome.left.isEmpty)
    #expect(net.types == ["Conv", "Add"])
    let convolution = net.graph.nodes[0]
    #expect(convolution.inputs[1]?.quantized?.storage.axis == 0)
    let offsets = try #require(convolution.inputs[2]?.quantized)
    #expect(offsets.storage.elementType == .int32)
    #expect(offsets.knownParameters?.scales == [0.25, 0.125])
    #expect(offsets.source.float32Values == [2, -1])
    #expect(net.graph.outputs[0].activation?.scale == 0.5)
  }

  @Test(arguments: [true, false]) func productsThatQuantizeWhileTheyRunAreRead(isRead: Bool) throws
  {
    let net = QuantizedNet()
    let x = net.input("x")
    let integers = net.node("DynamicQuantizeLinear", [x], "q")
    let outputs = [integers, Value(name: "xs"), Value(name: "xz")]
    net.graph.nodes[0].outputs = outputs
    let sum = net.node(
      "MatMulInteger",
      [
        integers, net.bytes("w", .int8, [1, 2, 3, 4], [2, 2]), outputs[2],
        net.bytes("wz", .int8, [0, 0], [2]),
      ], "i")
    let floats = net.node("Cast", [sum], "f", [Attribute("to", .int(1))])
    let scales = net.node("Mul", [outputs[1], net.floats("ws", [0.5, 0.25], [2])], "s")
    net.graph.outputs = [net.node("Mul", [floats, scales], "y")]
    let outcome = QuantizationReading.apply(to: net.model, .init(readsDynamic: isRead))
    #expect(outcome.dynamic == (isRead ? 1 : 0))
    guard isRead else { return #expect(net.types.contains("MatMulInteger")) }
    #expect(net.types == ["MatMul"])
    #expect(net.graph.nodes[0].inputs[0] === x)
    let weights = try #require(net.graph.nodes[0].inputs[1]?.quantized)
    #expect(weights.storage.axis == 1)
    #expect(weights.source.float32Values == [0.5, 0.5, 1.5, 1])
    #expect(net.graph.outputs[0].producer === net.graph.nodes[0])
  }

  @Test func aFloatModelIsNotQuantized() {
    let net = QuantizedNet()
    net.graph.outputs = [net.node("Relu", [net.input("x")], "y")]
    #expect(!QuantizationReading.isQuantized(net.model))
    let other = QuantizedNet()
    other.graph.outputs = [
      other.node("QLinearSigmoid", [other.input("x")], "y", domain: "com.microsoft")
    ]
    #expect(QuantizationReading.isQuantized(other.model))
  }
}
