import CKernels
import ModelGraph

/// Rounds the weights of one operator so that its results change least on known inputs.
///
/// With errors `e` of a channel's weights and the inputs' second moments `H`, the result's mean
/// squared error is `e H eᵀ`. With `H = Uᵀ U`, U upper triangular, that is the sum over i of
/// `(U[i][i] e[i] + sum over k > i of U[i][k] e[k])²`; weights are rounded from the last to the first,
/// each to the integer with the least term. This is GPTQ (Frantar et al., arXiv 2210.17323) as
/// Babai's nearest plane; inputs of large power come first. Of several grids each channel takes the
/// one with the least sum. Where blocks of a channel have grids of their own these are chosen first.
struct FeedbackRounding {
  private let source: TensorData
  let recipe: WeightRecipe
  private let moments: InputMoments
  /// For each column of the moments the weight that multiplies it.
  let weightOfColumn: [Int]
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

  /// Neighbouring weights of a channel that share a grid.
  var blockSize: Int { recipe.storage.block?.size ?? max(1, weightOfColumn.count) }

  /// How often the mean error counts beside the squared one, where no bias takes it: it has the same
  /// sign everywhere, so that later layers add it up. Of 0, 1, 5 and 20 this lost least on
  /// convolutional networks and little on language models.
  private var meanWeight: Double { correctsMeans ? -1 : 1 }

  /// The weights' integers; nil if the source cannot be read.
  ///
  /// - Complexity: O(columns³ + weights * columns) for each group.
  func rounded() -> RoundedWeights? {
    guard let bytes = source.packed else { return nil }
    defer { bytes.release() }
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
      elementsPerChannel: count, blockSize: blockSize, meanErrors: correctsMeans ? [] : nil)
    let shared = recipe.storage.axis == nil ? sharedGrids(channels) : nil
    var candidates: [[Candidate]] = []
    for group in 0..<moments.groups {
      let planes = Planes(moments.matrix(group, meanWeight: meanWeight))
      let members = Array(channels[group * perGroup..<(group + 1) * perGroup])
      for start in stride(from: 0, to: perGroup, by: Int(GS_FEEDBACK_ROWS)) {
        let block = Array(members[start..<min(perGroup, start + Int(GS_FEEDBACK_ROWS))])
        let tried = round(block, from: group * perGroup + start, planes, shared)
        if shared?.count ?? 1 > 1 {
          candidates += tried
          continue
        }
        var chosen = tried.map { FeedbackRounding.least($0) }
        refine(&chosen, block, planes, rescales: shared == nil)
        candidates += chosen.map { [$0] }
      }
    }
    let best = bestForAll(candidates)
    for (channel, candidate) in best.enumerated() {
      if shared == nil || channel == 0 { result.grids += candidate.grids }
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

  /// A channel rounded onto its blocks' grids.
  struct Candidate {
    var grids: [AffineGrid]
    /// In the weights' order.
    var integers: [Int16]
    var loss: Double

    func grid(_ weight: Int, _ blockSize: Int) -> AffineGrid {
      grids[grids.count == 1 ? 0 : weight / blockSize]
    }
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
      let grid = ChannelQuantizer(recipe: recipe, capacity: 0).grid($0)
      return recipe.steps.isEmpty ? grids(grid) : [grid]
    }
  }

  /// Every candidate of up to 16 channels of a group, counted from `first`.
  private func round(
    _ channels: [[Float]], from first: Int, _ planes: Planes, _ shared: [AffineGrid]?
  ) -> [[Candidate]] {
    let lanes = Int(GS_FEEDBACK_ROWS)
    let count = weightOfColumn.count
    let quantizer = ChannelQuantizer(recipe: recipe, capacity: 0)
    let tries = channels.enumerated().map { place, channel in
      shared.map { $0.map { [$0] } }
        ?? channel.withUnsafeBufferPointer { choices($0, first + place, planes, quantizer) }
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
    for choice in 0..<(tries.map(\.count).max() ?? 0) {
      let grids = tries.map { $0[min(choice, $0.count - 1)] }
      let perWeight = grids[0].count > 1
      func spread(_ value: (AffineGrid) -> Float) -> [Float] {
        var values = [Float](repeating: 1, count: (perWeight ? count : 1) * lanes)
        for (lane, grids) in grids.enumerated() {
          let ofBlocks = grids.map(value)
          guard perWeight else {
            values[lane] = ofBlocks[0]
            continue
          }
          for (place, column) in planes.order.enumerated() {
            values[place * lanes + lane] = ofBlocks[weightOfColumn[column] / blockSize]
          }
        }
        return values
      }
      var losses = [Double](repeating: 0, count: lanes)
      gs_round_with_feedback(
        weights, count, planes.coefficients, planes.shares, spread(\.scale),
        spread { Float($0.lowest - $0.zeroPoint) }, spread { Float($0.highest - $0.zeroPoint) },
        perWeight ? lanes : 0, &integers, &errors, &losses)
      for (index, grids) in grids.enumerated() {
        var candidate = Candidate(
          grids: grids, integers: [Int16](repeating: 0, count: count), loss: losses[index])
        for (place, column) in planes.order.enumerated() {
          let weight = weightOfColumn[column]
          let integer =
            Int32(integers[place * lanes + index]) + candidate.grid(weight, blockSize).zeroPoint
          candidate.integers[weight] = Int16(truncatingIfNeeded: integer)
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
      let grid = candidate.grid(weight, blockSize)
      let step = Int32(candidate.integers[weight]) - grid.zeroPoint
      error += (Double(weights[weight]) - Double(grid.scale) * Double(step)) * means[column]
    }
    return error
  }
}
