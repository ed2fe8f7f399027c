extension Families {
  static let mathematics: [OperatorDefinition] = []
}
