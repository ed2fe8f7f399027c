import Support

/// The manual of the configuration file and the command line, made from the tables.
public enum ConfigurationReference {
  /// The whole manual as Markdown.
  public static var markdown: String {
    var page = """
      # Configuration reference

      <!-- Generated from the key and flag tables; GSCONVERT_REGENERATE=1 swift test writes it. -->

      A configuration file is INI text in UTF-8: `[section]` headers with `key=value` lines below
      them. Section and key names are case-sensitive, words and booleans are not.

      * `#` and `;` begin a comment, at the start of a line or behind a value. In lists, paths,
        shapes and text they do so only behind a blank.
      * Quotes `"..."` or `'...'` around a value are removed and protect what is inside.
      * A `\\` at the end of a line joins it with the next one.
      * A section may be given several times; a key only once.
      * Paths are relative to the working directory.

      """
    for section in KeyTable.sections where !section.keys.isEmpty && section.name != flags {
      page += "\n## [\(section.title)]\n\n\(section.summary)\(remark(section))\n\n"
      page += table(section.keys, showsScope: true)
    }
    page += "\n## Sections without listed keys\n\nAny key is accepted in them.\n\n"
    page += "| section | meaning |\n| --- | --- |\n"
    for section in KeyTable.sections where section.keys.isEmpty {
      page += "| `[\(section.title)]` | \(section.summary)\(remark(section)) |\n"
    }
    page += """

      ## Flags

      Written `--name=value`. Each but `configFile` is a key of `[\(flags)]` as well; the command
      line wins.


      """
    return page + table(FlagTable.flags, showsScope: false)
  }

  /// The manual's entry for a section, a `SECTION.KEY`, a key or a flag; without a name, the list
  /// of sections.
  ///
  /// - Throws: `flagInvalid` with a suggestion for a name that doesn't exist.
  public static func explain(_ name: String? = nil) throws(Failure) -> String {
    guard let name, !name.isEmpty else { return overview }
    if let section = KeyTable.sections.first(where: { $0.name == name || $0.title == name }) {
      return describe(section)
    }
    let entries = settings.filter { $0.path == name || $0.setting.name == name }
    if !entries.isEmpty {
      return entries.map { describe($0.setting, path: $0.path) }.joined(separator: "\n")
    }
    if let section = KeyTable.section(name) { return describe(section) }
    let names = KeyTable.sections.map(\.name) + settings.flatMap { [$0.path, $0.setting.name] }
    throw Failure(
      .flagInvalid, "there is no section, key or flag '\(name)'",
      help: Spelling.nearest(to: name, among: names).map { "did you mean '\($0)'?" }
        ?? "gsconvert config --explain lists all sections")
  }

  private static let flags = KeyTable.converter

  /// Every key and flag with its full name.
  private static var settings: [(path: String, setting: Setting)] {
    KeyTable.sections.flatMap { section in
      section.keys.map { ("\(section.name).\($0.name)", $0) }
    } + [FlagTable.flag(FlagTable.configFile)].compactMap { $0 }.map { ($0.name, $0) }
  }

  private static func remark(_ section: SectionEntry) -> String {
    if let needs = section.needs { return " Not in this version: it needs \(needs)." }
    return section.isForeign ? " Accepted with a warning: no effect on quantization." : ""
  }

  private static func table(_ settings: [Setting], showsScope: Bool) -> String {
    let scopeTitle = showsScope ? " applies to |" : ""
    var rows = "| \(showsScope ? "key" : "flag") | value | default |\(scopeTitle) meaning |\n"
    rows += "| --- | --- | --- |\(showsScope ? " --- |" : "") --- |\n"
    for setting in settings {
      let scope = showsScope ? " \(setting.scope.summary) |" : ""
      rows += "| `\(setting.name)` | \(setting.type.expectation) | "
      rows += "\(setting.defaultText.map { "`\($0)`" } ?? "-") |\(scope) \(meaning(setting)) |\n"
    }
    return rows
  }

  private static func meaning(_ setting: Setting) -> String {
    let values = setting.idleValues.map { values in
      " of " + ByteText.enumeration(values.map { "`\($0)`" })
    }
    let idle = setting.idleReason.map { ["No effect\(values ?? ""): \($0)."] } ?? []
    return ([setting.summary] + setting.refusals.map(\.sentence) + idle).joined(separator: " ")
  }

  private static var overview: String {
    let width = KeyTable.sections.map(\.title.count).max() ?? 0
    return KeyTable.sections.map { section in
      let padding = String(repeating: " ", count: width - section.title.count)
      return "[\(section.title)]\(padding)  \(section.summary)\n"
    }.joined()
  }

  private static func describe(_ section: SectionEntry) -> String {
    let heading = "[\(section.title)]  \(section.summary)\(remark(section))\n"
    return heading
      + section.keys.map { "\n" + describe($0, path: "\(section.name).\($0.name)") }.joined()
  }

  private static func describe(_ setting: Setting, path: String) -> String {
    var text = "\(path)\n  \(meaning(setting))\n  value       \(setting.type.expectation)\n"
    text += "  default     \(setting.defaultText ?? "none")\n"
    if !path.hasPrefix(flags), path != FlagTable.configFile {
      text += "  applies to  \(setting.scope.summary)\n"
    }
    return text
  }
}
