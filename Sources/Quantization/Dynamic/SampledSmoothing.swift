import ModelGraph

/// Divisors that even out the channels of an activation, told from what samples showed of it
/// (SmoothQuant, arXiv 2211.10438).
///
/// One scale for a row, or for the whole activation, leaves few integers to channels that are small
/// beside the largest. Dividing channels and multiplying their weights makes weights harder to round
/// instead; `Equalization` takes the strength with the least expected error. With a scale for each
/// row the few rows with extreme elements harm themselves alone, so that channels count as reaching
/// as far as three times the root of their mean square.
enum SampledSmoothing {
  /// Fewer elements a channel than this tell too little.
  private static let fewElements = 64
  private static let usualReach: Float = 3

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
    let reaches = power.map { usualReach * Float($0.squareRoot()) }
    let equalization = Equalization(
      lower: scalesRows ? reaches.map { -$0 } : activation.channelMinima.map { min(0, $0) },
      upper: scalesRows ? reaches : activation.channelMaxima.map { max(0, $0) },
      doubts: scalesRows ? reaches.map { _ in 1 } : activation.rangeDoubts, power: power,
      readers: readers, isFree: isFree)
    return equalization.factors()?.values.map { 1 / $0 }
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
