/// The one table of operators the engine runs.
enum OperatorTable {
  /// Operators that belong together, and what the manual calls them.
  typealias Family = (title: String, operators: [OperatorDefinition])

  /// Every operator, family by family, in the manual's order.
  static let families: [Family] = [
    ("Convolution", Families.convolution), ("Matrix products", Families.products),
    ("Einsum", Families.einsum), ("Attention", Families.attention),
    ("Recurrent networks", Families.recurrent), ("Normalization", Families.normalization),
    ("Pooling", Families.pooling), ("Activations", Families.activations),
    ("Softmax", Families.softmax), ("Resampling", Families.resampling),
    ("Arithmetic", Families.arithmetic), ("Mathematics", Families.mathematics),
    ("Comparison and logic", Families.comparisons), ("Reductions", Families.reductions),
    ("Sorting and searching", Families.sorting), ("Casts and identities", Families.casts),
    ("Shapes", Families.shapes), ("Rearrangement", Families.rearrangement),
    ("Indexing", Families.indexing), ("Constants", Families.constants),
    ("Generators", Families.generators), ("Random numbers", Families.random),
    ("Sequences and optionals", Families.sequences), ("Control flow", Families.controlFlow),
    ("Texts", Families.texts), ("Signal processing", Families.signal),
    ("Detection", Families.detection), ("Quantization", Families.quantization),
    ("Losses", Families.losses), ("Training", Families.training),
  ]

  /// Every operator.
  static let all = families.flatMap(\.operators)

  /// The operator of that name and domain.
  static func find(_ name: String, domain: String) -> OperatorDefinition? {
    byName[Key(name: name, domain: domain == "ai.onnx" ? "" : domain)]
  }

  private struct Key: Hashable {
    let name: String
    let domain: String
  }

  private static let byName: [Key: OperatorDefinition] = Dictionary(
    all.map { (Key(name: $0.name, domain: $0.domain), $0) }, uniquingKeysWith: { first, _ in first }
  )
}

/// The operators, grouped by what they do. Each family has a file of its own.
enum Families {}
