extension Families {
  static let recurrent: [OperatorDefinition] = []
}
