import Foundation
import Testing

/// The files in `configs`, one for each way to quantize.
@Suite struct ExampleConfigurationTests {
  private static let names =
    (try? FileManager.default.contentsOfDirectory(atPath: Fixtures.root + "/configs").sorted())
    ?? []

  @Test(arguments: names) func quantizesTheDigitClassifier(name: String) throws {
    let folder = try TemporaryFolder()
    for name in ["fixtures", "configs"] {
      try FileManager.default.createSymbolicLink(
        atPath: "\(folder.path)/\(name)", withDestinationPath: "\(Fixtures.root)/\(name)")
    }
    let outcome = try Program.run(
      [
        "--modelFile=fixtures/digits/digits_cnn.onnx", "--outputFile=result.onnx",
        "--configFile=configs/\(name)", "--minCosine=0.99",
      ], in: folder)
    #expect(outcome.status == 0, "\(outcome.error)")
    let before = try Data(contentsOf: URL(fileURLWithPath: Fixtures.digits)).count
    #expect(try folder.bytes("result.onnx").count < before * 9 / 10)
  }

  @Test func thereIsOneForEachMode() throws {
    let texts = try Self.names.map {
      try String(contentsOfFile: Fixtures.root + "/configs/" + $0, encoding: .utf8)
    }
    for mode in ["WEIGHT_QUANT", "FULL_QUANT", "DYNAMIC_QUANT"] {
      #expect(texts.contains { $0.contains("quant_type=" + mode) }, "\(mode)")
    }
    #expect(texts.contains { $0.contains("bit_num=0") })
    #expect(texts.contains { $0.contains("dequant_strategy=ON_THE_FLY") })
  }
}
