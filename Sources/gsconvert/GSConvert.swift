import ArgumentParser
import Configuration
import Conversion
import Glibc
import Support

/// The root command: a conversion, with converter_lite's flags.
struct GSConvert: ParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "gsconvert",
    abstract: "Turns a trained float model into a quantized one.",
    usage: """
      gsconvert --modelFile=<model.onnx> --outputFile=<quantized.onnx> --configFile=<job.cfg>
      gsconvert --configFile=<job.cfg>        with a section [converter_param] in the file
      gsconvert inspect <model>
      gsconvert run <model> --input <name>=<file> ... [--outputDir <folder>]
      gsconvert samples --configFile=<job.cfg> --modelFile=<model> [--outputDir <folder>]
      gsconvert config --check <job.cfg>
      gsconvert config --explain [<section>[.<key>]]
      """,
    discussion: """
      The configuration file is converter_lite's: [common_quant_param] with quant_type, bit_num \
      and so on. `gsconvert config --explain` describes every section and key.

      Exit codes: 0 done, 2 done but below --minCosine, 64 wrong flags, 65 bad model or data, 66 no input file, 69 not supported \
      by this version, 70 our bug, 73 cannot write, 78 wrong configuration.
      """,
    version: "gsconvert \(version)",
    subcommands: [InspectCommand.self, RunCommand.self, SamplesCommand.self, ConfigCommand.self])

  @OptionGroup var flags: ConverterFlags

  mutating func run() throws {
    let (options, configuration, warnings) = try ConfigurationLoader.load(
      commandLine: flags.given)
    let console = Console(isJSON: options.logFormat == .json)
    if !options.quiet { console.show(warnings) }
    let observer: ProgressDisplay? =
      options.quiet ? nil : ProgressDisplay(console: console, isTerminal: Console.hasTerminal)
    let job = ConversionJob(options, configuration)
    let outcome: ConversionOutcome
    let runWarnings: [Diagnostic]
    do throws(Failure) {
      (outcome, runWarnings) = try Converter(job, observer: observer).run()
    } catch {
      console.fail(error)
    }
    if !options.quiet { console.show(runWarnings) }
    let presentation = ConversionPresentation(
      outcome: outcome, options: options, configuration: configuration,
      warningCount: warnings.count + runWarnings.count)
    let shortfall = presentation.shortfall
    if let shortfall { console.show([shortfall]) }
    if options.logFormat == .json {
      console.result(presentation.json.text)
    } else {
      for line in presentation.lines { console.result(line) }
    }
    if let shortfall { Glibc.exit(shortfall.code.exitStatus.rawValue) }
  }
}
