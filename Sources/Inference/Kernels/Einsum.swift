extension Families {
  static let einsum: [OperatorDefinition] = []
}
