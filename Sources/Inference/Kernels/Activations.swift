extension Families {
  static let activations: [OperatorDefinition] = []
}
