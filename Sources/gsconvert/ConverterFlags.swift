import ArgumentParser

/// The flags of a conversion. Values are texts here; the flag table knows what they may be.
struct ConverterFlags: ParsableArguments {
  @Option(
    name: .customLong("fmk"),
    help: .init(
      "Format of the model that is read: ONNX or MSLITE, a float .ms file. Told from the file if left "
        + "out.", valueName: "format"))
  var fmk: String?

  @Option(name: .customLong("modelFile"), help: .init("The model to read.", valueName: "path"))
  var modelFile: String?

  @Option(
    name: .customLong("outputFile"),
    help: .init(
      "The model to write; a missing extension is appended.", valueName: "path"))
  var outputFile: String?

  @Option(
    name: .customLong("weightFile"),
    help: .init(
      "The weights of a Caffe model. Not in this version.", valueName: "path"))
  var weightFile: String?

  @Option(
    name: .customLong("configFile"),
    help: .init(
      "The INI file that says how to quantize.", valueName: "path"))
  var configFile: String?

  @Option(
    name: .customLong("saveType"),
    help: .init(
      "Format of the model that is written: ONNX or MINDIR_LITE. Else told from --outputFile.",
      valueName: "format"
    ))
  var saveType: String?

  @Option(
    name: .customLong("inputShape"),
    help: .init(
      "Input shapes for --infer, as in x:1,3,224,224;y:1,16.", valueName: "shapes"))
  var inputShape: String?

  @Option(
    name: .customLong("inputDataFormat"),
    help: .init(
      "Layout of 4-D inputs: NHWC or NCHW, of raw samples and .ms files.", valueName: "layout"))
  var inputDataFormat: String?

  @Option(
    name: .customLong("inputDataType"),
    help: .init(
      "Element type of the inputs. In this version only DEFAULT.", valueName: "type"))
  var inputDataType: String?

  @Option(
    name: .customLong("outputDataType"),
    help: .init(
      "Element type of the outputs. In this version only DEFAULT.", valueName: "type"))
  var outputDataType: String?

  @Option(
    name: .customLong("outputDataFormat"),
    help: .init(
      "Layout of 4-D outputs: NHWC or NCHW. Not in this version.", valueName: "layout"))
  var outputDataFormat: String?

  @Option(
    name: .customLong("fp16"),
    help: .init(
      "Store weights that stay float in half precision; .ms files only.", valueName: "switch"))
  var fp16: String?

  @Option(
    name: .customLong("optimize"),
    help: .init(
      "Hardware to rewrite the graph for. In this version only none or general.",
      valueName: "target"))
  var optimize: String?

  @Option(
    name: .customLong("device"),
    help: .init("Device to compile for. Not in this version.", valueName: "device"))
  var device: String?

  @Option(
    name: .customLong("infer"),
    help: .init("Run the result once on random input.", valueName: "true|false"))
  var infer: String?

  @Option(
    name: .customLong("trainModel"),
    help: .init(
      "Keep the model trainable. In this version only false.", valueName: "true|false"))
  var trainModel: String?

  @Option(
    name: .customLong("optimizeTransformer"),
    help: .init(
      "Fuse transformer blocks. In this version only false.", valueName: "true|false"))
  var optimizeTransformer: String?

  @Option(
    name: .customLong("encryption"),
    help: .init(
      "Encrypt the result. In this version only false.", valueName: "true|false"))
  var encryption: String?

  @Option(
    name: .customLong("encryptKey"),
    help: .init("Key to encrypt with. Not in this version.", valueName: "key"))
  var encryptKey: String?

  @Option(
    name: .customLong("decryptKey"),
    help: .init(
      "Key of an encrypted model. Not in this version.", valueName: "key"))
  var decryptKey: String?

  @Option(
    name: .customLong("decryptMode"),
    help: .init(
      "How the model is encrypted. Not in this version.", valueName: "mode"))
  var decryptMode: String?

  @Option(
    name: .customLong("dryRun"),
    help: .init(
      "Check everything, print the plan, write nothing.", valueName: "true|false"))
  var dryRun: String?

  @Option(
    name: .customLong("minCosine"),
    help: .init(
      "Exit with 2 if the result is less like the float model.", valueName: "cosine"))
  var minCosine: String?

  @Option(
    name: .customLong("threads"),
    help: .init(
      "Worker threads; 0 is one for each processor.", valueName: "count"))
  var threads: String?

  @Option(
    name: .customLong("quiet"),
    help: .init(
      "Print the last line only.", valueName: "true|false"))
  var quiet: String?

  @Option(name: .customLong("verbose"), help: .init("Print every tensor.", valueName: "true|false"))
  var verbose: String?

  @Option(
    name: .customLong("logFormat"),
    help: .init(
      "text, or json: one object a line.", valueName: "format"))
  var logFormat: String?

  /// The flags that were given, by name.
  var given: [String: String] {
    let all: [(String, String?)] = [
      ("fmk", fmk), ("modelFile", modelFile), ("outputFile", outputFile),
      ("weightFile", weightFile), ("configFile", configFile), ("saveType", saveType),
      ("inputShape", inputShape), ("inputDataFormat", inputDataFormat),
      ("inputDataType", inputDataType), ("outputDataType", outputDataType),
      ("outputDataFormat", outputDataFormat), ("fp16", fp16), ("optimize", optimize),
      ("device", device), ("infer", infer), ("trainModel", trainModel),
      ("optimizeTransformer", optimizeTransformer), ("encryption", encryption),
      ("encryptKey", encryptKey), ("decryptKey", decryptKey), ("decryptMode", decryptMode),
      ("dryRun", dryRun), ("minCosine", minCosine), ("threads", threads), ("quiet", quiet),
      ("verbose", verbose), ("logFormat", logFormat),
    ]
    return Dictionary(
      uniqueKeysWithValues: all.compactMap { name, value in value.map { (name, $0) } })
  }
}
