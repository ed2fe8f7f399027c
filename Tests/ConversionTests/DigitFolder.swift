import Configuration
import Foundation

@testable import Conversion

/// A temporary folder with pictures of digits as samples, for conversions of the bundled model.
struct DigitFolder {
  let url: URL

  /// The keys that name eight of the pictures.
  private var data: String {
    """
    [data_preprocess_param]
    calibrate_path=image:\(url.appending(path: "samples").path)
    calibrate_size=8
    input_type=IMAGE
    image_to_format=GRAY
    normalize_mean=[0]
    normalize_std=[255]
    """
  }

  /// Makes the folder, lends it, and takes it away again.
  static func with<Result>(_ body: (DigitFolder) throws -> Result) throws -> Result {
    let folder = DigitFolder(
      url: FileManager.default.temporaryDirectory.appending(path: "gsconvert-\(UUID().uuidString)"))
    let samples = folder.url.appending(path: "samples")
    try FileManager.default.createDirectory(at: samples, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder.url) }
    let pictures = MutatedInputTests.root.appending(path: "fixtures/digits/images")
    for name in try FileManager.default.contentsOfDirectory(atPath: pictures.path)
    where !name.hasPrefix(".") {
      try FileManager.default.copyItem(
        at: pictures.appending(path: name), to: samples.appending(path: name))
    }
    return try body(folder)
  }

  /// A conversion with these sections beside those about samples.
  func job(_ sections: String, threads: Int = 1) throws -> ConversionJob {
    let file = url.appending(path: "job.cfg")
    try "\(sections)\n\(data)\n".write(to: file, atomically: true, encoding: .utf8)
    let (options, configuration, _) = try ConfigurationLoader.load(commandLine: [
      "modelFile": MutatedInputTests.root.appending(path: "fixtures/digits/digits_cnn.onnx").path,
      "outputFile": url.appending(path: "out\(threads)").path, "configFile": file.path,
      "saveType": "ONNX", "threads": String(threads),
    ])
    return ConversionJob(options, configuration)
  }
}
