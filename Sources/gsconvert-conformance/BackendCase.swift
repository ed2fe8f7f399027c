import FoundationEssentials
import Inference
import ModelFormats
import ModelGraph
import Support

/// How a case ended.
struct CaseResult {
  enum Kind: String {
    case passed = "pass"
    case failed = "FAIL"
    /// Other values than the suite's, for a known reason.
    case differing = "diff"
    case lacking = "lack"

    /// The word for the manual.
    var word: String {
      switch self {
      case .passed: "passes"
      case .failed: "fails"
      case .differing: "differs"
      case .lacking: "not supported"
      }
    }
  }
  let kind: Kind
  let text: String
}

/// One folder of a backend test.
struct BackendCase {
  let path: String

  /// Runs every data set of the case, and looks whether it is known to differ.
  func result() -> CaseResult {
    let result = plainResult()
    let name = path.split(separator: "/").last.map(String.init) ?? ""
    guard let reason = KnownDifferences.reasons[name] else { return result }
    switch result.kind {
    case .failed: return CaseResult(kind: .differing, text: reason)
    case .passed:
      return CaseResult(kind: .failed, text: "passes, though it is listed as known to differ")
    default: return result
    }
  }

  private func plainResult() -> CaseResult {
    do {
      let model = try ONNXReader.read(path: "\(path)/model.onnx")
      // Some cases declare other shapes than they feed; the suite doesn't look at declarations.
      for input in model.graph.inputs {
        if case .tensor(let type, _)? = input.type { input.type = .tensor(type, shape: nil) }
      }
      let session = try InferenceSession(model: model)
      for set in 0... {
        let folder = "\(path)/test_data_set_\(set)"
        guard FileManager.default.fileExists(atPath: folder) else { break }
        if let problem = try check(folder, model, session) {
          return CaseResult(kind: .failed, text: problem)
        }
      }
      return CaseResult(kind: .passed, text: "")
    } catch let failure as Failure {
      let isLack = failure.diagnostics.contains { $0.code == .operatorUnsupported }
      let text = failure.diagnostics.map(\.message).joined(separator: "; ")
      return CaseResult(kind: isLack ? .lacking : .failed, text: text)
    } catch {
      return CaseResult(kind: .failed, text: "\(error)")
    }
  }

  /// Operators whose results nobody can foretell; the suite stores one outcome of its own.
  private static let random: Set<String> = [
    "Bernoulli", "RandomUniform", "RandomUniformLike", "RandomNormal", "RandomNormalLike",
    "Multinomial",
  ]

  private func check(
    _ folder: String, _ model: Model, _ session: InferenceSession
  ) throws -> String? {
    var feeds: [String: RunValue] = [:]
    for (index, input) in model.graph.inputs.enumerated() {
      let file = "\(folder)/input_\(index).pb"
      guard FileManager.default.fileExists(atPath: file) else { continue }
      feeds[input.name] = try StoredValue.read(file, like: input)
    }
    let results = try session.run(values: feeds)
    for (index, output) in model.graph.outputs.enumerated() {
      let file = "\(folder)/output_\(index).pb"
      guard FileManager.default.fileExists(atPath: file) else { continue }
      let expected = try StoredValue.read(file, like: output)
      let isRandom = model.graph.nodes.contains { Self.random.contains($0.operatorType) }
      if let problem = Comparison.difference(
        results[index].value, expected, shapesOnly: isRandom)
      {
        return "\(output.name): \(problem)"
      }
    }
    return nil
  }
}

/// Reads the values that test data stores.
enum StoredValue {
  static func read(_ file: String, like value: Value) throws -> RunValue {
    switch kind(of: value) {
    case .tensor:
      return .tensor(try Tensor(constant: try tensor(file, like: value)))
    case .sequence:
      let tensors = try ONNXValueFile.read(path: file, as: .sequence)
      return .sequence(
        try tensors.map { try Tensor(constant: $0) }, of: tensors.first?.elementType ?? .float32)
    case .optional:
      let tensors = try ONNXValueFile.read(path: file, as: .optional)
      if isOptionalSequence(value) {
        return .sequence(
          try tensors.map { try Tensor(constant: $0) }, of: tensors.first?.elementType ?? .float32)
      }
      guard let tensor = tensors.first else { return .nothing }
      return .tensor(try Tensor(constant: tensor))
    }
  }

  /// A stored tensor. The suite's generator had no type for bfloat16 and stored its bits as uint16.
  private static func tensor(_ file: String, like value: Value) throws -> TensorData {
    let data = try ONNXValueFile.read(path: file, as: .tensor)[0]
    guard case .tensor(.bfloat16, _)? = value.type, data.elementType == .uint16 else { return data }
    return TensorData(
      elementType: .bfloat16, dimensions: data.dimensions, storage: data.storage)
  }

  /// The declaration's bytes tell: ValueInfo.type (2) holds tensor (1), sequence (4), optional (9).
  private static func kind(of value: Value) -> ONNXValueFile.Kind {
    switch typeField(value.carriedDeclaration ?? []) {
    case 4: .sequence
    case 9: .optional
    default: .tensor
    }
  }

  private static func isOptionalSequence(_ value: Value) -> Bool {
    guard let type = field(2, of: value.carriedDeclaration ?? []),
      let optional = field(9, of: type),
      let element = field(1, of: optional)
    else { return false }
    return field(4, of: element) != nil
  }

  private static func typeField(_ declaration: [UInt8]) -> Int {
    guard let type = field(2, of: declaration), let tag = type.first else { return 1 }
    return Int(tag >> 3)
  }

  /// A length-delimited field of a small message whose lengths take one byte.
  private static func field(_ number: Int, of message: [UInt8]) -> [UInt8]? {
    var position = 0
    while position + 1 < message.count {
      let tag = message[position]
      guard tag & 7 == 2 else {
        position += 2
        continue
      }
      let end = position + 2 + Int(message[position + 1])
      guard end <= message.count else { return nil }
      if Int(tag >> 3) == number { return Array(message[(position + 2)..<end]) }
      position = end
    }
    return nil
  }
}
