import Configuration
import Conversion
import Quantization
import Support

/// What dynamic quantization adds to the summary.
extension ConversionPresentation {
  /// The line about the configuration.
  func dynamicLine(_ dynamic: DynamicFacts, _ configuration: QuantizationConfiguration) -> String {
    let scales =
      "activations per \(dynamic.strategy.scalesRows ? "row" : "tensor"), "
      + "weights per \(dynamic.strategy.scalesChannels ? "channel" : "tensor")"
    return [
      "config     DYNAMIC_QUANT 8 bit", "\(dynamic.strategy.rawValue): \(scales)",
      "skip \(configuration.skipQuantNode.count)",
    ].joined(separator: "   ")
  }

  /// How much runs in integers, and why the rest does not.
  var dynamicLines: [String] {
    guard let dynamic = outcome.dynamic else { return [] }
    let count = dynamic.integerOperatorCount + dynamic.floatOperators.count
    var lines = [
      "integer    \(dynamic.integerOperatorCount) of \(count) operators with weights or two "
        + "activations run in integers"
    ]
    if dynamic.dividedActivationCount > 0 {
      lines.append(
        "           \(dynamic.dividedActivationCount) of their inputs have channels evened out, "
          + "weights take the factors up")
    }
    var order: [String] = []
    var kinds: [String: [String]] = [:]
    for item in dynamic.floatOperators {
      let kind = "\(item.operatorType): \(item.reason)"
      if kinds[kind] == nil { order.append(kind) }
      kinds[kind, default: []].append(item.node)
    }
    for kind in order {
      lines.append("           \(kinds[kind]?.count ?? 0) x \(kind)")
    }
    return lines
  }

  /// The same facts for programs.
  var dynamicMembers: [(String, JSONValue)] {
    guard let dynamic = outcome.dynamic else { return [] }
    return [
      ("quantStrategy", .string(dynamic.strategy.rawValue)),
      ("integerOperators", .integer(dynamic.integerOperatorCount)),
      ("dividedActivations", .integer(dynamic.dividedActivationCount)),
      (
        "floatOperators",
        .array(
          dynamic.floatOperators.map { item in
            .object([
              ("node", .string(item.node)), ("operator", .string(item.operatorType)),
              ("reason", .string(item.reason)),
            ])
          })
      ),
    ]
  }
}
