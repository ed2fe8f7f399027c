import ModelGraph
import Support
import SwiftProtobuf

/// Reads ONNX files: any operator, any domain, any valid structure; weights stay mapped.
public struct ONNXReader {
  /// The newest version of the file format that is known to mean what is assumed here.
  static let newestFormatVersion = 13

  private let path: String
  private let tensors: TensorReader
  private let proto: ONNXModel

  /// Reads the model at `path`.
  ///
  /// - Throws: a file that can't be opened, isn't ONNX, or contradicts itself.
  /// - Complexity: O(nodes + bytes of small tensors); large tensors are not touched.
  public static func read(path: String) throws(Failure) -> Model {
    let file: MappedFile
    do {
      file = try MappedFile(path: path)
    } catch {
      throw Failure(
        .modelUnreadable, "the model '\(path)' cannot be read: \(error.reason)",
        help: "check --modelFile")
    }
    return try ONNXReader(path: path, file: file).model()
  }

  private init(path: String, file: MappedFile) throws(Failure) {
    self.path = path
    do {
      let splitter = try file.contents.withUnsafeBytes { (bytes) throws(Wire.Malformed) in
        try PayloadSplitter(model: bytes)
      }
      var options = BinaryDecodingOptions()
      options.messageDepthLimit = Wire.depthLimit
      proto = try ONNXModel(serializedBytes: splitter.skeleton, options: options)
      tensors = TensorReader(
        modelPath: path, file: file, payloads: splitter.payloads,
        externalFiles: ExternalDataFiles(modelPath: path))
    } catch {
      var notes = ["the file has \(file.count) bytes"]
      if let malformed = error as? Wire.Malformed {
        notes.append("it stops making sense at byte \(malformed.offset)")
      }
      throw Failure(
        .modelMalformed, "'\(path)' is not a readable ONNX model", notes: notes,
        help: "an interrupted download or copy is the usual cause")
    }
    guard proto.hasGraph, proto.hasIrVersion || !proto.opsetImport.isEmpty else {
      throw Failure(
        .modelFormatUnknown, "'\(path)' is not an ONNX model: it has no graph",
        help: "gsconvert reads ONNX files")
    }
  }

  private func model() throws(Failure) -> Model {
    var rest = proto
    rest.clearIrVersion()
    rest.clearGraph()
    rest.opsetImport = []
    rest.functions = []
    let graph = try readGraph(proto.graph, outer: nil)
    var functions: [Function] = []
    for function in proto.functions { functions.append(try readFunction(function)) }
    return Model(
      graph: graph, functions: functions, operatorSets: operatorSets(proto.opsetImport),
      formatVersion: Int(proto.irVersion), carried: try ONNXReader.serialized(rest))
  }

  private func operatorSets(_ imports: [ONNXOperatorSetId]) -> [OperatorSet] {
    imports.map { OperatorSet(domain: $0.domain, version: Int($0.version)) }
  }

  static func serialized(_ message: some Message) throws(Failure) -> [UInt8] {
    do {
      return try message.serializedBytes(partial: true)
    } catch {
      throw Failure(.internalError, "a message cannot be serialized: \(error)")
    }
  }

  // MARK: Graphs

  /// The names that nodes of a graph can read: the graph's own and those of the graphs around it.
  private final class Scope {
    let outer: Scope?
    var values: [String: Value] = [:]

    init(outer: Scope?) { self.outer = outer }

    func find(_ name: String) -> Value? { values[name] ?? outer?.find(name) }
  }

  private func malformed(_ message: String) -> Failure {
    Failure(.modelMalformed, message, location: .init(file: path))
  }

  private func readGraph(_ proto: ONNXGraph, outer: Scope?) throws(Failure) -> Graph {
    let graph = Graph(name: proto.name)
    let scope = Scope(outer: outer)
    for tensor in proto.initializer {
      let value = Value(name: tensor.name)
      value.initializer = try tensors.tensor(tensor)
      guard scope.values.updateValue(value, forKey: tensor.name) == nil else {
        throw malformed("two initializers are named '\(tensor.name)'")
      }
      graph.initializers.append(value)
    }
    for sparse in proto.sparseInitializer {
      let value = Value(name: sparse.values.name)
      value.isOpaqueConstant = true
      scope.values[value.name] = value
    }
    for input in proto.input {
      let value = scope.values[input.name] ?? Value(name: input.name)
      value.isOverridable = value.initializer != nil && self.proto.irVersion >= 4
      try declare(value, input)
      scope.values[input.name] = value
      graph.inputs.append(value)
    }
    try readNodes(proto.node, into: graph, scope: scope)
    for output in proto.output {
      guard let value = scope.find(output.name) else {
        throw malformed("the output '\(output.name)' is made by no node")
      }
      try declare(value, output)
      graph.outputs.append(value)
    }
    for info in proto.valueInfo {
      let value = scope.values[info.name] ?? Value(name: info.name)
      if value.carriedDeclaration == nil { try declare(value, info) }
      graph.declaredValues.append(value)
    }
    var rest = proto
    rest.clearName()
    rest.initializer = []
    rest.input = []
    rest.output = []
    rest.node = []
    rest.valueInfo = []
    graph.carried = try ONNXReader.serialized(rest)
    return graph
  }

  private func readFunction(_ proto: ONNXFunction) throws(Failure) -> Function {
    let graph = Graph()
    let scope = Scope(outer: nil)
    for name in proto.input {
      let value = Value(name: name)
      scope.values[name] = value
      graph.inputs.append(value)
    }
    try readNodes(proto.node, into: graph, scope: scope)
    for name in proto.output {
      guard let value = scope.values[name] else {
        throw malformed("a function's output '\(name)' is made by no node")
      }
      graph.outputs.append(value)
    }
    var rest = proto
    rest.input = []
    rest.output = []
    rest.node = []
    rest.opsetImport = []
    return Function(
      body: graph, operatorSets: operatorSets(proto.opsetImport),
      carried: try ONNXReader.serialized(rest))
  }

  private func declare(_ value: Value, _ info: ONNXValueInfo) throws(Failure) {
    if info.hasType, info.type.hasTensorType {
      let tensor = info.type.tensorType
      let shape = tensor.hasShape ? tensor.shape.dim.map(dimension) : nil
      value.type = .tensor(ElementType(onnxCode: tensor.elemType), shape: shape)
    } else if info.hasType {
      value.type = .other
    }
    value.carriedDeclaration = try ONNXReader.serialized(info)
  }

  private func dimension(_ proto: ONNXDimension) -> Dimension {
    if proto.hasDimValue, proto.dimValue >= 0 { return .fixed(Int(proto.dimValue)) }
    // Some exporters write -1 or "?" where nothing is known.
    let isNamed = proto.hasDimParam && !proto.dimParam.isEmpty && proto.dimParam != "?"
    return isNamed ? .symbolic(proto.dimParam) : .unknown
  }

  // MARK: Nodes

  private func readNodes(
    _ protos: [ONNXNode], into graph: Graph, scope: Scope
  ) throws(Failure) {
    var outputs: [[Value?]] = []
    for proto in protos {
      var made: [Value?] = []
      for name in proto.output {
        guard !name.isEmpty else {
          made.append(nil)
          continue
        }
        let value = Value(name: name)
        guard scope.values.updateValue(value, forKey: name) == nil else {
          throw malformed("'\(name)' is made twice, the second time by a node \(proto.opType)")
        }
        made.append(value)
      }
      outputs.append(made)
    }
    for (proto, made) in zip(protos, outputs) {
      graph.nodes.append(try readNode(proto, outputs: made, scope: scope))
    }
  }

  private func readNode(
    _ proto: ONNXNode, outputs: [Value?], scope: Scope
  ) throws(Failure) -> Node {
    var inputs: [Value?] = []
    for name in proto.input {
      guard !name.isEmpty else {
        inputs.append(nil)
        continue
      }
      guard let value = scope.find(name) else {
        let node = proto.name.isEmpty ? proto.opType : "\(proto.opType) '\(proto.name)'"
        throw malformed("the node \(node) reads '\(name)', which nothing makes")
      }
      inputs.append(value)
    }
    var attributes: [Attribute] = []
    for attribute in proto.attribute {
      attributes.append(try readAttribute(attribute, scope: scope))
    }
    var rest = proto
    rest.input = []
    rest.output = []
    rest.clearName()
    rest.clearOpType()
    rest.clearDomain()
    rest.attribute = []
    return Node(
      name: proto.name, operatorType: proto.opType, domain: proto.domain, inputs: inputs,
      outputs: outputs, attributes: attributes, carried: try ONNXReader.serialized(rest))
  }

  private func readAttribute(
    _ proto: ONNXAttribute, scope: Scope
  ) throws(Failure) -> Attribute {
    var rest = proto
    rest.clearName()
    guard proto.refAttrName.isEmpty, let kind = AttributeKind(of: proto) else {
      return Attribute(proto.name, .opaque, carried: try carried(rest, of: proto.name))
    }
    rest.clearType()
    let value: Attribute.Value
    switch kind {
    case .float:
      value = .float(proto.f)
      rest.clearF()
    case .int:
      value = .int(proto.i)
      rest.clearI()
    case .string:
      value = .string(Array(proto.s))
      rest.clearS()
    case .tensor:
      value = .tensor(try tensors.tensor(proto.t))
      rest.clearT()
    case .graph:
      value = .graph(try readGraph(proto.g, outer: scope))
      rest.clearG()
    case .floats:
      value = .floats(proto.floats)
      rest.floats = []
    case .ints:
      value = .ints(proto.ints)
      rest.ints = []
    case .strings:
      value = .strings(proto.strings.map { Array($0) })
      rest.strings = []
    case .tensors:
      var all: [TensorData] = []
      for tensor in proto.tensors { all.append(try tensors.tensor(tensor)) }
      value = .tensors(all)
      rest.tensors = []
    case .graphs:
      var all: [Graph] = []
      for graph in proto.graphs { all.append(try readGraph(graph, outer: scope)) }
      value = .graphs(all)
      rest.graphs = []
    }
    return Attribute(proto.name, value, carried: try carried(rest, of: proto.name))
  }

  /// What is left of an attribute. Tensors and graphs can't be left over: their payloads are
  /// outside the message.
  private func carried(_ rest: ONNXAttribute, of name: String) throws(Failure) -> [UInt8] {
    guard !rest.hasT, !rest.hasG, rest.tensors.isEmpty, rest.graphs.isEmpty else {
      throw malformed("the attribute '\(name)' holds a value of another type than it says")
    }
    return try ONNXReader.serialized(rest)
  }
}
