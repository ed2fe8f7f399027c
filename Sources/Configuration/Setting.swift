/// One key of a section, or one flag of the command line: all there is to know about it.
public struct Setting: Hashable, Sendable {
  /// The spelling, which is case-sensitive.
  public var name: String
  /// What it takes.
  public var type: ValueType
  /// The value when it isn't given; nil when there is none.
  public var defaultText: String?
  /// The conversions it steers; for a flag, all.
  public var scope: Scope
  /// One line for the manual.
  public var summary: String
  /// The values that this version refuses.
  public var refusals: [Refusal]
  /// Why it is accepted but changes nothing; nil for settings that work.
  public var idleReason: String?
  /// The values for which that holds; nil for all.
  var idleValues: [String]?
  /// Whether the value must never be printed.
  public var isSecret: Bool

  init(
    _ name: String, _ type: ValueType, default defaultText: String? = nil, for scope: Scope = .any,
    _ summary: String, refusing refusals: [Refusal] = [], idle idleReason: String? = nil,
    onlyFor idleValues: [String]? = nil, isSecret: Bool = false
  ) {
    self.name = name
    self.type = type
    self.defaultText = defaultText
    self.scope = scope
    self.summary = summary
    self.refusals = refusals
    self.idleReason = idleReason
    self.idleValues = idleValues
    self.isSecret = isSecret
  }

  /// Why `value` is accepted but changes nothing; nil if it works.
  func idleReason(of value: ConfigurationValue) -> String? {
    idleValues?.contains(value.text) ?? true ? idleReason : nil
  }

  /// The refusal that `value` meets in this version.
  func refusal(of value: ConfigurationValue) -> Refusal? {
    refusals.first { $0.refuses(value.text) }
  }
}

/// Values that are valid but not built yet, and what they are waiting for.
///
/// Building a capability means taking its refusal out of the table.
public struct Refusal: Hashable, Sendable {
  private enum Values: Hashable {
    case some([String])
    case allExcept([String])
  }

  private var values: Values
  /// What is lacking, to stand behind "needs".
  public var needs: String
  /// A value that works instead, written as the user would.
  public var instead: String?

  /// Refuses just these values.
  static func of(_ values: String..., needs: String, instead: String? = nil) -> Refusal {
    Refusal(values: .some(values), needs: needs, instead: instead)
  }

  /// Refuses all values but these.
  static func allExcept(_ values: String..., needs: String, instead: String? = nil) -> Refusal {
    Refusal(values: .allExcept(values), needs: needs, instead: instead)
  }

  func refuses(_ value: String) -> Bool {
    switch values {
    case .some(let refused): refused.contains(value)
    case .allExcept(let accepted): !accepted.contains(value)
    }
  }

  /// The sentence for the manual.
  var sentence: String {
    switch values {
    case .some(let refused):
      "Not in this version: \(quoted(refused)), which needs \(needs)."
    case .allExcept(let accepted):
      accepted.isEmpty
        ? "Not in this version: it needs \(needs)."
        : "Only \(quoted(accepted)) in this version; others need \(needs)."
    }
  }

  private func quoted(_ words: [String]) -> String {
    ByteText.enumeration(words.map { "`\($0)`" })
  }
}
