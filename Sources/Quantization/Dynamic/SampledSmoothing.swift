import Glibc
import ModelGraph

/// Divisors that even out the channels of an activation, told from what samples showed of it
/// (SmoothQuant, arXiv 2211.10438).
///
/// One scale for a row, or for the whole activation, leaves few integers to channels that are small
/// beside the largest. Dividing channels and multiplying their weights makes weights harder to round
/// instead. For a scale for the whole activation `Equalization` takes the strength with the least
/// expected error. With a scale for each row the few rows with extreme elements harm themselves
/// alone, and what the others have counts: channels are divided by the root of their mean square to
/// the power of 0.6.
enum SampledSmoothing {
  /// Fewer elements a channel than this tell too little.
  private static let fewElements = 64
  private static let power: Float = 0.6
  /// Channels smaller than the largest by more than this are not stretched further.
  private static let mostStretch: Float = 1000
  /// The share of the error that may be left where dividing costs an operator.
  private static let worthwhile = 0.7

  /// What each channel is divided by; nil where that doesn't help.
  ///
  /// - Parameters:
  ///   - scalesRows: whether each row has a scale, and integers stand around zero.
  ///   - isFree: whether dividing costs nothing when the model runs.
  /// - Complexity: O(weights).
  static func divisors(
    of activation: ActivationFacts, for products: [DynamicProduct], scalesRows: Bool, isFree: Bool
  ) -> [Float]? {
    let channels = activation.channelMinima.count
    let readers = products.compactMap { reader($0, channels) }
    guard channels > 1, activation.elementsPerChannel >= fewElements,
      readers.count == products.count
    else { return nil }
    let power = zip(activation.channelVariances, activation.channelMeans).map { $0 + $1 * $1 }
    if scalesRows { return divisors(power, readers, isFree: isFree) }
    let equalization = Equalization(
      lower: activation.channelMinima.map { min(0, $0) },
      upper: activation.channelMaxima.map { max(0, $0) },
      doubts: activation.rangeDoubts, power: power, readers: readers, isFree: isFree)
    return equalization.factors()?.values.map { 1 / $0 }
  }

  private static func divisors(
    _ meanSquares: [Double], _ readers: [Equalization.SummingReader], isFree: Bool
  ) -> [Float]? {
    let sizes = meanSquares.map { Float($0.squareRoot()) }
    guard let largest = sizes.max(), largest > 0, largest.isFinite else { return nil }
    let divisors = sizes.map { powf(max($0, largest / mostStretch) / largest, power) }
    let reach = zip(sizes, divisors).reduce(Float(0)) { max($0, $1.0 / $1.1) } / largest
    let left = readers.reduce(into: (smoothed: 0.0, plain: 0.0)) { sums, reader in
      for (square, divisor) in zip(reader.squares, divisors) {
        sums.plain += square
        sums.smoothed += square * Double(divisor * divisor)
      }
    }
    let share = left.smoothed / left.plain * Double(reach * reach)
    return share < (isFree ? 1 : worthwhile) ? divisors : nil
  }

  private static func reader(
    _ product: DynamicProduct, _ channels: Int
  ) -> Equalization.SummingReader? {
    guard let source = product.weights.constant, let weights = source.float32Values,
      source.dimensions.count == 2,
      source.dimensions[product.isTransposed ? 1 : 0] == channels
    else { return nil }
    let outputs = source.dimensions[product.isTransposed ? 0 : 1]
    let (outputStep, inputStep) = product.isTransposed ? (channels, 1) : (1, outputs)
    var squares = [Double](repeating: 0, count: channels)
    var largest: [[Float]] = []
    for output in 0..<outputs {
      largest.append(
        (0..<channels).map { input in
          let weight = abs(weights[output * outputStep + input * inputStep])
          squares[input] += Double(weight) * Double(weight)
          return weight
        })
    }
    return .init(squares: squares, largest: largest)
  }
}
