import Foundation
import Testing

@testable import Inference

@Suite struct OperatorReferenceTests {
  /// The results of the backend tests, which stand behind the table, need their data to be made.
  @Test func theOperatorPageIsFresh() throws {
    let file = GoldenCase.fixtures.deletingLastPathComponent()
      .appendingPathComponent("docs/operators.md")
    var committed = try String(contentsOf: file, encoding: .utf8)
    let cases = try #require(committed.range(of: "\n" + OperatorReference.casesHeading))
    let page = OperatorReference.markdown()
    if ProcessInfo.processInfo.environment["GSCONVERT_REGENERATE"] == "1" {
      committed = page + committed[cases.lowerBound...]
      try committed.write(to: file, atomically: true, encoding: .utf8)
    }
    let isFresh = committed.hasPrefix(page + "\n" + OperatorReference.casesHeading)
    #expect(isFresh, "operators.md is stale: `make conformance` or `make docs` writes it")
  }

  @Test func everyOperatorIsDefinedOnce() {
    let names = OperatorTable.all.map { "\($0.domain).\($0.name)" }
    #expect(Set(names).count == names.count)
  }

  @Test func everyRowHasVersionsAndTypes() {
    for line in OperatorReference.markdown().split(separator: "\n") where line.hasPrefix("| ") {
      let cells = line.split(separator: "|", omittingEmptySubsequences: false)
      #expect(cells.count == 6, "\(line)")
      let isFilled = [1, 2, 4].allSatisfy { cells[$0].contains { $0 != " " } }
      #expect(isFilled, "\(line)")
    }
  }
}
