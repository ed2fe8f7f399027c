import Configuration
import MSLiteTranslation
import ModelFormats
import ModelGraph
import Support

/// Reads models of any supported format, in ONNX's vocabulary.
public enum ModelSource {
  /// Reads the model at `path`; the file's content tells its format.
  ///
  /// - Parameter format: what somebody says that the format is; nil where nobody does.
  /// - Throws: a file that can't be read, is malformed, or is of another format than is said.
  public static func load(path: String, as format: ModelFormat? = nil) throws(Failure) -> Model {
    let isMSLite = MSLiteReader.recognizes(path: path)
    if format == .mslite, !isMSLite, (try? MappedFile(path: path)) != nil {
      throw contradiction(path, "--fmk=MSLITE", "no .ms file")
    }
    if format == .onnx, isMSLite { throw contradiction(path, "--fmk=ONNX", "a .ms file") }
    return isMSLite ? try MSLiteGraphReader.read(path: path) : try ModelLoader.load(path: path)
  }

  private static func contradiction(_ path: String, _ flag: String, _ what: String) -> Failure {
    Failure(
      .flagConflict, "\(flag), and '\(path)' is \(what)",
      help: "leave fmk out: the file tells its format")
  }
}
