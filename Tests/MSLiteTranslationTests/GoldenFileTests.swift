import Foundation
import MSLiteTranslation
import ModelFormats
import ModelGraph
import Support
import Testing

/// Files that the real runtime has run (make_golden.py), byte for byte.
@Suite struct GoldenFileTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")
  static let names = [
    "convolution", "attention", "pyramid", "speech", "selection", "detection", "sequence",
  ]

  static func translate(_ name: String, keepsInputLayout: Bool = false) throws -> MSLiteModel {
    let model = try ModelLoader.load(path: folder.appending(path: name + ".onnx").path)
    try MSLiteTranslator.prepare(model)
    return try MSLiteTranslator.translate(
      model, options: .init(keepsInputLayout: keepsInputLayout))
  }

  static func write(_ model: MSLiteModel, threads: Int = 1) throws -> [UInt8] {
    let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).ms")
    defer { try? FileManager.default.removeItem(at: path) }
    try MSLiteWriter(model).write(to: path.path, pool: WorkerPool(threads: threads)) { _, _ in }
    return Array(try Data(contentsOf: path))
  }

  static func golden(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: folder.appending(path: name + ".ms")))
  }

  @Test(arguments: names)
  func theFileIsTheOneThatTheRuntimeRan(name: String) throws {
    let bytes = try Self.write(Self.translate(name))
    #expect(bytes == (try Self.golden(name)))
  }

  @Test func weightsInHalfPrecisionAreThoseThatTheRuntimeRan() throws {
    var model = try Self.translate("convolution")
    #expect(MSLiteHalfPrecision.apply(to: &model, pool: WorkerPool(threads: 2)).isEmpty)
    #expect(try Self.write(model) == Self.golden("convolution_fp16"))
  }

  @Test(arguments: names)
  func threadsDoNotShowInTheFile(name: String) throws {
    let model = try Self.translate(name)
    #expect(try Self.write(model, threads: 1) == Self.write(model, threads: 5))
  }

  @Test(arguments: names)
  func whatIsReadIsWhatWasWritten(name: String) throws {
    let written = try Self.translate(name)
    let read = try MSLiteReader.read(Bytes(Self.golden(name)), name: name)
    #expect(read.version == written.version)
    #expect(read.subgraphs == written.subgraphs)
    #expect(read.nodes.map(\.name) == written.nodes.map(\.name))
    #expect(read.nodes.map(\.inputs) == written.nodes.map(\.inputs))
    #expect(read.nodes.map(\.primitive.name) == written.nodes.map(\.primitive.name))
    #expect(read.tensors.map(\.name) == written.tensors.map(\.name))
    #expect(read.tensors.map(\.dimensions) == written.tensors.map(\.dimensions))
    #expect(read.tensors.map(\.elementType) == written.tensors.map(\.elementType))
    #expect(read.tensors.map(\.byteCount) == written.tensors.map(\.byteCount))
    #expect(try Self.write(read) == Self.golden(name), "defaults are left out alike")
  }

  @Test func constantsAreAligned() throws {
    let bytes = try Self.golden("convolution")
    let model = try MSLiteReader.read(Bytes(bytes), name: "convolution")
    for tensor in model.tensors where tensor.byteCount > 0 {
      guard case .bytes(let content) = tensor.content else { continue }
      let found = content.withUnsafeBytes { part in
        stride(from: 0, to: bytes.count - part.count + 1, by: 16).contains {
          bytes[$0..<$0 + part.count].elementsEqual(part)
        }
      }
      #expect(found, "\(tensor.name) starts at no multiple of 16")
    }
  }
}
