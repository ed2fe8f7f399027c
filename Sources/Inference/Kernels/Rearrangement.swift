extension Families {
  static let rearrangement: [OperatorDefinition] = []
}
