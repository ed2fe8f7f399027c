extension Families {
  static let signal: [OperatorDefinition] = []
}
