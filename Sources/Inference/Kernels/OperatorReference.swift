/// The manual's page of operators, made from the table.
package enum OperatorReference {
  /// Markdown: one row an operator, ONNX's own first, then each other domain's.
  package static func markdown() -> String {
    var text = """
      # Operators the engine runs

      Written by `make conformance` from the table in the code; do not edit.

      Computation is in float32, or better where a type is wider. `float` means float32, float64 and, through
      float32, float16 and bfloat16. Versions of ONNX's operator set from 7 on are understood.

      | operator | domain | types | versions |
      |---|---|---|---|

      """
    let sorted = OperatorTable.all.sorted { ($0.domain, $0.name) < ($1.domain, $1.name) }
    for entry in sorted {
      let domain = entry.domain.isEmpty ? "ai.onnx" : entry.domain
      text += "| \(entry.name) | \(domain) | \(entry.types) | \(entry.versions) |\n"
    }
    return text
  }
}
