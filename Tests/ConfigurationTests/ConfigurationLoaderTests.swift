import Support
import Testing

@testable import Configuration

@Suite struct ConfigurationLoaderTests {
  private func refusal(_ commandLine: [String: String]) throws -> Failure {
    try #require(
      failure { () throws(Failure) in
        try ConfigurationLoader.load(commandLine: commandLine).warnings
      })
  }

  @Test func aGoodRunLoads() throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write(
      "quant.cfg",
      weightHeader + "workspace=/tmp\n[converter_param]\nmodelFile=a.onnx\noptimize=none\n")
    let (options, loaded, warnings) = try ConfigurationLoader.load(
      commandLine: ["configFile": path, "outputFile": "b.onnx"])
    #expect(options.modelFile == "a.onnx")
    #expect(options.configFile == path)
    let quantization = try #require(loaded)
    #expect(quantization.quantType == .weightQuant)
    #expect(warnings.map(\.code) == [.keyWithoutEffect, .flagWithoutEffect])
    #expect(quantization.warnings.map(\.code) == [.keyWithoutEffect])
  }

  @Test func everythingWrongIsReportedInOneRun() throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write(
      "quant.cfg", "[common_quant_param]\nquant_type=FULL_QUANT\nbit_num=3\ncolour=red\n")
    let failure = try refusal(["configFile": path, "fmk": "TF", "threads": "x"])
    #expect(
      failure.diagnostics.map(\.code) == [
        .flagInvalid, .flagMissing, .flagMissing, .keyConflict, .unknownKey, .missingKey,
        .flagUnsupported,
      ])
    #expect(failure.exitStatus == .usage)
  }

  @Test func aRunWithoutConfigurationIsRefused() throws {
    let failure = try refusal(["modelFile": "a.onnx", "outputFile": "b.onnx"])
    #expect(failure.diagnostics.map(\.code) == [.flagMissing])
    #expect(failure.diagnostics[0].message.contains("--configFile"))
    #expect(failure.exitStatus == .usage)
  }

  @Test func anUnreadableConfigurationExitsWithNoInput() throws {
    let failure = try refusal([
      "modelFile": "a.onnx", "outputFile": "b.onnx", "configFile": "/no/such.cfg",
    ])
    #expect(failure.diagnostics.map(\.code) == [.configUnreadable])
    #expect(failure.exitStatus == .noInput)
  }

  @Test func ascendQuantizationNeedsAnAscendConversion() throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write(
      "quant.cfg",
      """
      [common_quant_param]
      quant_type=FULL_QUANT
      [full_quant_param]
      target_device=ASCEND
      [data_preprocess_param]
      calibrate_path=x:/proc/self/task
      calibrate_size=1
      input_type=BIN
      """)
    var flags = ["modelFile": "a.onnx", "outputFile": "b.onnx", "configFile": path]
    let failure = try refusal(flags)
    #expect(failure.diagnostics.first?.code == .keyConflict)
    #expect(failure.diagnostics.first?.location?.line == 4)
    flags["optimize"] = "ascend_oriented"
    #expect(try ConfigurationLoader.load(commandLine: flags).warnings.isEmpty)
  }
}
