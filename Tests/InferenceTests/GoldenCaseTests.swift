import Foundation
import ModelFormats
import ModelGraph
import Support
import Testing

@testable import Inference

/// Small models with inputs and outputs of ONNX Runtime: fixtures/inference/make_cases.py.
struct GoldenCase: CustomTestStringConvertible {
  let path: String
  var testDescription: String { path.split(separator: "/").last.map(String.init) ?? path }

  static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("fixtures")

  static let all = cases(in: "inference/cases")
  /// Quantized models whose operators ONNX Runtime ran in integers: make_integer_cases.py.
  static let integers = cases(in: "inference/integers")

  private static func cases(in name: String) -> [GoldenCase] {
    let folder = fixtures.appendingPathComponent(name).path
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder).sorted()) ?? []
    return names.map { GoldenCase(path: "\(folder)/\($0)") }
  }

  /// A fresh model, whose values nothing else shares.
  func model() throws -> Model { try ONNXReader.read(path: "\(path)/model.onnx") }

  private func stored(_ name: String) throws -> TensorData {
    try ONNXValueFile.read(path: "\(path)/test_data_set_0/\(name).pb", as: .tensor)[0]
  }

  /// What is fed, by name.
  func feeds(_ model: Model) throws -> [String: TensorData] {
    var feeds: [String: TensorData] = [:]
    for (index, input) in model.graph.inputs.enumerated() {
      feeds[input.name] = try stored("input_\(index)")
    }
    return feeds
  }

  /// What ONNX Runtime gives, in the order of outputs.
  func expected(_ model: Model) throws -> [TensorData] {
    try model.graph.outputs.indices.map { try stored("output_\($0)") }
  }
}

@Suite struct GoldenCaseTests {
  @Test(arguments: GoldenCase.all)
  func resultsAreThoseOfONNXRuntime(sample: GoldenCase) throws {
    let model = try sample.model()
    let results = try InferenceSession(model: model).run(try sample.feeds(model))
    for (result, expected) in zip(results, try sample.expected(model)) {
      #expect(result.data.elementType == expected.elementType)
      #expect(result.data.dimensions == expected.dimensions)
      let actual = try Tensor(constant: result.data).doubles()
      let wanted = try Tensor(constant: expected).doubles()
      let largest = wanted.reduce(1e-30) { max($0, abs($1)) }
      let bound = expected.elementType.isHalf ? 2e-3 : expected.elementType.isFloat ? 1e-5 : 0
      let error = zip(actual, wanted).reduce(0) { max($0, abs($1.0 - $1.1)) }
      #expect(error <= bound * largest, "\(result.name) is off by \(error)")
    }
  }

  @Test func thereAreCases() { #expect(GoldenCase.all.count >= 12) }
}
