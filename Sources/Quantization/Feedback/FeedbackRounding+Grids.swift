import ModelGraph

/// The grids that are tried.
extension FeedbackRounding {
  /// How far a range may shrink, in steps.
  private static func shares(bits: Int) -> [Float] {
    switch bits {
    case ...3: [1, 0.92, 0.84, 0.77, 0.7, 0.64, 0.58, 0.52, 0.46, 0.4]
    case 4: [1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6]
    case 5...6: [1, 0.95, 0.9, 0.85, 0.8]
    default: [1, 0.97, 0.93]
    }
  }

  /// The grid with a smaller range, step by step.
  func grids(_ whole: AffineGrid) -> [AffineGrid] {
    FeedbackRounding.shares(bits: recipe.storage.bits).compactMap { share in
      var grid = whole
      if recipe.isSymmetric {
        grid.scale *= share
      } else {
        let low = Float(whole.lowest - whole.zeroPoint) * whole.scale
        let high = Float(whole.highest - whole.zeroPoint) * whole.scale
        grid = AffineGrid(
          minimum: low * share, maximum: high * share, lowest: whole.lowest, highest: whole.highest)
      }
      return grid.scale.isNormal ? grid : nil
    }
  }

  /// The grids of a channel's blocks, in each of the ways that are tried; of steps there is one.
  ///
  /// Blocks are many, so each takes its own best first: the one with the least squared error of
  /// plain rounding, weighed as feedback weighs what it leaves.
  func choices(
    _ channel: UnsafeBufferPointer<Float>, _ number: Int, _ planes: Planes,
    _ quantizer: ChannelQuantizer
  ) -> [[AffineGrid]] {
    guard recipe.steps.isEmpty else { return [[quantizer.grid(channel, channel: number)]] }
    guard recipe.storage.block != nil else {
      return grids(quantizer.wholeGrid(channel)).map { [$0] }
    }
    var powers = [Float](repeating: 0, count: channel.count)
    for (place, column) in planes.order.enumerated() {
      powers[weightOfColumn[column]] = planes.shares[place]
    }
    let best = stride(from: 0, to: channel.count, by: blockSize).map { start in
      let weights = UnsafeBufferPointer(rebasing: channel[start..<start + blockSize])
      let choices = grids(quantizer.wholeGrid(weights))
      let losses = choices.map { loss(weights, powers[start..<start + blockSize], $0) }
      return choices[losses.indices.min { losses[$0] < losses[$1] } ?? 0]
    }
    return [best]
  }

  private func loss(
    _ weights: UnsafeBufferPointer<Float>, _ powers: ArraySlice<Float>, _ grid: AffineGrid
  ) -> Float {
    let lowest = Float(grid.lowest - grid.zeroPoint)
    let highest = Float(grid.highest - grid.zeroPoint)
    var total: Float = 0
    for (weight, power) in zip(weights, powers) {
      let step = min(max((weight / grid.scale).rounded(.toNearestOrEven), lowest), highest)
      let error = weight - step * grid.scale
      total += power * error * error
    }
    return total
  }
}
