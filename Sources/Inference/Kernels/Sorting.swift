extension Families {
  static let sorting: [OperatorDefinition] = []
}
