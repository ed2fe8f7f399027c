import Inference

/// The results of one folder of cases.
struct ConformanceSuite {
  /// The folder's name.
  let name: String
  /// Each case's name and how it ended, by name.
  var results: [(name: String, result: CaseResult)] = []

  /// How many cases ended so.
  func count(_ kind: CaseResult.Kind) -> Int { results.count { $0.result.kind == kind } }

  /// All counts in words.
  var counts: String {
    "\(count(.passed)) passed, \(count(.failed)) failed, "
      + "\(count(.differing)) differ for a known reason, \(count(.lacking)) not supported"
  }
}

/// The manual's page of operators with what the backend tests gave.
enum ConformancePage {
  /// Markdown: the table of operators, then the counts, then each case that doesn't pass.
  static func text(_ suites: [ConformanceSuite]) -> String {
    var text =
      OperatorReference.markdown() + """

        \(OperatorReference.casesHeading)

        The cases of Debian's libonnx-testdata, within the suite's tolerances (1e-3 relative):

        | suite | cases | pass | differ | not supported |
        | --- | --- | --- | --- | --- |

        """
    for suite in suites {
      text += "| \(suite.name) | \(suite.results.count) | \(suite.count(.passed)) "
      text += "| \(suite.count(.differing) + suite.count(.failed)) | \(suite.count(.lacking)) |\n"
    }
    text += "\nWhat doesn't pass, and why:\n\n| case | | reason |\n| --- | --- | --- |\n"
    for suite in suites {
      for (name, result) in suite.results where result.kind != .passed {
        text += "| \(name) | \(result.kind.word) | \(result.text) |\n"
      }
    }
    return text
  }
}
