/// The one list of command-line flags, which are the keys of `[converter_param]` too.
public enum FlagTable {
  /// The flag that names the configuration file; the only one that can't stand in it.
  public static let configFile = "configFile"

  /// All flags, in the manual's order.
  public static let flags: [Setting] =
    modelFlags + tensorFlags + targetFlags + secretFlags + ownFlags

  /// The flag of that name, in exactly this spelling and without dashes.
  public static func flag(_ name: String) -> Setting? { flags.first { $0.name == name } }

  private static let msTypes = "conversions of element types and layouts in the `.ms` writer"

  private static let modelFlags: [Setting] = [
    Setting(
      "fmk", .words(of: ModelFormat.self),
      "Format of the model that is read; without it, the file tells. MSLITE is a float `.ms` file.",
      refusing: [
        .allExcept("ONNX", "MSLITE", needs: "a reader of that format", instead: "--fmk=ONNX")
      ]),
    Setting("modelFile", .path, "The model that is read; required."),
    Setting(
      "outputFile", .path,
      "The model that is written; required. A missing extension is appended."),
    Setting("weightFile", .path, "The weights of a Caffe model; only with --fmk=CAFFE."),
    Setting(
      configFile, .path,
      "The file that says how to quantize; required but where a `.ms` file is written or read, since "
        + "that may stay float."),
    Setting(
      "saveType", .words(of: SaveType.self),
      "Format of the model that is written; without it the extension of outputFile decides, "
        + "else MINDIR_LITE.",
      refusing: [
        .of("MINDIR", needs: "the MindIR writer", instead: "--saveType=ONNX")
      ]),
  ]

  private static let elementTypes = ["FLOAT16", "FLOAT", "INT8", "UINT8"]

  private static func words(_ names: [String]) -> ValueType {
    .word(names.map { ValueType.Word(name: $0) })
  }

  private static let tensorFlags: [Setting] = [
    Setting(
      "inputShape", .shapes(.plain),
      "Shapes of inputs where the model leaves them open, such as `x:1,3,224,224;y:1,16`: of "
        + "calibration samples, and for the run of infer."),
    Setting(
      "inputDataFormat", words(["NHWC", "NCHW"]), default: "NHWC",
      "Layout of raw calibration samples of four-dimensional inputs, and of these inputs in `.ms` "
        + "files. Inputs of a `.ms` file that is read keep their layout."),
    Setting(
      "outputDataFormat", words(["NHWC", "NCHW"]), "Layout of four-dimensional outputs.",
      refusing: [.allExcept(needs: msTypes)]),
    Setting(
      "inputDataType", words(elementTypes + ["INT32", "INT64", "DEFAULT"]), default: "DEFAULT",
      "Element type of the inputs; DEFAULT is the model's own. INT8 only for `.ms` files with "
        + "quant_type=FULL_QUANT.",
      refusing: [.allExcept("DEFAULT", "INT8", needs: msTypes)]),
    Setting(
      "outputDataType", words(elementTypes + ["DEFAULT"]), default: "DEFAULT",
      "Element type of the outputs; DEFAULT is the model's own. INT8 only for `.ms` files with "
        + "quant_type=FULL_QUANT.",
      refusing: [.allExcept("DEFAULT", "INT8", needs: msTypes)]),
    Setting(
      "fp16", words(["on", "off"]), default: "off",
      "Whether weights that stay float are stored in 16 bits. Only for `.ms` files."),
  ]

  private static let targetFlags: [Setting] = [
    Setting(
      "optimize",
      .word([
        .init(name: "none"), .init(name: "general"), .init(name: "gpu_oriented"),
        .init(name: "ascend_oriented", takesSuffix: true),
      ]), default: "general",
      "The hardware that the model is quantized for; ascend_oriented, with or without a chip behind "
        + "a colon, is what target_device=ASCEND needs, and what changes ON_THE_FLY. No device "
        + "compiler is run.",
      refusing: [.of("gpu_oriented", needs: "device-specific graph rewriting")],
      idle: "an ONNX graph is written as it was read", onlyFor: ["none", "general"]),
    Setting(
      "device", words(["GPU", "Ascend", "Ascend310", "Ascend310P"]),
      "The device that the model is quantized for, instead of optimize; its compiler is not run.",
      refusing: [.of("GPU", needs: "a device compiler")]),
    Setting(
      "infer", .boolean, default: "false",
      "Whether the result is run once on random input, to see that it runs. Open extents are 1, or "
        + "what inputShape says."),
    Setting(
      "trainModel", .boolean, default: "false", "Whether the result can be trained.",
      refusing: [.allExcept("false", needs: msTypes)]),
    Setting(
      "optimizeTransformer", .boolean, default: "false", "Whether attention is fused.",
      refusing: [.allExcept("false", needs: "attention fusion")]),
  ]

  private static let secretFlags: [Setting] = [
    Setting(
      "encryption", .boolean, default: "false", "Whether the result is encrypted.",
      refusing: [.allExcept("false", needs: "encrypted models")]),
    Setting(
      "encryptKey", .text, "The key of the result, 16 bytes in hexadecimal.",
      refusing: [.allExcept(needs: "encrypted models")], isSecret: true),
    Setting(
      "decryptKey", .text, "The key of the model that is read, in hexadecimal.",
      refusing: [.allExcept(needs: "encrypted models")], isSecret: true),
    Setting(
      "decryptMode", words(["AES-GCM", "AES-CBC"]), default: "AES-GCM",
      "How the model that is read is encrypted.",
      refusing: [.allExcept("AES-GCM", needs: "encrypted models")]),
  ]

  private static let ownFlags: [Setting] = [
    Setting(
      "dryRun", .boolean, default: "false",
      "Prints the configuration and the plan, and writes nothing."),
    Setting(
      "minCosine", .real(.init(lower: -1, upper: 1, includesEnds: true)),
      "The least cosine between results of the float and the written model that is good enough: "
        + "below it, the exit code is 2 and the files stay."),
    Setting("threads", .integer(0...1024), default: "0", "Worker threads; 0 is one per core."),
    Setting("quiet", .boolean, default: "false", "Prints the last line only."),
    Setting("verbose", .boolean, default: "false", "Prints everything, tensor by tensor."),
    Setting(
      "logFormat", .words(of: LogFormat.self), default: "text",
      "How messages and the result are written: for people or as JSON lines."),
  ]
}
