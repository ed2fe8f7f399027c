import ModelGraph
import Support

extension Families {
  /// Operators that finish object detection.
  static let detection = [nonMaxSuppression]

  private static let nonMaxSuppression = OperatorDefinition(
    "NonMaxSuppression", types: "float32, float16, bfloat16",
    tensors: { settings in
      let isCentered = try settings.flag("center_point_box")
      return { call in
        let boxes = try call.tensor(0).widened(call.context)
        let scores = try call.tensor(1).widened(call.context)
        let suppression = try Suppression(
          boxes, scores, limit: call.scalar(2), overlap: call.scalar(3),
          scoreThreshold: call.scalar(4), isCentered: isCentered)
        let selected = try suppression.selected(call.context)
        let result = try call.context.allocate(.int64, [selected.count / 3, 3])
        let out = result.mutableElements(Int64.self)
        for (index, number) in selected.enumerated() { out[index] = Int64(number) }
        return [result]
      }
    })
}

/// Greedy suppression: the box with the best score stays and removes those that overlap it, box
/// after box, for each class of each batch.
private struct Suppression {
  private let boxes: Tensor
  private let scores: Tensor
  private let limit: Int
  private let overlap: Float
  private let scoreThreshold: Float?
  private let isCentered: Bool

  init(
    _ boxes: Tensor, _ scores: Tensor, limit: Double?, overlap: Double?, scoreThreshold: Double?,
    isCentered: Bool
  ) throws {
    guard boxes.elementType == .float32, scores.elementType == .float32 else {
      throw KernelProblem(lacking: "boxes have to be float32 or of half precision")
    }
    guard boxes.rank == 3, scores.rank == 3, boxes.shape[2] == 4, scores.shape[0] == boxes.shape[0],
      scores.shape[2] == boxes.shape[1]
    else {
      throw KernelProblem("boxes of shape \(boxes.shape) do not fit scores of \(scores.shape)")
    }
    let threshold = Float(overlap ?? 0)
    guard threshold >= 0, threshold <= 1 else {
      throw KernelProblem("the overlap threshold \(threshold) is not between 0 and 1")
    }
    self.boxes = boxes
    self.scores = scores
    self.limit = Int(Int64(converting: limit ?? 0))
    self.overlap = threshold
    self.scoreThreshold = scoreThreshold.map { Float($0) }
    self.isCentered = isCentered
  }

  /// Batch, class and box of everything that stays, in triples.
  func selected(_ context: RunContext) throws -> [Int] {
    guard limit > 0 else { return [] }
    let (batches, classes, count) = (boxes.shape[0], scores.shape[1], boxes.shape[1])
    let corners = (0..<batches).map(cornersOfBoxes)
    let found = Guarded([[Int]](repeating: [], count: batches * classes))
    nonisolated(unsafe) let numbers = scores.elements(Float.self)
    try context.forEach(batches * classes, cost: count * 8) { index in
      let own = UnsafeBufferPointer(rebasing: numbers[index * count..<(index + 1) * count])
      let list = kept(own, corners[index / classes])
      found.withLock { $0[index] = list }
    }
    return found.withLock { lists in
      lists.enumerated().flatMap { index, list in
        list.flatMap { [index / classes, index % classes, $0] }
      }
    }
  }

  private struct Corners {
    let low: SIMD2<Float>
    let high: SIMD2<Float>

    /// Whether two boxes share more than `limit` of their union.
    func overlaps(_ other: Corners, above limit: Float) -> Bool {
      let size = pointwiseMin(high, other.high) - pointwiseMax(low, other.low)
      guard size.x > 0, size.y > 0 else { return false }
      let shared = size.x * size.y
      let (mine, others) = (area, other.area)
      let union = mine + others - shared
      guard mine > 0, others > 0, union > 0 else { return false }
      return shared / union > limit
    }

    private var area: Float { (high.x - low.x) * (high.y - low.y) }
  }

  private func cornersOfBoxes(batch: Int) -> [Corners] {
    let numbers = boxes.elements(Float.self)
    return (0..<boxes.shape[1]).map { box in
      let start = (batch * boxes.shape[1] + box) * 4
      let first = SIMD2(numbers[start], numbers[start + 1])
      let second = SIMD2(numbers[start + 2], numbers[start + 3])
      if isCentered { return Corners(low: first - second / 2, high: first + second / 2) }
      return Corners(low: pointwiseMin(first, second), high: pointwiseMax(first, second))
    }
  }

  private func kept(_ scores: UnsafeBufferPointer<Float>, _ corners: [Corners]) -> [Int] {
    var candidates = Array(scores.indices)
    if let scoreThreshold { candidates.removeAll { !(scores[$0] > scoreThreshold) } }
    candidates.sort { left, right in
      let (a, b) = (scores[left], scores[right])
      if a.isNaN || b.isNaN { return a.isNaN == b.isNaN ? left < right : b.isNaN }
      return a == b ? left < right : a > b
    }
    var kept: [Int] = []
    for candidate in candidates {
      if kept.count == limit { break }
      let box = corners[candidate]
      if !kept.contains(where: { corners[$0].overlaps(box, above: overlap) }) {
        kept.append(candidate)
      }
    }
    return kept
  }
}
