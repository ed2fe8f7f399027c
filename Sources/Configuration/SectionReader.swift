/// Takes typed values out of one section; what the file doesn't give has the table's default.
struct SectionReader {
  let parsed: ParsedConfiguration
  let section: String

  /// The given or default value; nil when there is neither.
  func value(_ key: String) -> ConfigurationValue? {
    if let stated = parsed.value(section: section, key: key) { return stated }
    guard let setting = KeyTable.setting(section: section, key: key),
      let text = setting.defaultText
    else { return nil }
    return try? ValueParser.parse(text, as: setting.type)
  }

  func optionalInteger(_ key: String) -> Int? {
    if case .integer(let value) = value(key) { value } else { nil }
  }

  func optionalText(_ key: String) -> String? { value(key)?.text }

  func optionalVector(_ key: String) -> [Double]? {
    if case .vector(let numbers) = value(key) { numbers } else { nil }
  }

  func optionalWord<Words: RawRepresentable<String>>(_ key: String) -> Words? {
    if case .word(let name) = value(key) { Words(rawValue: name) } else { nil }
  }

  func integer(_ key: String) -> Int { required(key, optionalInteger(key)) }

  func boolean(_ key: String) -> Bool {
    guard case .boolean(let value) = value(key) else { return required(key, nil) }
    return value
  }

  func real(_ key: String) -> Double {
    guard case .real(let value) = value(key) else { return required(key, nil) }
    return value
  }

  func optionalReal(_ key: String) -> Double? {
    if case .real(let value) = value(key) { value } else { nil }
  }

  func word<Words: RawRepresentable<String>>(_ key: String) -> Words {
    required(key, optionalWord(key))
  }

  private func required<Value>(_ key: String, _ value: Value?) -> Value {
    guard let value else {
      preconditionFailure("the key table gives [\(section)] \(key) no default of this type")
    }
    return value
  }
}
