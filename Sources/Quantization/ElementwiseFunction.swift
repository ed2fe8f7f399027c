import Glibc
import ModelGraph

/// Operators that treat every element alike, as functions of one number.
enum ElementwiseFunction {
  /// Operators of two operands.
  static let arithmetic: [String: @Sendable (Double, Double) -> Double] = [
    "Add": { $0 + $1 }, "Sub": { $0 - $1 }, "Mul": { $0 * $1 }, "Div": { $0 / $1 },
  ]

  /// The function of an activation node; nil for other operators, or when its settings aren't
  /// constant.
  static func function(of node: Node) -> ((Double) -> Double)? {
    switch node.operatorType {
    case "Relu": return { max(0, $0) }
    case "Sigmoid": return { 1 / (1 + exp(-$0)) }
    case "Tanh": return { tanh($0) }
    case "LeakyRelu":
      let slope = Double(node.float("alpha") ?? 0.01)
      return { $0 < 0 ? slope * $0 : $0 }
    case "HardSigmoid":
      let slope = Double(node.float("alpha") ?? 0.2)
      let offset = Double(node.float("beta") ?? 0.5)
      return { max(0, min(1, slope * $0 + offset)) }
    case "HardSwish": return { $0 * max(0, min(1, $0 / 6 + 0.5)) }
    case "Clip":
      guard let limits = limits(of: node) else { return nil }
      return { max(limits.lowerBound, min(limits.upperBound, $0)) }
    default: return nil
    }
  }

  /// Clip's limits: attributes until operator set 11, then inputs.
  static func limits(of node: Node) -> ClosedRange<Double>? {
    var low = Double(node.float("min") ?? -.infinity)
    var high = Double(node.float("max") ?? .infinity)
    for (index, isLow) in [(1, true), (2, false)] where index < node.inputs.count {
      guard let limit = node.inputs[index] else { continue }
      guard let value = limit.constant?.float32Values?.first else { return nil }
      if isLow { low = Double(value) } else { high = Double(value) }
    }
    return low <= high ? low...high : nil
  }
}
