extension Families {
  static let training: [OperatorDefinition] = []
}
