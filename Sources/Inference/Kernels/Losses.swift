import ModelGraph

extension Families {
  /// Losses of classifiers.
  static let losses: [OperatorDefinition] = [negativeLogLikelihood, softmaxCrossEntropy]

  private static let negativeLogLikelihood = OperatorDefinition(
    "NegativeLogLikelihoodLoss",
    tensors: { settings in
      let loss = try ClassLoss(settings)
      return wideningHalves { call in
        [try loss.apply(to: try call.tensor(0), call)]
      }
    })

  private static let softmaxCrossEntropy = OperatorDefinition(
    "SoftmaxCrossEntropyLoss",
    tensors: { settings in
      let loss = try ClassLoss(settings)
      return wideningHalves { call in
        let scores = try call.tensor(0)
        try scores.checkExtents()
        guard scores.rank >= 2 else { throw KernelProblem("\(scores.description) has no classes") }
        let logarithms = try call.context.allocate(scores.elementType, scores.shape)
        let block = AxisBlock(scores.shape, axes: 1..<2)
        if scores.count > 0 {
          switch scores.elementType {
          case .float32:
            try softmax(
              scores, into: logarithms, block, takesLogarithm: true, context: call.context)
          case .float64: softmax(scores, into: logarithms, block, takesLogarithm: true)
          default: throw KernelProblem("\(scores.elementType.name) has no exponential")
          }
        }
        return [try loss.apply(to: logarithms, call), logarithms]
      }
    })
}

/// Minus the weighted logarithm of the probability of each sample's class.
private struct ClassLoss: Sendable {
  private enum Joining: Sendable { case none, sum, mean }
  private let joining: Joining
  /// The class that doesn't count.
  private let ignored: Int?

  init(_ settings: NodeSettings) throws {
    ignored = try settings.int("ignore_index")
    switch try settings.string("reduction") ?? "mean" {
    case "none": joining = .none
    case "sum": joining = .sum
    case "mean": joining = .mean
    case let other: throw KernelProblem("the reduction '\(other)' is unknown")
    }
  }

  /// Inputs 1 and 2 of the call are the classes and their weights.
  func apply(to logarithms: Tensor, _ call: KernelCall) throws -> Tensor {
    try logarithms.checkExtents()
    guard logarithms.rank >= 2, let classes = try call.integers(1) else {
      throw KernelProblem("\(logarithms.description) has no classes")
    }
    var shape = logarithms.shape
    let count = shape.remove(at: 1)
    let classShape = try call.tensor(1).shape
    guard classShape == shape else {
      throw KernelProblem("classes of shape \(classShape) are given for the shape \(shape)")
    }
    let weights = try call.optional(2)?.doubles()
    guard weights.map({ $0.count == count }) ?? true else {
      throw KernelProblem("there are \(weights?.count ?? 0) weights for \(count) classes")
    }
    for place in classes where place != ignored && !(0..<count).contains(place) {
      throw KernelProblem("the class \(place) does not exist among \(count)")
    }
    switch logarithms.elementType {
    case .float32:
      return try join(Float.self, logarithms, shape, classes, count, weights, call.context)
    case .float64:
      return try join(Double.self, logarithms, shape, classes, count, weights, call.context)
    default: throw KernelProblem("\(logarithms.elementType.name) is not a floating-point type")
    }
  }

  private func join<Element: NumberElement>(
    _ type: Element.Type, _ logarithms: Tensor, _ shape: [Int], _ classes: [Int], _ count: Int,
    _ weights: [Double]?, _ context: RunContext
  ) throws -> Tensor {
    let values = logarithms.elements(type)
    let result = try context.allocate(logarithms.elementType, joining == .none ? shape : [])
    let out = result.mutableElements(type)
    let positions = shape.dropFirst().reduce(1, *)
    var (sum, total) = (0.0, 0.0)
    for (index, place) in classes.enumerated() {
      var term = 0.0
      if place != ignored {
        let weight = weights?[place] ?? 1
        let row = index / positions * count + place
        term = -values[row * positions + index % positions].asDouble * weight
        total += weight
      }
      sum += term
      if joining == .none { out[index] = Element(converting: term) }
    }
    if joining == .sum { out[0] = Element(converting: sum) }
    if joining == .mean { out[0] = Element(converting: sum / total) }
    return result
  }
}
