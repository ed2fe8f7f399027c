import Foundation
import Support
import Testing

@testable import Configuration

@Suite struct ReferenceTests {
  private static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("docs")

  private func compare(_ name: String, _ page: String) throws {
    let file = Self.folder.appendingPathComponent(name)
    if ProcessInfo.processInfo.environment["GSCONVERT_REGENERATE"] == "1" {
      try page.write(to: file, atomically: true, encoding: .utf8)
    }
    let committed = try String(contentsOf: file, encoding: .utf8)
    #expect(committed == page, "\(name) is stale: GSCONVERT_REGENERATE=1 swift test writes it")
  }

  @Test func theConfigurationPageIsFresh() throws {
    try compare("config-reference.md", ConfigurationReference.markdown)
  }

  @Test func theDiagnosticsPageIsFresh() throws {
    try compare("diagnostics.md", DiagnosticReference.markdown)
  }

  @Test func everyKeyIsInTheManualAndExplained() throws {
    let page = ConfigurationReference.markdown
    for section in KeyTable.sections {
      #expect(page.contains("[\(section.title)]"))
      for key in section.keys {
        #expect(page.contains("| `\(key.name)` |"))
        let text = try ConfigurationReference.explain("\(section.name).\(key.name)")
        #expect(text.hasPrefix("\(section.name).\(key.name)\n"))
      }
    }
  }

  @Test func namesAreUnique() {
    let sections = KeyTable.sections.map(\.name)
    #expect(Set(sections).count == sections.count)
    for keys in KeyTable.sections.map({ $0.keys.map(\.name) }) {
      #expect(Set(keys).count == keys.count)
    }
  }

  @Test func aKeyIsExplainedInWords() throws {
    #expect(
      try ConfigurationReference.explain("bit_num") == """
        common_quant_param.bit_num
          Bits per weight; 0 chooses the bits of each weight tensor by its error. FULL_QUANT and \
        DYNAMIC_QUANT take 8 only.
          value       an integer from 0 to 16
          default     8
          applies to  all

        """)
  }

  @Test func aBareKeyNamesAllItsSections() throws {
    let text = try ConfigurationReference.explain("per_channel")
    #expect(text.contains("weight_quant_param.per_channel\n"))
    #expect(text.contains("full_quant_param.per_channel\n"))
  }

  @Test func sectionsAndFlagsAreExplained() throws {
    #expect(try ConfigurationReference.explain().contains("[common_quant_param]"))
    #expect(try ConfigurationReference.explain("aoe_tuning").contains("aoe_*"))
    #expect(try ConfigurationReference.explain("layer_policy.ffn").contains("Golden Stick"))
    #expect(try ConfigurationReference.explain("configFile").contains("required"))
    #expect(try ConfigurationReference.explain("threads").contains("0 is one per core"))
  }

  @Test(arguments: [
    ("common_quant_parm", "did you mean 'common_quant_param'?"),
    ("common_quant_param.bit_nun", "did you mean 'common_quant_param.bit_num'?"),
    ("savetype", "did you mean 'saveType'?"),
    ("zzzzzzzzzzzz", "gsconvert config --explain lists all sections"),
  ])
  func unknownNamesGetASuggestion(name: String, help: String) throws {
    let failure = try #require(
      failure { () throws(Failure) in try ConfigurationReference.explain(name) })
    #expect(failure.diagnostics[0].help == help)
    #expect(failure.exitStatus == .usage)
  }

  @Test func codesAreUniqueAndExplained() {
    #expect(DiagnosticCode.allCases.allSatisfy { !$0.summary.isEmpty })
    #expect(
      Set(DiagnosticCode.allCases.map(\.summary)).count >= DiagnosticCode.allCases.count - 3)
  }
}
