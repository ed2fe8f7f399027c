import Quantization
import Statistics

extension ActivationFacts {
  /// The facts that quantization needs of a calibrated activation, its range chosen by `method`;
  /// nil for one that held NaN or infinity.
  public init?(_ activation: CalibratedActivation, method: RangeMethod, grid: IntegerGrid) {
    let statistics = activation.statistics
    guard statistics.notANumberCount == 0, statistics.infinityCount == 0 else { return nil }
    let range = method.range(of: statistics, grid: grid)
    self.init(lower: range.lower, upper: range.upper)
    outsideShare = statistics.share(outside: range.lower, range.upper)
    guard let channels = statistics.channels, channels.elementsPerChannel > 0 else { return }
    let count = Double(channels.elementsPerChannel)
    channelMeans = channels.sums.map { $0 / count }
    channelVariances = zip(channels.squares, channelMeans).map { max(0, $0 / count - $1 * $1) }
    channelMinima = channels.minimums.map { max($0, range.lower) }
    channelMaxima = channels.maximums.map { min($0, range.upper) }
    channelReaches = activation.channelReaches.map {
      Float($0 / Double(max(1, statistics.sampleCount)))
    }
    elementsPerChannel = channels.elementsPerChannel
  }
}
