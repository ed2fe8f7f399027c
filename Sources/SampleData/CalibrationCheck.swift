import Configuration
import Images
import ModelGraph
import Support

/// Pairs the model's inputs with folders and looks at every file, gathering all that is wrong.
struct CalibrationCheck {
  private let request: CalibrationSet.Request
  private(set) var problems: [Diagnostic] = []

  /// Problems of one folder that are told one by one.
  private static let toldProblems = 10

  init(_ request: CalibrationSet.Request) { self.request = request }

  /// The files of every input, in the model's order; worth nothing if there are problems.
  mutating func sources() -> [CalibrationSet.Source] {
    let preprocessing = preprocessing()
    checkShapes()
    let folders = folders()
    var sources: [CalibrationSet.Source] = []
    for input in request.inputs {
      guard let folder = folders[input.name], let files = files(in: folder, for: input) else {
        continue
      }
      let shaped = request.inputShapes[input.name].flatMap { input.fixed(to: $0) } ?? input
      sources.append(
        .init(
          reader: SampleReader(
            input: shaped, allowsRaw: request.data.inputType == .bin,
            rawFormat: request.inputDataFormat, preprocessing: preprocessing),
          folder: folder.path, files: files))
    }
    checkCounts(sources)
    guard problems.isEmpty else { return [] }
    for index in sources.indices {
      let count = request.data.calibrateSize ?? sources[index].files.count
      let files = sources[index].files
      sources[index].files = Array(files.prefix(count))
      checkFiles(sources[index])
      let last = min(files.count, count + CalibrationSet.heldBackLimit)
      sources[index].files += files[min(count, last)..<last]
    }
    return sources
  }

  private mutating func report(
    _ code: DiagnosticCode, _ message: String, at range: Range<Int>? = nil, notes: [String] = [],
    help: String? = nil
  ) {
    problems.append(
      Diagnostic(
        code, message, location: range.flatMap(request.locate), notes: notes, help: help))
  }

  private mutating func preprocessing() -> ImagePreprocessing {
    do throws(ImageProblem) { return try ImagePreprocessing(request.data) } catch {
      report(.badValue, "[data_preprocess_param]: \(error.message)")
      return .plain(.bgr)
    }
  }

  private mutating func checkShapes() {
    for (name, shape) in request.inputShapes.sorted(by: { $0.key < $1.key }) {
      guard let input = request.inputs.first(where: { $0.name == name }) else {
        report(
          .flagInvalid, "--inputShape names '\(name)', and the model has no such input",
          help: hint(name))
        continue
      }
      if input.fixed(to: shape) == nil {
        report(
          .flagInvalid,
          "'\(name)' is \(input.typeText), and --inputShape says "
            + shape.map(String.init).joined(separator: ","))
      }
    }
  }

  private func hint(_ name: String) -> String {
    let names = request.inputs.map(\.name)
    return Spelling.nearest(to: name, among: names).map { "did you mean '\($0)'?" }
      ?? "its inputs are: \(names.joined(separator: ", "))"
  }

  /// The folder of each input that has one. A folder without a name is the only input's.
  private mutating func folders() -> [String: ConfigurationValue.Directory] {
    guard !request.data.calibratePath.isEmpty else {
      report(
        .missingKey, "calibrate_path is missing: there are no samples",
        help: "gsconvert config --explain data_preprocess_param.calibrate_path")
      return [:]
    }
    var folders: [String: ConfigurationValue.Directory] = [:]
    for directory in request.data.calibratePath {
      let isNameless = directory.input.isEmpty && request.inputs.count == 1
      let name = isNameless ? request.inputs[0].name : directory.input
      if !request.inputs.contains(where: { $0.name == name }) {
        report(
          .calibrationPathInvalid,
          "calibrate_path names '\(name)', and the model has no such input",
          at: directory.range, help: hint(name))
      } else if folders[name] != nil {
        report(
          .calibrationPathInvalid, "calibrate_path names '\(name)' twice", at: directory.range)
      } else {
        folders[name] = directory
      }
    }
    let left = request.inputs.map(\.name).filter { folders[$0] == nil }
    if !left.isEmpty, folders.count == request.data.calibratePath.count {
      report(
        .calibrationPathInvalid,
        "calibrate_path has no folder for "
          + left.map { "'\($0)'" }.joined(separator: ", "),
        help: "calibrate_path="
          + request.inputs.map { "\($0.name):DIR" }.joined(separator: ","))
    }
    return folders
  }

  /// All files of a folder; nil if there is something wrong with it.
  private mutating func files(
    in directory: ConfigurationValue.Directory, for input: ModelInput
  ) -> [String]? {
    var files: [String]
    do throws(SystemError) { files = try FolderListing.files(in: directory.path) } catch {
      report(
        .calibrationFilesMissing,
        "the folder '\(directory.path)' of '\(input.name)' cannot be read: \(error.reason)",
        at: directory.range)
      return nil
    }
    let arrays = Set(files.filter { $0.hasSuffix(".npy") }.map { $0.dropLast(4) })
    files.removeAll { $0.hasSuffix(".bin") && arrays.contains($0.dropLast(4)) }
    if files.isEmpty {
      report(
        .calibrationFilesMissing,
        "the folder '\(directory.path)' of '\(input.name)' holds no files", at: directory.range,
        help: "hidden files and folders don't count")
      return nil
    }
    if let wanted = request.data.calibrateSize, wanted > files.count {
      report(
        .calibrationFilesMissing,
        "the folder '\(directory.path)' of '\(input.name)' holds \(files.count) "
          + "file\(files.count == 1 ? "" : "s"), and calibrate_size is \(wanted)",
        at: directory.range, help: "set calibrate_size=\(files.count), or add samples")
    }
    return files
  }

  private mutating func checkCounts(_ sources: [CalibrationSet.Source]) {
    let counts = sources.map(\.files.count)
    guard let first = counts.first, counts.contains(where: { $0 != first }) else { return }
    report(
      .calibrationFilesMissing, "the folders of calibrate_path hold different numbers of files",
      notes: sources.map { "'\($0.reader.input.name)' has \($0.files.count) in \($0.folder)" },
      help: "samples pair by their sorted position, so there must be one file for each")
  }

  /// Files with the same problem are told once.
  private mutating func checkFiles(_ source: CalibrationSet.Source) {
    var found: [(problem: Diagnostic, fileCount: Int)] = []
    for index in source.files.indices {
      do throws(Failure) {
        _ = try source.read(index) { (bytes) throws(SampleProblem) in
          try source.reader.check(bytes)
        }
      } catch {
        for problem in error.diagnostics {
          if let known = found.firstIndex(where: { Self.areAlike($0.problem, problem) }) {
            found[known].fileCount += 1
          } else {
            found.append((problem, 1))
          }
        }
      }
    }
    problems += found.prefix(Self.toldProblems).map { found in
      var problem = found.problem
      if found.fileCount > 1, problem.location != nil {
        problem.notes.append("likewise \(found.fileCount - 1) more of \(source.folder)")
      }
      return problem
    }
    if found.count > Self.toldProblems {
      problems[problems.count - 1].notes.append(
        "and \(found.count - Self.toldProblems) more problems in \(source.folder)")
    }
  }

  private static func areAlike(_ one: Diagnostic, _ other: Diagnostic) -> Bool {
    one.code == other.code && one.message == other.message && one.notes == other.notes
  }
}

extension ImagePreprocessing {
  /// What the keys of `[data_preprocess_param]` say.
  init(_ data: QuantizationConfiguration.Data) throws(ImageProblem) {
    let method = data.resizeMethod.flatMap { Interpolation(rawValue: $0.rawValue.lowercased()) }
    var resizing: (size: ImageSize, method: Interpolation)?
    if let method, let width = data.resizeWidth, let height = data.resizeHeight {
      resizing = (ImageSize(width: width, height: height), method)
    }
    var crop: ImageSize?
    if let width = data.centerCropWidth, let height = data.centerCropHeight {
      crop = ImageSize(width: width, height: height)
    }
    try self.init(
      colour: Colour(data.imageToFormat), mean: data.normalizeMean, std: data.normalizeStd,
      resizing: resizing, crop: crop)
  }
}

extension ImagePreprocessing.Colour {
  fileprivate init(_ format: ImageFormat) {
    switch format {
    case .rgb: self = .rgb
    case .bgr: self = .bgr
    case .gray: self = .gray
    }
  }
}
