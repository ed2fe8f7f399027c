extension Families {
  static let normalization: [OperatorDefinition] = []
}
