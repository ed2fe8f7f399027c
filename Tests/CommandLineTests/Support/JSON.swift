import Foundation
import Testing

/// Parses what the program writes with a reader that isn't ours.
enum JSON {
  /// The one object of a text that is one line.
  static func object(
    _ text: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [String: Any] {
    #expect(
      text.hasSuffix("\n") && text.filter(\.isNewline).count == 1, "not one line",
      sourceLocation: sourceLocation)
    let value = try JSONSerialization.jsonObject(with: Data(text.utf8))
    return try #require(value as? [String: Any], sourceLocation: sourceLocation)
  }

  /// An object for each line.
  static func objects(_ lines: [String]) throws -> [[String: Any]] {
    try lines.map { line in
      let value = try JSONSerialization.jsonObject(with: Data(line.utf8))
      return try #require(value as? [String: Any])
    }
  }
}
