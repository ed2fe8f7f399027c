import CKernels

/// A channel's weights rounded onto grids.
struct RoundedChannel {
  /// One, or one for each block of neighbouring weights.
  var grids: [AffineGrid]
  /// In the weights' order.
  var integers: [Int16]
  /// What the rounding's errors cost: `e H eᵀ`.
  var loss: Double

  /// The grid of a weight.
  func grid(_ weight: Int, blockSize: Int) -> AffineGrid {
    grids[grids.count == 1 ? 0 : weight / blockSize]
  }
}

/// Up to `GS_FEEDBACK_ROWS` channels of weights that multiply the same inputs, rounded side by side.
struct RoundingBatch {
  /// What errors cost.
  let planes: Planes
  private let weightOfColumn: [Int]
  private let blockSize: Int
  private let pairLimit: PairLimit?
  /// The weights of each channel, in their own order.
  let channels: ArraySlice<[Float]>
  /// `[places][lanes]`, in the planes' order.
  private let weights: [Float]

  private var lanes: Int { Int(GS_FEEDBACK_ROWS) }
  private var size: Int { weightOfColumn.count }

  /// - Parameters:
  ///   - weightOfColumn: for each column of the planes the weight that multiplies it.
  ///   - pairLimit: a bound on neighbouring integers; nil without one. It wants channels with one grid
  ///     around zero.
  init(
    _ channels: ArraySlice<[Float]>, planes: Planes, weightOfColumn: [Int], blockSize: Int,
    pairLimit: PairLimit? = nil
  ) {
    self.pairLimit = pairLimit
    self.planes = planes
    self.weightOfColumn = weightOfColumn
    self.blockSize = blockSize
    self.channels = channels
    let lanes = Int(GS_FEEDBACK_ROWS)
    var weights = [Float](repeating: 0, count: weightOfColumn.count * lanes)
    for (lane, channel) in channels.enumerated() {
      for (place, column) in planes.order.enumerated() {
        weights[place * lanes + lane] = channel[weightOfColumn[column]]
      }
    }
    self.weights = weights
  }

  /// The grids of all lanes as the kernels read them.
  private struct Lanes {
    var scales: [Float]
    var lowest: [Float]
    var highest: [Float]
    /// Elements from one weight's to the next one's: 0 where a channel has one grid.
    let step: Int
  }

  private func lanes(_ grids: [[AffineGrid]]) -> Lanes {
    let isBlocked = (grids.first?.count ?? 1) > 1
    func spread(_ value: (AffineGrid) -> Float) -> [Float] {
      var values = [Float](repeating: 1, count: (isBlocked ? size : 1) * lanes)
      for (lane, grids) in grids.enumerated() {
        let numbers = grids.map(value)
        guard isBlocked else {
          values[lane] = numbers[0]
          continue
        }
        for (place, column) in planes.order.enumerated() {
          values[place * lanes + lane] = numbers[weightOfColumn[column] / blockSize]
        }
      }
      return values
    }
    return Lanes(
      scales: spread(\.scale), lowest: spread { Float($0.lowest - $0.zeroPoint) },
      highest: spread { Float($0.highest - $0.zeroPoint) }, step: isBlocked ? lanes : 0)
  }

  /// Rounds each channel onto its grids.
  ///
  /// - Complexity: O(columns²).
  func rounded(_ grids: [[AffineGrid]]) -> [RoundedChannel] {
    let lanes = lanes(grids)
    var integers = [Float](repeating: 0, count: weights.count)
    var errors = integers
    var losses = [Double](repeating: 0, count: self.lanes)
    gs_round_with_feedback(
      weights, size, planes.coefficients, planes.shares, lanes.scales, lanes.lowest, lanes.highest,
      lanes.step, &integers, &errors, &losses)
    return limited(channels(grids, integers, losses))
  }

  private func channels(
    _ grids: [[AffineGrid]], _ integers: [Float], _ losses: [Double]
  ) -> [RoundedChannel] {
    grids.enumerated().map { lane, grids in
      var channel = RoundedChannel(
        grids: grids, integers: [Int16](repeating: 0, count: size), loss: losses[lane])
      for (place, column) in planes.order.enumerated() {
        let weight = weightOfColumn[column]
        let steps = Int32(integers[place * lanes + lane])
        channel.integers[weight] = Int16(
          truncatingIfNeeded: steps + channel.grid(weight, blockSize: blockSize).zeroPoint)
      }
      return channel
    }
  }

  /// How far a scale may move when it is fitted anew.
  private static let furthestMove: Float = 0.2
  /// How often scales are fitted, or weights swept.
  private static let rounds = 3

  /// Improves rounded channels by descent, as in QuantEase (arXiv 2309.01885): single integers, then
  /// the scales for these integers, and so on. Channels that gain nothing stay as they are.
  ///
  /// - Parameter keepsScales: whether others share the grids.
  /// - Complexity: O(columns²).
  func refined(_ channels: [RoundedChannel], keepsScales: Bool) -> [RoundedChannel] {
    var grids = channels.map(\.grids)
    let members = members
    var lanes = lanes(grids)
    var (integers, errors) = steps(of: channels)
    func descend() {
      gs_descend_rounding(
        weights, size, planes.products, lanes.scales, lanes.lowest, lanes.highest, lanes.step,
        &integers, &errors)
    }
    descend()
    for _ in 0..<RoundingBatch.rounds {
      if !keepsScales {
        gs_refit_scales(
          weights, size, planes.products, members, blockSize, RoundingBatch.furthestMove,
          &lanes.scales, lanes.step, integers, &errors)
      }
      descend()
    }
    refit(&grids, lanes)
    var losses = [Double](repeating: 0, count: self.lanes)
    gs_rounding_losses(size, planes.coefficients, planes.shares, errors, &losses)
    let refined = limited(self.channels(grids, integers, losses))
    return zip(channels, refined).map { $1.loss < $0.loss ? $1 : $0 }
  }

  /// The integers of channels, counted from the zero point, and what the weights have beyond them, as
  /// the kernels read them.
  private func steps(of channels: [RoundedChannel]) -> (integers: [Float], errors: [Float]) {
    var integers = [Float](repeating: 0, count: weights.count)
    var errors = weights
    for (lane, channel) in channels.enumerated() {
      for (place, column) in planes.order.enumerated() {
        let weight = weightOfColumn[column]
        let grid = channel.grid(weight, blockSize: blockSize)
        let steps = Float(Int32(channel.integers[weight]) - grid.zeroPoint)
        integers[place * lanes + lane] = steps
        errors[place * lanes + lane] -= steps * grid.scale
      }
    }
    return (integers, errors)
  }

  /// The channels with what is too much taken from pairs; sweeps let all weights make up for it, as far
  /// as their pairs allow.
  private func limited(_ channels: [RoundedChannel]) -> [RoundedChannel] {
    guard let pairLimit else { return channels }
    var limited = channels
    var lowest = [Float](repeating: 0, count: weights.count)
    var highest = lowest
    var scales = [Float](repeating: 1, count: weights.count)
    for (lane, channel) in channels.enumerated() {
      let grid = channel.grids[0]
      var integers = channel.integers.map { Int32($0) }
      integers.withUnsafeMutableBufferPointer { pairLimit.limit($0) }
      limited[lane].integers = integers.map { Int16(truncatingIfNeeded: $0) }
      let bounds = pairLimit.bounds(integers, within: grid.lowest...grid.highest)
      for (place, column) in planes.order.enumerated() {
        let bound = bounds[weightOfColumn[column]]
        lowest[place * lanes + lane] = Float(bound.lowerBound)
        highest[place * lanes + lane] = Float(bound.upperBound)
        scales[place * lanes + lane] = grid.scale
      }
    }
    guard zip(channels, limited).contains(where: { $0.integers != $1.integers }) else {
      return channels
    }
    var (integers, errors) = steps(of: limited)
    for _ in 0..<RoundingBatch.rounds {
      gs_descend_rounding(
        weights, size, planes.products, scales, lowest, highest, lanes, &integers, &errors)
    }
    var losses = [Double](repeating: 0, count: lanes)
    gs_rounding_losses(size, planes.coefficients, planes.shares, errors, &losses)
    return self.channels(channels.map(\.grids), integers, losses)
  }

  /// The places of the weights, block by block.
  private var members: [UInt32] {
    var placeOfWeight = [UInt32](repeating: 0, count: size)
    for (place, column) in planes.order.enumerated() {
      placeOfWeight[weightOfColumn[column]] = UInt32(truncatingIfNeeded: place)
    }
    return placeOfWeight
  }

  private func refit(_ grids: inout [[AffineGrid]], _ lanes: Lanes) {
    let members = members
    for lane in grids.indices {
      for block in grids[lane].indices {
        let place = Int(members[block * blockSize])
        grids[lane][block].scale = lanes.scales[place * lanes.step + lane]
      }
    }
  }
}
