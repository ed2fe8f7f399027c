import Support
import Testing

@testable import Configuration

/// The configurations of MindSpore Lite's manual, without their comments.
@Suite struct DocumentedExamplesTests {
  private static let common = "[common_quant_param]\nquant_type="
  private static let data = """
    [data_preprocess_param]
    # calibrate_path=name:directory
    calibrate_path=input_name_1:/mnt/image/input_1_dir,input_name_2:input_2_dir
    calibrate_size=100
    input_type=IMAGE
    image_to_format=RGB
    # dst = (src - mean) / std
    normalize_mean=[127.5, 127.5, 127.5]
    normalize_std=[127.5, 127.5, 127.5]
    resize_width=224
    resize_height=224
    resize_method=LINEAR
    center_crop_width=224
    center_crop_height=224

    """
  private static let activations = "[full_quant_param]\nactivation_quant_method=MAX_MIN\n"

  static let examples: [(text: String, keyCount: Int)] = [
    (
      common + "WEIGHT_QUANT\nbit_num=0\nmin_quant_weight_size=5000\nmin_quant_weight_channel=5\n\n"
        + "[mixed_bit_weight_quant_param]\ninit_scale=0.02\n", 5
    ),
    (
      common + "WEIGHT_QUANT\nbit_num=8\nmin_quant_weight_size=0\nmin_quant_weight_channel=16\n",
      4
    ),
    (
      common + "WEIGHT_QUANT\nbit_num=8\nmin_quant_weight_size=5000\nmin_quant_weight_channel=5\n"
        + "\n[weight_quant_param]\ndequant_strategy=ON_THE_FLY\nper_channel=True\n"
        + "bias_correction=False\n\n[ascend_context]\nprovider=ge\n", 8
    ),
    (common + "FULL_QUANT\nbit_num=8\n" + data + activations + "bias_correction=true\n", 15),
    (activations + "bias_correction=true\nper_channel=false\n", 3),
    (activations + "target_device=NVGPU\n", 2),
    (
      activations + "bias_correction=true\ntarget_device=ASCEND\n\n[ascend_context]\n"
        + "input_shape=input_1:[-1,32,32,4]\ndynamic_dims=[1~4],[8],[16]\n\n# dynamic batch\n", 5
    ),
    (common + "DYNAMIC_QUANT\nbit_num=8\n[dynamic_quant_param]\nquant_strategy=ACWL\n", 3),
    (
      common + "WEIGHT_QUANT\nskip_quant_node=node_name1,node_name2,node_name3\n"
        + "debug_info_save_path=/home/workspace/debug_info_save_path\nenable_encode = true\n", 4
    ),
    ("[mixed_bit_weight_quant_param]\ninit_scale=0.02\nauto_tune=false\n", 2),
    ("[full_quant_param]\nactivation_quant_method=RemovalOutlier\n", 1),
  ]

  @Test(arguments: examples)
  func aDocumentedExampleIsRead(text: String, keyCount: Int) throws {
    for end in ["\n", "\r\n"] {
      let bytes = Array(text.replacing("\n", with: end).utf8)
      let parsed = try ConfigurationParser.parse(bytes: bytes, fileName: "quant.cfg")
      #expect(parsed.stated.count == keyCount)
    }
  }

  @Test func theFixedBitExampleQuantizes() throws {
    let configuration = try quantization(of: Self.examples[1].text)
    #expect(configuration.bitNum == 8)
    #expect(configuration.warnings.isEmpty)
  }

  @Test func theDataSectionIsTakenWhole() throws {
    let parsed = try ConfigurationParser.parse(
      bytes: Array((weightHeader + Self.data).utf8), fileName: "quant.cfg")
    let data = try QuantizationConfiguration(from: parsed).data
    #expect(data.calibratePath.map(\.input) == ["input_name_1", "input_name_2"])
    #expect(data.calibratePath.map(\.path) == ["/mnt/image/input_1_dir", "input_2_dir"])
    #expect(data.calibrateSize == 100)
    #expect(data.inputType == .image)
    #expect(data.imageToFormat == .rgb)
    #expect(data.normalizeMean == [127.5, 127.5, 127.5])
    #expect(data.normalizeStd == [127.5, 127.5, 127.5])
    #expect(data.resizeMethod == .linear)
    #expect([data.resizeWidth, data.resizeHeight] == [224, 224])
    #expect([data.centerCropWidth, data.centerCropHeight] == [224, 224])
  }
}
