/// The manual's page of operators, made from the table.
package enum OperatorReference {
  /// The heading of the page's second part, which `make conformance` writes.
  package static let casesHeading = "## ONNX backend tests"

  /// Markdown: a section a family with one row an operator.
  package static func markdown() -> String {
    var text = """
      # Operators the engine runs

      <!-- Generated from OperatorTable; `make conformance` writes it. -->

      Operators of ONNX, and of ONNX Runtime where a name has `com.microsoft` before it. Versions
      are those of the operator set in which an operator came and changed, after ONNX
      \(OperatorHistory.source); models may have any from 7 on. Types are those computed with:
      16-bit floats in float32, all others as they are.

      """
    for family in OperatorTable.families where !family.operators.isEmpty {
      text += "\n## \(family.title)\n\n| operator | versions | what differs | types |\n"
      text += "| --- | --- | --- | --- |\n"
      for entry in family.operators.sorted(by: { ($0.domain, $0.name) < ($1.domain, $1.name) }) {
        text += "| \(name(entry)) | \(versions(entry)) | \(entry.versions) | \(entry.types) |\n"
      }
    }
    let lacking = OperatorHistory.versions.keys.filter {
      OperatorTable.find($0, domain: "") == nil
    }
    guard !lacking.isEmpty else { return text }
    return text + "\n## Not run\n\n" + lacking.sorted().joined(separator: ", ") + ".\n"
  }

  private static func name(_ entry: OperatorDefinition) -> String {
    entry.domain.isEmpty ? entry.name : "\(entry.domain).\(entry.name)"
  }

  private static func versions(_ entry: OperatorDefinition) -> String {
    guard entry.domain.isEmpty else { return "1" }
    return OperatorHistory.versions[entry.name]?.map(String.init).joined(separator: ", ") ?? "1"
  }
}
