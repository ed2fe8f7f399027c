import Configuration
import Foundation
import Support
import TensorFiles
import Testing

@testable import Conversion
@testable import ModelGraph

@Suite struct FullConversionTests {
  private static let root = MutatedInputTests.root

  /// A folder with pictures of digits as samples and a configuration that names them.
  private func inSampleFolder<Result>(
    full: String = "", _ body: (URL, (_ threads: Int) throws -> ConversionJob) throws -> Result
  ) throws -> Result {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "gsconvert-\(UUID().uuidString)")
    let samples = folder.appending(path: "samples")
    try FileManager.default.createDirectory(at: samples, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let pictures = Self.root.appending(path: "fixtures/digits/images")
    for name in try FileManager.default.contentsOfDirectory(atPath: pictures.path)
    where !name.hasPrefix(".") {
      try FileManager.default.copyItem(
        at: pictures.appending(path: name), to: samples.appending(path: name))
    }
    let text = """
      [common_quant_param]
      quant_type=FULL_QUANT
      [data_preprocess_param]
      calibrate_path=image:\(samples.path)
      calibrate_size=8
      input_type=IMAGE
      image_to_format=GRAY
      normalize_mean=[0]
      normalize_std=[255]
      [full_quant_param]
      \(full)
      """
    let file = folder.appending(path: "full.cfg")
    try text.write(to: file, atomically: true, encoding: .utf8)
    return try body(folder) { threads in
      let (options, configuration, _) = try ConfigurationLoader.load(commandLine: [
        "modelFile": Self.root.appending(path: "fixtures/digits/digits_cnn.onnx").path,
        "outputFile": folder.appending(path: "out\(threads)").path, "configFile": file.path,
        "saveType": "ONNX", "threads": String(threads),
      ])
      return ConversionJob(options, configuration)
    }
  }

  @Test(arguments: ["MAX_MIN", "KL", "REMOVAL_OUTLIER", "AUTO"])
  func theResultKeepsTheFloatModelsAnswers(method: String) throws {
    try inSampleFolder(full: "activation_quant_method=\(method)") { _, job in
      let outcome = try Converter(try job(1)).run().outcome
      let full = try #require(outcome.full)
      #expect(full.sampleCount == 8)
      #expect(full.integerOperatorCount > 0)
      let quality = try #require(outcome.quality)
      let output = try #require(quality.outputs.first)
      #expect(output.cosine > 0.995, "\(method)")
      #expect(outcome.outputByteCount < outcome.model.byteCount / 2)
    }
  }

  @Test func anyNumberOfThreadsGivesTheSameBytes() throws {
    try inSampleFolder(full: "activation_quant_method=AUTO") { folder, job in
      let files = try [1, 2, 7].map { threads in
        let outcome = try Converter(try job(threads)).run().outcome
        return try Data(contentsOf: URL(filePath: outcome.files[0]))
      }
      #expect(files[0] == files[1])
      #expect(files[0] == files[2])
    }
  }

  @Test func perTensorWeightsHaveOneScale() throws {
    try inSampleFolder(full: "per_channel=false") { _, job in
      let outcome = try Converter(try job(1)).run().outcome
      #expect(outcome.constants.allSatisfy { $0.recipe?.storage.axis == nil })
      #expect(try #require(outcome.quality?.outputs.first).cosine > 0.98)
    }
  }
}
