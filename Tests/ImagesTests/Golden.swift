import Foundation
import Support

@testable import Images

/// Images of the repository and what OpenCV makes of them; `fixtures/make_images.py` wrote both.
enum Golden {
  private static let folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent()
  private static let root = folder.deletingLastPathComponent().deletingLastPathComponent()

  /// The bytes of a file of `fixtures/images`.
  static func file(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: root.appending(path: "fixtures/images/\(name)")))
  }

  /// The files of `fixtures/images`, in order.
  static func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(
      atPath: root.appending(path: "fixtures/images").path
    ).sorted()
  }

  /// A file's lines, each as its words and the bytes that the last word stands for.
  static func lines(_ name: String) throws -> [(words: [String], data: [UInt8])] {
    let text = try String(contentsOf: folder.appending(path: "Golden/\(name)"), encoding: .utf8)
    return text.split(separator: "\n").map { line in
      let words = line.split(separator: " ").map(String.init)
      return (words.dropLast(), Array(Data(base64Encoded: words.last ?? "") ?? Data()))
    }
  }

  /// What decoding says of bytes that aren't a whole image; nil if it takes them.
  static func problem(_ bytes: [UInt8], pixelLimit: Int = ImageHeader.pixelLimit) -> String? {
    do throws(ImageProblem) {
      _ = try ImageDecoder.decode(Bytes(bytes), pixelLimit: pixelLimit)
      return nil
    } catch {
      return error.message
    }
  }
}
