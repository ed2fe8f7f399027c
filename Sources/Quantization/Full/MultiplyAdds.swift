import ModelGraph

/// How many multiply-adds operators take, by the shapes that a run has shown.
public struct MultiplyAdds {
  private let shapes: [String: [Int]]

  /// Reads extents by the name of the activation.
  public init(shapes: [String: [Int]]) { self.shapes = shapes }

  /// The activations whose shapes have to be known for a node.
  public static func activations(of node: Node) -> [Value] {
    [node.inputs.first ?? nil, node.outputs.first ?? nil].compactMap { $0 }
  }

  /// The multiply-adds of a convolution, matrix product or LSTM; nil for others, and where a shape
  /// isn't known.
  ///
  /// - Parameter result: the activation whose shape is the output's, if that isn't known itself.
  public func count(_ node: Node, result: Value? = nil) -> Int? {
    guard let input = shape(node.inputs.first ?? nil), node.inputs.count > 1 else { return nil }
    let weights = node.inputs[1]?.constant?.dimensions
    let output = shape(node.outputs.first ?? nil) ?? shape(result)
    switch node.operatorType {
    case "Conv":
      guard let weights, let output, output.count > 1, output[1] > 0 else { return nil }
      return product(output) / output[1] * product(weights)
    case "ConvTranspose":
      guard let weights, input.count > 1, input[1] > 0 else { return nil }
      return product(input) / input[1] * product(weights)
    case "MatMul", "Gemm":
      guard let inner = input.last, inner > 0 else { return nil }
      if let weights, weights.count == 2 { return product(input) / inner * product(weights) }
      return output.map { product($0) * inner }
    case "LSTM", "GRU", "RNN":
      guard let weights, input.count == 3, node.inputs.count > 2,
        let recurrent = node.inputs[2]?.constant?.dimensions
      else { return nil }
      return input[0] * input[1] * (product(weights) + product(recurrent))
    default: return nil
    }
  }

  private func shape(_ value: Value?) -> [Int]? { value.flatMap { shapes[$0.name] } }

  private func product(_ extents: [Int]) -> Int { extents.reduce(1, *) }
}
