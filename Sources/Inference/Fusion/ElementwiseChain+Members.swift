import CKernels
import ModelGraph

/// A node that a run of elementwise nodes can take in.
struct ElementwiseMember: Sendable {
  /// How the node's operation is found once its settings are known.
  let operation: @Sendable (NodeSettings) throws -> ChainOperation
  /// The inputs that are computed with.
  nonisolated(unsafe) let operands: [Value]
  /// Inputs that are part of the operation, by index.
  var settings: [Int: Tensor] = [:]
}

/// What one node of a run does with each element.
enum ChainOperation: Sendable {
  /// A function of a float32 tensor with at least that many axes.
  case apply(Elementwise.Function, minimumRank: Int = 0)
  /// A combination of two.
  case combine(gs_binary)
}

extension ElementwiseChain {
  /// The draft as a member of a run; nil where it isn't elementwise, does more than its node, or
  /// is known to compute with other numbers than float32.
  static func member(of draft: Draft, _ constant: (Value) -> Tensor?) -> ElementwiseMember? {
    let node = draft.node
    guard draft.followers.isEmpty, draft.captures.isEmpty, draft.outputs.count == 1,
      let output = draft.outputs[0], mayBeFloat(output), let first = draft.inputs.first,
      let input = first, draft.inputs.compactMap({ $0 }).allSatisfy({ isFloat($0, constant) })
    else { return nil }
    if let entry = ElementwiseFunctions.find(node.operatorType, domain: node.domain) {
      guard draft.inputs.count == 1 else { return nil }
      return ElementwiseMember(
        operation: { .apply(try entry.function($0)) }, operands: [input])
    }
    guard node.isStandard else { return nil }
    if let op = combinations[node.operatorType], draft.inputs.count == 2,
      let right = draft.inputs[1]
    {
      return ElementwiseMember(operation: { _ in .combine(op) }, operands: [input, right])
    }
    switch node.operatorType {
    case "Pow": return power(draft, input, constant)
    case "Clip": return clip(draft, input, constant)
    default: return nil
    }
  }

  private static let combinations: [String: gs_binary] = [
    "Add": GS_ADD, "Sub": GS_SUBTRACT, "Mul": GS_MULTIPLY, "Div": GS_DIVIDE, "Min": GS_MINIMUM,
    "Max": GS_MAXIMUM, "Sum": GS_ADD, "PRelu": GS_PRELU,
  ]

  private static func mayBeFloat(_ value: Value) -> Bool {
    guard case .tensor(let type, _)? = value.type else { return value.type == nil }
    return type == .float32 || type == .undefined
  }

  private static func isFloat(_ value: Value, _ constant: (Value) -> Tensor?) -> Bool {
    if let known = constant(value) { return known.elementType == .float32 }
    return mayBeFloat(value)
  }

  /// Pow with a known exponent that has a function of its own.
  private static func power(
    _ draft: Draft, _ base: Value, _ constant: (Value) -> Tensor?
  ) -> ElementwiseMember? {
    guard draft.inputs.count == 2, let value = draft.inputs[1], let exponent = constant(value),
      exponent.count == 1, let number = try? exponent.doubles()[0],
      let function = Elementwise.Function(power: number)
    else { return nil }
    let rank = exponent.rank
    return ElementwiseMember(
      operation: { _ in .apply(function, minimumRank: rank) }, operands: [base],
      settings: [1: exponent])
  }

  /// Clip with known bounds.
  private static func clip(
    _ draft: Draft, _ input: Value, _ constant: (Value) -> Tensor?
  ) -> ElementwiseMember? {
    var bounds: [Int: Tensor] = [:]
    for case (let index, let value?) in draft.inputs.enumerated().dropFirst() {
      guard let bound = constant(value), bound.count == 1 else { return nil }
      bounds[index] = bound
    }
    return ElementwiseMember(
      operation: { settings in
        .apply(try Elementwise.Function(clip: settings, bounds: settings.constants))
      }, operands: [input], settings: bounds)
  }
}
