import Testing

/// Wrong configurations as a person meets them: all of standard error, word for word.
@Suite struct BadConfigurationTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var text: String
    var status: Int32 = 78

    var testDescription: String { name }
  }

  private static let weight = Fixtures.weightQuantization
  private static let full = "[common_quant_param]\nquant_type=FULL_QUANT\n"

  static let cases: [Case] = [
    .init(name: "no-key-value", text: weight + "bit_num 4\n"),
    .init(name: "header-without-bracket", text: "[common_quant_param\nquant_type=WEIGHT_QUANT\n"),
    .init(name: "key-outside-section", text: "bit_num=8\n" + weight),
    .init(name: "unknown-section", text: weight + "[weight_quant_params]\nper_channel=true\n"),
    .init(name: "unknown-key", text: weight + "bit_nun=8\n"),
    .init(name: "key-of-another-section", text: weight + "bias_correction=true\n"),
    .init(name: "duplicate-key", text: weight + "bit_num=8\nbit_num=4\n"),
    .init(name: "empty-file", text: ""),
    .init(name: "unknown-word", text: "[common_quant_param]\nquant_type=WEIGHT\n"),
    .init(name: "number-out-of-range", text: weight + "bit_num=17  # too many\n"),
    .init(name: "no-number", text: weight + "bit_num = eight\n"),
    .init(name: "no-boolean", text: weight + "[weight_quant_param]\nper_channel=yes\n"),
    .init(name: "keys-in-conflict", text: weight + "bit_num=4\nenable_encode=false\n"),
    .init(
      name: "missing-sample-folder",
      text: full + "[data_preprocess_param]\ncalibrate_path=image:no/such\ncalibrate_size=10\n"
        + "input_type=BIN\n"),
    .init(
      name: "several-problems",
      text: "[common_quant_param]\nquant_type=WEIGHT_QUANT\nbit_num=99\ncolour=red\n"
        + "[wieght_quant_param]\n[converter_param]\nthreads=-1\n"),
    .init(
      name: "not-in-this-version",
      text: weight + "[awq_param]\n",
      status: 69),
  ]

  @Test(arguments: cases) func aWrongConfigurationIsTold(bad: Case) throws {
    let folder = try TemporaryFolder(configuration: bad.text)
    let outcome = try Program.run(Array(Fixtures.job.dropLast()), in: folder)
    #expect(outcome.status == bad.status)
    #expect(outcome.output == "CONVERT RESULT FAILED:\(bad.status)\n")
    #expect(try folder.files() == ["job.cfg", "model.onnx"])
    try Snapshot.check(outcome.error, "config-" + bad.name)
  }

  @Test func aMissingConfigurationIsTold() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(
      Fixtures.job.filter { !$0.hasPrefix("--configFile") } + ["--configFile=none.cfg"],
      in: folder)
    #expect(outcome.status == 66)
    #expect(outcome.output == "CONVERT RESULT FAILED:66\n")
    try Snapshot.check(outcome.error, "config-missing")
  }

  @Test func aFolderIsNoConfiguration() throws {
    let folder = try TemporaryFolder(model: Fixtures.digits)
    let outcome = try Program.run(
      Fixtures.job.filter { !$0.hasPrefix("--configFile") } + ["--configFile=."], in: folder)
    #expect(outcome.status == 66)
    #expect(outcome.error.hasPrefix("error[GS1001]: "))
  }
}
