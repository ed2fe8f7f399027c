import ModelGraph

/// Which operators get integers under dynamic quantization beside matrix products.
public struct DynamicScope: Hashable, Sendable {
  /// Conv, as ConvInteger.
  public var convolutions: Bool
  /// LSTM, as onnxruntime's DynamicQuantizeLSTM.
  public var recurrences: Bool

  /// Matrix products alone unless more is said.
  public init(convolutions: Bool = false, recurrences: Bool = false) {
    self.convolutions = convolutions
    self.recurrences = recurrences
  }
}

/// A convolution whose activation becomes integers while the model runs.
public struct DynamicConvolution {
  /// The Conv.
  public let node: Node
  /// The constant that holds its weights.
  public let weights: Value
}

/// An LSTM whose input and hidden states become integers while the model runs.
public struct DynamicRecurrence {
  /// The LSTM.
  public let node: Node
  /// The constant `[directions, gates, inputs]`.
  public let weights: Value
  /// The constant `[directions, gates, hidden]`.
  public let recurrence: Value
}

extension DynamicPlanner {
  /// What can be said against integers in a Conv; nil if nothing.
  func obstacle(
    ofConvolution node: Node, _ known: [ObjectIdentifier: ConstantPlan]
  ) -> FloatOperatorReason? {
    guard scope.convolutions else { return .noDynamicKernel }
    return obstacle(of: node, weights: [1], known)
  }

  /// What can be said against integers in an LSTM; nil if nothing.
  ///
  /// The kernel has no batch-first layout.
  func obstacle(
    ofRecurrence node: Node, _ known: [ObjectIdentifier: ConstantPlan]
  ) -> FloatOperatorReason? {
    guard scope.recurrences else { return .needsRuntimeOperator }
    guard node.int("layout") ?? 0 == 0 else { return .noIntegerKernel }
    return obstacle(of: node, weights: [1, 2], known)
  }

  private func obstacle(
    of node: Node, weights places: [Int], _ known: [ObjectIdentifier: ConstantPlan]
  ) -> FloatOperatorReason? {
    guard let input = node.inputs.first ?? nil, FullPlanner.isActivation(input) else {
      return .inputNotFloat
    }
    for place in places {
      guard node.inputs.count > place, let weights = node.inputs[place],
        let source = weights.constant, let constant = known[ObjectIdentifier(weights)]
      else { return .noConstantWeights }
      guard source.elementType == .float32 else {
        return .weights(.elementType(source.elementType))
      }
      if case .stayFloat(let reason) = constant.decision { return .weights(reason) }
    }
    return nil
  }
}
