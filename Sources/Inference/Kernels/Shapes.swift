extension Families {
  static let shapes: [OperatorDefinition] = []
}
