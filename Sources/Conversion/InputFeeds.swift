import Inference
import ModelGraph
import SampleData
import Support
import TensorFiles

/// Reads the files that are fed to a model: NumPy's, raw bytes of the declared type and shape, or
/// images.
struct InputFeeds {
  /// What is fed, in the order of the flags.
  private(set) var items: [ModelRunOutcome.Item] = []
  /// The same by name.
  private(set) var tensors: [String: TensorData] = [:]

  /// Reads all files.
  ///
  /// - Throws: every file that can't be read or doesn't fit, and every input without one.
  init(_ job: ModelRunJob, _ inputs: [InferenceSession.Input]) throws(Failure) {
    var problems: [Diagnostic] = []
    let names = Set(inputs.map(\.name))
    let list = inputs.map(\.name).joined(separator: ", ")
    for name in job.shapes.keys.sorted() where !names.contains(name) {
      problems.append(
        Diagnostic(
          .flagInvalid, "--inputShape names '\(name)', and the model has no such input",
          help: "its inputs are: \(list)"))
    }
    for file in job.inputs {
      let (name, path) = file.split(names: names)
      guard let input = inputs.first(where: { $0.name == name }) else {
        problems.append(
          Diagnostic(
            .inferenceInputInvalid, "the model has no input '\(name)'",
            help: "its inputs are: \(list)"))
        continue
      }
      guard tensors[name] == nil else {
        problems.append(
          Diagnostic(.flagConflict, "the input '\(name)' is given twice", help: "give it once"))
        continue
      }
      do throws(Failure) {
        let data = try Self.read(path, for: input, shape: job.shapes[name])
        tensors[name] = data
        items.append(.init(name, data, file: path))
      } catch {
        problems += error.diagnostics
      }
    }
    let given = Set(job.inputs.map { $0.split(names: names).name })
    for input in inputs where !given.contains(input.name) {
      problems.append(
        Diagnostic(
          .inferenceInputInvalid, "the input '\(input.name)' is missing",
          notes: ["it is \(input.type?.description ?? "of unknown type")"],
          help: "--input \(input.name)=FILE.npy"))
    }
    if !problems.isEmpty { throw Failure(problems) }
  }

  private static func read(
    _ path: String, for input: InferenceSession.Input, shape: [Int]?
  ) throws(Failure) -> TensorData {
    let bytes: Bytes
    do throws(SystemError) {
      bytes = try MappedFile(path: path).contents
    } catch {
      throw Failure(
        .inputMissing,
        "the file '\(path)' for the input '\(input.name)' cannot be read: "
          + error.reason)
    }
    let suffix = suffix(of: path)
    let tensor: TensorData
    if suffix == "npy" || NPYReader.recognizes(bytes) {
      do throws(NPYProblem) { tensor = try NPYReader.read(bytes) } catch {
        throw Failure(
          .inferenceInputInvalid, "'\(path)' cannot be fed: \(error.message)",
          help: "write it with numpy.save")
      }
      try check(tensor, of: path, for: input, shape: shape)
      return tensor
    }
    if suffix == "bin" || suffix == "raw" { return try raw(bytes, path, input, shape) }
    if ImageFeed.recognizes(bytes) { return try image(bytes, path, input, shape) }
    throw Failure(
      .inferenceInputInvalid,
      "'\(path)' is neither a .npy or .bin file nor a JPEG, PNG, BMP or WebP image",
      help: "save the tensor with numpy.save, or give raw bytes in a file that ends in .bin")
  }

  private static func image(
    _ bytes: Bytes, _ path: String, _ input: InferenceSession.Input, _ shape: [Int]?
  ) throws(Failure) -> TensorData {
    guard var wanted = ModelInput(name: input.name, type: input.type) else {
      throw Failure(
        .inferenceInputInvalid, "the input '\(input.name)' takes no images",
        notes: ["it is \(input.type?.description ?? "of unknown type")"])
    }
    if let shape { wanted.shape = shape }
    do throws(SampleProblem) { return try ImageFeed.tensor(bytes, for: wanted) } catch {
      throw Failure(
        .inferenceInputInvalid, "'\(path)' cannot be fed: \(error.message)", notes: error.notes,
        help: error.help)
    }
  }

  private static func suffix(of path: String) -> String {
    let file = path.split(separator: "/").last ?? ""
    guard let dot = file.lastIndex(of: ".") else { return "" }
    return file[file.index(after: dot)...].lowercased()
  }

  private static func check(
    _ tensor: TensorData, of path: String, for input: InferenceSession.Input, shape: [Int]?
  ) throws(Failure) {
    guard case .tensor(let type, let declared)? = input.type else { return }
    let item = ModelRunOutcome.Item(input.name, tensor, file: nil)
    let wanted = shape.map { $0.map { Dimension.fixed($0) } } ?? declared
    let fits = wanted.map { wanted in
      wanted.count == tensor.dimensions.count
        && zip(wanted, tensor.dimensions).allSatisfy { wanted, extent in
          if case .fixed(let count) = wanted { count == extent } else { true }
        }
    }
    guard type == tensor.elementType || type == .undefined, fits ?? true else {
      throw Failure(
        .inferenceInputInvalid,
        "the input '\(input.name)' wants \(ValueType.tensor(type, shape: wanted)), and '\(path)' "
          + "holds \(item.type)",
        help: type == tensor.elementType
          ? "save an array of the wanted shape" : "save it with .astype(numpy.\(type.name))")
    }
  }

  private static func raw(
    _ bytes: Bytes, _ path: String, _ input: InferenceSession.Input, _ given: [Int]?
  ) throws(Failure) -> TensorData {
    guard case .tensor(let type, let declared)? = input.type, type.bitWidth != nil else {
      throw Failure(
        .inferenceInputInvalid, "the input '\(input.name)' takes no raw bytes",
        notes: ["it is \(input.type?.description ?? "of unknown type")"])
    }
    let shape = try shape(of: input.name, type, declared, given)
    guard let count = TensorData.elementCount(of: shape), let wanted = type.byteCount(of: count)
    else {
      throw Failure(.inferenceInputInvalid, "the input '\(input.name)' is too large: \(shape)")
    }
    guard wanted == bytes.count else {
      let text = ValueType.tensor(type, shape: shape.map { .fixed($0) })
      throw Failure(
        .inferenceInputInvalid,
        "'\(path)' has \(bytes.count) bytes, and the input '\(input.name)' wants \(wanted)",
        notes: ["it is \(text)"],
        help: given == nil
          ? "write the little-endian elements of exactly that type and shape, row-major"
          : "write such elements, or say their shape with --inputShape=\(input.name):...")
    }
    return TensorData(elementType: type, dimensions: shape, storage: .packed(bytes))
  }

  private static func shape(
    of name: String, _ type: ElementType, _ declared: [Dimension]?, _ given: [Int]?
  ) throws(Failure) -> [Int] {
    let fixed = declared?.compactMap { dimension -> Int? in
      if case .fixed(let extent) = dimension { extent } else { nil }
    }
    if let given {
      let fits = declared.map { declared in
        declared.count == given.count
          && zip(declared, given).allSatisfy { dimension, extent in
            if case .fixed(let count) = dimension { count == extent } else { true }
          }
      }
      if fits ?? true { return given }
      throw Failure(
        .inferenceInputInvalid,
        "the input '\(name)' is \(ValueType.tensor(type, shape: declared)), and --inputShape says "
          + "\(given.map(String.init).joined(separator: ","))")
    }
    if let fixed, fixed.count == declared?.count { return fixed }
    let example = declared?.map { dimension in
      if case .fixed(let extent) = dimension { String(extent) } else { "1" }
    }
    throw Failure(
      .inferenceInputInvalid,
      "raw bytes for the input '\(name)' need a shape: it is "
        + "\(ValueType.tensor(type, shape: declared))",
      help: "--inputShape=\(name):\(example?.joined(separator: ",") ?? "1,3,224,224")")
  }
}
