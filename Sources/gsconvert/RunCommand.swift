import ArgumentParser
import Configuration
import Conversion
import Support

/// `gsconvert run MODEL`: runs a float model on tensors from files.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Runs a float model on tensors from files.",
    usage: "gsconvert run <model> --input <name>=<file> ... [--outputDir <folder>]",
    discussion: """
      A file is NumPy's .npy, a .bin with the raw little-endian elements of the declared type and \
      shape, or an image (JPEG, PNG, BMP, WebP): red, green and blue from 0 to 255, resized to \
      the input's height and width.
      """)

  @Argument(help: .init("The model.", valueName: "model"))
  var model: String

  @Option(
    name: .customLong("input"),
    help: .init("A tensor for an input; once for each input.", valueName: "name=file"))
  var inputs: [String] = []

  @Option(
    name: .customLong("inputShape"),
    help: .init(
      "Shapes of inputs whose declaration leaves them open, for .bin files: "
        + "x:1,3,224,224;y:1,16.", valueName: "name:shape"))
  var inputShape: String?

  @Option(
    name: .customLong("outputDir"),
    help: .init("Folder for the outputs, each as NAME.npy.", valueName: "folder"))
  var outputFolder: String?

  @Option(
    name: .customLong("dump"),
    help: .init(
      "Also write inner values whose name matches; * is any text. May be repeated.",
      valueName: "pattern"))
  var dumped: [String] = []

  @Option(
    name: .customLong("ranges"),
    help: .init(
      "Also write each float activation's shape, least and greatest value, mean and share of "
        + "zeros, as a .csv table. The time is with it.", valueName: "file"))
  var rangesFile: String?

  @Option(
    name: .customLong("repeat"),
    help: .init("Runs to time, after one to warm up.", valueName: "count"))
  var repeats: Int?

  @Option(
    name: .customLong("threads"),
    help: .init("Worker threads; 0 is one for each processor.", valueName: "count"))
  var threads = 0

  @Option(
    name: .customLong("samples"),
    help: .init("Time that many samples at a time.", visibility: .hidden))
  var samples: Int?

  @Option(
    name: .customLong("workers"),
    help: .init("Samples that run at once.", visibility: .hidden))
  var workers = 1

  @Option(name: .customLong("logFormat"), help: .init("text or json.", valueName: "format"))
  var logFormat = "text"

  func run() throws {
    let console = try Console(logFormat: logFormat)
    let outcome = try ModelRun(try job()).run()
    let presentation = RunPresentation(outcome: outcome)
    if console.isJSON {
      console.result(presentation.json.text)
    } else {
      for line in presentation.lines { console.result(line) }
    }
  }

  private func job() throws(Failure) -> ModelRunJob {
    var problems: [Diagnostic] = []
    var files: [ModelRunJob.InputFile] = []
    for input in inputs {
      do throws(Failure) { files.append(try .init(input)) } catch { problems += error.diagnostics }
    }
    let shapes = inputShape.map { ShapeText.shapes($0) } ?? [:]
    if shapes == nil {
      problems.append(
        Diagnostic(
          .flagInvalid, "--inputShape=\(inputShape ?? "") is not a list of shapes",
          help: "write --inputShape=x:1,3,224,224;y:1,16"))
    }
    for (name, value, range) in [
      ("repeat", repeats ?? 1, 1...1_000_000), ("threads", threads, 0...1024),
      ("samples", samples ?? 1, 1...1_000_000), ("workers", workers, 0...1024),
    ] where !range.contains(value) {
      problems.append(
        Diagnostic(
          .flagInvalid,
          "--\(name)=\(value) is not between \(range.lowerBound) and \(range.upperBound)"))
    }
    if !dumped.isEmpty, outputFolder == nil {
      problems.append(
        Diagnostic(
          .flagMissing, "--dump needs --outputDir, the folder to write to",
          help: "--outputDir=values"))
    }
    if samples != nil, rangesFile != nil {
      problems.append(
        Diagnostic(
          .flagConflict, "--ranges looks at one sample, and --samples asks for many",
          help: "give one of them"))
    }
    if !problems.isEmpty { throw Failure(problems) }
    return ModelRunJob(
      modelPath: model, inputs: files, shapes: shapes ?? [:], outputFolder: outputFolder,
      repeats: repeats, dumped: dumped.map { Glob($0) }, threads: threads, rangesPath: rangesFile,
      batch: samples.map { .init(sampleCount: $0, workers: workers) })
  }
}

/// Says what a run of a model gave, to a person or to a program.
struct RunPresentation {
  let outcome: ModelRunOutcome

  /// A line for each fact.
  var lines: [String] {
    var lines = [
      "model      \(outcome.model.path)   \(NumberText.bytes(outcome.model.byteCount))   "
        + "\(outcome.model.nodeCount) nodes"
    ]
    lines += described("input", outcome.inputs, arrow: "<-")
    lines += described("output", outcome.outputs, arrow: "->")
    lines += described("value", outcome.dumped, arrow: "->")
    if let file = outcome.rangesFile { lines.append("ranges     -> \(file)") }
    lines.append("prepared   in \(NumberText.fixed(outcome.preparationSeconds * 1e3, 2)) ms")
    lines.append(timeLine)
    lines.append("memory     peak \(NumberText.bytes(ProcessUsage.peakResidentByteCount))")
    return lines
  }

  private var timeLine: String {
    let median = NumberText.fixed(outcome.medianSeconds * 1e3, 2)
    guard outcome.hasWarmUp else { return "time       \(median) ms" }
    let least = NumberText.fixed(outcome.minimumSeconds * 1e3, 2)
    let count = outcome.runSeconds.count
    return
      "time       median \(median) ms   least \(least) ms   \(count) run\(count == 1 ? "" : "s")"
  }

  private func described(
    _ heading: String, _ items: [ModelRunOutcome.Item], arrow: String
  ) -> [String] {
    let names = items.map(\.name.count).max() ?? 0
    let types = items.map(\.type.count).max() ?? 0
    return items.map { item in
      let place =
        item.file.map { "\(arrow) \($0)" }
        ?? (item.elementType == .string ? "not written: .npy files hold no strings" : "")
      let line =
        heading + String(repeating: " ", count: 11 - heading.count) + item.name
        + String(repeating: " ", count: names - item.name.count + 3) + item.type
        + String(repeating: " ", count: types - item.type.count + 3) + place
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
  }

  /// The same facts under stable names.
  var json: JSONValue {
    .object([
      ("result", .string("SUCCESS")), ("exitCode", .integer(0)),
      ("model", .string(outcome.model.path)), ("inputs", .array(outcome.inputs.map(\.json))),
      ("outputs", .array(outcome.outputs.map(\.json))),
      ("dumped", .array(outcome.dumped.map(\.json))),
      ("ranges", outcome.rangesFile.map { .string($0) } ?? .null),
      ("preparationSeconds", .number(outcome.preparationSeconds)),
      ("runs", .integer(outcome.runSeconds.count)),
      ("medianSeconds", .number(outcome.medianSeconds)),
      ("minimumSeconds", .number(outcome.minimumSeconds)),
      ("peakBytes", .integer(ProcessUsage.peakResidentByteCount)),
    ])
  }
}

extension ModelRunOutcome.Item {
  /// Name, type, shape and file under stable names.
  var json: JSONValue {
    .object([
      ("name", .string(name)), ("type", .string(elementType.name)),
      ("shape", .array(shape.map { .integer($0) })),
      ("file", file.map { .string($0) } ?? .null),
    ])
  }
}
