extension Families {
  static let controlFlow: [OperatorDefinition] = []
}
