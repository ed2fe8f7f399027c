import Foundation
import Fuzzing
import Testing

/// A bounded run of what `make fuzz` does at length. A trap ends the whole test process.
@Suite struct MutatedInputTests {
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  static func corpus(_ folder: String, _ ending: String) throws -> [[UInt8]] {
    let url = root.appending(path: folder)
    return try FileManager.default.contentsOfDirectory(atPath: url.path).sorted()
      .filter { $0.hasSuffix(ending) }
      .map { Array(try Data(contentsOf: url.appending(path: $0))) }
  }

  private func run(_ target: FuzzTarget, corpus: [[UInt8]], count: UInt64) throws -> Int {
    let seed = UInt64.random(in: 0 ... .max / 2)
    print("\(target.rawValue) mutations from seed \(seed)")
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "gsconvert-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var accepted = 0
    for index in 0..<count {
      var mutator = Mutator(seed: seed + index)
      if target.run(mutator.mutate(corpus), seed: seed + index, folder: folder.path) {
        accepted += 1
      }
    }
    return accepted
  }

  @Test func mutatedModelsConvertOrFail() throws {
    let corpus =
      try Self.corpus("fixtures/models", ".onnx") + Self.corpus("fixtures/quantized", ".onnx")
    #expect(corpus.count > 20)
    let accepted = try run(.onnx, corpus: corpus, count: 1500)
    #expect((1..<1500).contains(accepted), "some mutations must be harmless, some not")
  }

  @Test func mutatedModelsTranslateOrFail() throws {
    let corpus =
      try Self.corpus("fixtures/models", ".onnx")
      + Self.corpus("Tests/MSLiteTranslationTests/Golden", ".onnx")
      + Self.corpus("fixtures/quantized", ".onnx")
    let accepted = try run(.translation, corpus: corpus, count: 1500)
    #expect((1..<1500).contains(accepted), "some mutations must be harmless, some not")
  }

  @Test func mutatedMSFilesAreReadOrFail() throws {
    let corpus = try Self.corpus("Tests/MSLiteTranslationTests/Golden", ".ms")
    #expect(corpus.count >= 5)
    let accepted = try run(.ms, corpus: corpus, count: 3000)
    #expect((1..<3000).contains(accepted), "some mutations must be harmless, some not")
  }

  @Test func mutatedMSFilesConvertOrFail() throws {
    let corpus = try Self.corpus("Tests/MSLiteTranslationTests/Golden", ".ms")
    let accepted = try run(.reading, corpus: corpus, count: 1000)
    #expect((1..<1000).contains(accepted), "some mutations must be harmless, some not")
  }

  @Test func mutatedConfigurationsParseOrFail() throws {
    let corpus = try Self.corpus("configs", ".cfg")
    #expect(corpus.count > 5)
    let accepted = try run(.ini, corpus: corpus, count: 3000)
    #expect((1..<3000).contains(accepted), "some mutations must be harmless, some not")
  }

  @Test func mutatedImagesDecodeOrFail() throws {
    let corpus = try Self.corpus("fixtures/images", "")
    #expect(corpus.count > 50)
    let accepted = try run(.image, corpus: corpus, count: 3000)
    #expect((1..<3000).contains(accepted), "some mutations must be harmless, some not")
  }

  @Test func theSameSeedGivesTheSameMutation() {
    let corpus: [[UInt8]] = [Array("abcdefgh".utf8), Array(0...255)]
    var first = Mutator(seed: 7)
    var second = Mutator(seed: 7)
    for _ in 0..<100 { #expect(first.mutate(corpus) == second.mutate(corpus)) }
  }
}
