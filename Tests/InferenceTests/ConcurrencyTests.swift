import Foundation
import ModelFormats
import ModelGraph
import Support
import Testing

@testable import Inference

/// A model and the shapes of what it is fed; large enough that operators spread over workers.
struct ConcurrencySample: CustomTestStringConvertible, Sendable {
  let name: String
  let shapes: [String: [Int]]
  var testDescription: String { name }

  static let all = [
    ConcurrencySample(name: "digits/digits_cnn.onnx", shapes: ["image": [3, 1, 28, 28]]),
    ConcurrencySample(name: "digits/digits_lstm.onnx", shapes: ["image": [3, 1, 28, 28]]),
    ConcurrencySample(name: "inference/cases/control_flow/model.onnx", shapes: ["x": [2, 3]]),
    ConcurrencySample(
      name: "inference/cases/residual_block/model.onnx", shapes: ["x": [2, 3, 90, 70]]),
    ConcurrencySample(
      name: "inference/cases/feature_pyramid/model.onnx", shapes: ["x": [1, 2, 90, 80]]),
    ConcurrencySample(
      name: "inference/cases/upsampling_decoder/model.onnx", shapes: ["x": [1, 3, 40, 30]]),
    ConcurrencySample(
      name: "inference/cases/transformer_block/model.onnx",
      shapes: ["x": [24, 40, 16], "mask": [40, 40]]),
    ConcurrencySample(
      name: "inference/cases/recurrent_stack/model.onnx",
      shapes: ["x": [7, 60, 4], "lengths": [60]]),
    ConcurrencySample(
      name: "inference/cases/quantized_network/model.onnx", shapes: ["x": [1, 2, 60, 50]]),
    ConcurrencySample(
      name: "inference/cases/half_precision/model.onnx", shapes: ["x": [1, 2, 60, 60]]),
    ConcurrencySample(
      name: "inference/cases/old_operator_set/model.onnx", shapes: ["x": [2, 3, 60, 40]]),
    ConcurrencySample(
      name: "inference/cases/fused_operators/model.onnx", shapes: ["x": [6, 50, 8]]),
  ]

  /// The model, open to any extents.
  func model() throws -> Model {
    let model = try ONNXReader.read(path: GoldenCase.fixtures.path + "/" + name)
    for input in model.graph.inputs {
      if case .tensor(let type, _)? = input.type { input.type = .tensor(type, shape: nil) }
    }
    return model
  }

  /// Random feeds; another seed gives other numbers and, in the axis that counts samples, another
  /// extent where the model lets it vary.
  func feeds(_ model: Model, seed: Int) -> [String: RunValue] {
    var generator = SeededGenerator(seed: UInt64(seed))
    var feeds: [String: RunValue] = [:]
    for input in model.graph.inputs {
      guard case .tensor(let type, _)? = input.type, var shape = shapes[input.name] else {
        continue
      }
      if input.name == "image" { shape[0] = 1 + seed % 3 }
      let numbers = generator.floats(shape.reduce(1, *), in: type == .int32 ? 0...7 : -1...1)
      let context = RunContext(pool: BufferPool(), workers: WorkerPool(threads: 1))
      let tensor = try? Casting.cast(Tensor(shape, numbers), to: type, context)
      feeds[input.name] = tensor.map { .tensor($0) }
    }
    return feeds
  }
}

@Suite struct ConcurrencyTests {
  private static func bytes(_ results: [(name: String, value: RunValue)]) -> [[UInt8]] {
    results.map { result in
      result.value.tensor.map { tensor in
        Array("\(tensor.description) ".utf8) + tensor.withUnsafeBytes { Array($0) }
      } ?? []
    }
  }

  /// Eight threads that are alive at once, whatever the number of processors.
  private static func onEightThreads(_ body: @escaping @Sendable (Int) -> Void) {
    let done = DispatchGroup()
    for number in 0..<8 {
      done.enter()
      Thread {
        body(number)
        done.leave()
      }.start()
    }
    done.wait()
  }

  @Test(arguments: ConcurrencySample.all.prefix(4), [1, 2])
  func oneSessionServesManyThreads(sample: ConcurrencySample, workers: Int) throws {
    let model = try sample.model()
    let alone = try InferenceSession(model: model)
    let feeds = (0..<8).map { sample.feeds(model, seed: $0) }
    let expected = try feeds.map { Self.bytes(try alone.run(values: $0)) }
    let session = try InferenceSession(model: model, options: .init(threads: workers))
    let wrong = Guarded<[String]>([])
    Self.onEightThreads { thread in
      for round in 0..<63 {
        let number = (thread + round) % 8
        let results = try? session.run(values: feeds[number])
        if results.map(Self.bytes) != expected[number] {
          wrong.withLock { $0.append("thread \(thread), round \(round)") }
        }
      }
    }
    #expect(wrong.withLock { $0 } == [])
  }

  @Test(arguments: ConcurrencySample.all)
  func resultsDoNotDependOnTheNumberOfThreads(sample: ConcurrencySample) throws {
    let model = try sample.model()
    let feeds = sample.feeds(model, seed: 11)
    let results = try [1, 2, 7].map { threads in
      let session = try InferenceSession(model: model, options: .init(threads: threads))
      return Self.bytes(try session.run(values: feeds))
    }
    #expect(results[0].allSatisfy { !$0.isEmpty })
    #expect(results[1] == results[0], "2 threads")
    #expect(results[2] == results[0], "7 threads")
  }

  @Test(arguments: ConcurrencySample.all)
  func observingChangesNoResult(sample: ConcurrencySample) throws {
    let model = try sample.model()
    let feeds = sample.feeds(model, seed: 12)
    let unobserved = try InferenceSession(model: model)
    let watching = try InferenceSession(model: model, options: .init(isWatched: { _ in true }))
    var names: Set<String> = []
    let seen = try watching.run(values: feeds) { name, _ in names.insert(name) }
    #expect(names.isSuperset(of: model.graph.nodes.compactMap { $0.outputs[0]?.name }))
    #expect(Self.bytes(seen) == Self.bytes(try unobserved.run(values: feeds)))
    let one = model.graph.nodes[model.graph.nodes.count / 2].outputs[0]?.name
    let glancing = try InferenceSession(model: model, options: .init(isWatched: { $0 == one }))
    #expect(
      Self.bytes(try glancing.run(values: feeds) { _, _ in })
        == Self.bytes(try unobserved.run(values: feeds)))
  }
}
