import ModelGraph

extension Families {
  /// Attention in its forms, and what belongs to it.
  static let attention = [
    AttentionKernel.definition, HeadsAttention.separate, HeadsAttention.packed,
    GroupedAttention.definition, RotaryKernel.definition(domain: ""),
    RotaryKernel.definition(domain: "com.microsoft"), FusedProduct.definition,
  ]
}

/// Attention of ONNX's own domain: keys and values that follow those of a cache.
struct AttentionKernel: Sendable {
  /// The operator.
  static let definition = OperatorDefinition(
    "Attention", versions: "lengths of keys since 24", types: "float32, float16, bfloat16",
    tensors: { settings in
      let kernel = try AttentionKernel(settings)
      return wideningHalves { try kernel.run($0) }
    })

  private let heads, keyHeads: Int?
  private let scale: Float?
  private let softcap: Float
  private let isCausal, wantsScores, wantsPresent: Bool
  private let stage: AttentionCore.Stage

  private init(_ settings: NodeSettings) throws {
    heads = try settings.int("q_num_heads")
    keyHeads = try settings.int("kv_num_heads")
    scale = try settings.float("scale")
    softcap = try settings.float("softcap", default: 0)
    isCausal = try settings.flag("is_causal")
    let mode = try settings.int("qk_matmul_output_mode", default: 0)
    guard let stage = AttentionCore.Stage(rawValue: mode) else {
      throw KernelProblem("there is no qk_matmul_output_mode \(mode)")
    }
    self.stage = stage
    wantsScores = settings.hasOutput(3)
    wantsPresent = settings.hasOutput(1) || settings.hasOutput(2)
    for side in ["left_window_size", "right_window_size"] {
      guard try settings.int(side, default: -1) < 0 else {
        throw KernelProblem(lacking: "a sliding window (\(side)) is not supported")
      }
    }
  }

  private func run(_ call: KernelCall) throws -> [Tensor] {
    let query = try heads(call.tensor(0, .float32), heads)
    var key = try heads(call.tensor(1, .float32), keyHeads)
    var value = try heads(call.tensor(2, .float32), keyHeads)
    let past = try call.optional(4)
    let pastCount = past.flatMap { $0.rank == 4 ? $0.shape[2] : nil } ?? 0
    if past != nil || wantsPresent {
      key = try key.appended(to: past, call.context)
      value = try value.appended(to: call.optional(5), call.context)
    }
    let extents = AttentionCore.Extents(
      batch: query.batch, heads: query.heads, keyHeads: key.heads, queries: query.rows,
      keys: key.rows, size: query.size, valueSize: value.size)
    guard key.batch == query.batch, value.batch == query.batch, key.size == query.size,
      value.heads == key.heads, value.rows == key.rows, key.heads > 0,
      query.heads.isMultiple(of: key.heads)
    else {
      throw KernelProblem(
        "\(query.places.tensor.shape), \(key.places.tensor.shape) and "
          + "\(value.places.tensor.shape) do not fit each other")
    }
    var core = AttentionCore(
      extents: extents, scale: scale ?? 1 / Float(query.size).squareRoot(), softcap: softcap)
    if let mask = try call.optional(3) {
      core.biases = [try .init(mask.asBias(masked: -.infinity, call.context), extents)]
    }
    core.lengths = try lengths(call, extents)
    if isCausal {
      core.reach =
        core.lengths?.map { $0 - query.rows }
        ?? Array(repeating: pastCount, count: query.batch)
    }
    let scores = try call.context.allocate(
      .float32, wantsScores ? [query.batch, query.heads, query.rows, key.rows] : [0])
    if wantsScores { core.scores = (scores, stage) }
    let isFlat = try call.tensor(0).rank == 3
    let result = try call.context.allocate(
      .float32,
      isFlat
        ? [query.batch, query.rows, query.heads * value.size]
        : [query.batch, query.heads, query.rows, value.size])
    try core.run(
      query: query.places, key: key.places, value: value.places,
      into: isFlat ? .init(byPosition: result, size: value.size) : .init(byHead: result),
      call.context)
    return [result, key.places.tensor, value.places.tensor, scores]
  }

  private func heads(_ tensor: Tensor, _ heads: Int?) throws -> HeadRows {
    if tensor.rank == 4 { return HeadRows(byHead: tensor) }
    guard let heads else { throw KernelProblem("the number of heads is missing") }
    return try HeadRows(byPosition: tensor, heads: heads)
  }

  private func lengths(_ call: KernelCall, _ extents: AttentionCore.Extents) throws -> [Int]? {
    guard let lengths = try call.integers(6) else { return nil }
    guard lengths.count == extents.batch, lengths.allSatisfy({ (0...extents.keys).contains($0) })
    else { throw KernelProblem("lengths of keys \(lengths) do not fit \(extents.keys) keys") }
    return lengths
  }
}

/// Rows of all heads, with their number and length.
struct HeadRows: Sendable {
  let places: HeadPlaces
  let batch, heads, rows, size: Int

  /// Rows at given places.
  init(_ places: HeadPlaces, batch: Int, heads: Int, rows: Int, size: Int) {
    self.places = places
    self.batch = batch
    self.heads = heads
    self.rows = rows
    self.size = size
  }

  /// A tensor with the axes sample, head, position and number.
  ///
  /// - Precondition: four axes.
  init(byHead tensor: Tensor) {
    self.init(
      HeadPlaces(byHead: tensor), batch: tensor.shape[0], heads: tensor.shape[1],
      rows: tensor.shape[2], size: tensor.shape[3])
  }

  /// A tensor with the axes sample, position, and all heads' numbers.
  init(byPosition tensor: Tensor, heads: Int) throws {
    guard tensor.rank == 3, heads > 0, tensor.shape[2].isMultiple(of: heads) else {
      throw KernelProblem("\(tensor.shape) is not a batch of positions with \(heads) heads")
    }
    let size = tensor.shape[2] / heads
    self.init(
      HeadPlaces(byPosition: tensor, size: size), batch: tensor.shape[0], heads: heads,
      rows: tensor.shape[1], size: size)
  }

  /// A tensor by head with the rows of `past` and then these.
  func appended(to past: Tensor?, _ context: RunContext) throws -> HeadRows {
    let before = past?.rank == 4 ? past?.shape[2] ?? 0 : 0
    let shape = [batch, heads, before + rows, size]
    if let past, past.elementType != .float32 || past.shape != [batch, heads, before, size] {
      throw KernelProblem("a cache \(past.description) does not fit \(shape)")
    }
    guard TensorData.elementCount(of: shape) != nil else {
      throw KernelProblem("a cache would have the shape \(shape)")
    }
    let result = try HeadRows(byHead: context.allocate(.float32, shape))
    if let past {
      copyBlock(
        past.shape, from: past, HeadPlaces(byHead: past).place(), to: result.places.tensor,
        result.places.place())
    }
    copyBlock(
      [batch, heads, rows, size], from: places.tensor, places.place(), to: result.places.tensor,
      result.places.place(from: before))
    return result
  }
}
