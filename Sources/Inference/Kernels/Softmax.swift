extension Families {
  static let softmax: [OperatorDefinition] = []
}
