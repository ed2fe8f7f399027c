import ModelGraph

/// Turns pairs of numbers by an angle that depends on the position.
struct RotaryTurn: Sendable {
  let cosines, sines: Tensor
  /// Whether pairs are neighbours rather than half a row apart.
  let isInterleaved: Bool

  /// Angles of positions: the cosines and sines of `size` / 2 angles for each.
  init(cosines: Tensor, sines: Tensor, isInterleaved: Bool) throws {
    guard cosines.elementType == .float32, sines.elementType == .float32,
      cosines.shape == sines.shape, cosines.rank >= 2
    else {
      throw KernelProblem("\(cosines.description) and \(sines.description) are not angles")
    }
    self.cosines = cosines
    self.sines = sines
    self.isInterleaved = isInterleaved
  }

  /// How many numbers of a row are turned.
  var turnedSize: Int { (cosines.shape.last ?? 0) * 2 }
  /// How many positions have angles.
  var positions: Int { cosines.shape.dropLast().reduce(1, *) }

  /// Turns rows, those after the turned numbers being copied.
  ///
  /// - Parameter position: the row of angles of a sample's row.
  func apply(
    to rows: HeadRows, into target: HeadPlaces, position: (_ sample: Int, _ row: Int) -> Int
  ) throws {
    let half = turnedSize / 2
    guard turnedSize <= rows.size else {
      throw KernelProblem("\(half) angles are too many for rows of \(rows.size) numbers")
    }
    let (x, y) = (
      rows.places.tensor.elements(Float.self), target.tensor.mutableElements(Float.self)
    )
    let (cosines, sines) = (cosines.elements(Float.self), sines.elements(Float.self))
    for sample in 0..<rows.batch {
      for row in 0..<rows.rows {
        let angles = position(sample, row)
        guard (0..<positions).contains(angles) else {
          throw KernelProblem("position \(angles) has no angle: there are \(positions)")
        }
        for head in 0..<rows.heads {
          let from = rows.places.start(sample, head, row)
          let to = target.start(sample, head, row)
          for index in 0..<half {
            let first = isInterleaved ? 2 * index : index
            let second = isInterleaved ? 2 * index + 1 : index + half
            let (a, b) = (x[from + first], x[from + second])
            let (c, s) = (cosines[angles * half + index], sines[angles * half + index])
            y[to + first] = c * a - s * b
            y[to + second] = s * a + c * b
          }
          for index in turnedSize..<rows.size { y[to + index] = x[from + index] }
        }
      }
    }
  }
}

/// RotaryEmbedding, in ONNX's own domain and com.microsoft's.
struct RotaryKernel: Sendable {
  /// The operator in one of its domains.
  static func definition(domain: String) -> OperatorDefinition {
    OperatorDefinition(
      "RotaryEmbedding", domain: domain, versions: domain.isEmpty ? "23" : "1",
      types: "float32, float16, bfloat16",
      tensors: { settings in
        let kernel = try RotaryKernel(settings, isContributed: !domain.isEmpty)
        return wideningHalves { [try kernel.run($0)] }
      })
  }

  private let isContributed, isInterleaved: Bool
  private let heads, turnedSize: Int

  private init(_ settings: NodeSettings, isContributed: Bool) throws {
    self.isContributed = isContributed
    isInterleaved = try settings.flag("interleaved")
    heads = try settings.int("num_heads", default: 0)
    turnedSize = try settings.int("rotary_embedding_dim", default: 0)
    guard try !settings.flag("is_packed_batching"), try settings.float("scale", default: 1) == 1
    else { throw KernelProblem(lacking: "packed batches or a scale are not supported") }
  }

  private func run(_ call: KernelCall) throws -> Tensor {
    let input = try call.tensor(0, .float32)
    let turn = try RotaryTurn(
      cosines: call.tensor(isContributed ? 2 : 1, .float32),
      sines: call.tensor(isContributed ? 3 : 2, .float32), isInterleaved: isInterleaved)
    guard turnedSize == 0 || turn.turnedSize == turnedSize else {
      throw KernelProblem("\(turn.turnedSize / 2) angles do not turn \(turnedSize) numbers")
    }
    let result = try call.context.allocate(.float32, input.shape)
    let (rows, target) = try views(input, result, turn)
    let places = try call.integers(isContributed ? 1 : 3)
    guard let places else {
      guard turn.positions == rows.batch * rows.rows else {
        throw KernelProblem("\(turn.positions) angles do not fit \(input.shape)")
      }
      try turn.apply(to: rows, into: target) { $0 * rows.rows + $1 }
      return result
    }
    let isOffset = isContributed && places.count == 1
    guard isOffset || places.count == rows.batch * rows.rows else {
      throw KernelProblem("\(places.count) positions do not fit \(input.shape)")
    }
    try turn.apply(to: rows, into: target) { sample, row in
      isOffset ? places[0] &+ row : places[sample * rows.rows + row]
    }
    return result
  }

  private func views(
    _ input: Tensor, _ result: Tensor, _ turn: RotaryTurn
  ) throws -> (HeadRows, HeadPlaces) {
    if input.rank == 4 { return (HeadRows(byHead: input), HeadPlaces(byHead: result)) }
    guard input.rank == 3 else { throw KernelProblem("\(input.shape) has no heads") }
    let size = turn.turnedSize
    let count = heads > 0 ? heads : size > 0 ? input.shape[2] / size : 0
    let rows = try HeadRows(byPosition: input, heads: count)
    return (rows, HeadPlaces(byPosition: result, size: rows.size))
  }
}
