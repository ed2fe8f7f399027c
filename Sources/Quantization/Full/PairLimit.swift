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

  /// Calls `body` with the places of each pair among a channel's weights.
  @inline(__always)
  func forEachPair(_ body: (Int, Int) -> Void) {
    let count = inputs * kernel
    if kernel == 1 {
      for first in stride(from: 0, to: count - 1, by: 2) { body(first, first + 1) }
      return
    }
    func place(_ position: Int) -> Int { position % inputs * kernel + position / inputs }
    for first in stride(from: 0, to: count - 1, by: 2) { body(place(first), place(first + 1)) }
  }

  /// The scale from `scale` on with the least squared error, of rounding and of what `limited`
  /// takes from pairs together.
  ///
  /// - Complexity: O(weights), and O(pairs above the bound) for each of 17 candidates.
  func scale(from scale: Float, _ weights: UnsafeBufferPointer<Float>) -> Float {
    var largest: Float = 0
    forEachPair { a, b in
      let sum = abs(weights[a] + weights[b])
      largest = max(largest, min(sum, abs(weights[a]) + abs(weights[b])))
    }
    guard largest > Float(sum) * scale else { return scale }
    var excessive: [Float] = []
    forEachPair { a, b in
      let magnitude = abs(weights[a] + weights[b])
      if magnitude > Float(sum) * scale { excessive.append(magnitude) }
    }
    var best = scale
    var least = Double.infinity
    let most = largest / Float(sum)
    for step in 0...16 {
      let candidate = scale + (most - scale) * Float(step) / 16
      let bound = Float(sum) * candidate
      var cut = 0.0
      for magnitude in excessive {
        let excess = magnitude - bound
        if excess > 0 { cut += Double(excess * excess) / 2 }
      }
      let error = cut + Double(candidate * candidate) / 12 * Double(weights.count)
      if error < least {
        least = error
        best = candidate
      }
    }
    return best
  }

  /// Takes from pairs that exceed the bound what is too much, half from each.
  func limit(_ integers: UnsafeMutableBufferPointer<Int32>) {
    forEachPair { a, b in
      let excess = abs(integers[a] + integers[b]) - sum
      guard excess > 0 else { return }
      let sign: Int32 = integers[a] + integers[b] > 0 ? 1 : -1
      let first = abs(integers[a]) >= abs(integers[b]) ? (excess + 1) / 2 : excess / 2
      integers[a] -= sign * first
      integers[b] -= sign * (excess - first)
    }
  }
}
