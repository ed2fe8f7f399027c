import Support
import Testing

@testable import Configuration

@Suite struct BadConfigurationTests {
  @Test(arguments: BadConfiguration.all)
  func aBadConfigurationIsRefusedAtItsPlace(bad: BadConfiguration) throws {
    let first = try #require(problems(of: bad.text).first { $0.severity == .error })
    #expect(first.code == bad.code)
    #expect(first.location?.line == bad.line)
    #expect(first.location?.column == bad.column)
    #expect(first.location?.file == "quant.cfg")
    #expect(first.code.exitStatus == bad.status)
  }

  @Test(arguments: BadConfiguration.all)
  func oneCauseMakesOneError(bad: BadConfiguration) {
    let found = errors(of: bad.text).filter { $0.code != .capabilityNotBuilt }
    #expect(found.count <= 2)
    #expect(Set(found.map(\.message)).count == found.count)
  }

  @Test func wrongValuesComeBeforeMissingCapabilities() throws {
    let text = """
      [common_quant_param]
      quant_type=FULL_QUANT
      bit_num=4
      [data_preprocess_param]
      calibrate_size=0
      [awq_param]
      """
    let found = errors(of: text)
    #expect(
      found.map(\.code) == [.keyConflict, .missingKey, .valueOutOfRange, .capabilityNotBuilt])
    #expect(Failure(found).exitStatus == .configuration)
  }

  @Test func everyProblemOfAFileIsReportedAtOnce() {
    let text = """
      stray=1
      [common_quant_param]
      quant_type=WEIGHT_QUANT
      bit_num=x
      nonsense
      bit_num=3
      colour=red
      [nowhere]
      [weight_quant_param]
      per_channel=1
      """
    #expect(
      errors(of: text).map { $0.location?.line } == [1, 4, 5, 6, 7, 8, 10])
  }

  @Test func aWrongValueThatNobodyUsesIsAWarning() throws {
    let text = weightHeader + "[full_quant_param]\nsmooth_alpha=7\n"
    let found = problems(of: text)
    #expect(found.map(\.code) == [.keyWithoutEffect, .valueOutOfRange])
    #expect(found.allSatisfy { $0.severity == .warning })
    #expect(try quantization(of: text).full.smoothAlpha == 0.5)
  }

  @Test func floodsOfErrorsAreCut() {
    let found = problems(of: weightHeader + String(repeating: "nonsense\n", count: 5000))
    #expect(found.count == ProblemList.maximumErrorCount + 1)
    #expect(found.last?.message == "4900 more errors are not shown")
  }

  @Test func tooManyStatementsAreRefused() {
    let keys = (0..<10_001).map { "key\($0)=1\n" }.joined()
    let found = problems(of: weightHeader + "[micro_param]\n" + keys)
    #expect(found.first?.message == "more than 10000 statements in one file")
    #expect(found.first?.location?.line == 10_001)
  }

  @Test(arguments: [
    "[common_quant_param]\nquant_typ=WEIGHT_QUANT\n",
    "[common_quant_parm]\nquant_type=WEIGHT_QUANT\n",
    "[common_quant_param]\nquant_type WEIGHT_QUANT\n",
    "[common_quant_param]\nquant_type=WEIGHT\n", "quant_type=WEIGHT_QUANT\n",
    "[weight_quant_param]\nquant_type=WEIGHT_QUANT\n",
  ])
  func aMistakeInQuantTypeIsNotAlsoMissing(text: String) {
    #expect(errors(of: text).count == 1)
  }
}
