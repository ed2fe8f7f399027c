import Foundation
import Testing

/// The examples of docs/quantization-guide.md: configurations are written, commands run, in the order
/// of the page.
@Suite struct GuideTests {
  private static let page = Fixtures.root + "/docs/quantization-guide.md"

  @Test func everyExampleGivesWhatThePageShows() throws {
    let folder = try TemporaryFolder()
    for name in ["fixtures", "configs"] {
      try FileManager.default.createSymbolicLink(
        atPath: "\(folder.path)/\(name)", withDestinationPath: "\(Fixtures.root)/\(name)")
    }
    let known = try String(contentsOfFile: Self.page, encoding: .utf8)
    var lines: [String] = []
    var block: (info: String, body: [String])?
    var examples = 0
    for line in known.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
      guard var open = block else {
        if line.hasPrefix("```") { block = (String(line.dropFirst(3)), []) }
        lines.append(line)
        continue
      }
      guard line == "```" else {
        open.body.append(line)
        block = open
        continue
      }
      if open.info.hasPrefix("ini ") {
        try folder.write(
          String(open.info.dropFirst(4)), open.body.joined(separator: "\n") + "\n")
      } else if open.info == "console", let command = open.body.first {
        let shown = try run(String(command.dropFirst(2)), in: folder)
        #expect(
          Self.isAlike(open.body.dropFirst().joined(separator: "\n"), shown),
          "\(command): GSCONVERT_REGENERATE=1 swift test writes what it gives now:\n\(shown)")
        open.body = [command] + (shown.isEmpty ? [] : [shown])
        examples += 1
      }
      lines += open.body + [line]
      block = nil
    }
    #expect(examples >= 10)
    if ProcessInfo.processInfo.environment["GSCONVERT_REGENERATE"] == "1" {
      try lines.joined(separator: "\n").write(toFile: Self.page, atomically: true, encoding: .utf8)
    }
  }

  /// What a command prints.
  private func run(_ command: String, in folder: TemporaryFolder) throws -> String {
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = ["-c", command]
    shell.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    let programs = (Program.path as NSString).deletingLastPathComponent
    shell.environment = ["PATH": "\(programs):/usr/bin:/bin", "LC_ALL": "C"]
    let output = Pipe()
    shell.standardOutput = output
    try shell.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    shell.waitUntilExit()
    #expect(shell.terminationStatus == 0, "\(command)")
    return text.hasSuffix("\n") ? String(text.dropLast()) : text
  }

  /// Whether texts are the same but for times and memory, for numbers in the last digits, and for the
  /// order of words: another processor adds in another order, and what is about equally bad changes
  /// places.
  private static func isAlike(_ first: String, _ second: String) -> Bool {
    let number = #/\d+\.\d+(e-?\d+)?/#
    let texts = [first, second].map(Snapshot.withPlaceholders)
    let words = texts.map {
      $0.replacing(number, with: "#").split(whereSeparator: \.isWhitespace).sorted()
    }
    let numbers = texts.map { $0.matches(of: number).compactMap { Double($0.output.0) }.sorted() }
    return words[0] == words[1]
      && zip(numbers[0], numbers[1]).allSatisfy { abs($0 - $1) <= 0.03 * max(abs($0), abs($1)) }
  }
}
