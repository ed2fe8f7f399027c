import Inference
import ModelGraph

/// Compares results with the tolerances of ONNX's backend tests: 1e-3 relative, 1e-7 absolute for
/// floating-point numbers, equality for everything else.
enum Comparison {
  /// What differs first; nil where all is close enough.
  ///
  /// - Parameter shapesOnly: whether only types and shapes are compared.
  static func difference(
    _ actual: RunValue, _ expected: RunValue, shapesOnly: Bool = false
  ) -> String? {
    switch (actual, expected) {
    case (.tensor(let actual), .tensor(let expected)):
      if shapesOnly, actual.shape == expected.shape, actual.elementType == expected.elementType {
        return nil
      }
      return difference(actual, expected)
    case (.sequence(let actual, _), .sequence(let expected, _)):
      guard actual.count == expected.count else {
        return "\(actual.count) elements instead of \(expected.count)"
      }
      for (index, pair) in zip(actual, expected).enumerated() {
        if let text = difference(pair.0, pair.1) { return "element \(index): \(text)" }
      }
      return nil
    case (.nothing, .nothing): return nil
    default: return "a value of another kind"
    }
  }

  private static func difference(_ actual: Tensor, _ expected: Tensor) -> String? {
    guard actual.elementType == expected.elementType, actual.shape == expected.shape else {
      return "\(actual.description) instead of \(expected.description)"
    }
    guard let ours = try? actual.doubles(), let theirs = try? expected.doubles() else {
      let equal = actual.withUnsafeBytes { left in
        expected.withUnsafeBytes { left.elementsEqual($0) }
      }
      return equal ? nil : "other contents"
    }
    let isFloat = actual.elementType.isQuantizableFloat || actual.elementType == .float64
    for (index, (value, wanted)) in zip(ours, theirs).enumerated() {
      if value == wanted || value.isNaN && wanted.isNaN { continue }
      let tolerance = isFloat ? 1e-7 + 1e-3 * abs(wanted) : 0
      if !(abs(value - wanted) <= tolerance) {
        return "element \(index) is \(value) instead of \(wanted)"
      }
    }
    return nil
  }
}
