/// One section of a configuration file: all there is to know about it.
public struct SectionEntry: Hashable, Sendable {
  /// The name, or its beginning if `matchesPrefix`.
  public var name: String
  /// Whether any text may follow the name.
  public var matchesPrefix: Bool
  /// One line for the manual.
  public var summary: String
  /// Its keys, in the manual's order.
  public var keys: [Setting]
  /// Whether keys that aren't listed are accepted too.
  public var acceptsOtherKeys: Bool
  /// Whether the section belongs to other tasks than quantization, so that it only draws a warning.
  public var isForeign: Bool
  /// What this version lacks to heed the section; nil when it can.
  public var needs: String?

  init(
    _ name: String, matchesPrefix: Bool = false, _ summary: String, keys: [Setting] = [],
    acceptsOtherKeys: Bool = false, isForeign: Bool = false, needs: String? = nil
  ) {
    self.name = name
    self.matchesPrefix = matchesPrefix
    self.summary = summary
    self.keys = keys
    self.acceptsOtherKeys = acceptsOtherKeys
    self.isForeign = isForeign
    self.needs = needs
  }

  /// The name as the manual shows it.
  public var title: String { matchesPrefix ? name + "*" : name }

  /// The conversions that any key of the section steers.
  var scope: Scope {
    keys.isEmpty ? .any : keys.reduce(into: Scope()) { $0.formUnion($1.scope) }
  }
}

/// A section outside quantization, kept so that files of other tools work unchanged.
func neighbour(
  _ name: String, matchesPrefix: Bool = false, _ summary: String, keys: [Setting] = []
) -> SectionEntry {
  SectionEntry(
    name, matchesPrefix: matchesPrefix, summary, keys: keys, acceptsOtherKeys: true,
    isForeign: true)
}
