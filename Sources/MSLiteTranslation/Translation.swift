import GraphPasses
import ModelFormats
import ModelGraph
import Support

/// A graph on its way from ONNX's vocabulary to MindSpore Lite's.
///
/// Every value of ONNX's is held as one tensor in some order of its axes. An operator asks for its
/// inputs in the order it wants, and says in which order its result is; a transposition is written
/// only where the two differ, and ONNX's own transpositions just change the order.
final class Translation {
  /// The tensor that stands for a value.
  struct Held {
    let tensor: Int
    /// nil for ONNX's own order.
    let order: AxisOrder?
  }

  private struct Request: Hashable {
    let value: ObjectIdentifier
    let order: AxisOrder?
    let isClamped: Bool
  }

  let facts: FactTable
  let uses: GraphUses
  /// What shares a scale in activations that are quantized while the model runs; nil for none.
  let dynamicScales: DynamicScales?
  private(set) var model = MSLiteModel()
  private var held: [ObjectIdentifier: Held] = [:]
  private var requested: [Request: Int] = [:]
  private var sharedIntegers: [[Int32]: Int] = [:]
  private var names: Set<String> = []
  private var nodeNames: Set<String> = []
  private var labels = LayoutLabels()
  /// The tensor that a tensor is without a unit axis.
  private var squeezedFrom: [Int: (tensor: Int, axis: Int)] = [:]

  init(_ graph: Graph, inputShapes: [String: [Int]], dynamicScales: DynamicScales? = nil) {
    self.dynamicScales = dynamicScales
    facts = FactTable(graph, inputShapes: inputShapes)
    uses = GraphUses(graph)
  }

  // MARK: What is known

  /// The constant elements of a value, also those that follow from shapes.
  func constant(_ value: Value) -> TensorData? {
    if let data = value.initializer { return data }
    if let node = value.producer, let data = FactRules.constant(of: node) { return data }
    let known = facts.of(value)
    guard let integers = known.integers, let shape = known.shape, !shape.contains(nil) else {
      return nil
    }
    let isTruth = known.elementType == .bool
    let bytes = integers.flatMap { integer in
      isTruth ? [integer == 0 ? 0 : 1] : withUnsafeBytes(of: integer.littleEndian, Array.init)
    }
    return TensorData(
      elementType: isTruth ? .bool : .int64, dimensions: shape.compactMap { $0 },
      storage: .packed(Bytes(bytes)))
  }

  /// How many axes a value has.
  func rank(_ value: Value) -> Int? { facts.of(value).rank }

  /// The order a value is held in; nil for ONNX's, and for constants.
  func order(of value: Value) -> AxisOrder? { held[ObjectIdentifier(value)]?.order }

  /// An order in which a value can be had at no cost because only axes of extent 1 lie elsewhere.
  func isOnlyUnitsMoved(_ value: Value, by order: AxisOrder) -> Bool {
    guard let shape = facts.of(value).shape, shape.count == order.rank else { return false }
    return order.axes.filter { shape[$0] != 1 } == order.axes.indices.filter { shape[$0] != 1 }
  }

  // MARK: Asking for tensors

  /// The tensor of a value in ONNX's order.
  func plain(_ value: Value) throws(Failure) -> Int { try tensor(value, nil) }

  /// The tensor of a value in an order of its axes; nil for ONNX's own.
  ///
  /// - Throws: a constant that has no form in the format.
  func tensor(
    _ value: Value, _ order: AxisOrder?, clampsIntegers: Bool = false
  ) throws(Failure) -> Int {
    let order = order.flatMap { $0.isPlain ? nil : $0 }
    let known = constant(value)?.dimensions.count ?? rank(value) ?? self.order(of: value)?.rank
    if let order, let known, known != order.rank {
      throw Failure(
        .modelMalformed, "the value '\(value.name)' has \(known) axes, not \(order.rank)",
        help: "check the model with onnx.checker")
    }
    let request = Request(
      value: ObjectIdentifier(value), order: order, isClamped: clampsIntegers)
    if let known = requested[request] { return known }
    let tensor: Int
    if let quantized = value.quantized, order.map({ $0.axes.first == 0 }) ?? true {
      tensor = add(Constants.quantized(quantized, name: unique(value.name), order: order))
    } else if let data = constant(value) {
      tensor = add(
        try Constants.tensor(
          data, name: unique(value.name), order: order, clampsIntegers: clampsIntegers))
    } else {
      guard let held = held[ObjectIdentifier(value)] else {
        throw Failure(
          .modelMalformed, "the value '\(value.name)' is read before it is made",
          help: "check the model with onnx.checker")
      }
      tensor = reordered(held, to: order, value)
    }
    requested[request] = tensor
    return tensor
  }

  private func reordered(_ held: Held, to order: AxisOrder?, _ value: Value) -> Int {
    guard held.order != order, let rank = (held.order ?? order)?.rank else { return held.tensor }
    let from = held.order ?? .plain(rank)
    let to = order ?? .plain(rank)
    let name = unique(value.name + (order == nil ? "_plain" : "_reordered"))
    if let shape = facts.of(value).shape, shape.count == rank,
      from.axes.filter({ shape[$0] != 1 }) == to.axes.filter({ shape[$0] != 1 }),
      shape.count(where: { $0 == nil }) <= 1
    {
      let extents = to.arranged(shape).map { Int32(clamping: $0 ?? -1) }
      return node(
        MSLitePrimitive("Reshape"), [held.tensor, integers(extents)], name: name,
        type: type(of: value))
    }
    return node(
      MSLitePrimitive("Transpose"),
      [held.tensor, integers(from.steps(to: to).map { Int32($0) })], name: name,
      type: type(of: value))
  }

  /// A constant list of integers; equal lists are one tensor.
  func integers(_ values: [Int32]) -> Int {
    if let known = sharedIntegers[values] { return known }
    let index = add(
      integerTensor(values, dimensions: [values.count]))
    sharedIntegers[values] = index
    return index
  }

  /// A constant list of integers as a matrix.
  func integers(_ values: [Int32], dimensions: [Int]) -> Int {
    add(integerTensor(values, dimensions: dimensions))
  }

  private func integerTensor(_ values: [Int32], dimensions: [Int]) -> MSLiteTensor {
    MSLiteTensor(
      name: unique("integers"), elementType: .int32, dimensions: dimensions,
      content: .bytes(Bytes(values.map(\.littleEndian).withUnsafeBytes(Array.init))))
  }

  /// A constant of floats.
  func floats(_ values: [Float], dimensions: [Int]) -> Int {
    add(
      MSLiteTensor(
        name: unique("floats"), elementType: .float32, dimensions: dimensions,
        content: .bytes(
          Bytes(values.map(\.bitPattern.littleEndian).withUnsafeBytes(Array.init)))))
  }

  // MARK: Writing nodes

  /// The format's type of a value's elements; float32 where nothing tells.
  func type(of value: Value) -> ElementType {
    facts.of(value).elementType.flatMap(Constants.stored) ?? .float32
  }

  /// Adds a node with one result.
  ///
  /// - Returns: the result's tensor.
  @discardableResult
  func node(
    _ primitive: MSLitePrimitive, _ inputs: [Int], name: String, type: ElementType,
    as nodeName: String? = nil
  ) -> Int {
    var tensor = MSLiteTensor(name: name, elementType: type)
    if let source = inputs.first, model.tensors[source].elementType == type {
      tensor.quantization = model.tensors[source].quantization
    }
    let output = add(tensor)
    append(primitive, inputs, [output], named: nodeName ?? name)
    return output
  }

  /// Adds a node whose result is a node's of ONNX's.
  func emit(
    _ primitive: MSLitePrimitive, _ inputs: [Int], for node: Node, order: AxisOrder? = nil
  ) {
    guard case let value?? = node.outputs.first else { return }
    let tensor = self.node(
      primitive, inputs, name: unique(value.name), type: type(of: value), as: node.displayName)
    hold(value, tensor, order)
  }

  /// Adds a node with several results, all in the same order of axes.
  func emit(
    _ primitive: MSLitePrimitive, _ inputs: [Int], allOutputsOf node: Node,
    order: AxisOrder? = nil
  ) {
    let outputs = node.outputs.enumerated().map { index, value in
      let tensor = add(
        MSLiteTensor(
          name: unique(value?.name ?? "\(node.displayName)/unused-\(index)"),
          elementType: value.map(type) ?? .float32))
      if let value { hold(value, tensor, order) }
      return tensor
    }
    append(primitive, inputs, outputs, named: node.displayName)
  }

  /// Says which tensor stands for a value.
  func hold(_ value: Value, _ tensor: Int, _ order: AxisOrder?) {
    let order = order.flatMap { $0.isPlain ? nil : $0 }
    quantize(tensor, as: value)
    held[ObjectIdentifier(value)] = Held(tensor: tensor, order: order)
    requested[Request(value: ObjectIdentifier(value), order: order, isClamped: false)] = tensor
  }

  /// States how a tensor's integers stand for a value, if they do.
  func quantize(_ tensor: Int, as value: Value) {
    guard let activation = value.activation, !model.tensors[tensor].isConstant else { return }
    model.tensors[tensor].quantization = [
      MSLiteQuantization(scale: Double(activation.scale), zeroPoint: activation.zeroPoint)
    ]
  }

  /// Lets a value be what another is.
  func alias(_ value: Value, of other: Value, _ order: AxisOrder?) {
    guard let source = held[ObjectIdentifier(other)] else { return }
    hold(value, source.tensor, order)
  }

  /// The tensor that a tensor is without a unit axis, and that axis.
  func source(ofSqueezed tensor: Int) -> (tensor: Int, axis: Int)? { squeezedFrom[tensor] }

  /// A tensor with a unit axis put in; the one it was taken from, if that is known.
  func unsqueezed(_ tensor: Int, axis: Int, name: String) -> Int {
    if let known = squeezedFrom[tensor], known.axis == axis { return known.tensor }
    return node(
      MSLitePrimitive("Unsqueeze", ["axis": .ints([Int64(axis)])]), [tensor], name: unique(name),
      type: model.tensors[tensor].elementType)
  }

  /// A tensor without a unit axis.
  func squeezed(_ tensor: Int, axis: Int, name: String) -> Int {
    let result = node(
      MSLitePrimitive("Squeeze", ["axis": .ints([Int64(axis)])]), [tensor], name: unique(name),
      type: model.tensors[tensor].elementType)
    squeezedFrom[result] = (tensor, axis)
    return result
  }

  /// Adds a tensor.
  func add(_ tensor: MSLiteTensor) -> Int {
    model.tensors.append(tensor)
    return model.tensors.count - 1
  }

  private func append(
    _ primitive: MSLitePrimitive, _ inputs: [Int], _ outputs: [Int], named base: String
  ) {
    model.nodes.append(
      MSLiteNode(
        name: Translation.unique(base, among: &nodeNames), primitive: primitive, inputs: inputs,
        outputs: outputs))
    labels.follow(model.nodes[model.nodes.count - 1], model.tensors)
  }

  /// A tensor of four axes, channels last, that the runtime also takes for one.
  func labelled(_ tensor: Int) -> Int {
    guard labels.mayBePlain(tensor) else { return tensor }
    let name = model.tensors[tensor].name
    let type = model.tensors[tensor].elementType
    let shape = node(
      MSLitePrimitive("Shape"), [tensor], name: unique(name + "_shape"), type: .int32)
    let row = node(
      MSLitePrimitive("Reshape"), [tensor, integers([1, 1, 1, -1])], name: unique(name + "_row"),
      type: type)
    let turned = node(
      MSLitePrimitive("Transpose"), [row, integers([0, 2, 3, 1])], name: unique(name + "_turned"),
      type: type)
    return node(
      MSLitePrimitive("Reshape"), [turned, shape], name: unique(name + "_labelled"), type: type)
  }

  /// A name that no tensor has yet, beginning with this one.
  func unique(_ base: String) -> String { Translation.unique(base, among: &names) }

  private static func unique(_ base: String, among names: inout Set<String>) -> String {
    var name = base
    var number = 1
    while !names.insert(name).inserted {
      number += 1
      name = "\(base)_\(number)"
    }
    return name
  }

  /// Changes the finished model.
  func edit(_ change: (inout MSLiteModel) -> Void) { change(&model) }
}
