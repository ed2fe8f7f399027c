import Foundation
import ModelGraph
import Support
import Testing

@testable import ModelFormats

/// Files for tests, removed afterwards.
final class TestFolder {
  let url = FileManager.default.temporaryDirectory.appending(path: "gsconvert-\(UUID().uuidString)")

  init() throws {
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.appending(path: name).path }

  func write(_ bytes: [UInt8], _ name: String) throws -> String {
    try Data(bytes).write(to: url.appending(path: name))
    return path(name)
  }

  static let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "fixtures/models")

  static var models: [String] {
    get throws {
      try FileManager.default.contentsOfDirectory(atPath: fixtures.path).sorted()
        .filter { $0.hasSuffix(".onnx") }
    }
  }
}

/// A model of one initializer and one node, as a message to be changed by a test.
func smallModel(_ change: (inout ONNXModel) -> Void = { _ in }) throws -> [UInt8] {
  var model = ONNXModel()
  model.irVersion = 8
  var set = ONNXOperatorSetId()
  set.version = 13
  model.opsetImport = [set]
  var tensor = ONNXTensor()
  tensor.name = "w"
  tensor.dims = [2, 3]
  tensor.dataType = 1
  tensor.rawData = Data(count: 24)
  model.graph.initializer = [tensor]
  var node = ONNXNode()
  node.opType = "MatMul"
  node.input = ["x", "w"]
  node.output = ["y"]
  model.graph.node = [node]
  for (name, isInput) in [("x", true), ("y", false)] {
    var info = ONNXValueInfo()
    info.name = name
    if isInput { model.graph.input.append(info) } else { model.graph.output.append(info) }
  }
  change(&model)
  return try model.serializedBytes()
}

@Suite struct ReaderTests {
  private let folder: TestFolder

  init() throws { folder = try TestFolder() }

  private func read(_ change: (inout ONNXModel) -> Void) throws -> Model {
    try ONNXReader.read(path: folder.write(try smallModel(change), "m.onnx"))
  }

  private func code(_ change: (inout ONNXModel) -> Void) throws -> DiagnosticCode? {
    do {
      _ = try read(change)
      return nil
    } catch let failure as Failure {
      return failure.diagnostics.first?.code
    }
  }

  @Test func everyFixtureIsRead() throws {
    let models = try TestFolder.models
    #expect(models.count >= 24)
    for name in models {
      let model = try ONNXReader.read(path: TestFolder.fixtures.appending(path: name).path)
      #expect(!model.graph.nodes.isEmpty, "\(name)")
    }
  }

  @Test func typedFieldsHoldTheSameAsRawBytes() throws {
    let cases: [(Int32, [UInt8], (inout ONNXTensor) -> Void)] = [
      (1, [0, 0, 128, 63, 0, 0, 0, 192], { $0.floatData = [1, -2] }),
      (6, [1, 0, 0, 0, 254, 255, 255, 255], { $0.int32Data = [1, -2] }),
      (
        7, [1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255],
        { $0.int64Data = [1, -1] }
      ),
      (3, [1, 254], { $0.int32Data = [1, -2] }),
      (10, [0, 60, 0, 192], { $0.int32Data = [15360, 49152] }),
      (9, [1, 0], { $0.int32Data = [1, 0] }), (22, [0x21], { $0.int32Data = [0x21] }),
      (11, [0, 0, 0, 0, 0, 0, 240, 63, 0, 0, 0, 0, 0, 0, 0, 0], { $0.doubleData = [1, 0] }),
      (12, [1, 0, 0, 0, 255, 255, 255, 255], { $0.uint64Data = [1, 0xffff_ffff] }),
    ]
    for (type, bytes, fill) in cases {
      let model = try read { model in
        model.graph.initializer[0].clearRawData()
        model.graph.initializer[0].dims = [2]
        model.graph.initializer[0].dataType = type
        fill(&model.graph.initializer[0])
      }
      let data = model.graph.initializers[0].initializer
      #expect(data?.packed?.withUnsafeBytes { Array($0) } == bytes, "type \(type)")
    }
  }

  @Test func contradictionsAreErrorsThatNameTheirPlace() throws {
    #expect(try code { $0.graph.initializer[0].dims = [2, 4] } == .modelMalformed)
    #expect(try code { $0.graph.initializer[0].dims = [2, -3] } == .modelMalformed)
    #expect(try code { $0.graph.initializer[0].dims = [.max, .max] } == .modelMalformed)
    #expect(try code { $0.graph.node[0].input = ["x", "nowhere"] } == .modelMalformed)
    #expect(try code { $0.graph.node.append($0.graph.node[0]) } == .modelMalformed)
    #expect(try code { $0.graph.output[0].name = "nothing" } == .modelMalformed)
    #expect(try code { $0.graph.initializer.append($0.graph.initializer[0]) } == .modelMalformed)
    #expect(try code { $0.clearGraph() } == .modelFormatUnknown)
    #expect(try code { _ in } == nil)
  }

  @Test func truncationsAreErrorsAndNeverTraps() throws {
    let path = TestFolder.fixtures.appending(path: "if_branches.onnx")
    let bytes = Array(try Data(contentsOf: path))
    var failures = 0
    for count in stride(from: 0, to: bytes.count, by: 97) {
      let file = try folder.write(Array(bytes[..<count]), "cut.onnx")
      do { _ = try ONNXReader.read(path: file) } catch {
        #expect(error.exitStatus == .badData)
        failures += 1
      }
    }
    #expect(failures > bytes.count / 97 - 3)
  }

  @Test func aMessageNestedWithoutEndIsRefused() throws {
    var bytes: [UInt8] = []
    for _ in 0..<100_000 { bytes = [UInt8(0x3a)] + [0] }
    var inner: [UInt8] = []
    for _ in 0..<400 {
      for tag in [UInt8(0x32), 0x2a, 0x0a] {
        var outer = [tag]
        Wire.appendVarint(UInt64(inner.count), to: &outer)
        inner = outer + inner
      }
    }
    var model = [UInt8(0x3a)]
    Wire.appendVarint(UInt64(inner.count), to: &model)
    let file = try folder.write(bytes + model + inner, "deep.onnx")
    #expect(throws: Failure.self) { try ONNXReader.read(path: file) }
  }

  @Test func initializersThatAreInputsCanBeOverriddenFromFormatFour() throws {
    for (version, isOverridable) in [(3, false), (4, true), (8, true)] {
      let model = try read { model in
        model.irVersion = Int64(version)
        var info = ONNXValueInfo()
        info.name = "w"
        model.graph.input.append(info)
      }
      #expect(model.graph.initializers[0].isOverridable == isOverridable)
    }
  }

  // MARK: External data

  private func external(_ location: String, offset: String = "0", length: String? = nil) throws
    -> DiagnosticCode?
  {
    try code { model in
      model.graph.initializer[0].clearRawData()
      model.graph.initializer[0].dataLocation = 1
      for (key, value) in [("location", location), ("offset", offset), ("length", length)] {
        guard let value else { continue }
        var entry = ONNXStringEntry()
        entry.key = key
        entry.value = value
        model.graph.initializer[0].externalData.append(entry)
      }
    }
  }

  @Test func externalDataStaysInsideTheModelsFolder() throws {
    _ = try folder.write([UInt8](repeating: 1, count: 40), "data.bin")
    let outside = try TestFolder()
    let secret = try outside.write([UInt8](repeating: 2, count: 40), "secret")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("link.bin"), withDestinationPath: secret)
    #expect(try external("data.bin") == nil)
    #expect(try external("data.bin", offset: "16", length: "24") == nil)
    #expect(try external("data.bin", offset: "17") == .externalDataInvalid)
    #expect(try external("data.bin", offset: "-1") == .externalDataInvalid)
    #expect(try external("data.bin", offset: "9223372036854775807") == .externalDataInvalid)
    #expect(try external("data.bin", length: "23") == .modelMalformed)
    #expect(try external("../\(outside.url.lastPathComponent)/secret") == .externalDataInvalid)
    #expect(try external(secret) == .externalDataInvalid)
    #expect(try external("link.bin") == .externalDataInvalid)
    #expect(try external("missing.bin") == .inputMissing)
    #expect(try external("") == .externalDataInvalid)
  }
}
