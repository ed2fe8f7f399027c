import Foundation

/// The models of the repository, and the arguments most tests begin with.
enum Fixtures {
  /// The repository's folder.
  static let root: String = {
    let file = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().path as NSString
    return (0..<4).reduce(file) { path, _ in path.deletingLastPathComponent as NSString } as String
  }()

  /// A small convolutional classifier.
  static let digits = root + "/fixtures/digits/digits_cnn.onnx"
  /// A small recurrent classifier.
  static let recurrentDigits = root + "/fixtures/digits/digits_lstm.onnx"

  /// A synthetic model.
  static func model(_ name: String) -> String { "\(root)/fixtures/models/\(name).onnx" }

  static let weightQuantization = "[common_quant_param]\nquant_type=WEIGHT_QUANT\n"

  /// The section of a configuration that calibrates the digit classifier.
  static func digitSamples(_ count: Int) -> String {
    """
    [data_preprocess_param]
    calibrate_path=image:\(root)/fixtures/digits/images
    calibrate_size=\(count)
    input_type=IMAGE
    image_to_format=GRAY
    normalize_mean=[0]
    normalize_std=[255]
    """
  }

  /// `model.onnx` to `result.onnx` with `job.cfg`. The number of threads is fixed because the
  /// memory forecast depends on it.
  static let job = [
    "--modelFile=model.onnx", "--outputFile=result.onnx", "--configFile=job.cfg", "--threads=2",
  ]
}
