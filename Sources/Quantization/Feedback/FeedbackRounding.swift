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
/// What was found is refined by descent along single weights and scales (`RoundingBatch.refined`).
struct FeedbackRounding {
  private let source: TensorData
  let recipe: WeightRecipe
  private let moments: InputMoments
  /// For each column of the moments the weight that multiplies it.
  let weightOfColumn: [Int]
  private let correctsMeans: Bool
  private let isTable: Bool

  /// - Parameters:
  ///   - correctsMeans: whether a bias will take the mean error, so that only what varies counts.
  ///   - isTable: whether the weights are looked up too, so that each error counts by itself as much
  ///     again as inputs of the mean power would make it.
  init(
    source: TensorData, recipe: WeightRecipe, moments: InputMoments, weightOfColumn: [Int],
    correctsMeans: Bool, isTable: Bool = false
  ) {
    self.isTable = isTable
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
  /// convolutional networks and little on language models. Integer activations move the means that a
  /// bias was made for: there it counts in any case.
  private var meanWeight: Double { correctsMeans && !recipe.isSymmetric ? -1 : 1 }

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
    let count = weightOfColumn.count
    var result = RoundedWeights(
      grids: [], integers: [Int16](repeating: 0, count: channels.count * count),
      elementsPerChannel: count, blockSize: blockSize, meanErrors: correctsMeans ? [] : nil)
    let shared = recipe.storage.axis == nil ? bestSharedGrid(channels) : nil
    if let shared { result.grids = [shared] }
    let quantizer = ChannelQuantizer(recipe: recipe, capacity: 0)
    var channel = 0
    forEachBatch(channels) { batch in
      for rounded in rounded(batch, shared, quantizer) {
        if shared == nil { result.grids += rounded.grids }
        for (element, integer) in rounded.integers.enumerated() {
          result.integers[channel * count + element] = integer
        }
        if correctsMeans {
          let means = moments.means(channel * moments.groups / channels.count)
          result.meanErrors?.append(meanError(channels[channel], rounded, means))
        }
        channel += 1
      }
    }
    return result
  }

  private func forEachBatch(_ channels: [[Float]], _ body: (RoundingBatch) -> Void) {
    let perGroup = channels.count / moments.groups
    let limit = Int(GS_FEEDBACK_ROWS)
    for group in 0..<moments.groups {
      let planes = Planes(
        moments.matrix(group, meanWeight: meanWeight), damping: isTable ? 1 : 0.01)
      let end = (group + 1) * perGroup
      for start in stride(from: group * perGroup, to: end, by: limit) {
        body(
          RoundingBatch(
            channels[start..<min(end, start + limit)], planes: planes,
            weightOfColumn: weightOfColumn, blockSize: blockSize, pairLimit: recipe.pairLimit))
      }
    }
  }

  /// Of the grids that all channels may share the one that loses least.
  private func bestSharedGrid(_ channels: [[Float]]) -> AffineGrid {
    let all = channels.flatMap { $0 }
    let whole = all.withUnsafeBufferPointer {
      ChannelQuantizer(recipe: recipe, capacity: 0).grid($0)
    }
    let choices = recipe.steps.isEmpty ? grids(whole) : [whole]
    var losses = [Double](repeating: 0, count: choices.count)
    forEachBatch(channels) { batch in
      for (index, choice) in choices.enumerated() {
        let rounded = batch.rounded(batch.channels.map { _ in [choice] })
        losses[index] += rounded.reduce(0) { $0 + $1.loss }
      }
    }
    return losses.indices.min { losses[$0] < losses[$1] }.map { choices[$0] } ?? whole
  }

  /// The channels of a batch onto the shared grid or each onto the best of its own, refined.
  private func rounded(
    _ batch: RoundingBatch, _ shared: AffineGrid?, _ quantizer: ChannelQuantizer
  ) -> [RoundedChannel] {
    if let shared {
      let rounded = batch.rounded(batch.channels.map { _ in [shared] })
      return batch.refined(rounded, keepsScales: true)
    }
    let choices = zip(batch.channels.indices, batch.channels).map { number, channel in
      channel.withUnsafeBufferPointer { self.choices($0, number, batch.planes, quantizer) }
    }
    var best: [RoundedChannel] = []
    for choice in 0..<(choices.map(\.count).max() ?? 0) {
      let rounded = batch.rounded(choices.map { $0[min(choice, $0.count - 1)] })
      best = best.isEmpty ? rounded : zip(best, rounded).map { $1.loss < $0.loss ? $1 : $0 }
    }
    return batch.refined(best, keepsScales: false)
  }

  private func meanError(
    _ weights: [Float], _ rounded: RoundedChannel, _ means: [Double]
  ) -> Double {
    var error = 0.0
    for (column, weight) in weightOfColumn.enumerated() {
      let grid = rounded.grid(weight, blockSize: blockSize)
      let step = Int32(rounded.integers[weight]) - grid.zeroPoint
      error += (Double(weights[weight]) - Double(grid.scale) * Double(step)) * means[column]
    }
    return error
  }
}
