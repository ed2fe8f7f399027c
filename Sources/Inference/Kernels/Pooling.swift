extension Families {
  static let pooling: [OperatorDefinition] = []
}
