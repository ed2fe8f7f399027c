import CKernels
import ModelGraph

/// Rounds the weights of one operator so that its results change least on known inputs.
///
/// With errors `e` of a channel's weights and the inputs' second moments `H`, the result's mean
/// squared error is `e H eᵀ`. With `H = Uᵀ U`, U upper triangular, that is the sum over i of
/// `(U[i][i] e[i] + sum over k > i of U[i][k] e[k])²`; weights are rounded from the last to the first,
/// each to the integer with the least term. This is GPTQ (Frantar et al., arXiv 2210.17323) as
/// Babai's nearest plane; inputs of large power come first. Of several grids each channel takes the
/// one with the least sum.
struct FeedbackRounding {
  private let source: TensorData
  private let recipe: WeightRecipe
  private let moments: InputMoments
  /// For each column of the moments the weight that multiplies it.
  private let weightOfColumn: [Int]
  private let correctsMeans: Bool

  /// - Parameter correctsMeans: whether a bias will take the mean error, so that only what varies
  ///   counts.
  init(
    source: TensorData, recipe: WeightRecipe, moments: InputMoments, weightOfColumn: [Int],
    correctsMeans: Bool
  ) {
    self.source = source
    self.recipe = recipe
    self.moments = moments
    self.weightOfColumn = weightOfColumn
    self.correctsMeans = correctsMeans
  }

  /// How often the mean error counts beside the squared one, where no bias takes it: it has the same
  /// sign everywhere, so that later layers add it up. Of 0, 1, 5 and 20 this lost least on
  /// convolutional networks and little on language models.
  private var meanWeight: Double { correctsMeans ? -1 : 1 }

  /// How far a range may shrink, in steps.
  private static func shares(bits: Int) -> [Float] {
    switch bits {
    case ...3: [1, 0.92, 0.84, 0.77, 0.7, 0.64, 0.58, 0.52, 0.46, 0.4]
    case 4: [1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6]
    case 5...6: [1, 0.95, 0.9, 0.85, 0.8]
    default: [1, 0.97, 0.93]
    }
  }

  /// The weights' integers; nil if the source cannot be read.
  ///
  /// - Complexity: O(columns³ + weights * columns) for each group.
  func rounded() -> RoundedWeights? {
    guard let bytes = source.packed else { return nil }
    let layout = recipe.layout
    return FloatReader.withFloats(bytes, source.elementType, 0..<source.elementCount) { floats in
      let rows = ChannelRows(layout: layout, firstChannel: 0, floats: floats, elementByteCount: 1)
      var channels: [[Float]] = []
      channels.reserveCapacity(layout.channels)
      for first in stride(from: 0, to: layout.channels, by: rows.tile) {
        let part = first..<min(layout.channels, first + rows.tile)
        rows.gather(part)
        for channel in part { channels.append(Array(rows.row(channel))) }
      }
      return rounded(channels)
    }
  }

  private func rounded(_ channels: [[Float]]) -> RoundedWeights {
    let perGroup = channels.count / moments.groups
    let count = weightOfColumn.count
    var result = RoundedWeights(
      grids: [], integers: [Int16](repeating: 0, count: channels.count * count),
      elementsPerChannel: count, meanErrors: correctsMeans ? [] : nil)
    let shared = recipe.storage.axis == nil ? sharedGrids(channels) : nil
    var candidates: [[Candidate]] = []
    for group in 0..<moments.groups {
      let planes = Planes(moments.matrix(group, meanWeight: meanWeight))
      let members = Array(channels[group * perGroup..<(group + 1) * perGroup])
      for start in stride(from: 0, to: perGroup, by: Int(GS_FEEDBACK_ROWS)) {
        let block = Array(members[start..<min(perGroup, start + Int(GS_FEEDBACK_ROWS))])
        candidates += round(block, planes, shared)
      }
    }
    let best =
      shared == nil ? candidates.map { FeedbackRounding.least($0) } : bestForAll(candidates)
    for (channel, candidate) in best.enumerated() {
      if shared == nil || channel == 0 { result.grids.append(candidate.grid) }
      for (element, integer) in candidate.integers.enumerated() {
        result.integers[channel * count + element] = integer
      }
      if correctsMeans {
        result.meanErrors?.append(
          meanError(channels[channel], candidate, moments.means(channel / max(1, perGroup))))
      }
    }
    return result
  }

  /// A channel rounded onto one grid.
  private struct Candidate {
    var grid: AffineGrid
    /// In the weights' order.
    var integers: [Int16]
    var loss: Double
  }

  private static func least(_ candidates: [Candidate]) -> Candidate {
    var best = candidates[0]
    for candidate in candidates.dropFirst() where candidate.loss < best.loss { best = candidate }
    return best
  }

  private func bestForAll(_ candidates: [[Candidate]]) -> [Candidate] {
    let totals = (candidates.first ?? []).indices.map { index in
      candidates.reduce(0) { $0 + $1[index].loss }
    }
    let best = totals.indices.min { totals[$0] < totals[$1] } ?? 0
    return candidates.map { $0[best] }
  }

  private func sharedGrids(_ channels: [[Float]]) -> [AffineGrid] {
    let all = channels.flatMap { $0 }
    return all.withUnsafeBufferPointer {
      grids(ChannelQuantizer(recipe: recipe, capacity: 0).grid($0))
    }
  }

  /// The grid with a smaller range, step by step.
  private func grids(_ whole: AffineGrid) -> [AffineGrid] {
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

  /// Every candidate of up to 16 channels of a group.
  private func round(
    _ channels: [[Float]], _ planes: Planes, _ shared: [AffineGrid]?
  ) -> [[Candidate]] {
    let lanes = Int(GS_FEEDBACK_ROWS)
    let count = weightOfColumn.count
    let quantizer = ChannelQuantizer(recipe: recipe, capacity: 0)
    let choices = channels.map { channel in
      shared ?? channel.withUnsafeBufferPointer { grids(quantizer.wholeGrid($0)) }
    }
    var weights = [Float](repeating: 0, count: count * lanes)
    for (lane, channel) in channels.enumerated() {
      for (place, column) in planes.order.enumerated() {
        weights[place * lanes + lane] = channel[weightOfColumn[column]]
      }
    }
    var results = [[Candidate]](repeating: [], count: channels.count)
    var integers = [Float](repeating: 0, count: count * lanes)
    var errors = integers
    for choice in 0..<(choices.map(\.count).max() ?? 0) {
      let grids = choices.map { $0[min(choice, $0.count - 1)] }
      func lane(_ value: (AffineGrid) -> Float) -> [Float] {
        (0..<lanes).map { $0 < grids.count ? value(grids[$0]) : 1 }
      }
      var losses = [Double](repeating: 0, count: lanes)
      gs_round_with_feedback(
        weights, count, planes.coefficients, planes.shares, lane(\.scale),
        lane { Float($0.lowest - $0.zeroPoint) }, lane { Float($0.highest - $0.zeroPoint) },
        &integers, &errors, &losses)
      for (index, grid) in grids.enumerated() {
        var candidate = Candidate(
          grid: grid, integers: [Int16](repeating: 0, count: count), loss: losses[index])
        for (place, column) in planes.order.enumerated() {
          let integer = Int32(integers[place * lanes + index]) + grid.zeroPoint
          candidate.integers[weightOfColumn[column]] = Int16(truncatingIfNeeded: integer)
        }
        results[index].append(candidate)
      }
    }
    return results
  }

  private func meanError(
    _ weights: [Float], _ candidate: Candidate, _ means: [Double]
  ) -> Double {
    var error = 0.0
    for (column, weight) in weightOfColumn.enumerated() {
      let step = Int32(candidate.integers[weight]) - candidate.grid.zeroPoint
      error +=
        (Double(weights[weight]) - Double(candidate.grid.scale) * Double(step)) * means[column]
    }
    return error
  }
}

/// The triangular factor of a matrix of second moments, in the order in which weights are rounded.
struct Planes {
  /// Columns by growing power.
  let order: [Int]
  /// `U[i][k] / U[i][i]` for k > i, in that order of columns.
  let coefficients: [Float]
  /// `U[i][i]²`.
  let shares: [Float]

  /// The share of the mean power that is added to each input's own, at first; what cannot be
  /// factored gets ten times as much.
  private static let damping = 0.01

  /// Factors a symmetric matrix; an empty or non-finite one counts as that of unrelated inputs.
  init(_ matrix: [Double]) {
    let size = Int(Double(matrix.count).squareRoot().rounded())
    let powers = (0..<size).map { matrix[$0 * size + $0] }
    order = (0..<size).sorted { (powers[$0], $0) < (powers[$1], $1) }
    let mean = powers.reduce(0, +) / Double(max(1, size))
    var factor = [Double](repeating: 0, count: size * size)
    var damping = Planes.damping * (mean > 0 && mean.isFinite ? mean : 1)
    while true {
      for (row, first) in order.enumerated() {
        for (column, second) in order.enumerated() where column >= row {
          factor[row * size + column] =
            matrix[first * size + second] + (row == column ? damping : 0)
        }
      }
      if !mean.isFinite || damping > 1e6 * mean {
        for index in factor.indices { factor[index] = index % (size + 1) == 0 ? 1 : 0 }
        break
      }
      if gs_factor(&factor, size) == 0 { break }
      damping *= 10
    }
    var coefficients = [Float](repeating: 0, count: size * size)
    var shares = [Float](repeating: 0, count: size)
    for row in 0..<size {
      let pivot = factor[row * size + row]
      shares[row] = Float(pivot * pivot)
      for column in (row + 1)..<max(row + 1, size) {
        coefficients[row * size + column] = Float(factor[row * size + column] / pivot)
      }
    }
    self.coefficients = coefficients
    self.shares = shares
  }
}
