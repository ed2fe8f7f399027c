import Support

/// The manual of the diagnostic codes, made from their table.
public enum DiagnosticReference {
  /// The page as Markdown.
  public static var markdown: String {
    var page = """
      # Diagnostic codes

      <!-- Generated from DiagnosticCode; GSCONVERT_REGENERATE=1 swift test writes it. -->

      Every error and warning has a code that never changes its meaning. A run that fails exits
      with the status of its first error; warnings don't change the exit status.

      | code | exit status | meaning |
      | --- | --- | --- |

      """
    for code in DiagnosticCode.allCases {
      page += "| \(code.rawValue) | \(code.exitStatus.rawValue) | \(code.summary) |\n"
    }
    page += "\n## Exit status\n\n| status | meaning |\n| --- | --- |\n"
    for status in ExitStatus.allCases { page += "| \(status.rawValue) | \(status.summary) |\n" }
    return page
  }
}
