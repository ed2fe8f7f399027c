extension Families {
  static let quantization: [OperatorDefinition] = []
}
