import Support

/// A configuration that must be refused, and the first error it must be refused with.
struct BadConfiguration: Sendable, CustomStringConvertible {
  var text: String
  var code: DiagnosticCode
  var line: Int?
  var column: Int?
  var status: ExitStatus

  var description: String { text.debugDescription }

  init(
    _ text: String, _ code: DiagnosticCode, _ line: Int?, _ column: Int?,
    _ status: ExitStatus = .configuration
  ) {
    self.text = text
    self.code = code
    self.line = line
    self.column = column
    self.status = status
  }

  private static let full = "[common_quant_param]\nquant_type=FULL_QUANT\n"
  private static let mixed = weightHeader + "bit_num=0\n[mixed_bit_weight_quant_param]\n"
  private static let data = full + "[data_preprocess_param]\n"
  private static let samples =
    data + "calibrate_path=x:/proc/self/task\ncalibrate_size=1\ninput_type=IMAGE\n"
  private static let std = "normalize_std=[1,1,1]\n"
  private static let size = "calibrate_size=1\n"
  private static let bin = "input_type=BIN\n"

  static let all: [BadConfiguration] = syntax + names + values + conflicts + capabilities

  static let syntax: [BadConfiguration] = [
    .init(weightHeader + "garbage line\n", .configSyntax, 3, 1),
    .init(weightHeader + "  garbage # x=1\n", .configSyntax, 3, 3),
    .init(weightHeader + "=8\n", .configSyntax, 3, 1),
    .init(weightHeader + " = \n", .configSyntax, 3, 2),
    .init("[common_quant_param\nquant_type=WEIGHT_QUANT\n", .configSyntax, 1, 1),
    .init("[common_quant_param] x\nquant_type=WEIGHT_QUANT\n", .configSyntax, 1, 22),
    .init("[]\n" + weightHeader, .configSyntax, 1, 1),
    .init("[  ]\n" + weightHeader, .configSyntax, 1, 1),
    .init(weightHeader + "[weight_quant_param]=1\n", .configSyntax, 3, 21),
    .init(weightHeader + "workspace=\"/tmp\n", .configSyntax, 3, 11),
    .init(weightHeader + "workspace='/tmp' more\n", .configSyntax, 3, 18),
    .init(weightHeader + "skip_quant_node=a,\\", .configSyntax, 3, 19),
    .init(weightHeader + "bit_num=8\u{0}\n", .configSyntax, 3, 10),
    .init(weightHeader + String(repeating: "k", count: 201) + "=1\n", .configSyntax, 3, 1),
    .init(weightHeader + "[\(String(repeating: "s", count: 201))]\n", .configSyntax, 3, 2),
    .init("bit_num=8\n" + weightHeader, .keyOutsideSection, 1, 1),
    .init("  colour=8\n" + weightHeader, .keyOutsideSection, 1, 3),
  ]

  static let names: [BadConfiguration] = [
    .init(weightHeader + "not_a_key=1\n", .unknownKey, 3, 1),
    .init(weightHeader + "\tBit_Num=8\n", .unknownKey, 3, 2),
    .init(weightHeader + "bit_nun=8\n", .unknownKey, 3, 1),
    .init(weightHeader + "init_scale=0.1\n", .unknownKey, 3, 1),
    .init(weightHeader + "//x=1\n", .unknownKey, 3, 1),
    .init(weightHeader + "[converter_param]\nconfigFile=a.cfg\n", .unknownKey, 4, 1),
    .init(weightHeader + "[weight_quant_params]\n", .unknownSection, 3, 2),
    .init(weightHeader + "[Weight_Quant_Param]\n", .unknownSection, 3, 2),
    .init(weightHeader + "[a:b]\nc=1\n", .unknownSection, 3, 2),
    .init(weightHeader + "bit_num=8\nbit_num=4\n", .duplicateKey, 4, 1),
    .init(
      weightHeader + "bit_num=8\n[weight_quant_param]\n[common_quant_param]\nbit_num=8\n",
      .duplicateKey, 6, 1),
    .init(weightHeader + "[micro_param]\na=1\na=2\n", .duplicateKey, 5, 1),
    .init("", .missingKey, nil, nil),
    .init("# nothing\n", .missingKey, nil, nil),
    .init("[common_quant_param]\nbit_num=8\n", .missingKey, 1, 2),
    .init("[converter_param]\nfmk=ONNX\n", .missingKey, nil, nil),
    .init("[micro_param]\nquant_type=WEIGHT_QUANT\n", .missingKey, nil, nil),
  ]

  static let values: [BadConfiguration] = [
    .init("[common_quant_param]\nquant_type=BOGUS\n", .badValue, 2, 12),
    .init("[common_quant_param]\nquant_type=weight\n", .badValue, 2, 12),
    .init("[common_quant_param]\nquant_type=\n", .badValue, 2, 12),
    .init(weightHeader + "bit_num=17\n", .valueOutOfRange, 3, 9),
    .init(weightHeader + "bit_num=-1\n", .valueOutOfRange, 3, 9),
    .init(weightHeader + "bit_num=99999999999999999999\n", .valueOutOfRange, 3, 9),
    .init(weightHeader + "bit_num=abc\n", .badValue, 3, 9),
    .init(weightHeader + "bit_num = 8.5\n", .badValue, 3, 11),
    .init(weightHeader + "bit_num=0x8\n", .badValue, 3, 9),
    .init(weightHeader + "bit_num=8 8\n", .badValue, 3, 9),
    .init(weightHeader + "bit_num=\n", .badValue, 3, 9),
    .init(weightHeader + "bit_num= # eight\n", .badValue, 3, 10),
    .init(weightHeader + "bit_num=a=b\n", .badValue, 3, 9),
    .init(weightHeader + "min_quant_weight_size=70000\n", .valueOutOfRange, 3, 23),
    .init(weightHeader + "min_quant_weight_channel=-5\n", .valueOutOfRange, 3, 26),
    .init(weightHeader + "enable_encode=maybe\n", .badValue, 3, 15),
    .init(weightHeader + "enable_encode=1\n", .badValue, 3, 15),
    .init(weightHeader + "enable_encode=yes\n", .badValue, 3, 15),
    .init(weightHeader + "[weight_quant_param]\nper_channel=tru\n", .badValue, 4, 13),
    .init(weightHeader + "[weight_quant_param]\nmax_segments=0\n", .valueOutOfRange, 4, 14),
    .init(weightHeader + "[weight_quant_param]\ndequant_strategy=LATER\n", .badValue, 4, 18),
    .init(weightHeader + "[weight_quant_param]\nweight_range_method=KL\n", .badValue, 4, 21),
    .init(weightHeader + "[weight_quant_param]\nweight_round_method=UP\n", .badValue, 4, 21),
    .init(mixed + "init_scale=1.5\n", .valueOutOfRange, 5, 12),
    .init(mixed + "init_scale=0\n", .valueOutOfRange, 5, 12),
    .init(mixed + "init_scale=nan\n", .badValue, 5, 12),
    .init(mixed + "init_scale=1e999\n", .badValue, 5, 12),
    .init(mixed + "max_iterations=39\n", .valueOutOfRange, 5, 16),
    .init(full + "[full_quant_param]\nactivation_quant_method=SOMETHING\n", .badValue, 4, 25),
    .init(full + "[full_quant_param]\ntarget_device=TPU\n", .badValue, 4, 15),
    .init(full + "[full_quant_param]\nsmooth_alpha=1.01\n", .valueOutOfRange, 4, 14),
    .init(data + "calibrate_path=/data\n" + size + bin, .badValue, 4, 16),
    .init(data + "calibrate_path=x:/tmp,x:/tmp\n" + size + bin, .badValue, 4, 23),
    .init(data + "calibrate_path=x:/tmp,:/tmp\n" + size + bin, .badValue, 4, 23),
    .init(samples + "normalize_mean=1,2,3\n", .badValue, 7, 16),
    .init(samples + "normalize_mean=[1,two,3]\n" + std, .badValue, 7, 19),
    .init(samples + "normalize_mean=[1,,3]\n" + std, .badValue, 7, 19),
    .init(samples + "resize_width=0\n", .valueOutOfRange, 7, 14),
    .init(samples + "image_to_format=YUV\n", .badValue, 7, 17),
    .init(
      data + "input_type=VIDEO\ncalibrate_path=x:/proc/self/task\n" + size, .badValue, 4, 12),
    .init(
      data + "calibrate_size=0\ncalibrate_path=x:/proc/self/task\n" + bin, .valueOutOfRange, 4, 16),
    .init(
      "[common_quant_param]\nquant_type=DYNAMIC_QUANT\n[dynamic_quant_param]\n"
        + "quant_strategy=FOO\n", .badValue, 4, 16),
    .init(weightHeader + "[converter_param]\nfmk=ONX\n", .badValue, 4, 5),
    .init(weightHeader + "[converter_param]\nthreads=2000\n", .valueOutOfRange, 4, 9),
  ]

  static let conflicts: [BadConfiguration] = [
    .init(weightHeader + "bit_num=4\nenable_encode=false\n", .keyConflict, 4, 15),
    .init(weightHeader + "enable_encode=False\nbit_num=0\n", .keyConflict, 3, 15),
    .init(full + "bit_num=4\n", .keyConflict, 3, 9),
    .init(mixed + "target_size=3 apples\n", .badValue, 5, 13),
    .init(mixed + "target_bits=4\ntarget_cosine=0.99\n", .keyConflict, 6, 15),
    .init(mixed + "auto_tune=true\ntarget_bits=4\n", .keyConflict, 6, 13),
    .init("[common_quant_param]\nquant_type=DYNAMIC_QUANT\nbit_num=16\n", .keyConflict, 3, 9),
    .init(
      weightHeader + "bit_num=0\n[weight_quant_param]\ndequant_strategy=ON_THE_FLY\n",
      .keyConflict, 5, 18),
    .init(full, .missingKey, nil, nil),
    .init(data + "calibrate_size=1\ninput_type=BIN\n", .missingKey, 3, 2),
    .init(data + "calibrate_path=x:/proc/self/task\ninput_type=BIN\n", .missingKey, 3, 2),
    .init(data + "calibrate_path=x:/proc/self/task\ncalibrate_size=1\n", .missingKey, 3, 2),
    .init(
      data + "calibrate_path=a:/proc/self/task, b:/no/such\ncalibrate_size=1\ninput_type=BIN\n",
      .pathMissing, 4, 35),
    .init(
      data + "calibrate_path=a:/dev/null\ncalibrate_size=1\ninput_type=BIN\n", .pathMissing, 4, 16),
    .init(
      data + "calibrate_path=a:/proc/self/task\ncalibrate_size=65535\ninput_type=BIN\n",
      .keyConflict, 4, 16),
    .init(samples + "normalize_mean=[1]\n", .keyConflict, 7, 16),
    .init(samples + "normalize_mean=[1]\nnormalize_std=[1,1,1]\n", .keyConflict, 8, 15),
    .init(samples + "normalize_mean=[1]\nnormalize_std=[0]\n", .valueOutOfRange, 8, 15),
    .init(samples + "normalize_mean=[1,2]\nnormalize_std=[1,2]\n", .badValue, 7, 16),
    .init(samples + "resize_width=4\nresize_height=4\n", .keyConflict, 7, 14),
    .init(samples + "center_crop_height=4\n", .keyConflict, 7, 20),
    .init(
      weightHeader + "[weight_quant_param]\nquant_strategy=GPTQ\n", .missingKey, nil, nil),
    .init(weightHeader + "[registry]\nplugin_path=/lib/x.so\n", .keyConflict, 4, 13),
    .init(weightHeader + "debug_info_save_path=/dev/null\n", .pathMissing, 3, 22),
    .init("[ptq_param]\n" + weightHeader, .keyConflict, 1, 2),
  ]

  static let capabilities: [BadConfiguration] = [
    .init("[ptq_param]\nweight_quant_dtype=int8\n", .capabilityNotBuilt, 1, 2, .unsupported),
    .init(
      "[ptq_param]\nx=1\n[layer_policy.ffn]\npattern=.*\n", .capabilityNotBuilt, 1, 2,
      .unsupported),
    .init(weightHeader + "[awq_param]\n", .capabilityNotBuilt, 3, 2, .unsupported),
  ]
}
