extension Families {
  /// Recurrent layers: a cell that runs along a sequence.
  static let recurrent = [
    LongShortTermMemory.definition, GatedUnit.definition, PlainRecurrence.definition,
  ]
}
