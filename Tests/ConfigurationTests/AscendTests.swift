import Support
import Testing

@testable import Configuration

/// Conversions for Ascend devices: what they need, and what `[ascend_context]` may say.
@Suite struct AscendTests {
  private static let full = """
    [common_quant_param]
    quant_type=FULL_QUANT
    [full_quant_param]
    target_device=ASCEND
    [data_preprocess_param]
    calibrate_path=x:/proc/self/task
    calibrate_size=1
    input_type=BIN
    [ascend_context]

    """
  private static let onTheFly =
    "[common_quant_param]\nquant_type=WEIGHT_QUANT\n"
    + "[weight_quant_param]\ndequant_strategy=ON_THE_FLY\n"

  private func problems(
    _ text: String, _ flags: [String: String] = ["optimize": "ascend_oriented"]
  ) throws -> [Diagnostic] {
    let folder = try TemporaryDirectory()
    let path = try folder.write("quant.cfg", text)
    let all = ["modelFile": "a.onnx", "outputFile": "b.ms", "configFile": path]
    do throws(Failure) {
      return try ConfigurationLoader.load(commandLine: all.merging(flags) { $1 }).warnings
    } catch {
      return error.diagnostics
    }
  }

  @Test(arguments: [
    "input_shape=x:[-1,32,32,4]\ndynamic_dims=[1~4],[8],[16]\n",
    "input_shape=x:[1,-1,-1,4]\ndynamic_dims=[32,32],[64,128]\n",
    "input_shape=x:[1,4,-1,-1]\ndynamic_dims=[32~34,8]\n",
    "input_shape=x:[-1,4];y:[-1,2]\ndynamic_dims=[1],[2];[1~2]\n",
  ])
  func openExtentsThatDevicesHaveAreTaken(context: String) throws {
    #expect(try problems(Self.full + context, ["device": "Ascend", "inputShape": "x:1"]).isEmpty)
  }

  @Test(arguments: [
    ("input_shape=x:[-1,32]\n", "calibration with open extents needs --inputShape"),
    ("dynamic_dims=[1]\n", "dynamic_dims needs an input_shape with -1"),
    ("input_shape=x:[-1,2]\ndynamic_dims=1,2\n", "dynamic_dims must be brackets"),
    ("input_shape=x:[-1,2]\ndynamic_dims=[4~1]\n", "dynamic_dims must be brackets"),
    ("input_shape=x:[-1,2]\ndynamic_dims=[1~99999999]\n", "dynamic_dims must be brackets"),
    ("input_shape=x:[-1,2]\ndynamic_dims=[1];[2]\n", "is for 2 inputs, and 1 have"),
    ("input_shape=x:[-1,2];y:[-1,2]\ndynamic_dims=[1];[2]\n", "the same dynamic_dims"),
    ("input_shape=x:[2,-1]\ndynamic_dims=[1]\n", "only the first extent"),
    ("input_shape=x:[-1,-1,-1,4]\ndynamic_dims=[1,2,3]\n", "only the first extent"),
    ("input_shape=x:[1,-1,-1,4]\ndynamic_dims=[1]\n", "an extent for each -1"),
    ("om_file_path=a.om\n", "cannot do om_file_path"),
  ])
  func whatDevicesDoNotHaveIsAnError(context: String, words: String) throws {
    let flags = ["optimize": "ascend_oriented:310"]
    let found = try problems(
      Self.full + context,
      words.contains("--inputShape") ? flags : flags.merging(["inputShape": "x:1"]) { $1 })
    let errors = found.filter { $0.severity == .error }
    #expect(errors.count == 1)
    #expect(errors.first?.message.contains(words) == true)
    #expect((9...11).contains(errors.first?.location?.line ?? 0))
  }

  @Test func aCompilersKeysDrawAWarning() throws {
    let found = try problems(Self.full + "provider=ge\nprecision_mode=enforce_fp32\n")
    #expect(found.map(\.code) == [.keyWithoutEffect])
    #expect(found.first?.message.hasPrefix("precision_mode has no effect") == true)
  }

  @Test func onTheFlyForAscendHasAtLeastEightBits() throws {
    #expect(try problems(Self.onTheFly).isEmpty)
    let found = try problems(Self.onTheFly.replacing("\n[weight", with: "\nbit_num=4\n[weight"))
    #expect(found.map(\.code) == [.keyConflict])
    #expect(found.first?.location?.line == 3)
    let chip = try problems(Self.onTheFly, ["optimize": "ascend_oriented:910b"])
    #expect(chip.map(\.code) == [.capabilityNotBuilt])
    #expect(chip.first?.notes.first?.contains("AscendAntiQuant") == true)
  }

  @Test func whatDoesNotDifferForAscendIsNamed() throws {
    let plain = "[common_quant_param]\nquant_type=WEIGHT_QUANT\n"
    #expect(try problems(plain).map(\.code) == [.flagWithoutEffect])
    let context = try problems(plain + "[ascend_context]\nprovider=ge\n", [:])
    #expect(context.map(\.code) == [.keyWithoutEffect])
    #expect(context.first?.location?.line == 3)
  }

  @Test func halfPrecisionAndDynamicQuantizationExcludeEachOther() throws {
    let found = try problems(
      "[common_quant_param]\nquant_type=DYNAMIC_QUANT\n", ["fp16": "on"])
    #expect(found.contains { $0.code == .flagConflict && $0.message.contains("DYNAMIC_QUANT") })
  }

  @Test func rangesAreExpanded() {
    #expect(DynamicDims("[1~3],[8]")?.inputs == [[[1], [2], [3], [8]]])
    #expect(DynamicDims("[1~2,7]; [3,4]")?.inputs == [[[1, 7], [2, 7]], [[3, 4]]])
    for wrong in ["", "[", "[]", "[0]", "[-1]", "[1],", "[1][2]", "[1~2~3]", "[a]", "1"] {
      #expect(DynamicDims(wrong) == nil, "\(wrong)")
    }
  }
}
