import Configuration
import Foundation
import ModelFormats
import ModelGraph
import Quantization
import Support
import Testing

@testable import Conversion

/// `.ms` files with int8 weights and activations. The golden one was run by the real runtime
/// (make_full.py).
@Suite struct IntegerFileTests {
  private static let golden = MutatedInputTests.root.appending(
    path: "Tests/ConversionTests/Golden")

  /// Converts the tiny model; `body` gets what was written and what was found.
  private func convert<Result>(
    threads: Int = 1, _ full: String = "", flags: [String: String] = [:],
    _ body: (Data, ConversionOutcome) throws -> Result
  ) throws -> Result {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "gsconvert-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let text = """
      [common_quant_param]
      quant_type=FULL_QUANT
      [data_preprocess_param]
      calibrate_path=x:\(Self.golden.appending(path: "samples").path)
      calibrate_size=4
      input_type=BIN
      [full_quant_param]
      \(full)
      """
    let file = folder.appending(path: "job.cfg")
    try text.write(to: file, atomically: true, encoding: .utf8)
    let (options, configuration, _) = try ConfigurationLoader.load(
      commandLine: [
        "modelFile": Self.golden.appending(path: "integers.onnx").path,
        "outputFile": folder.appending(path: "out.ms").path, "configFile": file.path,
        "threads": String(threads),
      ].merging(flags) { $1 })
    let outcome = try Converter(ConversionJob(options, configuration)).run().outcome
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(files.sorted() == ["job.cfg", "out.ms"], "what was compared leaves nothing behind")
    return try body(try Data(contentsOf: folder.appending(path: "out.ms")), outcome)
  }

  private func read(_ bytes: Data) throws -> MSLiteModel {
    try MSLiteReader.read(Bytes(Array(bytes)), name: "out.ms")
  }

  /// Checks that two models differ by no more than the last digits of measured ranges, which depend on
  /// the processor's vector instructions.
  private func expectTheSame(_ made: MSLiteModel, _ golden: MSLiteModel) throws {
    #expect(made.nodes.map(\.name) == golden.nodes.map(\.name))
    #expect(made.nodes.map(\.primitive) == golden.nodes.map(\.primitive))
    #expect(
      made.nodes.map { [$0.inputs, $0.outputs] } == golden.nodes.map { [$0.inputs, $0.outputs] })
    #expect(made.nodes.map(\.quantization) == golden.nodes.map(\.quantization))
    #expect(made.subgraphs == golden.subgraphs)
    try #require(made.tensors.count == golden.tensors.count)
    for (tensor, expected) in zip(made.tensors, golden.tensors) {
      #expect(tensor.name == expected.name)
      #expect(tensor.elementType == expected.elementType, "\(tensor.name)")
      #expect(tensor.dimensions == expected.dimensions, "\(tensor.name)")
      try #require(tensor.quantization.count == expected.quantization.count, "\(tensor.name)")
      for (parameter, other) in zip(tensor.quantization, expected.quantization) {
        #expect(parameter.bits == other.bits && parameter.zeroPoint == other.zeroPoint)
        #expect(abs(parameter.scale / other.scale - 1) < 1e-5, "\(tensor.name)")
        #expect(abs(parameter.varianceCorrection - other.varianceCorrection) < 1e-5)
        #expect(abs(parameter.meanCorrection - other.meanCorrection) < 1e-5)
      }
      try #require(tensor.isConstant == expected.isConstant, "\(tensor.name)")
      guard case (.bytes(let own), .bytes(let others)) = (tensor.content, expected.content) else {
        continue
      }
      guard tensor.elementType == .int32 else {
        #expect(
          own.withUnsafeBytes { Array($0) } == others.withUnsafeBytes { Array($0) },
          "\(tensor.name)")
        continue
      }
      // Biases are counted in steps of measured ranges.
      for (bias, other) in zip(integers(own), integers(others)) {
        #expect(
          abs(Double(bias) - Double(other)) <= 1 + 1e-5 * abs(Double(other)), "\(tensor.name)")
      }
    }
  }

  private func integers(_ bytes: Bytes) -> [Int32] {
    bytes.withUnsafeBytes { raw in
      (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self) }
    }
  }

  @Test(arguments: [1, 5])
  func theFileIsTheOneThatTheRuntimeRan(threads: Int) throws {
    try convert(threads: threads) { bytes, outcome in
      let golden = try Data(contentsOf: Self.golden.appending(path: "integers.ms"))
      try expectTheSame(try read(bytes), try read(golden))
      #expect(outcome.full?.integerOperatorCount == 4)
      #expect(outcome.full?.runtime == "MindSpore Lite")
      // The runtime: 0.990654.
      let cosine = try #require(outcome.quality?.outputs.first?.cosine)
      #expect(abs(cosine - 0.990654) < 1e-3)
    }
  }

  @Test func castsStandAtBordersOnly() throws {
    try convert { bytes, _ in
      let model = try read(bytes)
      let casts = model.nodes.filter { $0.primitive.name == "QuantDTypeCast" }
      // The input, both operands and the result of the sum, and the output.
      #expect(casts.count == 5)
      for cast in casts {
        let types = [cast.inputs[0], cast.outputs[0]].map { model.tensors[$0].elementType }
        #expect(Set(types) == [.int8, .float32])
      }
      for node in model.nodes where node.primitive.name != "QuantDTypeCast" {
        let isSum = node.primitive.name == "AddFusion"
        #expect(node.quantization == (isSum ? .none : .all), "\(node.name)")
        #expect(model.tensors[node.outputs[0]].elementType == (isSum ? .float32 : .int8))
      }
    }
  }

  @Test func everyIntegerTensorSaysWhatItsNumbersAre() throws {
    try convert { bytes, _ in
      let model = try read(bytes)
      for tensor in model.tensors where tensor.elementType == .int8 {
        #expect(!tensor.quantization.isEmpty, "\(tensor.name)")
        if !tensor.isConstant { #expect(tensor.quantization.count == 1) }
      }
      for node in model.nodes where node.primitive.name == "Conv2DFusion" {
        let (x, w, b) = (
          model.tensors[node.inputs[0]], model.tensors[node.inputs[1]],
          model.tensors[node.inputs[2]]
        )
        #expect(w.quantization.count == w.dimensions[0])
        #expect(b.elementType == .int32 && b.quantization.allSatisfy { $0.bits == 32 })
        for (weight, bias) in zip(w.quantization, b.quantization) {
          #expect(weight.zeroPoint == 0)
          #expect(abs(bias.scale / (weight.scale * x.quantization[0].scale) - 1) < 1e-6)
        }
      }
    }
  }

  @Test func oneScaleForAllChannelsIsStatedOnce() throws {
    try convert("per_channel=false") { bytes, _ in
      let model = try read(bytes)
      #expect(model.tensors.allSatisfy { $0.quantization.count <= 1 })
    }
  }

  @Test func bordersAreIntegersWhereThatIsAskedFor() throws {
    try convert(flags: ["inputDataType": "INT8", "outputDataType": "INT8"]) { bytes, _ in
      let model = try read(bytes)
      let graph = try #require(model.subgraphs.first)
      for (index, name) in [(graph.inputs[0], "x"), (graph.outputs[0], "y")] {
        #expect(model.tensors[index].elementType == .int8)
        #expect(model.tensors[index].name == name)
        #expect(model.tensors[index].quantization.count == 1)
      }
      #expect(model.nodes.count { $0.primitive.name == "QuantDTypeCast" } == 3)
    }
  }

  @Test(arguments: ["MAX_MIN", "KL", "REMOVAL_OUTLIER", "AUTO"])
  func everyMethodKeepsTheModelsAnswers(method: String) throws {
    try convert("activation_quant_method=\(method)") { _, outcome in
      let output = try #require(outcome.quality?.outputs.first)
      #expect(output.cosine > 0.97)
    }
  }
}
