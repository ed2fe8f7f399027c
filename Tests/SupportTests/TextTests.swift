import Foundation
import Testing

@testable import Support

@Suite struct TextTests {
  /// The definition, case by case.
  private func matches(_ pattern: Substring, _ name: Substring) -> Bool {
    guard let first = pattern.first else { return name.isEmpty }
    if first == "*" {
      return matches(pattern.dropFirst(), name)
        || !name.isEmpty && matches(pattern, name.dropFirst())
    }
    guard let letter = name.first, first == "?" || first == letter else { return false }
    return matches(pattern.dropFirst(), name.dropFirst())
  }

  @Test func globsMatchTheDefinition() {
    let letters = Array("ab*?")
    for pattern in 0..<256 {
      for length in 1...4 {
        let text = String((0..<length).map { letters[pattern >> (2 * $0) & 3] })
        for name in ["", "a", "b", "ab", "ba", "aab", "abab", "bbbb"] {
          #expect(Glob(text).matches(name) == matches(text[...], name[...]), "\(text) \(name)")
        }
      }
    }
    #expect(Glob("plain").isLiteral && !Glob("pl*").isLiteral)
  }

  @Test func theNearestSpellingIsFoundAndNothingFar() {
    let keys = ["bit_num", "quant_type", "skip_quant_node"]
    #expect(Spelling.nearest(to: "bitnum", among: keys) == "bit_num")
    #expect(Spelling.nearest(to: "qaunt_type", among: keys) == "quant_type")
    #expect(Spelling.nearest(to: "SKIP_QUANT_NODE", among: keys) == "skip_quant_node")
    #expect(Spelling.nearest(to: "calibrate", among: keys) == nil)
    #expect(Spelling.nearest(to: "", among: keys) == nil)
  }

  @Test func jsonIsWhatOtherParsersRead() throws {
    let nasty = "quote \" back \\ line \n tab \t bell \u{7} é 漢 😀"
    let value = JSONValue.object([
      ("text", .string(nasty)), ("list", .array([.integer(-3), .number(1.5), .bool(true), .null])),
      ("none", .number(.nan)), (nasty, .object([])),
    ])
    let parsed = try JSONSerialization.jsonObject(with: Data(value.text.utf8)) as? [String: Any]
    #expect(parsed?["text"] as? String == nasty)
    #expect((parsed?["list"] as? [Any])?.count == 4)
    #expect(parsed?["none"] is NSNull)
    #expect(parsed?[nasty] is [String: Any])
    #expect(!value.text.contains("\n"))
  }

  @Test func numbersHaveTheDigitsAsked() {
    #expect(NumberText.significant(Double(Float(0.0117647061)), 9) == "0.0117647061")
    #expect(NumberText.significant(.infinity, 9) == "inf")
    #expect(NumberText.bytes(999) == "999 B")
    #expect(NumberText.bytes(18_811_961) == "18.8 MB")
    #expect(NumberText.count(17_240_000) == "17.24 M")
  }

  @Test func aDiagnosticShowsItsPlace() {
    let diagnostic = Diagnostic(
      .unknownKey, "unknown key 'bitnum'",
      location: .init(
        file: "a.cfg", line: 12, column: 2, length: 6, lineText: "\tbitnum=é", label: "here"),
      notes: ["why"], help: "what")
    #expect(
      DiagnosticRenderer.render(diagnostic) == """
        error[GS1007]: unknown key 'bitnum'
          --> a.cfg:12:2
           |
        12 |  bitnum=é
           |  ^^^^^^ here
           = why
           = help: what

        """)
  }

  @Test func theFirstErrorDecidesTheExitStatus() {
    let failure = Failure([
      Diagnostic(.keyWithoutEffect, "a", severity: .warning), Diagnostic(.cannotWrite, "b"),
      Diagnostic(.usageForTest, "c"),
    ])
    #expect(failure.exitStatus == .cannotWrite)
  }
}

extension DiagnosticCode {
  fileprivate static let usageForTest = DiagnosticCode.flagInvalid
}
