import Glibc
import ModelGraph
import SampleData
import Support

/// Counts what a model is made of.
public enum ModelSurvey {
  /// The facts for a model's first line.
  public static func facts(of model: Model, path: String) -> ModelFacts {
    let constants = constants(of: model)
    let constantBytes = constants.reduce(0) { $0 + $1.data.byteCount }
    var status = stat()
    let fileBytes = stat(path, &status) == 0 ? Int(status.st_size) : 0
    return ModelFacts(
      path: path,
      byteCount: constantBytes > fileBytes ? fileBytes + constantBytes : fileBytes,
      weightCount: constants.reduce(0) { $0 + $1.data.elementCount },
      nodeCount: model.graph.allGraphs.reduce(0) { $0 + $1.nodes.count },
      inputs: feeds(of: model.graph).map(describe))
  }

  /// The inputs that a caller has to feed.
  public static func feeds(of graph: Graph) -> [Value] {
    graph.inputs.filter { $0.initializer == nil }
  }

  /// The inputs as calibration samples fill them.
  ///
  /// - Throws: an input of a type that samples cannot have.
  static func sampleInputs(of graph: Graph) throws(Failure) -> [ModelInput] {
    try feeds(of: graph).map { value throws(Failure) in
      guard let input = ModelInput(name: value.name, type: value.type) else {
        throw Failure(
          .calibrationDataInvalid, "the model's input '\(value.name)' takes no samples",
          notes: ["it is \(value.type?.description ?? "of unknown type")"])
      }
      return input
    }
  }

  /// Name, type and shape of a value.
  public static func describe(_ value: Value) -> String {
    "\(value.name) \(value.type?.description ?? "(type not declared)")"
  }

  /// All constants with a name, in initializers and Constant nodes.
  public static func constants(of model: Model) -> [(name: String, data: TensorData)] {
    model.graph.allGraphs.flatMap { graph -> [(String, TensorData)] in
      graph.initializers.compactMap { value in value.initializer.map { (value.name, $0) } }
        + graph.nodes.compactMap { node in
          node.constantOutput.map { (node.outputs.first??.name ?? "", $0) }
        }
    }
  }
}
