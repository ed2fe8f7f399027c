import Foundation
import Testing

/// Texts as they were when somebody last looked at them: files in `Snapshots`.
enum Snapshot {
  private static let folder = Fixtures.root + "/Tests/CommandLineTests/Snapshots"

  /// Compares a text with its snapshot. What differs from run to run becomes a placeholder first.
  static func check(
    _ text: String, _ name: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let text = withPlaceholders(text)
    let path = "\(folder)/\(name).txt"
    if ProcessInfo.processInfo.environment["GSCONVERT_REGENERATE"] == "1" {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }
    let known = try? String(contentsOfFile: path, encoding: .utf8)
    #expect(
      text == known, "\(name).txt differs: GSCONVERT_REGENERATE=1 swift test writes it",
      sourceLocation: sourceLocation)
  }

  /// Times, measured memory and the program's version depend on the machine or the day.
  static func withPlaceholders(_ text: String) -> String {
    text
      .replacing(#/(\d+\.\d+) s   peak \d+(\.\d+)? [kMG]?B/#, with: "<seconds> s   peak <memory>")
      .replacing(#/\d+\.\d+ ms/#, with: "<time> ms")
      .replacing(#/memory     peak \d+(\.\d+)? [kMG]?B/#, with: "memory     peak <memory>")
      .replacing(#/"seconds":[0-9.e+-]+/#, with: #""seconds":<seconds>"#)
      .replacing(#/"peakBytes":\d+/#, with: #""peakBytes":<memory>"#)
      .replacing(#/gsconvert \d+\.\d+\.\d+/#, with: "gsconvert <version>")
  }
}
