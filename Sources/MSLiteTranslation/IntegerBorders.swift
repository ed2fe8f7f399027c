import GraphPasses
import ModelGraph
import Support

/// Takes QuantizeLinear and DequantizeLinear from a graph's ends: callers feed the integers, or get
/// them.
enum IntegerBorders {
  /// Lets inputs be the integers that QuantizeLinear makes of them.
  ///
  /// - Throws: an input that isn't float, or that is read as floats too.
  static func moveInputs(of graph: Graph) throws(Failure) {
    let uses = GraphUses(graph)
    for (place, value) in graph.inputs.enumerated() where value.initializer == nil {
      guard case .tensor(.float32, let shape) = value.type else {
        throw refusal("input", value, "it is \(value.type?.description ?? "of unknown type")")
      }
      guard let node = uses.onlyReader(of: value), node.isONNX("QuantizeLinear"),
        case let integers?? = node.outputs.first, integers.activation != nil
      else {
        let reader = uses.readers(of: value).first { !$0.isONNX("QuantizeLinear") }
        throw refusal(
          "input", value, reader.map { "'\($0.displayName)' reads floats" } ?? "nothing reads it")
      }
      node.outputs = []
      graph.nodes.removeAll { $0 === node }
      integers.name = value.name
      integers.type = .tensor(.int8, shape: shape)
      graph.inputs[place] = integers
    }
  }

  /// Lets results be the integers that DequantizeLinear reads.
  ///
  /// - Throws: a result that isn't made of integers.
  static func moveOutputs(of graph: Graph) throws(Failure) {
    for (place, value) in graph.outputs.enumerated() {
      guard let node = value.producer, node.isONNX("DequantizeLinear"),
        case let integers?? = node.inputs.first, integers.activation != nil
      else { throw refusal("output", value, "calibration found no range for it") }
      (value.name, integers.name) = (integers.name, value.name)
      graph.outputs[place] = integers
    }
  }

  private static func refusal(_ what: String, _ value: Value, _ reason: String) -> Failure {
    Failure(
      .modelUnsupported, "the \(what) '\(value.name)' cannot be int8", notes: [reason],
      help: "leave out --\(what)DataType=INT8")
  }
}
