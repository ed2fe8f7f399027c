import Configuration
import ModelFormats
import ModelGraph
import SampleData
import Support

/// Shows what a model will see of its calibration samples.
public struct SampleExport: Sendable {
  /// Which samples of which model.
  public struct Job: Sendable {
    /// The model.
    public var modelPath: String
    /// How files become inputs.
    public var configuration: QuantizationConfiguration
    /// Extents of inputs whose declaration leaves them open, by name.
    public var inputShapes: [String: [Int]]
    /// The layout of raw bytes for four-dimensional float inputs.
    public var inputDataFormat: DataFormat
    /// Where samples are written; nil for nowhere.
    public var outputFolder: String?
    /// How many are written at most; nil for all.
    public var count: Int?

    /// States a job.
    public init(
      modelPath: String, configuration: QuantizationConfiguration,
      inputShapes: [String: [Int]] = [:], inputDataFormat: DataFormat = .nhwc,
      outputFolder: String? = nil, count: Int? = nil
    ) {
      self.modelPath = modelPath
      self.configuration = configuration
      self.inputShapes = inputShapes
      self.inputDataFormat = inputDataFormat
      self.outputFolder = outputFolder
      self.count = count
    }
  }

  /// What there is to see.
  public struct Outcome: Sendable {
    /// Number of samples.
    public let sampleCount: Int
    /// The first sample, input by input.
    public let first: [FirstSample]
    /// The files that were written.
    public let files: [String]
  }

  private let job: Job

  /// Takes a job.
  public init(_ job: Job) { self.job = job }

  /// Checks all samples, looks at the first, and writes as many as wanted.
  ///
  /// - Throws: everything that is wrong with the samples, and what can't be written.
  public func run() throws(Failure) -> Outcome {
    let model = try ModelSource.load(path: job.modelPath)
    let configuration = job.configuration
    let samples = try CalibrationSet(
      .init(
        data: configuration.data, inputs: try ModelSurvey.sampleInputs(of: model.graph),
        inputShapes: job.inputShapes,
        inputDataFormat: model.keepsInputLayout ? .nchw : job.inputDataFormat,
        locate: { part in
          configuration.location(
            section: "data_preprocess_param", key: "calibrate_path", part: part)
        }))
    let first = try samples.firstSample()
    return Outcome(sampleCount: samples.count, first: first, files: try write(samples))
  }

  private func write(_ samples: CalibrationSet) throws(Failure) -> [String] {
    guard let path = job.outputFolder else { return [] }
    let folder = try TensorFolder(path)
    var files: [String] = []
    for index in 0..<min(samples.count, job.count ?? .max) {
      let digits = String(index)
      let number = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
      for (name, tensor) in try samples.sample(index).sorted(by: { $0.key < $1.key }) {
        if let file = try folder.write(tensor, "\(name)_\(number)") { files.append(file) }
      }
    }
    return files
  }
}
