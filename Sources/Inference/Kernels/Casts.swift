extension Families {
  static let casts: [OperatorDefinition] = []
}
