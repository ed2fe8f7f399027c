extension Families {
  static let texts: [OperatorDefinition] = []
}
