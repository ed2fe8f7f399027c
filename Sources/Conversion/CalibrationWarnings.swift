import ModelGraph
import Quantization
import Support

/// What a calibration shows that its user can do something about.
struct CalibrationWarnings {
  let graph: Graph
  let facts: [String: ActivationFacts]

  /// Ranges of one node's inputs that differ by this factor leave the narrow one few of the integers.
  private static let unevenness: Float = 16
  /// The share of elements that may lie outside a range.
  private static let mostCut = 0.01
  private static let limit = 5

  var diagnostics: [Diagnostic] { [uneven, cut].compactMap { $0 } }

  /// Add and Concat, whose inputs end up on one grid.
  private var uneven: Diagnostic? {
    let notes = graph.nodes.compactMap { node -> String? in
      guard node.isStandard, ["Add", "Concat", "Sum"].contains(node.operatorType) else {
        return nil
      }
      let ranges = node.inputs.compactMap { $0 }.compactMap { value in
        facts[value.name].map { (name: value.name, reach: $0.upper - $0.lower) }
      }.filter { $0.reach > 0 }
      guard let narrow = ranges.min(by: { $0.reach < $1.reach }),
        let wide = ranges.max(by: { $0.reach < $1.reach }),
        wide.reach >= Self.unevenness * narrow.reach
      else { return nil }
      return "\(node.operatorType) '\(node.displayName)': '\(narrow.name)' spans "
        + "\(NumberText.significant(Double(narrow.reach), 3)), '\(wide.name)' "
        + NumberText.significant(Double(wide.reach), 3)
    }
    return warning(
      .unevenRanges, "joins activations whose ranges differ \(Int(Self.unevenness))-fold", notes,
      help: "the narrow one gets few of the 256 integers; if the results suffer, add the node's "
        + "producers to skip_quant_node")
  }

  private var cut: Diagnostic? {
    let notes = facts.keys.sorted().compactMap { name -> String? in
      guard let share = facts[name]?.outsideShare, share > Self.mostCut else { return nil }
      return "'\(name)': \(NumberText.fixed(share * 100, 1)) % of its elements"
    }
    return warning(
      .rangeCutsMuch, "has more than \(Int(Self.mostCut * 100)) % of its elements cut off", notes,
      help: "activation_quant_method=AUTO or MAX_MIN cuts less")
  }

  private func warning(
    _ code: DiagnosticCode, _ what: String, _ notes: [String], help: String
  ) -> Diagnostic? {
    guard !notes.isEmpty else { return nil }
    let subject = code == .unevenRanges ? "node" : "activation"
    let rest = notes.count - Self.limit
    return Diagnostic(
      code, "\(notes.count) \(subject)\(notes.count == 1 ? "" : "s") of the model: each \(what)",
      severity: .warning, notes: notes.prefix(Self.limit) + (rest > 0 ? ["and \(rest) more"] : []),
      help: help)
  }
}
