/// Nodes and the values between them, with the graph's inputs and outputs.
public final class Graph {
  /// The graph's name.
  public var name: String
  /// The inputs a caller feeds, in order; may include initializers that can be overridden.
  public var inputs: [Value]
  /// The results, in order.
  public var outputs: [Value]
  /// The nodes, in the file's order (topological in a valid model).
  public var nodes: [Node]
  /// The constants, in the file's order.
  public var initializers: [Value]
  /// Inner values whose type the file declares, in the file's order.
  public var declaredValues: [Value]
  /// What else the file says of the graph, in its format's own encoding.
  public var carried: [UInt8]

  /// Makes an empty graph.
  public init(name: String = "") {
    self.name = name
    inputs = []
    outputs = []
    nodes = []
    initializers = []
    declaredValues = []
    carried = []
  }

  /// This graph and all graphs inside its nodes, outermost first.
  ///
  /// - Complexity: O(nodes).
  public var allGraphs: [Graph] {
    var found: [Graph] = [self]
    var next = 0
    while next < found.count {
      for node in found[next].nodes { found += node.subgraphs }
      next += 1
    }
    return found
  }

  /// The constants of this graph and of all graphs inside, those of Constant nodes among them.
  ///
  /// - Complexity: O(nodes + constants).
  public var constants: [Value] {
    allGraphs.flatMap { graph in
      graph.initializers
        + graph.nodes.compactMap { $0.constantOutput == nil ? nil : $0.outputs.first ?? nil }
    }
  }
}

/// A function that a model defines and its nodes call like operators.
public final class Function {
  /// The body; its inputs and outputs are the function's.
  public let body: Graph
  /// The operator sets the body uses.
  public var operatorSets: [OperatorSet]
  /// Name, domain, attributes and what else the file says, in the format's own encoding.
  public let carried: [UInt8]

  /// Makes a function.
  public init(body: Graph, operatorSets: [OperatorSet], carried: [UInt8]) {
    self.body = body
    self.operatorSets = operatorSets
    self.carried = carried
  }
}

/// A domain of operators at a version.
public struct OperatorSet: Hashable, Sendable {
  /// The domain; empty for ONNX's own.
  public var domain: String
  /// The version.
  public var version: Int

  /// Names an operator set.
  public init(domain: String, version: Int) {
    self.domain = domain
    self.version = version
  }
}

/// A loaded model: its graph, its functions, and what the format says around them.
public final class Model {
  /// The main graph.
  public let graph: Graph
  /// Functions defined in the file.
  public var functions: [Function]
  /// The operator sets that nodes use.
  public var operatorSets: [OperatorSet]
  /// The version of the file's format.
  public var formatVersion: Int
  /// Whether inputs of four axes are fed as the graph has them, whatever flags say of layouts: those
  /// of a file that isn't ONNX's need not have channels first.
  public var keepsInputLayout = false
  /// What else the file says of the model, in its format's own encoding.
  public var carried: [UInt8]

  /// Makes a model.
  public init(
    graph: Graph, functions: [Function] = [], operatorSets: [OperatorSet], formatVersion: Int,
    carried: [UInt8] = []
  ) {
    self.graph = graph
    self.functions = functions
    self.operatorSets = operatorSets
    self.formatVersion = formatVersion
    self.carried = carried
  }

  /// The version of ONNX's own operators; 1 when the file names none.
  public var standardOperatorVersion: Int {
    operatorSets.first { $0.domain.isEmpty || $0.domain == "ai.onnx" }?.version ?? 1
  }
}
