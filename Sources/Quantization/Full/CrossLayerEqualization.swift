import Glibc

/// Chooses factors for the channels of an activation between operators whose weights have one scale
/// each.
///
/// Channel `c` is multiplied by `f[c]`: the maker's weights take the factor up, the readers' give it
/// back (cross-layer equalization, arXiv 1906.04721, section 4.1). What the readers' results then
/// lose, in twelfths of a square, is expected to be the sum over channels of
///
///     (s^2 + t^2 e[c]) / f[c]^2 q[c]  +  u^2 n[c] f[c]^2 p[c]
///
/// with the steps `s` of the activation, `t` of the maker's and `u` of a reader's weights, which the
/// factors change, the energies `e` of the maker's inputs, the activation's own power `p`, the sums `q`
/// of the squares of a reader's weights, and `n` of how many of its results each weight's error enters.
/// Factors are tried that even out reaches, the two weights' ranges, and each to a part; the least
/// sum is taken.
struct CrossLayerEqualization {
  /// The ranges of the channels that have to be represented, each holding 0.
  let lower: [Float]
  let upper: [Float]
  /// How much farther each channel may reach on data not seen, as a ratio.
  let doubts: [Float]
  /// Mean square of each channel.
  let power: [Double]
  /// Where a Clip cuts that vanishes in the range of the integers; nil without.
  let limit: Float?
  let maker: Maker
  let readers: [Reader]

  /// The weights that make the activation.
  struct Maker {
    /// The largest weight of each channel.
    let largest: [Float]
    /// For each channel the sum of the mean squares that its weights multiply.
    let energy: [Double]
  }

  /// The weights of one operator that reads the activation.
  struct Reader {
    /// The largest weight of each channel.
    let largest: [Float]
    /// The sum of the squares of each channel's weights.
    let squares: [Double]
    /// How many results an error in a weight of the channel enters.
    let results: [Double]
  }

  /// Factors, and the range that the multiplied channels span.
  struct Choice {
    let factors: [Float]
    let lower: Float
    let upper: Float
  }

  private static let strengths: [Float] = [0, 0.25, 0.5, 0.75, 1]
  /// Factors have to take this much off the error.
  private static let leastGain = 0.9
  /// Channels are stretched by no more than this against each other.
  private static let mostStretch: Float = 256
  /// Room for values beyond those seen.
  private static let room: Float = 1.1

  /// The factors; nil where none help.
  ///
  /// - Complexity: O(channels).
  func choice() -> Choice? {
    let plain = error(of: power.map { _ in 1 })
    var best: (factors: [Float], error: Double)?
    for evening in CrossLayerEqualization.strengths {
      for balance in CrossLayerEqualization.strengths where evening + balance > 0 {
        guard let factors = factors(evening, balance) else { continue }
        let error = error(of: factors)
        if error < best?.error ?? plain * CrossLayerEqualization.leastGain {
          best = (factors, error)
        }
      }
    }
    guard let factors = best?.factors else { return nil }
    let range = range(of: factors)
    return Choice(factors: factors, lower: range.low, upper: range.high)
  }

  /// Factors that even out reaches and weights by so much each.
  private func factors(_ evening: Float, _ balance: Float) -> [Float]? {
    let reaches = zip(lower, upper).map { max($1, -$0) }
    let read = power.indices.map { channel in readers.map { $0.largest[channel] }.max() ?? 0 }
    guard let widest = reaches.max(), widest > 0, widest.isFinite else { return nil }
    var factors = power.indices.map { channel -> Float in
      let reach = min(widest, reaches[channel] * doubts[channel])
      guard reach > 0, maker.largest[channel] > 0, read[channel] > 0 else { return 1 }
      return pow(widest / reach, evening)
        * pow((read[channel] / maker.largest[channel]).squareRoot(), balance)
    }
    guard let largest = factors.max(), largest.isFinite, largest > 0 else { return nil }
    factors = factors.map { max($0 / largest, 1 / CrossLayerEqualization.mostStretch) }
    return limit.map { limited(factors, reaches, to: $0) } ?? factors
  }

  /// Factors under which the highest integer cuts no channel before the Clip did, and those that
  /// reach it, or might, exactly there.
  private func limited(_ factors: [Float], _ reaches: [Float], to limit: Float) -> [Float] {
    let isCut = zip(reaches, doubts).map { $0 * $1 * CrossLayerEqualization.room >= limit }
    let cut = zip(factors, isCut).filter(\.1).map(\.0)
    let common =
      cut.isEmpty
      ? zip(factors, reaches).map { $0 * $1 * CrossLayerEqualization.room / limit }.max() ?? 1
      : exp(cut.reduce(0) { $0 + log($1) } / Float(cut.count))
    return factors.indices.map { channel in
      if isCut[channel] { return 1 }
      let most = limit / (reaches[channel] * CrossLayerEqualization.room)
      return min(factors[channel] / common, most.isFinite ? most : 1)
    }
  }

  private func range(of factors: [Float]) -> (low: Float, high: Float) {
    var (low, high): (Float, Float) = (0, 0)
    for (channel, factor) in factors.enumerated() {
      low = min(low, lower[channel] * factor * CrossLayerEqualization.room)
      high = max(high, upper[channel] * factor * CrossLayerEqualization.room)
    }
    return (low, min(high, limit ?? high))
  }

  private func error(of factors: [Float]) -> Double {
    func square(_ value: Float) -> Double { Double(value) * Double(value) }
    let range = range(of: factors)
    let step = square((range.high - range.low) / 255)
    let made = square(zip(factors, maker.largest).reduce(0) { max($0, $1.0 * $1.1) } / 127)
    return readers.reduce(0) { total, reader in
      let read = square(zip(factors, reader.largest).reduce(0) { max($0, $1.1 / $1.0) } / 127)
      return factors.indices.reduce(total) { sum, channel in
        let factor = square(factors[channel])
        return sum + (step + made * maker.energy[channel]) / factor * reader.squares[channel]
          + read * reader.results[channel] * factor * power[channel]
      }
    }
  }
}
