extension Families {
  static let attention: [OperatorDefinition] = []
}
