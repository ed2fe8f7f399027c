/// The one table of operators the engine runs.
enum OperatorTable {
  /// Every operator, family by family.
  static let all: [OperatorDefinition] =
    Families.constants + Families.arithmetic + Families.mathematics + Families.activations
    + Families.comparisons + Families.casts + Families.shapes + Families.rearrangement
    + Families.indexing + Families.generators + Families.sequences + Families.texts
    + Families.reductions + Families.sorting + Families.softmax + Families.normalization
    + Families.pooling + Families.resampling + Families.losses + Families.detection
    + Families.convolution + Families.products + Families.einsum + Families.attention
    + Families.recurrent + Families.controlFlow + Families.signal + Families.quantization
    + Families.random + Families.training

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
