import ModelGraph
import Support

/// Checks what is fed against what a model declares.
enum FeedCheck {
  /// - Throws: every missing, unknown and unfitting input at once.
  static func check(
    _ feeds: [String: RunValue], against inputs: [InferenceSession.Input]
  ) throws(Failure) {
    var problems: [Diagnostic] = []
    let names = Set(inputs.map(\.name))
    for name in feeds.keys.sorted() where !names.contains(name) {
      problems.append(
        Diagnostic(
          .inferenceInputInvalid, "the model has no input '\(name)'",
          help: "its inputs are: \(inputs.map(\.name).joined(separator: ", "))"))
    }
    var extents: [String: (extent: Int, input: String)] = [:]
    for input in inputs {
      guard let feed = feeds[input.name] else {
        problems.append(
          Diagnostic(
            .inferenceInputInvalid, "the input '\(input.name)' is missing",
            help: "it is \(input.type.map(\.description) ?? "of unknown type")"))
        continue
      }
      if let tensor = feed.tensor, let problem = mismatch(tensor, input, &extents) {
        problems.append(problem)
      }
    }
    if !problems.isEmpty { throw Failure(problems) }
  }

  private static func mismatch(
    _ tensor: Tensor, _ input: InferenceSession.Input,
    _ extents: inout [String: (extent: Int, input: String)]
  ) -> Diagnostic? {
    guard case .tensor(let type, let shape)? = input.type else { return nil }
    var fits = type == .undefined || type == tensor.elementType
    var note: String?
    if let shape {
      fits = fits && shape.count == tensor.rank
      for (dimension, extent) in zip(shape, tensor.shape) {
        switch dimension {
        case .fixed(let wanted): fits = fits && wanted == extent
        case .symbolic(let name):
          if let known = extents[name], known.extent != extent {
            note = "'\(name)' is \(known.extent) in the input '\(known.input)'"
            fits = false
          }
          extents[name] = (extent, input.name)
        case .unknown: break
        }
      }
    }
    if fits { return nil }
    return Diagnostic(
      .inferenceInputInvalid,
      "the input '\(input.name)' wants \(ValueType.tensor(type, shape: shape)), not \(tensor.description)",
      notes: note.map { [$0] } ?? [])
  }
}
