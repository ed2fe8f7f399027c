extension Families {
  static let sequences: [OperatorDefinition] = []
}
