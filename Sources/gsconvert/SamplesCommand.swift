import ArgumentParser
import Configuration
import Conversion
import SampleData
import Support

/// `gsconvert samples`: what a model will see of its calibration samples.
struct SamplesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "samples",
    abstract: "Checks calibration samples and shows what the model will see of them.",
    usage: "gsconvert samples --configFile=<job.cfg> --modelFile=<model> [--outputDir <folder>]",
    discussion: """
      The section [data_preprocess_param] says which files there are and what becomes of them; \
      docs/calibration-data.md describes it. All files are checked, and the first is summed up.
      """)

  @Option(
    name: .customLong("configFile"),
    help: .init("The file with [data_preprocess_param].", valueName: "path"))
  var configFile: String?

  @Option(
    name: .customLong("modelFile"),
    help: .init("The model; else the configuration's.", valueName: "path"))
  var modelFile: String?

  @Option(
    name: .customLong("inputShape"),
    help: .init(
      "Shapes of inputs whose declaration leaves them open: x:1,3,224,224;y:1,16.",
      valueName: "shapes"))
  var inputShape: String?

  @Option(
    name: .customLong("inputDataFormat"),
    help: .init(
      "Layout of .bin files for 4-D float inputs: NHWC (as converter_lite has it) or NCHW.",
      valueName: "layout"))
  var inputDataFormat: String?

  @Option(
    name: .customLong("outputDir"),
    help: .init(
      "Folder for the samples as the model sees them, each as NAME_NUMBER.npy.",
      valueName: "folder"))
  var outputFolder: String?

  @Option(
    name: .customLong("count"),
    help: .init("Samples to write; all if left out.", valueName: "count"))
  var count: Int?

  @Option(name: .customLong("logFormat"), help: .init("text or json.", valueName: "format"))
  var logFormat = "text"

  func run() throws {
    let console = try Console(logFormat: logFormat)
    let outcome = try SampleExport(try job()).run()
    if console.isJSON {
      console.result(json(outcome).text)
      return
    }
    let names = outcome.first.map(\.input.count).max() ?? 0
    for sample in outcome.first {
      let padding = String(repeating: " ", count: names - sample.input.count + 3)
      console.result("samples    \(sample.input)\(padding)\(sample.text)")
    }
    if let folder = outputFolder {
      let count = outcome.files.count
      console.result("wrote      \(count) file\(count == 1 ? "" : "s") to \(folder)")
    }
  }

  private func job() throws(Failure) -> SampleExport.Job {
    guard let configFile else {
      throw Failure(.flagMissing, "--configFile is missing", help: "--configFile=job.cfg")
    }
    let parsed = try ConfigurationParser.load(path: configFile)
    let given = parsed.converterParameters
    guard let model = modelFile ?? given["modelFile"]?.text else {
      throw Failure(.flagMissing, "--modelFile is missing", help: "--modelFile=model.onnx")
    }
    if let count, count < 1 {
      throw Failure(.flagInvalid, "--count=\(count) is less than 1")
    }
    return SampleExport.Job(
      modelPath: model, configuration: try QuantizationConfiguration(preview: parsed),
      inputShapes: try shapes(inputShape ?? given["inputShape"]?.text),
      inputDataFormat: try format(inputDataFormat ?? given["inputDataFormat"]?.text),
      outputFolder: outputFolder, count: count)
  }

  private func shapes(_ text: String?) throws(Failure) -> [String: [Int]] {
    guard let text else { return [:] }
    guard let shapes = ShapeText.shapes(text) else {
      throw Failure(
        .flagInvalid, "--inputShape=\(text) is not a list of shapes",
        help: "write --inputShape=x:1,3,224,224;y:1,16")
    }
    return shapes
  }

  private func format(_ text: String?) throws(Failure) -> DataFormat {
    guard let text else { return .nhwc }
    guard let format = DataFormat(rawValue: text.uppercased()) else {
      throw Failure(.flagInvalid, "--inputDataFormat=\(text) is neither NHWC nor NCHW")
    }
    return format
  }

  private func json(_ outcome: SampleExport.Outcome) -> JSONValue {
    .object([
      ("result", .string("SUCCESS")), ("exitCode", .integer(0)),
      ("samples", .integer(outcome.sampleCount)),
      (
        "inputs",
        .array(
          outcome.first.map { sample in
            .object([
              ("name", .string(sample.input)), ("folder", .string(sample.folder)),
              ("files", .string(sample.files)), ("type", .string(sample.type)),
              ("mean", sample.statistics.map { .number($0.mean) } ?? .null),
              ("std", sample.statistics.map { .number($0.standardDeviation) } ?? .null),
              ("minimum", sample.statistics.map { .number($0.minimum) } ?? .null),
              ("maximum", sample.statistics.map { .number($0.maximum) } ?? .null),
            ])
          })
      ), ("files", .array(outcome.files.map { .string($0) })),
    ])
  }
}
