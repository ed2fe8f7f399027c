import ModelGraph

extension Families {
  /// MaxRoiPool: the largest element of each cell of a region, one region a row of
  /// [sample, x1, y1, x2, y2].
  static let regionPools = [
    OperatorDefinition(
      "MaxRoiPool",
      tensors: { settings in
        guard let pooled = try settings.ints("pooled_shape"), pooled.count == 2,
          pooled.allSatisfy({ $0 > 0 && $0 < 1 << 20 })
        else { throw KernelProblem("pooled_shape is not two positive numbers") }
        let scale = try settings.float("spatial_scale", default: 1)
        return wideningHalves { call in
          let input = try call.tensor(0, .float32)
          let regions = try call.tensor(1, .float32)
          guard input.rank == 4, regions.rank == 2, regions.shape[1] == 5 else {
            throw KernelProblem("\(regions.description) are not regions of \(input.description)")
          }
          let result = call.context.allocate(
            .float32, [regions.shape[0], input.shape[1]] + pooled)
          try poolRegions(input, regions, pooled, scale, into: result)
          return [result]
        }
      })
  ]

  private static func poolRegions(
    _ input: Tensor, _ regions: Tensor, _ pooled: [Int], _ scale: Float, into result: Tensor
  ) throws {
    let values = input.elements(Float.self)
    let boxes = regions.elements(Float.self)
    let out = result.mutableElements(Float.self)
    let (channels, height, width) = (input.shape[1], input.shape[2], input.shape[3])
    var place = 0
    for region in 0..<regions.shape[0] {
      let corners = (1...4).map { (boxes[5 * region + $0] * scale).rounded() }
      guard corners.allSatisfy({ abs($0) < 1e9 }), let sample = Int(exactly: boxes[5 * region]),
        (0..<input.shape[0]).contains(sample)
      else { throw KernelProblem("region \(region) is not in the input") }
      let (x1, y1) = (Int(corners[0]), Int(corners[1]))
      let cellHeight = Double(max(Int(corners[3]) - y1 + 1, 1)) / Double(pooled[0])
      let cellWidth = Double(max(Int(corners[2]) - x1 + 1, 1)) / Double(pooled[1])
      for channel in 0..<channels {
        let base = (sample * channels + channel) * height * width
        for row in 0..<pooled[0] {
          let rows = cell(row, cellHeight, y1, height)
          for column in 0..<pooled[1] {
            let columns = cell(column, cellWidth, x1, width)
            var best: Float = rows.isEmpty || columns.isEmpty ? 0 : -.infinity
            for y in rows { for x in columns { best = max(best, values[base + y * width + x]) } }
            out[place] = best
            place += 1
          }
        }
      }
    }
  }

  /// The elements of one cell along an axis, kept inside the input.
  private static func cell(_ index: Int, _ size: Double, _ start: Int, _ extent: Int) -> Range<Int> {
    let first = Int((Double(index) * size).rounded(.down)) + start
    let last = Int((Double(index + 1) * size).rounded(.up)) + start
    let lower = min(max(first, 0), extent)
    return lower..<max(lower, min(max(last, 0), extent))
  }
}
