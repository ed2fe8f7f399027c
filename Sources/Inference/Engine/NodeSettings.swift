import ModelGraph

/// What a kernel is prepared from: a node's attributes, the version of its operator set, and the
/// inputs that are known before any run.
struct NodeSettings {
  /// The node.
  let node: Node
  /// The version of the node's operator set.
  let version: Int
  /// The values of constant inputs, by index.
  let constants: [Int: Tensor]
  /// How many inputs the step reads, those of fused followers included.
  let inputCount: Int
  /// What the kernel also does to its result; empty unless the operator takes followers.
  let followers: [Follower]
  /// Factors of the channels that a convolution's constant weights make; nil for none.
  var weightScales: Tensor?
  /// Prepares a nested graph.
  let nested: (Graph) throws -> NestedProgram
  /// The version of any domain's operator set.
  let versionOf: (String) -> Int

  /// The same settings for a kernel that also does what follows.
  func fusing(_ followers: [Follower], inputCount: Int) -> NodeSettings {
    NodeSettings(
      node: node, version: version, constants: constants, inputCount: inputCount,
      followers: followers, weightScales: weightScales, nested: nested, versionOf: versionOf)
  }

  /// The same settings for a convolution whose weights are multiplied, channel by channel.
  func scalingWeights(by factors: Tensor) -> NodeSettings {
    var scaled = self
    scaled.weightScales = factors
    return scaled
  }

  /// An integer attribute.
  func int(_ name: String) throws -> Int? {
    guard let value = node.attribute(name) else { return nil }
    guard case .int(let number) = value else { throw mistyped(name, "an integer") }
    return Int(number)
  }

  /// An integer attribute or its default.
  func int(_ name: String, default fallback: Int) throws -> Int { try int(name) ?? fallback }

  /// An integer attribute read as a switch.
  func flag(_ name: String, default fallback: Bool = false) throws -> Bool {
    try int(name).map { $0 != 0 } ?? fallback
  }

  /// A list of integers.
  func ints(_ name: String) throws -> [Int]? {
    guard let value = node.attribute(name) else { return nil }
    guard case .ints(let numbers) = value else { throw mistyped(name, "a list of integers") }
    return numbers.map { Int($0) }
  }

  /// A number.
  func float(_ name: String) throws -> Float? {
    guard let value = node.attribute(name) else { return nil }
    guard case .float(let number) = value else { throw mistyped(name, "a number") }
    return number
  }

  /// A number or its default.
  func float(_ name: String, default fallback: Float) throws -> Float {
    try float(name) ?? fallback
  }

  /// A list of numbers.
  func floats(_ name: String) throws -> [Float]? {
    guard let value = node.attribute(name) else { return nil }
    guard case .floats(let numbers) = value else { throw mistyped(name, "a list of numbers") }
    return numbers
  }

  /// A text.
  func string(_ name: String) throws -> String? {
    guard let value = node.attribute(name) else { return nil }
    guard case .string(let bytes) = value else { throw mistyped(name, "a text") }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// A list of texts, each as its bytes.
  func strings(_ name: String) throws -> [[UInt8]]? {
    guard let value = node.attribute(name) else { return nil }
    guard case .strings(let texts) = value else { throw mistyped(name, "a list of texts") }
    return texts
  }

  /// A required nested graph.
  func graph(_ name: String) throws -> Graph {
    guard case .graph(let graph)? = node.attribute(name) else { throw mistyped(name, "a graph") }
    return graph
  }

  /// How many outputs the node names.
  var outputCount: Int { node.outputs.count }

  /// Whether the node names that output.
  func hasOutput(_ index: Int) -> Bool {
    index < node.outputs.count && node.outputs[index] != nil
  }

  /// Whether the node names that input.
  func hasInput(_ index: Int) -> Bool {
    index < node.inputs.count && node.inputs[index] != nil
  }

  /// A call with the constant inputs alone; nil unless all inputs but one are constant.
  func constantCall(except index: Int) -> KernelCall? {
    let given = node.inputs.indices.filter { $0 != index && node.inputs[$0] != nil }
    guard given.allSatisfy({ constants[$0] != nil }) else { return nil }
    return KernelCall(
      inputs: node.inputs.indices.map { constants[$0].map { .tensor($0) } },
      context: RunContext(pool: BufferPool(), workers: .init(threads: 1)), observer: nil)
  }

  private func mistyped(_ name: String, _ kind: String) -> KernelProblem {
    KernelProblem("the attribute '\(name)' is not \(kind)")
  }
}

/// Counts an axis given from the front or, negative, from the back.
///
/// - Throws: an axis outside the rank.
func resolvedAxis(_ axis: Int, rank: Int) throws -> Int {
  let resolved = axis < 0 ? axis + rank : axis
  guard (0..<rank).contains(resolved) else {
    throw KernelProblem("axis \(axis) does not exist in a tensor with \(rank) axes")
  }
  return resolved
}
