extension Families {
  static let reductions: [OperatorDefinition] = []
}
