import ModelGraph
import Support
import SwiftProtobuf

/// Builds the message of an ONNX file out of a graph, with large data left outside as payloads.
struct ONNXMessageBuilder {
  private let model: Model
  private var names: UniqueNames
  /// The data left outside, by payload number.
  private(set) var payloads: [ONNXPayload] = []

  init(_ model: Model) {
    self.model = model
    names = UniqueNames(in: model)
  }

  /// The model's message. Call once.
  mutating func message() throws(Failure) -> ONNXModel {
    var proto: ONNXModel = try parsed(model.carried)
    proto.irVersion = Int64(model.formatVersion)
    proto.opsetImport = imports(model.operatorSets)
    proto.graph = try graph(model.graph)
    for function in model.functions {
      var body: ONNXFunction = try parsed(function.carried)
      body.input = function.body.inputs.map(\.name)
      body.output = function.body.outputs.map(\.name)
      for node in function.body.nodes { body.node.append(try self.node(node)) }
      body.opsetImport = imports(function.operatorSets)
      proto.functions.append(body)
    }
    return proto
  }

  private func parsed<M: Message>(_ carried: [UInt8]) throws(Failure) -> M {
    do {
      return try M(serializedBytes: carried)
    } catch {
      throw Failure(.internalError, "a carried message cannot be read back: \(error)")
    }
  }

  private func imports(_ sets: [OperatorSet]) -> [ONNXOperatorSetId] {
    sets.map { set in
      var proto = ONNXOperatorSetId()
      if !set.domain.isEmpty { proto.domain = set.domain }
      proto.version = Int64(set.version)
      return proto
    }
  }

  private mutating func graph(_ graph: Graph) throws(Failure) -> ONNXGraph {
    var proto: ONNXGraph = try parsed(graph.carried)
    if !graph.name.isEmpty { proto.name = graph.name }
    var front: [ONNXNode] = []
    for value in graph.initializers {
      if let quantized = value.quantized {
        let lowered = try lower(quantized, of: value)
        proto.initializer += lowered.tensors
        front += lowered.nodes
      } else if let data = value.initializer {
        proto.initializer.append(try tensor(data, name: value.name))
      }
    }
    var body: [ONNXNode] = []
    for node in graph.nodes {
      if let value = node.outputs.first ?? nil, let quantized = value.quantized {
        let lowered = try lower(quantized, of: value)
        proto.initializer += lowered.tensors
        body += lowered.nodes
      } else {
        body.append(try self.node(node))
      }
    }
    proto.node = front + body
    for value in graph.inputs { proto.input.append(try declaration(value)) }
    for value in graph.outputs { proto.output.append(try declaration(value)) }
    for value in graph.declaredValues { proto.valueInfo.append(try declaration(value)) }
    return proto
  }

  private func declaration(_ value: Value) throws(Failure) -> ONNXValueInfo {
    var proto: ONNXValueInfo = try parsed(value.carriedDeclaration ?? [])
    proto.name = value.name
    if value.carriedDeclaration == nil, case .tensor(let type, let shape)? = value.type {
      proto.type.tensorType.elemType = type.onnxCode
      if let shape { proto.type.tensorType.shape.dim = shape.map(dimension) }
    }
    return proto
  }

  private func dimension(_ dimension: Dimension) -> ONNXDimension {
    var proto = ONNXDimension()
    switch dimension {
    case .fixed(let extent): proto.dimValue = Int64(extent)
    case .symbolic(let name): proto.dimParam = name
    case .unknown: break
    }
    return proto
  }

  private mutating func node(_ node: Node) throws(Failure) -> ONNXNode {
    var proto: ONNXNode = try parsed(node.carried)
    proto.input = node.inputs.map { $0?.name ?? "" }
    proto.output = node.outputs.map { $0?.name ?? "" }
    if !node.name.isEmpty { proto.name = node.name }
    proto.opType = node.operatorType
    if !node.domain.isEmpty { proto.domain = node.domain }
    for attribute in node.attributes { proto.attribute.append(try self.attribute(attribute)) }
    return proto
  }

  private mutating func attribute(_ attribute: Attribute) throws(Failure) -> ONNXAttribute {
    var proto: ONNXAttribute = try parsed(attribute.carried)
    proto.name = attribute.name
    let kind: AttributeKind
    switch attribute.value {
    case .opaque: return proto
    case .float(let value): (proto.f, kind) = (value, .float)
    case .int(let value): (proto.i, kind) = (value, .int)
    case .string(let bytes): (proto.s, kind) = (.init(bytes), .string)
    case .tensor(let data): (proto.t, kind) = (try tensor(data, name: ""), .tensor)
    case .graph(let inner): (proto.g, kind) = (try graph(inner), .graph)
    case .floats(let values): (proto.floats, kind) = (values, .floats)
    case .ints(let values): (proto.ints, kind) = (values, .ints)
    case .strings(let values): (proto.strings, kind) = (values.map { .init($0) }, .strings)
    case .tensors(let all):
      for data in all { proto.tensors.append(try tensor(data, name: "")) }
      kind = .tensors
    case .graphs(let all):
      for inner in all { proto.graphs.append(try graph(inner)) }
      kind = .graphs
    }
    proto.type = kind.rawValue
    return proto
  }

  private mutating func tensor(_ data: TensorData, name: String) throws(Failure) -> ONNXTensor {
    var proto: ONNXTensor = try parsed(data.carried)
    proto.dims = data.dimensions.map(Int64.init)
    proto.dataType = data.elementType.onnxCode
    if !name.isEmpty { proto.name = name }
    switch data.storage {
    case .strings(let strings): proto.stringData = strings.map { .init($0) }
    case .packed(let bytes):
      if bytes.count >= PayloadSplitter.threshold {
        proto.payload = addPayload(.bytes(bytes), bytes.count)
      } else if bytes.count > 0 || data.elementType.bitWidth != nil {
        proto.rawData = bytes.withUnsafeBytes { .init($0) }
      }
    }
    return proto
  }

  private mutating func addPayload(_ source: ONNXPayload.Source, _ byteCount: Int) -> UInt64 {
    payloads.append(ONNXPayload(source: source, byteCount: byteCount))
    return UInt64(payloads.count - 1)
  }

  // MARK: Quantized constants

  /// Integers, scales and zero points, and the nodes that make the constant's value from them.
  ///
  /// `x_scale` is float32, so half-precision constants are made in float32 and cast: their scales
  /// keep 24 bits, and operator set 13 suffices.
  private mutating func lower(
    _ constant: QuantizedConstant, of value: Value
  ) throws(Failure) -> (tensors: [ONNXTensor], nodes: [ONNXNode]) {
    let name = value.name
    let parts = value.integerParts
    let keepsFloats = parts?.keepsFloats ?? true
    let hasZeroPoints = keepsFloats || parts?.zeroPoints != nil
    let channels = constant.channelCount
    let type = constant.storage.elementType
    if let parts, constant.storage.arrangement == .blockRows {
      return (try blockRows(constant, parts), [])
    }
    guard let integerBytes = type.byteCount(of: constant.source.elementCount),
      let zeroPointBytes = type.byteCount(of: channels)
    else { throw Failure(.internalError, "'\(name)' is stored as \(type.name)") }
    let scalePayload = addPayload(.parameters, channels * 4)
    let zeroPointPayload = hasZeroPoints ? addPayload(.parameters, zeroPointBytes) : nil
    let integerPayload = addPayload(
      .integers(
        constant, scales: Int(scalePayload), zeroPoints: zeroPointPayload.map { Int($0) }),
      integerBytes)
    var shape = constant.storage.axis == nil ? [] : [Int64(channels)]
    if let block = constant.storage.block {
      shape = constant.source.dimensions.map(Int64.init)
      shape[block.axis] /= Int64(block.size)
    }
    let integers = payloadTensor(
      parts?.integers.name ?? names.make(name + "_quantized"), type,
      constant.source.dimensions.map(Int64.init),
      integerPayload)
    let scales = payloadTensor(
      parts?.scales.name ?? names.make(name + "_scale"), .float32, shape, scalePayload)
    guard let zeroPointPayload else { return ([integers, scales], []) }
    let zeroPoints = payloadTensor(
      parts?.zeroPoints?.name ?? names.make(name + "_zero_point"), type, shape, zeroPointPayload)
    guard keepsFloats else { return ([integers, scales, zeroPoints], []) }
    var dequantize = ONNXNode()
    dequantize.opType = "DequantizeLinear"
    dequantize.name = name + "_DequantizeLinear"
    dequantize.input = [integers.name, scales.name, zeroPoints.name]
    let block = constant.storage.block
    for (name, number) in [
      ("axis", block?.axis ?? constant.storage.axis), ("block_size", block?.size),
    ] {
      guard let number else { continue }
      var attribute = ONNXAttribute()
      attribute.name = name
      attribute.i = Int64(number)
      attribute.type = AttributeKind.int.rawValue
      dequantize.attribute.append(attribute)
    }
    guard constant.source.elementType != .float32 else {
      dequantize.output = [name]
      return ([integers, scales, zeroPoints], [dequantize])
    }
    dequantize.output = [names.make(name + "_float32")]
    var cast = ONNXNode()
    cast.opType = "Cast"
    cast.name = name + "_Cast"
    cast.input = dequantize.output
    cast.output = [name]
    var to = ONNXAttribute()
    to.name = "to"
    to.i = Int64(constant.source.elementType.onnxCode)
    to.type = AttributeKind.int.rawValue
    cast.attribute = [to]
    return ([integers, scales, zeroPoints], [dequantize, cast])
  }

  /// The constants of a MatMulNBits.
  private mutating func blockRows(
    _ constant: QuantizedConstant, _ parts: IntegerParts
  ) throws(Failure) -> [ONNXTensor] {
    guard let zeroPoints = parts.zeroPoints, let block = constant.storage.block,
      let rows = BlockRows(constant)
    else { throw Failure(.internalError, "'\(parts.integers.name)' has no blocks") }
    let scalePayload = addPayload(.parameters, constant.channelCount * 4)
    let zeroPointPayload = addPayload(.parameters, rows.channels * rows.zeroPointBytes)
    let integerPayload = addPayload(
      .integers(constant, scales: Int(scalePayload), zeroPoints: Int(zeroPointPayload)),
      rows.channels * rows.blocks * rows.bytesPerBlock(block.size))
    let channels = Int64(rows.channels)
    return [
      payloadTensor(
        parts.integers.name, .uint8,
        [channels, Int64(rows.blocks), Int64(rows.bytesPerBlock(block.size))], integerPayload),
      payloadTensor(parts.scales.name, .float32, [channels * Int64(rows.blocks)], scalePayload),
      payloadTensor(
        zeroPoints.name, .uint8, [channels * Int64(rows.zeroPointBytes)], zeroPointPayload),
    ]
  }

  private func payloadTensor(
    _ name: String, _ type: ElementType, _ dimensions: [Int64], _ payload: UInt64
  ) -> ONNXTensor {
    var proto = ONNXTensor()
    proto.name = name
    proto.dataType = type.onnxCode
    proto.dims = dimensions
    proto.payload = payload
    return proto
  }
}
