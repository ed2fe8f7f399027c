import GraphPasses
import ModelFormats
import ModelGraph
import Support

/// Translates ONNX graphs into MindSpore Lite's vocabulary.
///
/// Convolutions, pools and resizing work on channels-last tensors there; activations are fused into
/// what makes their input; integers have 32 bits. What the format can't say is refused.
public enum MSLiteTranslator {
  /// What a user may ask for.
  public struct Options: Sendable {
    /// Shapes of inputs, in ONNX's order of axes, by name.
    public var inputShapes: [String: [Int]]
    /// Whether four-dimensional inputs keep ONNX's order of axes.
    public var keepsInputLayout: Bool
    /// Operators of ONNX's that only move elements, and move integers as well.
    public var integerMovers: Set<String> = []
    /// What shares a scale in activations that are quantized while the model runs, for products with
    /// quantized weights; nil where none are.
    public var dynamicScales: DynamicScales?

    /// Whether weights stay integers until the operators that read them run.
    public var castsWeights = false
    /// Whether tables among them are looked up as integers.
    public var castsAfterLookups = false

    /// Whether float inputs are fed as the integers that they become first.
    public var hasIntegerInputs = false
    /// Whether results are the integers that they were last.
    public var hasIntegerOutputs = false

    /// Makes options.
    public init(inputShapes: [String: [Int]] = [:], keepsInputLayout: Bool = false) {
      self.inputShapes = inputShapes
      self.keepsInputLayout = keepsInputLayout
    }
  }

  /// The version of ONNX's operators that is translated; older models are raised to it.
  public static let operatorSetVersion = 18

  /// What the name of a file's main graph begins with.
  static let graphPrefix = "subgraph_0_"

  /// Brings a model into the form that `translate` takes: raises its operators, writes those that
  /// the format doesn't have in others, and folds what follows convolutions into them.
  ///
  /// - Parameters:
  ///   - inputShapes: shapes of inputs that the model leaves open, by name.
  ///   - pool: computes folded weights.
  /// - Throws: operators that can't be raised or that the format doesn't have, all of them.
  public static func prepare(
    _ model: Model, inputShapes: [String: [Int]] = [:], pool: WorkerPool = WorkerPool(threads: 1)
  ) throws(Failure) {
    try OpsetUpgrade.raise(model, to: operatorSetVersion)
    try ControlFlowInlining.apply(to: model.graph, inputShapes: inputShapes)
    try refuseUnknown(model)
    try OperatorRewriting.apply(
      to: model.graph, version: model.standardOperatorVersion, inputShapes: inputShapes)
    var assembly = ConstantAssembly(for: model.graph)
    ConstantShaping.apply(to: model.graph) { assembly.result(of: $0) }
    SoftmaxRejoining.apply(to: model.graph)
    ActivationRewrites.apply(to: model.graph)
    GeluJoining.apply(to: model.graph)
    AffineFolding.apply(to: model.graph, pool: pool)
    PointwiseMerging.apply(to: model.graph)
  }

  /// Translates a prepared model; constants that are quantized become integers, and operators between
  /// DequantizeLinear and QuantizeLinear work on integers.
  ///
  /// - Throws: a node whose settings the format can't say, by name.
  /// - Complexity: O(nodes + small constants); large constants are rearranged when they are written.
  public static func translate(
    _ model: Model, options: Options = Options()
  ) throws(Failure) -> MSLiteModel {
    let graph = model.graph
    IntegerForm.apply(to: graph, movers: options.integerMovers)
    if options.hasIntegerInputs { try IntegerBorders.moveInputs(of: graph) }
    if options.hasIntegerOutputs { try IntegerBorders.moveOutputs(of: graph) }
    let translation = Translation(
      graph, inputShapes: options.inputShapes, dynamicScales: options.dynamicScales)
    let inputs = try addInputs(graph, to: translation, options)
    for node in graph.nodes where !node.isONNX("Constant") {
      if node.outputs.allSatisfy({ $0.map { translation.constant($0) != nil } ?? true }) {
        continue
      }
      guard let translate = OperatorTable.translations[node.operatorType] else { continue }
      try translate(translation, node)
    }
    let outputs = try graph.outputs.map { value throws(Failure) in
      try tensor(of: value, inputs, translation)
    }
    translation.edit { model in
      RepeatedNodes.remove(from: &model, keeping: outputs)
      UnusedNodes.remove(from: &model, keeping: inputs + outputs)
      BiasFusion.apply(to: &model, outputs: outputs)
      ActivationFusion.apply(to: &model, outputs: outputs)
      if options.castsWeights {
        WeightCasts.apply(to: &model, afterLookups: options.castsAfterLookups)
      }
      markQuantized(&model)
      if options.dynamicScales != nil { DynamicProducts.mark(&model) }
    }
    var result = translation.model
    name(outputs, graph.outputs.map(\.name), in: &result)
    name(inputs, feeds(graph).map(\.name), in: &result)
    result.subgraphs = [
      MSLiteSubgraph(
        name: graphPrefix + graph.name, inputs: inputs, outputs: outputs,
        nodes: Array(result.nodes.indices))
    ]
    return UnusedNodes.compact(result)
  }

  private static func feeds(_ graph: Graph) -> [Value] {
    graph.inputs.filter { $0.initializer == nil }
  }

  private static func refuseUnknown(_ model: Model) throws(Failure) {
    let problems = model.graph.nodes.compactMap { node -> Diagnostic? in
      if node.isStandard, node.operatorType == "Constant" || OperatorTable.has(node.operatorType) {
        return nil
      }
      let name = (node.isStandard ? "" : node.domain + ".") + node.operatorType
      return Diagnostic(
        .operatorUnsupported,
        "the node '\(node.displayName)' (\(name)) has no form in a .ms file",
        help: "use --saveType=ONNX")
    }
    if !problems.isEmpty { throw Failure(problems) }
  }

  private static func addInputs(
    _ graph: Graph, to translation: Translation, _ options: Options
  ) throws(Failure) -> [Int] {
    try feeds(graph).map { value throws(Failure) in
      guard case .tensor(let type, _) = value.type, Constants.stored(type) != nil else {
        throw Failure(
          .modelUnsupported, "the input '\(value.name)' has no form in a .ms file",
          notes: ["it is \(value.type?.description ?? "of unknown type")"],
          help: "use --saveType=ONNX")
      }
      let known = translation.facts.of(value)
      let shape = known.shape ?? []
      let order = shape.count == 4 && !options.keepsInputLayout ? AxisOrder.channelsLast : nil
      let tensor = translation.add(
        MSLiteTensor(
          name: translation.unique(value.name), elementType: translation.type(of: value),
          dimensions: (order?.arranged(shape) ?? shape).map { $0 ?? -1 }))
      translation.hold(value, tensor, order)
      return tensor
    }
  }

  /// The tensor of an output: one that a node makes, and no other output's.
  private static func tensor(
    of value: Value, _ inputs: [Int], _ translation: Translation
  ) throws(Failure) -> Int {
    let tensor = try translation.plain(value)
    if translation.model.tensors[tensor].isConstant {
      throw Failure(
        .modelUnsupported, "the output '\(value.name)' depends on no input",
        notes: ["the runtime of .ms files hangs on such a model"], help: "use --saveType=ONNX")
    }
    guard inputs.contains(tensor) else { return tensor }
    let type = translation.type(of: value)
    return translation.node(
      MSLitePrimitive("Cast"),
      [tensor, translation.integers([type.msliteCode ?? 43])],
      name: translation.unique(value.name), type: type)
  }

  /// Gives tensors the names they must have; others that have them get new ones.
  private static func name(_ tensors: [Int], _ names: [String], in model: inout MSLiteModel) {
    var owner: [String: Int] = [:]
    for (index, tensor) in model.tensors.enumerated() { owner[tensor.name] = index }
    for (tensor, name) in zip(tensors, names) where model.tensors[tensor].name != name {
      if let other = owner[name] { model.tensors[other].name = name + "_held" }
      model.tensors[tensor].name = name
      owner[name] = tensor
    }
  }

  private static func markQuantized(_ model: inout MSLiteModel) {
    for index in model.nodes.indices {
      if model.nodes[index].primitive.name == "QuantDTypeCast" { continue }
      let reads = model.nodes[index].inputs.contains { input in
        if case .quantized = model.tensors[input].content { return true }
        return model.tensors[input].isConstant && !model.tensors[input].quantization.isEmpty
      }
      if reads { model.nodes[index].quantization = .weights }
      let makesIntegers = model.nodes[index].outputs.contains { output in
        model.tensors[output].elementType == .int8 && !model.tensors[output].quantization.isEmpty
      }
      if makesIntegers { model.nodes[index].quantization = .all }
    }
  }
}
