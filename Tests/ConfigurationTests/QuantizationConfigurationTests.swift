import Support
import Testing

@testable import Configuration

@Suite struct QuantizationConfigurationTests {
  @Test func defaultsAreThoseOfTheTable() throws {
    let configuration = try quantization(of: weightHeader)
    #expect(configuration.quantType == .weightQuant)
    #expect(configuration.bitNum == 8)
    #expect(configuration.minQuantWeightSize == 0)
    #expect(configuration.minQuantWeightChannel == 16)
    #expect(configuration.skipQuantNode.isEmpty)
    #expect(configuration.debugInfoSavePath == nil)
    #expect(configuration.enableEncode)
    #expect(
      configuration.weight
        == .init(
          perChannel: true, biasCorrection: true, weightRangeMethod: .auto,
          weightRoundMethod: .squant, dequantStrategy: nil, runtimeOperators: false,
          quantStrategy: .maxMin, maxSegments: 1))
    #expect(
      configuration.mixedBit
        == .init(initScale: 0.02, autoTune: false, useCVData: false, maxIterations: 40))
    #expect(configuration.full.activationQuantMethod == .maxMin)
    #expect(configuration.full.targetDevice == .cpu)
    #expect(configuration.data.imageToFormat == .bgr)
    #expect(configuration.dynamic.quantStrategy == .activationLayerWeightChannel)
    #expect(configuration.transform.exportPrecisionMode == .quant)
    #expect(configuration.warnings.isEmpty)
    #expect(!configuration.isExplicit(section: "common_quant_param", key: "bit_num"))
    #expect(configuration.location(section: "common_quant_param", key: "bit_num") == nil)
  }

  @Test func everyDefaultHasItsKeysType() throws {
    for setting in KeyTable.sections.flatMap(\.keys) + FlagTable.flags {
      guard let text = setting.defaultText else { continue }
      let value = try ValueParser.parse(text, as: setting.type)
      #expect(value.text == text)
      #expect(setting.refusal(of: value) == nil)
    }
  }

  @Test func valuesOfTheFileAreTaken() throws {
    let configuration = try quantization(
      of: weightHeader + """
        bit_num=5
        min_quant_weight_size=5000
        min_quant_weight_channel=5
        skip_quant_node=Conv_1, block*/conv
        debug_info_save_path=reports
        [weight_quant_param]
        per_channel=False
        bias_correction=false
        weight_range_method=mse
        weight_round_method=NEAREST
        """)
    #expect(configuration.bitNum == 5)
    #expect(configuration.minQuantWeightSize == 5000)
    #expect(configuration.minQuantWeightChannel == 5)
    #expect(configuration.skipQuantNode.map(\.pattern.pattern) == ["Conv_1", "block*/conv"])
    #expect(configuration.skipQuantNode[1].location.column == 25)
    #expect(configuration.skipQuantNode[1].location.length == 11)
    #expect(configuration.debugInfoSavePath == "reports")
    #expect(!configuration.weight.perChannel)
    #expect(!configuration.weight.biasCorrection)
    #expect(configuration.weight.weightRangeMethod == .mse)
    #expect(configuration.weight.weightRoundMethod == .nearest)
  }

  @Test func emptyListsAndPathsMeanNothing() throws {
    let configuration = try quantization(
      of: weightHeader + "skip_quant_node=\ndebug_info_save_path= # none\n")
    #expect(configuration.skipQuantNode.isEmpty)
    #expect(configuration.debugInfoSavePath == nil)
  }

  @Test func effectiveLinesMarkDefaults() throws {
    let configuration = try quantization(
      of: weightHeader + "bit_num=4\nskip_quant_node=a,b\n[full_quant_param]\nper_channel=false\n")
    let common = [
      "[common_quant_param]  quant_type=WEIGHT_QUANT  bit_num=4  min_quant_weight_size=0 (default)",
      "   min_quant_weight_channel=16 (default)  skip_quant_node=a,b  enable_encode=true (default)",
    ]
    #expect(
      configuration.effectiveLines == common + [
        "[weight_quant_param]  per_channel=true (default)  bias_correction=true (default)",
        "   weight_range_method=AUTO (default)  weight_round_method=SQUANT (default)",
        "   runtime_operators=false (default)  quant_strategy=MAX_MIN (default)"
          + "  max_segments=1 (default)",
        "[transform_quant_param]  export_precision_mode=QUANT (default)",
      ])
  }

  @Test(arguments: [
    ("[full_quant_param]\nper_channel=true\n", "[full_quant_param] has no effect", 3),
    ("[mixed_bit_weight_quant_param]\ninit_scale=0.1\n", "bit_num=8", 3),
    ("[data_preprocess_param]\ncalibrate_path=a:/none\n", "[data_preprocess_param]", 3),
    ("[dynamic_quant_param]\n", "[dynamic_quant_param]", 3),
    ("[micro_param]\nanything=1\n", "[micro_param] has no effect on quantization", 3),
    ("[aoe_global_options]\nx=1\n", "[aoe_global_options]", 3),
    ("[weight_quant_param]\nmax_segments=4\n", "without dequant_strategy=ON_THE_FLY", 4),
    ("[weight_quant_param]\nupdate_mindir=true\n", "nothing reads it", 4),
    ("workspace=/tmp\n", "needs no temporary files", 3),
  ])
  func whatHasNoEffectIsNamedOnce(text: String, words: String, line: Int) throws {
    let warnings = try quantization(of: weightHeader + text).warnings
    #expect(warnings.map(\.code) == [.keyWithoutEffect])
    #expect(warnings.first?.message.contains(words) == true)
    #expect(warnings.first?.location?.line == line)
  }

  @Test func keysThatDependOnADeviceAreNamed() {
    let text = """
      [common_quant_param]
      quant_type=FULL_QUANT
      min_quant_weight_size=1
      min_quant_weight_channel=1
      [full_quant_param]
      target_device=KIRIN
      bias_correction=true
      smooth_alpha=0.4
      [data_preprocess_param]
      calibrate_path=x:/proc/self/task
      calibrate_size=1
      input_type=BIN
      normalize_mean=[0]
      normalize_std=[1]
      """
    let found = problems(of: text)
    #expect(found.map(\.code) == .init(repeating: .keyWithoutEffect, count: 6))
    #expect(found.map { $0.location?.line } == [3, 4, 7, 8, 13, 14])
  }

  @Test(arguments: [(8, 0), (9, 1), (16, 1)])
  func roundingOnSamplesHasNoEffectAboveEightBits(bits: Int, count: Int) {
    let text = """
      [common_quant_param]
      quant_type=WEIGHT_QUANT
      bit_num=\(bits)
      [weight_quant_param]
      quant_strategy=GPTQ
      [data_preprocess_param]
      calibrate_path=x:/proc/self/task
      calibrate_size=1
      input_type=BIN
      """
    let found = problems(of: text)
    #expect(found.map(\.code) == .init(repeating: .keyWithoutEffect, count: count))
    #expect(found.allSatisfy { $0.location?.line == 5 })
  }

  @Test func fullQuantizationTakesTheStrategyOfWeightsOnly() {
    let text = """
      [common_quant_param]
      quant_type=FULL_QUANT
      [weight_quant_param]
      quant_strategy=GPTQ
      per_channel=false
      [data_preprocess_param]
      calibrate_path=x:/proc/self/task
      calibrate_size=1
      input_type=BIN
      """
    let found = problems(of: text)
    #expect(found.map(\.code) == [.keyWithoutEffect])
    #expect(found.first?.location?.line == 5)
  }

  @Test func goldenStickSectionsAcceptAnyKey() {
    let text = "[ptq_param]\nweight_quant_dtype=int8\n[smooth_quant_param]\nalpha=0.5\n"
    #expect(problems(of: text).map(\.code) == [.capabilityNotBuilt, .capabilityNotBuilt])
  }
}
