import ModelFormats
import ModelGraph
import Support
import Testing

@testable import MSLiteTranslation

/// What is written for quantized weights whose products quantize activations, or that become float
/// while the model runs.
extension TranslationTests {
  /// A constant that is quantized, channel by channel along `axis` or as a whole.
  private func quantized(
    _ graph: Graph, _ name: String, _ dimensions: [Int], axis: Int?, bits: Int = 8
  ) -> Value {
    let count = dimensions.reduce(1, *)
    let value = constant(
      graph, name, TensorData(float32: (0..<count).map { Float($0) }, dimensions: dimensions))
    var storage = QuantizedStorage(
      bits: bits, elementType: bits > 8 ? .int16 : .int8, axis: axis)
    storage.isEntropyCoded = false
    let channels = axis.map { dimensions[$0] } ?? 1
    value.quantized = value.initializer.map { source in
      QuantizedConstant(
        number: 0, source: source, storage: storage, channelCount: channels, slabCount: 1,
        slabByteCount: 4 * count,
        encode: { _, _ in
          EncodedSlab(
            byteOffset: 0,
            integers: (0..<count * (bits > 8 ? 2 : 1)).map { UInt8(truncatingIfNeeded: $0 % 3) },
            parameters: EncodedParameters(
              firstChannel: 0, scales: (0..<channels).map { Float($0 + 1) },
              zeroPoints: (0..<channels).map { Int32($0) }))
        })
    }
    return value
  }

  private func translate(
    _ graph: Graph, _ outputs: [Value], options: MSLiteTranslator.Options
  ) throws(Failure) -> MSLiteModel {
    graph.outputs = outputs
    let model = Model(
      graph: graph, operatorSets: [.init(domain: "", version: 18)], formatVersion: 8)
    return try MSLiteTranslator.translate(model, options: options)
  }

  private func dynamicModel(_ scales: DynamicScales) throws -> MSLiteModel {
    let graph = Graph()
    let x = input(graph, "x", [.fixed(2), .fixed(5), .fixed(4)])
    let weights = quantized(graph, "w", [4, 3], axis: scales == .tensor ? 1 : nil)
    let bias = constant(graph, "b", TensorData(float32: [1, 2, 3]))
    let first = node(graph, "Add", [node(graph, "MatMul", [x, weights]), bias])
    let second = node(graph, "MatMul", [x, quantized(graph, "v", [4, 3], axis: nil)])
    let both = node(
      graph, "MatMul",
      [first, node(graph, "Transpose", [second], [Attribute("perm", .ints([0, 2, 1]))])])
    var options = MSLiteTranslator.Options()
    options.dynamicScales = scales
    return try translate(graph, [both], options: options)
  }

  @Test func activationsAreQuantizedOnceForAllProductsWithIntegerWeights() throws {
    let model = try dynamicModel(.tensor)
    #expect(operators(model) == ["DynamicQuant", "MatMulFusion", "MatMulFusion", "MatMulFusion"])
    #expect(model.nodes[0].primitive.settings.isEmpty)
    #expect(model.nodes.map(\.quantization) == [.dynamic, .dynamic, .dynamic, .none])
    let integers = model.nodes[0].outputs[0]
    #expect(model.tensors[integers].elementType == .int8)
    #expect(model.nodes[1].inputs[0] == integers && model.nodes[2].inputs[0] == integers)
    #expect(model.nodes[1].inputs.count == 3)
    #expect(model.tensors[model.nodes[1].inputs[2]].elementType == .float32)
    #expect(model.tensors[model.nodes[1].outputs[0]].elementType == .float32)
  }

  @Test func rowsAreNamedByAllAxesButTheLast() throws {
    let settings = try dynamicModel(.rows).nodes[0].primitive.settings
    #expect(
      settings == [
        "symmetric": .int(1), "activation_channel": .int(1), "prefer_axis": .int(-2),
        "prefer_axes": .ints([0, -2]),
      ])
  }

  @Test(arguments: [(8, ElementType.int8, 32), (12, .int16, 33)])
  func weightsAreCastBeforeTheirReaders(bits: Int, type: ElementType, code: Int64) throws {
    let graph = Graph()
    let x = input(graph, "x", [.fixed(5), .fixed(4)])
    let weights = quantized(graph, "w", [4, 4], axis: 1, bits: bits)
    let twice = node(graph, "MatMul", [node(graph, "MatMul", [x, weights]), weights])
    var options = MSLiteTranslator.Options()
    options.castsWeights = true
    var model = try translate(graph, [twice], options: options)
    #expect(operators(model) == ["QuantDTypeCast", "MatMulFusion", "MatMulFusion"])
    #expect(
      model.nodes[0].primitive.settings == [
        "src_t": .int(code), "dst_t": .int(43), "axis": .int(1),
      ])
    #expect(model.nodes.allSatisfy { $0.quantization == .none })
    let form = MSLiteDequantization.Form.casts(segments: 1)
    _ = MSLiteDequantization.apply(form, to: &model, pool: WorkerPool(threads: 1)) { _, _ in }
    #expect(
      operators(model)
        == ["QuantDTypeCast", "AddFusion", "MulFusion", "MatMulFusion", "MatMulFusion"])
    #expect(model.subgraphs[0].nodes == [0, 1, 2, 3, 4])
    let stored = model.tensors[model.nodes[0].inputs[0]]
    #expect(stored.elementType == type)
    #expect(
      stored.quantization == [MSLiteQuantization(scale: 1, zeroPoint: 0, bits: Int32(bits))])
    let scales = model.tensors[model.nodes[2].inputs[1]]
    #expect(scales.dimensions == [1, 4])
  }

  /// A row is an image of one row: its channels stay the last axis.
  @Test func theAxisOfAOneRowKernelIsThatOfItsImage() throws {
    let graph = Graph()
    let x = input(graph, "x", [.fixed(1), .fixed(4), .fixed(7)])
    let weights = quantized(graph, "w", [4, 3, 2], axis: 1)
    var options = MSLiteTranslator.Options()
    options.castsWeights = true
    let model = try translate(
      graph, [node(graph, "ConvTranspose", [x, weights])], options: options)
    let cast = try #require(model.nodes.first { $0.primitive.name == "QuantDTypeCast" })
    #expect(cast.primitive.settings["axis"] == .int(3))
    #expect(model.tensors[cast.inputs[0]].dimensions == [4, 1, 2, 3])
  }

  @Test func weightsOfGroupsAreCastAtLoading() throws {
    let graph = Graph()
    let x = input(graph, "x", [.fixed(1), .fixed(4), .fixed(5), .fixed(5)])
    let weights = quantized(graph, "w", [4, 2, 3, 3], axis: 0)
    var options = MSLiteTranslator.Options()
    options.castsWeights = true
    let grouped = node(graph, "Conv", [x, weights])
    let maker = try #require(grouped.producer)
    maker.setAttribute("group", .int(2))
    let model = try translate(graph, [grouped], options: options)
    #expect(!operators(model).contains("QuantDTypeCast"))
  }

  @Test func rowsOfATableAreFoundAsIntegersAndCastThen() throws {
    let graph = Graph()
    let x = input(graph, "x", [.fixed(5), .fixed(3)])
    let indices = Value(name: "i")
    indices.type = .tensor(.int32, shape: [.fixed(3)])
    graph.inputs.append(indices)
    let table = quantized(graph, "t", [7, 4], axis: nil)
    let rows = node(graph, "Gather", [table, indices])
    var options = MSLiteTranslator.Options()
    (options.castsWeights, options.castsAfterLookups) = (true, true)
    let products = (0..<2).map { _ in node(graph, "MatMul", [x, rows]) }
    var model = try translate(graph, [node(graph, "Add", products)], options: options)
    _ = MSLiteDequantization.apply(.arithmetic, to: &model, pool: WorkerPool(threads: 1)) { _, _ in
    }
    #expect(operators(model).prefix(4) == ["Gather", "Cast", "AddFusion", "MulFusion"])
    let found = model.tensors[model.nodes[0].outputs[0]]
    #expect(found.elementType == .int8 && !found.isConstant)
    #expect(model.nodes[1].inputs[0] == model.nodes[0].outputs[0])
    #expect(model.nodes.dropFirst(4).contains { $0.inputs.contains(model.nodes[3].outputs[0]) })
    let stored = model.tensors[model.nodes[0].inputs[0]]
    #expect(stored.byteCount == 28 && stored.quantization.isEmpty)
  }

  @Test func whatDevicesComputeIsCastAddedAndMultiplied() throws {
    let graph = Graph()
    let x = input(graph, "x", [.fixed(5), .fixed(4)])
    let product = node(graph, "MatMul", [x, quantized(graph, "w", [4, 3], axis: nil)])
    var options = MSLiteTranslator.Options()
    options.castsWeights = true
    var model = try translate(graph, [product], options: options)
    _ = MSLiteDequantization.apply(.arithmetic, to: &model, pool: WorkerPool(threads: 1)) { _, _ in
    }
    #expect(operators(model) == ["Cast", "AddFusion", "MulFusion", "MatMulFusion"])
    #expect(model.tensors.allSatisfy { $0.quantization.isEmpty })
    let tensors = model.nodes.prefix(3).map { model.tensors[$0.inputs[1]] }
    #expect(tensors.map(\.name) == ["w-type", "w-zps", "w-scales"])
    #expect(tensors.map(\.dimensions) == [[1], [1], [1]])
  }
}
