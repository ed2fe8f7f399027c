import Support

/// A configuration file whose names and values fit the key table, each with its place.
public struct ParsedConfiguration: Sendable {
  /// The file as the user named it.
  public let fileName: String

  /// A key of the file with its value.
  struct Stated: Sendable {
    var assignment: Assignment
    var setting: Setting
    var value: ConfigurationValue
  }

  let text: ConfigurationText
  /// Every section header, known or not, in the file's order.
  let headers: [SectionHeader]
  /// Every assignment, known or not, in the file's order.
  let assignments: [Assignment]
  /// The keys whose value is valid, in the file's order.
  let stated: [Stated]
  /// What is wrong with syntax, names and values.
  let problems: [Diagnostic]

  /// What deserves attention but doesn't stop the conversion.
  public var warnings: [Diagnostic] { problems.filter { $0.severity == .warning } }

  /// The flags that `[converter_param]` sets, by name.
  public var converterParameters: [String: ConfigurationValue] {
    var parameters: [String: ConfigurationValue] = [:]
    for entry in stated where entry.assignment.section == KeyTable.converter {
      parameters[entry.assignment.key] = entry.value
    }
    return parameters
  }

  /// The value that the file gives to a key; nil when it leaves the default.
  public func value(section: String, key: String) -> ConfigurationValue? {
    find(section, key)?.value
  }

  /// Where the value of a key stands, or a part of it in bytes from its start; nil when the file
  /// doesn't give it.
  public func location(
    section: String, key: String, part: Range<Int>? = nil
  ) -> Diagnostic.Location? {
    find(section, key).map { valueLocation($0.assignment, part: part) }
  }

  func find(_ section: String, _ key: String) -> Stated? {
    stated.first { $0.assignment.section == section && $0.assignment.key == key }
  }

  func keyLocation(_ assignment: Assignment, label: String? = nil) -> Diagnostic.Location {
    text.location(text.logicalLines[assignment.line], assignment.keyRange, label: label)
  }

  /// The place of a value, or of a part of it in bytes from its start.
  func valueLocation(
    _ assignment: Assignment, part: Range<Int>? = nil, label: String? = nil
  ) -> Diagnostic.Location {
    let start = assignment.valueRange.lowerBound
    let range = part.map { start + $0.lowerBound..<start + $0.upperBound }
    return text.location(
      text.logicalLines[assignment.line], range ?? assignment.valueRange, label: label)
  }

  func location(_ header: SectionHeader, label: String? = nil) -> Diagnostic.Location {
    text.location(text.logicalLines[header.line], header.range, label: label)
  }

  /// The kind of conversion that the file asks for; nil when it isn't known.
  var scope: Scope? { Self.scope(of: stated) }

  static func scope(of stated: [Stated]) -> Scope? {
    func word(_ section: String, _ key: String) -> String? {
      stated.first { $0.assignment.section == section && $0.assignment.key == key }?.value.text
    }
    guard let quantType = word(KeyTable.common, "quant_type").flatMap(QuantType.init) else {
      return nil
    }
    switch quantType {
    case .fullQuant: return .full
    case .dynamicQuant: return .dynamic
    case .weightQuant:
      let isMixed = word(KeyTable.common, "bit_num") == "0"
      let searches =
        isMixed
        && (word("mixed_bit_weight_quant_param", "auto_tune") == "true"
          || ["target_size", "target_bits", "target_cosine"].contains {
            word("mixed_bit_weight_quant_param", $0) != nil
          })
        || word("weight_quant_param", "quant_strategy") == "GPTQ"
      let reports = word(KeyTable.common, "debug_info_save_path") != nil
      let scope: Scope = isMixed ? .mixedBit : .fixedBit
      return searches || reports ? [scope, .sampledWeight] : scope
    }
  }
}
