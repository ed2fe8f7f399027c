import CKernels
import ModelGraph

extension Families {
  static let layerNormalization = OperatorDefinition(
    "LayerNormalization", versions: "Mean and InvStdDev in the type of stash_type",
    tensors: { settings in
      let kernel = try LayerNormalization(settings, isCentering: true)
      return { call in
        let results = try kernel.apply(
          try call.tensor(0), scale: try call.tensor(1), bias: try call.optional(2), call.context)
        return [results.normalized, results.means, results.inverses]
      }
    })

  static let rmsNormalization = OperatorDefinition(
    "RMSNormalization",
    tensors: { settings in
      let kernel = try LayerNormalization(settings, isCentering: false)
      return { call in
        let scale = try call.tensor(1)
        let results = try kernel.apply(
          try call.tensor(0), scale: scale, bias: nil, type: scale.elementType, call.context)
        return [results.normalized]
      }
    })

  static let simplifiedLayerNormalization = OperatorDefinition(
    "SimplifiedLayerNormalization",
    tensors: { settings in
      let kernel = try LayerNormalization(settings, isCentering: false)
      return { call in
        let scale = try call.tensor(1)
        let results = try kernel.apply(
          try call.tensor(0), scale: scale, bias: nil, type: scale.elementType, call.context)
        return [results.normalized, results.inverses]
      }
    })

  static let skipLayerNormalization = skipNormalization(
    "SkipLayerNormalization", isCentering: true)

  static let skipSimplifiedLayerNormalization = skipNormalization(
    "SkipSimplifiedLayerNormalization", isCentering: false)

  /// Inputs: data, skip, gamma, beta (only where values are centered), bias; the sum of data, skip
  /// and bias is normalized over the last axis, and is the fourth output.
  private static func skipNormalization(_ name: String, isCentering: Bool) -> OperatorDefinition {
    OperatorDefinition(
      name, domain: "com.microsoft",
      tensors: { settings in
        let kernel = try LayerNormalization(settings, isCentering: isCentering, epsilon: 1e-12)
        let biasIndex = isCentering ? 4 : 3
        return { call in
          let data = try call.tensor(0)
          let type = data.elementType
          let sum = try call.context.allocate(
            type.isHalf ? .float32 : type, data.shape
          ).sum(
            of: [data, try call.tensor(1), try call.optional(biasIndex)].compactMap { $0 },
            call.context)
          let results = try kernel.apply(
            sum, scale: try call.tensor(2), bias: isCentering ? try call.optional(3) : nil,
            type: type, call.context)
          return [
            results.normalized, results.means, results.inverses,
            try sum.narrowed(to: type, call.context),
          ]
        }
      })
  }
}

extension Tensor {
  /// Fills this tensor with the sum of tensors that broadcast to its shape.
  fileprivate func sum(of terms: [Tensor], _ context: RunContext) throws -> Tensor {
    for (position, term) in terms.enumerated() {
      let wide = try term.widened(context).broadcast(to: shape, context)
      guard wide.elementType == elementType else {
        throw KernelProblem("\(term.elementType.name) is added to \(elementType.name)")
      }
      switch elementType {
      case .float32: add(Float.self, wide, isFirst: position == 0)
      case .float64: add(Double.self, wide, isFirst: position == 0)
      default: throw KernelProblem("\(elementType.name) is not a floating-point type")
      }
    }
    return self
  }

  private func add<Element: NumberElement>(_ type: Element.Type, _ term: Tensor, isFirst: Bool) {
    let out = mutableElements(type)
    let values = term.elements(type)
    if isFirst {
      _ = out.update(fromContentsOf: values)
    } else {
      for index in out.indices { out[index] += values[index] }
    }
  }

  /// The elements repeated to fill a shape; this tensor itself where it has that shape.
  ///
  /// - Throws: shapes that don't broadcast that way.
  fileprivate func broadcast(to target: [Int], _ context: RunContext) throws -> Tensor {
    if shape == target { return self }
    guard try broadcastShape(shape, target) == target else {
      throw KernelProblem("the shape \(shape) does not broadcast to \(target)")
    }
    let result = try context.allocate(elementType, target)
    let strides = broadcastStrides(shape, to: target)
    let columns = target.last ?? 1
    let step = strides.last ?? 0
    func copy<Element: TensorElement>(_ type: Element.Type) {
      let out = result.mutableElements(type)
      let values = elements(type)
      forEachRow(target, strides: [strides]) { row, offsets in
        for column in 0..<columns {
          out[row * columns + column] = values[offsets[0] + column * step]
        }
      }
    }
    elementType == .float64 ? copy(Double.self) : copy(Float.self)
    return result
  }
}

/// Normalization over the last axes, with or without taking the mean off.
private struct LayerNormalization: Sendable {
  private let axis: Int
  private let epsilon: Float
  private let isCentering: Bool
  private let stashType: ElementType

  struct Results {
    let normalized: Tensor
    let means: Tensor
    let inverses: Tensor
  }

  init(_ settings: NodeSettings, isCentering: Bool, epsilon: Float = 1e-5) throws {
    self.isCentering = isCentering
    axis = try settings.int("axis", default: -1)
    self.epsilon = try settings.float("epsilon", default: epsilon)
    stashType = try ElementType(
      numberTypeAttribute: try settings.int("stash_type", default: 1))
    guard stashType.isFloat else {
      throw KernelProblem("the stash_type \(stashType.name) is not a floating-point type")
    }
  }

  /// The normalized data in `type` (data's own unless given), and what it was normalized with.
  func apply(
    _ data: Tensor, scale: Tensor, bias: Tensor?, type: ElementType? = nil, _ context: RunContext
  ) throws -> Results {
    try data.checkExtents()
    let axis = try resolvedAxis(axis, rank: data.rank)
    let wide = try data.widened(context)
    let rows = data.shape[..<axis].reduce(1, *)
    let count = data.shape[axis...].reduce(1, *)
    let scale = try parameter(scale, data, axis, wide.elementType, context)
    let bias = try bias.map { try parameter($0, data, axis, wide.elementType, context) }
    let stashShape = data.shape[..<axis] + data.shape[axis...].map { _ in 1 }
    let result = try context.allocate(wide.elementType, data.shape)
    let means = try context.allocate(wide.elementType, Array(stashShape))
    let inverses = try context.allocate(wide.elementType, Array(stashShape))
    let work = LayerWork(
      data: wide, rows: rows, count: count, scale: scale.tensor, scaleStep: scale.step,
      bias: bias?.tensor, biasStep: bias?.step ?? 0, result: result, means: means,
      inverses: inverses, epsilon: epsilon, isCentering: isCentering)
    switch wide.elementType {
    case .float32: try work.runFloats(context)
    case .float64: work.runDoubles()
    default: throw KernelProblem("\(data.elementType.name) is not a floating-point type")
    }
    return Results(
      normalized: try result.narrowed(to: type ?? data.elementType, context),
      means: try stashed(means, context), inverses: try stashed(inverses, context))
  }

  private func stashed(_ tensor: Tensor, _ context: RunContext) throws -> Tensor {
    if tensor.elementType == stashType { return tensor }
    return try context.allocate(stashType, tensor.shape, doubles: tensor.doubles())
  }

  /// A parameter with one element for each normalized value, the same for all rows (step 0), or,
  /// where it has axes before the normalized ones, with elements for every value.
  private func parameter(
    _ tensor: Tensor, _ data: Tensor, _ axis: Int, _ type: ElementType, _ context: RunContext
  ) throws -> (tensor: Tensor, step: Int) {
    let wide = try tensor.widened(context)
    guard wide.elementType == type else {
      throw KernelProblem("a parameter is \(tensor.elementType.name) for \(data.elementType.name)")
    }
    let normalized = Array(data.shape[axis...])
    let trimmed = Array(tensor.shape.drop { $0 == 1 })
    if trimmed.count <= normalized.count {
      return (try wide.reshaped(trimmed).broadcast(to: normalized, context), 0)
    }
    let count = normalized.reduce(1, *)
    return (try wide.broadcast(to: data.shape, context), count)
  }
}

/// One layer normalization, with all its memory.
private struct LayerWork: Sendable {
  let data: Tensor
  let rows: Int
  let count: Int
  let scale: Tensor
  let scaleStep: Int
  let bias: Tensor?
  let biasStep: Int
  let result: Tensor
  let means: Tensor
  let inverses: Tensor
  let epsilon: Float
  let isCentering: Bool

  func runFloats(_ context: RunContext) throws {
    try context.forEachPiece(of: rows, cost: count * 4) { piece in
      let first = piece.lowerBound
      gs_normalize_rows(
        data.start(Float.self) + first * count, piece.count, count, isCentering ? 1 : 0, epsilon,
        scale.start(Float.self) + first * scaleStep, scaleStep,
        bias.map { $0.start(Float.self) + first * biasStep }, biasStep,
        result.writableStart(Float.self) + first * count, means.writableStart(Float.self) + first,
        inverses.writableStart(Float.self) + first)
    }
  }

  func runDoubles() {
    let values = data.elements(Double.self)
    let out = result.mutableElements(Double.self)
    let factors = scale.elements(Double.self)
    let shifts = bias?.elements(Double.self)
    for row in 0..<rows {
      let range = row * count..<(row + 1) * count
      let mean = isCentering ? range.reduce(0) { $0 + values[$1] } / Double(count) : 0
      let squares = range.reduce(0) { $0 + (values[$1] - mean) * (values[$1] - mean) }
      let inverse = 1 / (squares / Double(count) + Double(epsilon)).squareRoot()
      for index in range {
        let column = index - range.lowerBound
        let factor = factors[row * scaleStep + column]
        let shift = shifts?[row * biasStep + column] ?? 0
        out[index] = (values[index] - mean) * inverse * factor + shift
      }
      means.mutableElements(Double.self)[row] = mean
      inverses.mutableElements(Double.self)[row] = inverse
    }
  }
}
