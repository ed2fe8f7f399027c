extension Families {
  /// Recurrent layers: a cell that runs along a sequence.
  static let recurrent = [
    LongShortTermMemory.definition, LongShortTermMemory.dynamicDefinition, GatedUnit.definition,
    PlainRecurrence.definition,
  ]
}
