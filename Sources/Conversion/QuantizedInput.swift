import Configuration
import GraphPasses
import ModelFormats
import ModelGraph
import Support

/// What a model brought along quantized.
public struct QuantizedInputFacts: Sendable {
  /// What was read of it.
  public var read: QuantizationReading.Outcome
  /// Whether it is kept, or dropped.
  public var isKept: Bool
}

/// Loads a job's model; one that is quantized already comes with its parameters in the graph, and
/// written as pairs of QuantizeLinear and DequantizeLinear, whatever form they had.
struct QuantizedInput {
  let job: ConversionJob

  /// A model that was loaded.
  struct Loaded {
    let model: Model
    /// What the file is made of.
    let facts: ModelFacts
    /// The version of ONNX's operators in the file.
    let operatorSet: Int
    /// nil for a float model.
    let brought: QuantizedInputFacts?

    /// Whether the model is quantized, and stays so.
    var isKeptQuantized: Bool { brought?.isKept ?? false }
  }

  /// Reads the model's file.
  ///
  /// - Throws: what is wrong with the file, and a quantized model where the job would calibrate one.
  /// - Complexity: O(nodes), and the weights of a quantized model.
  func load() throws(Failure) -> Loaded {
    let model = try ModelSource.load(path: job.modelPath, as: job.format)
    let facts = ModelSurvey.facts(of: model, path: job.modelPath)
    let before = model.standardOperatorVersion
    guard QuantizationReading.isQuantized(model) else {
      return Loaded(model: model, facts: facts, operatorSet: before, brought: nil)
    }
    if job.full != nil, job.transform == nil { throw refusal }
    try OpsetUpgrade.raise(model, to: max(13, before))
    let isKept = job.transform != .float32
    let read = QuantizationReading.apply(
      to: model,
      .init(
        keepsParameters: isKept, isSigned: job.writesMSLite,
        readsDynamic: job.writesMSLite || !isKept))
    QuantizeLinearInsertion.apply(to: model)
    return Loaded(
      model: model, facts: facts, operatorSet: before,
      brought: QuantizedInputFacts(read: read, isKept: isKept))
  }

  private var refusal: Failure {
    Failure(
      .alreadyQuantized, "the model '\(job.modelPath)' is quantized already",
      notes: ["quant_type=FULL_QUANT would calibrate what has its parameters"],
      help: "write export_precision_mode=QUANT in [transform_quant_param] to keep them, or FLOAT32 "
        + "to drop them and calibrate anew")
  }

  /// What deserves attention in a model that was loaded.
  func warnings(_ loaded: Loaded) -> [Diagnostic] {
    guard let brought = loaded.brought else { return [] }
    var warnings: [Diagnostic] = []
    func warn(_ message: String, notes: [String], help: String) {
      warnings.append(
        Diagnostic(
          .alreadyQuantized, message, severity: .warning, location: .init(file: job.modelPath),
          notes: notes, help: help))
    }
    let left = brought.read.left
    if !left.isEmpty {
      var notes = left.prefix(5).map { "'\($0.node)' (\($0.operatorType)): \($0.reason)" }
      if left.count > 5 { notes.append("and \(left.count - 5) more") }
      warn(
        "nodes of the model's own quantization are left as they are: \(left.count)", notes: notes,
        help: "the result computes the same; what reads these nodes stays float")
    }
    if brought.isKept, brought.read.dynamic > 0 {
      warn(
        "products that quantize their input while they run get floats: \(brought.read.dynamic)",
        notes: ["their weights keep their integers"],
        help: "use --saveType=ONNX for the model as it is")
    }
    if brought.isKept, job.full == nil, job.quantizesWeights, brought.read.constants > 0 {
      warn(
        "constants that are quantized already stay as they are: \(brought.read.constants)",
        notes: [],
        help:
          "export_precision_mode=FLOAT32 in [transform_quant_param] drops that, to quantize anew")
    }
    if brought.isKept, job.full != nil {
      warn(
        "nothing is calibrated: the model's own parameters are kept",
        notes: ["[transform_quant_param] asks for that"],
        help: "leave quant_type out, or drop them with export_precision_mode=FLOAT32")
    }
    return warnings
  }
}
