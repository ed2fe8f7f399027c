import Foundation
import Testing

@testable import Support

@Suite struct AtomicFileTests {
  private func inFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "gsconvert-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.path)
  }

  private func names(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  @Test func nothingAppearsBeforeTheCommit() throws {
    try inFolder { folder in
      do {
        let file = try AtomicFile(path: folder + "/a")
        try Bytes([1, 2, 3]).withUnsafeBytes { try file.write($0, at: 0) }
        #expect(try names(folder).filter { !$0.hasPrefix(".") }.isEmpty)
      }
      #expect(try names(folder).isEmpty)
    }
  }

  @Test func aCommitReplacesTheOldFile() throws {
    try inFolder { folder in
      for content in [[UInt8](repeating: 7, count: 5000), [1, 2], []] {
        try AtomicFile.write(content, to: folder + "/a")
        let contents = try MappedFile(path: folder + "/a").contents
        #expect(contents.withUnsafeBytes { Array($0) } == content)
        #expect(try names(folder) == ["a"])
      }
    }
  }

  @Test func equalContentHasEqualDigests() throws {
    try inFolder { folder in
      func digest(_ bytes: [UInt8]) throws -> UInt64 {
        let file = try AtomicFile(path: folder + "/d")
        try Bytes(bytes).withUnsafeBytes { try file.write($0, at: 0) }
        return try file.digest()
      }
      var bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7) }
      let first = try digest(bytes)
      #expect(try digest(bytes) == first)
      for position in [0, 31, 500, 999] {
        bytes[position] ^= 1
        #expect(try digest(bytes) != first)
        bytes[position] ^= 1
      }
      #expect(try digest(bytes + [0]) != first)
    }
  }

  @Test func aMissingFolderIsAnError() {
    #expect(throws: SystemError.self) { try AtomicFile(path: "/nonexistent/folder/a") }
    #expect(throws: SystemError.self) { try MappedFile(path: "/nonexistent") }
    #expect(throws: SystemError.self) { try MappedFile(path: "/tmp") }
  }
}
