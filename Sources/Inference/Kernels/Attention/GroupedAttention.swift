import ModelGraph

/// GroupQueryAttention: causal, with a cache of which each sample fills a part; several heads of
/// queries share one of keys.
struct GroupedAttention: Sendable {
  /// The operator.
  static let definition = OperatorDefinition(
    "GroupQueryAttention", domain: "com.microsoft", types: "float32, float16",
    tensors: { settings in
      let attention = try GroupedAttention(settings)
      return wideningHalves { try attention.run($0) }
    })

  private let heads, keyHeads: Int
  private let scale, softcap: Float
  private let window: Int?
  private let turns, isInterleaved: Bool

  private init(_ settings: NodeSettings) throws {
    heads = try settings.int("num_heads", default: 0)
    keyHeads = try settings.int("kv_num_heads", default: 0)
    guard heads > 0, keyHeads > 0, heads.isMultiple(of: keyHeads) else {
      throw KernelProblem("\(heads) heads do not share \(keyHeads)")
    }
    scale = try settings.float("scale", default: 0)
    softcap = try settings.float("softcap", default: 0)
    let window = try settings.int("local_window_size", default: -1)
    self.window = window < 0 ? nil : window
    turns = try settings.flag("do_rotary")
    isInterleaved = try settings.flag("rotary_interleaved")
    let isPlain =
      try settings.int("smooth_softmax", default: 0) <= 0
      && settings.int("qk_output", default: 0) == 0 && !settings.hasOutput(3)
      && settings.int("causal", default: 1) == 1
      && !(11..<settings.node.inputs.count).contains(where: settings.hasInput)
    guard isPlain else {
      throw KernelProblem(lacking: "sinks, smooth softmax or quantized caches are not supported")
    }
  }

  private func run(_ call: KernelCall) throws -> [Tensor] {
    var (query, key, value) = try views(call)
    let past = try call.optional(3)
    let pastValue = try call.optional(4)
    let totals = try totals(call, batch: query.batch)
    let before = totals.map { max(0, $0 - query.rows) }
    if turns {
      query = try turned(query, before, call)
      key = try turned(key, before, call)
    }
    let pastRows = past.flatMap { $0.rank == 4 ? $0.shape[2] : nil } ?? 0
    let rows = max(pastRows, try call.integers(6)?.first ?? 0)
    guard rows <= pastRows + query.rows, totals.allSatisfy({ $0 <= rows }),
      before.allSatisfy({ $0 <= pastRows })
    else { throw KernelProblem("\(totals) positions do not fit a cache of \(rows)") }
    key = try cache(key, past, before, rows: rows, call.context)
    value = try cache(value, pastValue, before, rows: rows, call.context)
    let extents = AttentionCore.Extents(
      batch: query.batch, heads: heads, keyHeads: keyHeads, queries: query.rows, keys: rows,
      size: query.size, valueSize: value.size)
    var core = AttentionCore(
      extents: extents, scale: scale == 0 ? 1 / Float(query.size).squareRoot() : scale,
      softcap: softcap)
    core.reach = before
    core.window = window
    core.lengths = zip(before, totals).map { min(rows, max($0 + query.rows, $1)) }
    if let bias = try call.optional(10) { core.biases = [try .init(bias, extents)] }
    let result = try call.context.allocate(
      .float32, [query.batch, query.rows, heads * value.size])
    try core.run(
      query: query.places, key: key.places, value: value.places,
      into: .init(byPosition: result, size: value.size), call.context)
    return [result, key.places.tensor, value.places.tensor]
  }

  private func views(_ call: KernelCall) throws -> (HeadRows, HeadRows, HeadRows) {
    let query = try call.tensor(0, .float32)
    if call.has(1) {
      let (key, value) = (try call.tensor(1, .float32), try call.tensor(2, .float32))
      let parts = (
        try HeadRows(byPosition: query, heads: heads),
        try HeadRows(byPosition: key, heads: keyHeads),
        try HeadRows(byPosition: value, heads: keyHeads)
      )
      guard parts.0.batch == parts.1.batch, parts.0.rows == parts.1.rows,
        parts.0.size == parts.1.size, parts.1.batch == parts.2.batch, parts.1.rows == parts.2.rows
      else { throw KernelProblem("queries, keys and values do not fit each other") }
      return parts
    }
    let count = heads + 2 * keyHeads
    let all = try HeadRows(byPosition: query, heads: count)
    func part(_ first: Int, _ heads: Int) -> HeadRows {
      var places = all.places
      places.offset = first * all.size
      return HeadRows(places, batch: all.batch, heads: heads, rows: all.rows, size: all.size)
    }
    return (part(0, heads), part(heads, keyHeads), part(heads + keyHeads, keyHeads))
  }

  /// How many positions each sample has, those of this call included.
  private func totals(_ call: KernelCall, batch: Int) throws -> [Int] {
    guard let last = try call.integers(5), last.count == batch,
      last.allSatisfy({ $0 >= -1 && $0 < 1 << 40 })
    else { throw KernelProblem("the last positions do not fit \(batch) samples") }
    return last.map { $0 + 1 }
  }

  private func turned(_ rows: HeadRows, _ before: [Int], _ call: KernelCall) throws -> HeadRows {
    let turn = try RotaryTurn(
      cosines: call.tensor(7, .float32), sines: call.tensor(8, .float32),
      isInterleaved: isInterleaved)
    let result = HeadRows(
      byHead: try call.context.allocate(.float32, [rows.batch, rows.heads, rows.rows, rows.size]))
    let places = try call.integers(9)
    guard places == nil || places?.count == rows.batch * rows.rows else {
      throw KernelProblem("the positions do not fit \(rows.batch) samples of \(rows.rows)")
    }
    try turn.apply(to: rows, into: result.places) { sample, row in
      places?[sample * rows.rows + row] ?? before[sample] + row
    }
    return result
  }

  /// The cache with each sample's rows behind those it has.
  private func cache(
    _ rows: HeadRows, _ past: Tensor?, _ before: [Int], rows count: Int, _ context: RunContext
  ) throws -> HeadRows {
    let shape = [rows.batch, rows.heads, count, rows.size]
    guard TensorData.elementCount(of: shape) != nil else {
      throw KernelProblem("a cache would have the shape \(shape)")
    }
    if let past,
      past.elementType != .float32 || past.rank != 4
        || past.shape != [rows.batch, rows.heads, past.shape[2], rows.size]
    {
      throw KernelProblem("a cache \(past.description) does not fit \(shape)")
    }
    let result = try HeadRows(byHead: context.allocate(.float32, shape))
    result.places.tensor.mutableElements(Float.self).update(repeating: 0)
    for sample in 0..<rows.batch {
      if let past {
        var (from, to) = (HeadPlaces(byHead: past).place(), result.places.place())
        from.offset += sample * from.strides[0]
        to.offset += sample * to.strides[0]
        copyBlock(
          [1, rows.heads, min(past.shape[2], before[sample]), rows.size], from: past, from,
          to: result.places.tensor, to)
      }
      var (from, to) = (rows.places.place(), result.places.place(from: before[sample]))
      from.offset += sample * from.strides[0]
      to.offset += sample * to.strides[0]
      copyBlock(
        [1, rows.heads, min(rows.rows, count - before[sample]), rows.size],
        from: rows.places.tensor, from, to: result.places.tensor, to)
    }
    return result
  }
}
