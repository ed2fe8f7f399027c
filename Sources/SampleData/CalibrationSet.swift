import Configuration
import ModelGraph
import Support

/// The samples that a model is calibrated with: files in a folder for each input, paired by their
/// sorted position.
///
/// Opening checks all that can be known without decoding. Samples are decoded when asked for and
/// not kept, so memory doesn't grow with their number; any number of threads may ask at once.
public struct CalibrationSet: Sendable {
  /// What the set is made from.
  public struct Request: Sendable {
    /// The keys of `[data_preprocess_param]`.
    public var data: QuantizationConfiguration.Data
    /// What the model wants.
    public var inputs: [ModelInput]
    /// Extents by input name, from `--inputShape`.
    public var inputShapes: [String: [Int]]
    /// The layout of raw bytes for four-dimensional float inputs.
    public var inputDataFormat: DataFormat
    /// Where a part of the value of `calibrate_path` stands, for diagnostics.
    public var locate: @Sendable (Range<Int>) -> Diagnostic.Location?

    /// States a request.
    public init(
      data: QuantizationConfiguration.Data, inputs: [ModelInput],
      inputShapes: [String: [Int]] = [:], inputDataFormat: DataFormat = .nhwc,
      locate: @escaping @Sendable (Range<Int>) -> Diagnostic.Location? = { _ in nil }
    ) {
      self.data = data
      self.inputs = inputs
      self.inputShapes = inputShapes
      self.inputDataFormat = inputDataFormat
      self.locate = locate
    }
  }

  /// The files of one input.
  struct Source: Sendable {
    let reader: SampleReader
    let folder: String
    /// Names inside the folder, sorted; as many as there are samples.
    var files: [String]

    func path(_ index: Int) -> String {
      folder + (folder.hasSuffix("/") ? "" : "/") + files[index]
    }

    /// Reads one file, or only looks at its header.
    func read<Result>(
      _ index: Int, _ body: (Bytes) throws(SampleProblem) -> Result
    ) throws(Failure) -> Result {
      let path = path(index)
      let bytes: Bytes
      do throws(SystemError) { bytes = try MappedFile(path: path).contents } catch {
        throw Failure(
          .calibrationSampleUnreadable, "a calibration sample cannot be used: \(error.reason)",
          location: .init(file: path))
      }
      do throws(SampleProblem) { return try body(bytes) } catch {
        throw Failure(error.diagnostic(file: path))
      }
    }
  }

  /// How many samples there are to calibrate with, at least 1.
  public let count: Int
  /// How many more samples follow those that `calibrate_size` takes, to compare models on. Their
  /// files are not checked when the set is opened.
  public let heldBackCount: Int
  /// The most samples that are held back.
  static let heldBackLimit = 16
  let sources: [Source]

  /// Finds the files and looks at every header.
  ///
  /// - Throws: everything that is wrong, at once; many wrong files of one folder are cut short.
  /// - Complexity: O(files).
  public init(_ request: Request) throws(Failure) {
    var check = CalibrationCheck(request)
    sources = check.sources()
    if !check.problems.isEmpty { throw Failure(check.problems) }
    let fileCount = sources.first?.files.count ?? 0
    count = min(fileCount, request.data.calibrateSize ?? fileCount)
    heldBackCount = fileCount - count
  }

  /// One sample in the model's own types and layouts, by input name.
  ///
  /// - Precondition: the index is less than `count + heldBackCount`.
  /// - Throws: damage that its header didn't show, numbers that aren't finite, and a file that
  ///   changed since it was checked.
  public func sample(_ index: Int) throws(Failure) -> [String: TensorData] {
    precondition((0..<count + heldBackCount).contains(index))
    var tensors: [String: TensorData] = [:]
    for source in sources {
      tensors[source.reader.input.name] = try source.read(index) {
        (bytes) throws(SampleProblem) in try source.reader.tensor(bytes)
      }
    }
    return tensors
  }

  /// The file of each input that a sample is read from.
  ///
  /// - Precondition: the index is less than `count + heldBackCount`.
  public func files(of index: Int) -> [(input: String, path: String)] {
    sources.map { ($0.reader.input.name, $0.path(index)) }
  }

  /// What the model sees of the first sample, input by input in the model's order.
  public func firstSample() throws(Failure) -> [FirstSample] {
    let tensors = try sample(0)
    return try sources.map { source throws(Failure) in
      let kind = try source.read(0) { source.reader.kind(of: $0) }
      let tensor = tensors[source.reader.input.name]
      return FirstSample(
        input: source.reader.input.name, folder: source.folder,
        files: source.reader.count(count, kind),
        type: tensor.map { ModelInput.text($0.elementType, $0.dimensions) } ?? "",
        statistics: tensor.flatMap(SampleStatistics.init))
    }
  }
}

extension SampleReader {
  /// `100 images`; raw bytes say their layout where the model's differs.
  fileprivate func count(_ count: Int, _ kind: Kind) -> String {
    let plural = count == 1 ? "" : "s"
    switch kind {
    case .image: return "\(count) image\(plural)"
    case .array: return "\(count) .npy file\(plural)"
    case .raw:
      let hasChannelsLast = RawSample(input: input, format: rawFormat).hasChannelsLast
      return "\(count) raw \(hasChannelsLast ? "NHWC " : "")file\(plural)"
    }
  }
}
