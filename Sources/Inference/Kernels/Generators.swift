extension Families {
  static let generators: [OperatorDefinition] = []
}
