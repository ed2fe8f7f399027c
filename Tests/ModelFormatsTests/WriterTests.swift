import Foundation
import ModelGraph
import Support
import Testing

@testable import ModelFormats

@Suite struct WriterTests {
  private let folder: TestFolder

  init() throws { folder = try TestFolder() }

  @discardableResult
  private func write(
    _ model: Model, _ name: String, inlineLimit: Int = ONNXWriter.inlineLimit
  ) throws -> [String] {
    try ONNXWriter(model, inlineLimit: inlineLimit)
      .write(to: folder.path(name), pool: WorkerPool(threads: 2)) { _, _ in }
  }

  private func message(_ path: String) throws -> ONNXModel {
    try ONNXModel(serializedBytes: Data(contentsOf: URL(filePath: path)))
  }

  /// The message with data in one form and empty texts left out, so that files can be compared.
  private func normalized(_ model: ONNXModel) throws -> ONNXModel {
    var model = model
    for index in model.opsetImport.indices where model.opsetImport[index].domain.isEmpty {
      model.opsetImport[index].clearDomain()
    }
    try normalize(&model.graph)
    for index in model.functions.indices {
      for set in model.functions[index].opsetImport.indices
      where model.functions[index].opsetImport[set].domain.isEmpty {
        model.functions[index].opsetImport[set].clearDomain()
      }
      for node in model.functions[index].node.indices {
        try normalize(&model.functions[index].node[node])
      }
    }
    return model
  }

  private func normalize(_ graph: inout ONNXGraph) throws {
    for index in graph.initializer.indices { try normalize(&graph.initializer[index]) }
    for index in graph.node.indices { try normalize(&graph.node[index]) }
  }

  private func normalize(_ node: inout ONNXNode) throws {
    if node.domain.isEmpty { node.clearDomain() }
    if node.name.isEmpty { node.clearName() }
    for index in node.attribute.indices {
      node.attribute[index].type = AttributeKind(of: node.attribute[index])?.rawValue ?? 0
      if node.attribute[index].hasT { try normalize(&node.attribute[index].t) }
      if node.attribute[index].hasG { try normalize(&node.attribute[index].g) }
    }
  }

  private func normalize(_ tensor: inout ONNXTensor) throws {
    guard tensor.dataLocation == 0, tensor.stringData.isEmpty else { return }
    let file = try MappedFile(path: folder.write([0], "empty"))
    let data = try TensorReader(
      modelPath: "", file: file, payloads: [], externalFiles: ExternalDataFiles(modelPath: "")
    ).tensor(tensor)
    tensor.floatData = []
    tensor.int32Data = []
    tensor.int64Data = []
    tensor.doubleData = []
    tensor.uint64Data = []
    tensor.clearRawData()
    tensor.rawData = data.packed?.withUnsafeBytes { Data($0) } ?? Data()
  }

  @Test func whatIsNotQuantizedLeavesAsItCame() throws {
    for name in try TestFolder.models where name != "external_data.onnx" {
      let path = TestFolder.fixtures.appending(path: name).path
      try write(try ONNXReader.read(path: path), "copy.onnx")
      let before = try normalized(message(path))
      let after = try normalized(message(folder.path("copy.onnx")))
      for (old, new) in zip(before.graph.node, after.graph.node) where old != new {
        Issue.record("\(name): \(old.opType) '\(old.output)' became \(new.opType) '\(new.output)'")
      }
      #expect((before == after) == true, "\(name)")
    }
  }

  @Test func unknownFieldsAndMetadataAreKept() throws {
    // Field 500 of the model, the graph and the node: a text.
    let unknown: [UInt8] = [0xa2, 0x1f, 3, 97, 98, 99]
    var model = try ONNXModel(serializedBytes: smallModel() + unknown)
    model.graph = try ONNXGraph(serializedBytes: model.graph.serializedBytes() + unknown)
    model.graph.node[0] = try ONNXNode(
      serializedBytes: model.graph.node[0].serializedBytes() + unknown)
    let path = try folder.write(try model.serializedBytes(), "in.onnx")
    try write(try ONNXReader.read(path: path), "out.onnx")
    let after = try message(folder.path("out.onnx"))
    #expect(after == model)
    #expect(Array(after.graph.node[0].unknownFields.data) == unknown)
  }

  @Test func largeDataGoesOutOfTheMessageAndBackIn() throws {
    let payload = (0..<5000).map { UInt8(truncatingIfNeeded: $0 * 31) }
    let bytes = try smallModel { model in
      model.graph.initializer[0].dims = [1250]
      model.graph.initializer[0].rawData = Data(payload)
      var attribute = ONNXAttribute()
      attribute.name = "body"
      attribute.type = AttributeKind.graph.rawValue
      attribute.g.initializer = [model.graph.initializer[0]]
      model.graph.node[0].attribute = [attribute]
    }
    let splitter = try bytes.withUnsafeBytes { try PayloadSplitter(model: $0) }
    #expect(splitter.payloads.count == 2)
    #expect(splitter.skeleton.count < 400)
    #expect(splitter.payloads.allSatisfy { Array(bytes[$0]) == payload })
    let joiner = PayloadJoiner(
      skeleton: splitter.skeleton, payloadByteCounts: splitter.payloads.map(\.count))
    var joined: [UInt8] = []
    for piece in joiner.pieces {
      switch piece {
      case .literal(let literal): joined += literal
      case .payload(let index): joined += bytes[splitter.payloads[index]]
      }
    }
    #expect(joined.count == joiner.byteCount)
    #expect(
      try ONNXModel(serializedBytes: joined) == ONNXModel(serializedBytes: bytes))
  }

  /// Integers that are their own index, to see where they land.
  private func quantized(_ data: TensorData, number: Int, axis: Int?, channels: Int)
    -> QuantizedConstant
  {
    QuantizedConstant(
      number: number, source: data,
      storage: QuantizedStorage(bits: 8, elementType: .int8, axis: axis), channelCount: channels,
      slabCount: 1, slabByteCount: 100,
      encode: { _, _ in
        EncodedSlab(
          byteOffset: 0,
          integers: (0..<data.elementCount).map { UInt8(truncatingIfNeeded: $0) },
          parameters: EncodedParameters(
            firstChannel: 0, scales: (0..<channels).map { Float($0) + 0.5 },
            zeroPoints: (0..<channels).map { Int32($0) - 2 }))
      })
  }

  @Test func aQuantizedInitializerStandsBehindDequantizeLinear() throws {
    let path = try folder.write(
      try smallModel { model in
        var taken = ONNXTensor()
        taken.name = "w_quantized"
        taken.dataType = 1
        taken.dims = [1]
        taken.rawData = Data(count: 4)
        model.graph.initializer.append(taken)
      }, "in.onnx")
    let model = try ONNXReader.read(path: path)
    let data = try #require(model.graph.initializers[0].initializer)
    model.graph.initializers[0].quantized = quantized(data, number: 0, axis: 1, channels: 3)
    #expect(ONNXWriter.requiredOperatorSetVersion(of: model) == 13)
    let writer = try ONNXWriter(model)
    try write(model, "out.onnx")
    let size = try Data(contentsOf: URL(filePath: folder.path("out.onnx"))).count
    #expect(writer.byteCount == size)
    let graph = try message(folder.path("out.onnx")).graph
    #expect(graph.node.map(\.opType) == ["DequantizeLinear", "MatMul"])
    #expect(graph.node[0].input == ["w_quantized_2", "w_scale", "w_zero_point"])
    #expect(graph.node[0].output == ["w"])
    #expect(graph.node[0].attribute.first?.i == 1)
    let tensors = Dictionary(uniqueKeysWithValues: graph.initializer.map { ($0.name, $0) })
    #expect(tensors["w_quantized_2"].map { Array($0.rawData) } == [0, 1, 2, 3, 4, 5])
    #expect(tensors["w_zero_point"].map { Array($0.rawData) } == [254, 255, 0])
    #expect(tensors["w_scale"]?.dims == [3])
  }

  @Test func halfPrecisionConstantsAreCastBack() throws {
    let path = try folder.write(
      try smallModel { model in
        model.graph.initializer[0].dataType = 10
        model.graph.initializer[0].rawData = Data(count: 12)
      }, "in.onnx")
    let model = try ONNXReader.read(path: path)
    let data = try #require(model.graph.initializers[0].initializer)
    model.graph.initializers[0].quantized = quantized(data, number: 0, axis: nil, channels: 1)
    #expect(ONNXWriter.requiredOperatorSetVersion(of: model) == 10)
    try write(model, "out.onnx")
    let graph = try message(folder.path("out.onnx")).graph
    #expect(graph.node.map(\.opType) == ["DequantizeLinear", "Cast", "MatMul"])
    #expect(graph.node[1].attribute.first?.i == 10)
    #expect(graph.node[1].output == ["w"])
  }

  @Test func aResultTooLargeForOneFileHasItsTensorsBesideIt() throws {
    let path = TestFolder.fixtures.appending(path: "convolution_kinds.onnx").path
    let model = try ONNXReader.read(path: path)
    let files = try write(model, "large.onnx", inlineLimit: 100)
    #expect(files.count == 2)
    #expect(files[1].hasSuffix(".data"))
    let before = try ONNXReader.read(path: path)
    let after = try ONNXReader.read(path: files[0])
    for (old, new) in zip(before.graph.initializers, after.graph.initializers) {
      let (a, b) = (old.initializer?.packed, new.initializer?.packed)
      #expect(a?.withUnsafeBytes { Array($0) } == b?.withUnsafeBytes { Array($0) })
    }
    let bytes = try Data(contentsOf: URL(filePath: files[0]))
    #expect(try write(model, "large.onnx", inlineLimit: 100) == files)
    #expect(try Data(contentsOf: URL(filePath: files[0])) == bytes)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
    #expect(names.filter { $0.hasPrefix("large") }.count == 2)
  }
}
