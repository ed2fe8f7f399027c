import Configuration
import Foundation
import ModelFormats
import ModelGraph
import Support
import Testing

@testable import Conversion

/// Weights rounded on samples have to prove themselves against plain ones.
@Suite struct RoundingTrialTests {
  /// What the samples of a product with one matrix look like.
  private enum Inputs {
    /// Few patterns, mixed: what errors cost depends much on the direction.
    case mixedPatterns
    /// Each element for itself.
    case noise
  }

  private static let width = 32
  private static let sampleCount = 16

  @Test func theBetterResultsDecide() {
    #expect(ComparisonFacts(fitted: 12.6, plain: 13).prefersPlain)
    #expect(!ComparisonFacts(fitted: 18.2, plain: 17.1).prefersPlain)
    #expect(!ComparisonFacts(fitted: 100, plain: 100).prefersPlain)
  }

  @Test(arguments: [false, true]) func itIsKeptWhereResultsAreBetter(writesMSLite: Bool) throws {
    let (sampled, plain) = try convert(held: .mixedPatterns, writesMSLite: writesMSLite)
    let trial = try #require(sampled.trial)
    #expect(trial.fitted > trial.plain + 3, "\(trial)")
    #expect(sampled.signalToNoise == trial.fitted)
    #expect(plain.signalToNoise == trial.plain)
    #expect(sampled.bytes != plain.bytes)
  }

  /// What the weights were fitted to doesn't come again.
  @Test(arguments: [false, true]) func itIsRefusedWhereResultsAreWorse(writesMSLite: Bool) throws {
    let (sampled, plain) = try convert(held: .noise, writesMSLite: writesMSLite)
    let trial = try #require(sampled.trial)
    #expect(trial.plain > trial.fitted + 1, "\(trial)")
    #expect(sampled.signalToNoise == trial.plain)
    #expect(sampled.bytes == plain.bytes)
    #expect(plain.trial == nil)
  }

  @Test func theChoiceDependsOnNoThreads() throws {
    let (one, _) = try convert(held: .noise)
    let (three, _) = try convert(held: .noise, threads: 3)
    #expect(one.bytes == three.bytes)
    #expect(one.trial?.fitted == three.trial?.fitted)
    #expect(one.trial?.plain == three.trial?.plain)
  }

  // MARK: Conversions

  private struct Result {
    let trial: ComparisonFacts?
    let signalToNoise: Double
    let bytes: Data
  }

  /// Converts a product with one matrix, with `quant_strategy=GPTQ` and without. It is calibrated with
  /// mixed patterns and compared on others.
  private func convert(
    held: Inputs, writesMSLite: Bool = false, threads: Int = 1
  ) throws -> (sampled: Result, plain: Result) {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "gsconvert-\(UUID().uuidString)")
    let samples = folder.appending(path: "samples")
    try FileManager.default.createDirectory(at: samples, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var random = SplitMix64(seed: 5)
    let patterns = (0..<4).map { _ in RoundingTrialTests.noise(&random) }
    for number in 0..<2 * RoundingTrialTests.sampleCount {
      let inputs = number < RoundingTrialTests.sampleCount ? .mixedPatterns : held
      let values = RoundingTrialTests.sample(inputs, patterns, &random)
      try values.withUnsafeBytes { Data($0) }
        .write(to: samples.appending(path: String(format: "%02d.bin", number)))
    }
    let model = folder.appending(path: "in.onnx").path
    _ = try ONNXWriter(RoundingTrialTests.product(&random))
      .write(to: model, pool: WorkerPool(threads: 1)) { _, _ in }
    let results = try ["GPTQ", "MAX_MIN"].map { strategy in
      let output = folder.appending(path: "\(strategy).\(writesMSLite ? "ms" : "onnx")").path
      let file = folder.appending(path: "\(strategy).cfg")
      try """
      [common_quant_param]
      quant_type=FULL_QUANT
      [weight_quant_param]
      quant_strategy=\(strategy)
      [full_quant_param]
      per_channel=false
      [data_preprocess_param]
      calibrate_path=x:\(samples.path)
      calibrate_size=\(RoundingTrialTests.sampleCount)
      input_type=BIN
      """.write(to: file, atomically: true, encoding: .utf8)
      let (options, configuration, _) = try ConfigurationLoader.load(commandLine: [
        "modelFile": model, "outputFile": output, "configFile": file.path,
        "saveType": writesMSLite ? "MINDIR_LITE" : "ONNX", "threads": String(threads),
      ])
      let outcome = try Converter(ConversionJob(options, configuration)).run().outcome
      #expect(outcome.quality?.source == .unused)
      return Result(
        trial: outcome.full?.roundingTrial,
        signalToNoise: try #require(outcome.quality?.outputs.first).signalToNoise,
        bytes: try Data(contentsOf: URL(filePath: outcome.files[0])))
    }
    return (results[0], results[1])
  }

  private static func noise(_ random: inout SplitMix64) -> [Float] {
    (0..<width).map { _ in Float.random(in: -1...1, using: &random) }
  }

  /// A sample whose largest element is 1 or -1; the first is always 0.
  private static func sample(
    _ inputs: Inputs, _ patterns: [[Float]], _ random: inout SplitMix64
  ) -> [Float] {
    var sample = noise(&random)
    if inputs == .mixedPatterns {
      let shares = noise(&random)
      sample = (0..<width).map { place in
        zip(patterns, shares).reduce(0) { $0 + $1.0[place] * $1.1 }
      }
    }
    sample[0] = 0
    let largest = sample.reduce(0) { max($0, abs($1)) }
    return sample.map { $0 / largest }
  }

  /// `y = x w`: one large weight, which meets zeros, makes the common grid coarse.
  private static func product(_ random: inout SplitMix64) -> Model {
    let graph = Graph(name: "product")
    let (input, output, weights) = (Value(name: "x"), Value(name: "y"), Value(name: "w"))
    for value in [input, output] {
      value.type = .tensor(.float32, shape: [.fixed(1), .fixed(width)])
    }
    var values = (0..<width).flatMap { _ in noise(&random) }
    values[0] = 16
    weights.initializer = TensorData(float32: values, dimensions: [width, width])
    (graph.inputs, graph.outputs, graph.initializers) = ([input], [output], [weights])
    graph.nodes = [
      Node(name: "product", operatorType: "MatMul", inputs: [input, weights], outputs: [output])
    ]
    return Model(
      graph: graph, operatorSets: [.init(domain: "", version: 13)], formatVersion: 8)
  }
}
