import Configuration
import ModelGraph
import SampleData
import Support

/// Where a conversion's calibration samples come from.
public struct SampleJob: Sendable {
  /// The keys about calibration samples.
  public var data: QuantizationConfiguration.Data
  /// The layout of raw samples of four-dimensional inputs.
  public var inputDataFormat: DataFormat
  /// Where a part of the value of `calibrate_path` stands.
  public var locate: @Sendable (Range<Int>) -> Diagnostic.Location?

  init(_ options: ConverterOptions, _ configuration: QuantizationConfiguration) {
    data = configuration.data
    inputDataFormat = options.hasChannelsFirstSamples ? .nchw : .nhwc
    locate = { part in
      configuration.location(section: "data_preprocess_param", key: "calibrate_path", part: part)
    }
  }

  /// Finds and checks the samples of a model's inputs.
  ///
  /// - Parameter shapes: extents that the model leaves open, by input name.
  func open(_ model: Model, shapes: [String: [Int]]) throws(Failure) -> CalibrationSet {
    try CalibrationSet(
      .init(
        data: data, inputs: try ModelSurvey.sampleInputs(of: model.graph), inputShapes: shapes,
        inputDataFormat: model.keepsInputLayout ? .nchw : inputDataFormat, locate: locate))
  }
}
