import ModelFormats
import ModelGraph
import Support
import Testing

@testable import MSLiteTranslation

/// What is written for an operator, and what isn't.
@Suite struct TranslationTests {
  func operators(_ model: MSLiteModel) -> [String] { model.nodes.map(\.primitive.name) }

  func input(_ graph: Graph, _ name: String, _ shape: [Dimension]) -> Value {
    let value = Value(name: name)
    value.type = .tensor(.float32, shape: shape)
    graph.inputs.append(value)
    return value
  }

  func constant(_ graph: Graph, _ name: String, _ data: TensorData) -> Value {
    let value = Value(name: name)
    value.initializer = data
    graph.initializers.append(value)
    return value
  }

  func node(
    _ graph: Graph, _ type: String, _ inputs: [Value?], _ attributes: [Attribute] = []
  ) -> Value {
    let output = Value(name: "\(type)\(graph.nodes.count)")
    graph.nodes.append(
      Node(
        name: output.name, operatorType: type, inputs: inputs, outputs: [output],
        attributes: attributes))
    return output
  }

  private func translate(
    _ graph: Graph, _ outputs: [Value], keepsInputLayout: Bool = false
  ) throws(Failure) -> MSLiteModel {
    graph.outputs = outputs
    let model = Model(
      graph: graph, operatorSets: [.init(domain: "", version: 18)], formatVersion: 8)
    try MSLiteTranslator.prepare(model)
    return try MSLiteTranslator.translate(
      model, options: .init(keepsInputLayout: keepsInputLayout))
  }

  private static let image: [Dimension] = [.symbolic("n"), .fixed(2), .fixed(6), .fixed(6)]
  private static let filters = TensorData(
    float32: (0..<8).map { Float($0) }, dimensions: [4, 2, 1, 1])

  private func shape(_ graph: Graph, _ name: String, _ extents: [Int64]) -> Value {
    constant(graph, name, TensorData(int64: extents))
  }

  @Test func aTurnedOperandOfAProductIsNotMoved() throws {
    let graph = Graph()
    let x = input(graph, "x", [.fixed(2), .fixed(3), .fixed(4)])
    let turned = node(
      graph, "Transpose", [node(graph, "Relu", [x])], [Attribute("perm", .ints([0, 2, 1]))])
    let model = try translate(graph, [node(graph, "MatMul", [x, turned])])
    #expect(operators(model) == ["Activation", "MatMulFusion"])
    #expect(model.nodes[1].primitive.settings["transpose_b"] == .int(1))
  }

  @Test func whatIsTakenApartIsMovedOnce() throws {
    let graph = Graph()
    let x = input(graph, "x", [.fixed(2), .fixed(3), .fixed(4), .fixed(5)])
    let turned = node(
      graph, "Transpose", [x], [Attribute("perm", .ints([2, 0, 3, 1]))])
    let axis = shape(graph, "axis", [0])
    let parts = (0..<4).map { index in
      node(
        graph, "Slice",
        [
          turned, shape(graph, "s\(index)", [Int64(index)]),
          shape(graph, "e\(index)", [Int64(index) + 1]), axis,
        ])
    }
    let model = try translate(graph, parts, keepsInputLayout: true)
    #expect(operators(model).count { $0 == "Transpose" } == 1)
    #expect(operators(model).count { $0 == "StridedSlice" } == 4)
  }

  @Test func axesOfExtentOneAreTakenOutInAnyOrder() throws {
    let graph = Graph()
    let x = input(graph, "x", [.fixed(1), .fixed(2), .fixed(1), .fixed(6)])
    let w = constant(graph, "w", Self.filters)
    let rows = node(
      graph, "Reshape", [node(graph, "Conv", [x, w]), shape(graph, "rows", [1, 4, 6])])
    let y = node(graph, "Transpose", [rows], [Attribute("perm", .ints([0, 2, 1]))])
    let model = try translate(graph, [y])
    #expect(operators(model) == ["Conv2DFusion", "Reshape"])
  }

  @Test func quantizationThatTheModelBringsAlongIsRefused() throws {
    let graph = Graph()
    let x = input(graph, "x", [.fixed(2), .fixed(3)])
    let scale = constant(graph, "scale", TensorData(float32: [0.5, 0.25, 1]))
    let zero = constant(
      graph, "zero",
      TensorData(elementType: .int8, dimensions: [3], storage: .packed(Bytes([0, 0, 0]))))
    let q = node(graph, "QuantizeLinear", [x, scale, zero])
    #expect(throws: Failure.self) {
      try translate(graph, [node(graph, "DequantizeLinear", [q, scale, zero])])
    }
  }

  @Test func channelsStayLastBetweenConvolutions() throws {
    let graph = Graph()
    let x = input(graph, "x", Self.image)
    let w = constant(graph, "w", Self.filters)
    let v = constant(
      graph, "v", TensorData(float32: Array(repeating: 1, count: 16), dimensions: [4, 4, 1, 1]))
    let a = node(graph, "Relu", [node(graph, "Conv", [x, w])])
    let b = node(graph, "Mul", [a, node(graph, "Sigmoid", [node(graph, "Conv", [a, v])])])
    let y = node(graph, "Flatten", [node(graph, "GlobalAveragePool", [b])])
    let model = try translate(graph, [y])
    #expect(
      operators(model) == [
        "Conv2DFusion", "Conv2DFusion", "Activation", "MulFusion", "AvgPoolFusion", "Flatten",
      ])
    #expect(model.nodes[0].primitive.settings["activation_type"] == .int(1))
    #expect(model.tensors[model.subgraphs[0].inputs[0]].dimensions == [-1, 6, 6, 2])
  }

  @Test func transpositionsOfTheModelCancelThoseOfTheLayout() throws {
    let graph = Graph()
    let x = input(graph, "x", Self.image)
    let c = node(graph, "Conv", [x, constant(graph, "w", Self.filters)])
    let last = node(graph, "Transpose", [c], [Attribute("perm", .ints([0, 2, 3, 1]))])
    let model = try translate(graph, [last])
    #expect(operators(model) == ["Conv2DFusion"])
  }

  @Test func aFourAxesOutputHasTheModelsLayout() throws {
    let graph = Graph()
    let x = input(graph, "x", Self.image)
    let model = try translate(
      graph, [node(graph, "Conv", [x, constant(graph, "w", Self.filters)])])
    #expect(operators(model) == ["Conv2DFusion", "Transpose"])
    #expect(model.tensors[model.subgraphs[0].outputs[0]].name == "Conv0")
  }

  @Test func anInputMayKeepItsLayout() throws {
    let graph = Graph()
    let x = input(graph, "x", Self.image)
    let model = try translate(graph, [node(graph, "Relu", [x])], keepsInputLayout: true)
    #expect(operators(model) == ["Activation"])
    #expect(model.tensors[model.subgraphs[0].inputs[0]].dimensions == [-1, 2, 6, 6])
  }

  @Test func filtersAreStoredChannelsLast() throws {
    let graph = Graph()
    let x = input(graph, "x", Self.image)
    let values = (0..<32).map { Float($0) }
    let w = constant(graph, "w", TensorData(float32: values, dimensions: [4, 2, 2, 2]))
    let model = try translate(graph, [node(graph, "Conv", [x, w])])
    let tensor = model.tensors[model.nodes[0].inputs[1]]
    #expect(tensor.dimensions == [4, 2, 2, 2])
    guard case .made(_, _, let make) = tensor.content else {
      Issue.record("the filters are not rearranged")
      return
    }
    let stored = Bytes(make()).load(UInt32.self).map { Float(bitPattern: $0) }
    let expected = (0..<32).map { index in
      let (k, h, w, c) = (index / 8, index / 4 % 2, index / 2 % 2, index % 2)
      return Float(k * 8 + c * 4 + h * 2 + w)
    }
    #expect(stored == expected)
  }

  @Test(arguments: [(Float(1) / 6, Float(0.5), 0), (0.2, 0.5, 1), (0.2, 0.6, 2)])
  func aHardSigmoidOfOtherSettingsIsScaledFirst(alpha: Float, beta: Float, steps: Int) throws {
    let graph = Graph()
    let x = input(graph, "x", [.fixed(4)])
    let y = node(
      graph, "HardSigmoid", [x],
      [Attribute("alpha", .float(alpha)), Attribute("beta", .float(beta))])
    let model = try translate(graph, [y])
    #expect(operators(model) == Array(["MulFusion", "AddFusion"].prefix(steps)) + ["Activation"])
  }

  @Test func boundsOf64BitsAreCutOff() throws {
    let graph = Graph()
    let x = input(graph, "x", [.fixed(4)])
    let y = node(
      graph, "Slice",
      [
        x, constant(graph, "start", TensorData(int64: [1])),
        constant(graph, "end", TensorData(int64: [.max])),
      ])
    let model = try translate(graph, [y])
    guard case .bytes(let bytes) = model.tensors[model.nodes[0].inputs[2]].content else { return }
    #expect(bytes.load(Int32.self) == [.max])
  }

  @Test func otherIntegersOf64BitsAreRefused() throws {
    let graph = Graph()
    let x = input(graph, "x", [.fixed(4)])
    x.type = .tensor(.int64, shape: [.fixed(1)])
    let y = node(graph, "Add", [x, constant(graph, "large", TensorData(int64: [1 << 40]))])
    let failure = #expect(throws: Failure.self) { try translate(graph, [y]) }
    #expect(failure?.diagnostics.first?.message.contains("'large'") ?? false)
  }

  @Test func unknownOperatorsAreNamedAllAtOnce() throws {
    let graph = Graph()
    let x = input(graph, "x", [.fixed(4)])
    let y = node(graph, "Bernoulli", [node(graph, "Relu", [node(graph, "Unique", [x])])])
    let failure = #expect(throws: Failure.self) { try translate(graph, [y]) }
    #expect(failure?.diagnostics.map(\.code) == [.operatorUnsupported, .operatorUnsupported])
    #expect(failure?.diagnostics.last?.message.contains("'Bernoulli2' (Bernoulli)") ?? false)
  }

  @Test func anInputThatIsAnOutputTooIsCopied() throws {
    let graph = Graph()
    let x = input(graph, "x", [.fixed(4)])
    let model = try translate(graph, [node(graph, "Identity", [x])])
    #expect(operators(model) == ["Cast"])
    #expect(model.tensors[model.subgraphs[0].inputs[0]].name == "x")
    #expect(model.tensors[model.subgraphs[0].outputs[0]].name == "Identity0")
  }

  @Test func slicesAreCountedAsONNXDoes() {
    for (extent, start, end, step, expected) in [
      (5, Int64(0), Int64.max, Int64(2), [0, 2, 4]), (5, -1, .min, -2, [4, 2, 0]),
      (5, -3, -1, 1, [2, 3]), (3, 7, 9, 1, []), (4, 2, 1, 1, []), (3, 5, 0, -1, [2, 1]),
    ] {
      #expect(SliceRange(extent: extent, start: start, end: end, step: step)?.indices == expected)
    }
    #expect(SliceRange(extent: 3, start: 0, end: 3, step: 0) == nil)
  }

  @Test func rearrangementFollowsTheOrder() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<50 {
      let extents = (0..<Int.random(in: 1...4, using: &random)).map { _ in
        Int.random(in: 1...4, using: &random)
      }
      let order = AxisOrder(extents.indices.shuffled(using: &random))
      let count = extents.reduce(1, *)
      let found = (0..<count).map { UInt8($0) }.withUnsafeBytes {
        Rearrangement.apply($0, extents: extents, width: 1, order: order)
      }
      let shape = order.arranged(extents)
      for (place, value) in found.enumerated() {
        var rest = place
        var index = [Int](repeating: 0, count: shape.count)
        for axis in shape.indices.reversed() {
          index[axis] = rest % shape[axis]
          rest /= shape[axis]
        }
        var source = 0
        for axis in extents.indices {
          source = source * extents[axis] + index[order.place(of: axis)]
        }
        #expect(Int(value) == source, "\(extents) in order \(order.axes)")
      }
    }
  }
}
