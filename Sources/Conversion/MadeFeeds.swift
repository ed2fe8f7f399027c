import Inference
import ModelGraph
import Support

/// Random input of a model's types and shapes, for runs where real data is missing.
struct MadeFeeds {
  private let inputs: [(name: String, type: ElementType, shape: [Int])]

  /// Chooses the shapes of what will be fed: those given, else the declared ones; an open extent is
  /// what its name is elsewhere, else 1.
  ///
  /// - Throws: shapes for inputs that don't exist or have other extents, and inputs that nothing can
  ///   be made for.
  init(_ model: Model, shapes: [String: [Int]]) throws(Failure) {
    let fed = model.graph.inputs.filter { $0.initializer == nil }
    var problems: [Diagnostic] = []
    for name in shapes.keys.sorted() where !fed.contains(where: { $0.name == name }) {
      problems.append(
        Diagnostic(
          .flagInvalid, "--inputShape names '\(name)', and the model has no such input",
          help: "its inputs are: \(fed.map(\.name).joined(separator: ", "))"))
    }
    let extents = Self.namedExtents(fed, shapes)
    var inputs: [(name: String, type: ElementType, shape: [Int])] = []
    for input in fed {
      do throws(Failure) {
        let (type, shape) = try Self.feed(input, shapes[input.name], extents)
        inputs.append((input.name, type, shape))
      } catch {
        problems += error.diagnostics
      }
    }
    if !problems.isEmpty { throw Failure(problems) }
    self.inputs = inputs
  }

  /// The extents that given shapes give to names.
  private static func namedExtents(
    _ inputs: [Value], _ shapes: [String: [Int]]
  ) -> [String: Int] {
    var extents: [String: Int] = [:]
    for input in inputs {
      guard case .tensor(_, let declared?)? = input.type, let given = shapes[input.name] else {
        continue
      }
      for case (.symbolic(let name), let extent) in zip(declared, given) { extents[name] = extent }
    }
    return extents
  }

  private static func feed(
    _ input: Value, _ given: [Int]?, _ extents: [String: Int]
  ) throws(Failure) -> (ElementType, [Int]) {
    guard case .tensor(let type, let declared)? = input.type, type != .undefined else {
      throw Failure(
        .flagUnsupported, "nothing can be made up for the input '\(input.name)' to run the result",
        notes: ["it is \(input.type?.description ?? "of unknown type")"],
        help: "leave out --infer, and use `gsconvert run` with real input")
    }
    if let given {
      if declared?.admits(given) ?? true { return (type, given) }
      throw Failure(
        .flagInvalid,
        "the input '\(input.name)' is \(ValueType.tensor(type, shape: declared)), and --inputShape "
          + "says \(given.map(String.init).joined(separator: ","))")
    }
    guard let declared else {
      throw Failure(
        .flagMissing, "the model does not say how many extents the input '\(input.name)' has",
        help: "--inputShape=\(input.name):1,3,224,224")
    }
    return (
      type,
      declared.map { dimension in
        switch dimension {
        case .fixed(let extent): extent
        case .symbolic(let name): extents[name] ?? 1
        case .unknown: 1
        }
      }
    )
  }

  /// The tensors, the same each time.
  ///
  /// - Throws: a type that the engine doesn't compute with, a shape beyond all memory.
  func tensors() throws(Failure) -> [(name: String, data: TensorData)] {
    try inputs.enumerated().map { index, input throws(Failure) in
      (input.name, try MadeInput.tensor(input.type, input.shape, seed: UInt64(index)))
    }
  }
}
