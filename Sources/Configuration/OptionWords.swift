/// The format of a model that is read.
public enum ModelFormat: String, CaseIterable, Sendable {
  /// ONNX.
  case onnx = "ONNX"
  /// TensorFlow.
  case tf = "TF"
  /// TensorFlow Lite.
  case tflite = "TFLITE"
  /// Caffe.
  case caffe = "CAFFE"
  /// MindIR.
  case mindir = "MINDIR"
  /// TorchScript.
  case pytorch = "PYTORCH"
  /// MindSpore Lite.
  case mslite = "MSLITE"
  /// Ascend offline model.
  case om = "OM"
}

/// The format of a model that is written.
public enum SaveType: String, CaseIterable, Sendable {
  /// ONNX.
  case onnx = "ONNX"
  /// MindSpore Lite's `.ms`.
  case mindirLite = "MINDIR_LITE"
  /// MindIR.
  case mindir = "MINDIR"

  /// The file name's end, with its dot.
  public var fileExtension: String {
    switch self {
    case .onnx: ".onnx"
    case .mindirLite: ".ms"
    case .mindir: ".mindir"
    }
  }
}

/// How messages are written.
public enum LogFormat: String, CaseIterable, Sendable {
  /// For a person.
  case text
  /// One JSON object a line.
  case json
}
