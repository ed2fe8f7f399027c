import GraphPasses
import ModelFormats
import ModelGraph
import Support

/// Reads MindSpore Lite's float models as graphs in ONNX's vocabulary, to be quantized or run: the way
/// back of `MSLiteTranslator`.
///
/// Inputs and outputs keep the file's names, types and layout, nodes and tensors their names.
public enum MSLiteGraphReader {
  /// Reads a file.
  ///
  /// - Throws: a file that isn't sound, that is quantized, or with operators that can't be read: all of
  ///   them, by name.
  /// - Complexity: O(nodes + bytes of filters); other constants stay mapped.
  public static func read(path: String) throws(Failure) -> Model {
    try read(try MSLiteReader.read(path: path), name: path)
  }

  /// Reads a model; `name` is for messages.
  public static func read(_ source: MSLiteModel, name: String) throws(Failure) -> Model {
    try refuseQuantized(source, name)
    guard let main = source.subgraphs.first, Set(main.nodes).count == main.nodes.count else {
      throw Failure(
        .modelMalformed, "'\(name)' has no graph, or one with a node twice",
        help: "convert the model again")
    }
    try refuseUnknown(source, main)
    let reading = try GraphReading(source, main)
    for index in main.nodes {
      let node = source.nodes[index]
      try ReadingTable.readings[node.primitive.name]?(reading, node)
    }
    try reading.finish()
    removeUnused(from: reading.graph)
    let model = Model(
      graph: reading.graph,
      operatorSets: [OperatorSet(domain: "", version: MSLiteTranslator.operatorSetVersion)],
      formatVersion: 8)
    model.keepsInputLayout = true
    return model
  }

  /// A file with integers for weights or activations has lost the floats that a quantizer wants.
  private static func refuseQuantized(_ source: MSLiteModel, _ name: String) throws(Failure) {
    let constants = source.tensors.count {
      $0.isConstant && (!$0.quantization.isEmpty || $0.compression != .none)
    }
    let activations = source.tensors.count { !$0.isConstant && !$0.quantization.isEmpty }
    let nodes = source.nodes.count { node in
      node.quantization != .none
        || ["QuantDTypeCast", "DynamicQuant"].contains(node.primitive.name)
    }
    guard constants + activations + nodes > 0 else { return }
    throw Failure(
      .alreadyQuantized, "the model '\(name)' is quantized already",
      notes: [
        "it has \(constants) quantized constants, \(activations) quantized activations and "
          + "\(nodes) nodes that work on such"
      ], help: "give the float model, a .ms or .onnx file")
  }

  private static func refuseUnknown(
    _ source: MSLiteModel, _ main: MSLiteSubgraph
  ) throws(Failure) {
    let problems = main.nodes.compactMap { index -> Diagnostic? in
      let node = source.nodes[index]
      if ReadingTable.readings[node.primitive.name] != nil { return nil }
      return Diagnostic(
        .operatorUnsupported,
        "the node '\(node.name)' (\(node.operatorName)) of the .ms file cannot be read",
        help: "convert the model that the file was made from")
    }
    if !problems.isEmpty { throw Failure(problems) }
  }

  /// Takes out nodes whose results nothing reads, and their constants.
  private static func removeUnused(from graph: Graph) {
    var needed = Set(graph.outputs.map(ObjectIdentifier.init))
    var kept: [Node] = []
    for node in graph.nodes.reversed()
    where node.outputs.contains(where: { $0.map { needed.contains(ObjectIdentifier($0)) } ?? false }
    ) {
      needed.formUnion(node.inputs.compactMap { $0.map(ObjectIdentifier.init) })
      kept.append(node)
    }
    graph.nodes = kept.reversed()
    UnusedRemoval.removeConstants(from: graph)
  }
}

extension MSLiteNode {
  /// The operator, for messages; a custom one's own name.
  var operatorName: String {
    guard primitive.name == "Custom", let type = string("type") else { return primitive.name }
    return "Custom \(type)"
  }

  /// An integer setting.
  func int(_ name: String) -> Int64? {
    if case .int(let value) = primitive.settings[name] { value } else { nil }
  }

  /// A float setting.
  func float(_ name: String) -> Float? {
    if case .float(let value) = primitive.settings[name] { value } else { nil }
  }

  /// A list of integers.
  func ints(_ name: String) -> [Int64]? {
    if case .ints(let values) = primitive.settings[name] { values } else { nil }
  }

  /// A text.
  func string(_ name: String) -> String? {
    if case .string(let text) = primitive.settings[name] { text } else { nil }
  }

  /// An input that has to be there.
  func operand(_ index: Int) throws(Failure) -> Int {
    guard index < inputs.count else { throw unreadable("input \(index) is missing") }
    return inputs[index]
  }

  /// An input, if it is there.
  func operandIfAny(_ index: Int) -> Int? { index < inputs.count ? inputs[index] : nil }

  /// Says that the node has no form in ONNX's vocabulary.
  func unreadable(_ reason: String) -> Failure {
    Failure(
      .operatorUnsupported,
      "the node '\(name)' (\(operatorName)) of the .ms file cannot be read", notes: [reason],
      help: "convert the model that the file was made from")
  }
}
