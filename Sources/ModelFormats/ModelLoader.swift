import ModelGraph
import Support

/// Reads models whose vocabulary is ONNX's.
public enum ModelLoader {
  /// Reads the model at `path`; the file's content tells whether it is one.
  ///
  /// - Throws: a file that can't be read, is malformed, or is of a format not supported yet.
  public static func load(path: String) throws(Failure) -> Model {
    if let format = foreignFormat(path) {
      throw Failure(
        .modelUnsupported, "'\(path)' is a \(format) model, which this version does not read",
        help: "convert an ONNX model")
    }
    return try ONNXReader.read(path: path)
  }

  /// The format, if the file's identifier says that it isn't ONNX.
  private static func foreignFormat(_ path: String) -> String? {
    guard let file = try? MappedFile(path: path), file.count >= 8 else { return nil }
    let identifier = file.contents[4..<8].withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    return ["TFL3": "TFLite", "MSL1": "MindSpore Lite", "MSL2": "MindSpore Lite"][identifier]
  }
}
