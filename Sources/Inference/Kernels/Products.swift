extension Families {
  static let products: [OperatorDefinition] = []
}
