import ModelGraph
import Support

/// Puts a model's tables into a buffer.
struct MSLiteDrawing {
  private typealias Entries = [(field: String, entry: FlatBufferBuilder.Entry)]

  private let builder: FlatBufferBuilder
  private(set) var contents: [MSLiteLayout.Constant] = []

  init(_ builder: FlatBufferBuilder) { self.builder = builder }

  /// Draws the model; the contents of constants come last in the file.
  mutating func draw(_ model: MSLiteModel) {
    let tensors = model.tensors.map { tensor -> (hole: FlatBufferBuilder.Hole?, MSLiteTensor) in
      (tensor.byteCount > 0 ? builder.hole(byteCount: tensor.byteCount) : nil, tensor)
    }.map { hole, tensor in draw(tensor, hole) }
    let nodes = model.nodes.map(draw)
    let subgraphs = model.subgraphs.map { draw($0, of: model) }
    let main = model.subgraphs.first
    var entries: Entries = [
      ("version", .reference(builder.string(model.version))),
      ("fmkType", .bits(UInt64(model.sourceFormat))),
      ("nodes", .reference(builder.references(nodes))),
      ("allTensors", .reference(builder.references(tensors))),
      ("subGraph", .reference(builder.references(subgraphs))),
    ]
    entries.append(("inputIndex", indices(main?.inputs ?? [])))
    entries.append(("outputIndex", indices(main?.outputs ?? [])))
    builder.finish(root: builder.table(MSLiteSchema.table("MetaGraph"), entries))
  }

  private func indices(_ values: [Int]) -> FlatBufferBuilder.Entry {
    .reference(builder.vector(values.map { UInt32($0).littleEndian }))
  }

  private func draw(_ graph: MSLiteSubgraph, of model: MSLiteModel) -> UInt32 {
    var used = Set(graph.inputs + graph.outputs)
    for node in graph.nodes {
      used.formUnion(model.nodes[node].inputs)
      used.formUnion(model.nodes[node].outputs)
    }
    return builder.table(
      MSLiteSchema.table("SubGraph"),
      [
        ("name", .reference(builder.string(graph.name))),
        ("inputIndices", indices(graph.inputs)), ("outputIndices", indices(graph.outputs)),
        ("nodeIndices", indices(graph.nodes)), ("tensorIndices", indices(used.sorted())),
      ])
  }

  private func draw(_ node: MSLiteNode) -> UInt32 {
    guard let number = MSLiteSchema.operatorNumber(node.primitive.name),
      let table = MSLiteSchema.operatorTable(number)
    else { preconditionFailure("the format has no operator \(node.primitive.name)") }
    let fields: Entries = table.fields.compactMap { field in
      node.primitive.settings[field.name].map { (field.name, entry($0, field)) }
    }
    precondition(fields.count == node.primitive.settings.count, "unknown setting of \(table.name)")
    let value = builder.table(table, fields)
    let primitive = builder.table(
      MSLiteSchema.table("Primitive"),
      [("value_type", .bits(UInt64(number))), ("value", .reference(value))])
    return builder.table(
      MSLiteSchema.table("CNode"),
      [
        ("name", .reference(builder.string(node.name))), ("primitive", .reference(primitive)),
        ("inputIndex", indices(node.inputs)), ("outputIndex", indices(node.outputs)),
        ("quantType", .bits(UInt64(node.quantization.rawValue))),
      ])
  }

  private func entry(
    _ setting: MSLitePrimitive.Setting, _ field: MSLiteSchema.Field
  ) -> FlatBufferBuilder.Entry {
    switch setting {
    case .int(let value): .bits(UInt64(bitPattern: value))
    case .float(let value): .bits(UInt64(value.bitPattern))
    case .string(let text): .reference(builder.string(text))
    case .ints(let values) where field.type == .vector(width: 4, isFloat: false):
      .reference(builder.vector(values.map { Int32(truncatingIfNeeded: $0).littleEndian }))
    case .ints(let values): .reference(builder.vector(values.map(\.littleEndian)))
    case .floats(let values):
      .reference(builder.vector(values.map(\.bitPattern.littleEndian)))
    case .rows(let rows): .reference(draw(rows))
    case .attributes(let attributes): .reference(draw(attributes))
    }
  }

  private func draw(_ attributes: [MSLitePrimitive.CustomAttribute]) -> UInt32 {
    builder.references(
      attributes.map { attribute in
        builder.table(
          MSLiteSchema.table("Attribute"),
          [
            ("name", .reference(builder.string(attribute.name))),
            ("data", .reference(builder.vector(Array(attribute.text.utf8)))),
          ])
      })
  }

  private func draw(_ rows: [[Int64]]) -> UInt32 {
    let tables = rows.map { row in
      builder.table(
        MSLiteSchema.table("Vec"), [("data", .reference(builder.vector(row.map(\.littleEndian))))])
    }
    return builder.table(
      MSLiteSchema.table("Vec2D"), [("data", .reference(builder.references(tables)))])
  }

  private mutating func draw(_ tensor: MSLiteTensor, _ hole: FlatBufferBuilder.Hole?) -> UInt32 {
    var entries: Entries = [
      ("nodeType", .bits(tensor.isConstant ? 0 : 2)),
      ("dataType", .bits(UInt64(bitPattern: Int64(storedType(tensor).msliteCode ?? 0)))),
      ("format", .bits(UInt64(tensor.format))),
      ("name", .reference(builder.string(tensor.name))),
      (
        "dims",
        .reference(builder.vector(tensor.dimensions.map { Int32(clamping: $0).littleEndian }))
      ), ("weightQuantCompressType", .bits(UInt64(tensor.compression.rawValue))),
    ]
    let parameters = draw(parametersOf: tensor)
    if !parameters.isEmpty {
      entries.append(("quantParams", .reference(builder.references(parameters))))
    }
    if let hole {
      contents.append(.init(content: tensor.content, hole: hole, parameters: parameters))
      entries.append(("data", .reference(hole.offset)))
    }
    return builder.table(MSLiteSchema.table("Tensor"), entries)
  }

  private func storedType(_ tensor: MSLiteTensor) -> ElementType {
    if case .quantized(let constant, _) = tensor.content { return constant.storage.elementType }
    return tensor.elementType
  }

  private func draw(parametersOf tensor: MSLiteTensor) -> [UInt32] {
    let table = MSLiteSchema.table("QuantParam")
    if case .quantized(let constant, _) = tensor.content {
      var entries: Entries = [
        ("scale", .forced(0)), ("zeroPoint", .forced(0)),
        ("numBits", .bits(UInt64(constant.storage.bits))),
      ]
      if constant.storage.hasOffsets { entries.append(("meanCorr", .forced(0))) }
      return builder.tables(table, entries, count: constant.channelCount)
    }
    return tensor.quantization.map { parameters in
      builder.table(
        table,
        [
          ("scale", .bits(parameters.scale.bitPattern)),
          ("zeroPoint", .bits(UInt64(bitPattern: Int64(parameters.zeroPoint)))),
          ("numBits", .bits(UInt64(bitPattern: Int64(parameters.bits)))),
          ("varCorr", .bits(UInt64(parameters.varianceCorrection.bitPattern))),
          ("meanCorr", .bits(UInt64(parameters.meanCorrection.bitPattern))),
        ])
    }
  }
}
