import Support

/// Joins and checks the flags of a run.
struct OptionChecker {
  /// The options; nil if a problem is an error.
  private(set) var options: ConverterOptions?
  /// Everything wrong or noteworthy, in reading order.
  private(set) var problems: [Diagnostic] = []
  /// The valid flags.
  private(set) var flags = FlagValues()

  private var rejected: Set<String> = []

  init(commandLine: [String: String], file: ParsedConfiguration?) {
    take(file)
    for name in commandLine.keys.sorted() { take(name, commandLine[name] ?? "") }
    requirePath("modelFile", help: "--modelFile=model.onnx names the model that is read")
    requirePath("outputFile", help: "--outputFile=result.onnx names the model that is written")
    checkConflicts()
    let output = checkOutput()
    checkCapabilities()
    checkInputShape()
    problems = ProblemList.ordered(problems)
    guard let output, !ProblemList.hasError(problems) else { return }
    options = ConverterOptions(
      flags, outputFile: output.path, saveType: output.saveType, warnings: problems)
  }

  private mutating func take(_ file: ParsedConfiguration?) {
    for entry in file?.stated ?? [] where entry.assignment.section == KeyTable.converter {
      guard var location = file?.valueLocation(entry.assignment) else { continue }
      if entry.setting.isSecret { location.lineText = nil }
      flags.given[entry.setting.name] = .init(
        setting: entry.setting, value: entry.value, origin: .file(location))
    }
  }

  private mutating func take(_ name: String, _ text: String) {
    guard let flag = FlagTable.flag(name) else {
      let nearest = Spelling.nearest(to: name, among: FlagTable.flags.map(\.name))
      problems.append(
        Diagnostic(
          .flagInvalid, "unknown flag --\(name)",
          help: nearest.map { "did you mean --\($0)?" } ?? "gsconvert --help lists all flags"))
      return
    }
    if text.isEmpty, flag.type.allowsEmpty {
      flags.given[name] = nil
      return
    }
    do throws(ValueProblem) {
      let value = try ValueParser.parse(text, as: flag.type)
      flags.given[name] = .init(setting: flag, value: value, origin: .commandLine)
    } catch {
      rejected.insert(name)
      flags.given[name] = nil
      let spelling = flag.isSecret ? "--\(name)" : "--\(name)=\(text)"
      problems.append(
        Diagnostic(
          .flagInvalid, "\(spelling): \(name) \(error.message)", help: error.label))
    }
  }

  private mutating func requirePath(_ name: String, help: String) {
    if flags.given[name] == nil, !rejected.contains(name) {
      problems.append(Diagnostic(.flagMissing, "--\(name) is missing", help: help))
    }
  }

  private mutating func checkConflicts() {
    if let weights = flags.given["weightFile"], flags.text("fmk") != ModelFormat.caffe.rawValue {
      problems.append(
        Diagnostic(
          .flagConflict, "\(weights.spelling) is only for --fmk=CAFFE",
          location: weights.location))
    }
    if flags.boolean("quiet"), flags.boolean("verbose") {
      problems.append(
        Diagnostic(
          .flagConflict, "quiet and verbose exclude each other",
          location: flags.given["verbose"]?.location))
    }
  }

  /// The complete path and format of the result; nil if they can't be told.
  private mutating func checkOutput() -> (path: String, saveType: SaveType)? {
    guard let output = flags.given["outputFile"] else { return nil }
    let path = output.value.text
    if path.hasSuffix("/") {
      problems.append(
        Diagnostic(
          .flagInvalid, "\(output.spelling) names a directory, not a file",
          location: output.location, help: "add a file name, such as \(path)model.onnx"))
      return nil
    }
    let lowercased = ByteText.asciiLowercased(path)
    let extensionType = SaveType.allCases.first { lowercased.hasSuffix($0.fileExtension) }
    let stated: SaveType? = flags.word("saveType")
    if let stated, let extensionType, stated != extensionType {
      problems.append(
        Diagnostic(
          .flagConflict,
          "\(output.spelling) ends in \(extensionType.fileExtension), but saveType is "
            + stated.rawValue,
          location: output.location, help: "give it the extension \(stated.fileExtension)"))
      return nil
    }
    guard !rejected.contains("saveType") else { return nil }
    let saveType = stated ?? extensionType ?? .mindirLite
    if stated == nil { checkImplied(saveType, output) }
    let completed = extensionType == nil ? path + saveType.fileExtension : path
    if completed == flags.text("modelFile") {
      problems.append(
        Diagnostic(
          .flagConflict, "the model would be written over itself", location: output.location,
          help: "choose another outputFile"))
    }
    return (completed, saveType)
  }

  private mutating func checkImplied(_ saveType: SaveType, _ output: FlagValues.Given) {
    guard let flag = FlagTable.flag("saveType"),
      let refusal = flag.refusal(of: .word(saveType.rawValue))
    else { return }
    problems.append(
      Diagnostic(
        .flagUnsupported, "\(output.spelling) means saveType=\(saveType.rawValue)",
        location: output.location, notes: ["it needs \(refusal.needs), not in this version"],
        help: refusal.instead.map { "use \($0)" }))
  }

  private mutating func checkInputShape() {
    guard let shapes = flags.given["inputShape"] else { return }
    if ShapeText.shapes(shapes.value.text) == nil {
      problems.append(
        Diagnostic(
          .flagInvalid, "\(shapes.spelling) names an input twice", location: shapes.location))
    }
  }

  private mutating func checkCapabilities() {
    for flag in FlagTable.flags {
      guard let given = flags.given[flag.name] else { continue }
      if let refusal = flag.refusal(of: given.value) {
        problems.append(
          Diagnostic(
            .flagUnsupported, "this version cannot do \(given.spelling) yet",
            location: given.location, notes: ["it needs \(refusal.needs)"],
            help: refusal.instead.map { "use \($0)" }))
      } else if let reason = flag.idleReason(of: given.value) {
        problems.append(
          Diagnostic(
            .flagWithoutEffect, "\(given.spelling) has no effect: \(reason)", severity: .warning,
            location: given.location))
      }
    }
  }
}
