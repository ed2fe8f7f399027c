import Configuration
import Quantization
import SampleData
import Statistics
import Support

/// What full quantization needs beside what every conversion does.
public struct FullJob: Sendable {
  /// How operators and activations are quantized.
  public var settings: FullQuantizationSettings
  /// How the range of an activation is chosen.
  public var method: RangeMethod
  /// The keys about calibration samples.
  public var data: QuantizationConfiguration.Data
  /// The layout of raw samples of four-dimensional inputs.
  public var inputDataFormat: DataFormat
  /// Where a part of the value of `calibrate_path` stands.
  public var locate: @Sendable (Range<Int>) -> Diagnostic.Location?

  init(_ options: ConverterOptions, _ configuration: QuantizationConfiguration) {
    let full = configuration.full
    settings = FullQuantizationSettings(
      perChannel: full.perChannel, biasCorrection: full.biasCorrection,
      skipped: configuration.skipQuantNode.map { NodePattern($0.pattern.pattern) })
    method =
      switch full.activationQuantMethod {
      case .maxMin: .maxMin
      case .kl: .kullbackLeibler
      case .removalOutlier: .outlierRemoval
      case .auto: .auto
      }
    data = configuration.data
    inputDataFormat = options.hasChannelsFirstSamples ? .nchw : .nhwc
    locate = { part in
      configuration.location(section: "data_preprocess_param", key: "calibrate_path", part: part)
    }
  }
}
