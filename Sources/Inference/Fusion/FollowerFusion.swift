import ModelGraph

/// Lets convolutions and matrix products do what follows them before they store a result: batch
/// normalization, a term or factor for each channel, a residual sum, ReLU, Clip.
struct FollowerFusion {
  private let drafts: [Draft]
  private let readers: Readers
  private let isWatched: (String) -> Bool
  private let constant: (Value) -> Tensor?

  init(
    drafts: [Draft], graph: Graph, isWatched: @escaping (String) -> Bool,
    constant: @escaping (Value) -> Tensor?
  ) {
    self.drafts = drafts
    readers = Readers(drafts, graph: graph)
    self.isWatched = isWatched
    self.constant = constant
  }

  /// The drafts with followers joined to their heads.
  func fused(define: (Tensor) -> Value) -> [Draft] {
    var result: [Draft?] = drafts
    for (index, draft) in drafts.enumerated() where result[index] != nil {
      guard let kind = HeadKind(draft, constant: constant) else { continue }
      var chain = FollowerChain(head: draft, kind: kind)
      var last = index
      while let next = nextReader(of: chain), result[next] != nil,
        let link = link(drafts[next], after: chain, define: define)
      {
        chain.append(drafts[next], link)
        result[last] = nil
        last = next
      }
      if last != index { result[last] = chain.draft() }
    }
    return result.compactMap { $0 }
  }

  private func nextReader(of chain: FollowerChain) -> Int? {
    guard let output = chain.output, !isWatched(output.name) else { return nil }
    return readers.onlyReader(of: output)
  }

  /// How a node would follow; nil when it can't.
  private func link(
    _ draft: Draft, after chain: FollowerChain, define: (Tensor) -> Value
  ) -> FollowerChain.Link? {
    guard draft.node.isStandard, draft.outputs.count == 1, let output = chain.output else {
      return nil
    }
    switch draft.node.operatorType {
    case "Relu": return .plain(.relu)
    case "Clip":
      guard let bounds = Self.bounds(of: draft, constant: constant) else { return nil }
      return .plain(.clip(low: bounds.low, high: bounds.high))
    case "Add":
      guard draft.inputs.count == 2,
        let other = draft.inputs[0] === output ? draft.inputs[1] : draft.inputs[0]
      else { return nil }
      if let tensor = constant(other) {
        guard let term = perChannel(tensor, chain.kind) else { return nil }
        return .shift(define(term))
      }
      return chain.kind.isConvolution && !chain.hasSum ? .sum(other) : nil
    case "Mul":
      guard chain.kind.isConvolution, draft.inputs.count == 2,
        let other = draft.inputs[0] === output ? draft.inputs[1] : draft.inputs[0],
        let tensor = constant(other), let factor = perChannel(tensor, chain.kind)
      else { return nil }
      return .scale(define(factor))
    case "BatchNormalization":
      guard chain.kind.isConvolution, !draft.inputs.isEmpty, draft.inputs[0] === output,
        let terms = BatchNormalizationMap.terms(draft, constant: constant),
        terms.scales.count == chain.kind.channels,
        let scale = BatchNormalizationMap.tensor(terms.scales),
        let shift = BatchNormalizationMap.tensor(terms.shifts)
      else { return nil }
      return .normalize(scale: define(scale), shift: define(shift))
    default: return nil
    }
  }

  /// What a ReLU or Clip bounds its input by; nil where that isn't known before any run.
  static func bounds(
    of draft: Draft, constant: (Value) -> Tensor?
  ) -> (low: Float, high: Float)? {
    if draft.node.operatorType == "Relu" { return (0, .greatestFiniteMagnitude) }
    func bound(_ index: Int, _ name: String, _ fallback: Float) -> Float? {
      if index < draft.inputs.count, let value = draft.inputs[index] {
        guard let tensor = constant(value), tensor.elementType == .float32, tensor.count == 1 else {
          return nil
        }
        return tensor.elements(Float.self)[0]
      }
      return draft.node.float(name) ?? fallback
    }
    guard let low = bound(1, "min", -.greatestFiniteMagnitude),
      let high = bound(2, "max", .greatestFiniteMagnitude), low <= high
    else { return nil }
    return (low, high)
  }

  /// The constant as one number for each channel of the head's result.
  private func perChannel(_ tensor: Tensor, _ kind: HeadKind) -> Tensor? {
    guard tensor.elementType == .float32, let channels = kind.channels, tensor.count == channels,
      channels > 1
    else { return nil }
    let shape = tensor.shape
    switch kind {
    case .convolution(_, let rank):
      let aligned = [Int](repeating: 1, count: max(0, rank - shape.count)) + shape
      guard aligned.count == rank, aligned[1] == channels else { return nil }
    case .product: guard shape == [channels] else { return nil }
    }
    return tensor.reshaped([channels])
  }
}

/// What followers can be joined to.
enum HeadKind {
  case convolution(channels: Int, rank: Int)
  case product(columns: Int)

  init?(_ draft: Draft, constant: (Value) -> Tensor?) {
    guard draft.node.isStandard, draft.outputs.count == 1, draft.followers.isEmpty,
      draft.inputs.count >= 2, let weights = draft.inputs[1].flatMap(constant),
      weights.elementType == .float32
    else { return nil }
    switch draft.node.operatorType {
    case "Conv" where weights.rank >= 3:
      self = .convolution(channels: weights.shape[0], rank: weights.rank)
    case "ConvTranspose" where weights.rank >= 3:
      let groups = Int(clamping: draft.node.int("group") ?? 1)
      let (channels, overflow) = weights.shape[1].multipliedReportingOverflow(by: groups)
      guard !overflow else { return nil }
      self = .convolution(channels: channels, rank: weights.rank)
    case "MatMul" where weights.rank == 2: self = .product(columns: weights.shape[1])
    default: return nil
    }
  }

  /// Extent of the axis that per-channel numbers belong to.
  var channels: Int? {
    switch self {
    case .convolution(let channels, _): channels
    case .product(let columns): columns
    }
  }

  var isConvolution: Bool { if case .convolution = self { true } else { false } }
}
