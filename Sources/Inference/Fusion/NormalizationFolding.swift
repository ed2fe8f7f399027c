import ModelGraph

/// Multiplies the factors of batch normalizations into the weights of the convolutions before them, and
/// puts their terms into the biases.
///
/// This changes last bits, so it is done wherever the graph allows it, watched or not. The
/// convolution's own result, where it is watched, is found from the normalized one; where the factors
/// would lose too much of it, it is computed beside.
struct NormalizationFolding {
  private let drafts: [Draft]
  private let readers: Readers
  private let isWatched: (String) -> Bool
  private let constant: (Value) -> Tensor?

  /// The drafts without the normalizations that could be folded.
  ///
  /// - Parameters:
  ///   - constant: the tensor of a value known before any run.
  ///   - define: makes a new constant.
  static func apply(
    to drafts: [Draft], graph: Graph, isWatched: @escaping (String) -> Bool,
    constant: @escaping (Value) -> Tensor?, define: (Tensor) -> Value
  ) -> [Draft] {
    NormalizationFolding(
      drafts: drafts, readers: Readers(drafts, graph: graph), isWatched: isWatched,
      constant: constant
    ).folded(define)
  }

  private func folded(_ define: (Tensor) -> Value) -> [Draft] {
    var result: [[Draft]] = drafts.map { [$0] }
    for (index, draft) in drafts.enumerated() {
      guard let bias = bias(of: draft), let output = draft.outputs[0],
        let next = readers.onlyReader(of: output),
        drafts[next].inputs.first.flatMap({ $0 }) === output,
        let terms = BatchNormalizationMap.terms(drafts[next], constant: constant),
        terms.scales.count == bias.count,
        let factors = BatchNormalizationMap.tensor(terms.scales),
        let folded = BatchNormalizationMap.tensor(
          bias.indices.map { bias[$0] * terms.scales[$0] + terms.shifts[$0] })
      else { continue }
      result[index] = [
        Self.scaled(draft, by: factors, bias: define(folded), making: drafts[next].outputs)
      ]
      if isWatched(output.name) {
        result[index].append(
          terms.isInvertible
            ? Self.inverse(
              of: drafts[next], centers: folded, scales: terms.scales.map { Float(1 / $0) },
              shifts: bias.map { Float($0) }, making: output)
            : draft)
      }
      result[next] = []
    }
    return result.flatMap { $0 }
  }

  /// The bias of a convolution of constant float32 weights, zeros where it has none; nil for anything
  /// else.
  private func bias(of draft: Draft) -> [Double]? {
    guard draft.node.isONNX("Conv"), draft.outputs.count == 1, draft.followers.isEmpty,
      draft.inputs.count >= 2, let weights = draft.inputs[1].flatMap(constant),
      weights.elementType == .float32, weights.rank >= 3
    else { return nil }
    guard draft.inputs.count > 2, let given = draft.inputs[2] else {
      return [Double](repeating: 0, count: weights.shape[0])
    }
    guard let bias = constant(given), bias.elementType == .float32, bias.shape == [weights.shape[0]]
    else { return nil }
    return bias.elements(Float.self).map(Double.init)
  }

  /// A convolution whose weights are multiplied.
  private static func scaled(
    _ draft: Draft, by factors: Tensor, bias: Value, making outputs: [Value?]
  ) -> Draft {
    let definition = draft.definition
    let scaled = OperatorDefinition(
      definition.name, layouts: definition.layouts,
      values: { try definition.prepare($0.scalingWeights(by: factors)) })
    return Draft(
      node: draft.node, definition: scaled, inputs: Array(draft.inputs[..<2]) + [bias],
      outputs: outputs, captures: [])
  }

  /// A step that makes what the convolution alone would have made: `(y - center) * scale + shift`.
  /// Where nothing but zeros was summed, it is the convolution's bias exactly.
  private static func inverse(
    of normalization: Draft, centers: Tensor, scales: [Float], shifts: [Float],
    making output: Value
  ) -> Draft {
    let definition = OperatorDefinition(
      normalization.definition.name, layouts: .any,
      tensors: { _ in
        { call in
          let data = try call.tensor(0, .float32)
          let result = try call.context.allocate(.float32, data.shape, layout: data.layout)
          try ChannelGeometry(data).scale(
            data, into: result, centers: Array(centers.elements(Float.self)), scales: scales,
            shifts: shifts, call.context)
          return [result]
        }
      })
    return Draft(
      node: normalization.node, definition: definition, inputs: [normalization.outputs[0]],
      outputs: [output], captures: [])
  }
}
