import CKernels
import ModelGraph

/// MultiHeadAttention and Attention of com.microsoft: as many heads of keys as of queries; masked
/// scores get a large negative number added.
struct HeadsAttention: Sendable {
  /// Queries, keys and values come separately, or packed in one tensor with five axes.
  static let separate = OperatorDefinition(
    "MultiHeadAttention", domain: "com.microsoft", types: "float32, float16",
    tensors: { settings in
      let attention = try HeadsAttention(settings)
      return wideningHalves { try attention.runSeparate($0) }
    })

  /// Queries, keys and values are products of one input.
  static let packed = OperatorDefinition(
    "Attention", domain: "com.microsoft", types: "float32, float16",
    tensors: { settings in
      let attention = try HeadsAttention(settings)
      return wideningHalves { try attention.runPacked($0) }
    })

  private let heads: Int
  private let scale: Float
  private let masked: Float
  private let isCausal: Bool
  private let sizes: [Int]?
  private let hasOutput: [Bool]

  private init(_ settings: NodeSettings) throws {
    heads = try settings.int("num_heads", default: 0)
    guard heads > 0 else { throw KernelProblem("there are \(heads) heads") }
    scale = try settings.float("scale", default: 0)
    masked = try settings.float("mask_filter_value", default: -10000)
    isCausal = try settings.flag("unidirectional")
    sizes = try settings.ints("qkv_hidden_sizes")
    hasOutput = (0..<4).map { settings.hasOutput($0) }
    guard try !settings.flag("do_rotary"), try !settings.flag("past_present_share_buffer") else {
      throw KernelProblem(lacking: "do_rotary and shared caches are not supported")
    }
  }

  // MARK: Separate inputs

  private func runSeparate(_ call: KernelCall) throws -> [Tensor] {
    guard !call.has(8), !call.has(9), !hasOutput[3] else {
      throw KernelProblem(lacking: "shared caches and scores as a result are not supported")
    }
    var (query, key, value) = try views(call)
    if let bias = try call.optional(3) {
      let widths = [query, key, value].map { $0.heads * $0.size }
      guard bias.elementType == .float32, bias.shape == [widths.reduce(0, +)] else {
        throw KernelProblem("a bias \(bias.description) does not fit widths \(widths)")
      }
      query = try add(bias, from: 0, to: query, call.context)
      key = try add(bias, from: widths[0], to: key, call.context)
      value = try add(bias, from: widths[0] + widths[1], to: value, call.context)
    }
    let past = try call.optional(6)
    let pastCount = past.flatMap { $0.rank == 4 ? $0.shape[2] : nil } ?? 0
    if past != nil || hasOutput[1] || hasOutput[2] {
      key = try key.appended(to: past, call.context)
      value = try value.appended(to: call.optional(7), call.context)
    }
    let result = try run(
      query, key, value, mask: call.optional(4), bias: call.optional(5), pastCount: pastCount,
      call.context)
    return [result, key.places.tensor, value.places.tensor]
  }

  private func views(_ call: KernelCall) throws -> (HeadRows, HeadRows, HeadRows) {
    let query = try call.tensor(0, .float32)
    if query.rank == 5 {
      guard query.shape[2] == heads, query.shape[3] == 3 else {
        throw KernelProblem("\(query.shape) are not queries, keys and values of \(heads) heads")
      }
      let (rows, size) = (query.shape[1], query.shape[4])
      let parts = (0..<3).map { part in
        HeadRows(
          HeadPlaces(
            query, offset: part * size, sample: rows * heads * 3 * size, head: 3 * size,
            row: heads * 3 * size), batch: query.shape[0], heads: heads, rows: rows, size: size)
      }
      return (parts[0], parts[1], parts[2])
    }
    let (key, value) = (try call.tensor(1, .float32), try call.tensor(2, .float32))
    func rows(_ tensor: Tensor) throws -> HeadRows {
      tensor.rank == 4 ? HeadRows(byHead: tensor) : try .init(byPosition: tensor, heads: heads)
    }
    return (try .init(byPosition: query, heads: heads), try rows(key), try rows(value))
  }

  /// Rows with a bias for each number of each head.
  private func add(
    _ bias: Tensor, from first: Int, to rows: HeadRows, _ context: RunContext
  ) throws -> HeadRows {
    let result = HeadRows(
      byHead: try context.allocate(.float32, [rows.batch, rows.heads, rows.rows, rows.size]))
    let (x, y) = (
      rows.places.tensor.elements(Float.self), result.places.tensor.mutableElements(Float.self)
    )
    let shifts = bias.elements(Float.self)
    for sample in 0..<rows.batch {
      for head in 0..<rows.heads {
        for row in 0..<rows.rows {
          let (from, to) = (
            rows.places.start(sample, head, row), result.places.start(sample, head, row)
          )
          for index in 0..<rows.size {
            y[to + index] = x[from + index] + shifts[first + head * rows.size + index]
          }
        }
      }
    }
    return result
  }

  // MARK: One input

  private func runPacked(_ call: KernelCall) throws -> [Tensor] {
    let (input, weights) = (try call.tensor(0, .float32), try call.tensor(1, .float32))
    guard input.rank == 3, weights.rank == 2, weights.shape[0] == input.shape[2] else {
      throw KernelProblem("weights \(weights.shape) do not fit an input \(input.shape)")
    }
    let widths = sizes ?? Array(repeating: weights.shape[1] / 3, count: 3)
    guard widths.count == 3, widths.allSatisfy({ $0 >= 0 && $0.isMultiple(of: heads) }),
      widths[0] == widths[1], widths.allSatisfy({ $0 <= weights.shape[1] }),
      widths.reduce(0, +) == weights.shape[1]
    else { throw KernelProblem("widths \(widths) do not fit weights \(weights.shape)") }
    guard !call.has(6) else { throw KernelProblem(lacking: "shared caches are not supported") }
    let (batch, rows, width) = (input.shape[0], input.shape[1], weights.shape[1])
    guard TensorData.elementCount(of: [batch, rows, width]) != nil else {
      throw KernelProblem("the products would have the shape \([batch, rows, width])")
    }
    let products = try BatchedProduct(
      samples: 1, rows: batch * rows, columns: width, depth: input.shape[2]
    ).multiply(input, weights, shape: [batch, rows, width], call.context)
    if let bias = try call.optional(2) { try add(bias, toRowsOf: products) }
    var first = 0
    var parts = widths.map { part in
      defer { first += part }
      return HeadRows(
        HeadPlaces(
          products, offset: first, sample: rows * width, head: part / heads, row: width),
        batch: batch, heads: heads, rows: rows, size: part / heads)
    }
    let pasts = try past(call)
    if pasts != nil || hasOutput[1] {
      parts[1] = try parts[1].appended(to: pasts?[0], call.context)
      parts[2] = try parts[2].appended(to: pasts?[1], call.context)
    }
    let result = try run(
      parts[0], parts[1], parts[2], mask: call.optional(3), bias: call.optional(5),
      pastCount: pasts?[0].shape[2] ?? 0, call.context)
    guard hasOutput[1] else { return [result] }
    return [
      result,
      try .stacked([parts[1].places.tensor, parts[2].places.tensor], axis: 0, call.context),
    ]
  }

  private func add(_ bias: Tensor, toRowsOf products: Tensor) throws {
    let width = products.shape[2]
    guard bias.elementType == .float32, bias.shape == [width] else {
      throw KernelProblem("a bias \(bias.description) does not fit \(width) columns")
    }
    let (out, shifts) = (products.mutableElements(Float.self), bias.elements(Float.self))
    for row in 0..<products.shape[0] * products.shape[1] {
      for column in 0..<width { out[row * width + column] += shifts[column] }
    }
  }

  /// The cached keys and values.
  private func past(_ call: KernelCall) throws -> [Tensor]? {
    guard let past = try call.optional(4) else { return nil }
    guard past.rank == 5, past.shape[0] == 2 else {
      throw KernelProblem("\(past.shape) is not a cache of keys and values")
    }
    return try (0..<2).map { try past.slice(axis: 0, at: $0, call.context) }
  }

  // MARK: Both

  private func run(
    _ query: HeadRows, _ key: HeadRows, _ value: HeadRows, mask: Tensor?, bias: Tensor?,
    pastCount: Int, _ context: RunContext
  ) throws -> Tensor {
    guard key.batch == query.batch, value.batch == query.batch, key.size == query.size,
      key.heads == heads, value.heads == heads, value.rows == key.rows
    else { throw KernelProblem("queries, keys and values do not fit each other") }
    let extents = AttentionCore.Extents(
      batch: query.batch, heads: heads, keyHeads: heads, queries: query.rows, keys: key.rows,
      size: query.size, valueSize: value.size)
    var core = AttentionCore(
      extents: extents, scale: scale == 0 ? 1 / Float(query.size).squareRoot() : scale)
    core.masked = masked
    if let bias { core.biases.append(try .init(bias, extents)) }
    if isCausal { core.reach = Array(repeating: pastCount, count: query.batch) }
    if let mask { try add(mask, to: &core, context) }
    let shape = [query.batch, query.rows, heads * value.size]
    let result = try context.allocate(.float32, shape)
    try core.run(
      query: query.places, key: key.places, value: value.places,
      into: .init(byPosition: result, size: value.size), context)
    return result
  }

  /// A mask: a length for each sample, or a number for each key, or for each query and key.
  private func add(_ mask: Tensor, to core: inout AttentionCore, _ context: RunContext) throws {
    let extents = core.extents
    guard mask.elementType == .int32 else {
      throw KernelProblem("a mask is \(mask.elementType.name), not int32")
    }
    let numbers = mask.elements(Int32.self)
    if mask.shape == [extents.batch] {
      core.lengths = numbers.map { max(0, min(extents.keys, Int($0))) }
      return
    }
    let shape: [Int]
    switch mask.rank {
    case 2: shape = [extents.batch, 1, 1, extents.keys]
    case 3: shape = [extents.batch, 1, extents.queries, extents.keys]
    default: throw KernelProblem(lacking: "a mask of shape \(mask.shape) is not supported")
    }
    guard mask.count == TensorData.elementCount(of: shape) else {
      throw KernelProblem("a mask \(mask.shape) does not fit \(shape)")
    }
    let bias = try context.allocate(.float32, shape)
    let out = bias.mutableElements(Float.self)
    for index in 0..<mask.count { out[index] = numbers[index] > 0 ? 0 : core.masked }
    core.biases.append(try .init(bias, extents))
  }
}
