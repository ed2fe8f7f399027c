extension Families {
  static let detection: [OperatorDefinition] = []
}
