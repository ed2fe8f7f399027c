/// The one list of every section and key of a configuration file.
///
/// Parsing, validation, defaults, the manual and `config --explain` all come from it.
public enum KeyTable {
  /// The section that says which quantization is wanted.
  public static let common = "common_quant_param"
  /// The section that holds flags of the command line.
  public static let converter = "converter_param"

  /// The section about quantization that a model brings along.
  static let transform = "transform_quant_param"

  /// All sections, in the manual's order.
  public static let sections: [SectionEntry] =
    quantizationSections + [converterSection] + neighbourSections + goldenStickSections

  /// The section of that name, in exactly this spelling.
  public static func section(_ name: String) -> SectionEntry? {
    sectionsByName[name] ?? prefixSections.first { name.hasPrefix($0.name) }
  }

  /// The key of that name in that section, in exactly this spelling.
  public static func setting(section: String, key: String) -> Setting? {
    self.section(section)?.keys.first { $0.name == key }
  }

  /// The sections that have a key of that name.
  static func homes(of key: String) -> [String] {
    sections.filter { entry in entry.keys.contains { $0.name == key } }.map(\.name)
  }

  /// The only section that has a key of that name.
  static func home(of key: String) -> String? {
    let homes = homes(of: key)
    return homes.count == 1 ? homes.first : nil
  }

  private static let sectionsByName = Dictionary(
    sections.filter { !$0.matchesPrefix }.map { ($0.name, $0) }
  ) { first, _ in first }
  private static let prefixSections = sections.filter(\.matchesPrefix)

  private static let converterSection = SectionEntry(
    converter, "Flags of the command line, which wins over this section.",
    keys: FlagTable.flags.filter { $0.name != FlagTable.configFile })
}
