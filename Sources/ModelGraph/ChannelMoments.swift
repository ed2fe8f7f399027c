/// The mean and the variance of each channel of an activation.
public struct ChannelMoments: Hashable, Sendable {
  /// Means, in the activation's units.
  public var means: [Double]
  /// Variances, in these units squared; as many.
  public var variances: [Double]

  /// States moments.
  public init(means: [Double], variances: [Double]) {
    self.means = means
    self.variances = variances
  }
}
