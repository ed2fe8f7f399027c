import GraphPasses
import ModelGraph

/// Makes one operator of `x (1 + erf(x / sqrt 2)) / 2`, in the orders in which exporters write it.
enum GeluJoining {
  /// - Complexity: O(edges).
  static func apply(to graph: Graph) {
    let errors = graph.nodes.filter { $0.isONNX("Erf") }
    if errors.isEmpty { return }
    var pass = Pass(uses: GraphUses(graph))
    for node in errors { pass.join(node) }
    graph.nodes.removeAll { pass.removed.contains(ObjectIdentifier($0)) }
  }

  private struct Pass {
    let uses: GraphUses
    var removed: Set<ObjectIdentifier> = []

    mutating func join(_ error: Node) {
      guard let scaling = error.inputs.first??.producer, isOnlyRead(scaling),
        let (x, factor) = scaled(scaling), abs(factor - 0.5.squareRoot()) < 1e-5,
        let sum = onlyReader(of: error), sum.isONNX("Add"), operand(of: sum, with: 1) != nil,
        let product = onlyReader(of: sum), product.isONNX("Mul"), product.inputs.count == 2,
        case let summed?? = sum.outputs.first,
        let other = product.inputs.first(where: { $0 !== summed }) ?? nil
      else { return }
      var steps = [scaling, error, sum]
      let end: Node
      if other === x, let half = onlyReader(of: product), half.isONNX("Mul"),
        operand(of: half, with: 0.5) != nil
      {
        steps.append(product)
        end = half
      } else if let half = other.producer, half.isONNX("Mul"), isOnlyRead(half),
        operand(of: half, with: 0.5) === x
      {
        steps.append(half)
        end = product
      } else {
        return
      }
      end.operatorType = "Gelu"
      end.inputs = [x]
      removed.formUnion(steps.map(ObjectIdentifier.init))
    }

    private func onlyReader(of node: Node) -> Node? {
      guard case let value?? = node.outputs.first else { return nil }
      return uses.onlyReader(of: value)
    }

    private func isOnlyRead(_ node: Node) -> Bool { onlyReader(of: node) != nil }

    /// What a node multiplies by a constant, as a division or a product says it.
    private func scaled(_ node: Node) -> (Value, Double)? {
      guard node.inputs.count == 2, let first = node.inputs[0], let second = node.inputs[1] else {
        return nil
      }
      if node.isONNX("Div"), let divisor = second.soleNumber, divisor != 0 {
        return (first, 1 / Double(divisor))
      }
      guard node.isONNX("Mul") else { return nil }
      if let factor = second.soleNumber { return (first, Double(factor)) }
      return first.soleNumber.map { (second, Double($0)) }
    }

    /// The operand beside a constant.
    private func operand(of node: Node, with number: Float) -> Value? {
      guard node.inputs.count == 2, let first = node.inputs[0], let second = node.inputs[1] else {
        return nil
      }
      if second.soleNumber == number { return first }
      return first.soleNumber == number ? second : nil
    }
  }
}

extension Value {
  /// The one element of a float constant.
  var soleNumber: Float? {
    guard let data = constant, data.elementCount == 1 else { return nil }
    return data.float32Values?.first
  }
}
