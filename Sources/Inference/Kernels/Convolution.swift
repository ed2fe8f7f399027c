extension Families {
  static let convolution: [OperatorDefinition] = []
}
