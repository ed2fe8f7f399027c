extension Families {
  static let losses: [OperatorDefinition] = []
}
