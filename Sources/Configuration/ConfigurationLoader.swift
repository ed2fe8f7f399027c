import Support

/// Reads all that steers a run, and reports all that is wrong with it at once.
public enum ConfigurationLoader {
  /// Options and quantization from the command line (names without dashes) and the file that its
  /// `configFile` names; no quantization without a file or with one of flags only, which a `.ms`
  /// file can do without, or with one that only says what becomes of existing quantization.
  ///
  /// - Throws: the problems of the command line, then of the file, then what this version cannot
  ///   do, then warnings.
  public static func load(
    commandLine: [String: String]
  ) throws(Failure) -> (ConverterOptions, QuantizationConfiguration?, warnings: [Diagnostic]) {
    var problems: [Diagnostic] = []
    var file: ParsedConfiguration?
    if let path = commandLine[FlagTable.configFile], !path.isEmpty {
      do throws(Failure) {
        file = try ConfigurationParser.read(bytes: FileBytes.read(path: path), fileName: path)
      } catch {
        problems += error.diagnostics
      }
    }
    let check = OptionChecker(commandLine: commandLine, file: file)
    problems += check.problems
    if commandLine[FlagTable.configFile]?.isEmpty ?? true,
      !(check.options?.changesFormat ?? false)
    {
      problems.insert(missingFile, at: 0)
    }
    let transform = file?.headers.contains { $0.name == KeyTable.transform } ?? false
    let staysFloat =
      (check.options?.changesFormat ?? false || transform)
      && file.map(asksForNoQuantization) ?? false
    if let file {
      problems += file.problems + (staysFloat ? [] : QuantizationRules.problems(of: file))
      problems += AscendRules(file: file, flags: check.flags).problems
      problems += dynamicProblems(of: file, check.flags)
    }
    problems = ProblemList.ordered(problems)
    guard var options = check.options, !ProblemList.hasError(problems) else {
      throw Failure(problems)
    }
    if let file, transform {
      options.transform = SectionReader(parsed: file, section: KeyTable.transform)
        .word("export_precision_mode")
    }
    guard let file, !staysFloat else { return (options, nil, warnings: problems) }
    let quantization = QuantizationConfiguration(
      checked: file, warnings: problems.filter { !options.warnings.contains($0) })
    return (options, quantization, warnings: problems)
  }

  /// Whether a file asks for no quantization, which a model of another format can do without, and one
  /// that is quantized already.
  private static func asksForNoQuantization(_ file: ParsedConfiguration) -> Bool {
    !file.headers.isEmpty
      && file.headers.allSatisfy { [KeyTable.converter, KeyTable.transform].contains($0.name) }
  }

  private static let missingFile = Diagnostic(
    .flagMissing, "--configFile is missing: no quantization is asked for",
    notes: ["without it the result would be an unquantized copy"],
    help: "--configFile=quant.cfg with [\(KeyTable.common)] and quant_type=WEIGHT_QUANT")

  /// What DYNAMIC_QUANT asks of the flags: its runtimes take no half-precision floats.
  private static func dynamicProblems(
    of file: ParsedConfiguration, _ flags: FlagValues
  ) -> [Diagnostic] {
    guard file.scope == .dynamic, let given = flags.given["fp16"], given.value.text == "on" else {
      return []
    }
    return [
      Diagnostic(
        .flagConflict, "\(given.spelling) cannot be combined with quant_type=DYNAMIC_QUANT",
        location: given.location, notes: ["integer products are made of 32-bit floats"],
        help: "leave it out")
    ]
  }
}
