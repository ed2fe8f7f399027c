extension KeyTable {
  static let quantizationSections: [SectionEntry] = [
    commonSection, weightSection, mixedBitSection, fullSection, dataSection, dynamicSection,
    transformSection,
  ]

  private static let thresholds = 0...65_535

  private static let commonSection = SectionEntry(
    common, "What every quantization shares.",
    keys: [
      Setting(
        "quant_type", .words(of: QuantType.self),
        "Which quantization is done; required."),
      Setting(
        "bit_num", .integer(0...16), default: "8",
        "Bits per weight; 0 chooses the bits of each weight tensor by its error. "
          + "FULL_QUANT and DYNAMIC_QUANT take 8 only."),
      Setting(
        "min_quant_weight_size", .integer(thresholds), default: "0", for: .weight,
        "A weight is quantized if it has more elements than this."),
      Setting(
        "min_quant_weight_channel", .integer(thresholds), default: "16", for: [.weight, .full],
        "A convolution's weight is quantized if it has more output channels than this; with "
          + "FULL_QUANT only for target_device=ASCEND."),
      Setting(
        "skip_quant_node", .textList,
        "Nodes that stay float, separated by commas; `*` stands for any text, `?` for one byte."),
      Setting(
        "debug_info_save_path", .path,
        "Directory for reports about ranges and errors; made if it doesn't exist."),
      Setting(
        "enable_encode", .boolean, default: "true", for: .weight,
        "Whether weights in `.ms` files are packed tightly; false needs bit_num 8 or 16."),
      Setting(
        "workspace", .path, "Directory for temporary files of very large models.",
        idle: "this version needs no temporary files"),
    ])

  private static let weightSection = SectionEntry(
    "weight_quant_param", "WEIGHT_QUANT with a fixed number of bits.",
    keys: [
      Setting(
        "per_channel", .boolean, default: "true", for: .weight,
        "One scale per output channel; false is one per tensor."),
      Setting(
        "bias_correction", .boolean, default: "true", for: .fixedBit,
        "Whether each scale is corrected after rounding, so that neither the squared nor the mean "
          + "error of its channel grows."),
      Setting(
        "weight_range_method", .words(of: WeightRangeMethod.self), default: "AUTO", for: .fixedBit,
        "How the range of a channel is chosen: MAX_MIN covers all weights, MSE has the smallest "
          + "squared error, AUTO is MSE for up to 6 bits (but for convolutions of one point) and "
          + "above MAX_MIN or a little wider, whichever rounds better, and lets rounding use what "
          + "the network tells of its inputs."),
      Setting(
        "weight_round_method", .words(of: WeightRoundMethod.self), default: "SQUANT",
        for: .fixedBit,
        "How weights are rounded: SQUANT makes the errors of each kernel and channel sum to "
          + "about zero (arXiv 2202.07471), NEAREST takes the nearest integer; tables that are only "
          + "looked up are always NEAREST."),
      Setting(
        "dequant_strategy", .words(of: DequantStrategy.self), for: .fixedBit,
        "Where weights become float again; without it, when the model is loaded. ON_THE_FLY is what "
          + "ONNX files have anyway, DequantizeLinear before the operator. `.ms` files get a "
          + "QuantDTypeCast, with fewer than 8 bits a FSEDecode, and AddFusion and MulFusion for the "
          + "scales of channels; MindSpore Lite 2.0 runs those of 8 bits on processors. For Ascend: "
          + "Cast, AddFusion and MulFusion before matrix products."),
      Setting(
        "group_size", .words(of: GroupSize.self), for: .fixedBit,
        "Weights along a channel of a MatMul, Gemm or Gather that share a scale (blocks of "
          + "DequantizeLinear, operator set 21; ONNX files only); channels that aren't whole blocks, "
          + "and without the key all, have one scale."),
      Setting(
        "runtime_operators", .boolean, default: "false", for: .fixedBit,
        "Whether weights in blocks are written for onnxruntime's own operators MatMulNBits and "
          + "GatherBlockQuantized, which only it runs; needs group_size and up to 8 bits."),
      Setting(
        "quant_strategy", .words(of: WeightQuantStrategy.self), default: "MAX_MIN",
        for: [.weight, .full],
        "What the integers are fitted to: the weights (MAX_MIN) or the output on samples (GPTQ, "
          + "weights of up to 8 bits; with bit_num=0 once the bits of each tensor are chosen; with "
          + "FULL_QUANT on the calibration samples, and only kept if the model's results are no worse "
          + "for it)."),
      Setting(
        "update_mindir", .boolean, default: "true", for: .fixedBit, "Has no known effect.",
        idle: "nothing reads it"),
      Setting(
        "max_segments", .integer(1...1024), default: "1", for: .fixedBit,
        "The most segments of a weight of more than 10,000 elements that are decoded at once; for "
          + "ON_THE_FLY in `.ms` files with fewer than 8 bits."),
    ])

  private static let mixedBitSection = SectionEntry(
    "mixed_bit_weight_quant_param", "WEIGHT_QUANT with bit_num=0.",
    keys: [
      Setting(
        "init_scale", .real(.init(lower: 0, upper: 1, includesEnds: false)), default: "0.02",
        for: .mixedBit, "The relative error aimed at in each weight tensor; larger is smaller."),
      Setting(
        "auto_tune", .boolean, default: "false", for: .mixedBit,
        "Whether the largest init_scale is searched that keeps the outputs' cosine at 0.995 or more, on "
          + "calibration samples where there are some, else on random input."),
      Setting(
        "use_cv_data", .boolean, default: "false", for: .mixedBit,
        "Whether auto_tune looks at pictures rather than random numbers.",
        idle: "give samples in [data_preprocess_param]"),
      Setting(
        "max_iterations", .integer(40...65_535), default: "40", for: .mixedBit,
        "The most steps that auto_tune takes."),
      Setting(
        "target_size", .text, for: .mixedBit,
        "Instead of init_scale: the size of the file, as in 3500KB, 3.5MB (of 1024), 3670224 bytes, "
          + "or 0.2 of the model that is read. Bits are chosen for each tensor so that errors are least, "
          + "weighted by what they do to the outputs where there are calibration samples."),
      Setting(
        "target_bits", .real(.init(lower: 1, upper: 16, includesEnds: true)), for: .mixedBit,
        "Instead of init_scale: the mean bits of a quantized weight, as `.ms` files pack them."),
      Setting(
        "target_cosine", .real(.init(lower: 0, upper: 1, includesEnds: false)), for: .mixedBit,
        "Instead of init_scale: the least cosine of the outputs, on calibration samples or random "
          + "input, at the smallest size."),
    ])

  private static let fullSection = SectionEntry(
    "full_quant_param", "FULL_QUANT.",
    keys: [
      Setting(
        "activation_quant_method",
        .words(of: ActivationQuantMethod.self, aliases: ["REMOVAL_OUTLIER": ["RemovalOutlier"]]),
        default: "MAX_MIN", for: .full,
        "How the range of an activation is chosen: all values (MAX_MIN), the smallest KL "
          + "divergence, without the most extreme values (REMOVAL_OUTLIER), or the least expected "
          + "error (AUTO)."),
      Setting(
        "bias_correction", .boolean, default: "true", for: .full,
        "Whether the mean error of each output channel goes into the bias."),
      Setting(
        "per_channel", .boolean, default: "true", for: .full,
        "One weight scale per output channel; false is one per tensor."),
      Setting(
        "target_device", .words(of: TargetDevice.self), default: "CPU", for: .full,
        "The hardware the result is made for; CPU is ONNX Runtime's processor kernels, NVGPU is "
          + "TensorRT, which takes inputs of operators with weights in signed integers; DSP computes "
          + "all it can in integers; KIRIN convolutions and fully connected layers; ASCEND "
          + "convolutions and matrix products, and needs --optimize=ascend_oriented."),
      Setting(
        "smooth_alpha", .real(.init(lower: 0, upper: 1, includesEnds: true)), default: "0.5",
        for: .full,
        "How much of the outliers of a matrix product's input moves into its weights; 0 and 1 switch "
          + "that off. ASCEND only."),
      Setting(
        "enable_smooth_shift", .boolean, default: "false", for: .full,
        "Whether activations are also shifted when smoothed; ASCEND only.",
        idle: "activations aren't shifted"),
    ])

  private static let samples: Scope = [.full, .sampledWeight, .dynamic]

  private static let dataSection = SectionEntry(
    "data_preprocess_param", "The calibration samples and how they become inputs.",
    keys: [
      Setting(
        "calibrate_path", .directories, for: samples,
        "A directory of samples for each model input: `input:directory`, separated by commas."),
      Setting(
        "calibrate_size", .integer(1...65_535), for: samples,
        "How many samples are used; each directory must hold as many."),
      Setting(
        "input_type", .words(of: InputType.self), for: samples,
        "What the files hold: pictures or raw tensors."),
      Setting(
        "image_to_format", .words(of: ImageFormat.self), default: "BGR", for: samples,
        "The colour order of the input."),
      Setting(
        "normalize_mean", .vector, for: samples,
        "One mean per channel, subtracted; goes with normalize_std."),
      Setting(
        "normalize_std", .vector, for: samples,
        "One divisor per channel, above 0; goes with normalize_mean."),
      Setting(
        "resize_width", .integer(1...65_535), for: samples,
        "Width in pixels after resizing; goes with resize_height and resize_method."),
      Setting(
        "resize_height", .integer(1...65_535), for: samples,
        "Height in pixels after resizing; goes with resize_width and resize_method."),
      Setting(
        "resize_method", .words(of: ResizeMethod.self), for: samples,
        "How pictures are resized; goes with resize_width and resize_height."),
      Setting(
        "center_crop_width", .integer(1...65_535), for: samples,
        "Width in pixels cut from the centre; goes with center_crop_height."),
      Setting(
        "center_crop_height", .integer(1...65_535), for: samples,
        "Height in pixels cut from the centre; goes with center_crop_width."),
    ])

  private static let dynamicSection = SectionEntry(
    "dynamic_quant_param", "DYNAMIC_QUANT.",
    keys: [
      Setting(
        "quant_strategy", .words(of: DynamicQuantStrategy.self), default: "ALWC", for: .dynamic,
        "ALWC: one scale for an activation and one for each output channel of weights; ACWL: one for "
          + "each row (token) of an activation and one for all weights of an operator; ACWC, which "
          + "MindSpore Lite doesn't have: one for each row and each output channel, the most precise. "
          + "MindSpore Lite 2.0 takes one scale for all rows."
      ),
      Setting(
        "quantize_conv", .boolean, default: "false", for: .dynamic,
        "Whether convolutions get integers too (ConvInteger; ONNX files only), with one scale for an "
          + "activation. The files get smaller, but onnxruntime takes longer than with floats."),
      Setting(
        "runtime_operators", .boolean, default: "false", for: .dynamic,
        "Whether LSTMs get integers as onnxruntime's own operator DynamicQuantizeLSTM, which only it "
          + "runs; ONNX files only."),
    ])

  private static let transformSection = SectionEntry(
    transform, "Models that are quantized already.",
    keys: [
      Setting(
        "export_precision_mode", .words(of: ExportPrecisionMode.self), default: "QUANT",
        "What becomes of quantization that a model brings along. QUANT keeps its parameters; a file with "
          + "this section and without quant_type does no more than that, and with FULL_QUANT nothing is "
          + "calibrated. FLOAT32 drops it, so that the model can be quantized anew.")
    ])
}
