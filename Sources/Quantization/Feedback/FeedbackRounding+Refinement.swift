import CKernels

/// What follows once a grid is chosen.
extension FeedbackRounding {
  /// Moves integers by single steps while that lowers what their errors cost, and fits the scales of
  /// each channel to them: rounding one after the other couldn't take back what later weights made
  /// worse (coordinate descent, as in QuantEase, arXiv 2309.01885).
  ///
  /// - Parameters:
  ///   - candidates: up to 16 channels' integers and grids.
  ///   - rescales: whether the channels' scales are their own.
  /// - Complexity: O(columns²) for each channel and some of its moves.
  func refine(
    _ candidates: inout [Candidate], _ channels: [[Float]], _ planes: Planes, rescales: Bool
  ) {
    let lanes = Int(GS_FEEDBACK_ROWS)
    let count = weightOfColumn.count
    let perWeight = candidates[0].grids.count > 1
    func spread(_ number: (Int, Int) -> Float) -> [Float] {
      var numbers = [Float](repeating: 0, count: count * lanes)
      for lane in channels.indices {
        for (column, weight) in weightOfColumn.enumerated() {
          numbers[column * lanes + lane] = number(lane, weight)
        }
      }
      return numbers
    }
    func ofGrids(_ number: (AffineGrid) -> Float) -> [Float] {
      if perWeight { return spread { number(candidates[$0].grid($1, blockSize)) } }
      return candidates.map { number($0.grids[0]) }
        + [Float](repeating: 1, count: lanes - candidates.count)
    }
    var integers = spread { lane, weight in
      let zeroPoint = candidates[lane].grid(weight, blockSize).zeroPoint
      return Float(Int32(candidates[lane].integers[weight]) - zeroPoint)
    }
    var scratch = [Float](repeating: 0, count: 3 * count * lanes + count)
    var factors = [Float](repeating: 1, count: lanes)
    gs_refine_rounding(
      planes.matrix, spread { channels[$0][$1] }, count, candidates.count, ofGrids(\.scale),
      ofGrids { Float($0.lowest - $0.zeroPoint) }, ofGrids { Float($0.highest - $0.zeroPoint) },
      perWeight ? lanes : 0, rescales ? 1 : 0, &integers, &scratch, &factors)
    for lane in candidates.indices {
      for (column, weight) in weightOfColumn.enumerated() {
        let zeroPoint = candidates[lane].grid(weight, blockSize).zeroPoint
        candidates[lane].integers[weight] =
          Int16(truncatingIfNeeded: Int32(integers[column * lanes + lane]) + zeroPoint)
      }
      for block in candidates[lane].grids.indices {
        let scale = candidates[lane].grids[block].scale * factors[lane]
        if scale.isNormal { candidates[lane].grids[block].scale = scale }
      }
    }
  }
}
