import ModelGraph

/// Divides the channels of activations that products read, as the products' weights were multiplied.
///
/// Where an operator multiplies by a constant for each channel just before, and those products alone
/// read its result, the constant is divided and the model runs as fast as before; elsewhere a
/// multiplication by the inverse is put in (SmoothQuant, arXiv 2211.10438, section 4).
public enum ActivationDivision {
  /// One activation, divided for some of its readers.
  public struct Division {
    /// The activation.
    public let value: Value
    /// What each channel, along the last axis, is divided by.
    public let divisors: [Float]
    /// Products of the main graph whose first input the activation is.
    public let readers: [Node]

    /// States a division.
    public init(value: Value, divisors: [Float], readers: [Node]) {
      self.value = value
      self.divisors = divisors
      self.readers = readers
    }
  }

  /// Operators that scale channels at the end, with the places of the constants to divide.
  private static let scalingInputs: [String: [Int]] = [
    "LayerNormalization": [1, 2], "Mul": [0, 1], "RMSNormalization": [1],
    "SimplifiedLayerNormalization": [1],
  ]

  /// Makes the divisions.
  ///
  /// - Complexity: O(edges).
  public static func apply(_ divisions: [Division], to model: Model) {
    guard !divisions.isEmpty else { return }
    let uses = GraphUses(model.graph)
    var names = UniqueNames(in: model)
    var inserted: [ObjectIdentifier: Node] = [:]
    for division in divisions {
      let (value, readers) = (division.value, division.readers)
      let divided = Value(name: names.make(value.name + "_divided"))
      if let maker = value.producer, isFree(value, for: readers, division.divisors.count, uses) {
        divide(maker, division.divisors, model.graph, uses, &names)
        maker.outputs[0] = divided
      } else {
        let inverse = Value(name: names.make(value.name + "_factors"))
        inverse.initializer = TensorData(float32: division.divisors.map { 1 / $0 })
        model.graph.initializers.append(inverse)
        let node = Node(
          name: value.name + "_division", operatorType: "Mul", inputs: [value, inverse],
          outputs: [divided])
        for reader in readers { inserted[ObjectIdentifier(reader)] = node }
      }
      for reader in readers { reader.inputs[0] = divided }
    }
    var placed: Set<ObjectIdentifier> = []
    model.graph.nodes = model.graph.nodes.flatMap { node -> [Node] in
      guard let division = inserted[ObjectIdentifier(node)],
        placed.insert(ObjectIdentifier(division)).inserted
      else { return [node] }
      return [division, node]
    }
  }

  /// Whether dividing an activation of so many channels costs no operator.
  public static func isFree(
    _ value: Value, for readers: [Node], _ channels: Int, _ uses: GraphUses
  ) -> Bool {
    guard !uses.isOutput(value), uses.readers(of: value).count == readers.count,
      let maker = value.producer, maker.isStandard, maker.outputs.first ?? nil === value,
      let places = scalingInputs[maker.operatorType]
    else { return false }
    let constants = places.filter { place in
      isVector(maker.inputs.indices.contains(place) ? maker.inputs[place] : nil, channels)
    }
    return maker.operatorType == "Mul"
      ? constants.count == 1
      : constants.count == places.filter { maker.inputs.indices.contains($0) }.count
  }

  private static func isVector(_ value: Value?, _ channels: Int) -> Bool {
    guard let constant = value?.constant, constant.elementType == .float32 else { return false }
    return constant.elementCount == channels && constant.dimensions.last == channels
  }

  private static func divide(
    _ maker: Node, _ divisors: [Float], _ graph: Graph, _ uses: GraphUses,
    _ names: inout UniqueNames
  ) {
    for place in scalingInputs[maker.operatorType] ?? [] where place < maker.inputs.count {
      guard let source = maker.inputs[place], isVector(source, divisors.count),
        let constant = source.constant, let elements = constant.float32Values
      else { continue }
      let divided = Value(name: names.make(source.name + "_divided"))
      divided.initializer = TensorData(
        float32: zip(elements, divisors).map { $0 / $1 }, dimensions: constant.dimensions)
      graph.initializers.append(divided)
      maker.inputs[place] = divided
      if uses.onlyReader(of: source) === maker { graph.initializers.removeAll { $0 === source } }
    }
  }
}
