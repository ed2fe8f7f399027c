import CKernels

/// A bound on the sums of neighbouring weights, for kernels that add two products in 16 bits.
///
/// Processors without dot-product instructions multiply unsigned activations by signed weights two
/// at a time and saturate the sum at 16 bits. With activations up to 255 nothing saturates as long
/// as no two neighbours add up to more than 128 in magnitude.
public struct PairLimit: Hashable, Sendable {
  /// The greatest magnitude of a pair's sum.
  public var sum: Int32
  /// Input channels of an output channel's weights.
  public var inputs: Int
  /// Positions of the spatial kernel; weights lie as `[inputs][kernel]`, and kernels read them as
  /// `[kernel][inputs]`.
  public var kernel: Int
  /// What a unit of squared error weighs that the bound takes from large weights, beside one of
  /// rounding. Rounding errors are small and average out over a sum; what is cut off stands at a
  /// layer's largest weights and is one-sided. On a language model of 135 million weights whose pairs
  /// are bounded, perplexity rises by 0.68, 0.27, 0.06, 0.09 and 0.11 % for weights of 1, 2, 4, 8 and
  /// 16; calibrated convolutions, with little to cut, are best at 1.
  public var weightOfCuts = 1.0

  /// Calls `body` with a channel's weights in the order in which kernels read them.
  private func withOrdered<Element, Result>(
    _ weights: UnsafeBufferPointer<Element>, _ body: (UnsafeBufferPointer<Element>) -> Result
  ) -> Result {
    let count = inputs * kernel
    guard kernel > 1 else { return body(UnsafeBufferPointer(rebasing: weights[..<count])) }
    return withUnsafeTemporaryAllocation(of: Element.self, capacity: count) { ordered in
      for position in 0..<count { ordered[position] = weights[place(position)] }
      return body(UnsafeBufferPointer(ordered))
    }
  }

  /// Where the weight stands that kernels read at a position.
  private func place(_ position: Int) -> Int {
    position % inputs * kernel + position / inputs
  }

  /// The scale from `scale` on with the least error: that of rounding, and that of what `limit` takes
  /// from pairs.
  ///
  /// - Complexity: O(weights), and O(pairs above the bound) for each of 17 candidates.
  func scale(from scale: Float, _ weights: UnsafeBufferPointer<Float>) -> Float {
    withOrdered(weights) { ordered in
      guard let base = ordered.baseAddress else { return scale }
      let peak = gs_pair_peak(base, ordered.count)
      guard peak > Float(sum) * scale else { return scale }
      return withUnsafeTemporaryAllocation(of: Float.self, capacity: ordered.count) { magnitudes in
        guard let start = magnitudes.baseAddress else { return scale }
        let count = gs_pairs_above(base, ordered.count, Float(sum) * scale, start)
        return self.scale(
          from: scale, to: peak / Float(sum), weights.count,
          UnsafeBufferPointer(rebasing: magnitudes[..<count]))
      }
    }
  }

  /// The best of 17 scales for pairs whose magnitudes are above the bound.
  private func scale(
    from scale: Float, to most: Float, _ count: Int, _ excessive: UnsafeBufferPointer<Float>
  ) -> Float {
    var best = scale
    var least = Double.infinity
    for step in 0...16 {
      let candidate = scale + (most - scale) * Float(step) / 16
      let bound = Float(sum) * candidate
      let cut = excessive.baseAddress.map { gs_excess_squares($0, excessive.count, bound) / 2 } ?? 0
      let error = weightOfCuts * cut + Double(candidate * candidate) / 12 * Double(count)
      if error < least {
        least = error
        best = candidate
      }
    }
    return best
  }

  /// Bounds for each of a channel's weights, within which no pair exceeds the limit whatever the
  /// others do; what a pair may grow by is shared evenly.
  ///
  /// - Precondition: integers within the limit.
  func bounds(
    _ integers: [Int32], within whole: ClosedRange<Int32>
  ) -> [ClosedRange<Int32>] {
    var bounds = integers.map { _ in whole }
    for first in stride(from: 0, to: inputs * kernel - 1, by: 2) {
      let pair = [place(first), place(first + 1)]
      let total = integers[pair[0]] + integers[pair[1]]
      let (down, up) = ((sum + total) / 2, (sum - total) / 2)
      for place in pair {
        let integer = integers[place]
        bounds[place] =
          max(whole.lowerBound, integer - down)...min(whole.upperBound, integer + up)
      }
    }
    return bounds
  }

  /// Takes from pairs that exceed the bound what is too much, half from each.
  func limit(_ integers: UnsafeMutableBufferPointer<Int32>) {
    let count = inputs * kernel
    guard let base = integers.baseAddress else { return }
    guard kernel > 1 else {
      gs_limit_pairs(base, count, sum)
      return
    }
    withUnsafeTemporaryAllocation(of: Int32.self, capacity: count) { ordered in
      guard let start = ordered.baseAddress else { return }
      for position in 0..<count { ordered[position] = integers[place(position)] }
      gs_limit_pairs(start, count, sum)
      for position in 0..<count { integers[place(position)] = ordered[position] }
    }
  }
}
