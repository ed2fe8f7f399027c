import CKernels
import Glibc
import ModelGraph

/// Where rows of numbers, one for each sample, head and position, lie in a tensor: in elements.
struct HeadPlaces: Sendable {
  let tensor: Tensor
  var offset: Int
  let sample, head, row: Int

  /// Rows at given strides.
  init(_ tensor: Tensor, offset: Int = 0, sample: Int, head: Int, row: Int) {
    self.tensor = tensor
    self.offset = offset
    self.sample = sample
    self.head = head
    self.row = row
  }

  /// A tensor with the axes sample, head, position and number.
  init(byHead tensor: Tensor) {
    let (heads, rows, size) = (tensor.shape[1], tensor.shape[2], tensor.shape[3])
    self.init(tensor, sample: heads * rows * size, head: rows * size, row: size)
  }

  /// A tensor with the axes sample, position, and all heads' numbers one after the other.
  init(byPosition tensor: Tensor, size: Int) {
    let (rows, width) = (tensor.shape[1], tensor.shape[2])
    self.init(tensor, sample: rows * width, head: size, row: width)
  }

  /// The first number of a row.
  func start(_ sample: Int, _ head: Int, _ row: Int = 0) -> Int {
    offset + sample * self.sample + head * self.head + row * self.row
  }

  /// The same for copying blocks of rows.
  func place(from row: Int = 0) -> StridedPlace {
    StridedPlace(offset: offset + row * self.row, strides: [sample, head, self.row, 1])
  }
}

/// softmax(scale · Q · Kᵀ + bias) · V for each sample and head; several heads of Q may share one
/// of K and V.
struct AttentionCore: Sendable {
  /// Numbers of samples, heads and positions, and lengths of rows.
  struct Extents: Sendable {
    let batch, heads, keyHeads, queries, keys, size, valueSize: Int
  }

  /// What is added to scores.
  struct Bias: Sendable {
    let tensor: Tensor
    /// For sample, head, query and key; 0 where one row or column is for all.
    let strides: [Int]

    /// A float32 tensor that broadcasts to all scores.
    init(_ tensor: Tensor, _ extents: Extents) throws {
      let target = [extents.batch, extents.heads, extents.queries, extents.keys]
      guard tensor.elementType == .float32, tensor.rank <= 4,
        try broadcastShape(tensor.shape, target) == target
      else { throw KernelProblem("a mask \(tensor.description) does not fit scores \(target)") }
      self.tensor = tensor
      strides = broadcastStrides(tensor.shape, to: target)
    }
  }

  /// When scores are written out.
  enum Stage: Int { case product, capped, biased, shares }

  let extents: Extents
  let scale: Float
  var softcap: Float = 0
  var biases: [Bias] = []
  /// Query i sees keys up to i plus this, for each sample; nil where it sees all.
  var reach: [Int]?
  /// How many keys before its last one a query sees; nil for all.
  var window: Int?
  /// How many keys each sample has; nil where all have all.
  var lengths: [Int]?
  /// What is added to scores of keys that are not seen.
  var masked = -Float.infinity
  /// Where to write scores, and when.
  var scores: (tensor: Tensor, stage: Stage)?

  private static let rowsAtOnce = 64

  /// Computes all rows of the result.
  func run(
    query: HeadPlaces, key: HeadPlaces, value: HeadPlaces, into output: HeadPlaces,
    _ context: RunContext
  ) throws {
    let chunks = (extents.queries + Self.rowsAtOnce - 1) / Self.rowsAtOnce
    let cost =
      min(extents.queries, Self.rowsAtOnce) * extents.keys * (extents.size + extents.valueSize) / 16
    try context.forEach(extents.batch * extents.heads * chunks, cost: cost + 1) { item in
      let (outer, chunk) = item.quotientAndRemainder(dividingBy: chunks)
      let first = chunk * Self.rowsAtOnce
      let rows = first..<min(extents.queries, first + Self.rowsAtOnce)
      let (sample, head) = outer.quotientAndRemainder(dividingBy: extents.heads)
      let keyHead = head / (extents.heads / extents.keyHeads)
      guard let q = query.tensor.elements(Float.self).baseAddress,
        let k = key.tensor.elements(Float.self).baseAddress,
        let v = value.tensor.elements(Float.self).baseAddress,
        let out = output.tensor.mutableElements(Float.self).baseAddress
      else { return }
      let scores = UnsafeMutablePointer<Float>.allocate(capacity: max(1, rows.count * extents.keys))
      defer { scores.deallocate() }
      gs_matmul_small(
        rows.count, extents.keys, extents.size, q + query.start(sample, head, first), query.row, 1,
        k + key.start(sample, keyHead), 1, key.row, scores, extents.keys, 0)
      finish(scores, sample, head, rows)
      gs_matmul_small(
        rows.count, extents.valueSize, extents.keys, scores, extents.keys, 1,
        v + value.start(sample, keyHead), value.row, 1, out + output.start(sample, head, first),
        output.row, 0)
    }
  }

  /// Turns products into shares.
  private func finish(
    _ scores: UnsafeMutablePointer<Float>, _ sample: Int, _ head: Int, _ rows: Range<Int>
  ) {
    let keys = extents.keys
    for index in 0..<rows.count * keys { scores[index] *= scale }
    write(scores, sample, head, rows, .product)
    if softcap > 0 {
      gs_apply(GS_SCALED_TANH, scores, rows.count * keys, softcap, 1 / softcap, scores)
    }
    write(scores, sample, head, rows, .capped)
    for bias in biases {
      let values = bias.tensor.elements(Float.self)
      let step = bias.strides[3]
      for (index, row) in rows.enumerated() {
        let first = sample * bias.strides[0] + head * bias.strides[1] + row * bias.strides[2]
        for key in 0..<keys { scores[index * keys + key] += values[first + key * step] }
      }
    }
    for (index, row) in rows.enumerated() { mask(scores + index * keys, sample, row) }
    write(scores, sample, head, rows, .biased)
    for index in 0..<rows.count where keys > 0 {
      let row = scores + index * keys
      let isSeen = (0..<keys).contains { row[$0] != -.infinity }
      if isSeen {
        gs_softmax_rows(row, 1, keys, 0, row)
      } else {
        row.update(repeating: 0, count: keys)
      }
    }
    write(scores, sample, head, rows, .shares)
  }

  /// Masks the keys that a query does not see.
  private func mask(_ row: UnsafeMutablePointer<Float>, _ sample: Int, _ query: Int) {
    var seen = 0..<(lengths?[sample] ?? extents.keys)
    if let reach {
      let last = query + reach[sample]
      seen = seen.clamped(to: 0..<max(0, last + 1))
      if let window { seen = seen.clamped(to: max(0, last + 1 - window)..<max(0, last + 1)) }
    }
    guard seen.count < extents.keys else { return }
    for key in 0..<extents.keys where !seen.contains(key) { row[key] += masked }
  }

  private func write(
    _ scores: UnsafeMutablePointer<Float>, _ sample: Int, _ head: Int, _ rows: Range<Int>,
    _ stage: Stage
  ) {
    guard let wanted = self.scores, wanted.stage == stage else { return }
    let first = ((sample * extents.heads + head) * extents.queries + rows.lowerBound) * extents.keys
    let out = wanted.tensor.mutableElements(Float.self)
    for index in 0..<rows.count * extents.keys { out[first + index] = scores[index] }
  }
}

extension Tensor {
  /// A mask as what is added to scores: truth values are turned into 0 and `masked`.
  func asBias(masked: Float, _ context: RunContext) throws -> Tensor {
    guard elementType == .bool else { return self }
    let result = try context.allocate(.float32, shape)
    let (out, truths) = (result.mutableElements(Float.self), elements(UInt8.self))
    for index in 0..<count { out[index] = truths[index] != 0 ? 0 : masked }
    return result
  }
}
