extension Families {
  static let random: [OperatorDefinition] = []
}
