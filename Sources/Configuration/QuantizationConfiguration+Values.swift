import Support

extension QuantizationConfiguration {
  /// Takes the values of a file that has no error.
  init(checked parsed: ParsedConfiguration, warnings: [Diagnostic]) {
    func section(_ name: String) -> SectionReader { SectionReader(parsed: parsed, section: name) }
    let common = section(KeyTable.common)
    quantType = common.word("quant_type")
    bitNum = common.integer("bit_num")
    minQuantWeightSize = common.integer("min_quant_weight_size")
    minQuantWeightChannel = common.integer("min_quant_weight_channel")
    debugInfoSavePath = common.optionalText("debug_info_save_path")
    enableEncode = common.boolean("enable_encode")
    workspace = common.optionalText("workspace")
    skipQuantNode = Self.skipPatterns(of: parsed)
    weight = Weight(section("weight_quant_param"))
    mixedBit = MixedBit(section("mixed_bit_weight_quant_param"))
    full = Full(section("full_quant_param"))
    data = Data(section("data_preprocess_param"))
    let dynamicSection = section("dynamic_quant_param")
    dynamic = Dynamic(
      quantStrategy: dynamicSection.word("quant_strategy"),
      quantizeConv: dynamicSection.boolean("quantize_conv"),
      runtimeOperators: dynamicSection.boolean("runtime_operators"))
    transform = Transform(
      exportPrecisionMode: section("transform_quant_param").word("export_precision_mode"))
    let context = section("ascend_context")
    ascend = Ascend(
      provider: context.optionalText("provider"), inputShape: context.optionalText("input_shape"),
      dynamicDims: context.optionalText("dynamic_dims"))
    self.warnings = warnings
    self.parsed = parsed
  }

  private static func skipPatterns(of parsed: ParsedConfiguration) -> [SkipPattern] {
    guard let stated = parsed.find(KeyTable.common, "skip_quant_node"),
      case .textList(let elements) = stated.value
    else { return [] }
    return elements.map { element in
      SkipPattern(
        pattern: Glob(element.text),
        location: parsed.valueLocation(stated.assignment, part: element.range))
    }
  }
}

extension QuantizationConfiguration.Weight {
  fileprivate init(_ section: SectionReader) {
    self.init(
      perChannel: section.boolean("per_channel"),
      biasCorrection: section.boolean("bias_correction"),
      weightRangeMethod: section.word("weight_range_method"),
      weightRoundMethod: section.word("weight_round_method"),
      dequantStrategy: section.optionalWord("dequant_strategy"),
      groupSize: section.optionalWord("group_size"),
      runtimeOperators: section.boolean("runtime_operators"),
      quantStrategy: section.word("quant_strategy"),
      maxSegments: section.integer("max_segments"))
  }
}

extension QuantizationConfiguration.MixedBit {
  fileprivate init(_ section: SectionReader) {
    self.init(
      initScale: section.real("init_scale"), autoTune: section.boolean("auto_tune"),
      useCVData: section.boolean("use_cv_data"), maxIterations: section.integer("max_iterations"),
      targetSize: section.optionalText("target_size").flatMap(SizeTarget.init),
      targetBits: section.optionalReal("target_bits"),
      targetCosine: section.optionalReal("target_cosine"))
  }
}

extension QuantizationConfiguration.Full {
  fileprivate init(_ section: SectionReader) {
    self.init(
      activationQuantMethod: section.word("activation_quant_method"),
      biasCorrection: section.boolean("bias_correction"),
      perChannel: section.boolean("per_channel"), targetDevice: section.word("target_device"),
      smoothAlpha: section.real("smooth_alpha"),
      enableSmoothShift: section.boolean("enable_smooth_shift"))
  }
}

extension QuantizationConfiguration.Data {
  fileprivate init(_ section: SectionReader) {
    var directories: [ConfigurationValue.Directory] = []
    if case .directories(let pairs) = section.value("calibrate_path") { directories = pairs }
    self.init(
      calibratePath: directories, calibrateSize: section.optionalInteger("calibrate_size"),
      inputType: section.optionalWord("input_type"),
      imageToFormat: section.word("image_to_format"),
      normalizeMean: section.optionalVector("normalize_mean"),
      normalizeStd: section.optionalVector("normalize_std"),
      resizeWidth: section.optionalInteger("resize_width"),
      resizeHeight: section.optionalInteger("resize_height"),
      resizeMethod: section.optionalWord("resize_method"),
      centerCropWidth: section.optionalInteger("center_crop_width"),
      centerCropHeight: section.optionalInteger("center_crop_height"))
  }
}
