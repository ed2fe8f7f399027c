extension Families {
  static let indexing: [OperatorDefinition] = []
}
