extension Families {
  static let resampling: [OperatorDefinition] = []
}
