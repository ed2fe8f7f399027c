extension Families {
  static let arithmetic: [OperatorDefinition] = []
}
