extension Families {
  static let comparisons: [OperatorDefinition] = []
}
